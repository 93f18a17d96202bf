"""Rules for arrays: of NumPy and of JAX, weakly typed ones, random keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer
from jno_core.errors import JnoValueError


def on_device(array: np.ndarray, name: str = "") -> jax.Array:
    """An array for JAX, bit for bit.

    Raises `JnoValueError` when double precision is off that the array needs.
    """
    placed = jnp.asarray(array)
    if placed.dtype != array.dtype:
        raise JnoValueError(
            f"The stored array {name!r} is of type {array.dtype}, which needs double precision. Switch it on at the top of "
            'the script: jax.config.update("jax_enable_x64", True).'
        )
    return placed


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _describe_key(writer: Writer, value: Any, where: str) -> list[Any]:
    return [writer.array(jax.random.key_data(value), where), str(jax.random.key_impl(value))]


def _rebuild_key(reader: Reader, data: Any) -> jax.Array:
    name, implementation = data
    return jax.random.wrap_key_data(jnp.asarray(reader.array(name)), impl=implementation)


def _rebuild_weak(reader: Reader, name: Any) -> jax.Array:
    array = on_device(reader.array(name), name)
    # JAX types Python numbers weakly, and what is made of them by repeating and setting.
    weak = jnp.asarray(array.dtype.type(0).item())
    return jnp.broadcast_to(weak, array.shape).at[...].set(array)


ARRAY_RULES = (
    Rule("key", _is_key, _describe_key, _rebuild_key),
    Rule(
        "weak",
        lambda v: isinstance(v, jax.Array) and v.weak_type,
        lambda writer, value, where: writer.array(value, where),
        lambda reader, name: reader.converted(name, lambda: _rebuild_weak(reader, name)),
    ),
    Rule(
        "array",
        lambda v: isinstance(v, jax.Array),
        lambda writer, value, where: writer.array(value, where),
        lambda reader, name: reader.converted(name, lambda: on_device(reader.array(name), name)),
    ),
    Rule(
        "numpy",
        lambda v: isinstance(v, np.ndarray),
        lambda writer, value, where: writer.array(value, where),
        lambda reader, name: reader.array(name),
    ),
    Rule(
        "scalar",
        lambda v: isinstance(v, np.generic),
        lambda writer, value, where: writer.array(np.asarray(value), where),
        lambda reader, name: reader.array(name)[()],
    ),
)
