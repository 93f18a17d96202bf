"""What a propagation must be able to do with a value and its derivatives."""

import abc
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from jaxtyping import Array

Jet = TypeVar("Jet")
"""A value together with some of its derivatives at every point; a PyTree of arrays."""

Axes: TypeAlias = Collection[int]

Tower: TypeAlias = Callable[[Array, int], Sequence[Any]]
"""`tower(u, k)`: an elementwise function of `u` and its first k derivatives.

A derivative may be a Python number where it is the same everywhere, and `None` where it is zero.
"""


class AbstractAlgebra(abc.ABC, Generic[Jet]):
    """How derivatives pass through the kinds of primitives that there are. One instance serves one propagation.

    A jet is a value with its derivatives along the axes of differentiation. What does not vary with the coordinates has
    a jet without derivatives, and zero derivatives are left out wherever that is known, so that they cost nothing.

    The four kinds, from the special to the general:

    - `linear`: primitives that are linear in all operands that vary (reshapes, sums, gathers, linear layers).
    - `bilinear`: primitives of two operands that are linear in each (products, matrix products, convolutions).
    - `chain`: elementwise functions of one operand, whose higher derivatives are known.
    - `generic`: anything that JAX can differentiate in forward mode.

    Every rule is exact: the derivatives of the result are those of the composition.

    A derivative that is the same all along an axis, as those of the inputs are along the points, may be kept with length 1
    there. `linear` and `bilinear` are told the axes that their function keeps `apart`: along which it takes each entry by
    itself, and so works with length 1 too. `chain` broadcasts; all other functions get arrays of the values' shapes.
    """

    @abc.abstractmethod
    def constant(self, value: Array) -> Jet:
        """The jet of a value that does not vary."""

    @abc.abstractmethod
    def value(self, jet: Jet) -> Array:
        """The value itself."""

    @abc.abstractmethod
    def varies(self, jet: Jet) -> bool:
        """Whether any derivative is carried."""

    @abc.abstractmethod
    def filled(self, jet: Jet) -> Jet:
        """The same with zeros for derivatives that were left out, so that jets of one shape have one structure."""

    @abc.abstractmethod
    def linear(self, fn: Callable[..., Sequence[Array]], operands: Sequence[Jet], apart: Axes = ()) -> list[Jet]:
        """The results of `fn`, which is linear in all operands taken together; `apart` holds for each of them."""

    @abc.abstractmethod
    def bilinear(
        self, product: Callable[[Array, Array], Array], a: Jet, b: Jet, apart: tuple[Axes, Axes] = ((), ())
    ) -> Jet:
        """The result of `product`, which is linear in either operand, with the axes of each that it keeps apart."""

    @abc.abstractmethod
    def chain(self, tower: Tower, operand: Jet) -> Jet:
        """The result of an elementwise function of one operand."""

    @abc.abstractmethod
    def generic(self, fn: Callable[..., Sequence[Array]], operands: Sequence[Jet]) -> list[Jet]:
        """The results of any function that is differentiable in forward mode, of operands that all vary."""
