"""A rate that falls by a factor per so many steps."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jno_core.errors import JnoTypeError
from jno_plugin_balancers._schedule_arguments import checked_number
from jno_plugin_balancers._stateless import AbstractStateless


@final
class Exponential(AbstractStateless):
    r"""A rate that is multiplied by `decay_rate` every `decay_steps` steps, and never falls below `lr_end`.

    $$r(t) = \max(r_\mathrm{end}, \, r_0 \, d^{\, t / D})$$

    - `lr0`: the rate of the first step, positive.
    - `decay_rate`: `d`, positive; below 1 the rate falls.
    - `decay_steps`: `D`, positive, not necessarily an integer.
    - `lr_end`: the lower bound, zero or more. Default 0.
    - `staircase`: whether `t / D` is rounded down, so that the rate falls in stairs. Default `False`.

    Raises `JnoTypeError` or `JnoValueError` for arguments outside of these ranges.

    Source: Goodfellow, Bengio and Courville, Deep Learning, MIT Press 2016, section 8.3.1.
    """

    lr0: float = eqx.field(static=True)
    decay_rate: float = eqx.field(static=True)
    decay_steps: float = eqx.field(static=True)
    lr_end: float = eqx.field(default=0.0, static=True)
    staircase: bool = eqx.field(default=False, static=True)

    def __check_init__(self) -> None:
        checked_number("exponential", "lr0", self.lr0)
        checked_number("exponential", "decay_rate", self.decay_rate)
        checked_number("exponential", "decay_steps", self.decay_steps)
        checked_number("exponential", "lr_end", self.lr_end, zero=True)
        if not isinstance(self.staircase, bool):
            raise JnoTypeError(f"exponential needs True or False as `staircase`, got {self.staircase!r}.")

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        exponent = step / self.decay_steps
        if self.staircase:
            exponent = jnp.floor(exponent)
        return jnp.maximum(float(self.lr_end), float(self.lr0) * float(self.decay_rate) ** exponent)
