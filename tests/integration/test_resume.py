"""Resuming from checkpoints equals never having stopped: bit for bit, in the same process and in a new one.

As a script: `python test_resume.py VARIANT FOLDER EPOCHS [resume]` runs a variant with checkpoints in the folder, and writes
the weights and the history of its end to `FOLDER/end.npz`; `slow` goes on from what is in the folder, slowly, to the epoch.
"""

import functools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import CHECKPOINT_INDEX, hookimpl
from jno_core._registry import registry
from jno_core._train.checkpointing import open_checkpoint, snapshot
from jno_core.errors import (
    JnoFileNotFoundError,
    JnoTypeError,
    JnoValueError,
    JnoWarning,
    NonFiniteLossWarning,
    PluginNotFoundError,
)
from jno_plugin_callbacks import CheckpointCallback

EVERY = 5


def network(seed=1, width=8, out=1, name="u"):
    return jno.nn.wrap(eqx.nn.MLP(1, out, width, 1, jnp.tanh, key=jax.random.key(seed)), name=name)


def points(time=None, n=20):
    rng = np.random.default_rng(3)
    return jno.domain.from_array({"interior": rng.random((n, 1)), "boundary": np.array([[0.0], [1.0]])}, time=time)


def poisson(
    optimizer=None, *, domain=None, prepare=lambda net: None, extra=lambda u, x: [], weigh=None, width=8, factor=1
):
    domain = domain or points()
    x, _ = domain.variable("interior")
    xb, _ = domain.variable("boundary")
    net = network(width=width)
    net.optimizer(optax.adam(1e-2) if optimizer is None else optimizer)
    prepare(net)
    u = net(x)
    pde = (u.d(x) - factor * jno.np.sin(jno.np.pi * x)).mse
    bc = net(xb).mse
    weights = weigh([pde, bc]) if weigh else (1.0, 1.0)
    terms = [(weights[0] * pde).name("pde"), (weights[1] * bc).name("bc")]
    return lambda **kw: jno.core([*terms, *extra(u, x)], **kw)


def heat():
    domain = points(time=(0.0, 1.0, 6))
    x, t = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(1)), name="u")
    net.optimizer(optax.adam(1e-2))
    u = net(x, t)
    return lambda **kw: jno.core([(u.d(t) - u.d(x)).mse.name("heat")], **kw)


def inverse():
    """Two networks without names, one of them a parameter with an optimizer of its own."""
    x, _ = points().variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 8, 1, jnp.tanh, key=jax.random.key(1)))
    net.optimizer(optax.adam(1e-2))
    scale = jno.np.parameter((1,), key=jax.random.key(4)).optimizer(optax.sgd(1e-1, momentum=0.9))
    u = net(x)
    return lambda **kw: jno.core([(u - scale * x).mse.name("data"), (u * u).mse], **kw)


def halves(net):
    mask = jax.tree.map(lambda leaf: eqx.is_array(leaf) and leaf.ndim == 2, net.module)
    net.mask(mask).optimizer(optax.rmsprop(1e-3))
    net.mask(jax.tree.map(lambda leaf: eqx.is_array(leaf) and leaf.shape == (1,), net.module)).freeze()


def half_precision(net):
    net.module = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16) if eqx.is_array(leaf) else leaf, net.module)


SCHEDULE = optax.exponential_decay(1e-2, 3, 0.9)
VARIANTS = {
    "adam": lambda: (poisson(), {}),
    "sgd": lambda: (poisson(optax.sgd(1e-2, momentum=0.9, nesterov=True)), {}),
    "lbfgs": lambda: (poisson(optax.lbfgs()), {}),
    "optax schedule": lambda: (poisson(optax.adamw(SCHEDULE)), {}),
    "schedule": lambda: (poisson(optax.adam, prepare=lambda net: net.scale(lambda epoch: 1e-2 / (1 + epoch))), {}),
    "dlrs": lambda: (poisson(optax.adam, prepare=lambda net: net.scale(jno.fn.adaptive.dlrs(lr0=1e-2, window=3))), {}),
    "relobralo": lambda: (poisson(weigh=lambda losses: jno.fn.adaptive.relobralo(losses)), {}),
    "masks": lambda: (poisson(prepare=halves), {}),
    "noise": lambda: (poisson(extra=lambda u, x: [(u - 0.1 * jno.noise.gaussian()).mse]), {}),
    "noisy optimizer": lambda: (poisson(optax.chain(optax.add_noise(0.1, 0.5, 7), optax.sgd(1e-2))), {}),
    "accumulating optimizer": lambda: (poisson(optax.MultiSteps(optax.adam(1e-2), 4).gradient_transformation()), {}),
    "trackers": lambda: (
        poisson(extra=lambda u, x: [u.mean.tracker(4).name("m"), (u * u).mean.tracker().name("s")]),
        {},
    ),
    "time": lambda: (heat(), {}),
    "two models": lambda: (inverse(), {}),
    "bfloat16": lambda: (poisson(prepare=half_precision), {}),
    "minibatch": lambda: (poisson(), {"batchsize": 7}),
    "accumulation": lambda: (poisson(), {"batchsize": 7, "accumulation_steps": 2}),
    "inner steps": lambda: (poisson(), {"inner_steps": 2}),
    "substeps": lambda: (poisson(), {"substeps": [[0, 1], ([1], 2)]}),
}

SELDOM = ("optax schedule", "noisy optimizer", "accumulating optimizer", "bfloat16", "accumulation", "inner steps")
"""Variants that differ from others in little; together they take some ten seconds."""


def outcome(crux):
    """Everything that two equal runs share: weights, state, history."""
    arrays = {f"state/{i}": a for i, a in enumerate(_bits(crux._trainer.state))}
    for name, model in crux.problem.models.items():
        arrays |= {f"model/{name}/{i}": a for i, a in enumerate(_bits(model.module))}
    history = crux.statistics
    arrays |= {"total": history.total_loss_history, "epochs": history.epochs}
    arrays["losses"] = np.concatenate([log.losses for log in history.logs])
    for name in history.track_names:
        track = history.tracks(name)
        arrays |= {f"track/{name}/epochs": track.epochs, f"track/{name}/values": track.values}
    return arrays


def _bits(tree):
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_array))
    leaves = [jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in leaves]
    return [np.asarray(x).reshape(-1).view(np.uint8) for x in leaves]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name, strict=True)


@functools.cache
def uninterrupted(name, epochs):
    core, options = VARIANTS[name]()
    crux = core()
    crux.solve(epochs, **options)
    return outcome(crux)


@pytest.fixture(scope="module")
def after_five(tmp_path_factory):
    """A folder with checkpoints of the variant "adam" after 5 epochs, to be read only."""
    folder = tmp_path_factory.mktemp("after_five")
    part("adam", folder, 5)
    return folder


def part(name, folder, epochs, resume=False):
    core, options = VARIANTS[name]()
    crux = core(resume_from=folder) if resume else core()
    crux.solve(epochs, callbacks=[CheckpointCallback(folder, EVERY)], **options)
    return crux


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SELDOM)) for name in VARIANTS])
def test_a_resumed_run_equals_one_that_goes_on(name, tmp_path):
    # A run that goes on equals one that never paused: test_training.py, and below for Adam.
    on = part(name, tmp_path, 12)
    on.solve(12, **VARIANTS[name]()[1])
    resumed = part(name, tmp_path, 12, resume=True)
    assert_equal(outcome(resumed), outcome(on))
    assert [log.first_epoch for log in resumed.statistics.logs] == [0, 12]
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000015", "step-00000020", "step-00000024"]


def test_stopping_twice_changes_nothing(tmp_path):
    part("adam", tmp_path, 12)
    part("adam", tmp_path, 6, resume=True)
    crux = part("adam", tmp_path, 6, resume=True)
    assert [log.first_epoch for log in crux.statistics.logs] == [0, 12, 18]
    assert_equal(outcome(crux), uninterrupted("adam", 24))
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000018", "step-00000020", "step-00000024"]


def run_script(*arguments, **kwargs):
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)], text=True, **kwargs)


def script_end(*arguments):
    process = run_script(*arguments, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    with np.load(Path(arguments[1]) / "end.npz", allow_pickle=False) as file:
        return dict(file)


def test_a_new_process_continues_bit_for_bit(tmp_path):
    part("relobralo", tmp_path, 12)
    assert_equal(script_end("relobralo", tmp_path, 12, "resume"), uninterrupted("relobralo", 24))


def test_a_run_that_goes_on_in_the_same_process_is_checkpointed_under_true_steps(tmp_path):
    crux = VARIANTS["adam"]()[0]()
    callback = CheckpointCallback(tmp_path, EVERY, None)
    crux.solve(7, callbacks=[callback])
    crux.solve(7, callbacks=[callback])
    assert callback.all_steps == (5, 7, 10, 14)
    assert [callback.restore(s)["metadata"]["epoch"] for s in callback.all_steps] == [5, 7, 10, 14]
    history = callback.restore(10)["metadata"]["history"]
    assert [run["first_epoch"] for run in history] == [0, 7]


def test_an_older_step_continues_too(tmp_path):
    part("adam", tmp_path, 12)
    for later in ("step-00000010", "step-00000012"):
        shutil.rmtree(tmp_path / later)
    assert_equal(outcome(part("adam", tmp_path, 19, resume=True)), uninterrupted("adam", 24))


def test_metadata_say_what_was_trained(tmp_path):
    crux = part("two models", tmp_path, 7)
    found = CheckpointCallback(tmp_path).restore()["metadata"]
    assert found["total_loss"] == crux.statistics.total_loss
    assert list(found["individual_losses"]) == list(crux.problem.terms)
    np.testing.assert_array_equal(list(found["individual_losses"].values()), crux.statistics.logs[0].losses[-1])
    problem = found["problem"]
    assert problem["points"] == {"interior": {"points": 20, "times": 1}}
    assert list(problem["models"]) == list(crux.problem.models)
    assert next(iter(problem["models"].values()))["arrays"]["layers/0/weight"] == "float32[8,1]"
    json.dumps(found)


def test_restored_arrays_are_the_weights_under_readable_names(after_five):
    found = CheckpointCallback(after_five).restore()
    fresh = poisson()().problem.models["u"].module
    assert found["trainable"]["u/layers/0/weight"].shape == fresh.layers[0].weight.shape
    weights = [uninterrupted("adam", 5)[f"model/u/{i}"].tobytes() for i in range(4)]
    assert sorted(array.tobytes() for array in found["trainable"].values()) == sorted(weights)
    assert "u/0/mu/layers/0/weight" in found["opt_states"]
    np.testing.assert_array_equal(found["rng"], jax.random.key_data(jax.random.key(jno.get_seed())))


class _Stop:
    every = EVERY

    def __init__(self, act):
        self.act = act

    @hookimpl
    def on_chunk_end(self, step):
        if step == 10:
            self.act()


def _raise():
    raise RuntimeError("somewhere else")


def test_an_error_elsewhere_saves_the_last_good_state(tmp_path):
    core, _ = VARIANTS["adam"]()
    crux = core()
    with pytest.raises(RuntimeError, match="somewhere else"):
        crux.solve(24, callbacks=[CheckpointCallback(tmp_path, 1000), _Stop(_raise)])
    assert_equal(outcome(part("adam", tmp_path, 14, resume=True)), uninterrupted("adam", 24))


def test_ctrl_c_saves_the_last_state(tmp_path):
    core, _ = VARIANTS["adam"]()
    core().solve(24, callbacks=[CheckpointCallback(tmp_path, 1000), _Stop(lambda: signal.raise_signal(signal.SIGINT))])
    stopped = CheckpointCallback(tmp_path).latest_step
    assert 10 <= stopped < 24
    assert_equal(outcome(part("adam", tmp_path, 24 - stopped, resume=True)), uninterrupted("adam", 24))


def test_a_loss_that_is_not_finite_saves_the_last_finite_state(tmp_path):
    core = poisson(optax.sgd(1e5))
    with pytest.warns(NonFiniteLossWarning):
        core().solve(500, callbacks=[CheckpointCallback(tmp_path, 1000)])
    found = CheckpointCallback(tmp_path).restore()
    assert all(np.isfinite(a).all() for a in found["trainable"].values())


def test_a_damaged_newest_checkpoint_falls_back_and_the_run_is_still_exact(tmp_path):
    part("adam", tmp_path, 12)
    bad = tmp_path / "step-00000012" / "arrays" / "bytes" / "0"
    bad.write_bytes(bad.read_bytes()[:-10])
    with pytest.warns(JnoWarning) as warned:
        crux = part("adam", tmp_path, 14, resume=True)
    assert str(bad) in str(warned[0].message)
    assert "earlier" in str(warned[1].message)
    assert_equal(outcome(crux), uninterrupted("adam", 24))


def test_a_checkpoint_changes_nothing_in_the_run(tmp_path):
    assert_equal(outcome(part("adam", tmp_path, 12)), uninterrupted("adam", 12))


OTHERS = {
    "width": (
        lambda: poisson(width=9),
        [r"'params/u/layers/0/weight' is float32\[9,1\], in the checkpoint float32\[8,1\]"],
    ),
    "optimizer": (
        lambda: poisson(optax.lion(1e-2)),
        ["only in the checkpoint: the state 'opt_state/u/0/nu/layers/0/weight'"],
    ),
    "balancer": (
        lambda: poisson(weigh=lambda losses: jno.fn.adaptive.relobralo(losses)),
        ["not in the checkpoint: the state 'plugin_state/"],
    ),
    "terms": (
        lambda: poisson(extra=lambda u, x: [u.mse.name("more")]),
        ["not in the checkpoint: the loss 'more'", "the losses are pde, bc, more, in the checkpoint pde, bc"],
    ),
    "formula": (lambda: poisson(factor=3), ["the loss 'pde' has '3' where that of the checkpoint has '1'"]),
    "points": (
        lambda: poisson(domain=points(n=21)),
        ["the points 'interior' is 21 points x 1 times, in the checkpoint 20 points x 1 times"],
    ),
    "frozen": (
        lambda: poisson(prepare=lambda net: net.mask(biases(net)).freeze()),
        ["only in the checkpoint: the state 'params/u/layers/0/bias'", "the fixed parameters of 'u'"],
    ),
    "everything": (heat, ["not in the checkpoint: the loss 'heat'", "only in the checkpoint: the loss 'pde'"]),
}


def biases(net):
    return jax.tree.map(lambda leaf: eqx.is_array(leaf) and leaf.ndim == 1, net.module)


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_problem_is_refused_with_the_difference(name, after_five):
    make, messages = OTHERS[name]
    crux = make()(resume_from=after_five)
    before = _bits([model.module for model in crux.problem.models.values()])
    with pytest.raises(JnoValueError, match="belongs to another problem") as caught:
        crux.solve(3)
    text = str(caught.value)
    for message in messages:
        assert re.search(message, text), text
    assert len(text.splitlines()) <= 15
    for a, b in zip(before, _bits([model.module for model in crux.problem.models.values()]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fixed_parameters_of_other_values_are_refused(tmp_path):
    def core(seed, **kwargs):
        net, base = network(), network(seed, name="base")
        net.optimizer(optax.adam(1e-2))
        base.freeze()
        x, _ = points().variable("interior")
        return jno.core([(net(x) - base(x)).mse], **kwargs)

    core(5).solve(5, callbacks=[CheckpointCallback(tmp_path)])
    core(5, resume_from=tmp_path).solve(5)
    with pytest.raises(JnoValueError, match="fixed parameters of 'base' have other values"):
        core(6, resume_from=tmp_path).solve(5)


def test_other_trackers_are_no_other_problem(after_five):
    core = poisson(extra=lambda u, x: [u.mean.tracker(2)])
    crux = core(resume_from=after_five)
    crux.solve(5)
    np.testing.assert_array_equal(crux.statistics.total_loss_history, uninterrupted("adam", 10)["total"])


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_a_folder_without_checkpoints(what, tmp_path):
    folder = tmp_path / "x"
    if what == "empty":
        folder.mkdir()
    if what == "file":
        folder.write_text("x")
    with pytest.raises(JnoFileNotFoundError, match=r"There are no checkpoints in .*x"):
        poisson()(resume_from=folder)
    with pytest.raises(FileNotFoundError):
        open_checkpoint(folder, None, registry)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", JnoValueError, "damaged"),
        ("[]", JnoValueError, "damaged"),
        ("[" * 100_000, JnoValueError, "damaged"),
        ('{"provider": 3}', JnoValueError, "provider is 3"),
        ('{"provider": "os:system"}', PluginNotFoundError, "os:system"),
        ('{"provider": "chekpoint"}', PluginNotFoundError, "checkpoint"),
        ('{"provider": "progress"}', JnoTypeError, "'progress'.* reads no checkpoints"),
    ],
)
def test_an_index_that_names_no_reader_of_checkpoints(content, error, message, tmp_path):
    (tmp_path / CHECKPOINT_INDEX).write_text(content)
    with pytest.raises(error, match=message):
        poisson()(resume_from=tmp_path)


def test_names_stay_apart_whatever_models_are_called():
    x, _ = points().variable("interior")
    nets = [network(seed, name=name) for seed, name in enumerate(("a/b", "a", "a%2Fb", "ü \n"))]
    for net in nets:
        net.optimizer(optax.sgd(0.1))
    crux = jno.core([sum(net(x) for net in nets).mse])
    crux.solve(1)
    arrays = snapshot(crux._trainer.state, crux.problem, crux.statistics.logs).arrays
    names = [name for name in arrays if name.startswith("params/")]
    assert len(names) == 4 * 4
    assert {name.split("/")[1] for name in names} == {"a%2Fb", "a", "a%252Fb", "ü %0A"}


def killed(process, seconds, number=signal.SIGKILL):
    time.sleep(seconds)
    process.send_signal(number)
    process.communicate(timeout=60)


def assert_ends_as_if_nothing_had_been(folder, epochs):
    assert_equal(outcome(to_the_end(folder, epochs, [])), uninterrupted("relobralo", epochs))
    assert not list(folder.glob(".unfinished*"))
    assert not list(folder.glob("earlier*"))


def test_three_kills_and_a_polite_one(tmp_path):
    rng = np.random.default_rng(0)
    signals = [signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]
    folders = [tmp_path / str(i) for i in range(len(signals))]
    runs = [run_script("slow", folder, 1500, stdout=subprocess.PIPE) for folder in folders]
    for process, number in zip(runs, signals, strict=True):
        assert process.stdout.readline() == "training\n"
        killed(process, rng.uniform(0.1, 0.4), number)
        assert process.returncode == -number
    assert CheckpointCallback(folders[-1]).latest_step < 1500
    for folder in folders:
        assert_ends_as_if_nothing_had_been(folder, 1500)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills(tmp_path):
    rng = np.random.default_rng(1)
    known, epochs = 0, 8000
    for _ in range(20):
        process = run_script("slow", tmp_path, epochs, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "training\n"
        killed(process, rng.uniform(0, 1))
        newest = CheckpointCallback(tmp_path).latest_step or 0
        assert known <= newest < epochs
        known = newest
    assert known > 0
    assert_ends_as_if_nothing_had_been(tmp_path, epochs)


class _Announce:
    @hookimpl
    def on_fit_start(self):
        print("training", flush=True)


class _Slow:
    """Two milliseconds per epoch, so that kills fall into the run."""

    every = EVERY

    @hookimpl
    def on_chunk_end(self):
        time.sleep(0.01)


def to_the_end(folder, epochs, callbacks):
    """A run that goes on from what there is, up to an epoch."""
    newest = CheckpointCallback(folder).latest_step
    core, options = VARIANTS["relobralo"]()
    crux = core() if newest is None else core(resume_from=folder)
    crux.solve(epochs - (newest or 0), callbacks=[CheckpointCallback(folder, 50), *callbacks], **options)
    return crux


def main(name, folder, epochs, resume=""):
    if name == "slow":
        crux = to_the_end(Path(folder), int(epochs), [_Announce(), _Slow()])
    else:
        crux = part(name, Path(folder), int(epochs), bool(resume))
    np.savez(Path(folder) / "end.npz", **outcome(crux))


if __name__ == "__main__":
    main(*sys.argv[1:])
