"""Initial weights: from a file, a PyTree, an array or an initializer."""

import inspect
import os
import zlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jno_core._custom_types import PyTree
from jno_core._graph.modules import ParameterArray
from jno_core._settings import get_seed
from jno_core.errors import JnoFileNotFoundError, JnoTypeError, JnoValueError


def initialized(module: PyTree, weights: Any, key: Any) -> PyTree:
    """`module` with its floating-point leaves taken from `weights`; see `AbstractControllable.initialize`."""
    if isinstance(weights, str | os.PathLike):
        return _from_file(module, os.fspath(weights))
    if isinstance(module, ParameterArray) and isinstance(weights, int | float | np.ndarray | jax.Array):
        value = jnp.asarray(weights, module.value.dtype)
        if value.ndim and value.shape != module.value.shape:
            raise JnoValueError(f"The parameter has shape {module.value.shape}, the initial value {value.shape}.")
        return ParameterArray(jnp.broadcast_to(value, module.value.shape))
    if _is_initializer(weights):
        return _from_initializer(module, weights, key)
    return _from_tree(module, weights)


def _from_file(module: PyTree, path: str) -> PyTree:
    if not os.path.exists(path):
        raise JnoFileNotFoundError(f"There is no weight file {path!r}.")
    if not path.endswith(".eqx"):
        raise JnoValueError(
            f"{path!r} is not an .eqx file. Write weights by eqx.tree_serialise_leaves('weights.eqx', net.module)."
        )
    try:
        return eqx.tree_deserialise_leaves(path, module)
    except (RuntimeError, ValueError, EOFError, OSError) as e:
        raise JnoValueError(f"{path!r} does not hold weights of this network: {e}") from e


def _from_initializer(module: PyTree, initializer: Any, key: Any) -> PyTree:
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    key = jax.random.key(get_seed()) if key is None else key
    new = []
    for path, leaf in leaves:
        if eqx.is_inexact_array(leaf):
            # Folding in the path keeps a leaf's draw when other leaves are added.
            sub = jax.random.fold_in(key, zlib.crc32(jax.tree_util.keystr(path).encode()))
            leaf = initializer(sub, leaf.shape, leaf.dtype)
        new.append(leaf)
    return jax.tree.unflatten(structure, new)


def _from_tree(module: PyTree, weights: PyTree) -> PyTree:
    if jax.tree.structure(weights) != jax.tree.structure(module):
        raise JnoValueError(
            f"The weights have another structure than the network: {jax.tree.structure(weights)} against "
            f"{jax.tree.structure(module)}."
        )
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    new = []
    for (path, old), value in zip(leaves, jax.tree.leaves(weights), strict=True):
        if not eqx.is_array(old):
            new.append(old)
            continue
        if not eqx.is_array_like(value) or jnp.shape(value) != old.shape or jnp.result_type(value) != old.dtype:
            got = f"{jnp.shape(value)} {jnp.result_type(value)}" if eqx.is_array_like(value) else repr(value)
            raise JnoValueError(f"Weight {jax.tree_util.keystr(path)} needs {old.shape} {old.dtype}, got {got}.")
        new.append(jnp.array(value))
    return jax.tree.unflatten(structure, new)


def _is_initializer(weights: Any) -> bool:
    if not callable(weights) or isinstance(weights, eqx.Module):
        return False
    try:
        inspect.signature(weights).bind(None, None, None)
    except TypeError as e:
        raise JnoTypeError(f"An initializer takes (key, shape, dtype); {weights!r} does not: {e}.") from e
    except ValueError:
        return True
    return True
