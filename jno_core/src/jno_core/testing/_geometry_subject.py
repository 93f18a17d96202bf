"""A geometry under test with what several checks need to know of it."""

import functools
import math
from collections.abc import Collection
from typing import final

import numpy as np
import pytest
from jaxtyping import Bool, Float, Int

from jno_core._interfaces import AbstractDistance, AbstractGeometry, Mesh
from jno_core.testing._uniformity import simplex_samples

SAMPLES = 5000
SHIFT = 1e-6
"""How far points are moved to see whether they leave, relative to the size of the region."""

_TRIALS = 40_000
_STRAIGHT = 1e-9
"""Relative error allowed where the mesh covers the region exactly."""


@final
class GeometrySubject:
    """What checks find out about a geometry, each thing once.

    - `inner`: the boundary tags that do not bound the geometry as a whole.
    - `curved`: the relative error allowed of a mesh that approximates the boundary.
    """

    def __init__(self, geometry: AbstractGeometry, inner: Collection[str], curved: float) -> None:
        self.geometry = geometry
        self.inner = inner
        self.curved = curved

    @functools.cached_property
    def size(self) -> float:
        """The largest extent."""
        return float(np.ptp(self.points("interior"), axis=0).max())

    @property
    def shift(self) -> float:
        """A step that leaves the region from its boundary, and is nothing beside its size."""
        return SHIFT * self.size

    def points(self, tag: str, seed: int = 0, n: int = SAMPLES) -> Float[np.ndarray, "n d"]:
        """Samples from a fresh generator."""
        return self.geometry.sample(tag, n, np.random.default_rng(seed)).points

    def outer_tags(self) -> list[str]:
        """The parts of the boundary of the geometry as a whole."""
        tags = self.geometry.tags().items()
        return [tag for tag, kind in tags if kind == "boundary" and tag not in self.inner]

    @functools.cached_property
    def box(self) -> Float[np.ndarray, "2 d"]:
        """A box around the region, a little larger."""
        if isinstance(self.geometry, AbstractDistance):
            low, high = self.geometry.bounds()
        else:
            points = np.concatenate([self.points(tag) for tag in ("interior", *self.outer_tags())])
            low, high = points.min(axis=0), points.max(axis=0)
        margin = 0.02 * (high - low)
        return np.stack([low - margin, high + margin])

    @functools.cached_property
    def trials(self) -> tuple[Float[np.ndarray, "m d"], Bool[np.ndarray, " m"]]:
        """Uniform points of the box, and which lie in the region."""
        points = np.random.default_rng(7).uniform(self.box[0], self.box[1], (_TRIALS, self.geometry.dimension))
        return points, self.geometry.contains(points)

    @functools.cached_property
    def monte_carlo_measure(self) -> tuple[float, float]:
        """The measure of the region by counting, and six standard errors of it."""
        share = float(self.trials[1].mean())
        volume = float(np.prod(self.box[1] - self.box[0]))
        return share * volume, 6 * math.sqrt((share * (1 - share) + 1 / _TRIALS) / _TRIALS) * volume

    @functools.cached_property
    def mesh_or_none(self) -> Mesh | None:
        return self.geometry.mesh()

    @property
    def mesh(self) -> Mesh:
        """The mesh; skips if there is none."""
        if self.mesh_or_none is None:
            pytest.skip("declared to have no mesh")
        return self.mesh_or_none

    def meshed_tags(self) -> list[tuple[str, str]]:
        """The tags that the mesh has, too, of the same kinds; `test_mesh_tags` reports the others."""
        present = {"interior": {"interior", *self.mesh.regions}, "boundary": set(self.mesh.facets)}
        return [(tag, kind) for tag, kind in self.geometry.tags().items() if tag in present.get(kind, ())]

    def simplices(self, tag: str, kind: str) -> tuple[Float[np.ndarray, "m k d"], Float[np.ndarray, " m"]]:
        """The corners and measures of what the mesh has of a tag."""
        mesh = self.mesh
        if kind == "boundary":
            return mesh.points[mesh.facets[tag]], mesh.facet_measures(tag)
        chosen = mesh.cells_of(tag)
        return mesh.points[mesh.cells[chosen]], mesh.cell_measures()[chosen]

    @functools.cached_property
    def mesh_error(self) -> float:
        """Whether the middles of all facets are on the boundary tells whether the mesh covers the region exactly."""
        middles = self.mesh.points[self.mesh.facets["boundary"]].mean(axis=1)
        moved = middles + self.shift * self.mesh.facet_normals("boundary")
        straight = np.all(self.geometry.contains(middles)) and not np.any(self.geometry.contains(moved))
        return _STRAIGHT if straight else self.curved


def reference_samples(subject: GeometrySubject, tag: str, kind: str) -> Float[np.ndarray, "m d"] | None:
    """Uniform points of a part that the geometry did not draw: by rejection, or from the mesh; `None` without either."""
    if tag == "interior":
        points, inside = subject.trials
        return points[inside]
    if subject.mesh_or_none is None or (tag, kind) not in subject.meshed_tags():
        return None
    return simplex_samples(*subject.simplices(tag, kind), 20_000, np.random.default_rng(11))


def stays_inside(geometry: AbstractGeometry, points: Float[np.ndarray, "n d"], step: float) -> Int[np.ndarray, " k"]:
    """The indices of points around which the region is, in every direction, at the distance `step`."""
    left = np.arange(len(points))
    for direction in _directions(points.shape[1]):
        if not len(left):
            break
        left = left[geometry.contains(points[left] + step * direction)]
    return left


def _directions(dimension: int) -> Float[np.ndarray, "k d"]:
    """Unit vectors all around; the axes come first, as most points leave along one of them."""
    axes = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    around = np.random.default_rng(3).normal(size=(0 if dimension == 1 else 40 * dimension, dimension))
    return np.concatenate([axes, around / np.linalg.norm(around, axis=1, keepdims=True)])
