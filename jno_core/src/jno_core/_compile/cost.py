"""What XLA counts for a compiled function."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax


@final
class Cost(NamedTuple):
    """Work of one call, as compiled for this device.

    - `flops`: additions and multiplications.
    - `transcendentals`: evaluations of tanh, exp, sin and their like, which `flops` leaves out.
    - `bytes`: read and written by the fused operations, from caches and memory together.

    What the device's compiler does not count is NaN.
    """

    flops: float
    transcendentals: float
    bytes: float


def cost_of(fn: Callable[..., Any], *arguments: Any) -> Cost:
    """The cost of `fn(*arguments)`, which is compiled and not called."""
    counted = jax.jit(fn).lower(*arguments).compile().cost_analysis() or {}
    missing = float("nan")
    return Cost(*(counted.get(name, missing) for name in ("flops", "transcendentals", "bytes accessed")))
