"""How benchmarks/peers.py and the script of a peer talk: the problem's size as arguments, then a number of steps on each line.

This file runs in the peers' environment, so it imports nothing but the standard library.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

ANSWER = "seconds:"
"""What an answer begins with. Before the first there may be messages, which a peer writes when it is imported."""


class Size(NamedTuple):
    """Poisson's equation Δu + 1 = 0 in the unit cube, u = 0 at the boundary points if there are any."""

    axes: int
    points: int
    boundary: int
    width: int
    depth: int


def serve(build: Callable[[Size], Callable[[int], float]]) -> None:
    """Answer each number of steps with the seconds of one of them, which the function that `build` returns finds out.

    The peers' own messages go to the standard error stream.
    """
    parser = argparse.ArgumentParser()
    for name in Size._fields:
        parser.add_argument(f"--{name}", type=int, required=True)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    timed = build(Size(**vars(parser.parse_args())))
    for line in sys.stdin:
        print(ANSWER, timed(int(line)), file=answers, flush=True)
