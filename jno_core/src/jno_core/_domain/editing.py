"""Further parts of a mesh, named by predicates."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool

from jno_core._domain.regions import Regions
from jno_core._graph.arity import accepts
from jno_core._interfaces import AbstractEditable, AbstractGeometry, AbstractRemeshable
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError


def with_region(regions: Regions, name: str, where: Any, kind: str | None) -> Regions:
    """The regions and a further one; see `Domain.region`."""
    if not isinstance(name, str) or not name:
        raise JnoTypeError(f"The name of a region must be a string that is not empty, got {name!r}.")
    if kind not in (None, "interior", "boundary"):
        raise JnoValueError(f"kind must be 'interior', 'boundary' or None, got {kind!r}.")
    if isinstance(regions.geometry, AbstractEditable):
        return _edited(regions, regions.geometry.with_region(name, where, kind))
    mesh = regions.mesh
    if mesh is None:
        raise JnoValueError(
            f"The region {name!r} needs a mesh or a geometry that regions can be named in, such as jno.domain.csg(...)."
        )
    if isinstance(where, str):
        if where not in regions.kinds:
            raise JnoValueError(f"The domain has no tag {where!r} for {name!r}; it has {list(regions.kinds)}.")
        kind = regions.kinds[where]
        chosen = mesh.facets[where] if kind == "boundary" else mesh.cells_of(where)
    elif callable(where):
        kind = kind or "boundary"
        simplices = mesh.facets["boundary"] if kind == "boundary" else mesh.cells
        holds = _where(where, np.mean(mesh.points[simplices], axis=1))
        if not np.any(holds):
            what = "facet of the boundary" if kind == "boundary" else "cell"
            raise JnoValueError(f"The predicate of {name!r} holds at the middle of no {what}.")
        chosen = simplices[holds] if kind == "boundary" else np.flatnonzero(holds)
    else:
        raise JnoTypeError(
            f"A region of a mesh is named by a predicate of the coordinates, as in lambda x, y: x < 0.5, or by another tag; "
            f"got {where!r}."
        )
    if kind == "boundary":
        mesh = dataclasses.replace(mesh, facets={**mesh.facets, name: chosen})
    else:
        mesh = dataclasses.replace(mesh, regions={**mesh.regions, name: chosen})
    return dataclasses.replace(regions, mesh=mesh, kinds={**regions.kinds, name: kind})


def with_boundary_segments(regions: Regions, tag: str, segments: Any, normal_geometry: Any) -> Regions:
    """The regions and a part of the boundary that is given by segments; see `Domain.add_boundary_segments`."""
    if not isinstance(regions.geometry, AbstractEditable):
        raise _incapable(regions, "take further boundary segments", "jno.domain.csg(...)")
    return _edited(regions, regions.geometry.with_boundary_segments(tag, segments, normal_geometry))


def remeshed(regions: Regions, mesh_size: float, options: dict[str, Any]) -> Regions:
    """The regions of the same geometry with another mesh; see `Domain.build_mesh`."""
    if not isinstance(regions.geometry, AbstractRemeshable) or not isinstance(regions.geometry, AbstractGeometry):
        raise _incapable(regions, "be meshed in another size", "a geometry of jno.domain")
    return Regions.from_geometry(regions.geometry.remeshed(mesh_size, **options))


def _edited(regions: Regions, geometry: Any) -> Regions:
    return Regions.from_geometry(geometry, regions.mesh is not None)


def _where(predicate: Callable[..., Any], points: np.ndarray) -> Bool[np.ndarray, " n"]:
    if not accepts(predicate, points.shape[1]):
        raise JnoTypeError(
            f"The predicate of a region in {points.shape[1]}-D takes {points.shape[1]} coordinates, one point at a time."
        )
    return np.array([bool(predicate(*point)) for point in points])


def _incapable(regions: Regions, what: str, remedy: str) -> PluginCapabilityError:
    name = "A domain of given points or of a bare mesh" if regions.geometry is None else type(regions.geometry).__name__
    return PluginCapabilityError(f"{name} cannot {what}; {remedy} can.")
