"""Drawing the points of one `variable(...)` call."""

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jno_core._domain.quadrature import quadrature
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._domain.sample_request import SampleRequest
from jno_core._domain.sequences import anywhere
from jno_core._graph.variable import default_float
from jno_core._interfaces import AbstractContinuous, MeshLocation, PointData
from jno_core._settings import get_seed
from jno_core.errors import JnoValueError


def generator(name: str) -> np.random.Generator:
    """The random stream of a point set: it follows from the project's seed and the set's name."""
    return np.random.default_rng([get_seed(), zlib.crc32(name.encode())])


class _Drawn(NamedTuple):
    """Points `(b, n, d)`, for each instance or for all (`b = 1`), with normals, and nodes if all have the same."""

    points: np.ndarray
    normals: np.ndarray | None
    nodes: np.ndarray | None


def draw(
    regions: Regions,
    tag: str,
    request: SampleRequest,
    generators: Sequence[np.random.Generator],
    time: TimeGrid,
    at_time: float | None = None,
) -> PointData:
    """The points of a tag, once per generator (1: shared by all instances), at all times or at the nearest to `at_time`."""
    source, times = _source(regions, tag, time)
    if at_time is not None:
        times = times[[np.argmin(np.abs(times - at_time))]]
    draw_one = _from_cloud if source in regions.clouds else _from_region
    drawn = draw_one(regions, source, request, generators)
    location = None if regions.mesh is None else MeshLocation(regions.mesh, drawn.nodes)
    dtype = default_float()
    return PointData(
        jnp.asarray(drawn.points, dtype),
        jnp.asarray(times, dtype),
        None if drawn.normals is None else jnp.asarray(drawn.normals, dtype),
        location,
    )


def rule(regions: Regions, tag: str, order: int | None, time: TimeGrid) -> PointData:
    """The points, weights and normals of an integral over a tag; see `quadrature`."""
    source, times = _source(regions, tag, time)
    found = quadrature(regions, source, order)
    dtype = default_float()
    return PointData(
        jnp.asarray(found.points, dtype)[None],
        jnp.asarray(times, dtype),
        None if found.normals is None else jnp.asarray(found.normals, dtype)[None],
        None if regions.mesh is None else MeshLocation(regions.mesh, found.nodes),
        jnp.asarray(found.weights, dtype)[None],
    )


def reversed_normals(data: PointData) -> PointData:
    """The same points with inward normals."""
    if data.normals is None:
        raise JnoValueError("reverse_normals=True needs a boundary tag with normals.")
    return eqx.tree_at(lambda d: d.normals, data, -data.normals)


def translated(data: PointData, offset: np.ndarray, partners: tuple[np.ndarray, np.ndarray, Any] | None) -> PointData:
    """The images of points under a translation; if the points are nodes, those nodes that `partners` pairs with them."""
    location = data.location
    moved = eqx.tree_at(
        lambda d: (d.points, d.normals),
        data,
        (data.points + jnp.asarray(offset, data.points.dtype), None if data.normals is None else -data.normals),
        is_leaf=lambda x: x is None,
    )
    if location is None or location.nodes is None or partners is None:
        return moved
    first, second, _ = partners
    order = np.argsort(first)
    nodes = second[order][np.searchsorted(first[order], location.nodes)]
    points = jnp.asarray(location.mesh.points[nodes], data.points.dtype)[None]
    return dataclasses.replace(moved, points=points, location=MeshLocation(location.mesh, nodes))


def _source(regions: Regions, tag: str, time: TimeGrid) -> tuple[str, np.ndarray]:
    """The region that a tag draws from, and its times: "initial" is the interior at the first time."""
    if tag != "initial" or tag in regions.kinds:
        return tag, time.values
    if "interior" not in regions.kinds:
        raise JnoValueError(
            f"The initial points are those of 'interior', which the domain lacks; it has {list(regions.kinds)}."
        )
    return "interior", time.values[:1]


def _from_cloud(
    regions: Regions, tag: str, request: SampleRequest, generators: Sequence[np.random.Generator]
) -> _Drawn:
    """Some of the given points; where instances have points of their own, those at the same places."""
    cloud = regions.clouds[tag]
    if request.sequence is not None:
        raise JnoValueError(
            f"sample=(n, {request.sequence!r}) on {tag!r} needs a geometry; the domain has only given points. Choose among "
            "them by sample=(n, None)."
        )
    if request.exclude_boundary:
        raise JnoValueError(
            f"exclude_boundary=True needs a mesh; {tag!r} has only given points. Leave out those not meant."
        )
    if request.n is None:
        return _Drawn(cloud.points, cloud.normals, None)
    b = max(len(cloud.points), len(generators))
    chosen = [_indices(tag, cloud.points[i % len(cloud.points)], request, rng) for i, rng in enumerate(generators)]
    rows = np.arange(b)[:, None] % len(cloud.points)
    index = np.stack([chosen[i % len(chosen)] for i in range(b)])
    return _Drawn(cloud.points[rows, index], None if cloud.normals is None else cloud.normals[rows, index], None)


def _from_region(
    regions: Regions, tag: str, request: SampleRequest, generators: Sequence[np.random.Generator]
) -> _Drawn:
    """Nodes of the mesh, or points anywhere in the region."""
    sequence = request.sequence
    if sequence is None and regions.mesh is None:
        if request.n is None:
            raise JnoValueError(f"{tag!r} has no mesh nodes; give a count: sample=(n, 'uniform').")
        if request.exclude_boundary:
            raise JnoValueError(f"exclude_boundary=True needs a mesh, and {tag!r} has none. Leave it out.")
        sequence = "uniform" if request.sampler is None else None
    elif request.is_bare_count and isinstance(regions.geometry, AbstractContinuous) and regions.geometry.draws_anywhere:
        sequence = "uniform"
    if sequence is not None:
        drawn = [anywhere(regions, tag, request.count, sequence, rng) for rng in generators]
        normals = [d.normals for d in drawn if d.normals is not None]
        return _Drawn(np.stack([d.points for d in drawn]), np.stack(normals) if normals else None, None)
    points, normals, nodes = _nodes(regions, tag, request.exclude_boundary)
    if request.n is None:
        return _Drawn(points[None], None if normals is None else normals[None], nodes)
    chosen = np.stack([_indices(tag, points, request, rng) for rng in generators])
    return _Drawn(
        points[chosen], None if normals is None else normals[chosen], nodes[chosen[0]] if len(chosen) == 1 else None
    )


def _nodes(regions: Regions, tag: str, exclude_boundary: bool) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    mesh = regions.mesh
    if mesh is None:
        raise JnoValueError(f"{tag!r} has no mesh nodes for a sampler to choose from; use sample=(n, 'uniform').")
    nodes = mesh.nodes(tag)
    boundary = tag in mesh.facets
    if exclude_boundary:
        if boundary:
            raise JnoValueError(f"exclude_boundary=True on the boundary tag {tag!r} leaves no point; leave it out.")
        nodes = np.setdiff1d(nodes, mesh.nodes("boundary"))
        if len(nodes) == 0:
            raise JnoValueError(f"{tag!r} has no node strictly inside; refine the mesh.")
    return mesh.points[nodes], mesh.node_normals(tag) if boundary else None, nodes


def _indices(tag: str, points: np.ndarray, request: SampleRequest, rng: np.random.Generator) -> np.ndarray:
    n = request.count
    if n > len(points):
        raise JnoValueError(
            f"{tag!r} has {len(points)} points, sample asks for {n}. Refine the mesh, or draw anywhere in the region by "
            f"sample=({n}, 'uniform')."
        )
    if request.sampler is None:
        return np.sort(rng.choice(len(points), n, replace=False))
    index = np.asarray(request.sampler(points, n))
    if (
        index.shape != (n,)
        or not np.issubdtype(index.dtype, np.integer)
        or index.min() < 0
        or index.max() >= len(points)
    ):
        raise JnoValueError(
            f"The sampler must return {n} integers from 0 to {len(points) - 1}, got shape {index.shape}, dtype {index.dtype}."
        )
    return index
