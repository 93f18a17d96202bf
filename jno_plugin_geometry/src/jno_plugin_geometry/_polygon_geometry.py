"""Polygons with named regions, set operations, and a mesh only when asked for."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self, final

import numpy as np
import shapely
from jaxtyping import Bool, Float

from jno_core import (
    AbstractBoundaryMap,
    AbstractCombinable,
    AbstractContinuous,
    AbstractEditable,
    AbstractEnclosure,
    AbstractGeometry,
    AbstractRemeshable,
    AbstractRenewable,
    AbstractResampler,
    Mesh,
    PointDraw,
    RegionKind,
    SetOperation,
)
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_count
from jno_plugin_geometry._polygon_arrangement import Segments
from jno_plugin_geometry._polygon_checks import checked_areas, checked_vertices
from jno_plugin_geometry._polygon_distance import AbstractPolygonDistance
from jno_plugin_geometry._polygon_edits import combined, with_boundary_segments, with_region
from jno_plugin_geometry._polygon_mesh import MeshSizes, polygon_mesh
from jno_plugin_geometry._polygon_options import Sampler, checked_samplers, checked_strategies
from jno_plugin_geometry._polygon_points import PolygonPoints, within
from jno_plugin_geometry._polygon_regions import PolygonRegions
from jno_plugin_geometry._polygon_sides import EdgeSides, sides_of, turned_into, walls

_OPTIONS = "region_mesh_sizes, sizes, interpolate, algorithm and mesher"


@final
@dataclasses.dataclass(frozen=True, eq=False, init=False, repr=False)
class PolygonGeometry(
    AbstractPolygonDistance,
    AbstractBoundaryMap,
    AbstractCombinable,
    AbstractEditable,
    AbstractRemeshable,
    AbstractEnclosure,
    AbstractContinuous,
    AbstractRenewable,
    AbstractGeometry,
):
    """Named polygonal regions of the plane. Immutable: what changes it returns a new one.

    - `source`: vertices `(x, y)`, a shapely geometry with an area, or several of them by name. Regions may touch, overlap
      and consist of several parts; those without an area are left out.
    - `name`: what the region is called when only one is given.
    - `mesh_size`: if given, there is a mesh from the start; otherwise `remeshed` makes one.
    - `sampler(geometry, n) -> (n, 2)` draws points of the interior instead of the uniform distribution, and
      `samplers[name]` those of one region; `samplers["*"]` is the same as `sampler`.
    - `resampling_strategy`, an `AbstractResampler` such as one of `jno.sampler`, renews the points of interior tags while a
      problem is trained, and `resampling_strategies[name]` those of one region, with `"*"` for all others. What is given to
      `variable(...)` comes first; points of boundaries and of `initial` are renewed only by that.

    Tags: `interior`, `boundary`; `left`, `right`, `bottom`, `top` if the outer ring is a rectangle along the axes; for each
    region `interior_<r>`, `boundary_<r>` and its edges in the order of its vertices `boundary_<r>_0`, ...; for each pair of
    regions that touch `interface_<a>_<b>` with normals from `a` to `b`, and the reverse; and what `with_region` and
    `with_boundary_segments` add. Of a region that was subtracted the boundary is left.

    Raises `JnoValueError` naming the region at fault.
    """

    _regions: PolygonRegions
    _points: PolygonPoints
    _sizes: MeshSizes | None

    def __init__(
        self,
        source: Any,
        name: str = "polygon",
        mesh_size: float | None = None,
        sampler: Sampler | None = None,
        samplers: Mapping[str, Sampler] | None = None,
        resampling_strategy: AbstractResampler | None = None,
        resampling_strategies: Mapping[str, AbstractResampler] | None = None,
    ) -> None:
        sources = checked_areas(source if isinstance(source, Mapping) else {name: source})
        regions = PolygonRegions(sources, shapely.union_all(list(sources.values())))
        names = list(source) if isinstance(source, Mapping) else [name]
        strategies = checked_strategies(resampling_strategy, resampling_strategies, names)
        points = PolygonPoints(regions, checked_samplers(sampler, samplers, names), strategies)
        self._fill(points, None if mesh_size is None else MeshSizes.from_user(mesh_size, None, None, True, "netgen"))

    @classmethod
    def from_polygons(cls, polygons: Mapping[str, Any], **options: Any) -> Self:
        """The regions with the given vertices by name; other arguments as in the constructor."""
        if not isinstance(polygons, Mapping):
            raise JnoTypeError(f"from_polygons takes {{name: vertices}}, got {polygons!r}.")
        return cls({name: checked_vertices(name, vertices) for name, vertices in polygons.items()}, **options)

    @classmethod
    def from_regions(cls, regions: Mapping[str, Any], **options: Any) -> Self:
        """The regions given as shapely geometries by name; other arguments as in the constructor."""
        if not isinstance(regions, Mapping):
            raise JnoTypeError(f"from_regions takes {{name: shapely geometry}}, got {regions!r}.")
        for name, region in regions.items():
            if not isinstance(region, shapely.Geometry):
                raise JnoTypeError(f"Region {name!r} must be a shapely geometry, got {region!r}. See from_polygons.")
        return cls(regions, **options)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the regions that the geometry was made from, and of the areas that `with_region` added."""
        return (*self._regions.sources, *self._regions.areas)

    @property
    def active(self) -> Any:
        """All of the geometry as one shapely geometry."""
        return self._regions.active

    def tags(self) -> dict[str, RegionKind]:
        return dict(self._regions.kinds)

    def mesh(self) -> Mesh | None:
        return self._meshed

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        return self._points.of(tag, checked_count("n", n, 0), rng)

    @property
    def draws_anywhere(self) -> bool:
        """A mesh is made on request, for stencils and integrals; points stay those of the regions."""
        return True

    def resampler(self, tag: str) -> AbstractResampler | None:
        return self._points.strategy(tag)

    @property
    def boundary_coordinates(self) -> int:
        return 1

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n 1"]) -> PointDraw:
        return self._points.at(tag, u[:, 0])

    def contains(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise JnoValueError(f"points must have shape (n, 2), got {points.shape}.")
        return within(self.active, points, self._regions.size)

    def measure(self, tag: str) -> float:
        kind, tag = self._regions.kind(tag), self._regions.resolved(tag)
        arrangement = self._regions.arrangement
        if kind == "interior":
            return float(np.sum(shapely.area(arrangement.faces[self._regions.interiors[tag]])))
        return float(np.sum(arrangement.lengths()[self._regions.boundaries[tag].edges]))

    def with_region(self, name: str, where: Any, kind: str | None = None) -> Self:
        """The geometry with a further named part.

        - `where` a shapely area: its part in the geometry, an interior tag; with `kind="boundary"` its outline.
        - `where` a shapely line: its part in the geometry, a boundary tag. On the boundary its normals point outwards,
          elsewhere to the right of the line.
        - `where` a predicate `f(x, y) -> bool`: the whole edges of the outer boundary at whose middle it holds.
        - `where` a tag: another name for it.
        """
        return self._with(self._points.on(with_region(self._regions, name, where, kind)), self._sizes)

    def with_boundary_segments(self, tag: str, segments: Any, normal_geometry: Any = None) -> Self:
        """The geometry with the boundary tag of some segments `(2, 2)` or `(2, 3)` in it.

        Its normals point away from `normal_geometry`: a shapely area, the name of a region, or several names.
        """
        regions = with_boundary_segments(self._regions, tag, segments, normal_geometry)
        return self._with(self._points.on(regions), self._sizes)

    def remeshed(
        self,
        mesh_size: float = 0.1,
        *,
        region_mesh_sizes: Mapping[str, float] | None = None,
        sizes: Mapping[str, float] | None = None,
        interpolate: bool = True,
        algorithm: int = 6,
        mesher: str = "netgen",
        **unknown: Any,
    ) -> Self:
        """The geometry with a mesh of edges about `mesh_size` long, shorter or longer in some regions.

        With `interpolate` the length of a region is that on its boundary, and inside it blends into `mesh_size`; without,
        it holds all over the region. `sizes` is another word for `region_mesh_sizes`. `mesher="gmsh"` needs the extra
        `jno-plugin-geometry[gmsh]`; `algorithm` is gmsh's number of the method, for which netgen has no use.
        """
        if unknown:
            raise JnoTypeError(
                f"Polygons are not meshed with the option {next(iter(unknown))!r}; there are {_OPTIONS}."
            )
        wanted = MeshSizes.from_user(mesh_size, region_mesh_sizes, sizes, interpolate, mesher, algorithm)
        wanted.check_names(self._regions)
        return self._with(self._points, wanted)

    def combined(self, operation: SetOperation, other: Any) -> Self:
        """The union, intersection, difference or symmetric difference; with a mesh if both have one, of the finer size.

        Regions, samplers, strategies and added parts of both are kept, as far as they lie in the result. Regions of the same
        name become one; of other things with the same name the left one counts.
        """
        if not isinstance(other, PolygonGeometry):
            raise JnoTypeError(f"Only polygon geometries can be combined, got {type(other).__name__}.")
        regions = combined(operation, self._regions, other._regions)
        sizes = None if self._sizes is None or other._sizes is None else self._sizes.merged(other._sizes)
        return self._with(self._points.merged(other._points, regions), sizes)

    def boundary_edges(self) -> Segments:
        """All boundary and interface edges `(e, 2, 2)`: what blocks rays."""
        return walls(self._regions)

    def sides(self, tag: str) -> EdgeSides:
        """The edges of a boundary tag and the regions on their two sides; an empty set is the outside."""
        return sides_of(self._regions, tag)

    def turned_into(
        self, points: Float[np.ndarray, "n 2"], normals: Float[np.ndarray, "n 2"], medium: Sequence[str] | None = None
    ) -> Float[np.ndarray, "n 2"]:
        """Normals at boundary points, turned where needed to point into a medium.

        The medium is that of the named regions; by default of those called gas or air, in any case, else all of the
        geometry. A normal with the medium on both sides or on neither stays as it is.
        """
        return turned_into(self._regions, points, normals, medium)

    def __repr__(self) -> str:
        return f"PolygonGeometry({', '.join(self.regions)}; area {self.active.area:.6g})"

    @functools.cached_property
    def _meshed(self) -> Mesh | None:
        return None if self._sizes is None else polygon_mesh(self._regions, self._sizes)

    def _with(self, points: PolygonPoints, sizes: MeshSizes | None) -> Self:
        made = object.__new__(type(self))
        made._fill(points, sizes)
        return made

    def _fill(self, points: PolygonPoints, sizes: MeshSizes | None) -> None:
        for name, value in (("_regions", points.regions), ("_points", points), ("_sizes", sizes)):
            object.__setattr__(self, name, value)
