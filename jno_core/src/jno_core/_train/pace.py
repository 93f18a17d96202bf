"""How many steps are made in one go."""

from typing import final

from jno_core._train.step import CAPACITY

SECONDS = 1.0
"""Steps in one go take half of this to twice this: an interrupt is answered and a progress display moves in that time. Shorter
ones would cost: the first step of each finds its memory cold and takes half as long again."""


@final
class Pace:
    """The number of steps that take about `SECONDS`, from what earlier ones took.

    - `steps`: how many to make next.
    """

    def __init__(self) -> None:
        self.steps = 8

    def learn(self, done: int, seconds: float) -> None:
        """Take into account that `done` steps took so many seconds."""
        if done < self.steps and seconds < 2 * SECONDS:
            # Something else ended them early.
            return
        if seconds < SECONDS / 2:
            self.steps = min(2 * self.steps, CAPACITY)
        elif seconds > 2 * SECONDS:
            self.steps = max(self.steps // 2, 1)
