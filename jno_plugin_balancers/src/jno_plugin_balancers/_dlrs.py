"""The dynamic learning-rate scheduler: the rate follows the slope of the losses."""

import math
from typing import NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jno_core import AbstractSchedule
from jno_core.errors import JnoValueError
from jno_plugin_balancers._schedule_arguments import checked_count, checked_number

_FLOOR = 1e-12
# A rate this close below a power of ten counts as that power: 1e-3 is a hair below it in single precision.
_DECADE_TOLERANCE = 1e-5


class DynamicScheduleState(NamedTuple):
    """What `DynamicSchedule` remembers between two steps.

    - `rate`: the rate of the last step.
    - `window`: the last total losses, the newest at the end; only the last `seen` are read.
    - `seen`: how many steps the window covers.
    """

    rate: Float[Array, ""]
    window: Float[Array, " window"]
    seen: Int[Array, ""]


@final
class DynamicSchedule(AbstractSchedule):
    r"""The dynamic learning-rate scheduler: faster while the loss falls, slower while it grows.

    In every step after the first one, with the total losses $L$ of the last `window` steps,

    $$s = \frac{L_\mathrm{last} - L_\mathrm{first}}{|\overline{L}|}, \qquad
    r \leftarrow \mathrm{clip}\left(r - c \, 10^{\lfloor \log_{10} r \rfloor}, r_\mathrm{min}, r_\mathrm{max}\right), \qquad
    c = \begin{cases} \mathrm{decremental} & s > 1 \\ \mathrm{stagnation} & 0 < s \le 1 \\ -\mathrm{increment} & s \le 0
    \end{cases}$$

    The first step has the rate `lr0`. The total loss is the mean of the losses of the step; a mean over the window below 1e-12
    counts as 1e-12. A rate within 1e-5 of a power of ten counts as that power.

    - `lr0`: the first rate, from `min_lr` to `max_lr`. Default 1e-3.
    - `window`: how many losses are compared, at least 2. Default 10.
    - `decremental_factor`, `stagnation_factor`: what a steeply and a slowly growing loss takes off the rate, in units of the
      rate's power of ten, in [0, 1). Defaults 0.5 and 0.1.
    - `increment_factor`: what a falling loss adds to it, zero or more. Default 0.1.
    - `min_lr`, `max_lr`: the bounds of the rate, positive. Defaults 1e-10 and 1. As a multiplier of an optimizer that has a
      rate of its own, it may need a larger `max_lr`.

    Raises `JnoTypeError` or `JnoValueError` for arguments outside of these ranges.

    Source: Dharanalakota, Raikar and Ghosh, arXiv 2507.21749, 2025, with the losses of steps in place of those of batches.
    """

    lr0: float = eqx.field(default=1e-3, static=True)
    window: int = eqx.field(default=10, static=True)
    decremental_factor: float = eqx.field(default=0.5, static=True)
    stagnation_factor: float = eqx.field(default=0.1, static=True)
    increment_factor: float = eqx.field(default=0.1, static=True)
    min_lr: float = eqx.field(default=1e-10, static=True)
    max_lr: float = eqx.field(default=1.0, static=True)

    def __check_init__(self) -> None:
        for name in ("lr0", "min_lr", "max_lr"):
            checked_number("dlrs", name, getattr(self, name))
        for name in ("decremental_factor", "stagnation_factor", "increment_factor"):
            checked_number("dlrs", name, getattr(self, name), zero=True)
        checked_count("dlrs", "window", self.window, 2)
        if not self.min_lr <= self.lr0 <= self.max_lr:
            raise JnoValueError(
                f"dlrs needs min_lr <= lr0 <= max_lr, got lr0={self.lr0!r}, min_lr={self.min_lr!r} and max_lr={self.max_lr!r}."
            )
        for name in ("decremental_factor", "stagnation_factor"):
            if getattr(self, name) >= 1:
                raise JnoValueError(
                    f"dlrs needs `{name}` below 1, got {getattr(self, name)!r}: it is taken off the rate in units of the "
                    "rate's power of ten, so 1 would leave nothing."
                )

    def init(self) -> DynamicScheduleState:
        """The first rate and an empty window, in JAX's default floating-point type."""
        window = jnp.zeros(int(self.window))
        return DynamicScheduleState(jnp.asarray(self.lr0, window.dtype), window, jnp.zeros((), jnp.int32))

    def rate(
        self, state: DynamicScheduleState, step: Int[Array, ""], losses: Float[Array, " n"]
    ) -> tuple[Float[Array, ""], DynamicScheduleState]:
        del step
        window = jnp.roll(state.window, -1).at[-1].set(jnp.mean(losses.astype(state.window.dtype)))
        seen = jnp.minimum(state.seen + 1, window.size)
        covered = jnp.arange(window.size) >= window.size - seen
        mean = jnp.sum(window, where=covered) / seen
        slope = (window[-1] - window[window.size - seen]) / jnp.maximum(jnp.abs(mean), _FLOOR)
        factor = jnp.where(
            slope > 1,
            float(self.decremental_factor),
            jnp.where(slope > 0, float(self.stagnation_factor), -float(self.increment_factor)),
        )
        moved = jnp.clip(state.rate - factor * self._decade(state.rate), float(self.min_lr), float(self.max_lr))
        rate = jnp.where(seen > 1, moved, state.rate)
        return rate, DynamicScheduleState(rate, window, seen)

    def _decade(self, rate: Float[Array, ""]) -> Float[Array, ""]:
        """The power of ten at or below a rate."""
        lowest, highest = (math.floor(math.log10(bound)) for bound in (self.min_lr, self.max_lr))
        # A table, because the logarithm of a power of ten is not exact, and one below the whole number is a tenth of it.
        powers = jnp.asarray([float(f"1e{k}") for k in range(lowest, highest + 2)])
        passed = jnp.sum(powers <= rate * (1 + _DECADE_TOLERANCE))
        return powers[jnp.maximum(passed - 1, 0)]
