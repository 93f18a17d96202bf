"""Learning-rate schedules: `jno.LearningRateSchedule`, in short `jno.lrs`."""

from typing import Any, final

from jno_core import AbstractSchedule
from jno_core._graph.rates import bounded
from jno_core._registry import registry


@final
class ScheduleNamespace:
    """Learning-rate schedules for `net.scale(...)`: `jno.LearningRateSchedule(fn)`, `jno.LearningRateSchedule.cosine(...)`.

    Called with a number, `rate(epoch)`, `rate(epoch, losses)` (an optax schedule is the former) or a schedule, it gives that
    rate clamped to at least `min_lr` and, if that is given, at most `max_lr`. There is no upper bound by default, because the
    rate multiplies the updates of an optimizer that has a learning rate of its own, and 2 must stay 2. `epoch` counts all
    optimizer steps so far, also those of earlier `solve` calls; `losses` are those of the constraints in this very step, `(n,)`.

    Its attributes are the schedules of the plugins that are installed: `constant`, `cosine`, `warmup_cosine`, `exponential`,
    `piecewise_constant`, `dlrs` are jno's own. They have no bounds but those among their arguments.

    Raises `JnoTypeError` for something that gives no rate, `JnoValueError` for a number outside of the bounds (which would
    change it) and for bounds that are none, and for a name what the registry raises.
    """

    def __call__(self, fn_or_float: Any, min_lr: float = 1e-10, max_lr: float | None = None) -> AbstractSchedule:
        return bounded(fn_or_float, min_lr, max_lr)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return registry.get("schedule", name)

    def __dir__(self) -> list[str]:
        return list(registry.names("schedule"))

    def __repr__(self) -> str:
        return "jno.LearningRateSchedule"


LearningRateSchedule = ScheduleNamespace()
lrs = LearningRateSchedule
