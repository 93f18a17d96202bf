"""Expressions as ONNX models, for programs without JAX."""

from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np

from jno_core import containers
from jno_core._graph.variable import default_float
from jno_core._train.exported import Parity
from jno_core._train.problem_file import Path
from jno_core.errors import JnoImportError, JnoValueError


def export_onnx(path: Path, function: Any, expected: Any) -> Parity:
    """Write a function of `export.Function`'s form as an ONNX model, and compare it with the expected values.

    Raises `JnoImportError` without jax2onnx, and `JnoValueError` naming the operation that ONNX does not have.
    """
    try:
        import jax2onnx  # pyright: ignore[reportMissingImports]
        import onnxruntime  # pyright: ignore[reportMissingImports]
    except ImportError as e:
        raise JnoImportError("Exporting to ONNX needs jax2onnx: pip install 'jno-core[onnx]'") from e
    avals = function.avals(symbolic=True)
    try:
        # Traced here, because the converter replaces layers by operations of its own, which have no derivatives.
        closed = jax.make_jaxpr(function)(*avals)
        run = jax.extend.core.jaxpr_as_fun(closed)
        model = jax2onnx.to_onnx(
            lambda *values: run(*values)[0],
            avals,
            input_names=[slot.input.name for slot in function.slots],
            output_names=["value"],
            enable_double_precision=default_float() == jnp.float64,
            return_mode="proto",
        )
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = session.run(None, {slot.input.name: np.asarray(slot.value) for slot in function.slots})[0]
    except Exception as e:
        first = next(iter(str(e).splitlines()), "")
        raise JnoValueError(
            f"{function} cannot be exported to ONNX: {type(e).__name__}: {first} Export it as StableHLO, to a file that does not "
            "end in .onnx."
        ) from e
    parity = Parity.of(jnp.asarray(found), expected)
    containers.replace_file(path, content)
    return parity
