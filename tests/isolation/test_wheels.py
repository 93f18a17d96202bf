"""Wheels in empty environments: the shared environment of the workspace would hide an undeclared dependency."""

import pytest

PINN = """
import sys
import equinox as eqx, jax, jax.numpy as jnp, numpy as np, optax
import jno
domain = jno.domain.from_array({"interior": np.linspace(0, 1, 40)[:, None], "boundary": np.array([[0.0], [1.0]])})
x, _ = domain.variable("interior")
xb, _ = domain.variable("boundary")
net = jno.nn.wrap(eqx.nn.MLP(1, 1, 16, 2, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-2))
u = net(x)
pde = -u.d2(x) - jno.np.pi**2 * jno.np.sin(jno.np.pi * x)
crux = jno.core([pde.mse, 100 * net(xb).mse])
crux.solve(1500)
values, exact = crux.eval([u, jno.np.sin(jno.np.pi * x)])
error = float(jnp.linalg.norm(values - exact) / jnp.linalg.norm(exact))
assert error < 2e-2, error
try:
    jno.domain.rect()
except LookupError as e:
    assert "pip install jno-plugin-geometry" in str(e), e
else:
    raise AssertionError("jno.domain.rect() without jno-plugin-geometry")
absent = [m for m in ("matplotlib", "rich", "netgen", "foundax", "shapely") if m in sys.modules]
assert not absent, absent
"""

CORE_ALONE = """
import numpy as np
import jno
domain = jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]})
x, _ = domain.variable("interior")
try:
    (x * x).d(x)
except LookupError as e:
    assert "pip install jno-plugin-ad" in str(e), e
else:
    raise AssertionError("a derivative without jno-plugin-ad")
assert jno.core([], domain=domain).eval(x * x).shape == (1, 5, 1)
"""


@pytest.mark.timeout(600)
def test_core_alone_evaluates_and_names_the_missing_plugin(environment, wheel):
    environment.pip("install", wheel("jno_core"))
    environment.run("python", "-W", "error", "-c", CORE_ALONE)


@pytest.mark.timeout(600)
def test_core_and_automatic_differentiation_train_a_pinn_on_given_points(environment, wheel):
    environment.pip("install", wheel("jno_core"), wheel("jno_plugin_ad"))
    environment.run("python", "-W", "error", "-c", PINN)
