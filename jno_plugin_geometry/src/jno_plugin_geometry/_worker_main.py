"""The child process of `_worker`: reads arrays from standard input, writes a mesher's answer to standard output.

Run as a script with the path of another one, whose function `generate` makes arrays by name of arrays by name. Both import
the mesher and numpy and nothing else of this package, so that a child is there at once.
"""

import importlib.util
import io
import os
import sys
from collections.abc import Callable

import numpy as np


def _generator(script: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    spec = importlib.util.spec_from_file_location("mesher", script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate


def _main() -> None:
    # Meshers print; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as task:
        answer = _generator(sys.argv[1])(dict(task))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())


if __name__ == "__main__":
    _main()
