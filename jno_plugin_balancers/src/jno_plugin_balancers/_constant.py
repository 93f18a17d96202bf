"""A rate that stays."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jno_plugin_balancers._schedule_arguments import checked_number
from jno_plugin_balancers._stateless import AbstractStateless


@final
class Constant(AbstractStateless):
    """The same rate in every step.

    - `lr`: the rate, positive.

    Raises `JnoTypeError` or `JnoValueError` for a rate that is none.

    Source: Robbins and Monro, A Stochastic Approximation Method, 1951, with a step that does not decrease.
    """

    lr: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        checked_number("constant", "lr", self.lr)

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        del step
        return jnp.asarray(float(self.lr))
