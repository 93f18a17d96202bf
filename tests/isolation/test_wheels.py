"""Wheels in empty environments: the shared environment of the workspace would hide an undeclared dependency."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Behind a proxy only the machine's own certificates work.
CERTIFICATES = {"UV_SYSTEM_CERTS": "true"} if Path("/etc/ssl/certs/ca-certificates.crt").exists() else {}

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


@pytest.fixture(scope="module")
def uv():
    found = shutil.which("uv") or shutil.which(str(ROOT / ".uv/bin/uv"))
    if found is None:
        pytest.skip("uv is not installed; make test brings it")
    return found


@pytest.fixture(scope="module")
def wheels(uv, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    command = [uv, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**CERTIFICATES, **os.environ})
    return folder


def _run_in_fresh_environment(uv, wheels, folder, names, code):
    chosen = [str(w) for name in names for w in wheels.glob(f"{name}-*.whl")]
    assert len(chosen) == len(names)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    command = [uv, "pip", "install", "--quiet", "--python", str(python), *chosen]
    subprocess.run(command, check=True, env={**CERTIFICATES, **os.environ})
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "JNO_SEED", "JNO_PLUGINS")}
    subprocess.run([str(python), "-W", "error", "-c", code], cwd=folder, env=environment, check=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_core_alone_evaluates_and_names_the_missing_plugin(uv, wheels, tmp_path):
    _run_in_fresh_environment(uv, wheels, tmp_path, ["jno_core"], CORE_ALONE)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_core_and_automatic_differentiation_train_a_pinn_on_given_points(uv, wheels, tmp_path):
    _run_in_fresh_environment(uv, wheels, tmp_path, ["jno_core", "jno_plugin_ad"], PINN)
