"""Named regions of the plane, the interfaces between them, and the names of their boundaries."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np
import shapely
from jaxtyping import Bool, Int

from jno_core import RegionKind
from jno_core.errors import JnoKeyError, JnoValueError
from jno_plugin_geometry._polygon_arrangement import TOLERANCE, Arrangement, Segments

# Vertices of given lines go onto edges and corners nearer than this, relative to the size of everything.
_SNAP = 1e-6


@final
@dataclasses.dataclass(frozen=True, eq=False)
class BoundaryPart:
    """Edges of an arrangement and whether what they bound is on the left of each; the normal points to the other side."""

    edges: Int[np.ndarray, " p"]
    forward: Bool[np.ndarray, " p"]

    def reversed(self) -> "BoundaryPart":
        """The same edges with the normals turned around."""
        return BoundaryPart(self.edges, ~self.forward)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PolygonLine:
    """A line that a user gave as boundary, and the area that its normals point away from, if that was said."""

    segments: Segments
    behind: Any = None


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PolygonRegions:
    """Named shapely areas (`sources`), of which `active` is there, with areas, lines and aliases that a user added.

    Sources may overlap, and may lie outside of what is active: a hole is a source that was subtracted. Raises
    `JnoValueError` when nothing is active, or a name would mean two parts.
    """

    sources: Mapping[str, Any]
    active: Any
    areas: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lines: Mapping[str, PolygonLine] = dataclasses.field(default_factory=dict)
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if shapely.is_empty(self.active) or not self.active.area > 0:
            raise JnoValueError("The geometry is empty: no area is left. Check the operands of the last operation.")
        for name in self.areas:
            if name in self.sources:
                raise JnoValueError(f"{name!r} is the name of a region already; choose another one for the new part.")

    @functools.cached_property
    def arrangement(self) -> Arrangement:
        """All edges and faces, cut by what the user added, too."""
        lines = [line.segments for line in self.lines.values()]
        return Arrangement.of([*self.sources.values(), *self.areas.values()], self.active, lines)

    @property
    def size(self) -> float:
        """The longer side of the bounding box."""
        x0, y0, x1, y1 = self.active.bounds
        return max(x1 - x0, y1 - y0)

    @functools.cached_property
    def interiors(self) -> Mapping[str, Int[np.ndarray, " f"]]:
        """The faces of each interior tag; regions of which nothing is active have none and are left out."""
        covers = self.arrangement.covers
        names = [*(f"interior_{name}" for name in self.sources), *self.areas]
        found = {"interior": np.arange(len(covers))}
        for number, tag in enumerate(names):
            _add(found, tag, np.flatnonzero(covers[:, number]))
        return {tag: faces for tag, faces in found.items() if len(faces)}

    @functools.cached_property
    def boundaries(self) -> Mapping[str, BoundaryPart]:
        """The edges of each boundary and interface tag; tags of which nothing is left are left out."""
        left, right = self.arrangement.left >= 0, self.arrangement.right >= 0
        found = {"boundary": _between(left, right)}
        found |= self._box_sides(found["boundary"])
        for number, name in enumerate(self.sources):
            of_left, of_right = self.arrangement.beside(self.arrangement.covers[:, number])
            pieces = self.arrangement.outlines[number]
            whole = _between(of_left, of_right)
            if not (np.any(of_left) or np.any(of_right)):
                # Of what was subtracted the boundary is left, as far as something else is beside it.
                rim = np.unique(pieces[:, 0])
                whole = _between(left, right, rim)
            _add(found, f"boundary_{name}", whole)
            for edge, part in _split(whole, pieces):
                _add(found, f"boundary_{name}_{edge}", part)
        for tag, part in self._interfaces().items():
            _add(found, tag, part)
        for (tag, line), (edges, forward) in zip(self.lines.items(), self.arrangement.lines, strict=True):
            _add(found, tag, self._directed(edges, forward, line.behind))
        return {tag: part for tag, part in found.items() if len(part.edges)}

    @functools.cached_property
    def kinds(self) -> Mapping[str, RegionKind]:
        """All tags and what they are."""
        found: dict[str, RegionKind] = dict.fromkeys(self.interiors, "interior")
        found |= dict.fromkeys(self.boundaries, "boundary")
        for alias, tag in self.aliases.items():
            if tag in found:
                found[alias] = found[tag]
        return found

    def kind(self, tag: str) -> RegionKind:
        """What a tag is; raises `JnoKeyError` for an unknown one."""
        if tag not in self.kinds:
            raise JnoKeyError(f"The geometry has no tag {tag!r}; it has {list(self.kinds)}.")
        return self.kinds[tag]

    def resolved(self, tag: str) -> str:
        """The tag that an alias stands for; any other tag itself."""
        return self.aliases.get(tag, tag)

    def named_area(self, names: Iterable[str]) -> Any:
        """Some regions together: the active part of each, or all of one that was subtracted, such as the gas in a hole."""
        known = {**self.sources, **self.areas}
        found = []
        for name in names:
            if name not in known:
                raise JnoValueError(f"There is no region {name!r}; there are {list(known)}.")
            part = shapely.intersection(known[name], self.active)
            found.append(part if part.area > TOLERANCE * known[name].area else known[name])
        return shapely.union_all(found)

    def selected(self, predicate: Callable[[float, float], Any]) -> Segments:
        """The whole edges of the outer boundary at whose middle the predicate holds, with the inside on their left."""
        plain = Arrangement.of(list(self.sources.values()), self.active)
        outer = _between(plain.left >= 0, plain.right >= 0)
        segments = _directed_segments(plain, outer)
        middles = np.mean(segments, axis=1).tolist()
        return segments[np.array([bool(predicate(x, y)) for x, y in middles], dtype=bool)]

    def snapped(self, segments: Segments) -> Segments:
        """The segments with their ends on the corners and edges that they nearly touch."""
        corners = shapely.multipoints(self.arrangement.nodes)
        edges = shapely.multilinestrings(np.asarray(shapely.linestrings(self.arrangement.segments())))
        moved = segments.reshape(-1, 2).copy()
        for goal in (edges, corners):
            steps = shapely.get_coordinates(shapely.shortest_line(shapely.points(moved), goal)).reshape(-1, 2, 2)
            near = np.linalg.norm(steps[:, 1] - steps[:, 0], axis=1) <= _SNAP * self.size
            moved[near] = steps[near, 1]
        return moved.reshape(-1, 2, 2)

    def _box_sides(self, outer: BoundaryPart) -> dict[str, BoundaryPart]:
        """The four sides, if the outer ring is a rectangle along the axes."""
        # The faces together have none of the hairline gaps that `active` may have.
        parts = shapely.get_parts(shapely.union_all(self.arrangement.faces))
        box = shapely.box(*self.active.bounds)
        if len(parts) > 1 or shapely.Polygon(parts[0].exterior).area < (1 - TOLERANCE) * box.area:
            return {}
        x0, y0, x1, y1 = box.bounds
        ends = self.arrangement.segments()[outer.edges]
        sides = {"left": (0, x0), "right": (0, x1), "bottom": (1, y0), "top": (1, y1)}
        found = {}
        for tag, (axis, level) in sides.items():
            on = np.all(np.abs(ends[:, :, axis] - level) <= 10 * TOLERANCE * self.size, axis=1)
            found[tag] = BoundaryPart(outer.edges[on], outer.forward[on])
        return found

    def _interfaces(self) -> dict[str, BoundaryPart]:
        """`interface_a_b` where `a` ends and `b` begins; its normals point from `a` to `b`."""
        names = list(self.sources)
        covers = np.append(self.arrangement.covers[:, : len(names)], np.zeros((1, len(names)), dtype=bool), axis=0)
        left, right = covers[self.arrangement.left], covers[self.arrangement.right]
        only_left, only_right = left & ~right, right & ~left
        found = {}
        for a, name in enumerate(names):
            for b in np.flatnonzero(
                np.any(only_right[only_left[:, a]], axis=0) | np.any(only_left[only_right[:, a]], axis=0)
            ):
                if b > a:
                    part = _between(only_left[:, a] & only_right[:, b], only_right[:, a] & only_left[:, b])
                    _add(found, f"interface_{name}_{names[b]}", part)
                    _add(found, f"interface_{names[b]}_{name}", part.reversed())
        return found

    def _directed(self, edges: np.ndarray, forward: np.ndarray, behind: Any) -> BoundaryPart:
        """A user's line: away from `behind`; else away from the inside; else to the right of the line as drawn."""
        left, right = self.arrangement.left[edges] >= 0, self.arrangement.right[edges] >= 0
        forward = np.where(left != right, left, forward)
        if behind is not None:
            ends = self.arrangement.segments()[edges]
            along = ends[:, 1] - ends[:, 0]
            step = np.minimum(1e-3, _SNAP * self.size / np.linalg.norm(along, axis=1))[:, None]
            aside = step * np.stack([-along[:, 1], along[:, 0]], axis=1)
            middle = np.mean(ends, axis=1)
            left, right = (shapely.intersects_xy(behind, *(middle + side).T) for side in (aside, -aside))
            forward = np.where(left != right, left, forward)
        edges, first = np.unique(edges, return_index=True)
        return BoundaryPart(edges, forward[first])

    def directed_segments(self, tag: str) -> Segments:
        """The edges of a boundary tag with what it bounds on their left."""
        return _directed_segments(self.arrangement, self.boundaries[tag])


def _directed_segments(arrangement: Arrangement, part: BoundaryPart) -> Segments:
    ends = arrangement.segments()[part.edges]
    return np.where(part.forward[:, None, None], ends, ends[:, ::-1])


def _between(left: np.ndarray, right: np.ndarray, among: np.ndarray | None = None) -> BoundaryPart:
    """The edges that have one of the two on one side only, with that side as the left."""
    edges = np.flatnonzero(left != right)
    edges = edges if among is None else np.intersect1d(edges, among)
    return BoundaryPart(edges, left[edges])


def _split(whole: BoundaryPart, pieces: Int[np.ndarray, "p 2"]) -> list[tuple[int, BoundaryPart]]:
    """The pieces that lie on a part, by the number of the outline's edge that they are of."""
    pieces = pieces[np.isin(pieces[:, 0], whole.edges)]
    pieces = pieces[np.lexsort((pieces[:, 0], pieces[:, 1]))]
    forward = whole.forward[np.searchsorted(whole.edges, pieces[:, 0])]
    numbers, first = np.unique(pieces[:, 1], return_index=True)
    groups = zip(np.split(pieces[:, 0], first[1:]), np.split(forward, first[1:]), strict=True) if len(pieces) else ()
    return [(int(number), BoundaryPart(*group)) for number, group in zip(numbers, groups, strict=True)]


def _add(found: dict[str, Any], tag: str, part: Any) -> None:
    if tag in found:
        raise JnoValueError(f"The tag {tag!r} would name two parts of the geometry. Rename one of the regions.")
    found[tag] = part
