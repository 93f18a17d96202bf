"""Solids that are swept from an outline, moved by a similarity, and the faces that bound them."""

import abc
import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float

from jno_plugin_geometry._regions.curves import Arc, Segment
from jno_plugin_geometry._regions.outline import Outline

Piece: TypeAlias = Segment | Arc

# Gauss-Legendre points on equal parts of the unit interval: exact to rounding along segments and circular arcs.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PARTS = 8
RULE = (np.arange(_PARTS)[:, None] + (1 + _NODES) / 2).ravel() / _PARTS, np.tile(_WEIGHTS, _PARTS) / (2 * _PARTS)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Of a surface with outward normal `n`: its area, the integral of `n` and the integral of `x . n`."""

    area: float
    normal: Float[np.ndarray, " 3"]
    flux: float

    @classmethod
    def of_rule(
        cls, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], weights: Float[np.ndarray, " n"]
    ) -> "Moments":
        return cls(float(np.sum(weights)), weights @ normals, float(weights @ np.sum(points * normals, axis=1)))

    def moved(self, matrix: Float[np.ndarray, "3 3"], offset: Float[np.ndarray, " 3"], scale: float) -> "Moments":
        normal = matrix @ self.normal * scale
        return Moments(self.area * scale**2, normal, self.flux * scale**3 + float(offset @ normal))

    def turned(self) -> "Moments":
        return Moments(self.area, -self.normal, -self.flux)


class AbstractFace(abc.ABC):
    """A smooth part of the boundary of a solid, in the coordinates of its leaf."""

    @abc.abstractmethod
    def at(
        self, u: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
        """Points, outward unit normals and area elements of a map of the unit square onto the face.

        Where the area element is zero, the point is not on the face.
        """

    @abc.abstractmethod
    def nearest(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The nearest point of the face for points close to it; farther off any point of the face that is near."""

    @property
    @abc.abstractmethod
    def moments(self) -> Moments:
        """Area and fluxes, to rounding on faces from segments and circular arcs."""

    @property
    @abc.abstractmethod
    def densest(self) -> float:
        """An upper bound of the area elements of `at`."""

    @abc.abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
        """`n` independent uniform points of the face and the outward unit normals there."""


class AbstractSweptFace(AbstractFace):
    """A face that is swept by a piece of an outline, measured and sampled by its map of the unit square."""

    @property
    def moments(self) -> Moments:
        return self._moments

    @functools.cached_property
    def _moments(self) -> Moments:
        nodes, weights = RULE
        u, v = (axis.ravel() for axis in np.meshgrid(nodes, nodes, indexing="ij"))
        points, normals, elements = self.at(u, v)
        return Moments.of_rule(points, normals, elements * np.outer(weights, weights).ravel())

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
        found: list[tuple[np.ndarray, np.ndarray]] = [(np.empty((0, 3)), np.empty((0, 3)))]
        missing = n
        while missing > 0:
            draws = int(1.1 * missing * self.densest / self.moments.area) + 16
            points, normals, elements = self.at(*rng.random((2, draws)))
            kept = np.flatnonzero(rng.random(draws) * self.densest < elements)[:missing]
            found.append((points[kept], normals[kept]))
            missing -= len(kept)
        points, normals = zip(*found, strict=True)
        return np.concatenate(points), np.concatenate(normals)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Cap(AbstractFace):
    """An outline laid flat into space: `origin + axes @ (p, q)`."""

    outline: Outline
    origin: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 2"]
    normal: Float[np.ndarray, " 3"]

    @functools.cached_property
    def _bounds(self) -> Float[np.ndarray, "2 2"]:
        return self.outline.bounds()

    @property
    def moments(self) -> Moments:
        area = self.outline.interior_measure()
        return Moments(area, area * self.normal, area * float(self.origin @ self.normal))

    @property
    def densest(self) -> float:
        return float(np.prod(np.ptp(self._bounds, axis=0)))

    def at(self, u, v):
        flat = self._bounds[0] + np.stack([u, v], axis=1) * np.ptp(self._bounds, axis=0)
        elements = np.where(self.outline.signed_distance(flat) < 0, self.densest, 0.0)
        return self._laid(flat), np.broadcast_to(self.normal, (len(flat), 3)), elements

    def sample(self, n, rng):
        return self._laid(self.outline.sample_interior(n, rng)), np.tile(self.normal, (n, 1))

    def nearest(self, points):
        flat = (points - self.origin) @ self.axes
        outside = np.flatnonzero(self.outline.signed_distance(flat) > 0)
        best = np.full(len(outside), np.inf)
        found = flat[outside]
        for piece in itertools.chain.from_iterable(self.outline.rings()):
            candidates = nearest_on(piece, flat[outside])
            distances = np.linalg.norm(candidates - flat[outside], axis=1)
            found = np.where((distances < best)[:, None], candidates, found)
            best = np.minimum(distances, best)
        flat[outside] = found
        return self._laid(flat)

    def _laid(self, flat: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
        return self.origin + flat @ self.axes.T


class AbstractBody(abc.ABC):
    """A solid swept from an outline along or around the z axis."""

    @property
    @abc.abstractmethod
    def faces(self) -> Sequence[AbstractFace]:
        """The whole boundary, without overlaps."""

    @property
    @abc.abstractmethod
    def parts(self) -> Mapping[str, Sequence[int]]:
        """For each named part of the boundary the numbers of its faces; `"boundary"` has all of them."""

    @property
    @abc.abstractmethod
    def volume(self) -> float: ...

    @abc.abstractmethod
    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Exact."""

    @abc.abstractmethod
    def support(self, direction: Float[np.ndarray, " 3"]) -> float:
        """The largest `direction . x` of all points `x` of the solid."""

    @abc.abstractmethod
    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        """`n` independent uniform points of the solid."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Leaf:
    """A body under the similarity `x -> matrix @ x + offset`."""

    body: AbstractBody
    parts: Mapping[str, Sequence[int]]
    matrix: Float[np.ndarray, "3 3"] = dataclasses.field(default_factory=lambda: np.eye(3))
    offset: Float[np.ndarray, " 3"] = dataclasses.field(default_factory=lambda: np.zeros(3))

    @functools.cached_property
    def scale(self) -> float:
        """How many times longer lengths become."""
        return float(np.linalg.norm(self.matrix[:, 0]))

    @functools.cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """The tightest bounding box."""
        upper = [self.body.support(row) for row in self.matrix]
        lower = [-self.body.support(-row) for row in self.matrix]
        return np.array([lower, upper]) + self.offset

    def moved(self, matrix: Float[np.ndarray, "3 3"], offset: Float[np.ndarray, " 3"]) -> "Leaf":
        return dataclasses.replace(self, matrix=matrix @ self.matrix, offset=matrix @ self.offset + offset)

    def placed(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """From the coordinates of the body to those of space."""
        return points @ self.matrix.T + self.offset

    def turned(self, normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Unit vectors of the body in space."""
        return normals @ self.matrix.T / self.scale

    def local(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """From the coordinates of space to those of the body."""
        return (points - self.offset) @ self.matrix / self.scale**2

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        return self.scale * self.body.signed_distance(self.local(points))

    def rough_distance(self, points: Float[np.ndarray, "n 3"], margin: float) -> Float[np.ndarray, " n"]:
        """The signed distance within `margin` of the bounding box; farther off only that from the box, a bound."""
        # One coordinate after the other: NumPy is slow along axes of length 3.
        square = np.zeros(len(points))
        for x, lower, upper in zip(points.T, *self.bounds, strict=True):
            square += np.maximum(np.maximum(lower - x, x - upper), 0) ** 2
        distance = np.sqrt(square)
        near = np.flatnonzero(distance <= margin)
        distance[near] = self.signed_distance(points[near])
        return distance

    def face_at(self, face: int, u: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]):
        """`AbstractFace.at` in space."""
        points, normals, elements = self.body.faces[face].at(u, v)
        return self.placed(points), self.turned(normals), elements * self.scale**2

    def face_sample(self, face: int, n: int, rng: np.random.Generator):
        """`AbstractFace.sample` in space."""
        points, normals = self.body.faces[face].sample(n, rng)
        return self.placed(points), self.turned(normals)

    def face_densest(self, face: int) -> float:
        """`AbstractFace.densest` in space."""
        return self.body.faces[face].densest * self.scale**2

    def face_moments(self, face: int) -> Moments:
        return self.body.faces[face].moments.moved(self.matrix, self.offset, self.scale)

    def face_nearest(self, face: int, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """`AbstractFace.nearest` in space."""
        return self.placed(self.body.faces[face].nearest(self.local(points)))


def along(piece: Piece, u: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """Points of a piece for parameters from 0 to 1, and the derivatives there."""
    if isinstance(piece, Segment):
        step = np.subtract(piece.end, piece.start)
        return piece.start + u[:, None] * step, np.broadcast_to(step, (len(u), 2))
    turn = piece.end - piece.begin
    angle = (piece.begin + u * turn)[:, None]
    first, second = np.asarray(piece.first), np.asarray(piece.second)
    points = piece.center + first * np.cos(angle) + second * np.sin(angle)
    return points, turn * (second * np.cos(angle) - first * np.sin(angle))


def fastest(piece: Piece) -> float:
    """An upper bound of the length of the derivatives of `along`; attained on segments and circular arcs."""
    if isinstance(piece, Segment):
        return float(np.linalg.norm(np.subtract(piece.end, piece.start)))
    return float(abs(piece.end - piece.begin) * np.linalg.norm(np.stack([piece.first, piece.second]), ord=2))


def nearest_on(piece: Piece, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """The nearest point of a piece, for points that are close to it."""
    if isinstance(piece, Segment):
        start, step = np.asarray(piece.start), np.subtract(piece.end, piece.start)
        return start + np.clip((points - start) @ step / (step @ step), 0, 1)[:, None] * step
    u = np.linspace(0, 1, 65)
    there, _ = along(piece, u)
    u = u[np.argmin(np.sum((points[:, None] - there) ** 2, axis=2), axis=1)]
    # Gauss-Newton converges fast where the distance is small beside the radius of curvature.
    for _ in range(8):
        there, tangent = along(piece, u)
        u = np.clip(u + np.sum((points - there) * tangent, axis=1) / np.sum(tangent**2, axis=1), 0, 1)
    return along(piece, u)[0]


def outward(tangents: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Unit normals to the right of tangents, and the lengths of the tangents."""
    lengths = np.linalg.norm(tangents, axis=1)
    return np.stack([tangents[:, 1], -tangents[:, 0]], axis=1) / lengths[:, None], lengths
