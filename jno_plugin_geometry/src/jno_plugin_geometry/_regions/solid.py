"""Regions of space: swept outlines and their boolean combinations."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, final

import numpy as np
import scipy.stats.qmc
from jaxtyping import Bool, Float

from jno_core import Mesh, PointDraw
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._regions.cells import CellSampler
from jno_plugin_geometry._regions.curves import Curves
from jno_plugin_geometry._regions.extrusion import Extrusion
from jno_plugin_geometry._regions.leaf import AbstractBody, Leaf, Moments
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion, Operation
from jno_plugin_geometry._regions.revolution import AXIS, FULL_TURN, Revolution

# A leaf by its number, or an operation of two trees.
Tree: TypeAlias = "int | tuple[Operation, Tree, Tree]"
T = TypeVar("T")

BOX_SIDES = ("left", "right", "front", "back", "bottom", "top")
_TOLERANCE = 1e-9
# Surfaces nearer than this coincide; where they do, this far off tells their sides apart. Both in units of the size.
_COINCIDENT, _STEP = 1e-10, 1e-6
# Points on each face that tell how much of it is left.
_LOG2_POINTS = 15
# Matrices that differ from a similarity by more are refused.
_SIMILARITY = 1e-10
# How far from the box of a leaf its distance is needed, in units of its size.
_MARGIN = 0.1
# Points that are drawn at once.
_BATCH = 1_000_000


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Solid(AbstractRegion):
    """A boolean combination of leaves.

    Measures are exact without operations, and where no face of a leaf is cut. The area of a cut face comes from a
    quasi-Monte Carlo rule with 32768 points, and the volume from the divergence theorem on all faces; relative errors
    are about 1e-3 of the faces that are cut.
    """

    leaves: tuple[Leaf, ...]
    tree: Tree = 0

    @classmethod
    def extrusion(cls, outline: Outline, z_range: tuple[float, float]) -> "Solid":
        """The outline swept along z, with the parts `bottom`, `top`, `side` and those of the outline.

        A part of the outline that has one of these names becomes `side_NAME`.
        """
        lower, upper = z_range
        if not lower < upper:
            raise JnoValueError(f"z_range must be (lower, upper) with lower < upper, got {z_range!r}.")
        return cls._of(Extrusion(outline, float(lower), float(upper)))

    @classmethod
    def revolution(cls, outline: Outline, angle: float = FULL_TURN) -> "Solid":
        """The outline swept around the z axis; its first coordinate is the distance from the axis, its second is z.

        Parts are those of the outline that do not lie on the axis and, unless the turn is full, the plane ends
        `start` and `end`.
        """
        if not 0 < angle <= FULL_TURN:
            raise JnoValueError(f"angle must be above 0 and at most 2 pi, got {angle!r}.")
        least = float(outline.bounds()[0, 0])
        if least < -AXIS * np.max(np.abs(outline.bounds())):
            raise JnoValueError(
                f"An outline that is revolved must lie where its first coordinate is at least 0; its least is {least:g}. "
                "Translate it, or intersect it with a half plane."
            )
        return cls._of(Revolution(outline, float(angle)))

    @classmethod
    def _of(cls, body: AbstractBody) -> "Solid":
        return cls((Leaf(body, body.parts),))

    @classmethod
    def box(cls, ranges: Sequence[tuple[float, float]], sides: Sequence[str] = BOX_SIDES) -> "Solid":
        """The product of three ranges `(lower, upper)`; `sides` names the lower and upper side across x, y and z."""
        (x0, x1), (y0, y1), z_range = ranges
        rectangle = Outline.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        solid = cls.extrusion(rectangle, z_range)
        left, right, front, back, bottom, top = sides
        faces = {left: 5, right: 3, front: 2, back: 4, bottom: 0, top: 1}
        parts = {"boundary": tuple(range(6))} | {side: (face,) for side, face in faces.items()}
        return cls((dataclasses.replace(solid.leaves[0], parts=parts),))

    @classmethod
    def ball(cls, center: Sequence[float], radius: float) -> "Solid":
        """All points within `radius` of `center`; the boundary is one part."""
        poles = np.array([[0.0, -radius], [0.0, radius]])
        circle, axis = Curves.ellipse(np.zeros(2), poles[0], poles[1, ::-1]), Curves.straight(poles[1:], poles[:1])
        profile = Outline(Curves.joined([circle.take(np.array([0])), axis]), (2,), {"boundary": np.arange(2)})
        return cls.revolution(profile).moved(np.eye(3), np.asarray(center, np.float64))

    @property
    def dimension(self) -> int:
        return 3

    def boundary_tags(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def bounds(self) -> Float[np.ndarray, "2 3"]:
        def combine(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
            if operation == "union":
                return np.stack([np.minimum(a[0], b[0]), np.maximum(a[1], b[1])])
            if operation == "intersection":
                return np.stack([np.maximum(a[0], b[0]), np.minimum(a[1], b[1])])
            return a

        return _fold(self.tree, [leaf.bounds for leaf in self.leaves], combine)

    @functools.cached_property
    def size(self) -> float:
        """The longest side of the bounding box of all leaves."""
        corners = np.array([leaf.bounds for leaf in self.leaves])
        return float(np.max(np.max(corners[:, 1], axis=0) - np.min(corners[:, 0], axis=0)))

    def interior_measure(self) -> float:
        if len(self.leaves) == 1:
            return self.leaves[0].body.volume * self.leaves[0].scale ** 3
        center = np.mean(self.bounds(), axis=0)
        return sum(left.flux - float(center @ left.normal) for left in self._left.values()) / 3

    def boundary_measure(self, tag: str) -> float:
        return sum(self._left[face].area for face in self.parts[tag])

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        if len(self.leaves) == 1:
            return self.leaves[0].placed(self.leaves[0].body.sample_interior(n, rng))
        return self._cells.sample(n, rng)

    @functools.cached_property
    def _cells(self) -> CellSampler:
        def distance(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
            # Most cells are far from most leaves, and soon smaller than these margins.
            leaves = [
                leaf.rough_distance(points, _MARGIN * float(np.max(np.ptp(leaf.bounds, axis=0))))
                for leaf in self.leaves
            ]
            return _fold(self.tree, leaves, _combined_distance)

        return CellSampler(self.bounds(), distance, self.contains)

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        faces = self.parts[tag]
        areas = np.array([self.leaves[leaf].face_moments(face).area for leaf, face in faces])
        acceptance = self.boundary_measure(tag) / np.sum(areas)
        found, missing = [np.empty((0, 2, 3))], n
        while missing > 0:
            draws = min(int(1.1 * missing / acceptance) + 16, _BATCH)
            # Faces take turns at random, so that to stop at `n` points favours none of them.
            chosen = rng.choice(len(faces), size=draws, p=areas / np.sum(areas))
            rows, kept = np.empty((draws, 2, 3)), np.zeros(draws, dtype=bool)
            for i, (leaf, face) in enumerate(faces):
                here = np.flatnonzero(chosen == i)
                points, normals = self.leaves[leaf].face_sample(face, len(here), rng)
                sign = self._facing(leaf, points, normals)
                rows[here] = np.stack([points, normals * sign[:, None]], axis=1)
                kept[here] = sign != 0
            found.append(rows[kept][:missing])
            missing -= len(found[-1])
        points, normals = np.moveaxis(np.concatenate(found), 1, 0)
        return PointDraw(points, normals)

    def contains(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        finite = np.all(np.isfinite(points), axis=1)
        inside = np.zeros(len(points), dtype=bool)
        inside[finite] = self._contains_finite(points[finite])
        return inside

    def _contains_finite(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        tolerance = _TOLERANCE * self.size
        distances = [leaf.rough_distance(points, 2 * tolerance) for leaf in self.leaves]
        distance = _fold(self.tree, distances, _combined_distance)
        inside = distance <= tolerance
        close = np.sum(np.abs(distances) <= tolerance, axis=0)
        # Where surfaces meet, the operation may leave nothing at all: there a point needs inner points beside it.
        doubtful = np.flatnonzero(inside & (distance >= -tolerance) & (close > 1))
        inside[doubtful] = False
        for direction in _DIRECTIONS:
            beside = self.signed_distance(points[doubtful] + _STEP * self.size * direction) < 0
            inside[doubtful[beside]] = True
            doubtful = doubtful[~beside]
            if doubtful.size == 0:
                break
        return inside

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        return _fold(self.tree, [leaf.signed_distance(points) for leaf in self.leaves], _combined_distance)

    def moved(self, matrix: Float[np.ndarray, "3 3"], offset: Float[np.ndarray, " 3"]) -> "Solid":
        matrix, offset = np.asarray(matrix, np.float64), np.asarray(offset, np.float64)
        square = matrix.T @ matrix
        scale = np.trace(square) / 3
        if not (scale > 0 and np.max(np.abs(square - scale * np.eye(3))) <= _SIMILARITY * scale):
            raise JnoValueError(
                "Solids can be rotated, mirrored, translated and scaled by one factor for all directions, but the matrix "
                f"{matrix.tolist()} deforms them. Change the shape of the outline before it is extruded or revolved."
            )
        return Solid(tuple(leaf.moved(matrix, offset) for leaf in self.leaves), self.tree)

    def combined(self, other: "Solid", operation: Operation) -> "Solid":  # pyright: ignore[reportIncompatibleMethodOverride]
        if not isinstance(other, Solid):
            raise JnoTypeError(f"A solid can be combined with another solid only, got {type(other).__name__}.")
        tree = (operation, self.tree, _renumbered(other.tree, len(self.leaves)))
        result = Solid(self.leaves + other.leaves, tree)
        if not result._has_boundary():
            raise JnoValueError(
                f"Nothing is left of the {operation} of solids within {self._extent()} and {other._extent()}."
            )
        return result

    def _extent(self) -> str:
        return " x ".join(f"[{low:.4g}, {high:.4g}]" for low, high in self.bounds().T)

    def renamed(self, name: str) -> "Solid":
        leaves = []
        for leaf in self.leaves:
            faces = tuple(range(len(leaf.body.faces)))
            leaves.append(dataclasses.replace(leaf, parts={"boundary": faces, name: faces}))
        return Solid(tuple(leaves), self.tree)

    def mesh(self, mesh_size: float) -> Mesh:
        from jno_plugin_geometry._regions.solid_mesh import solid_mesh

        return solid_mesh(self, mesh_size)

    @functools.cached_property
    def parts(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """For each part what is left of it: leaves and their faces."""
        parts: dict[str, list[tuple[int, int]]] = {}
        for number, leaf in enumerate(self.leaves):
            for tag, faces in leaf.parts.items():
                parts.setdefault(tag, []).extend((number, face) for face in faces if (number, face) in self._left)
        return {tag: tuple(faces) for tag, faces in parts.items() if faces}

    @functools.cached_property
    def _left(self) -> dict[tuple[int, int], Moments]:
        """The moments of what is left of each face, for faces of which something is left."""
        left = {}
        for number, leaf in enumerate(self.leaves):
            for face in range(len(leaf.body.faces)):
                moments = self._moments_left(number, face)
                if moments.area > 0:
                    left[number, face] = moments
        return left

    def _moments_left(self, number: int, face: int) -> Moments:
        leaf = self.leaves[number]
        if len(self.leaves) == 1:
            return leaf.face_moments(face)
        points, normals, elements, sign = self._probe(number, face, _LOG2_POINTS)
        on_face = elements > 0
        if np.all(sign[on_face] == 1):
            return leaf.face_moments(face)
        if np.all(sign[on_face] == -1):
            return leaf.face_moments(face).turned()
        # The rule's own error of the whole face is known: it is divided out.
        weights = elements * leaf.face_moments(face).area / np.sum(elements)
        return Moments.of_rule(points, normals * sign[:, None], weights * np.abs(sign))

    def _probe(self, number: int, face: int, log2_points: int):
        """Quasi-random points of a face with their normals, area elements and `_facing`."""
        u, v = scipy.stats.qmc.Sobol(2, scramble=False).random_base2(log2_points).T + 0.5 / 2**log2_points
        points, normals, elements = self.leaves[number].face_at(face, u, v)
        return points, normals, elements, self._facing(number, points, normals)

    def _has_boundary(self) -> bool:
        """Whether anything is left of any face."""
        lower, upper = self.bounds()
        if np.any(lower > upper):
            return False
        for log2_points in (6, 10, 14):
            for number, leaf in enumerate(self.leaves):
                for face in range(len(leaf.body.faces)):
                    _, _, elements, sign = self._probe(number, face, log2_points)
                    if np.any((elements > 0) & (sign != 0)):
                        return True
        return False

    def _facing(
        self, owner: int, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, " n"]:
        """For points on the boundary of one leaf 1 where they are on the boundary of the solid, -1 where its outward
        normal is the opposite one, else 0. Where the surfaces of leaves coincide, the first one has the points.
        """
        if len(self.leaves) == 1:
            return np.ones(len(points))
        step = _STEP * self.size * normals
        first = np.ones(len(points), dtype=bool)
        behind, before = [], []
        for number, leaf in enumerate(self.leaves):
            if number == owner:
                behind.append(np.ones(len(points), dtype=bool))
                before.append(np.zeros(len(points), dtype=bool))
                continue
            distance = leaf.rough_distance(points, 2 * _COINCIDENT * self.size)
            behind.append(distance < 0)
            before.append(distance < 0)
            close = np.flatnonzero(np.abs(distance) <= _COINCIDENT * self.size)
            behind[-1][close] = leaf.signed_distance(points[close] - step[close]) < 0
            before[-1][close] = leaf.signed_distance(points[close] + step[close]) < 0
            if number < owner:
                first[close] &= behind[-1][close] == before[-1][close]
        inner, outer = (_fold(self.tree, sides, _combined_insides).astype(int) for sides in (behind, before))
        return np.where(first, inner - outer, 0).astype(float)


def _fold(tree: Tree, values: Sequence[T], combine: Callable[[Operation, T, T], T]) -> T:
    """The value of a tree whose leaves have `values`."""
    if isinstance(tree, int):
        return values[tree]
    operation, a, b = tree
    return combine(operation, _fold(a, values, combine), _fold(b, values, combine))


def _renumbered(tree: Tree, shift: int) -> Tree:
    if isinstance(tree, int):
        return tree + shift
    operation, a, b = tree
    return (operation, _renumbered(a, shift), _renumbered(b, shift))


def _combined_distance(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if operation == "union":
        return np.minimum(a, b)
    return np.maximum(a, b if operation == "intersection" else -b)


def _combined_insides(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if operation == "union":
        return a | b
    return a & (b if operation == "intersection" else ~b)


def _sphere(n: int) -> Float[np.ndarray, "n 3"]:
    """Directions that are spread evenly: a Fibonacci lattice."""
    # In an order that soon looks to all sides.
    i = 89 * np.arange(n) % n
    z = (2 * i + 1) / n - 1
    angle = np.pi * (1 + np.sqrt(5)) * i
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])


_DIRECTIONS = _sphere(200)
