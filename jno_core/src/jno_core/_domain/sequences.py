"""Points anywhere in a region: independent and uniform, or by a sequence that fills it more evenly."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jno_core._domain.regions import Regions
from jno_core._domain.sample_request import Sequence
from jno_core._interfaces import (
    AbstractBoundaryMap,
    AbstractDistance,
    AbstractGeometry,
    AbstractMeshFile,
    Mesh,
    PointDraw,
)
from jno_core.errors import JnoValueError, PluginCapabilityError

# A region that fills less than this share of its box is refused, because nearly all points would be thrown away.
_LEAST_SHARE = 1e-4


def anywhere(regions: Regions, tag: str, n: int, sequence: Sequence, rng: np.random.Generator) -> PointDraw:
    """`n` points of a tag that need not be nodes.

    From the geometry where it knows the tag, else from the cells or facets of the mesh. The sequences other than
    `"uniform"` are for the interior of a geometry, and for boundaries: in the plane they run along them by arc length.
    """
    geometry, mesh = regions.geometry, regions.mesh
    known = geometry is not None and tag in geometry.tags()
    if sequence != "uniform":
        if known and isinstance(geometry, AbstractBoundaryMap) and geometry.tags()[tag] == "boundary":
            return _along(geometry, tag, n, sequence, rng)
        # The facets of other geometries may be chords of what they stand for.
        if mesh is not None and tag in mesh.facets and (not known or isinstance(geometry, AbstractMeshFile)):
            engine = _engine(sequence, max(mesh.dimension - 1, 1), rng)
            return _on_facets(mesh, tag, engine.random(_first_batch(sequence, n))[:n])
        if geometry is None or not known or geometry.tags()[tag] != "interior":
            raise JnoValueError(
                f"sample=(n, {sequence!r}) fills the interior of a geometry, or a boundary that it knows how to follow; "
                f"{tag!r} is none. Use sample=(n, 'uniform')."
            )
        return PointDraw(_filling(geometry, tag, n, sequence, rng))
    if geometry is not None and known:
        return geometry.sample(tag, n, rng)
    if mesh is None:
        raise JnoValueError(
            f"sample=(n, 'uniform') on {tag!r} needs a geometry; the domain has only given points. Choose among them by "
            "sample=(n, None)."
        )
    return _on_mesh(mesh, tag, n, rng)


def _filling(
    geometry: AbstractGeometry, tag: str, n: int, sequence: Sequence, rng: np.random.Generator
) -> Float[np.ndarray, "n d"]:
    """The points of a sequence in the bounding box that lie in the region."""
    if tag != "interior" or not isinstance(geometry, AbstractDistance):
        raise PluginCapabilityError(
            f"{type(geometry).__name__} cannot be filled by a sequence; sample=(n, 'uniform') draws at random."
        )
    lower, upper = geometry.bounds()
    share = geometry.measure(tag) / float(np.prod(upper - lower))
    if share < _LEAST_SHARE:
        raise JnoValueError(f"The region fills only {share:.1g} of its bounding box; use sample=(n, 'uniform').")
    engine = _engine(sequence, geometry.dimension, rng)
    found: list[np.ndarray] = []
    wanted, batch = n, _power_of_two(n / share)
    while wanted > 0:
        points = lower + (upper - lower) * engine.random(batch)
        points = points[geometry.contains(points)]
        found.append(points[:wanted])
        wanted -= len(points)
        # The number of points of a balanced sequence is a power of two.
        batch = _power_of_two(1.2 * wanted / share)
    return np.concatenate(found)


def _along(geometry: AbstractBoundaryMap, tag: str, n: int, sequence: Sequence, rng: np.random.Generator) -> PointDraw:
    """The points of a sequence in the cube that a part of the boundary is the image of."""
    engine = _engine(sequence, geometry.boundary_coordinates, rng)
    batch = _first_batch(sequence, n)
    found, drawn = geometry.boundary_at(tag, engine.random(batch)), batch
    while len(found.points) < n:
        share = max(len(found.points), 1) / drawn
        if share < _LEAST_SHARE:
            raise JnoValueError(f"Hardly a point of a sequence lies on {tag!r}; use sample=(n, 'uniform').")
        batch = _power_of_two(1.2 * (n - len(found.points)) / share)
        found, drawn = _appended(found, geometry.boundary_at(tag, engine.random(batch))), drawn + batch
    return PointDraw(found.points[:n], None if found.normals is None else found.normals[:n])


def _appended(first: PointDraw, second: PointDraw) -> PointDraw:
    normals = [draw.normals for draw in (first, second) if draw.normals is not None]
    return PointDraw(np.concatenate([first.points, second.points]), np.concatenate(normals) if normals else None)


def _first_batch(sequence: Sequence, n: int) -> int:
    # All of a Latin hypercube is drawn at once; the number of points of a balanced sequence is a power of two.
    return n if sequence == "latin_hypercube" else _power_of_two(n)


def _power_of_two(least: float) -> int:
    return 2 ** int(np.ceil(np.log2(max(least, 2))))


def _on_facets(mesh: Mesh, tag: str, u: Float[np.ndarray, "n k"]) -> PointDraw:
    """Facets one after the other by their measure; in each, uniform where `u` is."""
    corners, measures = mesh.points[mesh.facets[tag]], mesh.facet_measures(tag)
    bounds = np.concatenate([[0.0], np.cumsum(measures)])
    place = u[:, 0] * bounds[-1]
    chosen = np.clip(np.searchsorted(bounds, place, side="right") - 1, 0, len(measures) - 1)
    weights = ((place - bounds[chosen]) / measures[chosen])[:, None]
    if mesh.dimension == 1:
        weights = np.zeros((len(u), 0))
    elif mesh.dimension == 3:
        # Uniform on a triangle: a strip of it by its area, then across the strip.
        root = np.sqrt(weights)
        weights = np.concatenate([root * (1 - u[:, 1:]), root * u[:, 1:]], axis=1)
    weights = np.concatenate([1 - np.sum(weights, axis=1, keepdims=True), weights], axis=1)
    return PointDraw(np.einsum("nk,nkd->nd", weights, corners[chosen]), mesh.facet_normals(tag)[chosen])


def _engine(sequence: Sequence, dimension: int, rng: np.random.Generator) -> Any:
    from scipy.stats import qmc

    engines = {"sobol": qmc.Sobol, "halton": qmc.Halton, "latin_hypercube": qmc.LatinHypercube}
    return engines[sequence](dimension, rng=rng)


def _on_mesh(mesh: Mesh, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
    """Uniform in the cells or on the facets of a tag."""
    on_boundary = tag in mesh.facets
    simplices = mesh.facets[tag] if on_boundary else mesh.cells[mesh.cells_of(tag)]
    measures = mesh.facet_measures(tag) if on_boundary else mesh.cell_measures()[mesh.cells_of(tag)]
    chosen = rng.choice(len(simplices), size=n, p=measures / np.sum(measures))
    # Exponential variables, divided by their sum, are uniform on the simplex.
    weights = rng.exponential(size=(n, simplices.shape[1]))
    weights /= np.sum(weights, axis=1, keepdims=True)
    points = np.einsum("nk,nkd->nd", weights, mesh.points[simplices[chosen]])
    return PointDraw(points, mesh.facet_normals(tag)[chosen] if on_boundary else None)
