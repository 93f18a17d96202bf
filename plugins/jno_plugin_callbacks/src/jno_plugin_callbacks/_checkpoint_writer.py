"""Writing in the background."""

import concurrent.futures
from collections.abc import Callable
from typing import final

from jno_core import Checkpoint
from jno_plugin_callbacks._checkpoint_arrays import prepare


@final
class BackgroundWriter:
    """Hands checkpoints to `store` in a thread of its own, one after another, and calls `finish` there in the end.

    At most one checkpoint waits for its turn while another is written: who brings a third waits for the first. What `store`
    raises comes out of a later call.
    """

    def __init__(self, store: Callable[[Checkpoint], None], finish: Callable[[], None]) -> None:
        self._store, self._finish = store, finish
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "jno-checkpoints")
        self._jobs: list[concurrent.futures.Future[None]] = [self._thread.submit(prepare)]

    def submit(self, checkpoint: Checkpoint) -> None:
        """Have a checkpoint written."""
        concurrent.futures.wait(self._jobs[:-1])
        self._jobs.append(self._thread.submit(self._store, checkpoint))

    def check(self) -> None:
        """Raise what has gone wrong since the last call."""
        ended = [job for job in self._jobs if job.done()]
        self._jobs = [job for job in self._jobs if job not in ended]
        for job in ended:
            job.result()

    def wait(self) -> None:
        """Wait until everything is written."""
        concurrent.futures.wait(self._jobs)
        self.check()

    def close(self) -> None:
        """Wait until everything is written, and end the thread. Where the wait is interrupted the thread goes on to its end."""
        self._jobs.append(self._thread.submit(self._finish))
        self._thread.shutdown()
        self.check()
