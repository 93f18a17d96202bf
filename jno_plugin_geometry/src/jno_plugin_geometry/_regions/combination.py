"""Boolean combinations of leaves: which points they have, and how far off they are."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, final

import numpy as np
from jaxtyping import Bool, Float

from jno_plugin_geometry._regions.cells import CellSampler
from jno_plugin_geometry._regions.leaf import Leaf
from jno_plugin_geometry._regions.region import Operation

# A leaf by its number, or an operation of two trees.
Tree: TypeAlias = "int | tuple[Operation, Tree, Tree]"
T = TypeVar("T")

# Where surfaces coincide, this far off tells their sides apart, in units of the size.
STEP = 1e-6
_TOLERANCE = 1e-9
# How far from the box of a leaf its distance is needed, in units of its size.
_MARGIN = 0.1


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Combination:
    """The points of a tree of leaves."""

    leaves: tuple[Leaf, ...]
    tree: Tree

    @functools.cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """A bounding box, the tightest one of a single leaf."""
        return fold(self.tree, [leaf.bounds for leaf in self.leaves], _combined_bounds)

    @functools.cached_property
    def size(self) -> float:
        """The longest side of the bounding box of all leaves."""
        corners = np.array([leaf.bounds for leaf in self.leaves])
        return float(np.max(np.max(corners[:, 1], axis=0) - np.min(corners[:, 0], axis=0)))

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Of the right sign, and never above the distance in magnitude; exact for a single leaf."""
        return fold(self.tree, [leaf.signed_distance(points) for leaf in self.leaves], _combined_distance)

    def contains(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        finite = np.all(np.isfinite(points), axis=1)
        inside = np.zeros(len(points), dtype=bool)
        inside[finite] = self._contains_finite(points[finite])
        return inside

    def _contains_finite(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        tolerance = _TOLERANCE * self.size
        distances = [leaf.rough_distance(points, 2 * tolerance) for leaf in self.leaves]
        distance = fold(self.tree, distances, _combined_distance)
        inside = distance <= tolerance
        close = np.sum(np.abs(distances) <= tolerance, axis=0)
        # Where surfaces meet, the operation may leave nothing at all: there a point needs inner points beside it.
        doubtful = np.flatnonzero(inside & (distance >= -tolerance) & (close > 1))
        inside[doubtful] = False
        for direction in _DIRECTIONS:
            beside = self.signed_distance(points[doubtful] + STEP * self.size * direction) < 0
            inside[doubtful[beside]] = True
            doubtful = doubtful[~beside]
            if doubtful.size == 0:
                break
        return inside

    def sample(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        """`n` independent uniform points."""
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
            return fold(self.tree, leaves, _combined_distance)

        return CellSampler(self.bounds, distance, self.contains)


def fold(tree: Tree, values: Sequence[T], combine: Callable[[Operation, T, T], T]) -> T:
    """The value of a tree whose leaves have `values`."""
    if isinstance(tree, int):
        return values[tree]
    operation, a, b = tree
    return combine(operation, fold(a, values, combine), fold(b, values, combine))


def renumbered(tree: Tree, shift: int) -> Tree:
    """The tree of leaves that come after `shift` others."""
    if isinstance(tree, int):
        return tree + shift
    operation, a, b = tree
    return (operation, renumbered(a, shift), renumbered(b, shift))


def _combined_bounds(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if operation == "union":
        return np.stack([np.minimum(a[0], b[0]), np.maximum(a[1], b[1])])
    if operation == "intersection":
        return np.stack([np.maximum(a[0], b[0]), np.minimum(a[1], b[1])])
    return a


def _combined_distance(operation: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if operation == "union":
        return np.minimum(a, b)
    return np.maximum(a, b if operation == "intersection" else -b)


def _sphere(n: int) -> Float[np.ndarray, "n 3"]:
    """Directions that are spread evenly: a Fibonacci lattice."""
    # In an order that soon looks to all sides.
    i = 89 * np.arange(n) % n
    z = (2 * i + 1) / n - 1
    angle = np.pi * (1 + np.sqrt(5)) * i
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])


_DIRECTIONS = _sphere(200)
