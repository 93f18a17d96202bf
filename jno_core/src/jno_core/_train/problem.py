"""A problem as the user stated it, checked: constraints, trackers, the domain, everything under stable names."""

from collections.abc import Sequence
from typing import Any, final

import jax.numpy as jnp

from jno_core._compile import Program, with_operators
from jno_core._domain import Domain
from jno_core._graph import Balance, BalancedWeight, Model, Placeholder, Tracker, walk
from jno_core._graph.variable import Variable
from jno_core._interfaces import AbstractResampler, DomainData
from jno_core.errors import JnoTypeError, JnoValueError


@final
class Problem:
    """Constraints and trackers with what they read.

    - `constraints`: scalar expressions that are minimised; `terms`: their names.
    - `trackers`: recorded expressions by name.
    - `program`: the static analysis of all of them.
    - `models`: the networks by name.
    """

    def __init__(self, expressions: Sequence[Any], domain: Any) -> None:
        listed = _checked_list(expressions)
        self.constraints = tuple(e for e in listed if not isinstance(e, Tracker))
        tracked = tuple(e for e in listed if isinstance(e, Tracker))
        for i, constraint in enumerate(self.constraints):
            _check_constraint(i, constraint)
        self.program = Program(listed)
        self.domain: Domain = _domain_of(self.program, domain)
        self.terms = _unique([_title(c, f"loss {i}") for i, c in enumerate(self.constraints)])
        self.trackers = dict(
            zip(_unique([_title(t, _title(t.expr, "tracker")) for t in tracked]), tracked, strict=True)
        )
        _check_time(self.program.roots)

    @property
    def models(self) -> dict[str, Model]:
        """Networks and parameters by name."""
        return self.program.models

    @property
    def balances(self) -> dict[str, Balance]:
        """Balancers by name, in the order of appearance."""
        return dict(zip(_unique([b.name for b in self.program.balances]), self.program.balances, strict=True))

    @property
    def resamplers(self) -> dict[str, AbstractResampler]:
        """The resampling strategies, by the name of their point set."""
        known = self.domain.resamplers
        return {c.name: known[c.name] for c in self.program.collocations if c.name in known}

    def data(self) -> DomainData:
        """The arrays that the problem reads."""
        return data_of(self.program, self.domain)


def data_of(program: Program, domain: Domain | None) -> DomainData:
    """The arrays that a program reads on a domain, with what its schemes prepare for them."""
    found = DomainData({}, {}) if domain is None else domain.data(program.collocations, program.tensors)
    return with_operators(program, found)


def _checked_list(expressions: Any) -> tuple[Placeholder, ...]:
    if isinstance(expressions, Placeholder):
        raise JnoTypeError(f"core takes a list of constraints; write core([{expressions!r}]).")
    if not isinstance(expressions, list | tuple):
        raise JnoTypeError(f"core takes a list of constraints, as in core([pde.mse, bc.mse]); got {expressions!r}.")
    for i, e in enumerate(expressions):
        if not isinstance(e, Placeholder):
            raise JnoTypeError(
                f"Constraint {i} must be an expression such as pde.mse, got {e!r} of type {type(e).__name__}."
            )
    return tuple(expressions)


def _check_constraint(i: int, constraint: Placeholder) -> None:
    if constraint.aval.ndim != 0:
        raise JnoValueError(
            f"Constraint {i}, {constraint!r}, has shape {constraint.aval.shape} per instance; a loss is one number. Reduce "
            "it: residual.mse, residual.mae, residual.mean."
        )
    if not jnp.issubdtype(constraint.aval.dtype, jnp.floating):
        raise JnoValueError(
            f"Constraint {i}, {constraint!r}, is of dtype {constraint.aval.dtype}; a loss is a real number. Minimise a "
            "modulus, as residual.mse or residual.mae do, or a real part."
        )
    if isinstance(constraint, BalancedWeight):
        raise JnoValueError(
            f"Constraint {i} is the weight {constraint!r} alone; multiply it with its loss, or track it."
        )


def _domain_of(program: Program, given: Any) -> Domain:
    if given is not None and not isinstance(given, Domain):
        raise JnoTypeError(f"domain= takes a domain such as jno.domain.rect(...), got {given!r}.")
    found = {c.domain: None for c in program.collocations} | {t.domain: None for t in program.tensors}
    if len(found) > 1:
        raise JnoValueError(
            f"The constraints read {len(found)} domains: {', '.join(map(repr, found))}. One problem has one domain; note that "
            "N * domain makes a new one, so take variables after it."
        )
    if given is not None and any(d is not given for d in found):
        raise JnoValueError(
            f"domain={given!r} is not the domain that the constraints read, {next(iter(found))!r}. Leave domain= out; to "
            "evaluate elsewhere use crux.eval(u, domain=...)."
        )
    domain = next(iter(found), given)
    if domain is None:
        raise JnoValueError(
            "The constraints read no domain. Use coordinates of domain.variable(...), or pass core(constraints, domain=...)."
        )
    return domain


def _check_time(roots: Sequence[Placeholder]) -> None:
    for node in walk.nodes(roots):
        if isinstance(node, Variable) and node.axis == "time" and node.collocation.steady:
            raise JnoValueError(
                f"The constraints use the time of a steady domain on {node.tag!r}, where it is the constant 1. Give the domain "
                "a time axis, as in jno.domain.line(time=(0.0, 1.0, 11)), or leave t out."
            )


def _title(node: Placeholder, fallback: str) -> str:
    if node.label is not None:
        return node.label
    text = repr(node)
    return text if len(text) <= 48 else fallback


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    taken: dict[str, int] = {}
    unique = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        unique.append(name if taken[name] == 1 else f"{name} ({taken[name]})")
    return tuple(unique)
