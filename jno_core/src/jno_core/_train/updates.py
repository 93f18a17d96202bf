"""Which losses train which parameters, in what order: one update of everything, or the user's substeps."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, final

import jax

from jno_core._graph import Balance, BalancedWeight, FunctionCall, Model, ModelCall, NetworkGradient, Placeholder, walk
from jno_core._train.groups import ParameterGroup
from jno_core._train.problem import Problem
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class Update:
    """One kind of update within an epoch.

    - `terms`: the numbers of the constraints whose mean is minimised.
    - `repeats`: how often in a row.
    - `groups`: the parameter groups that move, each under the name of its optimizer state.
    - `balances`: the balancers that advance, by name.
    """

    terms: tuple[int, ...]
    repeats: int
    groups: tuple[tuple[str, ParameterGroup], ...]
    balances: tuple[str, ...]


def checked_substeps(substeps: Any, constraints: int) -> tuple[tuple[tuple[int, ...], int], ...] | None:
    """The substeps as (numbers of constraints, repeats), `None` for one update of everything.

    Raises `JnoTypeError` and `JnoValueError` naming the entry.
    """
    if substeps is None:
        return None
    if not isinstance(substeps, list | tuple) or not substeps:
        raise JnoTypeError(
            f"substeps takes a list of lists of constraint numbers, as in [[0, 1], ([2], 5)]; got {substeps!r}."
        )
    found = tuple(_checked_entry(i, entry, constraints) for i, entry in enumerate(substeps))
    missing = set(range(constraints)) - {term for terms, _ in found for term in terms}
    if missing:
        raise JnoValueError(
            f"No substep minimises constraint {min(missing)}, so it would never be trained. Add it to a substep, or make it a "
            "tracker."
        )
    return found


def _checked_entry(i: int, entry: Any, constraints: int) -> tuple[tuple[int, ...], int]:
    terms, repeats = entry, 1
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], list | tuple):
        terms, repeats = entry
    if not isinstance(terms, list | tuple) or not terms or any(not _is_integer(t) for t in terms):
        raise JnoTypeError(
            f"Substep {i} must be a list of constraint numbers such as [0, 2], or ([0, 2], 5) to repeat it; got {entry!r}."
        )
    if not _is_integer(repeats) or repeats < 1:
        raise JnoValueError(f"Substep {i} is repeated {repeats!r} times; the number must be an integer from 1 on.")
    for term in terms:
        if not 0 <= term < constraints:
            raise JnoValueError(
                f"Substep {i} names constraint {term}; the problem has {constraints}, numbered from 0 to {constraints - 1}."
            )
    if len(set(terms)) < len(terms):
        raise JnoValueError(f"Substep {i} names a constraint twice: {list(terms)}.")
    return tuple(terms), repeats


def _is_integer(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def planned_updates(
    problem: Problem,
    groups: tuple[ParameterGroup, ...],
    substeps: tuple[tuple[tuple[int, ...], int], ...] | None,
) -> tuple[Update, ...]:
    """The updates of one epoch.

    A substep moves the models that its constraints reach without crossing `stop_gradient`, and advances the balancers whose
    weights they read. Balancers that only trackers read advance with the first.

    Raises `JnoValueError` for a substep that moves nothing.
    """
    if substeps is None:
        everything = tuple(range(len(problem.constraints)))
        return (Update(everything, 1, tuple((g.name, g) for g in groups), tuple(problem.balances)),)
    read = [_balances([problem.constraints[t] for t in terms]) for terms, _ in substeps]
    orphans = set(problem.balances.values()) - set().union(*read)
    updates = []
    for i, (terms, repeats) in enumerate(substeps):
        reached = _reached([problem.constraints[t] for t in terms])
        moved = tuple((f"{g.name}, substep {i}", g) for g in groups if problem.models[g.model] in reached)
        if not moved:
            raise JnoValueError(
                f"Substep {i} trains nothing: its constraints {list(terms)} reach no trainable network except through "
                "stop_gradient."
            )
        advanced = read[i] | (orphans if i == 0 else set())
        updates.append(Update(terms, repeats, moved, tuple(n for n, b in problem.balances.items() if b in advanced)))
    return tuple(updates)


def _balances(roots: Sequence[Placeholder]) -> set[Balance]:
    return {node.balance for node in walk.nodes(roots) if isinstance(node, BalancedWeight)}


def _reached(roots: Sequence[Placeholder]) -> set[Model]:
    return {n.model for n in _differentiated(roots) if isinstance(n, ModelCall | NetworkGradient)}


def _differentiated(roots: Sequence[Placeholder]) -> Iterator[Placeholder]:
    """The nodes below the roots that gradients flow through."""

    def below(node: Placeholder) -> Sequence[Placeholder]:
        stopped = isinstance(node, FunctionCall) and node.fn is jax.lax.stop_gradient
        return () if stopped else node.children()

    yield from walk.nodes(roots, below)
