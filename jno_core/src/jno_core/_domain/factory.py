"""`jno.domain`: makes domains from geometries that plugins provide, from points, meshes and geometry objects."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, final

from jno_core._domain.container import Domain
from jno_core._domain.regions import Regions
from jno_core._interfaces import AbstractGeometry, Mesh
from jno_core._registry import registry
from jno_core.errors import JnoTypeError


@final
class DomainFactory:
    """Makes domains.

    - `jno.domain.NAME(*args, time=None, compute_mesh_connectivity=True, **kwargs)`: the geometry `NAME` of an installed
      plugin, such as `jno.domain.rect(mesh_size=0.05)`. `dir(jno.domain)` lists them.
    - `jno.domain.from_array({"interior": points})`: a point cloud.
    - `jno.domain(geometry)`: an `AbstractGeometry` or a `Mesh`.

    `time=(t0, t1, n)` gives the domain `n` time steps. `compute_mesh_connectivity=False` leaves the mesh out; points then
    come by `sample=(n, "uniform")`.
    """

    def __call__(self, source: Any, *, time: Any = None, compute_mesh_connectivity: bool = True) -> Domain:
        """A domain of a geometry object or a mesh."""
        if isinstance(source, AbstractGeometry):
            return Domain(Regions.from_geometry(source, compute_mesh_connectivity), time)
        if isinstance(source, Mesh):
            return Domain(Regions.from_mesh(source), time)
        raise JnoTypeError(
            f"jno.domain(...) takes a geometry (AbstractGeometry) or a Mesh, got {source!r}. Named geometries are "
            f"jno.domain.NAME(...): {', '.join(registry.names('geometry'))}; points: jno.domain.from_array."
        )

    def from_array(self, tags: Mapping[str, Any], *, time: Any = None) -> Domain:
        """A point cloud: `{tag: points (N, d)}`."""
        return Domain(Regions.from_array(tags), time)

    def __getattr__(self, name: str) -> Callable[..., Domain]:
        if name.startswith("_"):
            raise AttributeError(name)
        geometry = registry.get("geometry", name)

        def make(*args: Any, time: Any = None, compute_mesh_connectivity: bool = True, **options: Any) -> Domain:
            try:
                inspect.signature(geometry).bind(*args, **options)
            except TypeError as e:
                raise JnoTypeError(
                    f"jno.domain.{name}: {e}. Its arguments are {inspect.signature(geometry)}, time and "
                    "compute_mesh_connectivity."
                ) from e
            return self(geometry(*args, **options), time=time, compute_mesh_connectivity=compute_mesh_connectivity)

        make.__name__ = name
        make.__doc__ = geometry.__doc__
        return make

    def __dir__(self) -> list[str]:
        return ["from_array", *registry.names("geometry")]

    def __repr__(self) -> str:
        return "jno.domain"
