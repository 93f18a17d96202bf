"""What only some geometries can do. A geometry says so by deriving from these classes besides `AbstractGeometry`."""

import abc
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from jaxtyping import Array, Float, Int

from jno_core._interfaces.geometry import PointDraw
from jno_core._interfaces.mesh import Mesh
from jno_core._interfaces.resampler import AbstractResampler

SetOperation: TypeAlias = Literal["union", "intersection", "difference", "symmetric_difference"]


class AbstractCombinable(abc.ABC):
    """Geometries with set operations. `|` and `+`, `&`, `-`, `^` of geometries, and of domains, are these."""

    @abc.abstractmethod
    def combined(self, operation: SetOperation, other: Any) -> Self:
        """A new geometry of the points that the operation leaves, closed, with the boundary tags of both.

        Raises `JnoTypeError` for a geometry that cannot be combined with this one, and `JnoValueError` when nothing is left.
        """

    def __or__(self, other: Any) -> Self:
        return self.combined("union", other)

    __add__ = __or__

    def __and__(self, other: Any) -> Self:
        return self.combined("intersection", other)

    def __sub__(self, other: Any) -> Self:
        return self.combined("difference", other)

    def __xor__(self, other: Any) -> Self:
        return self.combined("symmetric_difference", other)


class AbstractEditable(abc.ABC):
    """Geometries that further parts can be named in. Every method returns a new geometry."""

    @abc.abstractmethod
    def with_region(self, name: str, where: Any, kind: str | None = None) -> Self:
        """The same with a part `name`: where a predicate holds, where another geometry lies, or another name for a tag.

        `kind` is `"interior"`, `"boundary"`, or `None` for what follows from `where`.
        """

    @abc.abstractmethod
    def with_boundary_segments(self, tag: str, segments: Any, normal_geometry: Any = None) -> Self:
        """The same with a part of the boundary that is given by segments `(s, 2, d)`.

        `normal_geometry` tells which side is outside: a geometry, the name of a region or several names.
        """


class AbstractRemeshable(abc.ABC):
    """Geometries whose mesh can be asked for in another size."""

    @abc.abstractmethod
    def remeshed(self, mesh_size: float, **options: Any) -> Self:
        """The same geometry with edges of about `mesh_size` in its mesh. Options are the geometry's own."""


class AbstractBoundaryMap(abc.ABC):
    """Geometries whose boundary is the image of a cube, so that sequences that fill the cube fill it too."""

    @property
    @abc.abstractmethod
    def boundary_coordinates(self) -> int:
        """The dimension of the cube."""

    @abc.abstractmethod
    def boundary_at(self, tag: str, u: Float[np.ndarray, "n k"]) -> PointDraw:
        """The images of points of the unit cube on a part of the boundary, with the outward unit normals there.

        Points that have no image are left out; the others keep their order. Uniform points of the cube give uniform points
        of the part. Raises `JnoKeyError` for a tag that is no part of the boundary.
        """


class AbstractPeriodic(abc.ABC):
    """Geometries that repeat themselves, so that their mesh may end where the first nodes would come again."""

    @abc.abstractmethod
    def covering(self) -> tuple[Mesh, Int[np.ndarray, " n"]] | None:
        """A mesh of one whole period, and for each of its nodes the node of `mesh()` that it is an image of.

        Both meshes have the same tags. `None` where `mesh()` has the whole period.
        """


class AbstractDistance(abc.ABC):
    """Geometries that know how far points are from their boundary."""

    @abc.abstractmethod
    def bounds(self) -> Float[np.ndarray, "2 d"]:
        """The lower and upper corner of a box that contains the region."""

    @abc.abstractmethod
    def signed_distance(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The distance of points to the boundary, negative inside; or, where the geometry says so, a lower bound of it."""

    @abc.abstractmethod
    def smooth_distance(self, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
        """A function in JAX that is zero exactly on a part of the boundary, and positive in the rest of the region.

        It is smooth inside the region, and has the normal derivative 1 where the part is smooth. Its gradient is finite
        everywhere. Repeated calls give equal functions, so that expressions made from it are recognised as the same.

        Raises `JnoKeyError` for an unknown tag and `PluginCapabilityError` for a part that it cannot be made for.
        """

    @abc.abstractmethod
    def bubble(self, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
        """A function in JAX that is zero exactly on a part of the boundary, and positive, at most about 1, in the region.

        As smooth as can be, where parts meet too: a distance has unbounded second derivatives at corners, this has none at
        convex ones. Otherwise as `smooth_distance`.
        """


class AbstractContinuous(abc.ABC):
    """Geometries that may see their mesh as an addition, which leaves the ways of sampling as they are without it."""

    @property
    @abc.abstractmethod
    def draws_anywhere(self) -> bool:
        """Whether `variable(tag, n)` draws points anywhere in a part, also where there is a mesh.

        Of other geometries with a mesh it chooses among the nodes. `variable(tag)` takes all nodes of either.
        """


class AbstractRenewable(abc.ABC):
    """Geometries that say how their points are renewed while a problem is trained."""

    @abc.abstractmethod
    def resampler(self, tag: str) -> AbstractResampler | None:
        """The strategy of the point sets on a part for which `variable` is given no other, `None` for points that stay.

        Raises `JnoKeyError` for an unknown tag.
        """


class AbstractEnclosure(abc.ABC):
    """Geometries of several regions between which radiation is exchanged."""

    @abc.abstractmethod
    def boundary_edges(self) -> Float[np.ndarray, "e d d"]:
        """All edges (2-D) or triangles (3-D) that block a ray, those between regions too."""

    @abc.abstractmethod
    def turned_into(
        self, points: Float[np.ndarray, "n d"], normals: Float[np.ndarray, "n d"], medium: Sequence[str] | None = None
    ) -> Float[np.ndarray, "n d"]:
        """Normals at boundary points, turned where needed to point into the regions of a medium.

        By default the medium is the regions called gas or air, else all of the geometry.
        """


class AbstractMeshFile(abc.ABC):
    """Geometries that are files, and write such files. The one named `file` is what `domain.export(...)` writes with."""

    @property
    @abc.abstractmethod
    def point_data(self) -> Mapping[str, np.ndarray]:
        """The arrays in the file by name, with a leading axis over the nodes of the mesh."""

    @staticmethod
    @abc.abstractmethod
    def write(path: pathlib.Path, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> None:
        """Write a mesh with its tags and arrays at its nodes, `(n,)` or `(n, k)`, in the format of the suffix.

        Reading the file gives the same mesh. The suffix is one of `.vtu`, `.vtk`, `.msh`, `.stl`, `.npz`.
        """
