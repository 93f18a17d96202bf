"""View factors between the drawn points of boundary tags."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from jno_core._domain.regions import Regions
from jno_core._domain.view_factors import Surface, view_factors
from jno_core._interfaces import AbstractEnclosure, PointData
from jno_core.errors import JnoValueError


def surfaces(
    regions: Regions, tags: Sequence[str], drawn: Mapping[str, PointData], medium: Sequence[str] | None
) -> dict[str, Surface]:
    """The points of each tag with normals into the medium and an equal share of its measure."""
    found = {}
    for tag in tags:
        if regions.kinds.get(tag) != "boundary":
            raise JnoValueError(f"View factors are between boundary tags, {regions.boundaries()}; {tag!r} is none.")
        if tag not in drawn or drawn[tag].normals is None:
            raise JnoValueError(f"Draw the points of {tag!r} first: domain.variable({tag!r}, (n, None), normals=True).")
        points, normals = (np.asarray(x, np.float64)[0] for x in (drawn[tag].points, drawn[tag].normals))
        weights = np.full(len(points), _measure(regions, tag) / len(points))
        found[tag] = Surface(points, _oriented(regions, points, normals, medium), weights)
    return found


def _oriented(
    regions: Regions, points: Float[np.ndarray, "n d"], normals: Float[np.ndarray, "n d"], medium: Sequence[str] | None
) -> Float[np.ndarray, "n d"]:
    if isinstance(regions.geometry, AbstractEnclosure):
        return regions.geometry.turned_into(points, normals, medium)
    if medium is not None:
        raise JnoValueError(f"medium_tags={list(medium)} needs a geometry with regions, such as jno.domain.csg(...).")
    # What is drawn points outwards.
    return -normals


def _measure(regions: Regions, tag: str) -> float:
    if regions.geometry is not None and tag in regions.geometry.tags():
        return regions.geometry.measure(tag)
    if regions.mesh is None:
        raise JnoValueError(f"The length of {tag!r} is not known without a geometry or a mesh.")
    return float(np.sum(regions.mesh.facet_measures(tag)))


def obstacles(regions: Regions) -> Float[np.ndarray, "e d d"]:
    """All edges or triangles that block a ray: those of the geometry if it knows them, else of the mesh."""
    if isinstance(regions.geometry, AbstractEnclosure):
        return regions.geometry.boundary_edges()
    if regions.mesh is None:
        raise JnoValueError("View factors need the edges that block a ray: build the mesh first, domain.build_mesh(h).")
    return regions.mesh.points[np.concatenate(list(regions.mesh.facets.values()))]


def exchange(
    regions: Regions, tags: Sequence[str], drawn: Mapping[str, PointData], medium: Sequence[str] | None
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Of each ordered pair of tags visibility and factors `(N_a, N_b)`; a tag does not radiate on itself."""
    known = surfaces(regions, tags, drawn, medium)
    blocking = obstacles(regions)
    results = {}
    for a in tags:
        for b in tags:
            if a == b:
                size = len(known[a].weights)
                results[a, b] = np.zeros((size, size)), np.zeros((size, size))
            else:
                found = view_factors(known[a], known[b], blocking)
                results[a, b] = found.visible.astype(float), found.factors
    return results
