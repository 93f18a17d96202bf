"""Parameter groups: which leaves train, by which optimizer, at which rate.

A model's trainable leaves fall into groups, one per mask that was given an optimizer plus the global one. Each group is a
PyTree of the model's structure with `None` elsewhere, so its optimizer sees only what it trains.
"""

import dataclasses
import warnings
from typing import Any, final

import equinox as eqx
import jax
import optax

from jno_core._custom_types import PyTree
from jno_core._graph import Model
from jno_core._graph.parameters import Selection
from jno_core._graph.rates import as_schedule
from jno_core._interfaces import AbstractSchedule
from jno_core.errors import JnoValueError, JnoWarning


@final
@dataclasses.dataclass(frozen=True, eq=False)
class ParameterGroup:
    """Some leaves of one model with their optimizer and rate (`None` leaves the optimizer's own).

    `given` is what the user set, of which optimizer and schedule were made.
    """

    name: str
    model: str
    selection: Selection
    optimizer: optax.GradientTransformationExtraArgs
    schedule: AbstractSchedule | None
    given: tuple[Any, Any]

    def same(self, other: "ParameterGroup") -> bool:
        """Whether the other one trains the same leaves by what the user gave for this one: optimizer and rate."""
        alike = (self.name, self.model, self.selection) == (other.name, other.model, other.selection)
        return alike and all(a is b for a, b in zip(self.given, other.given, strict=True))


def parameter_groups(models: dict[str, Model]) -> tuple[ParameterGroup, ...]:
    """The groups of all models.

    Raises `JnoValueError` for a trainable model without an optimizer, for trainable leaves that no group covers, and for an
    optimizer given as a bare factory without a rate. Warns with `JnoWarning` if nothing trains.
    """
    groups: list[ParameterGroup] = []
    for name, model in models.items():
        free = model.trainable_selection()
        if not any(free.leaves):
            continue
        masked = [(s, o) for s, o in model.settings.optimizers if s is not None]
        whole = [(s, o) for s, o in model.settings.optimizers if s is None]
        if not masked and not whole:
            raise JnoValueError(
                f"The model {name!r} has no optimizer. Give it one, net.optimizer(optax.adam(1e-3)), or freeze it, net.freeze()."
            )
        # The newest mask wins where masks overlap.
        for i, (selection, optimizer) in enumerate(reversed(masked)):
            chosen = Selection(tuple(a and b for a, b in zip(selection.leaves, free.leaves, strict=True)))
            free = free.minus(chosen)
            if any(chosen.leaves):
                label = f"{name}/{len(masked) - 1 - i}"
                groups.append(_group(label, name, chosen, optimizer, _scale_of(model, selection)))
        if any(free.leaves):
            if not whole:
                raise JnoValueError(
                    f"The optimizers of {name!r} cover only masked parameters. Give the rest one by net.optimizer(...), or "
                    "freeze it by net.mask(m).freeze()."
                )
            groups.append(_group(name, name, free, whole[0][1], _scale_of(model, None)))
    if not groups:
        frozen = (
            f"everything is frozen in {', '.join(map(repr, models))}" if models else "the losses contain no network"
        )
        warnings.warn(
            f"There is nothing to train: {frozen}. The run only records. Train a network again with net.unfreeze().",
            JnoWarning,
            stacklevel=5,
        )
    return tuple(groups)


def _scale_of(model: Model, selection: Selection | None) -> Any:
    scales = dict(model.settings.scales)
    return scales.get(selection, scales.get(None))


def _group(label: str, model: str, selection: Selection, optimizer: Any, scale: Any) -> ParameterGroup:
    given = (optimizer, scale)
    if not isinstance(optimizer, optax.GradientTransformation):
        if scale is None:
            factory = getattr(optimizer, "__name__", repr(optimizer))
            raise JnoValueError(
                f"The optimizer of {label!r} is the bare factory {factory} without a learning rate. Write "
                f"net.optimizer({factory}(1e-3)), or give the rate by net.scale(1e-3)."
            )
        # The factory's updates are proportional to its rate, which then comes from the schedule.
        optimizer = optimizer(learning_rate=1.0)
    schedule = None if scale is None else as_schedule(scale)
    return ParameterGroup(label, model, selection, optax.with_extra_args_support(optimizer), schedule, given)


def split(
    groups: tuple[ParameterGroup, ...], modules: dict[str, PyTree]
) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
    """Modules as (trainable leaves by group, everything else by model)."""
    params = {g.name: g.selection.filter(modules[g.model]) for g in groups}
    rest = dict(modules)
    for g in groups:
        rest[g.model] = jax.tree.map(
            lambda leaf, taken: leaf if taken is None else None,
            rest[g.model],
            g.selection.filter(modules[g.model]),
            is_leaf=lambda x: x is None,
        )
    return params, rest


def join(groups: tuple[ParameterGroup, ...], params: dict[str, PyTree], rest: dict[str, PyTree]) -> dict[str, PyTree]:
    """The inverse of `split`."""
    modules = dict(rest)
    for g in groups:
        modules[g.model] = eqx.combine(params[g.name], modules[g.model])
    return modules
