"""Meshes and closed surfaces that other programs made, as geometries."""

import dataclasses
import functools
import os
import pathlib
import types
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from jno_core import AbstractGeometry, AbstractMeshFile, Mesh, PointDraw, RegionKind
from jno_core.errors import JnoFileNotFoundError, JnoImportError, JnoKeyError, JnoTypeError, JnoValueError
from jno_plugin_geometry import _mesh_formats
from jno_plugin_geometry._arguments import checked_count, checked_positive
from jno_plugin_geometry._cell_search import CellSearch
from jno_plugin_geometry._closed_surface import ClosedSurface


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MeshFile(AbstractGeometry, AbstractMeshFile):
    """The region that the mesh in a file fills, or that the surface in a `.stl` file encloses.

    `jno.domain("part.msh")` is `jno.domain.file("part.msh")`.

    - `path`: `.msh` of gmsh (2.2 and 4.1), `.vtu`, `.vtk`, `.npz`, `.stl`, or what else meshio reads of `.inp`, `.mesh`,
      `.su2` and `.xdmf`.
    - `mesh_size`: for a closed surface in a `.stl` file, whose inside netgen meshes, the length of the edges; by default a
      tenth of the longest side of its bounding box. Its tags are `interior` and `boundary`.

    Physical groups of the dimension of the cells are regions, those one lower parts of the boundary or interfaces; without
    a name they are `region_1`, ... and `group_1`, .... There are always `interior` and `boundary`. A mesh in a plane of
    constant z is 2-D. Nodes keep their order, except that those without a cell are left out. `point_data` holds what the
    file has at the nodes.

    Raises `FileNotFoundError` without a file, and `JnoValueError` naming the file for all that is no mesh of segments,
    triangles or tetrahedra.
    """

    path: str | os.PathLike[str]
    mesh_size: float | None = None
    _point_data: Mapping[str, np.ndarray] = dataclasses.field(init=False)
    _given: Mesh | ClosedSurface = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | os.PathLike):
            raise JnoTypeError(f"path must be the name of a mesh file, got {self.path!r}.")
        path = pathlib.Path(self.path)
        if not path.exists():
            raise JnoFileNotFoundError(f"There is no mesh file {str(path)!r}.")
        if path.is_dir() or path.suffix.lower() not in _mesh_formats.READABLE:
            raise JnoValueError(
                f"{str(path)!r} is no mesh file by its name; jno reads {', '.join(_mesh_formats.READABLE)}."
            )
        if self.mesh_size is not None:
            object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        try:
            content = _mesh_formats.read(path)
            surface = content.surface() if path.suffix.lower() == ".stl" else None
            given, point_data = (surface, {}) if surface is not None else content.mesh()
        except ImportError as error:
            raise JnoImportError(f"Reading {str(self.path)!r} needs another package: {error}.") from error
        except JnoValueError as error:
            raise JnoValueError(f"{str(self.path)!r} cannot be used as a mesh: {str(error).rstrip('.')}.") from error
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # Parsers fail in every way on files that are cut off or no meshes at all.
            if "gmsh:physical" in str(error):
                # What meshio says when some entities of gmsh 4.1 are in physical groups and others are not.
                raise JnoValueError(
                    f"{str(self.path)!r} has cells in physical groups and cells in none; save it with Mesh.SaveAll = 0."
                ) from None
            said = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
            raise JnoValueError(
                f"{str(self.path)!r} is no readable {path.suffix} file, or ends too early ({said})."
            ) from None
        if self.mesh_size is not None and surface is None:
            raise JnoValueError(f"{str(self.path)!r} holds a mesh; mesh_size is for closed surfaces in .stl files.")
        object.__setattr__(self, "_given", given)
        object.__setattr__(self, "_point_data", types.MappingProxyType(point_data))

    @staticmethod
    def write(path: pathlib.Path, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> None:
        _mesh_formats.write(path, mesh, fields)

    @property
    def point_data(self) -> Mapping[str, np.ndarray]:
        return self._point_data

    @property
    def dimension(self) -> int:
        return self._given.dimension if isinstance(self._given, Mesh) else 3

    def tags(self) -> dict[str, RegionKind]:
        if isinstance(self._given, ClosedSurface):
            return {"interior": "interior", "boundary": "boundary"}
        tags: dict[str, RegionKind] = {"interior": "interior"}
        for tag in self._given.facets:
            tags[tag] = "boundary"
        for tag in self._given.regions:
            tags[tag] = "interior"
        return tags

    def mesh(self) -> Mesh:
        return self._mesh

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        n = checked_count("n", n, 0)
        boundary = self._kind(tag) == "boundary"
        simplices = self._mesh.facets[tag] if boundary else self._mesh.cells[self._mesh.cells_of(tag)]
        measures = self._measures(tag)
        chosen = rng.choice(len(simplices), size=n, p=measures / np.sum(measures))
        # Normalised exponential variables are uniform in a simplex.
        weights = rng.exponential(size=(n, simplices.shape[1]))
        weights /= np.sum(weights, axis=1, keepdims=True)
        points = np.sum(weights[:, :, None] * self._mesh.points[simplices[chosen]], axis=1)
        return PointDraw(points, self._mesh.facet_normals(tag)[chosen] if boundary else None)

    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise JnoValueError(f"points must have shape (n, {self.dimension}), got {points.shape}.")
        return self._search.contains(points)

    def measure(self, tag: str) -> float:
        return float(np.sum(self._measures(tag)))

    def __repr__(self) -> str:
        if isinstance(self._given, ClosedSurface):
            return f"MeshFile({str(self.path)!r}, a surface of {len(self._given.triangles)} triangles)"
        return f"MeshFile({str(self.path)!r}, {len(self._mesh.points)} nodes, {len(self._mesh.cells)} cells)"

    @functools.cached_property
    def _mesh(self) -> Mesh:
        return self._given if isinstance(self._given, Mesh) else self._given.mesh(self.mesh_size)

    @functools.cached_property
    def _search(self) -> CellSearch:
        return CellSearch(self._mesh)

    def _measures(self, tag: str) -> np.ndarray:
        if self._kind(tag) == "boundary":
            return self._mesh.facet_measures(tag)
        return self._mesh.cell_measures()[self._mesh.cells_of(tag)]

    def _kind(self, tag: str) -> RegionKind:
        tags = self.tags()
        if tag not in tags:
            raise JnoKeyError(f"{str(self.path)!r} has no tag {tag!r}; it has {list(tags)}.")
        return tags[tag]
