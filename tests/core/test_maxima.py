"""Largest and smallest values beside sums that are taken part by part.

In programs as users run them: XLA without optimisation computes a maximum and its arguments twice, with other last bits, and the
gradient, which asks where they are equal, then divides by zero.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno

START = np.array([0.4, -0.7, 0.9])
PLACES = np.random.default_rng(5).random((29, 2))
LOSSES = {
    "max": (lambda f: [f.max], lambda f: [jnp.max(f)]),
    "min": (lambda f: [f.min], lambda f: [jnp.min(f)]),
    "beside a sum over the same points": (lambda f: [f.mse, f.max], lambda f: [jnp.mean(f**2), jnp.max(f)]),
    "times a sum": (lambda f: [f.mse * f.max - f.min], lambda f: [jnp.mean(f**2) * jnp.max(f) - jnp.min(f)]),
}


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("name", LOSSES)
def test_extremes_have_the_gradient_that_jax_gives(name, chunk):
    written, plain = LOSSES[name]
    with jax.enable_x64(True):
        x, y, _ = jno.domain.from_array({"interior": PLACES}).variable("interior")
        a = jno.np.parameter((3,), name="a").initialize(jnp.asarray(START)).optimizer(optax.sgd(1.0))
        field = (a[0] * jno.np.sin(a[1] * x) + jno.np.exp(a[2] * x * y)).d(x)
        crux = jno.core(written(field))
        [loss] = crux.solve(1, chunk=chunk).total_loss_history

        def total(a):
            values = jax.vmap(jax.grad(lambda x, y: a[0] * jnp.sin(a[1] * x) + jnp.exp(a[2] * x * y)))(*PLACES.T)
            return jnp.mean(jnp.stack(plain(values)))

        value, slope = jax.value_and_grad(total)(jnp.asarray(START))
        np.testing.assert_allclose(loss, value, rtol=1e-10)
        np.testing.assert_allclose(START - crux.eval(a), slope, rtol=1e-9, atol=1e-11)
