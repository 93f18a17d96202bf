"""Several devices and several processes compute what one device computes.

Devices are simulated by one process's CPU, in a process of its own, as their number is fixed when JAX starts; processes talk
over the loopback interface.
"""

import json
import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

PROBLEM = """
import json, sys
import equinox as eqx, jax, jax.numpy as jnp, numpy as np, optax
import jno
from jno_core import hookimpl

OPTIMIZERS = {"sgd": lambda: optax.sgd(1e-2), "adam": lambda: optax.adam(1e-2), "lbfgs": lambda: optax.lbfgs()}

def trained(mesh, optimizer, instances, epochs=6, callbacks=(), **options):
    rng = np.random.default_rng(5)
    domain = jno.domain.from_array({"interior": rng.random((400, 2)), "boundary": rng.random((12, 2))})
    domain = domain if instances == 1 else instances * domain
    x, y, _ = domain.variable("interior")
    xb, yb, _ = domain.variable("boundary")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 16, 1, jnp.tanh, key=jax.random.key(1)), name="u")
    net.optimizer(OPTIMIZERS[optimizer]())
    k = domain.variable("k", np.linspace(1.0, 2.0, instances)[:, None], per="instance")
    u = net(x, y)
    losses = [(-(k * u.laplacian(x, y)) - 1).mse, net(xb, yb).mse, (u * u).mse.tracker(3)]
    crux = jno.core(losses, mesh=mesh)
    crux.solve(2, **options)
    history = crux.solve(epochs, callbacks=list(callbacks), **options)
    track = history.tracks(history.track_names[0]).values
    flat = np.concatenate([np.ravel(x) for x in jax.tree.leaves(eqx.filter(net.module, eqx.is_array))])
    return crux, [history.total_loss_history, track, np.asarray(crux.eval(u)), flat]
"""


UNOPTIMISED = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
"""Every program runs for some steps only."""


def run(code, *arguments, devices=1, **environment):
    flags = f"--xla_force_host_platform_device_count={devices} --xla_cpu_multi_thread_eigen=false"
    variables = {**os.environ, **UNOPTIMISED, "XLA_FLAGS": f"{flags} intra_op_parallelism_threads=1", **environment}
    command = [sys.executable, "-c", PROBLEM + textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def output(process, seconds=200):
    out, error = process.communicate(timeout=seconds)
    assert process.returncode == 0, error
    return out


def test_eight_devices_equal_one():
    code = """
    streamed = {"batchsize": 8, "offload_data": True}
    for optimizer in OPTIMIZERS:
        for instances, mesh, options in ((1, (8, 1), {"batchsize": 160}), (8, (2, 4), streamed)):
            _, one = trained((1, 1), optimizer, instances, **options)
            crux, many = trained(mesh, optimizer, instances, **options)
            for a, b in zip(one, many, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6)
            specs = {str(x.sharding.spec) for x in jax.tree.leaves(crux._trainer.state.params)}
            assert any("model" in spec for spec in specs) == (mesh[1] > 1), specs
            print("equal", optimizer, instances, mesh)
    """
    assert output(run(code, devices=8)).count("equal") == 6


def test_points_are_really_divided():
    """The compiled step of eight devices works on an eighth of the rows, and adds up."""
    code = """
    crux, _ = trained((8, 1), "adam", 1, chunk=None)
    text = crux._trainer._compiled._executable.as_text()
    assert "all-reduce" in text
    assert "f32[50,16]" in text and "f32[400,16]" not in text
    crux, _ = trained((8, 1), "adam", 8)
    assert "all-reduce" in crux._trainer._compiled._executable.as_text()
    print("divided")
    """
    assert "divided" in output(run(code, devices=8))


def test_meshes_that_do_not_fit_are_refused():
    code = """
    from jno_core.errors import JnoValueError
    def message(act):
        try:
            act()
        except JnoValueError as error:
            return str(error)
    assert "needs 2 devices, and there are 4" in message(lambda: trained((2, 1), "adam", 1))
    assert "3 instances cannot be divided over 4 devices" in message(lambda: trained((4, 1), "adam", 3))
    crux, _ = trained(None, "adam", 1)
    assert crux._trainer.mesh.shards == 4
    crux, _ = trained((1, 1), "adam", 1)
    assert crux._trainer.mesh.mesh is None
    print("refused")
    """
    assert "refused" in output(run(code, devices=4))


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


SCRIPT = """
class Stops:
    # One process alone wants to stop.
    @hookimpl
    def on_fit_start(self, run):
        self.writes = run.writes
    @hookimpl
    def should_stop(self, step):
        return "enough" if jax.process_index() == 2 and step >= 5 else None

mesh, instances, options = (json.loads(text) for text in sys.argv[1:4])
callback = Stops()
crux, found = trained(tuple(mesh), "adam", instances, 40, [callback], **options)
assert callback.writes == (jax.process_index() == 0)
if callback.writes:
    np.savez(sys.argv[4], *found)
print(crux.statistics.training_logs[-1]["stopped"])
"""


@pytest.mark.parametrize(
    ("mesh", "instances", "options"),
    [
        pytest.param((4, 1), 1, {}, id="points"),
        pytest.param((2, 2), 4, {"batchsize": 4, "offload_data": True}, id="instances", marks=pytest.mark.slow),
    ],
)
def test_four_processes_equal_one(tmp_path, mesh, instances, options):
    script = tmp_path / "script.py"
    script.write_text(PROBLEM + SCRIPT)
    port = free_port()
    main = "from jno_core.cli import main; raise SystemExit(main())"
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, **UNOPTIMISED, "XLA_FLAGS": flags}
    given = [str(script), json.dumps(mesh), str(instances), json.dumps(options), str(tmp_path / "many.npz")]
    processes = []
    for i in range(4):
        # Half of them are told by arguments, half by the environment.
        told = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "4", "--process-id", str(i)] if i % 2 else []
        known = {"JNO_COORDINATOR": f"127.0.0.1:{port}", "JNO_NUM_PROCESSES": "4", "JNO_PROCESS_ID": str(i)}
        variables = environment if told else environment | known
        command = [sys.executable, "-c", main, "run", *told, *given]
        processes.append(
            subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    outputs = [output(p) for p in processes]
    assert [text.split("\n")[-2] for text in outputs] == [
        "enough" if i == 2 else "another process stopped" for i in range(4)
    ]
    alone = tmp_path / "one.npz"
    epochs = len(np.load(tmp_path / "many.npz")["arr_0"]) - 2
    code = f"""
    _, found = trained((1, 1), "adam", {instances}, {epochs}, **{options!r})
    np.savez({str(alone)!r}, *found)
    """
    output(run(code))
    with np.load(tmp_path / "many.npz") as many, np.load(alone) as one:
        for name in one.files:
            np.testing.assert_allclose(many[name], one[name], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--coordinator", "localhost:1"], "all of --coordinator, --num-processes and --process-id"),
        (["--coordinator", "localhost", "--num-processes", "2", "--process-id", "0"], "HOST:PORT"),
        (["--coordinator", "localhost:1", "--num-processes", "2", "--process-id", "2"], "numbered from 0 to 1"),
    ],
)
def test_incomplete_arguments_are_refused(arguments, words, tmp_path, capsys):
    from jno_core.cli import main

    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(9)")
    assert main(["run", *arguments, str(script)]) == 2
    assert words in capsys.readouterr().err
