"""What it takes to set up domains: meshes with connectivity and weights, and points of shapes made by many operations.

    python -m benchmarks.geometry [--rounds 5] [--python .bench-venv/bin/python] [--out benchmarks/results/geometry]

`mesher` is the share of netgen's process in a set-up. jNO 0.2.3 builds the same rectangle in the peers' environment, which
needs the system libraries of gmsh; `--python` with no name leaves it out.
"""

import argparse
import subprocess
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import jno
from benchmarks import report
from benchmarks.measure import Timing
from jno_core._domain import Domain
from jno_plugin_geometry import Disk, Rectangle

PEER = """
import time
import jno
for _ in range({rounds}):
    start = time.perf_counter()
    jno.domain.rect(mesh_size={size}, compute_mesh_connectivity=True)
    print("took", time.perf_counter() - start)
"""


def set_up(domain: Domain) -> None:
    """What differences and integrals need of a domain: connectivity, normals, weights."""
    x, *_ = domain.variable("interior")
    domain.variable("boundary", normals=True)
    _ = domain.mesh_connectivity
    domain.rule(x.collocation, None)


def rectangle(size: float) -> Callable[[], int]:
    """The unit square with edges of `size`; returns the number of nodes."""

    def run() -> int:
        domain = jno.domain.rect(mesh_size=size)
        set_up(domain)
        return domain.mesh_connectivity["n_points"]

    return run


def plate(size: float) -> Callable[[], int]:
    """A plate with a hole, meshed by netgen."""
    shape = Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2)

    def run() -> int:
        domain = jno.domain(shape.remeshed(size))
        set_up(domain)
        return domain.mesh_connectivity["n_points"]

    return run


def points_of_a_tree() -> int:
    """A million points of twenty operations on rectangles and disks, the tree included."""
    rng = np.random.default_rng(0)
    shape = Rectangle((0, 4), (0, 2))
    for i in range(20):
        piece = Disk(tuple(rng.uniform((0.2, 0.2), (3.8, 1.8))), rng.uniform(0.05, 0.2))
        shape = shape - piece if i % 2 else shape | piece.translate(0.3, 0.9)
    return len(shape.sample("interior", 1_000_000, rng).points)


def timed(run: Callable[[], int], rounds: int) -> tuple[int, list[float], list[float]]:
    """What it returns, seconds of each round, and of these netgen's."""
    inner = subprocess.run
    spent = 0.0

    def clocked(*arguments: Any, **options: Any) -> Any:
        nonlocal spent
        start = time.perf_counter()
        found = inner(*arguments, **options)
        spent += time.perf_counter() - start
        return found

    subprocess.run = clocked
    size, times, meshers = 0, [], []
    try:
        for _ in range(rounds):
            spent, start = 0.0, time.perf_counter()
            size = run()
            times.append(time.perf_counter() - start)
            meshers.append(spent)
    finally:
        subprocess.run = inner
    return size, times, meshers


def peer(python: str, size: float, rounds: int) -> list[float]:
    """Seconds that jNO 0.2.3 takes for the square."""
    done = subprocess.run(
        [python, "-c", PEER.format(rounds=rounds, size=size)], capture_output=True, text=True, check=True
    )
    return [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("took")]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=".bench-venv/bin/python", help="of the peers' environment")
    parser.add_argument("--out", default="benchmarks/results/geometry", help="path without ending")
    options = parser.parse_args()
    rows = {
        "square, h = 0.01": rectangle(0.01),
        "square, h = 1/316": rectangle(1 / 316),
        "plate with a hole, h = 0.0137": plate(0.0137),
        "plate with a hole, h = 0.00435": plate(0.00435),
        "a million points of 20 operations": points_of_a_tree,
    }
    rectangle(0.1)()
    lines = []
    for title, run in rows.items():
        size, times, meshers = timed(run, options.rounds)
        own = [t - m for t, m in zip(times, meshers, strict=True)]
        timings = {"jno": Timing(tuple(1e3 * t for t in times), None, f"{size:,} points")}
        if max(meshers) > 0:
            timings["beyond the mesher"] = Timing(tuple(1e3 * t for t in own))
        if options.python and title == "square, h = 0.01":
            timings["jNO 0.2.3"] = Timing(tuple(1e3 * t for t in peer(options.python, 0.01, options.rounds)))
        lines.append(report.Line(title, title, timings))
        print(f"{title}: {median(times):.3f} s, {median(own):.3f} s beyond the mesher", flush=True)
    report.write(options.out, "Geometry", lines, (("jno", "jNO 0.2.3"),), {"rounds": options.rounds})


if __name__ == "__main__":
    main()
