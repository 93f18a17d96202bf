"""Which derivatives are asked of a scheme together.

Below a set of root expressions, derivative nodes with one target, one point set and one scheme form a group, and the group
is one call of the scheme. Chained partials of an exact scheme are merged first, so that `u.d(x).d(x)`, `u.d2(x)` and
`u.laplacian(x, y)` all ask `u`. When the value of the target itself is needed too, it is part of the request set.
"""

import dataclasses
from collections.abc import Callable, Hashable, Iterable
from typing import final

from jno_core._graph import (
    AbstractDerivative,
    Collocation,
    Hessian,
    Jacobian,
    KernelIntegral,
    NetworkGradient,
    Placeholder,
    TimeIntegral,
)
from jno_core._graph.operator_params import OperatorParams
from jno_core._graph.scheme_choice import SchemeChoice
from jno_core._graph.walk import Interner
from jno_core._interfaces import DerivativeRequest

VALUE = DerivativeRequest("value")


@final
@dataclasses.dataclass(frozen=True)
class GroupKey:
    """A target (by its structure), the point set, the scheme, and the parameters if the user gave some."""

    target: int
    collocation: Collocation
    scheme: SchemeChoice
    params: Hashable = None


@final
@dataclasses.dataclass(frozen=True)
class Demand:
    """What one derivative node needs: the sum of these requests to one group."""

    group: GroupKey
    target: Placeholder
    requests: tuple[DerivativeRequest, ...]
    params: OperatorParams | None = None


@final
@dataclasses.dataclass(frozen=True)
class Plan:
    """For a set of roots: the demand of each derivative node, and the request set of each group."""

    demands: dict[int, Demand]
    groups: dict[GroupKey, tuple[DerivativeRequest, ...]]
    value_of: dict[int, GroupKey]
    params: dict[GroupKey, OperatorParams]


def opened(node: Placeholder) -> tuple[Placeholder, ...]:
    """The children that are evaluated where the node stands; a target or integrand is evaluated in scopes of its own."""
    if isinstance(node, AbstractDerivative | NetworkGradient):
        return ()
    if isinstance(node, KernelIntegral | TimeIntegral):
        return node.children()[1:]
    return node.children()


def make_plan(
    roots: Iterable[Placeholder],
    interner: Interner,
    merges: Callable[[SchemeChoice, DerivativeRequest], bool],
) -> Plan:
    """The plan for the roots. `merges` tells whether a scheme serves a merged request of higher order."""
    demands: dict[int, Demand] = {}
    groups: dict[GroupKey, dict[DerivativeRequest, None]] = {}
    seen: dict[int, Placeholder] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        number = interner.number(node)
        if number in seen:
            continue
        seen[number] = node
        stack.extend(opened(node))
        if isinstance(node, AbstractDerivative):
            demand = _demand(node, interner, merges)
            demands[number] = demand
            groups.setdefault(demand.group, {}).update(dict.fromkeys(demand.requests))
    value_of = {}
    for group in groups:
        if group.target in seen and group.target not in demands:
            groups[group].setdefault(VALUE)
            value_of.setdefault(group.target, group)
    params = {d.group: d.params for d in demands.values() if d.params is not None}
    return Plan(demands, {k: _ordered(v) for k, v in groups.items()}, value_of, params)


def _demand(
    node: AbstractDerivative,
    interner: Interner,
    merges: Callable[[SchemeChoice, DerivativeRequest], bool],
) -> Demand:
    collocation, scheme = node.collocation, node.scheme
    target, requests = node.target, (node.request,)
    outer = _partials(node)
    while outer is not None and isinstance(target, Jacobian | Hessian):
        inner = _partials(target)
        if inner is None or target.scheme != scheme or target.collocation is not collocation:
            break
        if node.params is not None or target.params is not None:
            break
        merged = tuple(tuple(sorted(a + b)) for a in inner for b in outer)
        candidates = tuple(DerivativeRequest("partial", axes) for axes in merged)
        if not all(merges(scheme, request) for request in candidates):
            break
        outer, requests, target = merged, candidates, target.target
    if len(requests) > 1 and merges(scheme, whole := DerivativeRequest.sum_of(request.axes for request in requests)):
        requests = (whole,)
    return Demand(
        GroupKey(interner.number(target), collocation, scheme, _params_key(node, interner)),
        target,
        requests,
        node.params,
    )


def _params_key(node: AbstractDerivative, interner: Interner) -> Hashable:
    if node.params is None:
        return None
    return node.params.key(), tuple(interner.number(leaf) for leaf in node.params.nodes())


def _partials(node: AbstractDerivative) -> tuple[tuple[int, ...], ...] | None:
    """The axes of the partial derivatives whose sum the node is, or `None` if it is a stack of them."""
    request = node.request
    if request.kind == "partial":
        return (request.axes,)
    if request.kind == "laplacian":
        return tuple((axis, axis) for axis in request.axes)
    return None


def _ordered(requests: Iterable[DerivativeRequest]) -> tuple[DerivativeRequest, ...]:
    return tuple(sorted(requests, key=lambda r: (r.order, r.kind, r.axes, r.terms)))
