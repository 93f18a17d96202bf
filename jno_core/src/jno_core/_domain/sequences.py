"""Points anywhere in a region: independent and uniform, or by a sequence that fills it more evenly."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jno_core._domain.regions import Regions
from jno_core._domain.sample_request import Sequence
from jno_core._interfaces import AbstractDistance, AbstractGeometry, Mesh, PointDraw
from jno_core.errors import JnoValueError, PluginCapabilityError

# A region that fills less than this share of its box is refused, because nearly all points would be thrown away.
_LEAST_SHARE = 1e-4


def anywhere(regions: Regions, tag: str, n: int, sequence: Sequence, rng: np.random.Generator) -> PointDraw:
    """`n` points of a tag that need not be nodes.

    From the geometry where it knows the tag, else from the cells or facets of the mesh. The sequences other than
    `"uniform"` are for the interior of a geometry.
    """
    geometry, mesh = regions.geometry, regions.mesh
    known = geometry is not None and tag in geometry.tags()
    if sequence != "uniform":
        if geometry is None or not known or geometry.tags()[tag] != "interior":
            raise JnoValueError(
                f"sample=(n, {sequence!r}) fills the interior of a geometry; {tag!r} is none. Use sample=(n, 'uniform')."
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
    wanted, batch = n, 2 ** int(np.ceil(np.log2(max(n / share, 2))))
    while wanted > 0:
        points = lower + (upper - lower) * engine.random(batch)
        points = points[geometry.contains(points)]
        found.append(points[:wanted])
        wanted -= len(points)
        # The number of points of a balanced sequence is a power of two.
        batch = 2 ** int(np.ceil(np.log2(max(1.2 * wanted / share, 2))))
    return np.concatenate(found)


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
