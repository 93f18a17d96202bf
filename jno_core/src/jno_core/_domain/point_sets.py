"""The point sets of one domain: drawn once by name, and those of integrals."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from jno_core._domain import sampling
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._domain.sample_request import SampleRequest
from jno_core._graph import Collocation
from jno_core._interfaces import PointData
from jno_core.errors import JnoKeyError, JnoValueError


@final
class PointSets:
    """What was drawn from the regions of `owner`, in the order of the calls.

    The regions may be replaced; what was drawn stays.
    """

    def __init__(self, owner: Any, regions: Regions, time: TimeGrid, instances: int) -> None:
        self.regions = regions
        self.time = time
        self.instances = instances
        self._owner = owner
        self._drawn: dict[str, tuple[Collocation, PointData]] = {}
        self._rules: dict[str, tuple[Collocation, PointData]] = {}
        self._asked = 0

    @property
    def drawn(self) -> Mapping[str, tuple[Collocation, PointData]]:
        """The point sets by name."""
        return self._drawn

    def tags(self) -> tuple[str, ...]:
        """The names that points can be drawn from."""
        return (*self.regions.kinds, *(() if self.time.steady else ("initial",)))

    def fresh(self) -> int:
        """Another number at every call."""
        self._asked += 1
        return self._asked

    def replace(self, regions: Regions) -> None:
        """Other regions for what is drawn from now on."""
        self.regions = regions
        self._rules.clear()

    def points_for(self, collocation: Collocation) -> tuple[str | None, PointData]:
        """The points for a point set of any domain, and under which name they are drawn here."""
        if collocation.rule is not None:
            return collocation.name, self.rule(collocation, collocation.rule)[1]
        own = self._drawn.get(collocation.name)
        same_tag = [(c, data) for c, data in reversed(self._drawn.values()) if _alike(c, collocation)]
        if own is not None and _alike(own[0], collocation):
            same_tag.insert(0, own)
        if same_tag:
            found, data = same_tag[0]
            return found.name, data if found.inward == collocation.inward else sampling.reversed_normals(data)
        if collocation.tag not in self.tags():
            raise JnoKeyError(
                f"The domain for evaluation has no tag {collocation.tag!r}; it has {list(self.tags())}. "
                "Evaluate on a domain with the tags of the variables."
            )
        request = SampleRequest.from_user(None, False)
        streams = [sampling.generator(collocation.name)]
        data = sampling.draw(self.regions, collocation.tag, request, streams, self.time, collocation.time_value)
        return None, sampling.reversed_normals(data) if collocation.inward else data

    def rule(self, like: Collocation, rule: Any) -> tuple[Collocation, PointData]:
        """The points and weights of an integral over the region of a point set, by `"vertex"` or a Gauss rule."""
        facing = " inwards" if like.inward else ""
        name = f"{like.tag} by the {'vertex rule' if rule == 'vertex' else f'Gauss rule of order {rule}'}{facing}"
        if name not in self._rules:
            data = sampling.rule(self.regions, like.tag, None if rule == "vertex" else rule, self.time)
            data = sampling.reversed_normals(data) if like.inward and data.normals is not None else data
            names = like.coordinates
            size, times = data.points.shape[1], data.times.shape[0]
            kind = self.regions.kinds.get(like.tag, "initial")
            self._rules[name] = (
                Collocation(name, like.tag, kind, size, names, times, self.time.steady, self._owner, like.inward, rule),
                data,
            )
        return self._rules[name]

    def draw(
        self,
        tag: str,
        request: SampleRequest,
        same_points: bool,
        normals: bool,
        reverse: bool,
        time_value: float | None = None,
    ) -> Collocation:
        """A new point set on a tag; see `Domain.variable`."""
        if reverse and not normals:
            raise JnoValueError(f"reverse_normals=True turns normals around: add normals=True on {tag!r}.")
        if time_value is not None and self.time.steady:
            raise JnoValueError(f"time_value={time_value!r} needs a time axis: time=(0.0, 1.0, 11).")
        name = self._next_name(tag)
        streams = 1 if same_points else self.instances
        generators = [sampling.generator(name if i == 0 else f"{name}/{i}") for i in range(streams)]
        data = sampling.draw(self.regions, tag, request, generators, self.time, time_value)
        if normals and data.normals is None:
            raise JnoValueError(
                f"There are no normals on {tag!r}; boundary tags have them: {self.regions.boundaries()}."
            )
        data = sampling.reversed_normals(data) if reverse else data
        return self.keep(tag, data, reverse, time_value)

    def keep(self, tag: str, data: PointData, inward: bool, time_value: float | None) -> Collocation:
        """A new point set with these points."""
        name = self._next_name(tag)
        kind = self.regions.kinds.get(tag, "initial")
        size, names = data.points.shape[1], self.regions.coordinates
        collocation = Collocation(
            name, tag, kind, size, names, len(data.times), self.time.steady, self._owner, inward, time_value=time_value
        )
        self._drawn[name] = (collocation, data)
        return collocation

    def _next_name(self, tag: str) -> str:
        calls = sum(c.tag == tag for c, _ in self._drawn.values())
        return tag if calls == 0 else f"{tag}#{calls + 1}"

    def nodes_of(self, collocation: Collocation) -> np.ndarray:
        """The mesh nodes that its points are."""
        location = self._drawn[collocation.name][1].location
        if location is None or location.nodes is None:
            raise JnoValueError(f"return_indices=True needs mesh nodes; those of {collocation.tag!r} are none.")
        return np.asarray(location.nodes)


def _alike(own: Collocation, other: Collocation) -> bool:
    return own.tag == other.tag and own.time_value == other.time_value
