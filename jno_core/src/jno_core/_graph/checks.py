"""Checks of what a user sets on a model, made at once, long before training would stumble over it."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jno_core._graph import misfit
from jno_core._graph.arity import accepts, required
from jno_core._graph.calculus import Calculus, Parameterised
from jno_core._graph.variable import default_float
from jno_core._interfaces import AbstractSchedule
from jno_core.errors import JnoTypeError, JnoValueError


def name_of(fn: Any) -> str:
    """What messages call a function."""
    return getattr(fn, "__name__", type(fn).__name__)


def checked_rate(rate: Any, taker: str = "scale(...)") -> Any:
    """What `scale` takes: a positive number as a float, `rate(epoch)`, `rate(epoch, losses)`, a schedule or `None`.

    Raises `JnoTypeError` for anything else and `JnoValueError` for a number that is no rate or a function that returns an
    array.
    """
    if isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool):
        if not 0 < rate < math.inf:
            raise JnoValueError(f"{taker} needs a positive finite rate, got {rate!r}.")
        return float(rate)
    if rate is None or isinstance(rate, AbstractSchedule):
        return rate
    if not callable(rate) or isinstance(rate, bool | Parameterised | Calculus):
        raise JnoTypeError(f"{taker} takes a number, rate(epoch), rate(epoch, losses) or None, got {rate!r}.")
    name = name_of(rate)
    count = required(rate)
    if count is not None and not (count <= 2 and (accepts(rate, 1) or accepts(rate, 2))):
        raise JnoTypeError(f"The schedule {name} must take (epoch) or (epoch, losses); it takes {count} arguments.")
    if count == 1:
        value = misfit.traced_shape(rate, jnp.asarray(0), (), lambda: f"The schedule {name}")
        if jnp.shape(value):
            raise JnoValueError(
                f"The schedule {name} must return one number, it returns an array of shape {value.shape}."
            )
    return rate


def check_transform(transform: Callable[..., Any], leaf: Array) -> None:
    """Raises `JnoTypeError` or `JnoValueError` unless the transform of a parameter keeps the parameter's shape."""
    name = getattr(transform, "__name__", repr(transform))
    shape = jnp.shape(misfit.traced_shape(transform, leaf, (), lambda: f"The constraint {name}"))
    if shape != leaf.shape:
        raise JnoValueError(
            f"The constraint {name} turns a parameter of shape {leaf.shape} into {shape}; it must keep the shape, as "
            "jax.nn.softplus does."
        )


def check_dtype(dtype: Any) -> None:
    """Raises `JnoValueError` unless `dtype` is a floating-point type that is available."""
    try:
        floating = not (dtype is None or isinstance(dtype, str)) and jnp.issubdtype(dtype, jnp.floating)
    except TypeError:
        floating = False
    if not floating:
        raise JnoValueError(f"dtype(...) takes a floating-point type such as jnp.bfloat16, got {dtype!r}.")
    if jnp.dtype(dtype) == jnp.float64 != default_float():
        raise JnoValueError(
            f"dtype({dtype!r}) needs double precision, which is off. Switch it on at the top of the script: "
            'jax.config.update("jax_enable_x64", True).'
        )
