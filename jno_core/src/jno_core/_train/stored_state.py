"""The training state as a file holds it: arrays by path, which fit the state of an optimizer once there is one again."""

import warnings
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._custom_types import PyTree
from jno_core._graph import Balance
from jno_core._graph.weight_file import path_name
from jno_core._interfaces import TrainState
from jno_core._train.compiled import signature
from jno_core.errors import JnoWarning


@final
class StoredTree(eqx.Module):
    """The arrays of a PyTree by path. What holds them, such as the classes of an optimizer's state, is not stored."""

    arrays: dict[str, Array]

    def fitted(self, fresh: PyTree) -> PyTree | None:
        """A tree like `fresh` with the stored arrays, or `None` if paths, shapes or types differ."""
        leaves, structure = jax.tree_util.tree_flatten_with_path(fresh)
        named = {path_name(path): leaf for path, leaf in leaves}
        if named.keys() != self.arrays.keys() or len(named) != len(leaves):
            return None
        same = all((self.arrays[p].shape, self.arrays[p].dtype) == (x.shape, x.dtype) for p, x in named.items())
        return jax.tree.unflatten(structure, [self.arrays[path] for path in named]) if same else None


def stored(state: TrainState | None) -> dict[str, Any] | None:
    """What a file holds of a training state: everything but the weights, which belong to the networks."""
    if state is None:
        return None
    return {
        "optimizers": {name: _arrays(tree) for name, tree in state.opt_state.items()},
        "plugins": {name: _arrays(tree) for name, tree in state.plugin_state.items()},
        "key": state.key,
        "epoch": state.epoch,
        "rate": state.rate,
        "points": state.points,
    }


def restored_state(data: Any, balances: Mapping[str, Balance]) -> TrainState | None:
    """The state that `stored` described, for the balancers of the problem by name.

    Warns with `JnoWarning` about a balancer that has changed so that its state does not fit.
    """
    if data is None:
        return None
    plugins: dict[str, PyTree] = {name: StoredTree(arrays) for name, arrays in data["plugins"].items()}
    for name, balance in balances.items():
        # What balancers remember follows from the problem, so that their weights are there before the next run.
        held = plugins.pop(name, None)
        if held is None:
            continue
        n = len(balance.losses)
        tree = held.fitted((balance.rule.init(n), held.arrays.get("1", jnp.ones(n))))
        if tree is None:
            warnings.warn(
                f"The stored state of the balancer {name!r} is not one of this version; it starts anew.",
                JnoWarning,
                stacklevel=2,
            )
            continue
        plugins[name] = tree
    optimizers = {name: StoredTree(arrays) for name, arrays in data["optimizers"].items()}
    return TrainState({}, optimizers, plugins, data["key"], data["epoch"], data["rate"], data["points"])


def carried(old: dict[str, PyTree], fresh: dict[str, PyTree]) -> dict[str, PyTree]:
    """The states of a run that is over, by name, where the next one still has such a state; fresh ones elsewhere."""
    return {name: _one_carried(old.get(name), state) for name, state in fresh.items()}


def _one_carried(old: PyTree, fresh: PyTree) -> PyTree:
    if isinstance(old, StoredTree):
        tree = old.fitted(fresh)
        return fresh if tree is None else tree
    return old if signature(old) == signature(fresh) else fresh


def _arrays(tree: PyTree) -> dict[str, Array]:
    if isinstance(tree, StoredTree):
        return tree.arrays
    return {path_name(path): jnp.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
