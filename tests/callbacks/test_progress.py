"""Progress on a pipe and on a terminal, of which a small emulator tells what stays visible."""

import io
import itertools
import math
import re
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pluggy
import pytest
from rich.console import Console

from jno_core import FitResult, Metrics, RunInfo
from jno_core.errors import JnoTypeError, JnoValueError
from jno_core.hooks import PROJECT, TrainerHooks
from jno_plugin_callbacks import Progress

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class LatinPipe(io.StringIO):
    encoding = "latin-1"


def terminal_console():
    return Console(force_terminal=True, force_interactive=True, file=io.StringIO(), width=100)


def hooks(callback):
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TrainerHooks)
    manager.register(callback)
    manager.check_pending()
    return manager.hook


def start(hook, epochs=100, first_epoch=0, terms=("pde", "bc")):
    hook.on_fit_start(run=RunInfo(first_epoch, epochs, terms, (), 7, None, True, None), state=None)


def chunk(hook, first_epoch, epochs, seconds, losses=(2.0, 1.0)):
    rows = np.tile(losses, (epochs, 1))
    metrics = Metrics(first_epoch, total=rows.mean(axis=1), losses=rows, seconds=seconds, tracked={})
    hook.on_chunk_end(run=None, step=first_epoch + epochs, metrics=metrics, state=None)


def end(hook, epochs=100, stopped=None):
    hook.on_fit_end(result=FitResult(epochs=epochs, stopped=stopped, state=None, statistics=None))


def screen(text):
    """The lines that a terminal shows after `text`, and whether its cursor is visible."""
    lines, row, column, cursor = [""], 0, 0, True
    for code, argument, final, literal in re.findall(r"(\x1b\[([?\d;]*)([A-Za-z]))|([^\x1b])", text):
        if literal == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif literal == "\r":
            column = 0
        elif literal:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + literal + line[column + 1 :]
            column += 1
        elif final == "A":
            row -= int(argument or 1)
        elif final == "K":
            lines[row] = "" if argument == "2" else lines[row][:column]
        elif code in (HIDE_CURSOR, SHOW_CURSOR):
            cursor = code == SHOW_CURSOR
        else:
            assert final == "m", f"a control sequence that the emulator does not know: {code!r}"
    return [line.rstrip() for line in lines if line.strip()], cursor


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("TTY_INTERACTIVE", "TTY_COMPATIBLE", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def written(capsys):
    """What was written to the standard output, which is no terminal, since the last call."""
    return lambda: capsys.readouterr().out


def test_lines_on_a_pipe(written):
    hook = hooks(Progress(lines_every=10.0))
    start(hook, epochs=1000)
    for k in range(10):
        chunk(hook, 100 * k, 100, seconds=4.0, losses=(0.25 / (k + 1), 1e-3))
    end(hook, epochs=1000)
    text = written()
    lines = text.splitlines()
    assert [line[: len("epoch  100/1000")] for line in lines[:-1]] == [
        "epoch  100/1000",
        "epoch  400/1000",
        "epoch  700/1000",
        "epoch 1000/1000",
    ]
    assert lines[0] == "epoch  100/1000  loss 1.255e-01  (pde 2.50e-01, bc 1.00e-03)  25 steps/s  ETA 36.0 s"
    assert lines[-2].endswith("25 steps/s  ETA 0.0 s")
    assert lines[-1] == "done: 1000 epochs, loss 1.300e-02, 40.0 s"
    assert "\x1b" not in text


def test_every_chunk_is_written_when_asked(written):
    hook = hooks(Progress(lines_every=0))
    start(hook)
    for k in range(5):
        chunk(hook, 20 * k, 20, seconds=0.01)
    end(hook)
    assert len(written().splitlines()) == 6


def test_the_last_chunk_before_an_early_stop_is_written(written):
    hook = hooks(Progress())
    start(hook)
    chunk(hook, 0, 20, seconds=0.1)
    chunk(hook, 20, 20, seconds=0.1, losses=(8.0, 0.0))
    end(hook, epochs=40, stopped="the loss rose")
    lines = written().splitlines()
    assert [line.split("  loss")[0] for line in lines[:-1]] == ["epoch  20/100", "epoch  40/100"]
    assert lines[-1] == "stopped: 40 epochs, loss 4.000e+00, 0.2 s: the loss rose"


def test_the_last_chunk_before_an_error_is_written(written):
    hook = hooks(Progress())
    start(hook)
    chunk(hook, 0, 20, seconds=0.1)
    chunk(hook, 20, 20, seconds=0.1)
    hook.on_fit_error(error=RuntimeError("x"), state=None)
    assert [line.split("  loss")[0] for line in written().splitlines()] == ["epoch  20/100", "epoch  40/100"]


def test_a_later_run_counts_on(written):
    callback = Progress()
    for first in (0, 100):
        hook = hooks(callback)
        start(hook, first_epoch=first)
        chunk(hook, first, 50, seconds=5.0)
        chunk(hook, first + 50, 50, seconds=5.0)
        end(hook)
    lines = written().splitlines()
    assert [line.split("  loss")[0] for line in lines] == [
        "epoch  50/100",
        "epoch 100/100",
        "done: 100 epochs, loss 1.500e+00, 10.0 s",
        "epoch 150/200",
        "epoch 200/200",
        "done: 100 epochs, loss 1.500e+00, 10.0 s",
    ]
    assert "10 steps/s  ETA 5.0 s" in lines[3]


def test_a_run_without_steps(written):
    hook = hooks(Progress())
    start(hook, epochs=0)
    end(hook, epochs=0, stopped="interrupted")
    assert written() == "stopped: 0 epochs: interrupted\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "25 steps/s  ETA 4.0 s"), (60.0, "0.0167 steps/s  ETA 1:39:00"), (1.25, "0.8 steps/s  ETA 2:04")],
)
def test_speed_and_remaining_time(written, seconds, text):
    hook = hooks(Progress())
    start(hook, epochs=100)
    chunk(hook, 0, 1, seconds)
    assert written().rstrip().endswith(text)


def test_speed_follows_a_change(written):
    hook = hooks(Progress(lines_every=0))
    start(hook, epochs=10**6)
    chunk(hook, 0, 100_000, seconds=100.0)
    done = 100_000
    for _ in range(20):
        chunk(hook, done, 100, seconds=10.0)
        done += 100
    rates = [float(re.search(r"([\d.,]+) steps/s", line)[1].replace(",", "")) for line in written().splitlines()]
    assert rates[0] == 1000
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert rates[-1] == pytest.approx(10, rel=0.05)


def test_no_time_has_passed(written):
    hook = hooks(Progress())
    start(hook)
    chunk(hook, 0, 10, seconds=0.0)
    assert written().endswith("nan steps/s  ETA ?\n")


def test_losses_that_are_not_finite(written):
    hook = hooks(Progress())
    start(hook)
    chunk(hook, 0, 10, seconds=1.0, losses=(math.nan, math.inf))
    assert "loss nan  (pde nan, bc inf)" in written()


def test_names_that_the_stream_cannot_encode(monkeypatch):
    stream = LatinPipe()
    monkeypatch.setattr(sys, "stdout", stream)
    hook = hooks(Progress())
    start(hook, terms=("Δu", "bé"))
    chunk(hook, 0, 10, seconds=1.0)
    assert "(?u 2.00e+00, bé 1.00e+00)" in stream.getvalue()


def test_a_console_without_a_terminal_gets_lines():
    console = Console(force_terminal=False, file=io.StringIO())
    hook = hooks(Progress(console=console))
    start(hook)
    chunk(hook, 0, 100, seconds=1.0)
    end(hook)
    lines = console.file.getvalue().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["epoch", "done:"]


def test_bar_on_a_terminal():
    console = terminal_console()
    hook = hooks(Progress(refresh=0, console=console))
    start(hook, epochs=1000)
    assert screen(console.file.getvalue())[0][0].startswith("starting ")
    chunk(hook, 0, 250, seconds=0.5)
    lines, cursor = screen(console.file.getvalue())
    assert not cursor
    (line,) = lines
    assert re.fullmatch(r"epoch  250/1000 ━+╺?━+ loss 1\.500e\+00  500 steps/s  ETA 1\.5 s", line)
    chunk(hook, 250, 750, seconds=1.5)
    assert "epoch 1000/1000" in screen(console.file.getvalue())[0][0]
    end(hook, epochs=1000)
    assert screen(console.file.getvalue()) == (["done: 1000 epochs, loss 1.500e+00, 2.0 s"], True)


def test_bar_of_a_later_run_starts_empty():
    console = terminal_console()
    callback = Progress(refresh=0, console=console)
    hook = hooks(callback)
    start(hook, epochs=100, first_epoch=100)
    chunk(hook, 100, 50, seconds=0.5)
    (line,) = screen(console.file.getvalue())[0]
    assert line.startswith("epoch 150/200")
    (task,) = callback._display._progress.tasks
    assert task.percentage == 50
    end(hook)


def test_bar_is_not_redrawn_more_often_than_asked():
    console = terminal_console()
    hook = hooks(Progress(refresh=1.0, console=console))
    start(hook, epochs=100)
    for epoch in range(100):
        chunk(hook, epoch, 1, seconds=0.125)
    shown = sorted({int(number) for number in re.findall(r"epoch +(\d+)/", console.file.getvalue())})
    assert shown == [*range(8, 97, 8), 100]
    end(hook)


@pytest.mark.parametrize("stopped", ["interrupted by the user", None])
def test_terminal_is_clean_after_the_end(stopped):
    console = terminal_console()
    hook = hooks(Progress(console=console))
    start(hook)
    chunk(hook, 0, 10, seconds=1.0)
    end(hook, epochs=10, stopped=stopped)
    (line,), cursor = screen(console.file.getvalue())
    assert cursor
    assert line == (
        "done: 10 epochs, loss 1.500e+00, 1.0 s"
        if stopped is None
        else "stopped: 10 epochs, loss 1.500e+00, 1.0 s: interrupted by the user"
    )


@pytest.mark.parametrize("chunks", [0, 1])
def test_terminal_is_clean_after_an_error(chunks):
    console = terminal_console()
    hook = hooks(Progress(console=console))
    start(hook)
    for k in range(chunks):
        chunk(hook, 10 * k, 10, seconds=1.0)
    hook.on_fit_error(error=KeyboardInterrupt(), state=None)
    assert screen(console.file.getvalue()) == ([], True)


def test_terminal_is_clean_before_another_callback_raises_at_the_end():
    class Faulty:
        @pluggy.HookimplMarker(PROJECT)
        def on_fit_end(self):
            raise RuntimeError("faulty")

    console = terminal_console()
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TrainerHooks)
    manager.register(Progress(console=console))
    manager.register(Faulty())
    start(manager.hook)
    with pytest.raises(RuntimeError, match="faulty"):
        end(manager.hook)
    assert screen(console.file.getvalue())[1]


def test_a_run_that_never_ended_is_cleaned_up_by_the_next():
    console = terminal_console()
    callback = Progress(console=console)
    start(hooks(callback))
    hook = hooks(callback)
    start(hook)
    end(hook, epochs=0)
    assert screen(console.file.getvalue()) == (["done: 0 epochs"], True)


def test_prints_during_the_run_stand_above_the_bar(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "100")
    hook = hooks(Progress(refresh=0))
    start(hook)
    chunk(hook, 0, 10, seconds=1.0)
    print("a word from the user")
    chunk(hook, 10, 10, seconds=1.0)
    lines, _ = screen(stream.getvalue())
    assert lines[0] == "a word from the user"
    assert lines[1].startswith("epoch  20/100")
    end(hook, epochs=20)
    assert sys.stdout is stream
    assert screen(stream.getvalue()) == (["a word from the user", "done: 20 epochs, loss 1.500e+00, 2.0 s"], True)


def test_a_dumb_terminal_gets_lines(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "dumb")
    hook = hooks(Progress())
    start(hook)
    chunk(hook, 0, 100, seconds=1.0)
    end(hook)
    assert "\x1b" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 2


def test_standard_output_is_looked_up_when_the_run_starts(monkeypatch):
    callback = Progress()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    hook = hooks(callback)
    start(hook)
    end(hook, epochs=0)
    assert stream.getvalue() == "done: 0 epochs\n"


def test_an_error_before_the_start_is_no_concern(written):
    hook = hooks(Progress())
    hook.on_fit_error(error=RuntimeError("x"), state=None)
    end(hook)
    assert written() == ""


@pytest.mark.parametrize("argument", ["refresh", "lines_every"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "1", None])
def test_bad_times_are_refused_by_name(argument, value):
    with pytest.raises(JnoValueError, match=f"`{argument}`"):
        Progress(**{argument: value})


def test_a_stream_is_no_console():
    with pytest.raises(JnoTypeError, match=r"Console\(file=stream\)"):
        Progress(console=io.StringIO())


def test_rich_is_imported_for_the_bar_only():
    script = """
import sys
from jno_core import FitResult, RunInfo
from jno_plugin_callbacks import EarlyStopping, Progress
progress = Progress()
progress.on_fit_start(RunInfo(0, 1, (), (), 0, None, True, None))
progress.on_fit_end(FitResult(0, None, None, None))
sys.exit("rich" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done: 0 epochs\n"), done.stderr


def test_is_found_by_its_name():
    (entry,) = entry_points(group="jno.callbacks", name="progress")
    assert entry.load() is Progress
