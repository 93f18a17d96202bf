"""A thousand steps from end to end: `crux.solve` beside hand-written training loops.

    python -m benchmarks.training [--rows small-100 plate] [--steps 1000] [--rounds 9] [--out benchmarks/results/training]

`plain` is a Python loop that calls a compiled step with `vmap(jax.hessian)` in it, `best loop` the same loop with the best
derivatives by hand, and `best` those in one compiled loop. Compiling is left out; everything else that a call costs is in.
"""

import argparse

from benchmarks import report
from benchmarks.by_hand import PLAIN, fused, gradient_of, looped, ways
from benchmarks.measure import check_agreement, fastest, interleaved, seconds, start, timings
from benchmarks.problems import OPTIMIZER, TRAINING, Row, by_jno, chosen, task

RATIOS = (("jno", "best"), ("jno", "best loop"), ("jno", "plain"))


def measured(row: Row, rounds: int, steps: int, round_seconds: float) -> report.Line:
    """One line of the table: milliseconds per step. Where the plain loop would take too long, there are fewer steps."""
    given = task(row)
    gradients = dict(ways(given))
    plain = start("plain", looped(given, gradient_of(given, PLAIN[row.operator], None), OPTIMIZER))
    best = fastest((start(name, fused(given, g, OPTIMIZER)) for name, g in gradients.items()), "best")
    loop = start("best loop", looped(given, gradients[best.remark], OPTIMIZER))
    contestants = [by_jno(row), plain, loop, best]
    check_agreement(contestants)
    steps = min(steps, max(20, int(20 * round_seconds / seconds(plain.train, 20))))
    times = interleaved({c.name: lambda c=c: seconds(c.train, steps) / steps for c in contestants}, rounds)
    title = f"{row.title}, {row.points:,} + {row.boundary} points, {row.network}, {steps} steps"
    return report.Line(row.name, title, timings(contestants, times))


def main() -> None:
    """Measure the chosen rows, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help=", ".join(row.name for row in TRAINING))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-seconds", type=float, default=8.0, help="the most that the plain loop may take")
    parser.add_argument("--out", default="benchmarks/results/training", help="path without ending")
    given = parser.parse_args()
    lines = []
    for row in chosen(TRAINING, given.rows):
        lines.append(measured(row, given.rounds, given.steps, given.round_seconds))
        report.write(given.out, "Training from end to end", lines, RATIOS, {"rounds": given.rounds})


if __name__ == "__main__":
    main()
