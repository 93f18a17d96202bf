"""What a domain does with its regions: set operations, further parts, other meshes."""

import abc
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from jno_core._domain import combining, editing, sampling
from jno_core._domain.exchange import exchange
from jno_core._domain.point_sets import PointSets
from jno_core._domain.regions import Regions
from jno_core._domain.sequences import anywhere
from jno_core._graph import TensorTag, Variable
from jno_core._interfaces import SetOperation
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError


class AbstractRegional(abc.ABC):
    """Set operations, which make new domains, and methods that name parts or mesh, which return the same one."""

    _sets: PointSets

    @abc.abstractmethod
    def _over(self, regions: Regions) -> Self:
        """A new domain with the same times over other regions, of one instance."""

    @abc.abstractmethod
    def _attached(self, name: str, array: np.ndarray, at: Variable) -> TensorTag:
        """An array attached to the points of a coordinate."""

    @property
    def times(self) -> np.ndarray:
        """The time steps `(T,)`; `[1.0]` on a steady domain."""
        return self._sets.time.values

    @property
    def steady(self) -> bool:
        """Whether the domain has no time axis."""
        return self._sets.time.steady

    def union(self, other: "AbstractRegional") -> Self:
        """The points of either domain, `a | b` or `a + b`; with the boundary tags of both. Point sets are drawn anew."""
        return self._combined("union", other)

    def intersection(self, other: "AbstractRegional") -> Self:
        """The points of both domains, `a & b`."""
        return self._combined("intersection", other)

    def difference(self, other: "AbstractRegional") -> Self:
        """The points of this domain that are not in the other, `a - b`."""
        return self._combined("difference", other)

    def symmetric_difference(self, other: "AbstractRegional") -> Self:
        """The points of exactly one of the domains, `a ^ b`."""
        return self._combined("symmetric_difference", other)

    __or__ = __add__ = union
    __and__ = intersection
    __sub__ = difference
    __xor__ = symmetric_difference

    def region(self, name: str, where: Any, *, kind: str | None = None) -> Self:
        """Name a further part of this domain, and return the domain.

        - `where`: a predicate of the coordinates of one point, as in `lambda x, y: x < 0.5`, which on a mesh is asked in the
          middle of each facet of the boundary, or of each cell with `kind="interior"`; or another tag. Geometries such as
          `jno.domain.csg(...)` take more: a shapely geometry, and predicates for the edges of their polygons.
        - `kind`: `"boundary"` or `"interior"`; by default what follows from `where`, and the boundary for predicates.

        Raises `JnoValueError` for a predicate that holds nowhere and for an unknown tag.
        """
        return self._replace(editing.with_region(self._sets.regions, name, where, kind))

    tag = region

    def add_boundary_segments(self, tag: str, segments: Any, *, normal_geometry: Any = None) -> Self:
        """Name a part of the boundary by its segments `(s, 2, d)`, and return the domain.

        `normal_geometry` (a geometry, or names of regions) tells which side is inside, where that is not clear.
        """
        return self._replace(editing.with_boundary_segments(self._sets.regions, tag, segments, normal_geometry))

    def build_mesh(self, mesh_size: float = 0.1, **options: Any) -> Self:
        """Mesh the geometry with edges of about `mesh_size`, and return the domain. Drawn points stay what they are.

        `options` are the geometry's own, such as `region_mesh_sizes` of `jno.domain.csg(...)`. Called again it meshes anew.
        """
        return self._replace(editing.remeshed(self._sets.regions, mesh_size, options))

    def draw_candidates(self, tag: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Fresh uniform points of a tag, ten times as many as are drawn there but 1,000 at least, and their normals if any.

        Raises `JnoKeyError` for an unknown tag and `JnoValueError` without a geometry.
        """
        if tag not in self._sets.regions.kinds:
            raise JnoKeyError(f"The domain has no tag {tag!r}; it has {list(self._sets.regions.kinds)}.")
        n = max((c.size for c, _ in self._sets.drawn.values() if c.tag == tag), default=0)
        found = self.candidates(tag, n, sampling.generator(f"candidates {self._sets.fresh()} of {tag}"))
        return found["points"], found.get("normals")

    def candidates(self, tag: str, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Uniform points of a tag, ten times `n` but 1,000 at least, with their normals if any: by these names."""
        found = anywhere(self._sets.regions, tag, max(1000, 10 * n), "uniform", rng)
        return {"points": found.points} | ({} if found.normals is None else {"normals": found.normals})

    def compute_enclosure_view_factor(
        self, tags: Sequence[str], opaque_tags: Sequence[str] | None = None, medium_tags: Sequence[str] | None = None
    ) -> tuple[tuple[TensorTag, TensorTag], ...]:
        """Visibility and view factors `(N_a, N_b)` between the points of boundary tags, for every ordered pair of tags.

        They are attached as `v_<a>__<b>` and `f_<a>__<b>`, on the points of `a`, and returned as pairs in the order of the
        tags. All edges of the domain block rays, whatever `opaque_tags` names. Normals are turned into the medium: the
        regions `medium_tags`, by default those called gas or air, else the inside. A tag does not radiate on itself.

        Raises `JnoValueError` unless all tags are boundary tags whose points are drawn with normals.
        """
        del opaque_tags
        if self._sets.instances > 1:
            raise JnoValueError(f"View factors belong to one instance; this domain has {self._sets.instances}.")
        latest = {c.tag: (c, data) for c, data in self._sets.drawn.values() if data.normals is not None}
        drawn = {tag: data for tag, (_, data) in latest.items()}
        found = exchange(self._sets.regions, tuple(tags), drawn, medium_tags)
        attached = []
        for (a, b), (visible, factors) in found.items():
            at = Variable(latest[a][0], "space", (0, 1))
            attached.append((self._attached(f"v_{a}__{b}", visible, at), self._attached(f"f_{a}__{b}", factors, at)))
        return tuple(attached)

    def _combined(self, operation: SetOperation, other: Any) -> Self:
        if not isinstance(other, AbstractRegional):
            raise JnoTypeError(f"A set operation takes two domains, got {other!r}.")
        if not self._sets.time.same(other._sets.time):
            raise JnoValueError("The two domains have different times; give both the same time=(t0, t1, n).")
        return self._over(combining.combined(self._sets.regions, operation, other._sets.regions))

    def _replace(self, regions: Regions) -> Self:
        self._sets.replace(regions)
        return self
