"""The picture of the losses: where it goes, when it is drawn, and that it is one."""

import sys
import types

import numpy as np
import pytest

from jno_core.errors import JnoImportError, JnoValueError, JnoWarning
from jno_plugin_callbacks import PlotLive
from jno_plugin_callbacks._plot_live import _picture

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def stopped(monkeypatch):
    """A clock that stands still."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr("jno_plugin_callbacks._plot_live.time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def clock(stopped, monkeypatch):
    """A clock that stands still but for `ticks` seconds during each drawing."""
    stopped.ticks, stopped.drawn = 0.0, []

    def show(self, png):
        assert png.startswith(PNG)
        stopped.drawn.append(stopped.now)
        stopped.now += stopped.ticks

    monkeypatch.setattr("jno_plugin_callbacks._screen.FileScreen.show", show)
    return stopped


def test_a_file_that_is_replaced(stopped, run_info, metrics_of, tmp_path):
    plot = PlotLive(tmp_path / "new", seconds=0)
    plot.on_fit_start(run_info())
    plot.on_chunk_end(metrics_of(0, 10))
    first = (tmp_path / "new" / "losses.png").read_bytes()
    plot.on_chunk_end(metrics_of(10, 10))
    plot.on_fit_end()
    last = (tmp_path / "new" / "losses.png").read_bytes()
    assert first.startswith(PNG)
    assert last.startswith(PNG)
    assert first != last
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["losses.png"]


def test_drawings_keep_their_distance_and_the_last_one_is_made(clock, run_info, metrics_of, tmp_path):
    plot = PlotLive(tmp_path, seconds=5)
    plot.on_fit_start(run_info())
    for second in range(13):
        clock.now = float(second)
        plot.on_chunk_end(metrics_of(10 * second, 10))
    assert clock.drawn == [5.0, 10.0]
    plot.on_fit_end()
    assert clock.drawn == [5.0, 10.0, 12.0]


def test_slow_drawings_are_made_less_often(clock, run_info, metrics_of, tmp_path):
    """Three seconds for each are 1 % of 300."""
    clock.ticks = 3.0
    plot = PlotLive(tmp_path, seconds=5)
    plot.on_fit_start(run_info())
    for second in range(1000):
        clock.now = max(clock.now, float(second))
        plot.on_chunk_end(metrics_of(second, 1))
    assert clock.drawn == [5.0, 308.0, 611.0, 914.0]


def test_a_run_that_fails_is_drawn(run_info, metrics_of, tmp_path):
    plot = PlotLive()
    plot.on_fit_start(run_info(tmp_path))
    plot.on_chunk_end(metrics_of(0, 10))
    plot.on_fit_error()
    assert (tmp_path / "losses.png").exists()


def test_what_is_drawn():
    epochs = np.arange(5000)
    losses = np.column_stack([3.0 + epochs, 2.0 + epochs, 1.0 + epochs])
    (axes,) = _picture(epochs, losses, ("pde", "bc")).axes
    assert [line.get_label() for line in axes.lines] == ["total", "pde", "bc"]
    assert axes.get_yscale() == "log"
    for line, column in zip(axes.lines, losses.T, strict=True):
        assert 1000 <= len(line.get_xdata()) <= 2000
        assert line.get_xdata()[-1] == 4999
        np.testing.assert_array_equal(line.get_ydata(), column[line.get_xdata()])


def test_losses_that_are_not_positive_are_drawn_linearly():
    (axes,) = _picture(np.arange(3), -np.ones((3, 2)), ("pde",)).axes
    assert [line.get_label() for line in axes.lines] == ["pde"]
    assert axes.get_yscale() == "linear"


def test_a_notebook(stopped, run_info, metrics_of, monkeypatch):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(("update", image))

    def display(image, display_id=None):
        assert display_id is True
        shown.append(("display", image))
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    for name, members in {
        "IPython": {},
        "IPython.core": {},
        "IPython.core.getipython": {"get_ipython": lambda: shell},
        "IPython.display": {"Image": lambda data: data, "display": display},
    }.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    plot = PlotLive(seconds=0)
    plot.on_fit_start(run_info())
    plot.on_chunk_end(metrics_of(0, 10))
    plot.on_fit_end()
    assert [kind for kind, _ in shown] == ["display", "update"]
    assert all(image.startswith(PNG) for _, image in shown)
    shell.kernel = None
    with pytest.raises(JnoValueError, match="'plot_live' has no folder"):
        plot.on_fit_start(run_info())


def test_a_file_that_cannot_be_written(stopped, run_info, metrics_of, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    plot = PlotLive(tmp_path / "taken", seconds=0)
    plot.on_fit_start(run_info())
    with pytest.warns(JnoWarning, match=r"The picture .*losses\.png cannot be written"):
        plot.on_chunk_end(metrics_of(0, 10))
    # A second warning would be an error here.
    plot.on_chunk_end(metrics_of(10, 10))
    plot.on_fit_end()


def test_one_process_draws(run_info, metrics_of, tmp_path):
    plot = PlotLive(tmp_path, seconds=0)
    plot.on_fit_start(run_info(writes=False))
    plot.on_chunk_end(metrics_of(0, 10))
    plot.on_fit_end()
    assert not list(tmp_path.iterdir())


def test_without_matplotlib(run_info, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(JnoImportError, match=r"'plot_live' needs matplotlib.*jno-plugin-callbacks\[plot\]"):
        PlotLive(tmp_path).on_fit_start(run_info())


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5"])
def test_a_bad_time(seconds):
    with pytest.raises(JnoValueError, match="`seconds`"):
        PlotLive(seconds=seconds)


def test_in_a_run(problem, tmp_path):
    problem().solve(20, callbacks=[PlotLive(tmp_path)])
    assert (tmp_path / "losses.png").read_bytes().startswith(PNG)
