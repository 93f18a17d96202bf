"""Points and weights of integrals over the parts of a mesh.

The vertex rule has the nodes for its points, and each cell or facet gives every corner an equal share of its measure: exact
for functions that are linear in each. Gauss rules are exact for polynomials up to a degree in each cell or facet.
"""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int

from jno_core._domain.regions import Regions
from jno_core._interfaces import AbstractPeriodic, Mesh
from jno_core.errors import JnoValueError

HIGHEST = 40


@final
class Quadrature(NamedTuple):
    """A rule on one region: points, weights that sum to its measure, normals on a boundary, and nodes if they are some."""

    points: Float[np.ndarray, "q d"]
    weights: Float[np.ndarray, " q"]
    normals: Float[np.ndarray, "q d"] | None
    nodes: Int[np.ndarray, " q"] | None


def quadrature(regions: Regions, tag: str, order: int | None) -> Quadrature:
    """The vertex rule (`order=None`), or a rule that is exact for polynomials of degree `order`, on a tag.

    The kind of the tag decides: cells of an interior tag, facets of a boundary tag with their own exact normals. An end point
    of a line has the measure 1. Along a periodic axis the weights include the cell from the last node to the first.

    Raises `JnoValueError` without a mesh, and for an order that is not an integer from 0 to 40.
    """
    mesh = regions.mesh
    if mesh is None:
        raise JnoValueError(
            f"The integral over {tag!r} needs a mesh. Build the domain with compute_mesh_connectivity=True; given points alone "
            "have no measure."
        )
    if order is not None and (isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= HIGHEST):
        raise JnoValueError(f"order must be None (the vertex rule) or an integer from 0 to {HIGHEST}, got {order!r}.")
    covering = regions.geometry.covering() if isinstance(regions.geometry, AbstractPeriodic) else None
    if covering is None or (tag != "interior" and tag not in covering[0].facets):
        return _on_mesh(mesh, tag, order)
    whole, image = covering
    found = _on_mesh(whole, tag, order)
    if found.nodes is None:
        return found
    nodes = image[found.nodes]
    if found.normals is None:
        # Of nodes that are images of the same one the weights are added.
        weights = np.bincount(nodes, found.weights, minlength=len(mesh.points))
        return Quadrature(mesh.points, weights, None, np.arange(len(mesh.points)))
    return Quadrature(mesh.points[nodes], found.weights, found.normals, nodes)


def _on_mesh(mesh: Mesh, tag: str, order: int | None) -> Quadrature:
    if tag in mesh.facets:
        return _on_facets(mesh, tag, order)
    if order is None:
        nodes = mesh.nodes(tag)
        return Quadrature(mesh.points[nodes], mesh.node_measures(tag)[nodes], None, nodes)
    chosen = mesh.cells_of(tag)
    points, weights = _in_simplices(mesh.points[mesh.cells[chosen]], mesh.cell_measures()[chosen], order)
    return Quadrature(points, weights, None, None)


def _on_facets(mesh: Mesh, tag: str, order: int | None) -> Quadrature:
    """Points belong to single facets, so that a corner of the region has the normals of both its sides."""
    facets, measures, normals = mesh.facets[tag], mesh.facet_measures(tag), mesh.facet_normals(tag)
    if order is None or mesh.dimension == 1:
        corners = facets.shape[1]
        nodes = facets.ravel()
        weights = np.repeat(measures / corners, corners)
        return Quadrature(mesh.points[nodes], weights, np.repeat(normals, corners, axis=0), nodes)
    points, weights = _in_simplices(mesh.points[facets], measures, order)
    return Quadrature(points, weights, np.repeat(normals, len(weights) // len(facets), axis=0), None)


def _in_simplices(
    corners: Float[np.ndarray, "m k d"], measures: Float[np.ndarray, " m"], order: int
) -> tuple[Float[np.ndarray, "q d"], Float[np.ndarray, " q"]]:
    barycentric, weights = simplex_rule(corners.shape[1] - 1, order)
    points = np.einsum("qk,mkd->mqd", barycentric, corners)
    return points.reshape(-1, corners.shape[2]), (measures[:, None] * weights).ravel()


def simplex_rule(dimension: int, order: int) -> tuple[Float[np.ndarray, "q k"], Float[np.ndarray, " q"]]:
    """Barycentric points and weights with sum 1, exact for polynomials of degree `order` on a simplex.

    Source: conical products of Gauss-Jacobi rules, A. H. Stroud, Approximate Calculation of Multiple Integrals, 1971,
    section 2.4.
    """
    count = order // 2 + 1
    points, weights = np.ones((1, 0)), np.ones(1)
    left = np.ones(1)
    for axis in range(dimension):
        nodes, own = _gauss_jacobi(count, dimension - 1 - axis)
        points = np.concatenate([np.repeat(points, count, axis=0), (left[:, None] * nodes).reshape(-1, 1)], axis=1)
        weights = (weights[:, None] * own).ravel()
        left = (left[:, None] * (1 - nodes)).ravel()
    return np.concatenate([left[:, None], points], axis=1), weights


def _gauss_jacobi(count: int, power: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Points in (0, 1) and weights with sum 1 for the weight (1 - x)^power, by Golub and Welsch, Math. Comp. 23 (1969)."""
    a = float(power)
    k = np.arange(count)
    total = 2 * k + a
    diagonal = -(a**2) / np.where(total * (total + 2) == 0, 1.0, total * (total + 2))
    k = k[1:]
    total = 2 * k + a
    beside = np.sqrt(4 * k**2 * (k + a) ** 2 / (total**2 * (total + 1) * (total - 1)))
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return (nodes + 1) / 2, vectors[0] ** 2
