"""A rectangle between two absorbing layers."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Array, Bool, Float

from jno_core import (
    AbstractBoundaryMap,
    AbstractDistance,
    AbstractGeometry,
    AbstractRemeshable,
    Mesh,
    PointDraw,
    RegionKind,
)
from jno_core.errors import PluginCapabilityError
from jno_plugin_geometry._arguments import checked_cells, checked_count, checked_positive, checked_range, steps
from jno_plugin_geometry._grid import facets_on, grid_points, simplex_grid
from jno_plugin_geometry._rectangle import RECTANGLE_SIDES, Rectangle


@final
@dataclasses.dataclass(frozen=True)
class RectanglePml(AbstractGeometry, AbstractBoundaryMap, AbstractDistance, AbstractRemeshable):
    """The rectangle `x_range` times `y_range` with an absorbing layer (PML) below it and one above, outside of `y_range`.

    Cells are about `mesh_size` wide, two triangles each, and conform to the lines between rectangle and layers.

    Tags: `interior` and `boundary`, of all three together, as of every geometry; its sides `left`, `right`, `bottom`,
    `top`; the inner regions `physical` (the rectangle alone), `pml_bottom`, `pml_top`; and the sides of the rectangle
    towards the layers, `interface_bottom` and `interface_top`, whose normals point into them.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.1
    pml_thickness_top: float = 0.2
    pml_thickness_bottom: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "y_range", checked_range("y_range", self.y_range))
        for name in ("mesh_size", "pml_thickness_top", "pml_thickness_bottom"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))

    @property
    def dimension(self) -> int:
        return 2

    def tags(self) -> dict[str, RegionKind]:
        tags: dict[str, RegionKind] = {"interior": "interior", "boundary": "boundary"}
        for side in (*RECTANGLE_SIDES, "interface_bottom", "interface_top"):
            tags[side] = "boundary"
        for part in self._layers:
            tags[part] = "interior"
        return tags

    def mesh(self) -> Mesh:
        width = self.x_range[1] - self.x_range[0]
        nx, counts = steps(width, self.mesh_size), [steps(b - a, self.mesh_size) for a, b in self._layers.values()]
        checked_cells(2.0 * nx * math.fsum(counts), self.mesh_size)
        x = np.linspace(*self.x_range, nx + 1)
        levels = [np.linspace(a, b, n + 1)[:-1] for (a, b), n in zip(self._layers.values(), counts, strict=True)]
        y = np.append(np.concatenate(levels), self._whole.y_range[1])
        points = grid_points([x, y])
        cells = simplex_grid((nx, len(y) - 1), alternate=True)
        facets = {
            side: facets_on(cells, points[:, axis] == (x, y)[axis][-end])
            for side, (axis, end) in RECTANGLE_SIDES.items()
        }
        facets = {"boundary": np.concatenate(list(facets.values()))} | facets
        middle = np.mean(points[cells], axis=1)[:, 1]
        regions = {part: np.flatnonzero((a < middle) & (middle < b)) for part, (a, b) in self._layers.items()}
        # A facet between two regions has its outside where the rectangle is not.
        inner = cells[regions["physical"]]
        for end, level in zip(("bottom", "top"), self.y_range, strict=True):
            facets[f"interface_{end}"] = _leftwards(facets_on(inner, points[:, 1] == level), points, end == "top")
        return Mesh(points, cells, facets, regions)

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        shape, part = self._part(tag)
        return shape.sample(part, checked_count("n", n, 0), rng)

    @property
    def boundary_coordinates(self) -> int:
        return 1

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n 1"]) -> PointDraw:
        shape, part = self._part(tag)
        return shape.boundary_at(part, u)

    def contains(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        return self._whole.contains(points)

    def measure(self, tag: str) -> float:
        shape, part = self._part(tag)
        return shape.measure(part)

    def bounds(self) -> Float[np.ndarray, "2 2"]:
        return self._whole.bounds()

    def signed_distance(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        return self._whole.signed_distance(points)

    def smooth_distance(self, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
        return self._whole.smooth_distance(self._outer(tag))

    def bubble(self, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
        return self._whole.bubble(self._outer(tag))

    def remeshed(self, mesh_size: float) -> "RectanglePml":  # pyright: ignore[reportIncompatibleMethodOverride]
        return dataclasses.replace(self, mesh_size=mesh_size)

    @functools.cached_property
    def _whole(self) -> Rectangle:
        low, high = self.y_range
        return Rectangle(self.x_range, (low - self.pml_thickness_bottom, high + self.pml_thickness_top), self.mesh_size)

    @functools.cached_property
    def _layers(self) -> dict[str, tuple[float, float]]:
        """The lower and upper end of each part, from below."""
        (low, high), (bottom, top) = self.y_range, self._whole.y_range
        return {"pml_bottom": (bottom, low), "physical": (low, high), "pml_top": (high, top)}

    def _outer(self, tag: str) -> str:
        if tag in ("interface_bottom", "interface_top"):
            raise PluginCapabilityError(f"{tag!r} lies inside; distances are those from the sides and 'boundary'.")
        return tag

    def _part(self, tag: str) -> tuple[Rectangle, str]:
        """The rectangle that has a tag, and the tag there."""
        if tag in self._layers:
            return Rectangle(self.x_range, self._layers[tag], self.mesh_size), "interior"
        if tag in ("interface_bottom", "interface_top"):
            return Rectangle(self.x_range, self.y_range, self.mesh_size), tag.removeprefix("interface_")
        return self._whole, tag


def _leftwards(facets: np.ndarray, points: np.ndarray, is_top: bool) -> np.ndarray:
    """Horizontal facets with the rectangle on their left: towards smaller x on its top."""
    x = points[facets, 0]
    turned = (x[:, 1] > x[:, 0]) == is_top
    return np.where(turned[:, None], facets[:, ::-1], facets)
