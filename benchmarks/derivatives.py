"""One gradient step of jno beside hand-written JAX and beside jno's own explicit modes.

    python -m benchmarks.derivatives [--rows poisson-2d burgers] [--rounds 9] [--out benchmarks/results/derivatives]

Everybody minimises the same loss from the same weights with the same optimizer, all steps in one compiled loop.
"""

import argparse
import contextlib
from collections.abc import Iterator

from benchmarks import report
from benchmarks.by_hand import CHUNKS, PLAIN, Task, fused, gradient_of, in_parts, ways
from benchmarks.measure import Contestant, fastest, race, start
from benchmarks.problems import (
    DERIVATIVES,
    EXPLICIT,
    MOST_AXES,
    OPTIMIZER,
    PLANNED,
    Row,
    by_jno,
    by_scheme,
    chosen,
    task,
)
from jno_core.errors import PluginCapabilityError

RATIOS = (("jno", "best"), ("jno", "plain"), ("jno", "explicit"), ("jno", "sized"))

# The gradient of a fourfold `jacfwd` of a mapped network ends the process with jaxlib 0.10.2 on a CPU, without jno too.
SAFE_FOR_ORDER_FOUR = ("taylor", "forward-laplacian", "reverse")

FOR_MANY_AXES = ("taylor", "forward-laplacian", "fwd-over-rev")
"""The other modes need much memory there, and are slower still."""


def planned(row: Row, given: Task) -> Contestant:
    """jno with the planner."""
    if row.axes <= MOST_AXES:
        return by_jno(row)
    # Its scheme by itself, the sizes of the parts chosen as for those written by hand.
    sizes = in_parts(given, by_scheme(PLANNED.higher))
    return fastest((start(name, fused(given, g, OPTIMIZER)) for name, g in sizes), "jno")


def explicit(row: Row, given: Task, ours: Contestant) -> Iterator[Contestant]:
    """jno with each mode that serves the row; in many axes with parts of the size that is best for the planner."""
    if row.axes > MOST_AXES:
        for mode in FOR_MANY_AXES:
            gradient = dict(in_parts(given, by_scheme(EXPLICIT[mode].higher)))[ours.remark]
            yield start(mode, fused(given, gradient, OPTIMIZER))
        return
    for mode in SAFE_FOR_ORDER_FOUR if row.operator == "biharmonic" else tuple(EXPLICIT):
        with contextlib.suppress(PluginCapabilityError):
            yield by_jno(row, mode, EXPLICIT[mode])


def sized(row: Row) -> Iterator[Contestant]:
    """jno with the size of the parts of the points given, not chosen by it."""
    for chunk in CHUNKS:
        if chunk is None or chunk < row.points:
            yield by_jno(row, f"chunk={chunk}", chunk=chunk)


def measured(row: Row, rounds: int, round_seconds: float) -> report.Line:
    """One line of the table."""
    given = task(row)
    ours = planned(row, given)
    contestants = [
        ours,
        start("plain", fused(given, gradient_of(given, PLAIN[row.operator], None), OPTIMIZER)),
        fastest((start(name, fused(given, g, OPTIMIZER)) for name, g in ways(given)), "best"),
        fastest(explicit(row, given, ours), "explicit"),
    ]
    if row.axes <= MOST_AXES:
        contestants.append(fastest(sized(row), "sized"))
    title = f"{row.title}, {row.points:,} points, {row.depth}x{row.width}"
    return report.Line(row.name, title, race(contestants, rounds, round_seconds))


def main() -> None:
    """Measure the chosen rows, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help=", ".join(row.name for row in DERIVATIVES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-seconds", type=float, default=0.4, help="how long each contestant runs in a round")
    parser.add_argument("--out", default="benchmarks/results/derivatives", help="path without ending")
    given = parser.parse_args()
    settings = {"rounds": given.rounds, "seconds per round": given.round_seconds}
    lines = []
    for row in chosen(DERIVATIVES, given.rows):
        lines.append(measured(row, given.rounds, given.round_seconds))
        report.write(given.out, "One gradient step", lines, RATIOS, settings)


if __name__ == "__main__":
    main()
