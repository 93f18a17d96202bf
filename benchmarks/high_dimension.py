"""A Laplacian in many axes: the estimate of `automatic_differentiation:stochastic` beside the exact one.

    python -m benchmarks.high_dimension [--axes 100] [--points 1000] [--most-axes 1000] [--rounds 5]

A step of `crux.solve` on -Δu = 1, in turns. Then one process by itself takes steps on the estimate in `--most-axes` axes and
tells its peak of memory, which Linux keeps as `VmHWM`, and how long it took to its first step.
"""

import argparse
import subprocess
import sys
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jno
from benchmarks import report
from benchmarks.measure import Contestant, Timing, interleaved, per_step, start
from benchmarks.peak import peak
from benchmarks.problems import OPTIMIZER

FAMILY = "automatic_differentiation"
SCHEMES = {"stochastic": f"{FAMILY}:stochastic", "exact": FAMILY, "by Hessians": f"{FAMILY}:fwd-over-rev"}
"""One random direction a point and step, jno's own choice, and forward over reverse mode."""


def core(axes: int, points: int, scheme: str) -> Any:
    """The problem, ready to be solved."""
    places = np.random.default_rng(0).uniform(-1, 1, (points, axes)).astype(np.float32)
    *xs, _ = jno.domain.from_array({"interior": places}).variable("interior")
    net = eqx.nn.MLP(axes, 1, 64, 4, jnp.tanh, key=jax.random.key(0))
    u = jno.nn.wrap(net).optimizer(OPTIMIZER)(*xs)
    return jno.core([(-u.laplacian(*xs, scheme=scheme) - 1.0).mse])


def by_jno(axes: int, points: int, name: str) -> Contestant:
    """`crux.solve` as a contestant."""
    began = time.perf_counter()
    crux = core(axes, points, SCHEMES[name])
    return start(name, lambda steps: float(crux.solve(steps).total_loss_history[-1]), began)


def measured(axes: int, points: int, rounds: int) -> report.Line:
    """The steps beside each other; estimates have other losses, so none are compared."""
    contestants = [by_jno(axes, points, name) for name in SCHEMES]
    steps = {"stochastic": 200, "exact": 20, "by Hessians": 5}
    times = interleaved({c.name: lambda c=c: per_step(c.train, steps[c.name]) for c in contestants}, rounds)
    found = {
        c.name: Timing(
            tuple(1e3 * t for t in times[c.name]),
            c.seconds_to_first_step,
            f"first step after {c.seconds_to_first_step:.1f} s",
        )
        for c in contestants
    }
    return report.Line(f"laplacian-{axes}d", f"Δu, d = {axes}, {points:,} points, 4x64", found)


def main() -> None:
    """Print the table, or in a child process what one problem takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", type=int, default=100)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--most-axes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="benchmarks/results/high_dimension", help="path without ending")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        contestant = by_jno(given.axes, given.points, "stochastic")
        contestant.train(5)
        print(peak(), contestant.seconds_to_first_step)
        return
    line = measured(given.axes, given.points, given.rounds)
    command = [sys.executable, "-m", "benchmarks.high_dimension", "--child"]
    command += ["--axes", str(given.most_axes), "--points", str(given.points)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, seconds = map(float, done.stdout.split())
    settings = {
        "rounds": given.rounds,
        f"stochastic in {given.most_axes} axes": f"peak {megabytes:.0f} MB, first step after {seconds:.1f} s",
    }
    ratios = (("exact", "stochastic"), ("by Hessians", "stochastic"))
    report.write(given.out, "Many axes", [line], ratios, settings)


if __name__ == "__main__":
    main()
