"""Settings of JAX for a while, and what they leave behind."""

import jax
import jax.numpy as jnp

from jno_core.testing._precision import unoptimised


def test_programs_that_were_not_optimised_are_forgotten():
    program = jax.jit(lambda x: jnp.sin(x) + 1)
    with unoptimised():
        program(1.0)
        assert program._cache_size() == 1
    assert program._cache_size() == 0
