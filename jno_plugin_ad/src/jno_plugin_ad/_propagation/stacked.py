"""First derivatives along many directions in one array, and the sum of the second ones: the algebra for high dimension.

From about thirty directions on, one wide matrix product is faster than one product for each direction.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_plugin_ad._propagation.algebra import AbstractAlgebra, Axes, Tower


@final
class StackedJet(NamedTuple):
    """A value, its derivatives along the directions in a leading axis, and the sum of its second derivatives.

    `None` stands for zeros.
    """

    value: Array
    tangents: Array | None
    laplacian: Array | None


@final
class StackedAlgebra(AbstractAlgebra[StackedJet]):
    """Carries the derivatives along `directions` directions v and, if `second`, the sum of vᵀHv over them."""

    def __init__(self, directions: int, second: bool) -> None:
        self.directions = directions
        self.second = second

    def seed(self, value: Array, tangents: Array) -> StackedJet:
        """An input with its derivatives along the directions, `(directions, *value.shape)`; it has no second ones."""
        return StackedJet(value, tangents, None)

    def constant(self, value: Array) -> StackedJet:
        """A jet without derivatives."""
        return StackedJet(value, None, None)

    def value(self, jet: StackedJet) -> Array:
        """The value itself."""
        return jet.value

    def varies(self, jet: StackedJet) -> bool:
        """Whether there is any derivative."""
        return jet.tangents is not None or jet.laplacian is not None

    def filled(self, jet: StackedJet) -> StackedJet:
        """The same with all derivatives."""
        tangents = tangents_of(jet, self.directions)
        return StackedJet(jet.value, tangents, laplacian_of(jet) if self.second else None)

    def linear(
        self, fn: Callable[..., Sequence[Array]], operands: Sequence[StackedJet], apart: Axes = ()
    ) -> list[StackedJet]:
        """Derivatives pass like values, with their shapes."""
        values = fn(*(jet.value for jet in operands))
        tangents = laplacians = [None] * len(values)
        if any(jet.tangents is not None for jet in operands):
            tangents = jax.vmap(fn)(*(tangents_of(jet, self.directions) for jet in operands))
        if any(jet.laplacian is not None for jet in operands):
            laplacians = fn(*map(laplacian_of, operands))
        return [StackedJet(*parts) for parts in zip(values, tangents, laplacians, strict=True)]

    def bilinear(
        self,
        product: Callable[[Array, Array], Array],
        a: StackedJet,
        b: StackedJet,
        apart: tuple[Axes, Axes] = ((), ()),
    ) -> StackedJet:
        """Leibniz' rule."""
        tangents, laplacian = [], []
        if a.tangents is not None:
            tangents.append(jax.vmap(product, in_axes=(0, None))(a.tangents, b.value))
        if b.tangents is not None:
            tangents.append(jax.vmap(product, in_axes=(None, 0))(a.value, b.tangents))
        if a.laplacian is not None:
            laplacian.append(product(a.laplacian, b.value))
        if b.laplacian is not None:
            laplacian.append(product(a.value, b.laplacian))
        if self.second and a.tangents is not None and b.tangents is not None:
            laplacian.append(2 * jnp.sum(jax.vmap(product)(a.tangents, b.tangents), axis=0))
        return StackedJet(product(a.value, b.value), _sum(tangents), _sum(laplacian))

    def chain(self, tower: Tower, operand: StackedJet) -> StackedJet:
        """The chain rule to second order."""
        tangents = operand.tangents
        value, first, *rest = tower(operand.value, 2 if self.second else 1)
        laplacian = []
        if first is not None and operand.laplacian is not None:
            laplacian.append(first * operand.laplacian)
        if self.second and tangents is not None and rest[0] is not None:
            laplacian.append(rest[0] * jnp.sum(jnp.square(tangents), axis=0))
        moved = None if first is None or tangents is None else first * tangents
        return StackedJet(value, moved, _sum(laplacian))

    def generic(self, fn: Callable[..., Sequence[Array]], operands: Sequence[StackedJet]) -> list[StackedJet]:
        """By `jax.jvp`, and by `jax.jvp` of it along the same direction."""
        primals = tuple(jet.value for jet in operands)
        values = fn(*primals)

        def along(tangents: tuple[Array, ...]) -> tuple[Sequence[Array], Sequence[Array]]:
            def first(*primals: Array) -> Sequence[Array]:
                return jax.jvp(fn, primals, tangents)[1]

            return jax.jvp(first, primals, tangents)

        firsts, seconds = jax.vmap(along)(tuple(tangents_of(jet, self.directions) for jet in operands))
        straight = jax.jvp(fn, primals, tuple(map(laplacian_of, operands)))[1]
        return [
            StackedJet(value, first, linear + jnp.sum(second, axis=0) if self.second else None)
            for value, first, second, linear in zip(values, firsts, seconds, straight, strict=True)
        ]


def tangents_of(jet: StackedJet, directions: int) -> Array:
    """The derivatives along the directions, with zeros for `None`."""
    if jet.tangents is not None:
        return jet.tangents
    return jnp.zeros((directions, *jet.value.shape), jet.value.dtype)


def laplacian_of(jet: StackedJet) -> Array:
    """The sum of the second derivatives, with zeros for `None`."""
    return jnp.zeros_like(jet.value) if jet.laplacian is None else jet.laplacian


def _sum(terms: Sequence[Array]) -> Array | None:
    return functools.reduce(operator.add, terms) if terms else None
