"""Solids swept around the z axis."""

import dataclasses
import functools
import itertools
from typing import final

import numpy as np

from jno_plugin_geometry._regions.curves import Segment
from jno_plugin_geometry._regions.extrusion import support, swept_parts
from jno_plugin_geometry._regions.leaf import (
    RULE,
    AbstractBody,
    AbstractFace,
    AbstractSweptFace,
    Cap,
    Piece,
    along,
    fastest,
    nearest_on,
    outward,
)
from jno_plugin_geometry._regions.nearest import distances, inside
from jno_plugin_geometry._regions.outline import Outline

FULL_TURN = 2 * np.pi
# Pieces as near as this to the axis lie on it, in units of the largest coordinate.
AXIS = 1e-13


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Revolution(AbstractBody):
    """The points `(r cos a, r sin a, z)` with `(r, z)` in an outline and `0 <= a <= angle`."""

    outline: Outline
    angle: float

    @functools.cached_property
    def _swept(self) -> dict[int, int]:
        """For each piece that is not on the axis the number of its face."""
        pieces = itertools.chain.from_iterable(self.outline.rings())
        off_axis = [i for i, piece in enumerate(pieces) if not on_axis(piece)]
        return {piece: face for face, piece in enumerate(off_axis)}

    @property
    def faces(self) -> tuple[AbstractFace, ...]:
        return self._faces

    @functools.cached_property
    def _faces(self) -> tuple[AbstractFace, ...]:
        if self.angle == FULL_TURN:
            return self._swept_faces
        return (*self._swept_faces, self._end(0.0, -1.0), self._end(self.angle, 1.0))

    @functools.cached_property
    def _swept_faces(self) -> tuple["_Swept", ...]:
        pieces = list(itertools.chain.from_iterable(self.outline.rings()))
        return tuple(_Swept(pieces[i], self.angle) for i in self._swept)

    def _end(self, angle: float, sign: float) -> Cap:
        c, s = np.cos(angle), np.sin(angle)
        axes = np.array([[c, 0.0], [s, 0.0], [0.0, 1.0]])
        return Cap(self.outline, np.zeros(3), axes, sign * np.array([-s, c, 0.0]))

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        parts: dict[str, tuple[int, ...]] = {"boundary": tuple(range(len(self.faces)))}
        if self.angle != FULL_TURN:
            parts |= {"start": (len(self._swept),), "end": (len(self._swept) + 1,)}
        return parts | swept_parts(self.outline, self._swept, parts)

    @property
    def volume(self) -> float:
        # The divergence of (x, y, 0) is 2, and the ends are tangential to it.
        return sum(face.radial_flux for face in self._swept_faces) / 2

    def signed_distance(self, points):
        r, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
        # The axis is inside where the points beside it are.
        beside = np.column_stack([np.maximum(r, AXIS * np.max(np.abs(self.outline.bounds()))), z])
        within = inside(self.outline.curves, beside)
        distance = distances(self.outline.curves.take(np.array(list(self._swept))), np.column_stack([r, z]))
        if self.angle == FULL_TURN:
            return np.where(within, -distance, distance)
        between = np.mod(np.arctan2(points[:, 1], points[:, 0]), FULL_TURN) <= self.angle
        # Beyond the ends the nearest point of a swept face is on its edge, which belongs to the ends.
        distance = np.where(between, distance, np.inf)
        for end in (0.0, self.angle):
            c, s = np.cos(end), np.sin(end)
            flat = np.column_stack([points[:, 0] * c + points[:, 1] * s, z])
            off_plane = points[:, 1] * c - points[:, 0] * s
            distance = np.minimum(distance, np.hypot(np.maximum(self.outline.signed_distance(flat), 0), off_plane))
        return np.where(between & within, -distance, distance)

    def support(self, direction):
        across = float(np.hypot(direction[0], direction[1]))
        toward = np.mod(np.arctan2(direction[1], direction[0]), FULL_TURN)
        if toward > self.angle:
            across *= float(np.max(np.cos(toward - np.array([0.0, self.angle]))))
        return support(self.outline, np.array([across, direction[2]]))

    def sample_interior(self, n, rng):
        widest = self.outline.bounds()[1, 0]
        found, missing = [np.empty((0, 2))], n
        while missing > 0:
            flat = self.outline.sample_interior(3 * missing + 16, rng)
            # The density of points of space is proportional to their distance from the axis.
            kept = flat[rng.random(len(flat)) * widest < flat[:, 0]][:missing]
            found.append(kept)
            missing -= len(kept)
        return turned(np.concatenate(found), rng.uniform(0, self.angle, n))


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Swept(AbstractSweptFace):
    """A piece of an outline swept around the z axis."""

    piece: Piece
    angle: float

    @property
    def densest(self) -> float:
        return fastest(self.piece) * self.angle * _reach(self.piece)

    @property
    def radial_flux(self) -> float:
        """The integral of `x . n` without the third coordinates."""
        nodes, weights = RULE
        points, tangents = along(self.piece, nodes)
        return self.angle * float(weights @ (points[:, 0] ** 2 * tangents[:, 1]))

    def at(self, u, v):
        points, tangents = along(self.piece, u)
        normals, lengths = outward(tangents)
        angles = v * self.angle
        elements = lengths * self.angle * np.maximum(points[:, 0], 0)
        return turned(points, angles), turned(normals, angles), elements

    def nearest(self, points):
        angles = np.mod(np.arctan2(points[:, 1], points[:, 0]), FULL_TURN)
        gap = FULL_TURN - self.angle
        # The end that is nearer, for points beside the swept range.
        angles = np.where(angles > self.angle, np.where(angles > self.angle + gap / 2, 0.0, self.angle), angles)
        c, s = np.cos(angles), np.sin(angles)
        flat = np.column_stack([points[:, 0] * c + points[:, 1] * s, points[:, 2]])
        return turned(nearest_on(self.piece, flat), angles)


def turned(flat, angles):
    """Points or vectors `(r, z)` turned around the z axis by `angles`."""
    return np.column_stack([flat[:, 0] * np.cos(angles), flat[:, 0] * np.sin(angles), flat[:, 1]])


def on_axis(piece: Piece) -> bool:
    """Whether a piece lies on the z axis."""
    if not isinstance(piece, Segment):
        return False
    ends = np.stack([piece.start, piece.end])
    return bool(np.all(ends[:, 0] <= AXIS * np.max(np.abs(ends))))


def _reach(piece: Piece) -> float:
    """An upper bound of the distances from the axis."""
    if isinstance(piece, Segment):
        return float(max(piece.start[0], piece.end[0]))
    return float(piece.center[0] + np.hypot(piece.first[0], piece.second[0]))
