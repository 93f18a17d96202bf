"""Trainable parameters alone, as on the page of miscellaneous features: three coefficients from a residual."""

import jax
import numpy as np
import optax

import jno


def test_three_coefficients_are_recovered_from_a_residual():
    π = jno.np.pi
    domain = jno.domain.line(mesh_size=0.01)
    x, _ = domain.variable("interior")
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    a, b, c = (jno.np.parameter((1,), key=key, name=name) for key, name in zip(keys, "abc", strict=True))
    for p in (a, b, c):
        p.optimizer(optax.adam(1e-2))
    target = 1.5 * jno.np.sin(π * x) - 0.7 * jno.np.cos(π * x) + 2.0 * x * (1 - x)
    residual = a * jno.np.sin(π * x) + b * jno.np.cos(π * x) + c * x * (1 - x) - target
    crux = jno.core([residual.mse])
    crux.solve(30_000)
    found = crux.eval([a, b, c])
    assert [v.shape for v in found] == [(1,)] * 3
    np.testing.assert_allclose(np.concatenate(found), [1.5, -0.7, 2.0], atol=1e-3)
    assert f"{found[0][0]:.2f}" == "1.50"
