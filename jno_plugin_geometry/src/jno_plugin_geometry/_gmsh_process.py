"""gmsh in a child process.

gmsh is under the GPL, needs system libraries, and takes Ctrl-C away from the process that it runs in. In a child process
it can be stopped, and can end nothing but itself.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from jno_core.errors import JnoImportError, JnoValueError
from jno_plugin_geometry._arguments import checked_count
from jno_plugin_geometry._gmsh_worker import MISSING
from jno_plugin_geometry._worker import WorkerError, WorkerTimeoutError, run_worker

_WORKER = pathlib.Path(__file__).with_name("_gmsh_worker.py")
_ALGORITHMS = (1, 2, 3, 5, 6, 7, 8, 9)


def checked_algorithm(algorithm: int) -> int:
    """One of gmsh's numbers of methods for surfaces."""
    if checked_count("algorithm", algorithm, 1) not in _ALGORITHMS:
        raise JnoValueError(f"algorithm must be one of gmsh's numbers {_ALGORITHMS}, got {algorithm}.")
    return int(algorithm)


def run_gmsh(
    task: Mapping[str, np.ndarray], time_limit: float, what: str = "region", advice: str = ""
) -> dict[str, np.ndarray]:
    """The answer of `_gmsh_worker` to a task, within `time_limit` seconds.

    Raises `JnoImportError` saying what to install where gmsh or one of its libraries is missing, and `JnoValueError` naming
    `what` is meshed when gmsh fails or does not finish in time.
    """
    advice = advice or "Remove small features, or use a larger mesh_size."
    try:
        return run_worker(_WORKER, task, time_limit)
    except WorkerTimeoutError as error:
        raise JnoValueError(f"gmsh {error}. {advice}") from error
    except WorkerError as error:
        if error.status == MISSING:
            raise JnoImportError(
                f'The mesher gmsh cannot be loaded ({error}). Type:\n    pip install "jno-plugin-geometry[gmsh]"\n'
                "and as root, on Debian or Ubuntu:\n    apt-get install -y "
                "libglu1-mesa libgl1 libxcursor1 libxft2 libxinerama1 libgomp1"
            ) from error
        raise JnoValueError(f"gmsh could not mesh the {what}: {error}. {advice}") from error
