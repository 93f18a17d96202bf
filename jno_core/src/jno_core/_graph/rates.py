"""Learning-rate schedules made of what users write: numbers, functions, and bounds around another schedule."""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from jno_core._custom_types import PyTree
from jno_core._graph import checks, misfit
from jno_core._graph.arity import required
from jno_core._interfaces import AbstractSchedule
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class ConstantRate:
    """The same rate at every step. A value and not a closure, so that it can be compared and stored."""

    value: float

    def __call__(self, step: Any) -> Any:
        del step
        return jnp.asarray(self.value)


@final
class FunctionSchedule(AbstractSchedule):
    """A rate given by a function of the step, or of the step and the losses."""

    fn: Callable[..., Any] = eqx.field(static=True)
    reads_losses: bool = eqx.field(static=True)

    def init(self) -> PyTree:
        return ()

    def rate(self, state: PyTree, step: Any, losses: Any) -> tuple[Any, PyTree]:
        name = checks.name_of(self.fn)
        given = (step, losses) if self.reads_losses else (step,)
        value = misfit.traced_shape(lambda a: self.fn(*a), given, (), lambda: f"The schedule {name}")
        if not isinstance(value, jax.ShapeDtypeStruct):
            raise JnoTypeError(f"The schedule {name} must return one number, it returns {value!r}.")
        if value.shape:
            raise JnoValueError(
                f"The schedule {name} must return one number, it returns an array of shape {value.shape}."
            )
        return jnp.asarray(self.fn(*given)), state


@final
class BoundedSchedule(AbstractSchedule):
    """Another schedule, clamped to bounds. A `highest` of `None` is no bound."""

    schedule: AbstractSchedule
    lowest: float = eqx.field(static=True)
    highest: float | None = eqx.field(static=True)

    def init(self) -> PyTree:
        return self.schedule.init()

    def rate(self, state: PyTree, step: Any, losses: Any) -> tuple[Any, PyTree]:
        rate, state = self.schedule.rate(state, step, losses)
        return jnp.clip(rate, self.lowest, self.highest), state


def as_schedule(rate: Any) -> AbstractSchedule:
    """A schedule from a number or a function that `checks.checked_rate` has passed, or from a schedule."""
    if isinstance(rate, AbstractSchedule):
        return rate
    if isinstance(rate, int | float):
        return FunctionSchedule(ConstantRate(float(rate)), False)
    return FunctionSchedule(rate, required(rate) == 2)


def bounded(rate: Any, min_lr: float, max_lr: float | None) -> AbstractSchedule:
    """The schedule behind `LearningRateSchedule(rate, min_lr, max_lr)`.

    Raises `JnoTypeError` for something that gives no rate or no bound, `JnoValueError` for bounds that are none and for a
    number outside of them.
    """
    for name, bound in (("min_lr", min_lr), ("max_lr", max_lr)):
        if bound is None and name == "max_lr":
            continue
        if isinstance(bound, bool) or not isinstance(bound, numbers.Real):
            raise JnoTypeError(f"LearningRateSchedule takes a number as {name}, got {bound!r}.")
        if not 0 <= bound < float("inf"):
            raise JnoValueError(f"LearningRateSchedule needs a finite {name} of zero or more, got {bound!r}.")
    if max_lr is not None and not min_lr <= max_lr:
        raise JnoValueError(f"LearningRateSchedule needs min_lr <= max_lr, got min_lr={min_lr!r}, max_lr={max_lr!r}.")
    if rate is None:
        raise JnoTypeError("LearningRateSchedule takes a number, rate(epoch) or rate(epoch, losses), got None.")
    rate = checks.checked_rate(rate, "LearningRateSchedule(...)")
    if isinstance(rate, float) and not min_lr <= rate <= (rate if max_lr is None else max_lr):
        raise JnoValueError(
            f"LearningRateSchedule({rate!r}) is outside of its bounds min_lr={min_lr!r} and max_lr={max_lr!r}, which would "
            "change it; give it bounds that contain it."
        )
    return BoundedSchedule(as_schedule(rate), float(min_lr), None if max_lr is None else float(max_lr))
