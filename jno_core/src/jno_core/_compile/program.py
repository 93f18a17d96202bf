"""What a set of expressions reads, under names that do not depend on what else exists in the process."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

from jno_core._compile.plan import Plan, make_plan, opened
from jno_core._graph import (
    Balance,
    BalancedWeight,
    Collocation,
    FunctionCall,
    KernelIntegral,
    Model,
    ModelCall,
    NetworkGradient,
    Noise,
    Placeholder,
    TensorTag,
    TimeIntegral,
    walk,
)
from jno_core._graph.operator_params import OperatorParams
from jno_core._graph.scheme_choice import SchemeChoice
from jno_core._interfaces import AbstractScheme, AbstractSumming, DerivativeRequest
from jno_core.errors import JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class Operator:
    """All that is asked of one scheme on one point set: what it prepares for.

    - `name`: under which `DomainData.operators` holds it.
    - `given`: parameters that the user gave, with the request that they are for.
    """

    name: str
    collocation: Collocation
    scheme: SchemeChoice
    requests: tuple[DerivativeRequest, ...]
    given: tuple[tuple[DerivativeRequest, OperatorParams], ...]


@final
class Program:
    """The static side of a problem: analysis that needs no arrays. Built once, used by every trace.

    - `expressions`: the roots, as given.
    - `balances`: balancers in the order of appearance; the losses that they weigh belong to the problem.
    - `models`: networks and parameters by stable name: their own name, or `net0`, `net1`, ... by position.
    - `collocations`, `tensors`: point sets and attached arrays.
    """

    def __init__(self, expressions: Sequence[Placeholder]) -> None:
        self.expressions = tuple(expressions)
        self.balances = _balances(self.expressions)
        self.roots = (*self.expressions, *(loss for b in self.balances for loss in b.losses))
        self.interner = walk.Interner()
        self.collocations: tuple[Collocation, ...] = walk.collocations(self.roots)
        found = list(walk.nodes(self.roots))
        self.tensors = tuple({n.key(): n for n in found if isinstance(n, TensorTag)}.values())
        self.models = _named([n.model for n in found if isinstance(n, ModelCall | NetworkGradient)])
        self._streams = {n: i for i, n in enumerate(n for n in found if _is_random(n))}
        self.noises = tuple(n for n in found if isinstance(n, Noise))
        self._homes = _homes(self.roots, self.noises)
        self._depends: dict[int, frozenset[str]] = {}
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._schemes: dict[SchemeChoice, AbstractScheme] = {}
        # What schemes computed, by operator, with the points it was computed for.
        self.prepared: dict[str, tuple[Any, Any]] = {}

    @functools.cached_property
    def operators(self) -> tuple[Operator, ...]:
        """What is asked of each scheme on each point set, derivatives within the targets of others too."""
        asked: dict[tuple[Collocation, SchemeChoice], tuple[dict[DerivativeRequest, None], list[Any]]] = {}
        for roots in self.scopes(self.roots):
            plan = self.plan(roots)
            for group, requests in plan.groups.items():
                asked.setdefault((group.collocation, group.scheme), ({}, []))[0].update(dict.fromkeys(requests))
            for demand in plan.demands.values():
                if demand.params is not None:
                    given = asked[demand.group.collocation, demand.group.scheme][1]
                    given.extend((request, demand.params) for request in demand.requests)
        return tuple(
            Operator(f"{i}: {scheme} on {collocation.name}", collocation, scheme, tuple(requests), tuple(given))
            for i, ((collocation, scheme), (requests, given)) in enumerate(asked.items())
        )

    @functools.cached_property
    def arrays(self) -> dict[str, Any]:
        """Arrays that the user gave as parameters of operators, by the name under which `DomainData.operators` holds them."""
        given = [params for operator in self.operators for _, params in operator.given]
        found = {id(array): array for params in given for array in params.arrays()}
        return {f"params {i}": array for i, array in enumerate(found.values())}

    def array_name(self, array: Any) -> str:
        """The name of an array among `arrays`."""
        return next(name for name, known in self.arrays.items() if known is array)

    def operator(self, collocation: Collocation, scheme: SchemeChoice) -> Operator:
        """What is asked of a scheme on a point set."""
        return next(o for o in self.operators if o.collocation is collocation and o.scheme == scheme)

    def scopes(self, roots: tuple[Placeholder, ...]) -> Iterator[tuple[Placeholder, ...]]:
        """The roots, and the targets below them that are evaluated in scopes of their own, each once."""
        seen: set[tuple[int, ...]] = set()
        pending = [roots]
        while pending:
            current = pending.pop(0)
            key = tuple(map(self.interner.number, current))
            if key in seen:
                continue
            seen.add(key)
            yield current
            for node in walk.nodes(current, opened):
                if isinstance(node, NetworkGradient):
                    pending.append((node.target,))
                elif isinstance(node, KernelIntegral | TimeIntegral):
                    pending.append((node.integrand,))
            pending.extend((demand.target,) for demand in self.plan(current).demands.values())

    def plan(self, roots: tuple[Placeholder, ...]) -> Plan:
        """The derivative plan of some roots."""
        key = tuple(self.interner.number(r) for r in roots)
        if key not in self._plans:
            self._plans[key] = make_plan(roots, self.interner, self._merges)
        return self._plans[key]

    def scheme(self, choice: SchemeChoice) -> AbstractScheme:
        """The scheme object of a choice."""
        if choice not in self._schemes:
            self._schemes[choice] = choice.resolve()
        return self._schemes[choice]

    def depends(self, node: Placeholder) -> frozenset[str]:
        """The names of the point sets that the value of a node varies with."""
        stack = [node]
        number = self.interner.number
        while stack:
            top = stack[-1]
            missing = [c for c in top.children() if number(c) not in self._depends]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            own = (c.name for c in walk.collocations([top])) if not top.children() else ()
            home = (self._homes[top].name,) if isinstance(top, Noise) else ()
            below = (name for c in top.children() for name in self._depends[number(c)])
            self._depends[number(top)] = frozenset((*own, *home, *below))
        return self._depends[number(node)]

    def stream(self, node: Placeholder) -> int:
        """The position of a node among those that draw random numbers."""
        return self._streams[node]

    def home(self, noise: Noise) -> Collocation:
        """The point set that a noise term is drawn on."""
        return self._homes[noise]

    def _merges(self, choice: SchemeChoice, request: DerivativeRequest) -> bool:
        scheme = self.scheme(choice)
        if request.kind == "sum":
            return isinstance(scheme, AbstractSumming) and scheme.sums(request)
        return scheme.merges(request)


def _is_random(node: Placeholder) -> bool:
    return isinstance(node, Noise | ModelCall) or (isinstance(node, FunctionCall) and node.takes_key)


def _balances(expressions: Iterable[Placeholder]) -> tuple[Balance, ...]:
    found: dict[Balance, None] = {}
    pending = list(expressions)
    while pending:
        for node in walk.nodes([pending.pop(0)]):
            if isinstance(node, BalancedWeight) and node.balance not in found:
                found[node.balance] = None
                pending.extend(node.balance.losses)
    for balance in found:
        for node in walk.nodes(balance.losses):
            if isinstance(node, BalancedWeight):
                raise JnoValueError(
                    f"The losses that {balance.name} weighs must not contain weights themselves; pass the plain losses."
                )
    return tuple(found)


def _named(models: Iterable[Model]) -> dict[str, Model]:
    named: dict[str, Model] = {}
    for i, model in enumerate(dict.fromkeys(models)):
        base = model.name or f"net{i}"
        name, copies = base, 1
        while name in named:
            copies += 1
            name = f"{base}#{copies}"
        named[name] = model
    return named


def _homes(roots: Sequence[Placeholder], noises: Sequence[Noise]) -> dict[Any, Collocation]:
    if not noises:
        return {}
    parents: dict[Placeholder, list[Placeholder]] = {}
    for node in walk.nodes(roots):
        for child in node.children():
            parents.setdefault(child, []).append(node)
    homes = {}
    for noise in noises:
        level: list[Placeholder] = [noise]
        near: tuple[Collocation, ...] = ()
        while level and not near:
            level = [p for node in level for p in parents.get(node, ())]
            near = walk.collocations(level)
        if len(near) != 1:
            what = "no point set" if not near else f"{len(near)} point sets"
            raise JnoValueError(f"{noise!r} meets {what}; add it to an expression on one point set, as in u + noise.")
        homes[noise] = near[0]
    return homes
