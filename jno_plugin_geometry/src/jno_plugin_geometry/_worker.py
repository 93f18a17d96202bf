"""Running a mesher in a child process.

A mesher can run for ever, and Python cannot interrupt it; and a fault in compiled code would end the user's session. A child
process can be stopped, by the time limit or by Ctrl-C, and leaves no thread and no signal handler here.
"""

import io
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import final

import numpy as np

_MAIN = pathlib.Path(__file__).with_name("_worker_main.py")


@final
class WorkerError(Exception):
    """The mesher gave up; the message is its own, `status` the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@final
class WorkerTimeoutError(Exception):
    """The mesher did not finish in time."""


def run_worker(script: pathlib.Path, task: Mapping[str, np.ndarray], time_limit: float) -> dict[str, np.ndarray]:
    """What the function `generate` of a script makes of the arrays `task`; `time_limit` in seconds.

    Raises `WorkerError` with the last line of what it complained about, and `WorkerTimeoutError`.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(_MAIN), str(script)],
            input=_packed(task),
            capture_output=True,
            timeout=time_limit,
            # The child sees the packages that this process sees, however they came onto its path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder)},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerTimeoutError(f"did not finish within {time_limit:.0f} s") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise WorkerError(words[-1] if words else f"exit status {done.returncode}", done.returncode)
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as answer:
        return dict(answer)


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
