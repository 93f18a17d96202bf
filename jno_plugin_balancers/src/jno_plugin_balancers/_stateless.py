"""Schedules that look at nothing but the step."""

import abc

from jaxtyping import Array, Float, Int

from jno_core import AbstractSchedule


class AbstractStateless(AbstractSchedule):
    """A rate that follows from the number of steps alone, and remembers nothing."""

    @abc.abstractmethod
    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The rate of a step, counted from zero. Pure and traceable."""

    def init(self) -> tuple[()]:
        return ()

    def rate(
        self, state: tuple[()], step: Int[Array, ""], losses: Float[Array, " n"]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        del losses
        return self.at(step), state
