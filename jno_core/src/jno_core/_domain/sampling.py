"""Drawing the points of one `variable(...)` call."""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Self, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jno_core._domain.quadrature import quadrature
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._graph.arity import accepts
from jno_core._graph.variable import default_float
from jno_core._interfaces import MeshLocation, PointData
from jno_core._settings import get_seed
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class SampleRequest:
    """How many points to draw, and how: `None` for all. `sampler(points, n)` returns indices."""

    n: int | None
    uniform: bool
    sampler: Callable[[np.ndarray, int], Any] | None
    exclude_boundary: bool

    @classmethod
    def from_user(cls, sample: Any, exclude_boundary: bool) -> Self:
        """What `sample=` means.

        Raises `JnoTypeError` for another form and `JnoValueError` for a count < 1.
        """
        if sample is None or isinstance(sample, int | np.integer):
            sample = (sample, None)
        if not isinstance(sample, tuple | list) or len(sample) != 2:
            raise JnoTypeError(f"sample must be a count or (count, sampler), as in sample=(500, None); got {sample!r}.")
        n, sampler = sample
        if n is not None and (isinstance(n, bool) or not isinstance(n, int | np.integer)):
            raise JnoTypeError(f"The count in sample=(count, sampler) must be an integer or None, got {n!r}.")
        if n is not None and n < 1:
            raise JnoValueError(f"sample needs at least one point, got {n}.")
        if not (sampler is None or sampler == "uniform" or callable(sampler)):
            raise JnoTypeError(
                f"The sampler must be None, 'uniform' or a callable (points, n) -> indices, got {sampler!r}."
            )
        if callable(sampler) and not accepts(sampler, 2):
            raise JnoTypeError(f"A sampler takes (points, n) and returns n indices; {sampler!r} takes other arguments.")
        if n is None and sampler is not None:
            raise JnoValueError("A sampler needs a count: sample=(n, sampler).")
        function = None if sampler is None or isinstance(sampler, str) else sampler
        return cls(None if n is None else int(n), sampler == "uniform", function, exclude_boundary)


def generator(name: str) -> np.random.Generator:
    """The random stream of a point set: it follows from the project's seed and the set's name."""
    return np.random.default_rng([get_seed(), zlib.crc32(name.encode())])


def draw(
    regions: Regions, tag: str, request: SampleRequest, generators: Sequence[np.random.Generator], time: TimeGrid
) -> PointData:
    """The points of a tag, once per generator (1: shared by all instances)."""
    source, times = _source(regions, tag, time)
    drawn = [_draw_once(regions, source, request, rng) for rng in generators]
    points = np.stack([p for p, _, _ in drawn])
    normals = np.stack([n for _, n, _ in drawn if n is not None]) if drawn[0][1] is not None else None
    nodes = drawn[0][2] if len(drawn) == 1 else None
    location = None if regions.mesh is None else MeshLocation(regions.mesh, nodes)
    dtype = default_float()
    return PointData(
        jnp.asarray(points, dtype),
        jnp.asarray(times, dtype),
        None if normals is None else jnp.asarray(normals, dtype),
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


def _source(regions: Regions, tag: str, time: TimeGrid) -> tuple[str, np.ndarray]:
    """The region that a tag draws from, and its times: "initial" is the interior at the first time."""
    if tag != "initial" or tag in regions.kinds:
        return tag, time.values
    if "interior" not in regions.kinds:
        raise JnoValueError(
            f"The initial points are those of 'interior', which the domain lacks; it has {list(regions.kinds)}."
        )
    return "interior", time.values[:1]


def _draw_once(
    regions: Regions, tag: str, request: SampleRequest, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    if request.uniform:
        if regions.geometry is None:
            raise JnoValueError(
                f"sample=(n, 'uniform') on {tag!r} needs a geometry; the domain has only given points. Choose among "
                "them by sample=(n, None)."
            )
        fresh = regions.geometry.sample(tag, _count(request), rng)
        return fresh.points, fresh.normals, None
    points, normals, nodes = _candidates(regions, tag, request.exclude_boundary)
    if request.n is None:
        return points, normals, nodes
    if request.n > len(points):
        raise JnoValueError(
            f"{tag!r} has {len(points)} points, sample asks for {request.n}. Refine the mesh, or draw anywhere in the region "
            f"by sample=({request.n}, 'uniform')."
        )
    index = _indices(points, request, rng)
    return points[index], None if normals is None else normals[index], None if nodes is None else nodes[index]


def _candidates(
    regions: Regions, tag: str, exclude_boundary: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    if tag in regions.clouds:
        if exclude_boundary:
            raise JnoValueError(
                f"exclude_boundary=True needs a mesh; {tag!r} has only given points. Leave out those not meant."
            )
        return regions.clouds[tag], None, None
    mesh = regions.mesh
    if mesh is None:
        raise JnoValueError(f"{tag!r} has no mesh nodes; give a count: sample=(n, 'uniform').")
    nodes = mesh.nodes(tag)
    boundary = tag in mesh.facets
    if exclude_boundary:
        if boundary:
            raise JnoValueError(f"exclude_boundary=True on the boundary tag {tag!r} leaves no point; leave it out.")
        nodes = np.setdiff1d(nodes, mesh.nodes("boundary"))
        if len(nodes) == 0:
            raise JnoValueError(f"{tag!r} has no node strictly inside; refine the mesh.")
    return mesh.points[nodes], mesh.node_normals(tag) if boundary else None, nodes


def _indices(points: np.ndarray, request: SampleRequest, rng: np.random.Generator) -> np.ndarray:
    n = _count(request)
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


def _count(request: SampleRequest) -> int:
    if request.n is None:
        raise JnoValueError("sample=(n, 'uniform') needs a count n.")
    return request.n
