"""`solve(profile=True)`: a trace of some steps for TensorBoard, XProf or Perfetto."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import final

import jax

_CHUNKS = slice(1, 4)
"""Which chunks are traced: not the first, whose arrays are still on their way, and not many, as traces are large."""


@final
class Profile:
    """Traces a few chunks of steps into a folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen = 0

    @contextlib.contextmanager
    def chunk(self) -> Iterator[None]:
        """The context of one chunk."""
        number, self._seen = self._seen, self._seen + 1
        if number not in range(_CHUNKS.start, _CHUNKS.stop):
            yield
            return
        with jax.profiler.trace(str(self._directory), create_perfetto_trace=True):
            yield
