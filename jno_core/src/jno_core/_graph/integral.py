"""Integrals of expressions over regions and over time."""

import dataclasses
from collections.abc import Hashable
from typing import Any, final

import jax
import jax.numpy as jnp

from jno_core._graph import walk
from jno_core._graph.function import FunctionCall
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import Collocation, TensorTag, Variable
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class KernelIntegral(Placeholder):
    """The integral over one point set for each point of another: `(N, 1)` at the N points of `outer`.

    `integrand` is evaluated at all pairs of a point of `outer` and a point of the rule `inner`, which takes the place of the
    point set `dummy`.
    """

    integrand: Placeholder
    weight: Variable
    dummy: Collocation
    outer: Collocation

    def children(self) -> tuple[Placeholder, ...]:
        return (self.integrand, self.weight)

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        weight = children[1]
        assert isinstance(weight, Variable)
        return dataclasses.replace(self, integrand=children[0], weight=weight)

    def key(self) -> Hashable:
        return self.dummy, self.outer

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.outer.size, 1), self.integrand.aval.dtype)


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TimeIntegral(Placeholder):
    """The integral of `integrand` over the time axis of its domain by the trapezoidal rule, in the integrand's shape."""

    integrand: Placeholder
    time: Variable

    def children(self) -> tuple[Placeholder, ...]:
        return (self.integrand, self.time)

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        time = children[1]
        assert isinstance(time, Variable)
        return dataclasses.replace(self, integrand=children[0], time=time)

    def key(self) -> Hashable:
        return ()

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return self.integrand.aval


def integrate(expression: Placeholder, var: Any, order: int | None) -> Placeholder:
    """The node for `expression.integrate(var, order=order)`; see `Calculus.integrate`."""
    var = var[0] if isinstance(var, tuple | list) and var else var
    if var is not None and not isinstance(var, Variable):
        raise JnoTypeError(f"integrate(var) takes a coordinate that domain.variable(...) made, got {var!r}.")
    if var is not None and var.axis == "time":
        return _over_time(expression, var)
    outer = None if var is None else var.collocation
    dummy = _region(expression, outer)
    _check_scalar(expression)
    rule: Collocation = dummy.domain.rule(dummy, order)
    weight = Variable(rule, "weight", (0, 1))
    if outer is not None:
        return KernelIntegral(expression, weight, dummy, outer)
    moved = walk.transform(expression, lambda node: _moved(node, dummy, rule))
    return FunctionCall(jnp.sum, (weight * moved,), "integral")


def _region(expression: Placeholder, outer: Collocation | None) -> Collocation:
    """The point set that is integrated over: the first in space; normals count only if there is nothing else."""
    variables = [node for node in walk.nodes([expression]) if isinstance(node, Variable)]
    space = [v for v in variables if v.axis == "space"] or [v for v in variables if v.axis == "normal"]
    found = list(dict.fromkeys(v.collocation for v in space if v.collocation is not outer))
    if not found:
        what = "no point set" if outer is None else f"no point set besides that of the outer variable, {outer.name!r}"
        raise JnoValueError(
            f"{expression!r} reads {what}, so there is no region to integrate over. Take the integration variable from "
            "its own domain.variable(tag) call."
        )
    if len(found) > 1:
        names = ", ".join(repr(c.name) for c in found)
        raise JnoValueError(
            f"{expression!r} reads the point sets {names}. Integrate over one of them with integrate(x), where x is a "
            "coordinate of the other, or build the expression on one point set."
        )
    return found[0]


def _check_scalar(expression: Placeholder) -> None:
    aval = expression.aval
    if aval.ndim > 2 or (aval.ndim == 2 and aval.shape[1] != 1):
        raise JnoValueError(
            f"Only a scalar field can be integrated, (N, 1); {expression!r} has shape {aval.shape}. Integrate its components, "
            "as in F[:, 0:1].integrate(), or form the flux: (Fx * nx + Fy * ny).integrate()."
        )


def _moved(node: Placeholder, dummy: Collocation, rule: Collocation) -> Placeholder | None:
    if isinstance(node, TensorTag) and node.collocation is dummy and rule is not dummy:
        raise JnoValueError(
            f"{node.tag!r} has values at the points of {dummy.name!r}, and the integral needs them at the points of its rule. "
            "Take variables on all nodes, domain.variable(tag), and integrate by the vertex rule (order=None)."
        )
    if isinstance(node, Variable) and node.collocation is dummy:
        return Variable(rule, node.axis, node.dim)
    return None


def _over_time(expression: Placeholder, time: Variable) -> TimeIntegral:
    if time.collocation.steady:
        raise JnoValueError(
            "The domain is steady, so there is nothing to integrate over in time. Give it a time axis, as in "
            "jno.domain.line(time=(0.0, 1.0, 11))."
        )
    return TimeIntegral(expression, time)
