"""The domain: a region with named parts, the points drawn from them, a time axis, and attached arrays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from jno_core._domain import attachment, plotting, sampling
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._graph import Collocation, TensorTag, Variable
from jno_core._interfaces import AbstractGeometry, DomainData, Layout, Mesh, PointData, Support, TensorData
from jno_core._registry.spelling import nearest
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError


@final
class Domain:
    """A region of space (and time) with named parts.

    Made by `jno.domain.NAME(...)`, `jno.domain.from_array(...)` or `jno.domain(geometry)`. Every `variable(tag)` call draws
    its own point set, from a random stream that follows from the seed and the order of the calls on this domain.
    """

    def __init__(self, regions: Regions, time: Any = None, instances: int = 1) -> None:
        self._regions = regions
        self._time = time if isinstance(time, TimeGrid) else TimeGrid.from_user(time)
        self._instances = instances
        self._drawn: dict[str, tuple[Collocation, PointData]] = {}
        self._rules: dict[str, tuple[Collocation, PointData]] = {}
        self._tensors: dict[str, tuple[TensorTag, TensorData]] = {}

    @property
    def dimension(self) -> int:
        """The number of space coordinates."""
        return self._regions.dimension

    @property
    def tags(self) -> tuple[str, ...]:
        """The names that `variable(tag)` knows."""
        return (*self._regions.kinds, *(("initial",) if not self._time.steady else ()))

    @property
    def mesh(self) -> Mesh | None:
        """The mesh, or `None` for a point cloud or a geometry that was built without connectivity."""
        return self._regions.mesh

    @property
    def geometry(self) -> AbstractGeometry | None:
        """The geometry that the domain was built from, or `None` for a point cloud or a bare mesh."""
        return self._regions.geometry

    @property
    def times(self) -> np.ndarray:
        """The time steps `(T,)`; `[1.0]` on a steady domain."""
        return self._time.values

    @property
    def steady(self) -> bool:
        """Whether the domain has no time axis."""
        return self._time.steady

    @property
    def instances(self) -> int:
        """B, the number of problem instances in this domain."""
        return self._instances

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
        per: Layout | None = None,
        at: Any = None,
    ) -> Any:
        """The coordinates of a new point set on `tag`, or an attached array.

        - `variable("interior")` returns the space coordinates and the time: `x, y, t`. Each is `(N, 1)` in the graph.
        - `sample`: `None` or `(None, None)` for all mesh nodes of the tag; `n` or `(n, None)` for `n` of them without
          replacement; `(n, "uniform")` for `n` independent points anywhere in the tag, uniform by measure;
          `(n, sampler)` for the nodes `sampler(points, n)` names by index.
        - `normals=True`: the outward unit normal as one `(N, d)` variable; with `split=True` the flat tuple of coordinates,
          time and normal components. `reverse_normals` turns them inwards.
        - `exclude_boundary`: only nodes strictly inside.
        - `same_points`: whether all instances share the points, or each draws its own.
        - `variable("k", array, per=..., at=...)` attaches an array and returns it as an expression. `per` declares its
          leading axes: `"instance"` (B), `"point"` (N), `"instance_point"` (B, N) or `"shared"`; by default a leading axis
          of length B > 1 means per instance and everything else is shared. `at` is a coordinate of the point set that a
          point axis belongs to.

        Raises `JnoValueError` for an unknown tag or a sample that cannot be drawn, naming what is possible.
        """
        if resampling_strategy is not None:
            raise attachment.later("resampling_strategy", "0.3")
        if attachment.is_array(sample):
            return self._attach(tag, sample, per, at, split)
        if per is not None or at is not None:
            raise JnoTypeError(
                "per= and at= belong to an attached array: domain.variable(name, array, per=..., at=...)."
            )
        collocation = self._draw(tag, sample, exclude_boundary, same_points, normals, reverse_normals)
        d = self.dimension
        space = tuple(Variable(collocation, "space", (i, i + 1)) for i in range(d))
        time = Variable(collocation, "time", (0, 1))
        if not normals:
            return (*space, time)
        if split:
            return (*space, time, *(Variable(collocation, "normal", (i, i + 1)) for i in range(d)))
        return Variable(collocation, "normal", (0, d))

    def __getitem__(self, tag: str) -> Any:
        return self.variable(tag)

    def __mul__(self, n: Any) -> Self:
        """The same region with `n` instances: a new domain without point sets and attached arrays."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise JnoValueError(f"N * domain needs a positive integer number of instances, got {n!r}.")
        return type(self)(self._regions, self._time, n * self._instances)

    __rmul__ = __mul__

    def rule(self, collocation: Collocation, order: int | None) -> Collocation:
        """The points and weights of an integral over the region of a point set, by the vertex rule or a Gauss rule."""
        return self._rule(collocation, "vertex" if order is None else order)[0]

    def points(self, variable: Variable) -> np.ndarray:
        """The points that a variable of this domain stands on: `(N, d)`, or `(B, N, d)` if instances have their own."""
        if not isinstance(variable, Variable):
            raise JnoTypeError(f"points(...) takes a coordinate, as in domain.points(x), got {variable!r}.")
        name = variable.collocation.name
        if name not in self._drawn or self._drawn[name][0] is not variable.collocation:
            raise JnoKeyError(
                f"{variable!r} does not belong to this domain: ask the domain whose variable(...) made it."
            )
        points = np.asarray(self._drawn[name][1].points)
        return points[0] if points.shape[0] == 1 else points

    def plot(self, save_path: str | Path | None = None, *, show_normals: bool = False) -> Any:
        """A picture of the mesh, its boundary tags and the drawn points; a matplotlib `Figure`, written if a path is given."""
        drawn = {name: data for name, (_, data) in self._drawn.items()}
        return plotting.plot_domain(self._regions, drawn, save_path, show_normals)

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
            chosen[c.name], points[c.name] = self._points_for(c)
        tensor_data = {node.tag: attachment.data_for(node, self._tensors, chosen) for node in tensors}
        return DomainData(points, tensor_data)

    def support(self, collocation: Collocation) -> Support:
        """A point set of this domain as differentiation schemes see it, in host memory."""
        points = self._points_for(collocation)[1]
        return Support.on_host(points, 0, collocation.names, collocation.tag)

    def attached(self) -> Mapping[str, tuple[TensorTag, TensorData]]:
        """The attached arrays by name."""
        return self._tensors

    def __repr__(self) -> str:
        what = type(self._regions.geometry).__name__ if self._regions.geometry is not None else "points"
        time = "" if self._time.steady else f", {len(self.times)} times"
        copies = "" if self._instances == 1 else f", {self._instances} instances"
        return f"Domain({what}, {self.dimension}-D, tags {list(self.tags)}{time}{copies})"

    def _points_for(self, collocation: Collocation) -> tuple[str | None, PointData]:
        """The points for a point set of any domain, and under which name they are drawn here."""
        if collocation.rule is not None:
            return collocation.name, self._rule(collocation, collocation.rule)[1]
        own = self._drawn.get(collocation.name)
        same_tag = [(c, data) for c, data in reversed(self._drawn.values()) if c.tag == collocation.tag]
        if own is not None and own[0].tag == collocation.tag:
            same_tag.insert(0, own)
        if same_tag:
            found, data = same_tag[0]
            return found.name, data if found.inward == collocation.inward else sampling.reversed_normals(data)
        if collocation.tag not in self.tags:
            raise JnoKeyError(
                f"The domain for evaluation has no tag {collocation.tag!r}; it has {list(self.tags)}. "
                "Evaluate on a domain with the tags of the variables."
            )
        request = sampling.SampleRequest.from_user(None, False)
        streams = [sampling.generator(collocation.name)]
        data = sampling.draw(self._regions, collocation.tag, request, streams, self._time)
        return None, sampling.reversed_normals(data) if collocation.inward else data

    def _rule(self, like: Collocation, rule: Any) -> tuple[Collocation, PointData]:
        facing = " inwards" if like.inward else ""
        name = f"{like.tag} by the {'vertex rule' if rule == 'vertex' else f'Gauss rule of order {rule}'}{facing}"
        if name not in self._rules:
            data = sampling.rule(self._regions, like.tag, None if rule == "vertex" else rule, self._time)
            data = sampling.reversed_normals(data) if like.inward and data.normals is not None else data
            names = like.coordinates
            size, times = data.points.shape[1], data.times.shape[0]
            kind = self._regions.kinds.get(like.tag, "initial")
            self._rules[name] = (
                Collocation(name, like.tag, kind, size, names, times, self._time.steady, self, like.inward, rule),
                data,
            )
        return self._rules[name]

    def _draw(
        self, tag: str, sample: Any, exclude_boundary: bool, same_points: bool, normals: bool, reverse: bool
    ) -> Collocation:
        if tag not in self.tags:
            raise self._no_tag(tag)
        if reverse and not normals:
            raise JnoValueError(f"reverse_normals=True turns normals around: add normals=True on {tag!r}.")
        request = sampling.SampleRequest.from_user(sample, exclude_boundary)
        calls = sum(c.tag == tag for c, _ in self._drawn.values())
        name = tag if calls == 0 else f"{tag}#{calls + 1}"
        streams = 1 if same_points else self._instances
        generators = [sampling.generator(name if i == 0 else f"{name}/{i}") for i in range(streams)]
        data = sampling.draw(self._regions, tag, request, generators, self._time)
        if normals and data.normals is None:
            raise JnoValueError(
                f"There are no normals on {tag!r}; boundary tags have them: {self._regions.boundaries()}."
            )
        data = sampling.reversed_normals(data) if reverse else data
        kind = self._regions.kinds.get(tag, "initial")
        names = self._regions.coordinates
        collocation = Collocation(
            name, tag, kind, data.points.shape[1], names, len(data.times), self._time.steady, self, reverse
        )
        self._drawn[name] = (collocation, data)
        return collocation

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
        data, shape = attachment.laid_out(tag, array, per, collocation, self._instances)
        node = TensorTag(tag, self, data.layout, shape, data.value.dtype, collocation)
        if tag in self._tensors:
            attachment.check_again(self._tensors[tag][0], node)
        self._tensors[tag] = (node, data)
        if not split:
            return node
        if not shape:
            raise JnoValueError(f"{tag!r} is a scalar and cannot be split; leave split out.")
        return tuple(node[..., i : i + 1] for i in range(shape[-1]))
