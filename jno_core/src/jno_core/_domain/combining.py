"""Domains made from several others: set operations of their geometries, and stacks of instances."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jno_core._domain.regions import Cloud, Regions
from jno_core._domain.sampling import generator
from jno_core._interfaces import AbstractCombinable, AbstractGeometry, SetOperation
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError


def combined(first: Regions, operation: SetOperation, second: Regions) -> Regions:
    """The regions of a set operation; they have a mesh if both had one."""
    geometry = first.geometry
    if not isinstance(geometry, AbstractCombinable):
        name = "A domain without a geometry" if geometry is None else type(geometry).__name__
        raise PluginCapabilityError(f"{name} has no set operations; the shapes of jno.domain and jno.domain.csg have.")
    if second.geometry is None:
        raise JnoTypeError(
            "A set operation needs domains that were made from geometries; the second one has points only."
        )
    result: Any = geometry.combined(operation, second.geometry)
    return Regions.from_geometry(result, first.mesh is not None and second.mesh is not None)


def stacked(named: Sequence[tuple[Regions, int]], counts: dict[str, int]) -> tuple[Regions, int]:
    """Fresh points of every instance of every domain, `counts[tag]` each; and the number of all instances."""
    geometries = [_geometry(i, regions) for i, (regions, _) in enumerate(named)]
    dimensions = {g.dimension for g in geometries}
    if len(dimensions) > 1:
        raise JnoValueError(f"Stacked domains must be in one space, got dimensions {sorted(dimensions)}.")
    clouds = {}
    for tag, n in counts.items():
        drawn = [
            geometry.sample(tag, n, generator(f"stack {i}/{copy}/{tag}"))
            for i, (geometry, (_, instances)) in enumerate(zip(geometries, named, strict=True))
            for copy in range(instances)
        ]
        normals = [d.normals for d in drawn if d.normals is not None]
        clouds[tag] = Cloud(np.stack([d.points for d in drawn]), np.stack(normals) if normals else None)
    kinds = {tag: geometries[0].tags()[tag] for tag in counts}
    return Regions(dimensions.pop(), kinds, clouds=clouds), sum(instances for _, instances in named)


def _geometry(position: int, regions: Regions) -> AbstractGeometry:
    if regions.geometry is None:
        raise JnoTypeError(f"Domain {position} of the stack has no geometry to draw from; stack domains of geometries.")
    return regions.geometry
