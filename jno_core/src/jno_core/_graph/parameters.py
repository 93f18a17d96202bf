"""Selections of parameters: which leaves of a module a mask names."""

import dataclasses
from collections.abc import Hashable
from typing import Any, Self, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core._custom_types import PyTree
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class Selection:
    """A choice of floating-point leaves of a module, as one truth value per leaf in PyTree order."""

    leaves: tuple[bool, ...]

    @classmethod
    def everything(cls, module: PyTree) -> Self:
        """All floating-point arrays of the module."""
        return cls(tuple(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(module)))

    @classmethod
    def from_mask(cls, module: PyTree, mask: PyTree) -> Self:
        """The leaves that are `True` in `mask`, a PyTree of the module's structure.

        Raises `JnoValueError` when the structures differ, naming the first path that does, or when nothing is selected;
        `JnoTypeError` for leaves that are not truth values.
        """
        if mask is None:
            return cls.everything(module)
        if jax.tree.structure(mask) != jax.tree.structure(module):
            raise JnoValueError(
                "The mask does not have the structure of the module; they differ at "
                f"{first_difference(module, mask, 'mask')}. Build it by eqx.tree_at on jax.tree.map(lambda _: False, net.module)."
            )
        truth = jax.tree.leaves(mask)
        for leaf in truth:
            if not isinstance(leaf, bool | np.bool_):
                got = f"an array of shape {leaf.shape}" if eqx.is_array(leaf) else repr(leaf)
                raise JnoTypeError(
                    f"A mask holds True or False at each leaf, got {got}. Start from "
                    "jax.tree.map(lambda _: False, net.module)."
                )
        chosen = tuple(
            bool(m) and eqx.is_inexact_array(leaf) for m, leaf in zip(truth, jax.tree.leaves(module), strict=True)
        )
        if not any(chosen):
            raise JnoValueError(
                "The mask selects no floating-point parameter: every leaf is False or not an array. Set those that are meant "
                "to True by eqx.tree_at."
            )
        return cls(chosen)

    @property
    def key(self) -> Hashable:
        """What tells two selections of one module apart."""
        return self.leaves

    def minus(self, other: "Selection") -> "Selection":
        """The leaves of this selection that are not in the other."""
        return Selection(tuple(a and not b for a, b in zip(self.leaves, other.leaves, strict=True)))

    def size(self, module: PyTree) -> int:
        """The number of selected scalars."""
        return sum(leaf.size for leaf in self._chosen(module))

    def vector(self, module: PyTree) -> Float[Array, " p"]:
        """The selected parameters as one vector, in PyTree order, each leaf row by row."""
        return jnp.concatenate([jnp.ravel(leaf) for leaf in self._chosen(module)])

    def insert(self, module: PyTree, vector: Float[Array, " p"]) -> PyTree:
        """The module with its selected parameters taken from a vector."""
        leaves, structure = jax.tree.flatten(module)
        start, new = 0, []
        for leaf, chosen in zip(leaves, self.leaves, strict=True):
            if chosen:
                new.append(vector[start : start + leaf.size].reshape(leaf.shape).astype(leaf.dtype))
                start += leaf.size
            else:
                new.append(leaf)
        return jax.tree.unflatten(structure, new)

    def filter(self, module: PyTree) -> PyTree:
        """The module with everything that is not selected replaced by `None`."""
        leaves, structure = jax.tree.flatten(module)
        return jax.tree.unflatten(structure, [x if c else None for x, c in zip(leaves, self.leaves, strict=True)])

    def map(self, fn: Any, module: PyTree) -> PyTree:
        """The module with `fn` applied to its selected leaves."""
        leaves, structure = jax.tree.flatten(module)
        return jax.tree.unflatten(structure, [fn(x) if c else x for x, c in zip(leaves, self.leaves, strict=True)])

    def _chosen(self, module: PyTree) -> list[Any]:
        return [leaf for leaf, c in zip(jax.tree.leaves(module), self.leaves, strict=True) if c]


def first_difference(module: PyTree, other: PyTree, what: str) -> str:
    """Where the structures of a module and of another PyTree, which is called `what`, part."""
    if jax.tree_util.treedef_is_leaf(jax.tree.structure(other)):
        return f"the root: the {what} is a single {type(other).__name__}"
    ours = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(module)]
    theirs = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(other)]
    for a, b in zip(ours, theirs, strict=False):
        if a != b:
            return f"{a} (module) against {b} ({what})"
    longer, which = (ours, "module") if len(ours) > len(theirs) else (theirs, what)
    shared = min(len(ours), len(theirs))
    return f"{longer[shared]} (only in the {which})" if len(longer) > shared else "the static fields of the module"
