"""One gradient step of jno beside hand-written JAX and beside jno's own explicit modes.

    python -m benchmarks.derivatives [--rows poisson-2d burgers] [--rounds 9] [--out benchmarks/results/derivatives]
    python -m benchmarks.derivatives --rows burgers heat --networks 3x32 "modified 4x64" --points 1000 100000 --out ...

Everybody minimises the same loss from the same weights with the same optimizer, all steps in one compiled loop. With
`--networks` and `--points`, every row is taken with each of them.
"""

import argparse
import contextlib
import itertools
from collections.abc import Iterator, Sequence

from benchmarks import report
from benchmarks.by_hand import ABREAST, CHUNKS, MANY_AXES, PLAIN, Task, fused, gradient_of, ways
from benchmarks.measure import Contestant, fastest, race, start
from benchmarks.peak import added_by, give_back_large_blocks
from benchmarks.problems import DERIVATIVES, EXPLICIT, OPTIMIZER, Row, by_jno, chosen, task
from jno_core.errors import PluginCapabilityError

RATIOS = (("jno", "best"), ("jno", "beside"), ("jno", "plain"), ("jno", "explicit"), ("jno", "sized"))

# The gradient of a fourfold `jacfwd` of a mapped network ends the process with jaxlib 0.10.2 on a CPU, without jno too.
SAFE_FOR_ORDER_FOUR = ("taylor", "forward-laplacian", "reverse")

FOR_MANY_AXES = ("taylor", "forward-laplacian", "fwd-over-rev")
"""The other modes need much memory there, and are slower still."""


def explicit(row: Row) -> Iterator[Contestant]:
    """jno with each mode that serves the row."""
    modes = FOR_MANY_AXES if row.axes >= MANY_AXES else tuple(EXPLICIT)
    for mode in SAFE_FOR_ORDER_FOUR if row.operator == "biharmonic" else modes:
        with contextlib.suppress(PluginCapabilityError):
            yield by_jno(row, mode, EXPLICIT[mode])


def sized(row: Row) -> Iterator[Contestant]:
    """jno with the size of the parts of the points given, not chosen by it."""
    for chunk in (None, *(c for c in CHUNKS if c < row.points)):
        yield by_jno(row, f"chunk={chunk}", chunk=chunk)


def by_hand(given: Task, abreast: Sequence[int]) -> Iterator[Contestant]:
    """Everything that is written by hand but the plain way, with so many parts at a time."""
    return (start(name, fused(given, gradient, OPTIMIZER)) for name, gradient in ways(given, abreast))


def measured(row: Row, rounds: int, round_seconds: float) -> report.Line:
    """One line of the table."""
    given = task(row)
    contestants = [
        by_jno(row),
        start("plain", fused(given, gradient_of(given, PLAIN[row.operator], None), OPTIMIZER)),
    ]
    for name, abreast in (("best", (1,)), ("beside", ABREAST)):
        if variants := tuple(by_hand(given, abreast)):
            contestants.append(fastest(variants, name))
    contestants.append(fastest(explicit(row), "explicit"))
    if row.axes < MANY_AXES:
        contestants.append(fastest(sized(row), "sized"))
    timings = race(contestants, rounds, round_seconds)
    for c in contestants:
        timings[c.name] = timings[c.name]._replace(peak_mb=added_by(c.train))
    return report.Line(row.name, f"{row.title}, {row.points:,} points, {row.network}", timings)


def asked(given: argparse.Namespace) -> Iterator[Row]:
    """The rows, with each of the networks and numbers of points if there are any."""
    for row in chosen(DERIVATIVES, given.rows):
        if given.networks is None and given.points is None:
            yield row
            continue
        for words, points in itertools.product(given.networks or [row.network], given.points or [row.points]):
            yield row.with_network(words)._replace(points=points, name=f"{row.name}-{words.replace(' ', '-')}-{points}")


def main() -> None:
    """Measure the chosen rows, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help=", ".join(row.name for row in DERIVATIVES))
    parser.add_argument("--networks", nargs="+", help='such as 4x64 or "fourier 4x64", in place of those of the rows')
    parser.add_argument("--points", nargs="+", type=int, help="numbers of points, in place of those of the rows")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-seconds", type=float, default=0.4, help="how long each contestant runs in a round")
    parser.add_argument("--keep", action="store_true", help="keep the other rows of an earlier report")
    parser.add_argument("--out", default="benchmarks/results/derivatives", help="path without ending")
    given = parser.parse_args()
    give_back_large_blocks()
    settings = {"rounds": given.rounds, "seconds per round": given.round_seconds}
    lines = {line.name: line for line in report.kept(given.out)} if given.keep else {}
    order = {row.name: i for i, row in enumerate(DERIVATIVES)}
    for row in asked(given):
        lines[row.name] = measured(row, given.rounds, given.round_seconds)
        shown = sorted(lines.values(), key=lambda line: order.get(line.name, len(order)))
        report.write(given.out, "One gradient step", shown, RATIOS, settings)


if __name__ == "__main__":
    main()
