"""How many steps are made in one go."""

from typing import final

from jno_core._train.step import CAPACITY

SECONDS = 1.0
"""Steps in one go take half of this to twice this: an interrupt is answered and a progress display moves in that time. Shorter
ones would cost: the first step of each takes half as long again."""


@final
class Pace:
    """The number of steps that take about `SECONDS`, from what earlier ones took.

    - `steps`: how many to make next.
    """

    def __init__(self) -> None:
        self.steps = 8

    def learn(self, done: int, seconds: float) -> None:
        """Take into account that `done` steps took so many seconds."""
        if seconds > 2 * SECONDS:
            self.steps = max(self.steps // 2, 1)
        elif seconds < SECONDS / 2 and done >= self.steps:
            # Fewer steps, which something else ended early, do not tell how long so many take.
            self.steps = min(2 * self.steps, CAPACITY)
