"""The compilation cache on disk, in processes of their own: JAX decides once for each process whether there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, jax, jax.numpy as jnp, numpy as np, equinox as eqx, optax
import jno

hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
domain = jno.domain.from_array({"interior": np.linspace(0, 1, 12)[:, None]})
x, _ = domain.variable("interior")
net = jno.nn.wrap(eqx.nn.MLP(1, 1, 8, 2, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
history = jno.core([(net(x).d2(x) + 1).mse]).solve(5)
print(json.dumps({"hits": len(hits), "folder": jax.config.jax_compilation_cache_dir, "loss": float(history.total_loss)}))
"""


def run(folder, **variables):
    named = ("JNO_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in named} | variables
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_the_second_process_compiles_the_steps_no_more(tmp_path):
    cache = tmp_path / "cache"
    first = run(tmp_path, JNO_COMPILATION_CACHE=str(cache))
    assert first["hits"] == 0
    assert any(cache.iterdir())
    second = run(tmp_path, JNO_COMPILATION_CACHE=str(cache))
    assert second["hits"] >= 1
    assert second["loss"] == first["loss"]


def test_the_configuration_names_it_and_without_it_nothing_is_kept(tmp_path):
    assert run(tmp_path)["folder"] is None
    (tmp_path / ".jno.toml").write_text('[jno]\ncompilation_cache = "kept"\n')
    assert Path(run(tmp_path)["folder"]) == tmp_path / "kept"
    assert any((tmp_path / "kept").iterdir())


def test_a_folder_that_was_given_to_jax_stays(tmp_path):
    given = tmp_path / "given"
    found = run(tmp_path, JNO_COMPILATION_CACHE=str(tmp_path / "ours"), JAX_COMPILATION_CACHE_DIR=str(given))
    assert found["folder"] == str(given)
    assert not (tmp_path / "ours").exists()
