"""Plane regions bounded by segments and arcs of ellipses."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core import Mesh, PointDraw
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._regions import arc_length, nearest
from jno_plugin_geometry._regions.cells import CellSampler
from jno_plugin_geometry._regions.curves import Arc, Curves, Segment, cross
from jno_plugin_geometry._regions.outline_boolean import combined
from jno_plugin_geometry._regions.outline_mesh import outline_mesh
from jno_plugin_geometry._regions.region import AbstractRegion, Operation
from jno_plugin_geometry._rings import RingLike, checked_holes, checked_polygon, checked_rings

_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Outline(AbstractRegion):
    """A plane region, given by the pieces of its boundary in closed rings with the region on the left.

    The first `ring_sizes[0]` pieces are the first ring, and so on. `parts` gives the pieces of each part of the
    boundary; `"boundary"` has all of them. Rings may touch each other in points.
    """

    curves: Curves
    ring_sizes: tuple[int, ...]
    parts: Mapping[str, Int[np.ndarray, " k"]]

    @classmethod
    def polygon(
        cls, vertices: RingLike, holes: Sequence[RingLike] = (), named: Mapping[str, Sequence[int]] | None = None
    ) -> "Outline":
        """The polygon with `holes`, whichever way round the rings run.

        Edges are numbered along the rings as given, the outer ring first. `named` adds parts to `boundary`, `outer`
        and, where there are holes, `hole_boundary`, `hole_0`, `hole_1`, ...
        """
        rings = checked_rings("vertices", vertices)
        rings += checked_holes("holes", holes)
        checked_polygon(rings[0], rings[1:])
        turned = [(_signed_area(ring) > 0) != (i == 0) for i, ring in enumerate(rings)]
        corners = [ring[::-1] if turn else ring for ring, turn in zip(rings, turned, strict=True)]
        following = [np.roll(ring, -1, axis=0) for ring in corners]
        sizes = tuple(len(ring) for ring in rings)
        offsets = np.cumsum([0, *sizes])
        # Edge e joins vertices e and e + 1; of the reversed ring it is the edge that starts at the latter.
        position = np.concatenate(
            [
                offset + (np.mod(size - 2 - np.arange(size), size) if turn else np.arange(size))
                for offset, size, turn in zip(offsets, sizes, turned, strict=False)
            ]
        )
        edges = [np.arange(low, high) for low, high in itertools.pairwise(offsets)]
        parts = {"boundary": np.arange(offsets[-1]), "outer": edges[0]}
        if len(rings) > 1:
            parts["hole_boundary"] = np.arange(offsets[1], offsets[-1])
        parts |= {f"hole_{i}": hole for i, hole in enumerate(edges[1:])}
        parts |= {tag: position[np.array(numbers, dtype=int)] for tag, numbers in (named or {}).items()}
        return cls(Curves.straight(np.concatenate(corners), np.concatenate(following)), sizes, parts)

    @classmethod
    def disk(cls, center: Sequence[float], radius: float) -> "Outline":
        """The disk, whose boundary is one part."""
        return cls.ellipse(center, (radius, radius))

    @classmethod
    def ellipse(cls, center: Sequence[float], radii: Sequence[float], angle: float = 0.0) -> "Outline":
        """The ellipse with the half axes `radii`, the first of which is turned by `angle` from the x axis."""
        middle, (rx, ry) = np.array(center, np.float64), (float(radius) for radius in radii)
        if middle.shape != (2,) or not np.all(np.isfinite([*middle, rx, ry, angle])) or not (rx > 0 and ry > 0):
            raise JnoValueError(
                f"An ellipse needs a finite center (x, y) and positive radii, got {center}, {radii}, angle {angle}."
            )
        cos, sin = math.cos(angle), math.sin(angle)
        curves = Curves.ellipse(middle, rx * np.array([cos, sin]), ry * np.array([-sin, cos]))
        return cls(curves, (2,), {"boundary": np.arange(2)})

    @property
    def dimension(self) -> int:
        return 2

    @property
    def size(self) -> float:
        """The longer side of the bounding box."""
        low, high = self.bounds()
        return float(np.max(high - low))

    def rings(self) -> list[list[Segment | Arc]]:
        """The pieces of each closed ring in order."""
        views = self.curves.views()
        ends = np.cumsum(self.ring_sizes)
        return [views[end - size : end] for end, size in zip(ends, self.ring_sizes, strict=True)]

    def boundary_tags(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def bounds(self) -> Float[np.ndarray, "2 2"]:
        low, high = self.curves.boxes()
        return np.stack([np.min(low, axis=0), np.max(high, axis=0)])

    def interior_measure(self) -> float:
        return self.curves.area()

    def boundary_measure(self, tag: str) -> float:
        return float(np.sum(arc_length.lengths(self.curves.take(self.parts[tag]))))

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
        return self._sampler.sample(n, rng)

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        part = self.parts[tag]
        lengths = arc_length.lengths(self.curves.take(part))
        piece = part[rng.choice(len(part), size=n, p=lengths / np.sum(lengths))]
        fraction = arc_length.fractions_at(self.curves, piece, rng.random(n))
        return PointDraw(self.curves.points(piece, fraction), self.curves.normals(piece, fraction))

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n 1"]) -> PointDraw:
        """By arc length, one piece after the other."""
        part = self.parts[tag]
        which, share = arc_length.split(arc_length.lengths(self.curves.take(part)), u[:, 0])
        fraction = arc_length.fractions_at(self.curves, part[which], share)
        return PointDraw(self.curves.points(part[which], fraction), self.curves.normals(part[which], fraction))

    def contains(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        within = np.zeros(len(points), bool)
        low, high = self.bounds()
        reach = _TOLERANCE * self.size
        close = np.flatnonzero(np.all((points >= low - reach) & (points <= high + reach), axis=1))
        within[close] = nearest.inside(self.curves, points[close])
        rest = close[~within[close]]
        within[rest] = nearest.distances(self.curves, points[rest]) <= reach
        return within

    def signed_distance(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        distance = nearest.distances(self.curves, points)
        return np.where(nearest.inside(self.curves, points), -distance, distance)

    def moved(self, matrix: Float[np.ndarray, "2 2"], offset: Float[np.ndarray, "2"]) -> "Outline":
        matrix, offset = np.asarray(matrix, np.float64), np.asarray(offset, np.float64)
        stretch = cross(matrix[:, 0], matrix[:, 1])
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(offset)) and stretch != 0):
            raise JnoValueError(f"A region needs a finite motion that does not flatten it, got {matrix} and {offset}.")
        curves = self.curves.moved(matrix, offset)
        if stretch > 0:
            return dataclasses.replace(self, curves=curves)
        # A reflection puts the region on the right: every ring must run the other way round.
        ends = np.cumsum(self.ring_sizes)
        order = np.concatenate(
            [np.arange(end - size, end)[::-1] for end, size in zip(ends, self.ring_sizes, strict=True)]
        )
        place = np.argsort(order)
        parts = {tag: np.sort(place[part]) for tag, part in self.parts.items()}
        return dataclasses.replace(self, curves=curves.reversed().take(order), parts=parts)

    # A final class is its own `Self`, which the checker does not see in the parameter.
    def combined(self, other: "Outline", operation: Operation) -> "Outline":  # pyright: ignore[reportIncompatibleMethodOverride]
        if not isinstance(other, Outline):
            raise JnoTypeError(f"A plane region can be combined with another one only, got {type(other).__name__}.")
        curves, ring_sizes, parts = combined(self.curves, self.parts, other.curves, other.parts, operation)
        return dataclasses.replace(self, curves=curves, ring_sizes=ring_sizes, parts=parts)

    def renamed(self, name: str) -> "Outline":
        return self.with_parts({name: np.arange(len(self.curves))})

    def with_parts(self, parts: Mapping[str, Sequence[int] | Int[np.ndarray, " k"]]) -> "Outline":
        """The same region with other parts, given by the numbers of their pieces, and `"boundary"`."""
        # Twice: `"boundary"` comes first, and cannot be replaced.
        everything = {"boundary": np.arange(len(self.curves))}
        pieces = {tag: np.array(numbers, dtype=int) for tag, numbers in parts.items()}
        return dataclasses.replace(self, parts={**everything, **pieces, **everything})

    def mesh(self, mesh_size: float) -> Mesh:
        return outline_mesh(self.curves, self.ring_sizes, self.parts, mesh_size)

    @functools.cached_property
    def _sampler(self) -> CellSampler:
        return CellSampler(self.bounds(), self.signed_distance, functools.partial(nearest.inside, self.curves))


def _signed_area(ring: Float[np.ndarray, "k 2"]) -> float:
    return Curves.straight(ring, np.roll(ring, -1, axis=0)).area()
