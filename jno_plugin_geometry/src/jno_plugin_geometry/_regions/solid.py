"""Regions of space: swept outlines and their boolean combinations."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from jno_core import Mesh, PointDraw
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._regions.combination import Combination, Tree, renumbered
from jno_plugin_geometry._regions.curves import Curves
from jno_plugin_geometry._regions.extrusion import Extrusion
from jno_plugin_geometry._regions.leaf import Leaf
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion, Operation
from jno_plugin_geometry._regions.revolution import AXIS, FULL_TURN, Revolution
from jno_plugin_geometry._regions.solid_mesh import solid_mesh
from jno_plugin_geometry._regions.surface import Surface

BOX_SIDES = ("left", "right", "front", "back", "bottom", "top")
# Matrices that differ from a similarity by more are refused.
_SIMILARITY = 1e-10


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
        body = Extrusion(outline, float(lower), float(upper))
        return cls((Leaf(body, body.parts),))

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
        body = Revolution(outline, float(angle))
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

    @functools.cached_property
    def _surface(self) -> Surface:
        return Surface(Combination(self.leaves, self.tree))

    def bounds(self) -> Float[np.ndarray, "2 3"]:
        return self._surface.whole.bounds.copy()

    @property
    def size(self) -> float:
        """The longest side of the bounding box of all leaves."""
        return self._surface.whole.size

    @property
    def parts(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """For each part what is left of it: leaves and their faces."""
        return self._surface.parts

    def interior_measure(self) -> float:
        return self._surface.volume()

    def boundary_measure(self, tag: str) -> float:
        return self._surface.area(tag)

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        return self._surface.whole.sample(n, rng)

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        return self._surface.sample(tag, n, rng)

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n 3"]) -> PointDraw:
        return self._surface.at(tag, u)

    def contains(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        return self._surface.whole.contains(points)

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        return self._surface.whole.signed_distance(points)

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
        tree = (operation, self.tree, renumbered(other.tree, len(self.leaves)))
        result = Solid(self.leaves + other.leaves, tree)
        if result._surface.is_empty():
            raise JnoValueError(
                f"Nothing is left of the {operation} of solids within {_extent(self)} and {_extent(other)}."
            )
        return result

    def renamed(self, name: str) -> "Solid":
        leaves = []
        for leaf in self.leaves:
            faces = tuple(range(len(leaf.body.faces)))
            leaves.append(dataclasses.replace(leaf, parts={"boundary": faces, name: faces}))
        return Solid(tuple(leaves), self.tree)

    def mesh(self, mesh_size: float) -> Mesh:
        return solid_mesh(self._surface, mesh_size)

    def mesh_by_gmsh(self, mesh_size: float, algorithm: int) -> Mesh:
        """As `mesh`, by gmsh; see `solid_mesh`."""
        return solid_mesh(self._surface, mesh_size, mesher="gmsh", algorithm=algorithm)


def _extent(solid: Solid) -> str:
    return " x ".join(f"[{low:.4g}, {high:.4g}]" for low, high in solid.bounds().T)
