"""What callbacks cost: a run with each of them at its default interval, beside the same run without.

    python -m benchmarks.callbacks [--row small-1000] [--only csv_logger ...] [--rounds 5] [--out benchmarks/results/callbacks]

`hooks` is the time inside the callback's hooks between the first and the last step, as a share of the run's. `run` is what
the whole run takes longer by, from the medians of rounds in which both take turns; it holds also what shorter chunks cost,
and is as exact as the machine is quiet. Start and end of a run are left out. wandb, mlflow and aim are left out where they
are not installed.
"""

import argparse
import contextlib
import inspect
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.measure import interleaved
from benchmarks.problems import TRAINING, Row, chosen, core
from jno_core import hookimpl, plugins
from jno_core.errors import JnoImportError

TARGET = 0.02
"""The share of the time that a callback may take."""

LEAST_STEPS = 10_000


class Figure(NamedTuple):
    """What one callback costs, as shares of the time without it, and how many steps were made."""

    name: str
    every: int | None
    hooks: float
    run: float
    steps: int


class Clock:
    """Measures the time that all other callbacks take after chunks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @hookimpl(wrapper=True)
    def on_chunk_end(self) -> Iterator[None]:
        """Times the hook of the others."""
        start = time.perf_counter()
        result = yield
        self.seconds += time.perf_counter() - start
        return result

    @hookimpl(wrapper=True)
    def should_stop(self) -> Iterator[None]:
        """Times the hook of the others."""
        start = time.perf_counter()
        result = yield
        self.seconds += time.perf_counter() - start
        return result


def names() -> tuple[str, ...]:
    """The callbacks that are installed."""
    return tuple(plugin.record.name for plugin in plugins.list() if plugin.record.kind == "callback")


def made(name: str, folder: str) -> Any:
    """The callback at its defaults, but for the folder of those that write files."""
    cls = plugins.get("callback", name)
    takes_folder = "directory" in inspect.signature(cls).parameters
    return cls(directory=f"{folder}/{name}") if takes_folder else cls()


def interval(callback: Any) -> int | None:
    """Epochs between two actions of a callback, by its attribute or the default of its argument."""
    parameters = inspect.signature(type(callback)).parameters
    given = next((parameters[name].default for name in ("every", "save_interval_epochs") if name in parameters), None)
    return getattr(callback, "every", None) or given


def measured(row: Row, name: str, rounds: int) -> Figure:
    """One callback beside the run without it."""
    with tempfile.TemporaryDirectory() as folder:
        every = interval(made(name, folder))
        steps = max(LEAST_STEPS, 2 * (every or 0))
        shares = []

        def seconds(names: Sequence[str], clock: Clock) -> float:
            """Seconds of the steps beyond the first. A callback is new in each run, so it compiles before the first step."""
            crux = core(row)
            crux.solve(1)
            times = []
            for count in (1, 1 + steps):
                callbacks = [made(name, tempfile.mkdtemp(dir=folder)) for name in names]
                clock.seconds = 0.0
                start = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    crux.solve(count, callbacks=[*callbacks, clock])
                times.append(time.perf_counter() - start)
            return times[1] - times[0]

        def with_it() -> float:
            clock = Clock()
            taken = seconds([name], clock)
            shares.append(clock.seconds / (taken - clock.seconds))
            return taken

        times = interleaved({"without": lambda: seconds((), Clock()), "with": with_it}, rounds)
    ratio = median(times["with"]) / median(times["without"])
    return Figure(name, every, median(shares), ratio - 1, steps)


def main() -> None:
    """Measure the chosen callbacks, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", default="small-1000", help=", ".join(row.name for row in TRAINING))
    parser.add_argument("--only", nargs="+", help="names of callbacks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="benchmarks/results/callbacks", help="path without ending")
    given = parser.parse_args()
    [row] = chosen(TRAINING, [given.row])
    figures: list[Figure] = []
    left_out = []
    for name in given.only or names():
        try:
            figures.append(measured(row, name, given.rounds))
        except JnoImportError:
            left_out.append(name)
        lines = ["| callback | every | hooks | run | steps |", "|---|---|---|---|---|"]
        lines += [f"| {f.name} | {f.every or ''} | {f.hooks:.2%} | {f.run:+.1%} | {f.steps} |" for f in figures]
        settings = {"problem": row.title, "points": row.points, "rounds": given.rounds, "target": f"{TARGET:.0%}"}
        settings |= {"not installed": ", ".join(left_out)} if left_out else {}
        report.save(
            given.out, "Callbacks at their default intervals", lines, {f.name: f._asdict() for f in figures}, settings
        )


if __name__ == "__main__":
    main()
