"""A sound schedule."""

from typing import final

import equinox as eqx
import jax.numpy as jnp

from jno_core import AbstractSchedule


@final
class InverseTime(AbstractSchedule):
    """A rate that falls while the largest loss so far is not exceeded, source: Robbins and Monro 1951."""

    start: float = eqx.field(default=0.01, static=True, kw_only=True)

    def init(self):
        return jnp.zeros(()), jnp.zeros(())

    def rate(self, state, step, losses):
        largest, falls = state
        now = jnp.max(losses.astype(largest.dtype))
        falls = falls + (now <= largest)
        return self.start / (1 + falls), (jnp.maximum(largest, now), falls)
