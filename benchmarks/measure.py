"""Contestants are timed side by side in one run, because figures of different runs of a shared machine do not compare."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

Train: TypeAlias = Callable[[int], float]
"""Trains for so many steps, waits until the device is done, and returns the loss of the last step."""


class Contestant(NamedTuple):
    """Someone who is ready to run: compiled, and with one step behind."""

    name: str
    train: Train
    first_loss: float
    seconds_to_first_step: float
    remark: str = ""


class Timing(NamedTuple):
    """One contestant's figures: a time for each round, in milliseconds, and if known what came before the first round and
    the most memory that some steps take."""

    milliseconds: tuple[float, ...]
    seconds_to_first_step: float | None = None
    remark: str = ""
    peak_mb: float | None = None

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return median(self.milliseconds)


class DisagreementError(Exception):
    """Contestants that should compute the same loss do not, so their times cannot be compared."""


def seconds(train: Train, steps: int) -> float:
    """The wall time of so many steps."""
    start = time.perf_counter()
    train(steps)
    return time.perf_counter() - start


def per_step(train: Train, steps: int) -> float:
    """Seconds of one further step: what a call costs beyond its steps cancels in the difference."""
    return (seconds(train, 1 + steps) - seconds(train, 1)) / steps


def start(name: str, train: Train, began: float | None = None) -> Contestant:
    """Compile a contestant by its first step. `began` is the clock when its problem began to be built, if that counts."""
    began = time.perf_counter() if began is None else began
    return Contestant(name, train, train(1), time.perf_counter() - began)


def race(contestants: Sequence[Contestant], rounds: int, round_seconds: float) -> dict[str, Timing]:
    """Milliseconds per step of each contestant: A B C A B C ..., each for about `round_seconds`.

    Raises `DisagreementError`.
    """
    check_agreement(contestants)
    steps = {c.name: _steps(c.train, round_seconds) for c in contestants}
    times = interleaved({c.name: lambda c=c: _settled(c.train, steps[c.name]) for c in contestants}, rounds)
    return timings(contestants, times)


def _settled(train: Train, steps: int) -> float:
    """As `per_step`, after as many steps that do not count: the memory that the one before gave back still keeps the
    machine busy, and a plain Hessian gives back hundreds of megabytes."""
    train(steps)
    return per_step(train, steps)


def timings(contestants: Iterable[Contestant], times: Mapping[str, Sequence[float]]) -> dict[str, Timing]:
    """The figures of each contestant from its times, which are in seconds."""
    return {
        c.name: Timing(tuple(1e3 * t for t in times[c.name]), c.seconds_to_first_step, c.remark) for c in contestants
    }


def check_agreement(contestants: Iterable[Contestant], tolerance: float = 1e-5) -> None:
    """All start from the same weights, so their first losses must agree.

    Raises `DisagreementError`.
    """
    losses = {c.name: c.first_loss for c in contestants}
    first = next(iter(losses.values()))
    if not all(math.isclose(loss, first, rel_tol=tolerance) for loss in losses.values()):
        raise DisagreementError(f"The losses of the first step differ: {losses}.")


def interleaved(timers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each timer says, round by round."""
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer())
    return times


def fastest(variants: Iterable[Contestant], name: str, rounds: int = 5) -> Contestant:
    """The best of many variants under a new name, with its own in the remark; so the race itself is between few.

    Those much slower than the best are given up after one try. The others are compared by the least of a few rounds, which
    is what other work on the machine disturbs least.
    """
    variants = tuple(variants)
    tried = {v: seconds(v.train, 2) for v in variants}
    near = [v for v, took in tried.items() if took < 2 * min(tried.values())]
    steps = {v: _steps(v.train, 0.1) for v in near}
    times = interleaved({v.name: lambda v=v: seconds(v.train, steps[v]) / steps[v] for v in near}, rounds)
    best = min(near, key=lambda v: min(times[v.name]))
    return best._replace(name=name, remark=best.name)


def _steps(train: Train, target: float) -> int:
    """How many steps take about `target` seconds, by doubling until a round takes a quarter of it."""
    steps = 1
    while (took := seconds(train, steps)) < target / 4 and steps < 4096:
        steps *= 2
    return max(1, min(4096, round(steps * target / took)))
