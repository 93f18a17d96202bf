"""The table of losses in a text file, read back by the standard library."""

import csv

import numpy as np
import pytest

from jno_core.errors import JnoValueError
from jno_plugin_callbacks import CsvLogger


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_file(run_info, metrics_of, tmp_path, log):
    run = run_info(terms=("pde, scaled", 'the "wall"'), trackers=("error",))
    log(CsvLogger(tmp_path / "new", every=5), run, metrics_of(0, 5), metrics_of(5, 6, error=[(7, np.asarray(0.1))]))
    assert rows(tmp_path / "new" / "losses.csv") == [
        ["epoch", "total_loss", "loss/pde, scaled", 'loss/the "wall"', "tracker/error"],
        ["0", "0.0", "0.0", "0.0", ""],
        ["5", "5.0", "2.5", "10.0", ""],
        ["10", "10.0", "5.0", "20.0", "0.1"],
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["losses.csv"]


def test_numbers_are_written_exactly(run_info, tmp_path, metrics_of, log):
    chunk = metrics_of(0, 1)
    chunk.total[:] = np.float32(0.1)
    log(CsvLogger(tmp_path), run_info(), chunk)
    (_, row) = rows(tmp_path / "losses.csv")
    assert row[1] == "0.1"


def test_the_folder_of_the_run(run_info, metrics_of, tmp_path, log):
    log(CsvLogger(name="table.csv"), run_info(tmp_path), metrics_of(0, 1))
    assert len(rows(tmp_path / "table.csv")) == 2


def epochs(path):
    return [int(row[0]) for row in rows(path)[1:]]


def test_a_run_that_continues(run_info, metrics_of, tmp_path, log):
    log(CsvLogger(tmp_path, every=5), run_info(), metrics_of(0, 20))
    log(CsvLogger(tmp_path, every=5), run_info(first_epoch=20), metrics_of(20, 10))
    assert epochs(tmp_path / "losses.csv") == [0, 5, 10, 15, 20, 25]


def test_a_run_that_resumes_earlier_replaces_what_came_later(run_info, metrics_of, tmp_path, log):
    log(CsvLogger(tmp_path, every=5), run_info(), metrics_of(0, 50))
    log(CsvLogger(tmp_path, every=5), run_info(first_epoch=12), metrics_of(12, 10))
    assert epochs(tmp_path / "losses.csv") == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("rest", ["25,0.", "25,0.5,1.0,0.2", "2"])
def test_half_a_row_of_a_killed_run_is_dropped(rest, run_info, metrics_of, tmp_path, log):
    file = tmp_path / "losses.csv"
    log(CsvLogger(tmp_path, every=5), run_info(), metrics_of(0, 21))
    file.write_text(file.read_text() + rest)
    log(CsvLogger(tmp_path, every=5), run_info(first_epoch=40), metrics_of(40, 5))
    assert epochs(file) == [0, 5, 10, 15, 20, 40]


def test_a_new_run_starts_anew(run_info, metrics_of, tmp_path, log):
    log(CsvLogger(tmp_path), run_info(), metrics_of(0, 50))
    log(CsvLogger(tmp_path), run_info(terms=("a", "b")), metrics_of(0, 10))
    assert epochs(tmp_path / "losses.csv") == [0]


def test_other_columns_are_not_mixed(run_info, metrics_of, tmp_path, log):
    log(CsvLogger(tmp_path), run_info(), metrics_of(0, 50))
    before = (tmp_path / "losses.csv").read_text()
    with pytest.raises(JnoValueError, match=r"columns epoch, total_loss, loss/pde.*Give csv_logger another name"):
        CsvLogger(tmp_path).on_fit_start(run_info(first_epoch=50, terms=("a", "b")))
    assert (tmp_path / "losses.csv").read_text() == before


def test_the_file_of_a_run_that_fails_is_whole(run_info, metrics_of, tmp_path):
    logger = CsvLogger(tmp_path)
    logger.on_fit_start(run_info())
    logger.on_chunk_end(metrics_of(0, 11))
    logger.on_fit_error()
    assert epochs(tmp_path / "losses.csv") == [0, 10]


def test_in_a_run(problem, tmp_path):
    core = problem(extra=[lambda u: u.mean.tracker(20).name("mean")])
    statistics = core.solve(50, callbacks=[CsvLogger(tmp_path)])
    header, *table = rows(tmp_path / "losses.csv")
    assert header == ["epoch", "total_loss", "loss/pde", "loss/bc", "tracker/mean"]
    assert [row[0] for row in table] == ["0", "10", "20", "30", "40"]
    np.testing.assert_array_equal(np.array([row[1] for row in table], np.float32), statistics.total_loss_history[::10])
    first, second, third, fourth, _ = (row[4] for row in table)
    assert first == second != third == fourth
