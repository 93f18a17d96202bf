"""Parameters that the user gives to a differentiation operator in place of the scheme's own."""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, Self, final

import jax
import numpy as np

from jno_core._custom_types import PyTree
from jno_core._graph.calculus import Parameterised
from jno_core._graph.function import owned
from jno_core._graph.placeholder import Placeholder
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True, eq=False)
class OperatorParams:
    """A PyTree that takes the place of a scheme's default parameters.

    Its leaves are arrays and numbers, which are fixed, and expressions: a trainable `jno.np.parameter` among them trains
    with the networks. One object that is given to several operators is one set of parameters.
    """

    structure: Any
    leaves: tuple[Any, ...]

    @classmethod
    def from_user(cls, params: PyTree) -> Self:
        """Raises `JnoTypeError` for a leaf that is neither an array, a number nor an expression."""
        leaves, structure = jax.tree.flatten(params, is_leaf=lambda x: isinstance(x, Placeholder | Parameterised))
        return cls(structure, tuple(map(_checked, leaves)))

    def nodes(self) -> tuple[Placeholder, ...]:
        """The expressions among the leaves."""
        return tuple(leaf for leaf in self.leaves if isinstance(leaf, Placeholder))

    def arrays(self) -> tuple[np.ndarray | jax.Array, ...]:
        """The fixed leaves."""
        return tuple(leaf for leaf in self.leaves if not isinstance(leaf, Placeholder))

    def with_nodes(self, nodes: Sequence[Placeholder]) -> Self:
        """The same with other expressions."""
        if all(a is b for a, b in zip(nodes, self.nodes(), strict=True)):
            return self
        remaining = iter(nodes)
        return dataclasses.replace(
            self, leaves=tuple(next(remaining) if isinstance(leaf, Placeholder) else leaf for leaf in self.leaves)
        )

    def key(self) -> Hashable:
        """Equal for parameters that are the same but for their expressions."""
        return self.structure, tuple(None if isinstance(leaf, Placeholder) else id(leaf) for leaf in self.leaves)

    def check(self, defaults: PyTree, what: str) -> None:
        """Raises `JnoValueError` unless these parameters fit in the place of the defaults."""
        expected, structure = jax.tree.flatten(defaults)
        if not expected:
            raise JnoValueError(f"{what} has no parameters; leave params= out.")
        if structure != self.structure:
            raise JnoValueError(f"params= of {what} must have the structure {structure}, got {self.structure}.")
        for default, leaf in zip(expected, self.leaves, strict=True):
            shape = leaf.aval.shape if isinstance(leaf, Placeholder) else leaf.shape
            if shape != np.shape(default):
                raise JnoValueError(f"params= of {what} must have leaves of shape {np.shape(default)}, got {shape}.")


def _checked(leaf: Any) -> Any:
    if isinstance(leaf, Placeholder):
        return leaf
    if isinstance(leaf, Parameterised):
        raise JnoTypeError(
            f"params= takes arrays and expressions such as jno.np.parameter(...), got the network {leaf!r}."
        )
    if isinstance(leaf, np.ndarray | jax.Array | np.generic | int | float) and not isinstance(leaf, bool):
        return owned(np.asarray(leaf) if isinstance(leaf, int | float) else leaf)
    raise JnoTypeError(f"params= takes arrays and expressions as leaves, got {leaf!r} of type {type(leaf).__name__}.")
