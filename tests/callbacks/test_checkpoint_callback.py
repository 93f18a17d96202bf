"""CheckpointCallback in runs without training: when it writes, what it keeps, and what happens when it cannot."""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
from jno_core import AbstractCheckpointer, AbstractRunView, Checkpoint, FitResult, RunInfo, TrainState
from jno_core.errors import JnoFileNotFoundError, JnoOSError, JnoTypeError, JnoValueError, JnoWarning
from jno_plugin_callbacks import CheckpointCallback, _checkpoint_folder, _checkpoint_store


class View(AbstractRunView):
    """Its checkpoints hold the epoch, and a loss that is lowest at epoch 30."""

    def losses(self, params, state):
        raise NotImplementedError

    residuals = losses

    def modules(self, state):
        raise NotImplementedError

    def checkpoint(self, state):
        step = int(state.epoch)
        arrays = {
            "params/u/weight": np.full(4, step, np.float32),
            "opt_state/u/0/mu/weight": np.full(4, -step, np.float32),
            "plugin_state/relobralo/0": np.float32(step),
            "key": np.array([0, 42], np.uint32),
            "epoch": np.array(step),
            "history/runs/0/total_loss": np.arange(step, dtype=float),
        }
        return Checkpoint(step, arrays, {"epoch": step, "total_loss": abs(step - 30.0), "individual_losses": {}})


def state_at(epoch):
    return TrainState({}, {}, {}, jax.random.key(0), jnp.asarray(epoch), jnp.asarray(1.0))


def info(first=0, directory=None, writes=True):
    return RunInfo(first, 100, ("pde",), (), 1, directory, writes, View())


def start(callback, first=0, **more):
    callback.on_fit_start(info(first, **more))


def step(callback, epoch):
    callback.on_chunk_end(epoch, state_at(epoch))


def end(callback, epoch):
    callback.on_fit_end(FitResult(epoch, None, state_at(epoch), None))


def run(callback, last, first=0, chunk=5, **more):
    """A run in chunks, as the trainer makes it."""
    start(callback, first, **more)
    for epoch in range(first + chunk, last + 1, chunk):
        step(callback, epoch)
    end(callback, last)


def steps(folder):
    return [int(name.removeprefix("step-")) for name in sorted(os.listdir(folder)) if name.startswith("step-")]


@pytest.mark.parametrize("in_background", [True, False])
def test_writes_at_multiples_and_at_the_end(in_background, tmp_path):
    callback = CheckpointCallback(tmp_path, 10, None, async_checkpointing=in_background)
    run(callback, 45)
    assert callback.every == 10
    assert callback.all_steps == (10, 20, 30, 40, 45)
    assert steps(tmp_path) == [10, 20, 30, 40, 45]
    assert callback.latest_step == 45


def test_an_end_that_was_just_written_is_not_written_again(tmp_path):
    callback = CheckpointCallback(tmp_path, 10, None)
    run(callback, 20)
    stamp = os.stat(tmp_path / "step-00000020").st_mtime_ns
    run(callback, 20, first=20)
    assert steps(tmp_path) == [10, 20]
    assert os.stat(tmp_path / "step-00000020").st_mtime_ns == stamp


def test_in_line_each_checkpoint_is_on_the_disk_when_the_hook_returns(tmp_path):
    callback = CheckpointCallback(tmp_path, 5, async_checkpointing=False)
    start(callback)
    step(callback, 5)
    assert steps(tmp_path) == [5]
    end(callback, 5)


@pytest.mark.parametrize(
    ("keep", "best_fn", "expected"),
    [
        (3, None, [80, 90, 95]),
        (1, None, [95]),
        (2, lambda m: m["total_loss"], [30, 90, 95]),
        (2, lambda m: -m["epoch"], [90, 95]),
        (2, lambda m: float("nan"), [90, 95]),
        (1, lambda m: m["epoch"], [10, 95]),
    ],
)
def test_keeps_the_newest_and_the_best(keep, best_fn, expected, tmp_path):
    run(CheckpointCallback(tmp_path, 10, keep, best_fn), 95)
    assert steps(tmp_path) == expected


def test_the_best_of_an_earlier_run_stays_the_best(tmp_path):
    for first, last in ((0, 50), (50, 90)):
        run(CheckpointCallback(tmp_path, 10, 1, lambda m: m["total_loss"]), last, first)
    assert steps(tmp_path) == [30, 90]


def test_a_callback_can_be_used_again_and_labels_count_all_runs(tmp_path):
    callback = CheckpointCallback(tmp_path, 10, None)
    for first, last in ((0, 15), (15, 25), (25, 42)):
        run(callback, last, first)
    assert steps(tmp_path) == [10, 15, 20, 25, 30, 40, 42]


def test_by_default_the_folder_is_in_that_of_the_run(tmp_path):
    callback = CheckpointCallback(save_interval_epochs=10)
    with pytest.raises(JnoValueError, match="no directory yet"):
        callback.restore()
    run(callback, 20, directory=tmp_path)
    assert callback.latest_step == 20
    assert steps(tmp_path / "checkpoints") == [10, 20]
    run(callback, 30, directory=tmp_path / "other")
    assert steps(tmp_path / "other" / "checkpoints") == [10, 20, 30]


def test_without_a_run_folder_a_directory_must_be_given():
    callback = CheckpointCallback()
    with pytest.raises(JnoValueError, match=r"no directory.*jno\.setup"):
        start(callback)
    callback.on_fit_error(ValueError(), state_at(0))


def test_restore_gives_arrays_by_name(tmp_path):
    callback = CheckpointCallback(tmp_path, 10)
    run(callback, 25)
    found = callback.restore(10)
    np.testing.assert_array_equal(found["trainable"]["u/weight"], np.full(4, 10, np.float32))
    assert list(found["opt_states"]) == ["u/0/mu/weight"]
    assert found["plugin_states"]["relobralo/0"] == 10
    np.testing.assert_array_equal(found["rng"], [0, 42])
    assert found["metadata"] == {"epoch": 10, "total_loss": 20.0, "individual_losses": {}}
    assert CheckpointCallback(tmp_path).restore()["metadata"]["epoch"] == 25
    with pytest.raises(JnoFileNotFoundError):
        callback.restore(11)


def test_restore_waits_for_what_is_being_written(tmp_path, monkeypatch):
    slow(monkeypatch, threading.Event(), 0.2)
    callback = CheckpointCallback(tmp_path, 10)
    start(callback)
    step(callback, 10)
    assert callback.restore()["metadata"]["epoch"] == 10
    assert callback.all_steps == (10,)
    end(callback, 10)


def slow(monkeypatch, release, seconds):
    """Writing takes until `release`, or some seconds."""
    write = _checkpoint_store.write_checkpoint

    def write_slowly(*args):
        release.wait(seconds)
        return write(*args)

    monkeypatch.setattr(_checkpoint_folder, "write_checkpoint", write_slowly)


def test_the_run_does_not_wait_for_the_disk_until_two_are_outstanding(tmp_path, monkeypatch):
    release = threading.Event()
    slow(monkeypatch, release, 60)
    callback = CheckpointCallback(tmp_path, 10, None)
    start(callback)
    step(callback, 10)
    step(callback, 20)
    assert steps(tmp_path) == []
    third = threading.Thread(target=step, args=(callback, 30))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    release.set()
    third.join(30)
    end(callback, 30)
    assert steps(tmp_path) == [10, 20, 30]


def test_what_is_written_is_the_state_at_the_hook(tmp_path, monkeypatch):
    release = threading.Event()
    slow(monkeypatch, release, 60)
    state = {"epoch": jnp.arange(3.0)}

    class Changing(View):
        def checkpoint(self, state_):
            return Checkpoint(int(state_.epoch), {"x": np.array(state["epoch"])}, {"epoch": int(state_.epoch)})

    callback = CheckpointCallback(tmp_path, 10)
    callback.on_fit_start(RunInfo(0, 10, ("pde",), (), 1, None, True, Changing()))
    step(callback, 10)
    state["epoch"].delete()
    state["epoch"] = jnp.zeros(3)
    release.set()
    end(callback, 10)
    np.testing.assert_array_equal(CheckpointCallback.read(tmp_path, 10).arrays["x"], [0, 1, 2])


def test_checkpoints_ahead_of_the_run_are_set_aside_and_can_still_be_read(tmp_path):
    run(CheckpointCallback(tmp_path, 10, None), 40)
    with pytest.warns(JnoWarning, match=r"after epoch 20.*earlier.*resume_from"):
        run(CheckpointCallback(tmp_path, 10, None), 25, first=20)
    assert steps(tmp_path) == [10, 20, 25]
    assert steps(tmp_path / "earlier") == [30, 40]
    assert CheckpointCallback.read(tmp_path / "earlier").step == 40
    with pytest.warns(JnoWarning, match="earlier-1"):
        run(CheckpointCallback(tmp_path, 10, None), 10)
    assert steps(tmp_path) == [10]
    assert steps(tmp_path / "earlier-1") == [10, 20, 25]


def test_a_course_that_was_taken_back_is_replaced(tmp_path):
    callback = CheckpointCallback(tmp_path, 10, None)
    start(callback)
    for epoch in (10, 20, 30):
        step(callback, epoch)
    assert callback.on_non_finite() is None
    for epoch in (20, 22):
        step(callback, epoch)
    end(callback, 22)
    assert callback.all_steps == (10, 20, 22)
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000010", "step-00000020-1", "step-00000022"]


def test_an_error_saves_the_last_good_state(tmp_path):
    callback = CheckpointCallback(tmp_path, 100)
    start(callback)
    step(callback, 5)
    error = ValueError("in another callback")
    callback.on_fit_error(error, state_at(5))
    assert steps(tmp_path) == [5]
    assert not hasattr(error, "__notes__")
    run(callback, 8, first=5)
    assert steps(tmp_path) == [5, 8]


def fail(monkeypatch, *failing):
    """Writing the arrays of these steps fails as on a full disk."""
    save = _checkpoint_store.save_arrays

    def save_or_fail(folder, arrays):
        if int(arrays["epoch"]) in failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(folder, arrays)

    monkeypatch.setattr(_checkpoint_store, "save_arrays", save_or_fail)


def until_it_raises(call):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        call()


def test_an_error_in_the_background_comes_out_of_the_next_hook(tmp_path, monkeypatch):
    fail(monkeypatch, 20)
    callback = CheckpointCallback(tmp_path, 10, 1)
    start(callback)
    step(callback, 10)
    step(callback, 20)
    with pytest.raises(
        JnoOSError, match=r"(?s)epoch 20.*step-00000020.*No space left.*Needed: .* bytes; free there"
    ) as caught:
        until_it_raises(lambda: step(callback, 21))
    assert len(str(caught.value).splitlines()) <= 15
    callback.on_fit_error(caught.value, state_at(21))
    assert not hasattr(caught.value, "__notes__")
    assert steps(tmp_path) == [21]
    assert sorted(os.listdir(tmp_path)) == [".writer", "checkpoints.json", "step-00000021"]
    with pytest.warns(JnoWarning):
        run(callback, 10)


def test_while_the_disk_stays_full_the_error_says_so_and_earlier_checkpoints_stay(tmp_path, monkeypatch):
    fail(monkeypatch, 20, 21)
    callback = CheckpointCallback(tmp_path, 10, 1, async_checkpointing=False)
    start(callback)
    step(callback, 10)
    with pytest.raises(JnoOSError, match="epoch 20") as caught:
        step(callback, 20)
    callback.on_fit_error(caught.value, state_at(21))
    assert "The last state could not be saved either" in caught.value.__notes__[0]
    assert CheckpointCallback.read(tmp_path).step == 10


def test_an_error_at_the_end_is_raised_and_the_folder_given_back(tmp_path, monkeypatch):
    fail(monkeypatch, 15)
    callback = CheckpointCallback(tmp_path, 10)
    with pytest.raises(JnoOSError, match="epoch 15"):
        run(callback, 15)
    run(CheckpointCallback(tmp_path, 10), 16, first=10)
    assert steps(tmp_path) == [10, 16]


def test_an_error_earlier_does_not_keep_the_last_state_from_the_disk(tmp_path, monkeypatch):
    fail(monkeypatch, 10)
    callback = CheckpointCallback(tmp_path, 10)
    start(callback)
    callback._folder.add(View().checkpoint(state_at(10)), wait=False)
    with pytest.raises(JnoOSError, match="epoch 10"):
        end(callback, 15)
    assert steps(tmp_path) == [15]


@pytest.mark.parametrize("where", ["file", "below a file", "nul"])
def test_a_folder_that_cannot_be_made(where, tmp_path):
    (tmp_path / "file").write_text("x")
    path = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "nul": tmp_path / "a\0b"}[where]
    with pytest.raises(JnoOSError, match=r"cannot be made: .*Choose another directory"):
        start(CheckpointCallback(path))


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(JnoOSError, match=r"Read-only file system\. Choose another directory"):
        start(CheckpointCallback(tmp_path))


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path):
    first, second = CheckpointCallback(tmp_path, 10), CheckpointCallback(tmp_path, 10)
    start(first)
    before = time.monotonic()
    with pytest.raises(JnoOSError, match=f"process {os.getpid()} on {socket.gethostname()}"):
        start(second)
    assert time.monotonic() - before < 1
    second.on_fit_error(ValueError(), state_at(0))
    end(first, 3)
    run(second, 8, first=3)
    assert steps(tmp_path) == [3, 8]


HOLD = """
import sys, time
from pathlib import Path
from jno_plugin_callbacks._checkpoint_lock import WriterLock
lock = WriterLock(Path(sys.argv[1])); lock.acquire()
print("locked", flush=True); time.sleep(600)
"""


def test_kill_frees_the_lock(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(JnoOSError, match=f"process {holder.pid} on"):
            start(CheckpointCallback(tmp_path))
    finally:
        holder.kill()
        holder.communicate()
    run(CheckpointCallback(tmp_path, 10), 10)
    assert steps(tmp_path) == [10]
    assert json.loads((tmp_path / ".writer").read_text())["pid"] == os.getpid()


def test_close_ends_the_thread_and_gives_the_folder_back(tmp_path):
    # Other tests of this process may have left a callback open.
    before = set(threading.enumerate())
    callback = CheckpointCallback(tmp_path, 10)
    start(callback)
    step(callback, 10)
    callback.close()
    callback.close()
    assert steps(tmp_path) == [10]
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("jno-checkpoints")]
    run(CheckpointCallback(tmp_path, 10), 20, first=10)


def test_a_process_that_does_not_write_takes_part_in_the_copies_and_touches_no_file(tmp_path):
    copies = []

    class Counting(View):
        def checkpoint(self, state):
            copies.append(int(state.epoch))
            return super().checkpoint(state)

    callback = CheckpointCallback(tmp_path / "x", 10)
    callback.on_fit_start(RunInfo(0, 25, ("pde",), (), 1, None, False, Counting()))
    step(callback, 10)
    end(callback, 25)
    assert copies == [10, 25]
    assert not (tmp_path / "x").exists()


def test_without_orbax_the_error_tells_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    callback = CheckpointCallback(tmp_path, 10)
    with pytest.raises(ImportError, match="pip install orbax-checkpoint"):
        run(callback, 10)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"directory": 3}, JnoTypeError),
        ({"save_interval_epochs": 0}, JnoValueError),
        ({"save_interval_epochs": 2.5}, JnoValueError),
        ({"max_to_keep": 0}, JnoValueError),
        ({"max_to_keep": True}, JnoValueError),
        ({"best_fn": "total_loss"}, JnoTypeError),
    ],
)
def test_bad_arguments(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        CheckpointCallback(**arguments)


def test_best_fn_must_return_a_number(tmp_path):
    callback = CheckpointCallback(tmp_path, 10, best_fn=lambda m: "low")
    start(callback)
    with pytest.raises(JnoTypeError, match=r"best_fn.*'low'"):
        step(callback, 10)
    callback.close()


def test_is_found_by_name_and_reads_its_folder(tmp_path):
    assert jno.plugins.get("callback", "checkpoint") is CheckpointCallback
    assert issubclass(CheckpointCallback, AbstractCheckpointer)
    assert _checkpoint_store.PROVIDER == "checkpoint"


def test_orbax_is_imported_only_when_used():
    code = "import sys, jno_plugin_callbacks as p; p.CheckpointCallback('x'); print('orbax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


LIMITED = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from jno_core import Checkpoint
from jno_core.errors import JnoOSError
from jno_plugin_callbacks import CheckpointCallback
from jno_plugin_callbacks._checkpoint_store import open_directory, write_checkpoint
folder = Path(sys.argv[1]); open_directory(folder)
def made(step): return Checkpoint(step, {"x": np.full(20_000, step, np.float32)}, {"epoch": step})
write_checkpoint(folder, made(1))
for i, size in enumerate(np.linspace(0, 90_000, 40).astype(int).tolist()):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        write_checkpoint(folder, made(2 + i))
        outcome = "written"
    except JnoOSError as e:
        text = str(e)
        assert str(folder) in text and "Needed: 80,000 bytes" in text and "free there" in text, text
        assert len(text.splitlines()) <= 15, text
        outcome = "refused"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    newest = CheckpointCallback.read(folder)
    assert (newest.arrays["x"] == newest.step).all()
    assert (newest.step == 2 + i) == (outcome == "written")
    assert not list(folder.glob(".unfinished*"))
    print(outcome)
"""


def test_a_disk_that_fills_up_at_any_byte_leaves_earlier_checkpoints_intact(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = done.stdout.split()
    assert len(outcomes) == 40
    assert outcomes == sorted(outcomes)[::-1] or outcomes.index("written") > 30
    assert {"written", "refused"} == set(outcomes)
    # What orbax says of it besides its exception is several screens.
    assert done.stderr == ""


KILLED = """
import sys
import numpy as np
from pathlib import Path
from jno_core import Checkpoint
from jno_plugin_callbacks._checkpoint_folder import CheckpointFolder
from jno_plugin_callbacks._checkpoint_store import folders_in
folder = Path(sys.argv[1])
first = max((step for step, _ in folders_in(folder)), default=0)
kept = CheckpointFolder(folder, first, 2, None)
for step in range(first + 1, first + 10_000):
    kept.add(Checkpoint(step, {"x": np.full(200_000, step, np.float32)}, {"epoch": step}), wait=True)
    print(step, flush=True)
"""


def killed_at_random_moments(folder: Path, kills: int) -> None:
    rng = np.random.default_rng(kills)
    for _ in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
        acknowledged = [int(writer.stdout.readline())]
        time.sleep(rng.uniform(0, 0.3))
        writer.kill()
        acknowledged += map(int, writer.communicate()[0].split())
        newest = CheckpointCallback.read(folder)
        assert newest.step >= acknowledged[-1]
        assert (newest.arrays["x"] == newest.step).all()
        # A kill may fall between the writing of one and the removal of another.
        assert len(steps(folder)) <= 3


def test_kills_while_writing(tmp_path):
    killed_at_random_moments(tmp_path, 2)
    run(CheckpointCallback(tmp_path, 10), 10**6, first=10**6)
    assert not list(tmp_path.glob(".unfinished*"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_kills_while_writing(tmp_path):
    killed_at_random_moments(tmp_path, 20)
