"""jno beside jNO 0.2.3 and 0.4.2, DeepXDE and jinns, each as its documentation writes the problem, in environments of their own.

    python -m benchmarks.peers [--rows plate] [--peers deepxde jinns] [--python .bench-venv/bin/python]

README.md has the commands that create the environments. A peer runs in a process that lives through all rounds: it is told
a number of steps and answers with the time of one. While it waits it takes no time from the others.
"""

import argparse
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import jax

from benchmarks import report
from benchmarks.measure import Timing, interleaved, per_step
from benchmarks.peer_scripts.protocol import ANSWER
from benchmarks.problems import EQUATIONS, TRAINING, Row, by_jno, chosen

SCRIPTS = Path(__file__).parent / "peer_scripts"
PEERS = {
    "jNO-0.2.3": "run_jno_0_2_3.py",
    "jNO-0.4.2": "run_jno_0_4_2.py",
    "DeepXDE": "run_deepxde.py",
    "jinns": "run_jinns.py",
}
NEWER = frozenset({"jNO-0.4.2"})
"""Those that need Python 3.12."""
# jinns has boundaries in one and two dimensions only.
ROWS = (*(row for row in TRAINING if row.axes < 3 or not row.boundary), *chosen(EQUATIONS, ["poisson-2d"]))


class Peer:
    """A peer's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def step(self, steps: int) -> float:
        """Seconds of one step, found out by training for `steps`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(ANSWER):
                return float(line.removeprefix(ANSWER))
        raise RuntimeError(f"A peer has ended with exit code {self._process.wait()}; what it said is above.")


@contextmanager
def running(python: str, script: str, row: Row) -> Iterator[Peer]:
    """A peer's process for one row, ended at the end."""
    size = {name: getattr(row, name) for name in ("axes", "points", "boundary", "width", "depth")}
    arguments = [f"--{name}={value}" for name, value in size.items()]
    # A peer may bring its own accelerator's libraries; everybody computes where jno does.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"JAX_PLATFORMS": jax.default_backend()}
    with subprocess.Popen(
        [python, str(SCRIPTS / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield Peer(process)
        # Closing its input is how a peer learns that nothing more will be asked; `Popen` does it, and waits.


def measured(row: Row, peers: Mapping[str, str], rounds: int, round_seconds: float) -> report.Line:
    """One line of the table: milliseconds per step. `peers` tells the interpreter of each."""
    with ExitStack() as stack:
        ours = by_jno(row)
        timers = {"jno": lambda steps: per_step(ours.train, steps)}
        timers |= {name: stack.enter_context(running(python, PEERS[name], row)).step for name, python in peers.items()}
        rough = {name: min(timer(5), timer(20)) for name, timer in timers.items()}
        steps = {name: max(5, min(5000, round(round_seconds / took))) for name, took in rough.items()}
        times = interleaved({name: lambda n=name: timers[n](steps[n]) for name in timers}, rounds)
    title = f"{row.title}, {row.points:,} + {row.boundary} points, {row.network}"
    return report.Line(row.name, title, {name: Timing(tuple(1e3 * t for t in ts)) for name, ts in times.items()})


def main() -> None:
    """Measure the chosen rows, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--peers", nargs="+", choices=tuple(PEERS), default=tuple(PEERS))
    parser.add_argument("--python", default=".bench-venv/bin/python", help="of the peers' environment")
    parser.add_argument(
        "--newer-python", default=".bench-jno-venv/bin/python", help="of the environment with jNO 0.4.2"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-seconds", type=float, default=2.0, help="how long each contestant runs in a round")
    parser.add_argument("--out", default="benchmarks/results/peers", help="path without ending")
    given = parser.parse_args()
    peers = {name: given.newer_python if name in NEWER else given.python for name in given.peers}
    for python in peers.values():
        if not Path(python).exists():
            raise SystemExit(f"There is no {python}; benchmarks/README.md has the command that creates it.")
    ratios = tuple(("jno", name) for name in peers)
    packages = "; ".join(_versions(python) for python in dict.fromkeys(peers.values()))
    settings = {"rounds": given.rounds, "peers": packages}
    lines = []
    for row in chosen(ROWS, given.rows):
        lines.append(measured(row, peers, given.rounds, given.round_seconds))
        report.write(given.out, "Steps of peers", lines, ratios, settings)


def _versions(python: str) -> str:
    names = ("jax-neural-operators", "jax-numerical-operators", "deepxde", "jinns", "jax")
    code = (
        "from importlib.metadata import distributions\n"
        f"found = {{d.name.lower(): d.version for d in distributions() if d.name.lower() in {names}}}\n"
        "print(*(f'{name} {found[name]}' for name in sorted(found)), sep=', ')"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
