"""A sound balancer."""

from typing import final

import equinox as eqx
import jax.numpy as jnp

from jno_core import AbstractBalancer


@final
class InverseMean(AbstractBalancer):
    """Each loss is weighed by the inverse of its running mean, source: Kendall, Gal and Cipolla 2018."""

    decay: float = eqx.field(default=0.9, static=True, kw_only=True)

    def init(self, n: int):
        return jnp.zeros(n)

    def update(self, state, losses, view):
        mean = self.decay * state + (1 - self.decay) * losses.astype(state.dtype)
        correction = 1 - self.decay ** (view.step + 1)
        weights = correction / mean
        return weights.astype(losses.dtype), mean
