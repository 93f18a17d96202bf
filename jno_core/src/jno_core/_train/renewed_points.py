"""Points that take the place of a domain's own while a problem is trained."""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

from jaxtyping import Array

from jno_core._interfaces import DomainData, PointData
from jno_core._train.problem import Problem
from jno_core.errors import JnoValueError

Renewed: TypeAlias = Mapping[str, Mapping[str, Array]]
"""`points` of each renewed set, `(B or 1, N, d)`, and `normals` of the same shape where the set has any."""


def initial_points(problem: Problem, data: DomainData) -> dict[str, dict[str, Array]]:
    """The points of every set with a strategy, with their normals if they have any.

    Raises `JnoValueError` for a set whose points carry more than that.
    """
    found: dict[str, dict[str, Array]] = {}
    for name in problem.resamplers:
        attached = [tag for tag, tensor in data.tensors.items() if tensor.collocation == name]
        if attached:
            raise JnoValueError(
                f"The array {attached[0]!r} belongs to the points of {name!r}, which are resampled: it has no values at new "
                "points. Attach it to points without a resampling strategy."
            )
        p = data.points[name]
        found[name] = {"points": p.points} | ({} if p.normals is None else {"normals": p.normals})
    return found


def memory_of(name: str) -> str:
    """The entry of `plugin_state` that holds the state of a set's strategy."""
    return f"resampler of {name}"


def with_points(data: DomainData, points: Renewed) -> DomainData:
    """The data with other points in some sets. They are no mesh nodes, so that mesh stencils refuse them."""
    renewed = {
        name: PointData(new["points"], data.points[name].times, new.get("normals"), None, None)
        for name, new in points.items()
    }
    return dataclasses.replace(data, points={**data.points, **renewed}) if renewed else data
