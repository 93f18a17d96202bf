"""Initial weights: from a file, a PyTree, an array or an initializer."""

import inspect
import os
import re
import zlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jno_core._custom_types import PyTree
from jno_core._graph.keys import checked_key
from jno_core._graph.modules import ParameterArray
from jno_core._graph.parameters import first_difference
from jno_core._graph.weight_file import from_weight_file
from jno_core._settings import get_seed
from jno_core.errors import JnoFileNotFoundError, JnoTypeError, JnoValueError

_CHANGED = re.compile(r"has changed (\w+) from (.+) in `like` to (.+) on disk")


def initialized(module: PyTree, weights: Any, key: Any) -> PyTree:
    """`module` with its floating-point leaves taken from `weights`; see `AbstractControllable.initialize`."""
    if isinstance(weights, str | os.PathLike):
        return _from_file(module, os.fspath(weights))
    if isinstance(module, ParameterArray) and isinstance(weights, int | float | np.ndarray | jax.Array):
        value = jnp.asarray(weights, module.value.dtype)
        if value.ndim and value.shape != module.value.shape:
            raise JnoValueError(
                f"The parameter has shape {module.value.shape}, the initial value {value.shape}. Pass one number or that shape."
            )
        return ParameterArray(jnp.broadcast_to(value, module.value.shape))
    if _is_initializer(weights):
        return _from_initializer(module, weights, key)
    return _from_tree(module, weights)


def _from_file(module: PyTree, path: str) -> PyTree:
    if not os.path.exists(path):
        raise JnoFileNotFoundError(
            f"There is no weight file {path!r}. Give the path of a file of jno.save or of an .eqx file."
        )
    if not path.endswith(".eqx"):
        return from_weight_file(module, path)
    try:
        return eqx.tree_deserialise_leaves(path, module)
    except (RuntimeError, ValueError, EOFError, OSError) as e:
        changed = _CHANGED.search(str(e))
        why = f": it has the {changed[1]} {changed[3]} where the network has {changed[2]}" if changed else ""
        raise JnoValueError(
            f"{path!r} does not hold weights of this network{why}. Build the network as it was when they were written."
        ) from e


def _from_initializer(module: PyTree, initializer: Any, key: Any) -> PyTree:
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    key = jax.random.key(get_seed()) if key is None else checked_key(key, "initialize(key=...)")
    new = []
    for path, leaf in leaves:
        if eqx.is_inexact_array(leaf):
            # Folding in the path keeps a leaf's draw when other leaves are added.
            sub = jax.random.fold_in(key, zlib.crc32(jax.tree_util.keystr(path).encode()))
            leaf = _drawn(initializer, sub, leaf, jax.tree_util.keystr(path))
        new.append(leaf)
    return jax.tree.unflatten(structure, new)


def _drawn(initializer: Any, key: Any, leaf: jax.Array, path: str) -> jax.Array:
    try:
        value = initializer(key, leaf.shape, leaf.dtype)
    except Exception as e:
        e.add_note(f"while initializing the parameter {path} of shape {leaf.shape}")
        raise
    if jnp.shape(value) != leaf.shape:
        raise JnoValueError(
            f"The initializer returned the shape {jnp.shape(value)} for the parameter {path}; return an array of the shape "
            f"that it is given, {leaf.shape}."
        )
    return jnp.asarray(value, leaf.dtype)


def _from_tree(module: PyTree, weights: PyTree) -> PyTree:
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    given, given_structure = jax.tree_util.tree_flatten_with_path(weights)
    if [path for path, _ in given] != [path for path, _ in leaves]:
        raise _other_structure(module, weights)
    new = []
    for (path, old), (_, value) in zip(leaves, given, strict=True):
        if not eqx.is_array(old):
            new.append(old)
            continue
        if not eqx.is_array_like(value) or jnp.shape(value) != old.shape or jnp.result_type(value) != old.dtype:
            got = f"{jnp.shape(value)} {jnp.result_type(value)}" if eqx.is_array_like(value) else repr(value)
            raise JnoValueError(f"Weight {jax.tree_util.keystr(path)} needs {old.shape} {old.dtype}, got {got}.")
        new.append(jnp.array(value))
    # Last, as it would not tell which of two networks' widths differ.
    if given_structure != structure:
        raise _other_structure(module, weights)
    return jax.tree.unflatten(structure, new)


def _other_structure(module: PyTree, weights: PyTree) -> JnoValueError:
    return JnoValueError(
        "The weights have another structure than the network; they differ at "
        f"{first_difference(module, weights, 'weights')}. Pass a PyTree like net.module, a file, or an initializer "
        "(key, shape, dtype); a parameter takes a number or an array."
    )


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
