"""Which derivatives some expressions need, and how their schemes take them."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
from jaxtyping import Array

from jno_core._compile.cost import Cost, cost_of
from jno_core._compile.data import Instance, first_instance, instance_at
from jno_core._compile.hash_consing import share
from jno_core._compile.plan import GroupKey
from jno_core._compile.program import Program
from jno_core._compile.scope import Scope
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._graph import Model, Placeholder
from jno_core._interfaces import AbstractExplaining, DerivativeRequest, DomainData, SchemeExplanation


@final
@dataclasses.dataclass(frozen=True)
class ExplainedGroup:
    """Derivatives that one call of a scheme takes together.

    - `target`, `points`, `scheme`: what is differentiated, on which point set, by what.
    - `requests`: the derivatives that the expressions need.
    - `derivatives`: the same in words, such as `("value", "d_x", "Laplacian")`.
    - `passes`: how the scheme takes them; empty for a scheme that does not tell.
    - `fallbacks`: operations of the target that had to be differentiated a slower, general way.
    - `cost`: of taking them once, forward, for one instance.
    """

    target: str
    points: str
    scheme: str
    requests: tuple[DerivativeRequest, ...]
    derivatives: tuple[str, ...]
    passes: tuple[str, ...]
    fallbacks: tuple[str, ...]
    cost: Cost


def explain_groups(
    program: Program, roots: tuple[Placeholder, ...], data: DomainData, modules: dict[Model, PyTree], key: PRNGKey
) -> tuple[ExplainedGroup, ...]:
    """Every group below the roots, those within the targets of others after them. Compiles, and computes nothing."""
    instance = instance_at(first_instance(data), 0)
    found: dict[tuple[GroupKey, tuple[DerivativeRequest, ...]], ExplainedGroup] = {}
    for scope_roots in program.scopes(roots):
        plan = program.plan(scope_roots)
        targets = {demand.group: demand.target for demand in plan.demands.values()}
        for group, requests in plan.groups.items():
            if (group, requests) not in found:
                found[group, requests] = _explained(program, scope_roots, group, targets[group], instance, modules, key)
    return tuple(found.values())


def _explained(
    program: Program,
    roots: tuple[Placeholder, ...],
    group: GroupKey,
    target: Placeholder,
    instance: Instance,
    modules: dict[Model, PyTree],
    key: PRNGKey,
) -> ExplainedGroup:
    scheme = program.scheme(group.scheme)
    requests = program.plan(roots).groups[group]
    told: list[SchemeExplanation] = []
    arrays, static = eqx.partition((instance, list(modules.values())), eqx.is_array)

    def apply(arrays: PyTree, key: PRNGKey) -> tuple[Array, ...]:
        at, stored = eqx.combine(arrays, static)
        scope = Scope(program, roots, at, dict(zip(modules, stored, strict=True)), {}, key)
        if isinstance(scheme, AbstractExplaining):
            told.append(scheme.explain(requests, scope.field(group, target), scope.support(group.collocation)))
        return scope.results(group, target)

    cost = cost_of(share(apply), arrays, key)
    explanation = told[0] if told else SchemeExplanation(())
    names = group.collocation.names
    return ExplainedGroup(
        repr(target),
        group.collocation.name,
        str(group.scheme),
        requests,
        tuple(_in_words(request, names) for request in requests),
        explanation.passes,
        explanation.fallbacks,
        cost,
    )


def _in_words(request: DerivativeRequest, names: Sequence[str]) -> str:
    along = [names[axis] for axis in request.axes]
    words: dict[str, Any] = {
        "value": "value",
        "partial": f"d_{''.join(along)}",
        "gradient": f"gradient in ({', '.join(along)})",
        "laplacian": f"Laplacian in ({', '.join(along)})",
        "hessian": f"Hessian in ({', '.join(along)})",
        "sum": " + ".join(_term_in_words(axes, names, count) for axes, count in Counter(request.terms).items()),
    }
    return words[request.kind]


def _term_in_words(axes: Sequence[int], names: Sequence[str], count: int) -> str:
    return f"{'' if count == 1 else f'{count} '}d_{''.join(names[axis] for axis in axes)}"
