"""A sound geometry."""

import dataclasses
import math
from typing import final

import numpy as np

from jno_core import AbstractGeometry, Mesh, PointDraw
from jno_core.errors import JnoKeyError, JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class Rectangle(AbstractGeometry):
    """The rectangle from the origin to `(width, height)`, in triangles around its centre."""

    width: float = 2.0
    height: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if not (math.isfinite(value) and value > 0):
                raise JnoValueError(f"{name} must be positive and finite, got {value!r}.")

    @property
    def dimension(self) -> int:
        return 2

    def tags(self):
        return {"interior": "interior", "boundary": "boundary", "bottom": "boundary"}

    def mesh(self):
        corners = self._corners()
        points = np.concatenate([corners, corners.mean(axis=0, keepdims=True)])
        sides = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
        cells = np.concatenate([sides, np.full((4, 1), 4)], axis=1)
        return Mesh(points, cells, {"boundary": sides, "bottom": sides[:1]})

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        self._check(tag)
        if tag == "interior":
            return PointDraw(rng.random((n, 2)) * [self.width, self.height])
        lengths = np.array([self.width, self.height] * 2)
        sides = np.zeros(n, dtype=int) if tag == "bottom" else rng.choice(4, n, p=lengths / lengths.sum())
        start = self._corners()[sides]
        end = self._corners()[(sides + 1) % 4]
        normals = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])[sides]
        return PointDraw(start + rng.random((n, 1)) * (end - start), normals)

    def contains(self, points):
        tolerance = 1e-9 * max(self.width, self.height)
        return np.all((points >= -tolerance) & (points <= np.array([self.width, self.height]) + tolerance), axis=1)

    def measure(self, tag: str) -> float:
        self._check(tag)
        sizes = {"interior": self.width * self.height, "bottom": self.width}
        return sizes.get(tag, 2 * (self.width + self.height))

    def _corners(self):
        return np.array([[0, 0], [self.width, 0], [self.width, self.height], [0, self.height]])

    def _check(self, tag: str) -> None:
        if tag not in self.tags():
            raise JnoKeyError(f"There is no tag {tag!r}; there are {list(self.tags())}.")
