"""What schemes compute once per problem: default parameters and prepared data, on the host, before anything is compiled.

For each scheme on each point set the results are one entry of `DomainData.operators`, beside the points, so that a compiled
step takes them as arguments: other weights of the same shapes compile nothing anew.
"""

import dataclasses
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from jno_core._compile.program import Operator, Program
from jno_core._custom_types import PyTree
from jno_core._graph import Collocation
from jno_core._graph.variable import default_float
from jno_core._interfaces import AbstractScheme, DomainData, PointData, Support


@final
class Prepared(NamedTuple):
    """Of one scheme on one point set: the default parameters of each request, and what it prepared for all of them."""

    params: tuple[PyTree, ...]
    data: PyTree


def with_operators(program: Program, data: DomainData) -> DomainData:
    """The data with what the schemes of a program prepare for it, and with the arrays that the user gave as parameters.

    Raises `PluginCapabilityError` for points that do not suit a scheme, naming it and the point set.
    """
    entries: dict[str, Any] = {}
    for operator in program.operators:
        points = data.points[operator.collocation.name]
        known = program.prepared.get(operator.name)
        if known is None or known[0] is not points.points:
            known = program.prepared[operator.name] = points.points, _entry(program, operator, points)
        if jax.tree.leaves(known[1]):
            entries[operator.name] = known[1]
    for name, array in program.arrays.items():
        entries[name] = _array(array)[None]
    return dataclasses.replace(data, operators=entries)


def _entry(program: Program, operator: Operator, points: PointData) -> Prepared:
    """For all instances that have points of their own, stacked."""
    scheme = program.scheme(operator.scheme)
    found = [_prepared(scheme, operator, _where(operator.collocation, points, i)) for i in range(len(points.points))]
    return jax.tree.map(lambda *leaves: jnp.stack([_array(x) for x in leaves]), *found)


def _prepared(scheme: AbstractScheme, operator: Operator, where: Support) -> Prepared:
    defaults = []
    for request in operator.requests:
        operator.scheme.check(request, where, f"on {operator.collocation.name!r}")
        defaults.append(scheme.default_params(request, where))
    for request, params in operator.given:
        params.check(defaults[operator.requests.index(request)], f"the {request.kind} by {str(operator.scheme)!r}")
    return Prepared(tuple(defaults), scheme.prepare(operator.requests, where))


def _where(collocation: Collocation, points: PointData, instance: int) -> Support:
    return Support.on_host(points, instance, collocation.names, collocation.tag)


def _array(x: Any) -> jax.Array:
    """In the precision of the problem: numbers are computed in float64 on the host."""
    array = jnp.asarray(x)
    return array.astype(default_float()) if jnp.issubdtype(array.dtype, jnp.floating) else array
