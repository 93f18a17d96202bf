"""Signals during a run: Ctrl-C and SIGTERM are noted, and answered where the state is whole.

Python raises `KeyboardInterrupt` between any two instructions, also between the end of a step and the assignment of its
result. While a run is watched, the first signal is noted and the run ends after the chunk that is running; a second Ctrl-C
is Python's own, at once. What was installed before is installed again afterwards, whatever happens. Only the main thread may
handle signals; in another nothing changes.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self, final

_WORDS = {signal.SIGINT: "interrupted by the user", signal.SIGTERM: "terminated by SIGTERM"}


@final
class Interrupts:
    """A context in which signals are noted in `received`."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def reason(self) -> str | None:
        """Why the run shall stop, `None` to go on."""
        return None if self.received is None else _WORDS[self.received]

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _WORDS:
                before = signal.getsignal(number)
                # A program that ignores a signal, or that handles it in C, goes on to do so.
                if before is not signal.SIG_IGN and before is not None:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}

    def finish(self) -> None:
        """Let SIGTERM do, after the run is stored, what it does without a run. Called outside of the context."""
        if self.received is signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
