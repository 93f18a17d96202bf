"""Version 2.0 of a package that is on the path twice."""

import jax.numpy as jnp

from jno_core import AbstractBalancer


class Twice(AbstractBalancer):
    def init(self, n):
        return None

    def update(self, state, losses, view):
        return jnp.ones_like(losses), state
