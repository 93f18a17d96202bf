"""Weights out of the files of `jno.save`, for a network that is there already."""

import os
import re
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jno_core import containers
from jno_core._custom_types import PyTree
from jno_core.errors import JnoValueError

KINDS = ("network", "problem")
VERSION = 1


def from_weight_file(module: PyTree, path: str | os.PathLike[str]) -> PyTree:
    """The module with the weights of the network in a file whose weights have the same paths, shapes and types.

    Raises `JnoFileNotFoundError`, and `JnoValueError` for a file that holds no such network, or several.
    """
    kind = containers.identify(path)
    if kind not in KINDS:
        raise JnoValueError(f"{str(path)!r} holds a {kind!r}; weights are in the files of networks and problems.")
    content, arrays = containers.read(path, kind, VERSION)
    own = dict(named_weights(module))
    try:
        stored = {data["key"]: _weights(data["weights"], arrays) for data in _models(content)}
    except (KeyError, TypeError, AttributeError) as e:
        raise JnoValueError(f"The content of {str(path)!r} does not describe networks: {e!r}.") from e
    fitting = [key for key, weights in stored.items() if _shapes(weights) == _shapes(own)]
    if len(fitting) != 1:
        raise JnoValueError(
            f"{str(path)!r} holds the networks {', '.join(map(repr, stored)) or 'none'}, and {len(fitting) or 'none'} of them "
            "fit the paths, shapes and types of this one's weights. Build the network as it was, or say which is meant: "
            "jno.load(path, modules={name: network})."
        )
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    weights = stored[fitting[0]]
    return jax.tree.unflatten(
        structure, [jnp.asarray(weights[path_name(p)]) if eqx.is_array(x) else x for p, x in leaves]
    )


def named_weights(module: PyTree) -> list[tuple[str, jax.Array]]:
    """The arrays of a module by path, in PyTree order."""
    leaves = jax.tree_util.tree_leaves_with_path(module)
    return [(path_name(path), leaf) for path, leaf in leaves if eqx.is_array(leaf)]


def path_name(path: Any) -> str:
    """The path of a leaf in a PyTree as part of a name: `layers/0/weight`. Different paths have different names."""
    return "/".join(_quoted(jax.tree_util.keystr((key,), simple=True)) for key in path)


def _quoted(name: str) -> str:
    """A name that may stand between slashes, and from which the original could be had back."""
    return re.sub(r"[%/\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", name)


def _models(content: Any) -> list[Any]:
    return [entry["model"] for entry in content["objects"] if "model" in entry]


def _weights(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {path: arrays[next(iter(data.values()))] for path, data in described.items()}


def _shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {path: (tuple(weight.shape), np.dtype(weight.dtype)) for path, weight in weights.items()}
