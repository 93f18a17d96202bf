"""Rates that fall along half a period of a cosine, with or without a warm-up."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jno_core.errors import JnoValueError
from jno_plugin_balancers._schedule_arguments import checked_count, checked_number
from jno_plugin_balancers._stateless import AbstractStateless


@final
class Cosine(AbstractStateless):
    r"""From `lr0` to `lr_end` along half a period of a cosine, then `lr_end`.

    $$r(t) = r_\mathrm{end} + (r_0 - r_\mathrm{end}) \, \frac{1 + \cos(\pi \min(t / T, 1))}{2}$$

    - `total_steps`: `T`, at least 1.
    - `lr0`: the rate of the first step, positive.
    - `lr_end`: the rate from step `T` on, zero or more. Default 0, at which nothing moves any more.

    Raises `JnoTypeError` or `JnoValueError` for arguments outside of these ranges.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv 1608.03983, without restarts.
    """

    total_steps: int = eqx.field(static=True)
    lr0: float = eqx.field(static=True)
    lr_end: float = eqx.field(default=0.0, static=True)

    def __check_init__(self) -> None:
        checked_count("cosine", "total_steps", self.total_steps, 1)
        checked_number("cosine", "lr0", self.lr0)
        checked_number("cosine", "lr_end", self.lr_end, zero=True)

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return _half_period(step / self.total_steps, float(self.lr0), float(self.lr_end))


@final
class WarmupCosine(AbstractStateless):
    r"""Linear growth over `warmup_steps`, then a cosine over the rest of `total_steps`, then `lr_end`.

    $$r(t) = r_0 \, \frac{t + 1}{W} \ (t < W), \qquad
    r(t) = r_\mathrm{end} + (r_0 - r_\mathrm{end}) \, \frac{1 + \cos(\pi \min((t - W) / (T - W), 1))}{2} \ (t \ge W)$$

    - `total_steps`: `T`, more than `warmup_steps`.
    - `warmup_steps`: `W`, zero or more.
    - `lr0`: the highest rate, positive, reached by step `W - 1`. Default 1e-3.
    - `lr_end`: the rate from step `T` on, zero or more. Default 1e-6.

    Raises `JnoTypeError` or `JnoValueError` for arguments outside of these ranges.

    Source: Goyal et al., Accurate, Large Minibatch SGD, arXiv 1706.02677, section 2.2 (the warm-up), and Loshchilov and Hutter,
    arXiv 1608.03983 (the cosine).
    """

    total_steps: int = eqx.field(static=True)
    warmup_steps: int = eqx.field(static=True)
    lr0: float = eqx.field(default=1e-3, static=True)
    lr_end: float = eqx.field(default=1e-6, static=True)

    def __check_init__(self) -> None:
        checked_count("warmup_cosine", "total_steps", self.total_steps, 1)
        checked_count("warmup_cosine", "warmup_steps", self.warmup_steps, 0)
        checked_number("warmup_cosine", "lr0", self.lr0)
        checked_number("warmup_cosine", "lr_end", self.lr_end, zero=True)
        if self.warmup_steps >= self.total_steps:
            raise JnoValueError(
                f"warmup_cosine needs warmup_steps < total_steps, got warmup_steps={self.warmup_steps} and "
                f"total_steps={self.total_steps}; total_steps counts the warm-up too."
            )

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        growing = float(self.lr0) * (step + 1) / max(self.warmup_steps, 1)
        fraction = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        falling = _half_period(fraction, float(self.lr0), float(self.lr_end))
        return jnp.where(step < self.warmup_steps, growing, falling)


def _half_period(fraction: Float[Array, ""], start: float, end: float) -> Float[Array, ""]:
    return end + (start - end) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(fraction, 0.0, 1.0)))
