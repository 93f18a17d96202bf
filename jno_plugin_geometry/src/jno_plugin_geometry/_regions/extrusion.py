"""Solids swept along the z axis."""

import dataclasses
import functools
import itertools
from typing import final

import numpy as np

from jno_plugin_geometry._regions.leaf import (
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
from jno_plugin_geometry._regions.outline import Outline


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Extrusion(AbstractBody):
    """The points `(x, y, z)` with `(x, y)` in an outline and `lower <= z <= upper`."""

    outline: Outline
    lower: float
    upper: float

    @property
    def faces(self) -> tuple[AbstractFace, ...]:
        return self._faces

    @functools.cached_property
    def _faces(self) -> tuple[AbstractFace, ...]:
        axes, up = np.eye(3, 2), np.array([0.0, 0.0, 1.0])
        pieces = itertools.chain.from_iterable(self.outline.rings())
        return (
            Cap(self.outline, self.lower * up, axes, -up),
            Cap(self.outline, self.upper * up, axes, up),
            *(_Wall(piece, self.lower, self.upper) for piece in pieces),
        )

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        side = range(2, len(self.faces))
        parts = {"boundary": (0, 1, *side), "bottom": (0,), "top": (1,), "side": tuple(side)}
        return parts | swept_parts(self.outline, {piece: piece + 2 for piece in range(len(side))}, parts)

    @property
    def volume(self) -> float:
        return self.outline.interior_measure() * (self.upper - self.lower)

    def signed_distance(self, points):
        across = self.outline.signed_distance(points[:, :2])
        beyond = np.maximum(self.lower - points[:, 2], points[:, 2] - self.upper)
        return np.minimum(np.maximum(across, beyond), 0) + np.hypot(np.maximum(across, 0), np.maximum(beyond, 0))

    def support(self, direction):
        return support(self.outline, direction[:2]) + max(self.lower * direction[2], self.upper * direction[2])

    def sample_interior(self, n, rng):
        return np.column_stack([self.outline.sample_interior(n, rng), rng.uniform(self.lower, self.upper, n)])


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Wall(AbstractSweptFace):
    """A piece of an outline swept along the z axis."""

    piece: Piece
    lower: float
    upper: float

    @property
    def densest(self) -> float:
        return fastest(self.piece) * (self.upper - self.lower)

    def at(self, u, v):
        points, tangents = along(self.piece, u)
        normals, lengths = outward(tangents)
        height = self.upper - self.lower
        return (
            np.column_stack([points, self.lower + v * height]),
            np.column_stack([normals, np.zeros(len(u))]),
            lengths * height,
        )

    def nearest(self, points):
        return np.column_stack([nearest_on(self.piece, points[:, :2]), np.clip(points[:, 2], self.lower, self.upper)])


def swept_parts(
    outline: Outline, faces: dict[int, int], taken: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The parts of a solid from those of its outline, whose piece `i` sweeps the face `faces[i]`.

    A name that the solid itself uses gets the prefix `side_`.
    """
    parts = {}
    for tag in outline.boundary_tags():
        swept = tuple(faces[piece] for piece in outline.parts[tag] if piece in faces)
        if tag != "boundary" and swept:
            parts[f"side_{tag}" if tag in taken else tag] = swept
    return parts


def support(outline: Outline, direction) -> float:
    """The largest `direction . x` of all points `x` of an outline."""
    if not np.any(direction):
        return 0.0
    # Rounding may leave directions whose squares underflow; a power of two changes no digit.
    _, exponent = np.frexp(np.max(np.abs(direction)))
    p, q = np.ldexp(direction, -exponent)
    # The image under this map has the products as its first coordinates.
    return float(np.ldexp(outline.moved(np.array([[p, q], [-q, p]]), np.zeros(2)).bounds()[1, 0], exponent))
