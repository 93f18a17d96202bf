"""Folders of checkpoints: exact bits in and out, and nothing but an error or the same bits from a damaged one."""

import json
import os
import shutil
import sys

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from jno_core import CHECKPOINT_INDEX, Checkpoint, containers
from jno_core.errors import JnoFileNotFoundError, JnoOSError, JnoValueError, JnoWarning
from jno_plugin_callbacks import CheckpointCallback
from jno_plugin_callbacks._checkpoint_store import open_directory, remove_checkpoint, write_checkpoint

METADATA = {"epoch": 7, "total_loss": 0.1, "individual_losses": {"Δu = f/2": 1e-300}, "problem": {"terms": []}}


def arrays():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 64, dtype=np.uint32)
    return {
        "params/u/weight": bits.view(np.float32).reshape(8, 8),  # NaNs with payloads, denormals, infinities
        "params/ü%2F/\u202e": rng.integers(0, 2**64, 5, dtype=np.uint64).view(np.float64),
        "zeros": np.array([0.0, -0.0], np.float32),
        "one byte": np.array(True),
        "scalar": np.array(-3, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "half": bits.view(np.uint16).view(ml_dtypes.bfloat16),
        "eighth": bits.view(np.uint8).view(ml_dtypes.float8_e4m3fn),
        "complex": bits.view(np.complex64),
        "double complex": bits[:8].view(np.complex128),
        "key": bits[:2],
        "strided": np.arange(20, dtype=np.int16).reshape(4, 5)[:, ::2],
    }


def checkpoint(step=7, scale=1.0, **more):
    return Checkpoint(step, {**arrays(), "scale": np.full(3, scale), **more}, {**METADATA, "epoch": step})


def assert_same(a, b):
    assert (a.step, a.metadata, list(a.arrays)) == (b.step, b.metadata, list(b.arrays))
    for name, array in a.arrays.items():
        assert (array.dtype, array.shape) == (b.arrays[name].dtype, b.arrays[name].shape), name
        assert array.tobytes() == b.arrays[name].tobytes(), name


@pytest.fixture
def folder(tmp_path):
    open_directory(tmp_path)
    return tmp_path


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKPOINT_INDEX)


def test_every_type_and_shape_comes_back_bit_for_bit(folder):
    write_checkpoint(folder, checkpoint())
    assert_same(CheckpointCallback.read(folder), checkpoint())
    assert_same(CheckpointCallback.read(folder, 7), checkpoint())
    assert jnp.asarray(CheckpointCallback.read(folder).arrays["half"]).dtype == jnp.bfloat16


def test_the_newest_step_is_read_and_an_older_one_by_its_number(folder):
    for step in (5, 100, 20):
        write_checkpoint(folder, checkpoint(step, step))
    assert CheckpointCallback.read(folder).step == 100
    assert CheckpointCallback.read(folder, 5).arrays["scale"][0] == 5
    with pytest.raises(JnoFileNotFoundError, match=r"no checkpoint of epoch 6 in .*those of 5, 20, 100"):
        CheckpointCallback.read(folder, 6)


def test_a_step_that_was_made_again_replaces_the_first(folder):
    for scale in (1.0, 2.0, 3.0):
        write_checkpoint(folder, checkpoint(scale=scale))
    assert CheckpointCallback.read(folder).arrays["scale"][0] == 3


@pytest.mark.parametrize("what", ["missing", "empty", "unfinished"])
def test_a_folder_without_a_whole_checkpoint(what, tmp_path):
    folder = tmp_path / "x"
    if what != "missing":
        folder.mkdir()
        open_directory(folder)
    if what == "unfinished":
        (folder / ".unfinished-0011223344556677" / "arrays").mkdir(parents=True)
    with pytest.raises(JnoFileNotFoundError, match=r"no checkpoint to restore in .*x"):
        CheckpointCallback.read(folder)


def test_opening_removes_what_is_unfinished_and_nothing_else(folder):
    write_checkpoint(folder, checkpoint())
    (folder / ".unfinished-0011223344556677" / "arrays").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    open_directory(folder)
    assert sorted(os.listdir(folder)) == [CHECKPOINT_INDEX, "notes.txt", "step-00000007"]
    assert json.loads((folder / CHECKPOINT_INDEX).read_text()) == {"provider": "checkpoint"}


def error_of(folder, path, content):
    """The message with which a damaged file is refused, which names it; empty where the same bits were read all the same."""
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        assert_same(CheckpointCallback.read(folder, 7), checkpoint())
    except JnoValueError as e:
        return str(e) if str(path) in str(e) or str(path.parent) in str(e) else ""
    else:
        return ""
    finally:
        path.write_bytes(original)


def test_truncations_are_noticed(folder):
    write_checkpoint(folder, checkpoint())
    for path in files(folder):
        content = path.read_bytes()
        for length in np.linspace(0, len(content) - 1, 50).astype(int):
            assert error_of(folder, path, content[:length])
        assert error_of(folder, path, content + b"\0")


def test_flipped_bits_are_noticed(folder):
    write_checkpoint(folder, checkpoint())
    rng = np.random.default_rng(1)
    for path in files(folder):
        for _ in range(200):
            content = bytearray(path.read_bytes())
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
            assert error_of(folder, path, bytes(content))
    assert_same(CheckpointCallback.read(folder, 7), checkpoint())


def test_damaged_newest_ones_are_passed_over_with_a_warning_that_names_the_file(folder):
    for step in (10, 20, 30):
        write_checkpoint(folder, checkpoint(step))
    bad = folder / "step-00000030" / "arrays" / "bytes" / "0"
    bad.write_bytes(b"x" + bad.read_bytes()[1:])
    (folder / "step-00000020" / "manifest.safetensors").unlink()
    with pytest.warns(JnoWarning) as warned:
        assert_same(CheckpointCallback.read(folder), checkpoint(10))
    assert str(bad) in str(warned[0].message)
    assert "step-00000020" in str(warned[1].message)
    assert "epoch 10" in str(warned[0].message)


def test_of_damaged_ones_alone_nothing_is_restored(folder):
    for step in (10, 20):
        write_checkpoint(folder, checkpoint(step))
    for path in folder.glob("step-*/arrays/bytes/0"):
        path.write_bytes(b"")
    with pytest.raises(JnoFileNotFoundError, match=r"(?s)all are damaged:.*step-00000020.*step-00000010"):
        CheckpointCallback.read(folder)


def _rename(folder):
    (folder / "step-00000007").rename(folder / "step-00000008")
    return 8, "named as another step"


def _add(folder):
    (folder / "step-00000007" / "arrays" / "more").write_text("x")
    return 7, "does not belong to it"


def _remove(folder):
    (folder / "step-00000007" / "arrays" / "_METADATA").unlink()
    return 7, "is missing"


def _link_file(folder):
    path = folder / "step-00000007" / "arrays" / "_METADATA"
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    return 7, "is not a plain file"


def _link_folder(folder):
    (folder / "step-00000007" / "arrays" / "bytes").rename(folder / "elsewhere")
    (folder / "step-00000007" / "arrays" / "bytes").symlink_to(folder / "elsewhere")
    return 7, "does not belong|is missing"


def _pipe(folder):
    path = folder / "step-00000007" / "arrays" / "_METADATA"
    path.unlink()
    os.mkfifo(path)
    return 7, "is not a plain file"


@pytest.mark.parametrize("change", [_rename, _add, _remove, _link_file, _link_folder, _pipe])
def test_a_folder_that_was_changed(change, folder):
    write_checkpoint(folder, checkpoint())
    step, message = change(folder)
    with pytest.raises(JnoValueError, match=message):
        CheckpointCallback.read(folder, step)


def forged(folder, change):
    """A checkpoint whose manifest was changed by somebody who can compute checksums."""
    path = folder / "step-00000007" / "manifest.safetensors"
    content, _ = containers.read(path, "checkpoint", 1)
    change(content)
    containers.write(path, "checkpoint", 1, content, {})


FORGERIES = {
    "more memory than bytes": lambda c: c["arrays"].append(["huge", "float64", [2**40]]),
    "negative size": lambda c: c["arrays"].append(["negative", "float32", [-3]]),
    "objects": lambda c: c["arrays"].__setitem__(0, ["params", "object", [8, 8]]),
    "unknown type": lambda c: c["arrays"].__setitem__(0, ["params", "os.system", [8, 8]]),
    "records": lambda c: c["arrays"].__setitem__(0, ["params", "i4,i4", [8, 4]]),
    "no triple": lambda c: c["arrays"].__setitem__(0, "params"),
    "no shape": lambda c: c["arrays"].__setitem__(0, ["params", "float32", "ab"]),
    "less": lambda c: c["arrays"].pop(),
    "no arrays": lambda c: c.pop("arrays"),
    "no metadata": lambda c: c.update(metadata=[1]),
    "path outside": lambda c: c["files"].update({"../../x": {"bytes": 0, "sha256": ""}}),
    "other step": lambda c: c.update(step=8),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_manifest_is_a_clear_error(name, folder):
    write_checkpoint(folder, checkpoint())
    forged(folder, FORGERIES[name])
    with pytest.raises(JnoValueError, match="damaged"):
        CheckpointCallback.read(folder, 7)


def test_a_forged_size_in_orbax_own_files_is_not_believed(folder):
    write_checkpoint(folder, checkpoint())
    path = folder / "step-00000007" / "arrays" / "bytes" / ".zarray"
    described = json.loads(path.read_text())
    described["shape"] = described["chunks"] = [2**45]
    path.write_text(json.dumps(described))
    forged(folder, lambda c: c["files"].update({"arrays/bytes/.zarray": _fingerprint(path)}))
    with pytest.raises(JnoValueError, match=r"not the .* bytes of the arrays"):
        CheckpointCallback.read(folder, 7)


def _fingerprint(path):
    from jno_plugin_callbacks._checkpoint_store import _fingerprint

    return _fingerprint(path)


def test_another_kind_of_file_and_a_newer_version_are_refused(folder):
    write_checkpoint(folder, checkpoint())
    path = folder / "step-00000007" / "manifest.safetensors"
    content, _ = containers.read(path, "checkpoint", 1)
    containers.write(path, "checkpoint", 2, content, {})
    with pytest.raises(JnoValueError, match="version 2; this jno reads versions up to 1"):
        CheckpointCallback.read(folder, 7)
    containers.write(path, "training history", 1, content, {})
    with pytest.raises(JnoValueError, match="training history"):
        CheckpointCallback.read(folder, 7)


def test_reading_executes_nothing(folder):
    write_checkpoint(folder, checkpoint())
    CheckpointCallback.read(folder)  # imports orbax
    events = []
    active = [True]
    unwanted = ("pickle.find_class", "exec", "compile", "import", "os.system", "subprocess.Popen", "socket.connect")
    sys.addaudithook(lambda event, _: events.append(event) if active and event in unwanted else None)
    CheckpointCallback.read(folder)
    active.clear()
    assert events == []


def test_a_failed_write_leaves_nothing_behind_and_says_what_was_needed(folder, monkeypatch):
    write_checkpoint(folder, checkpoint())
    before = [(p, p.read_bytes()) for p in files(folder)]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(JnoOSError, match=r"(?s)epoch 8 .*step-00000008.*No space left.*Needed: [\d,]+ bytes.*1 bytes"):
        write_checkpoint(folder, checkpoint(8))
    assert [(p, p.read_bytes()) for p in files(folder)] == before
    assert len(os.listdir(folder)) == 2


def test_removing_takes_the_name_away_first(folder, monkeypatch):
    path = write_checkpoint(folder, checkpoint())

    def die(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        remove_checkpoint(path)
    with pytest.raises(JnoFileNotFoundError):
        CheckpointCallback.read(folder)
