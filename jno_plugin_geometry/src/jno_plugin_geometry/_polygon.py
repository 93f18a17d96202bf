"""A polygon with holes."""

import dataclasses
from collections.abc import Iterable
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_positive
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._rings import RingLike, as_tuples, checked_holes, checked_rings
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class Polygon(AbstractShape[Outline]):
    """A polygon with holes, in triangles of about `mesh_size` made by netgen.

    - `vertices`: at least three vertices `(x, y)`, either way round, closed or not, without crossings; or a shapely
      polygon, whose own holes come first.
    - `holes`: for each hole its vertices or a shapely polygon without holes. `shapely.Point(x, y).buffer(r)` is a round
      hole (64 edges). Holes lie inside and touch neither the outer boundary nor each other.
    - `mesh_size`: the length of the triangles' edges; shorter at short edges and in narrow gaps.

    Tags: `interior`, `boundary`, `outer`, the outer edges `edge_0` (from the first vertex to the second), `edge_1`,
    ..., and, where there are holes, `hole_boundary` and each as `hole_0`, `hole_1`, ...

    Raises `JnoValueError` naming the vertex, edge or hole at fault; crossings are described as shapely does.
    """

    vertices: RingLike
    holes: Iterable[RingLike] = ()
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        outer, *holes = checked_rings("vertices", self.vertices)
        holes += checked_holes("holes", self.holes)
        object.__setattr__(self, "vertices", as_tuples(outer))
        object.__setattr__(self, "holes", tuple(as_tuples(hole) for hole in holes))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        named = {f"edge_{i}": [i] for i in range(len(outer))}
        object.__setattr__(self, "_region", Outline.polygon(outer, holes, named))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Polygon":
        return dataclasses.replace(self, mesh_size=mesh_size)
