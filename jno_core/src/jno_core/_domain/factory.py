"""`jno.domain`: makes domains from geometries that plugins provide, from points, meshes and geometry objects."""

import inspect
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any, final

from jno_core._domain.container import Domain
from jno_core._domain.regions import Regions
from jno_core._interfaces import AbstractGeometry, Mesh
from jno_core._registry import registry
from jno_core.errors import JnoTypeError, JnoValueError


@final
class DomainFactory:
    """Makes domains.

    - `jno.domain.NAME(*args, time=None, compute_mesh_connectivity=True, **kwargs)`: the geometry `NAME` of an installed
      plugin, such as `jno.domain.rect(mesh_size=0.05)`. `dir(jno.domain)` lists them.
    - `jno.domain.from_array({"interior": points})`: a point cloud.
    - `jno.domain(geometry)`: an `AbstractGeometry` or a `Mesh`.

    - `jno.domain("part.msh")`: a mesh file; `jno.domain(polygon)`, with vertices, a shapely geometry or a mapping of names to
      such: polygons with set operations, `jno.domain.csg`. The geometries `file` and `csg` of an installed plugin.
    - `jno.domain(other, time=...)`: the regions of another domain, with other times.
    - `jno.domain.stack(a, b, ...)`: instances of several domains in one.

    `time=(t0, t1, n)` gives the domain `n` time steps. `compute_mesh_connectivity=False` leaves the mesh out; points then
    come by `sample=(n, "uniform")`.
    """

    def __call__(
        self, source: Any, *, time: Any = None, compute_mesh_connectivity: bool = True, **options: Any
    ) -> Domain:
        """A domain of a geometry object, a mesh, a file, polygons or another domain; `options` are for files and polygons."""
        name = "file" if isinstance(source, str | os.PathLike) else "csg"
        own = isinstance(source, AbstractGeometry | Mesh | Domain)
        if own and options:
            raise JnoTypeError(
                f"jno.domain({type(source).__name__}) takes time and compute_mesh_connectivity, got {list(options)}."
            )
        if isinstance(source, AbstractGeometry):
            return Domain(Regions.from_geometry(source, compute_mesh_connectivity), time)
        if isinstance(source, Mesh):
            return Domain(Regions.from_mesh(source), time)
        if isinstance(source, Domain):
            return source.copy(time)
        if source is None or callable(source) or isinstance(source, numbers.Number):
            raise JnoTypeError(
                f"jno.domain(...) takes a geometry, a Mesh, a path, polygons or a Domain, got {source!r}. Named geometries are "
                f"jno.domain.NAME(...): {', '.join(registry.names('geometry'))}; points: jno.domain.from_array."
            )
        return getattr(self, name)(source, time=time, compute_mesh_connectivity=compute_mesh_connectivity, **options)

    def stack(self, *domains: Domain, n_interior: int = 256, n_boundary: int = 64) -> Domain:
        """One domain of all instances of several domains, whose points are drawn afresh for each instance.

        `stack(100 * a, 100 * b, n_interior=512)` has 200 instances; `variable("interior")` then gives `n_interior` points,
        `variable("boundary")` `n_boundary`, with their normals. There is no mesh, so neither integrals nor differences.

        Raises `JnoTypeError` for an argument that is no domain of a geometry, and `JnoValueError` for domains of other times
        or dimensions.
        """
        if not domains or not all(isinstance(d, Domain) for d in domains):
            wrong = next((d for d in domains if not isinstance(d, Domain)), None)
            raise JnoTypeError(f"jno.domain.stack(...) takes domains, as in stack(100 * a, 100 * b); got {wrong!r}.")
        return Domain.stacked(domains, {"interior": n_interior, "boundary": n_boundary})

    def from_array(
        self, tags: Mapping[str, Any], compute_mesh_connectivity: bool = False, *, time: Any = None
    ) -> Domain:
        """A point cloud: `{tag: points (N, d)}`. It has no cells, so `compute_mesh_connectivity=True` is a `JnoValueError`."""
        if compute_mesh_connectivity:
            raise JnoValueError(
                "from_array(compute_mesh_connectivity=True): points have no cells. Build a mesh, as in jno.domain(Mesh(...)) "
                "or jno.domain('part.msh'), or leave it out."
            )
        return Domain(Regions.from_array(tags), time)

    def __getattr__(self, name: str) -> "GeometryConstructor":
        if name.startswith("_"):
            raise AttributeError(name)
        geometry = registry.get("geometry", name)

        return GeometryConstructor(f"jno.domain.{name}", geometry, geometry)

    def __dir__(self) -> list[str]:
        return ["from_array", "stack", *registry.names("geometry")]

    def __repr__(self) -> str:
        return "jno.domain"


@final
class GeometryConstructor:
    """Makes domains of one geometry: called, by its constructor; an attribute, by that class method of the geometry."""

    def __init__(self, name: str, geometry: Any, build: Callable[..., AbstractGeometry]) -> None:
        self.__name__ = name
        self.__doc__ = build.__doc__
        self._geometry = geometry
        self._build = build

    def __call__(self, *args: Any, time: Any = None, compute_mesh_connectivity: bool = True, **options: Any) -> Domain:
        signature = inspect.signature(self._build)
        try:
            signature.bind(*args, **options)
        except TypeError as e:
            raise JnoTypeError(
                f"{self.__name__}: {e}. Its arguments are {signature}, time and compute_mesh_connectivity."
            ) from e
        regions = Regions.from_geometry(self._build(*args, **options), compute_mesh_connectivity)
        return Domain(regions, time)

    def __getattr__(self, name: str) -> "GeometryConstructor":
        if name.startswith("_") or not isinstance(inspect.getattr_static(self._geometry, name, None), classmethod):
            raise AttributeError(f"{self.__name__} has no constructor {name!r}.")
        return GeometryConstructor(f"{self.__name__}.{name}", self._geometry, getattr(self._geometry, name))

    def __repr__(self) -> str:
        return self.__name__
