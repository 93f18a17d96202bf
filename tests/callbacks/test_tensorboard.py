"""Event files, read back by TensorBoard's own reader."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jno_core.errors import JnoWarning
from jno_plugin_callbacks import TensorBoard


def read(folder):
    """The scalars by tag, as pairs of step and value."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_scalars(run_info, metrics_of, tmp_path, log):
    run = run_info(tmp_path, terms=("mse(Δu + 1)", "bc"), trackers=("error",))
    log(TensorBoard(every=5), run, metrics_of(0, 5), metrics_of(5, 6, error=[(7, np.asarray(0.5))]))
    assert read(tmp_path / "tensorboard") == {
        "total_loss": [(0, 0.0), (5, 5.0), (10, 10.0)],
        "loss/mse(Δu + 1)": [(0, 0.0), (5, 2.5), (10, 5.0)],
        "loss/bc": [(0, 0.0), (5, 10.0), (10, 20.0)],
        "tracker/error": [(10, 0.5)],
    }


def test_a_run_that_resumes_replaces_what_came_later(run_info, metrics_of, tmp_path, log):
    log(TensorBoard(tmp_path, every=5), run_info(), metrics_of(0, 50))
    log(TensorBoard(tmp_path, every=5), run_info(first_epoch=12), metrics_of(12, 10))
    assert [step for step, _ in read(tmp_path)["total_loss"]] == [0, 5, 10, 15, 20]


def test_in_a_run(problem, tmp_path):
    statistics = problem().solve(50, callbacks=[TensorBoard(tmp_path, every=20)])
    written = read(tmp_path)
    assert set(written) == {"total_loss", "loss/pde", "loss/bc"}
    expected = [(e, np.float32(statistics.total_loss_history[e])) for e in (0, 20, 40)]
    assert written["total_loss"] == expected


def test_a_writer_that_fails_does_not_stop_the_run(run_info, metrics_of, tmp_path, monkeypatch):
    logger = TensorBoard(tmp_path, every=1)
    logger.on_fit_start(run_info())

    def full(self, event):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer.EventFileWriter.add_event", full)
    with pytest.warns(JnoWarning, match="'tensorboard' has failed.*No space left"):
        logger.on_chunk_end(metrics_of(0, 5))
    logger.on_chunk_end(metrics_of(5, 5))
    logger.on_fit_end()
