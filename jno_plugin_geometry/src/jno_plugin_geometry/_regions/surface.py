"""What a combination leaves of the faces of its leaves."""

import dataclasses
import functools
from typing import final

import numpy as np
from jaxtyping import Float

from jno_core import PointDraw
from jno_plugin_geometry._regions.arc_length import split
from jno_plugin_geometry._regions.combination import STEP, Combination, fold
from jno_plugin_geometry._regions.leaf import Moments
from jno_plugin_geometry._regions.region import Operation

# Surfaces nearer than this coincide, in units of the size.
_COINCIDENT = 1e-10
# Points on each face that tell how much of it is left.
_LOG2_POINTS = 15
# Points that are drawn at once.
_BATCH = 1_000_000


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """The boundary of a combination, in faces that are given by a leaf and the number of its face."""

    whole: Combination

    @functools.cached_property
    def parts(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """For each part the faces of which something is left."""
        parts: dict[str, list[tuple[int, int]]] = {}
        for number, leaf in enumerate(self.whole.leaves):
            for tag, faces in leaf.parts.items():
                parts.setdefault(tag, []).extend((number, face) for face in faces if (number, face) in self._left)
        return {tag: tuple(faces) for tag, faces in parts.items() if faces}

    def volume(self) -> float:
        """The volume that the surface encloses."""
        leaves = self.whole.leaves
        if len(leaves) == 1:
            return leaves[0].body.volume * leaves[0].scale ** 3
        center = np.mean(self.whole.bounds, axis=0)
        return sum(left.flux - float(center @ left.normal) for left in self._left.values()) / 3

    def area(self, tag: str) -> float:
        """The area of a part."""
        return sum(self._left[face].area for face in self.parts[tag])

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        """`n` independent uniform points of a part with the outward unit normals there."""
        faces, leaves = self.parts[tag], self.whole.leaves
        areas = np.array([leaves[leaf].face_moments(face).area for leaf, face in faces])
        acceptance = self.area(tag) / np.sum(areas)
        found, missing = [np.empty((0, 2, 3))], n
        while missing > 0:
            draws = min(int(1.1 * missing / acceptance) + 16, _BATCH)
            # Faces take turns at random, so that to stop at `n` points favours none of them.
            chosen = rng.choice(len(faces), size=draws, p=areas / np.sum(areas))
            rows, kept = np.empty((draws, 2, 3)), np.zeros(draws, dtype=bool)
            for i, (leaf, face) in enumerate(faces):
                here = np.flatnonzero(chosen == i)
                points, normals = leaves[leaf].face_sample(face, len(here), rng)
                sign = self._facing(leaf, points, normals)
                rows[here] = np.stack([points, normals * sign[:, None]], axis=1)
                kept[here] = sign != 0
            found.append(rows[kept][:missing])
            missing -= len(found[-1])
        points, normals = np.moveaxis(np.concatenate(found), 1, 0)
        return PointDraw(points, normals)

    def at(self, tag: str, u: Float[np.ndarray, "n 3"]) -> PointDraw:
        """The points of a part at those of the unit cube that have one; uniform ones at uniform ones.

        The first coordinate chooses a face, and with the second a point there; the third leaves points out where they would
        be too many.
        """
        faces, leaves = self.parts[tag], self.whole.leaves
        densest = np.array([leaves[leaf].face_densest(face) for leaf, face in faces])
        which, first = split(densest, u[:, 0])
        rows, kept = np.empty((len(u), 2, 3)), np.zeros(len(u), dtype=bool)
        for i, (leaf, face) in enumerate(faces):
            here = np.flatnonzero(which == i)
            points, normals, elements = leaves[leaf].face_at(face, first[here], u[here, 1])
            sign = self._facing(leaf, points, normals)
            rows[here] = np.stack([points, normals * sign[:, None]], axis=1)
            kept[here] = (sign != 0) & (u[here, 2] * densest[i] < elements)
        points, normals = np.moveaxis(rows[kept], 1, 0)
        return PointDraw(points, normals)

    def is_empty(self) -> bool:
        """Whether nothing is left of any face."""
        lower, upper = self.whole.bounds
        if np.any(lower > upper):
            return True
        for log2_points in (6, 10, 14):
            for number, leaf in enumerate(self.whole.leaves):
                for face in range(len(leaf.body.faces)):
                    _, _, elements, sign = self._probe(number, face, log2_points)
                    if np.any((elements > 0) & (sign != 0)):
                        return False
        return True

    @functools.cached_property
    def _left(self) -> dict[tuple[int, int], Moments]:
        """The moments of what is left of each face, for faces of which something is left."""
        left = {}
        for number, leaf in enumerate(self.whole.leaves):
            for face in range(len(leaf.body.faces)):
                moments = self._moments_left(number, face)
                if moments.area > 0:
                    left[number, face] = moments
        return left

    def _moments_left(self, number: int, face: int) -> Moments:
        leaf = self.whole.leaves[number]
        if len(self.whole.leaves) == 1:
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
        u, v = sobol(log2_points).T + 0.5 / 2**log2_points
        points, normals, elements = self.whole.leaves[number].face_at(face, u, v)
        return points, normals, elements, self._facing(number, points, normals)

    def _facing(
        self, owner: int, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, " n"]:
        """For points on the boundary of one leaf 1 where they are on the boundary of the solid, -1 where its outward
        normal is the opposite one, else 0. Where the surfaces of leaves coincide, the first one has the points.
        """
        leaves, size = self.whole.leaves, self.whole.size
        if len(leaves) == 1:
            return np.ones(len(points))
        step = STEP * size * normals
        first = np.ones(len(points), dtype=bool)
        behind, before = [], []
        for number, leaf in enumerate(leaves):
            if number == owner:
                behind.append(np.ones(len(points), dtype=bool))
                before.append(np.zeros(len(points), dtype=bool))
                continue
            distance = leaf.rough_distance(points, 2 * _COINCIDENT * size)
            behind.append(distance < 0)
            before.append(distance < 0)
            close = np.flatnonzero(np.abs(distance) <= _COINCIDENT * size)
            behind[-1][close] = leaf.signed_distance(points[close] - step[close]) < 0
            before[-1][close] = leaf.signed_distance(points[close] + step[close]) < 0
            if number < owner:
                first[close] &= behind[-1][close] == before[-1][close]
        inner, outer = (fold(self.whole.tree, sides, _combined_insides).astype(int) for sides in (behind, before))
        return np.where(first, inner - outer, 0).astype(float)


def _combined_insides(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if operation == "union":
        return a | b
    return a & (b if operation == "intersection" else ~b)


def sobol(log2_points: int) -> Float[np.ndarray, "n 2"]:
    """The first `2**log2_points` points of the plane Sobol sequence, in the order of the Gray code."""
    index = np.arange(2**log2_points)
    gray = index ^ (index >> 1)
    # Numerators; the directions of the second coordinate are the rows of Pascal's triangle modulo 2.
    u, v, row = np.zeros_like(index), np.zeros_like(index), 1
    for bit in range(log2_points):
        chosen = (gray >> bit & 1) << (log2_points - 1 - bit)
        u ^= chosen
        v ^= chosen * row
        row ^= 2 * row
    return np.stack([u, v], axis=1) / 2**log2_points
