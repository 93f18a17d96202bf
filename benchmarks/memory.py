"""The most memory that training on many points takes, beyond what the same process takes for a tiny problem.

    python -m benchmarks.memory [--points 100000] [--rounds 3] [--out benchmarks/results/memory]

Every figure is of a process of its own. Linux only: the kernel keeps the peak of the resident set, `VmHWM`.
"""

import argparse
import subprocess
import sys
from statistics import median

from benchmarks import report
from benchmarks.by_hand import PLAIN, fused, gradient_of, listed
from benchmarks.measure import Train
from benchmarks.peak import peak
from benchmarks.problems import DERIVATIVES, OPTIMIZER, Row, by_jno, chosen, task

TARGET = 300
"""Megabytes that jno may take."""

TINY, STEPS, PART = 100, 5, 500


def trained(contestant: str, row: Row) -> None:
    """Train a few steps."""
    if contestant == "jno":
        by_jno(row).train(STEPS)
        return
    given = task(row)
    best = contestant == "best" and row.points % PART == 0
    gradient = gradient_of(given, listed, PART) if best else gradient_of(given, PLAIN[row.operator], None)
    train: Train = fused(given, gradient, OPTIMIZER)
    train(STEPS)


def measured(contestant: str, points: int) -> float:
    """The peak of a new process that trains on so many points."""
    command = [sys.executable, "-m", "benchmarks.memory", "--child", contestant, "--points", str(points)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print the table of peaks, or in a child process one peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="benchmarks/results/memory", help="path without ending")
    parser.add_argument("--child", choices=("jno", "plain", "best"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    [row] = chosen(DERIVATIVES, ["poisson-2d"])
    if given.child is not None:
        trained(given.child, row._replace(points=given.points))
        print(peak())
        return
    lines = [
        f"| contestant | baseline (MB) | {given.points:,} points (MB) | difference (MB) |",
        "| --- | --- | --- | --- |",
    ]
    figures = {}
    for contestant in ("jno", "plain", "best"):
        rounds = [(measured(contestant, TINY), measured(contestant, given.points)) for _ in range(given.rounds)]
        low, high = (median(values) for values in zip(*rounds, strict=True))
        more = median(b - a for a, b in rounds)
        figures[contestant] = {"baseline_mb": low, "peak_mb": high, "difference_mb": more, "rounds": rounds}
        lines.append(f"| {contestant} | {low:.0f} | {high:.0f} | {more:.0f} |")
    met = "met" if figures["jno"]["difference_mb"] < TARGET else "missed"
    lines += ["", f"Target for jno: below {TARGET} MB: {met}."]
    report.save(given.out, f"Peak memory: {row.title}, {row.network}", lines, figures, {"rounds": given.rounds})


if __name__ == "__main__":
    main()
