"""Compiled-form functions: exported StableHLO, checked before it may run.

A StableHLO module computes arrays from arrays. The one way out of it is a custom call, which names a function of the process;
only those of linear algebra, random numbers and shapes are let through.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export
import numpy as np

from jno_core.errors import JnoImportError, JnoValueError

_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_CUSTOM_CALL = re.compile(r'custom_call\s*@"?([^"(\s]*)"?')
_HARMLESS = re.compile(
    r"lapack_\w+|cusolver_\w+|hipsolver_\w+|cusparse_gtsv2_ffi|(cu|hip)_(lu_pivots_to_permutation|threefry2x32_ffi)|"
    r"Eigh|LuDecomposition|Qr|ProductOfElementaryHouseholderReflectors|ApproxTopK|AllocateBuffer|"
    r"Sharding|SPMDFullToShardShape|SPMDShardToFullShape|shape_assertion|stablehlo\.dynamic_\w+"
)


def export(fn: Callable[..., Any], avals: Sequence[jax.ShapeDtypeStruct]) -> jax.export.Exported:
    """`fn` for arguments of these shapes, which may be symbolic; for all platforms if possible, else for this one."""
    traced = jax.jit(fn)
    try:
        return jax.export.export(traced, platforms=_PLATFORMS)(*avals)
    except NotImplementedError:
        # An operation without a lowering for one of them.
        return jax.export.export(traced)(*avals)


def to_bytes(exported: jax.export.Exported) -> np.ndarray:
    """The module as bytes. Raises `JnoImportError` without flatbuffers."""
    try:
        return np.frombuffer(bytes(exported.serialize()), np.uint8)
    except ImportError as e:
        raise _needs_flatbuffers() from e


def from_bytes(content: np.ndarray, name: str) -> jax.export.Exported:
    """The module that `to_bytes` wrote, checked; `name` is what messages call it.

    Raises `JnoValueError` for what is none, and for one that would call functions of the process.
    """
    try:
        exported = jax.export.deserialize(bytearray(np.asarray(content, np.uint8).tobytes()))
        text = exported.mlir_module()
    except ImportError as e:
        raise _needs_flatbuffers() from e
    except Exception as e:
        raise JnoValueError(f"The stored function {name!r} is damaged: {type(e).__name__}.") from e
    if exported.ordered_effects or exported.unordered_effects:
        raise JnoValueError(f"The stored function {name!r} has effects besides its result, and is refused.")
    targets = _CUSTOM_CALL.findall(text)
    refused = [target for target in targets if not _HARMLESS.fullmatch(target)]
    # Every mention must have been understood.
    if refused or text.count("custom_call") != len(targets):
        raise JnoValueError(
            f"The stored function {name!r} calls {', '.join(map(repr, refused)) or 'functions of the process'}, and is refused."
        )
    return exported


def _needs_flatbuffers() -> JnoImportError:
    return JnoImportError("Stored functions need the package flatbuffers: pip install flatbuffers")
