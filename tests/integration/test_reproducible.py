"""The same seed gives the same bits, whatever else uses random numbers; and nothing is written or sent that was not asked for."""

import json
import os
import random
import subprocess
import sys
import textwrap
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno


def trained(**options):
    domain = jno.domain.disk(mesh_size=0.4, time=(0.0, 1.0, 5))
    x, y, t = domain.variable("interior", (30, "uniform"))
    net = jno.nn.wrap(eqx.nn.MLP(3, 1, 8, 1, jnp.tanh, key=jax.random.key(1)), name="u").optimizer(optax.adam(1e-2))
    u = net(x, y, t) + 0.01 * jno.noise.gaussian()
    losses = [(u.d(t) - u.laplacian(x, y)).mse, (u - x).mse]
    w = jno.fn.adaptive.relobralo(losses)
    history = jno.core([w[0] * losses[0], w[1] * losses[1]]).solve(12, **options).total_loss_history
    return history, [np.asarray(a) for a in jax.tree.leaves(eqx.filter(net.module, eqx.is_array))]


@pytest.mark.parametrize("options", [{}, {"batchsize": 8}, {"min_consecutive": 3}, {"substeps": [[0], [1]]}], ids=str)
def test_the_same_seed_gives_the_same_bits(options):
    found = []
    for seed in range(2):
        np.random.seed(seed)
        random.seed(seed)
        found.append(trained(**options))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_runs_side_by_side_equal_serial_ones():
    expected, found = trained()[0], {}
    threads = [threading.Thread(target=lambda i=i: found.setdefault(i, trained()[0])) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for history in found.values():
        np.testing.assert_array_equal(history, expected)
    assert len(found) == 2


AUDITED = """
import json, os, sys

events = []

def note(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        events.append(["write", str(arguments[0])])
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        events.append(["write", str(arguments[0])])
    elif event in ("socket.connect", "socket.bind", "os.mkdir", "os.rename", "os.remove"):
        events.append([event, str(arguments)])

sys.dont_write_bytecode = True
sys.addaudithook(note)
import equinox as eqx, jax, jax.numpy as jnp, optax
import jno

if len(sys.argv) > 1:
    jno.setup(sys.argv[1])
x, y, _ = jno.domain.rect(mesh_size=0.3).variable("interior")
net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
crux = jno.core([(net(x, y).laplacian(x, y) - 1).mse])
crux.solve(5)
crux.eval(net(x, y))
print(json.dumps(events))
"""


def events_of(folder, *arguments):
    """What an import, a training and an evaluation open for writing, in an unwritable home and working directory."""
    home = folder / "home"
    home.mkdir(mode=0o555)
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", textwrap.dedent(AUDITED), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, check=False)
    assert done.returncode == 0, done.stderr
    return [e for e in json.loads(done.stdout.splitlines()[-1]) if e[1] not in ("/dev/null", "3", "4")]


def test_nothing_is_written_and_no_socket_is_opened(tmp_path):
    assert events_of(tmp_path) == []


def test_a_run_writes_into_its_folder_only(tmp_path):
    run = tmp_path / "läuf e"
    outside = [e for e in events_of(tmp_path, run) if str(run) not in e[1]]
    assert outside == []
