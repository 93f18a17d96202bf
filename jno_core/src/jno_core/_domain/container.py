"""The domain: a region with named parts, the points drawn from them, a time axis, and attached arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import jax
import numpy as np

from jno_core._domain import attachment, combining, sampling
from jno_core._domain.connectivity import connectivity
from jno_core._domain.looking import AbstractLooking
from jno_core._domain.periodic import paired_nodes
from jno_core._domain.point_sets import PointSets
from jno_core._domain.regional import AbstractRegional
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._domain.sample_request import SampleRequest
from jno_core._graph import Collocation, TensorTag, Variable
from jno_core._interfaces import (
    AbstractGeometry,
    AbstractResampler,
    DomainData,
    Layout,
    Mesh,
    Support,
    TensorData,
)
from jno_core._registry.spelling import nearest
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError


@final
class Domain(AbstractRegional, AbstractLooking):
    """A region of space (and time) with named parts.

    Made by `jno.domain.NAME(...)`, `jno.domain.from_array(...)` or `jno.domain(geometry)`. Every `variable(tag)` call draws
    its own point set, from a random stream that follows from the seed and the order of the calls on this domain.
    """

    def __init__(self, regions: Regions, time: Any = None, instances: int = 1) -> None:
        grid = time if isinstance(time, TimeGrid) else TimeGrid.from_user(time)
        self._sets = PointSets(self, regions, grid, instances)
        self._tensors: dict[str, tuple[TensorTag, TensorData]] = {}
        self._resamplers: dict[str, AbstractResampler] = {}

    @property
    def dimension(self) -> int:
        """The number of space coordinates."""
        return self._sets.regions.dimension

    @property
    def tags(self) -> tuple[str, ...]:
        """The names that `variable(tag)` knows."""
        return self._sets.tags()

    @property
    def mesh(self) -> Mesh | None:
        """The mesh, or `None` for a point cloud or a geometry that was built without connectivity."""
        return self._sets.regions.mesh

    @property
    def mesh_connectivity(self) -> dict[str, Any]:
        """The arrays of the mesh by name: points, cells, neighbours, measures of nodes, the boundary; see the guide.

        Raises `JnoValueError` without a mesh.
        """
        if self.mesh is None:
            raise JnoValueError("The domain has no mesh; build one by domain.build_mesh(mesh_size).")
        return connectivity(self.mesh)

    @property
    def geometry(self) -> AbstractGeometry | None:
        """The geometry that the domain was built from, or `None` for a point cloud or a bare mesh."""
        return self._sets.regions.geometry

    @property
    def instances(self) -> int:
        """B, the number of problem instances in this domain."""
        return self._sets.instances

    def variable(
        self,
        tag: str,
        sample: Any = (None, None),
        resampling_strategy: Any = None,
        normals: bool = False,
        reverse_normals: bool = False,
        split: bool = False,
        exclude_boundary: bool = False,
        same_points: bool = True,
        time_value: float | None = None,
        return_indices: bool = False,
        point_data: bool = False,
        per: Layout | None = None,
        at: Any = None,
    ) -> Any:
        """The coordinates of a new point set on `tag`, or an attached array.

        - `variable("interior")` returns the space coordinates and the time: `x, y, t`. Each is `(N, 1)` in the graph.
        - `sample`: `None` or `(None, None)` for all mesh nodes of the tag; `n` or `(n, None)` for `n` of them without
          replacement, or without a mesh, and always of `jno.domain.csg`, for `n` uniform points; `(n, "uniform")` for `n`
          independent points anywhere in the tag, uniform by measure; `(n, "sobol")`, `(n, "halton")`,
          `(n, "latin_hypercube")` for points that fill the interior of a geometry evenly; `(n, sampler)` for the nodes
          `sampler(points, n)` names by index.
        - `normals=True`: the outward unit normal as one `(N, d)` variable; with `split=True` the flat tuple of coordinates,
          time and normal components. `reverse_normals` turns them inwards.
        - `resampling_strategy`: an `AbstractResampler`, such as one of `jno.sampler`, which renews the points while a problem is
          trained. The tag must belong to a geometry, from which it draws candidates. By default what the geometry was given
          for the tag, as by `jno.domain.csg(..., resampling_strategies={...})`.
        - `exclude_boundary`: only nodes strictly inside.
        - `same_points`: whether all instances share the points, or each draws its own.
        - `time_value`: only the time step that is nearest to it.
        - `return_indices=True`: the indices of the points among the mesh nodes, `(N,)`, as the last entry.
        - `variable("k", array, per=..., at=...)` attaches an array and returns it as an expression. `per` declares its
          leading axes: `"instance"` (B), `"point"` (N), `"instance_point"` (B, N) or `"shared"`; by default a leading axis
          of length B > 1 means per instance and everything else is shared. `at` is a coordinate of the point set that a
          point axis belongs to.

        - `variable("T", point_data=True, at=x)` attaches the array `T` of the mesh file that the domain was read from, at the
          points of `x`, which must be nodes.

        Raises `JnoValueError` for an unknown tag or a sample that cannot be drawn, naming what is possible.
        """
        resampler = attachment.checked_resampler(resampling_strategy, tag, self._sets.regions)
        if point_data:
            at, per = attachment.point_set(at, self), "point"
            sample = attachment.point_data(self.geometry, tag, None if at is None else self._sets.nodes_of(at))
            at = None if at is None else Variable(at, "space", (0, 1))
        if attachment.is_array(sample):
            return self._attach(tag, sample, per, at, split)
        if per is not None or at is not None:
            raise JnoTypeError(
                "per= and at= belong to an attached array: domain.variable(name, array, per=..., at=...)."
            )
        if tag not in self.tags:
            raise self._no_tag(tag)
        request = SampleRequest.from_user(sample, exclude_boundary)
        collocation = self._sets.draw(tag, request, same_points, normals, reverse_normals, time_value)
        if resampler is not None:
            self._resamplers[collocation.name] = resampler
        d = self.dimension
        if normals and not split:
            found = (Variable(collocation, "normal", (0, d)),)
        else:
            components = (Variable(collocation, "normal", (i, i + 1)) for i in range(d if normals else 0))
            found = (*_coordinates(collocation), *components)
        if return_indices:
            return (*found, self._sets.nodes_of(collocation))
        return found[0] if normals and not split else found

    def periodic(
        self, first: str, second: str, sample: Any = None, *, offset: Any = None
    ) -> tuple[tuple[Variable, ...], tuple[Variable, ...]]:
        """The coordinates of points of one boundary tag, and of their images on another that a translation carries it to.

        For periodic conditions: `left, right = domain.periodic("left", "right")`, then
        `(u(*left[:2]) - u(*right[:2])).mse`.

        - `sample`: as in `variable`, the points of `first`. By default all mesh nodes.
        - `offset`: the translation `(d,)`; by default that between the middles of the two tags' nodes.

        Raises `JnoValueError` when a node has no partner, or without a mesh unless `offset` is given.
        """
        request = SampleRequest.from_user(sample, False)
        for tag in (first, second):
            if self._sets.regions.kinds.get(tag) != "boundary":
                raise JnoValueError(f"{tag!r} is no boundary tag; there are {self._sets.regions.boundaries()}.")
        mesh = self.mesh
        if mesh is None and offset is None:
            raise JnoValueError("Without a mesh periodic(...) needs the translation: offset=(1.0, 0.0).")
        partners = None if mesh is None else paired_nodes(mesh, first, second, offset)
        offset = np.asarray(offset, np.float64) if partners is None else partners[2]
        here = self._sets.draw(first, request, True, False, False)
        drawn = self._sets.drawn[here.name][1]
        there = self._sets.keep(second, sampling.translated(drawn, offset, partners), False, None)
        return _coordinates(here), _coordinates(there)

    def __getitem__(self, tag: str) -> Any:
        return self.variable(tag)

    def __mul__(self, n: Any) -> Self:
        """The same region with `n` instances: a new domain without point sets and attached arrays."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise JnoValueError(f"N * domain needs a positive integer number of instances, got {n!r}.")
        return type(self)(self._sets.regions, self._sets.time, n * self._sets.instances)

    __rmul__ = __mul__

    def copy(self, time: Any = None) -> Self:
        """The same regions and instances without point sets and attached arrays; with other times if some are given."""
        return type(self)(self._sets.regions, self._sets.time if time is None else time, self.instances)

    @classmethod
    def stacked(cls, domains: Sequence["Domain"], counts: dict[str, int]) -> Self:
        """All instances of several domains in one, with fresh points; see `jno.domain.stack`."""
        first = domains[0]
        if not all(d._sets.time.same(first._sets.time) for d in domains):
            raise JnoValueError("Stacked domains need the same times: give all the same time=(t0, t1, n).")
        regions, instances = combining.stacked([(d._sets.regions, d.instances) for d in domains], counts)
        return cls(regions, first._sets.time, instances)

    def rule(self, collocation: Collocation, order: int | None) -> Collocation:
        """The points and weights of an integral over the region of a point set, by the vertex rule or a Gauss rule."""
        return self._sets.rule(collocation, "vertex" if order is None else order)[0]

    def points(self, variable: Variable) -> np.ndarray:
        """The points that a variable of this domain stands on: `(N, d)`, or `(B, N, d)` if instances have their own."""
        if not isinstance(variable, Variable):
            raise JnoTypeError(f"points(...) takes a coordinate, as in domain.points(x), got {variable!r}.")
        name = variable.collocation.name
        if name not in self._sets.drawn or self._sets.drawn[name][0] is not variable.collocation:
            raise JnoKeyError(
                f"{variable!r} does not belong to this domain: ask the domain whose variable(...) made it."
            )
        points = np.asarray(self._sets.drawn[name][1].points)
        return points[0] if points.shape[0] == 1 else points

    def data(self, collocations: Sequence[Collocation], tensors: Sequence[TensorTag]) -> DomainData:
        """The arrays for these point sets and attached arrays. On another domain than theirs, point sets are matched by
        name, then by tag, and drawn whole where this domain has none; nothing is changed.
        """
        for c in collocations:
            if len(c.coordinates) != self.dimension:
                raise JnoValueError(
                    f"The expression is in {len(c.coordinates)} space coordinates, {', '.join(c.coordinates)}, the domain for "
                    f"evaluation in {self.dimension}. Evaluate on a domain of the same dimension."
                )
        points, chosen = {}, {}
        for c in collocations:
            chosen[c.name], points[c.name] = self._sets.points_for(c)
        tensor_data = {node.tag: attachment.data_for(node, self._tensors, chosen) for node in tensors}
        return DomainData(points, tensor_data)

    def support(self, collocation: Collocation) -> Support:
        """A point set of this domain as differentiation schemes see it, in host memory."""
        points = self._sets.points_for(collocation)[1]
        return Support.on_host(points, 0, collocation.names, collocation.tag)

    @property
    def resamplers(self) -> Mapping[str, AbstractResampler]:
        """The resampling strategies, by the name of their point set."""
        return self._resamplers

    def attached(self) -> Mapping[str, tuple[TensorTag, TensorData]]:
        """The attached arrays by name."""
        return self._tensors

    def __repr__(self) -> str:
        what = type(self._sets.regions.geometry).__name__ if self._sets.regions.geometry is not None else "points"
        time = "" if self._sets.time.steady else f", {len(self.times)} times"
        copies = "" if self._sets.instances == 1 else f", {self._sets.instances} instances"
        return f"Domain({what}, {self.dimension}-D, tags {list(self.tags)}{time}{copies})"

    def _over(self, regions: Regions) -> Self:
        return type(self)(regions, self._sets.time)

    def _attached(self, name: str, array: np.ndarray, at: Variable) -> TensorTag:
        return self._attach(name, array, "point", at, False)

    def _no_tag(self, tag: Any) -> JnoValueError:
        near = nearest(tag, self.tags) if isinstance(tag, str) else None
        remedy = (
            "Give it a time axis to have 'initial': time=(0.0, 1.0, 11)."
            if tag == "initial"
            else f"Did you mean {near!r}?"
            if near
            else "To attach data under a new name, pass a NumPy or JAX array."
        )
        attached = f" and the attached arrays {list(self._tensors)}" if self._tensors else ""
        return JnoValueError(f"The domain has no tag {tag!r}; it has {list(self.tags)}{attached}. {remedy}")

    def _attach(self, tag: str, array: Any, per: Layout | None, at: Any, split: bool) -> Any:
        if not isinstance(tag, str) or not tag:
            raise JnoTypeError(f"The name of an attached array must be a string such as 'k', got {tag!r}.")
        if tag in self.tags:
            raise JnoValueError(f"{tag!r} is a tag of the domain; attach the array under another name.")
        collocation = attachment.point_set(at, self)
        data, shape = attachment.laid_out(tag, array, per, collocation, self._sets.instances)
        node = TensorTag(tag, self, data.layout, shape, jax.dtypes.canonicalize_dtype(data.value.dtype), collocation)
        if tag in self._tensors:
            attachment.check_again(self._tensors[tag][0], node)
        self._tensors[tag] = (node, data)
        if not split:
            return node
        if not shape:
            raise JnoValueError(f"{tag!r} is a scalar and cannot be split; leave split out.")
        return tuple(node[..., i : i + 1] for i in range(shape[-1]))


def _coordinates(collocation: Collocation) -> tuple[Variable, ...]:
    """Space and time of a point set."""
    space = (Variable(collocation, "space", (i, i + 1)) for i in range(len(collocation.coordinates)))
    return (*space, Variable(collocation, "time", (0, 1)))
