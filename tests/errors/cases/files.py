"""Files: what is loaded, resumed and written; and that nothing of a file is ever executed."""

import os
import pickle
import resource
import signal

import numpy as np
import optax
import pytest
from world import Handled, Refused

import jno
from jno_core._train.files import load, save
from jno_core.errors import JnoFileNotFoundError, JnoOSError, JnoTypeError, JnoValueError


class Evil:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def _pickled(w, name):
    return w.file(name, pickle.dumps(Evil(str(w.folder / "executed"))))


def _harmless(w, use):
    """Uses a file, which may fail, and sees whether anything of it was executed."""
    try:
        use()
    finally:
        executed = (w.folder / "executed").exists()
        assert not executed, "the file was executed"


def _history(w):
    history = w.crux().solve(3)
    path = w.folder / "history.safetensors"
    history.save(path)
    return path


def _cut(w):
    path = _history(w)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    return path


def _problem(w):
    path = w.folder / "problem.jno"
    save(w.crux(), path)
    return path


def _object_array(w):
    path = w.folder / "weights.eqx"
    array = np.empty(1, object)
    array[0] = Evil(str(w.folder / "executed"))
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)
    return str(path)


def _mesh_of_objects(w):
    path = w.folder / "mesh.npz"
    array = np.empty(1, object)
    array[0] = Evil(str(w.folder / "executed"))
    np.savez(path, interior=array)
    return str(path)


def _round_trip(w):
    crux = w.crux()
    crux.solve(2)
    before = np.asarray(crux.eval(w.u))
    path = w.folder / "problem.jno"
    save(crux, path)
    again = load(path)
    np.testing.assert_array_equal(again.eval(again.problem.constraints[0]), crux.eval(w.pde.mse))
    assert before.shape == (1, 9, 1)


def _whole_or_nothing(w):
    path = _history(w)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(JnoOSError, match=r"history\.safetensors"):
            jno.statistics.load(path).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def _checkpointed(w):
    w.crux().solve(4, callbacks=[jno.callbacks.checkpoint("checkpoints", save_interval_epochs=2)])
    return "checkpoints"


def _other_problem(w):
    folder = _checkpointed(w)
    w.k.optimizer(optax.adam(1e-3))
    return jno.core([(w.u * w.k).mse], resume_from=folder).solve(1)


def _read_only(w):
    """A file stands where a folder of the path should be, which stops the superuser too."""
    w.file("occupied", "")
    w.crux().solve(4, callbacks=[jno.callbacks.checkpoint("occupied/checkpoints")])


def _two_writers(w):
    crux = w.crux()
    crux.solve(
        4,
        callbacks=[
            jno.callbacks.checkpoint("checkpoints", save_interval_epochs=2),
            jno.callbacks.checkpoint("checkpoints", save_interval_epochs=2),
        ],
    )


CASES = {
    "a history that is not there": Refused(
        lambda w: jno.statistics.load("nowhere"), JnoFileNotFoundError, ("'nowhere'",), ("no such file",)
    ),
    "a history that was cut": Refused(
        lambda w: jno.statistics.load(_cut(w)), JnoValueError, ("history.safetensors",), ("damaged",), late=True
    ),
    "a history with one bit turned": Refused(
        lambda w: jno.statistics.load(_flipped(_history(w))),
        JnoValueError,
        ("damaged", "its part"),
        ("checksum",),
        late=True,
    ),
    "a history that is text": Refused(
        lambda w: jno.statistics.load(w.file("history", "hello")), JnoValueError, ("history",), ("damaged",)
    ),
    "a problem that is not there": Refused(
        lambda w: load("nowhere.jno"), JnoFileNotFoundError, ("'nowhere.jno'",), ("no such file",)
    ),
    "a problem with one bit turned": Refused(
        lambda w: load(_flipped(_problem(w))), JnoValueError, ("damaged", "its part"), ("checksum",), late=True
    ),
    "a history in place of a problem": Refused(
        lambda w: jno.statistics.load(_problem(w)), JnoValueError, ("'problem'",), ("training history",), late=True
    ),
    "a pickle as a problem": Refused(
        lambda w: _harmless(w, lambda: load(_pickled(w, "problem.jno"))), JnoValueError, ("problem.jno",), ("jno",)
    ),
    "a pickle as a history": Refused(
        lambda w: _harmless(w, lambda: jno.statistics.load(_pickled(w, "history.pkl"))),
        JnoValueError,
        ("history.pkl",),
        ("damaged",),
    ),
    "a pickle as weights": Refused(
        lambda w: _harmless(w, lambda: w.net.initialize(_pickled(w, "weights.eqx"))),
        JnoValueError,
        ("does not hold weights of this network",),
        ("as it was when they were written",),
    ),
    "an array of objects as weights": Refused(
        lambda w: _harmless(w, lambda: w.net.initialize(_object_array(w))),
        JnoValueError,
        ("does not hold weights of this network",),
        ("as it was when they were written",),
    ),
    "an array of objects as a mesh": Refused(
        lambda w: _harmless(w, lambda: jno.domain(_mesh_of_objects(w))), JnoValueError, ("mesh.npz",), ("mesh",)
    ),
    "a pickle as a mesh": Refused(
        lambda w: _harmless(w, lambda: jno.domain(_pickled(w, "mesh.msh"))), JnoValueError, ("mesh.msh",), ("mesh",)
    ),
    "`resume_from` a folder without checkpoints": Refused(
        lambda w: jno.core([w.u.mse], resume_from=str(w.folder)).solve(1),
        JnoFileNotFoundError,
        ("work",),
        ("checkpoint",),
    ),
    "`resume_from` checkpoints of another problem": Refused(
        _other_problem, JnoValueError, ("belongs to another problem", "params/k"), ("leave resume_from out",), late=True
    ),
    "checkpoints in a folder that cannot be made": Refused(
        _read_only, JnoOSError, ("occupied",), ("checkpoint",), late=True
    ),
    "two writers of one folder of checkpoints": Refused(
        _two_writers, JnoOSError, ("Another run writes its checkpoints",), ("a directory of its own",), late=True
    ),
    "`save` of a number": Refused(lambda w: save(3, "x"), JnoTypeError, ("got 3",), ("a problem (jno.core)",)),
    "`save`, then `load`": Handled(_round_trip, "the same values, bit for bit"),
    "a disk that is full while a file is replaced": Handled(
        _whole_or_nothing, "an error that names the file; the old file whole, no litter"
    ),
}
