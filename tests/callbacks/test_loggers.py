"""What every logger shares: which epochs and trackers are recorded, and that a logger's failure is not the run's."""

import sys

import numpy as np
import pytest

from jno_core.errors import JnoImportError, JnoValueError, JnoWarning
from jno_plugin_callbacks import Aim, CsvLogger, MlFlow, TensorBoard, Wandb
from jno_plugin_callbacks._logger import AbstractSink, Feed, columns

PACKAGES = {"aim": Aim, "mlflow": MlFlow, "tensorboard": TensorBoard, "wandb": Wandb}


class ListSink(AbstractSink):
    """Keeps what it gets, and fails where it is told to."""

    def __init__(self, fails_at=None):
        self.rows = []
        self.closed = []
        self.fails_at = fails_at

    def write(self, epoch, values):
        if epoch == self.fails_at:
            raise ConnectionError("no route to host")
        self.rows.append((epoch, {name: float(value) for name, value in values.items()}))

    def close(self, failed):
        self.closed.append(failed)
        if self.fails_at == "close":
            raise ConnectionError("no route to host")


def fed(run, chunks, every, sink):
    feed = Feed("list", every)
    feed.start(run, lambda run: sink)
    for chunk in chunks:
        feed.take(chunk)
    feed.end(failed=False)
    return sink


def test_names(run_info):
    run = run_info(terms=("a", "total_loss"), trackers=("a",))
    assert columns(run) == ["total_loss", "loss/a", "loss/total_loss", "tracker/a"]


@pytest.mark.parametrize("lengths", [(30,), (1,) * 30, (7, 13, 10)])
def test_multiples_are_recorded_however_the_run_is_cut(lengths, run_info, metrics_of):
    """A tracker's value is the newest one at its epoch."""
    recorded = [(epoch, np.asarray(epoch / 4)) for epoch in range(0, 30, 3)]
    chunks, first = [], 0
    for length in lengths:
        inside = [row for row in recorded if first <= row[0] < first + length]
        chunks.append(metrics_of(first, length, error=inside))
        first += length
    sink = fed(run_info(trackers=("error",)), chunks, 10, ListSink())
    assert sink.rows == [
        (e, {"total_loss": e, "loss/pde": e / 2, "loss/bc": 2 * e, "tracker/error": e // 3 * 3 / 4})
        for e in (0, 10, 20)
    ]
    assert sink.closed == [False]


def test_trackers_that_are_not_one_number_are_left_out(run_info, metrics_of):
    records = {"vector": [(0, np.ones(3))], "complex": [(0, np.asarray(1j))], "row": [(0, np.ones((1, 1)))]}
    sink = fed(run_info(trackers=tuple(records)), [metrics_of(0, 1, **records)], 1, ListSink())
    assert sink.rows == [(0, {"total_loss": 0.0, "loss/pde": 0.0, "loss/bc": 0.0, "tracker/row": 1.0})]


def test_one_process_records(run_info, metrics_of):
    sink = fed(run_info(writes=False), [metrics_of(0, 3)], 1, ListSink())
    assert (sink.rows, sink.closed) == ([], [])


def test_a_failing_sink_warns_once(run_info, metrics_of):
    feed, sink = Feed("list", 1), ListSink(fails_at=2)
    feed.start(run_info(), lambda run: sink)
    feed.take(metrics_of(0, 2))
    with pytest.warns(JnoWarning, match=r"'list' has failed .* training goes on\. ConnectionError: no route"):
        feed.take(metrics_of(2, 2))
    # A second warning would be an error here.
    feed.take(metrics_of(4, 2))
    feed.end(failed=False)
    assert sink.closed == [False]
    assert [epoch for epoch, _ in sink.rows] == [0, 1]


def test_a_sink_that_fails_to_open_or_close(run_info, metrics_of):
    def broken(run):
        raise PermissionError("not yours")

    feed = Feed("list", 1)
    with pytest.warns(JnoWarning, match="not yours"):
        feed.start(run_info(), broken)
    feed.take(metrics_of(0, 2))
    feed.start(run_info(), lambda run: ListSink(fails_at="close"))
    with pytest.warns(JnoWarning, match="no route"):
        feed.end(failed=False)


def test_an_interrupt_goes_through(run_info):
    def interrupted(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Feed("list", 1).start(run_info(), interrupted)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package(name, run_info, tmp_path, monkeypatch):
    for module in [m for m in sys.modules if m.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(JnoImportError, match=rf"'{name}' needs {name}.*pip install \"jno-plugin-callbacks\[{name}\]\""):
        PACKAGES[name]().on_fit_start(run_info(tmp_path))


@pytest.mark.parametrize("cls", [Aim, CsvLogger, TensorBoard])
def test_no_folder(cls, run_info):
    with pytest.raises(JnoValueError, match=r"has no folder to write to\. Call jno\.setup\(__file__\)"):
        cls().on_fit_start(run_info())


@pytest.mark.parametrize("cls", [CsvLogger, *PACKAGES.values()])
@pytest.mark.parametrize("every", [0, -1, 2.5, True, "all"])
def test_a_bad_interval(cls, every):
    with pytest.raises(JnoValueError, match="needs a positive integer as `every`"):
        cls(every=every)


@pytest.mark.parametrize("cls", [CsvLogger, *PACKAGES.values()])
def test_the_run_is_not_cut_for_a_logger(cls):
    """Only callbacks with an attribute `every` end chunks."""
    assert getattr(cls(every=5), "every", None) is None


def test_a_run_survives_its_logger(problem, tmp_path, monkeypatch):
    expected = problem().solve(30).total_loss_history

    def full(self, epoch, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jno_plugin_callbacks._csv_logger._Table.write", full)
    with pytest.warns(JnoWarning, match="No space left on device"):
        history = problem().solve(30, callbacks=[CsvLogger(tmp_path)]).total_loss_history
    np.testing.assert_array_equal(history, expected)
