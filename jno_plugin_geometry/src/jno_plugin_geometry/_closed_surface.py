"""Surfaces made of triangles, and meshes of what they enclose, by netgen in a child process; see `_netgen`."""

import dataclasses
import pathlib
from typing import final

import numpy as np
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._worker import WorkerError, WorkerTimeoutError, run_worker

_WORKER = pathlib.Path(__file__).with_name("_surface_worker.py")
# Triangles whose area is less than this share of the squared size are edges.
_FLAT = 1e-14
# Facets cut corners of curved surfaces; a part of the inside that is missing is more than that.
_VOLUME_TOLERANCE = 0.1
_STEPS = 10


@final
@dataclasses.dataclass(frozen=True, eq=False)
class ClosedSurface:
    """Triangles that enclose a volume, counter-clockwise seen from outside. Each edge has two of them."""

    points: Float[np.ndarray, "n 3"]
    triangles: Int[np.ndarray, "m 3"]

    @classmethod
    def checked(cls, points: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "m 3"]) -> "ClosedSurface":
        """The surface of triangles that may all be turned the other way.

        Raises `JnoValueError` saying where the surface is open, branches, or turns over.
        """
        points = np.asarray(points, np.float64)
        if not np.all(np.isfinite(points)):
            raise JnoValueError("it has corners that are not finite")
        size = float(np.max(np.ptp(points, axis=0)))
        triangles = triangles[_areas(points, triangles) > _FLAT * size**2]
        if len(triangles) < 4:
            raise JnoValueError("it has too few triangles to enclose a volume")
        _check_edges(points, triangles)
        volume = _volume(points, triangles)
        return cls(points, triangles if volume > 0 else triangles[:, ::-1])

    @property
    def volume(self) -> float:
        """The volume inside."""
        return _volume(self.points, self.triangles)

    @property
    def size(self) -> float:
        """The longest side of the bounding box."""
        return float(np.max(np.ptp(self.points[self.triangles].reshape(-1, 3), axis=0)))

    def mesh(self, mesh_size: float | None = None, *, time_limit: float | None = None) -> Mesh:
        """Tetrahedra with edges of about `mesh_size`, by default a tenth of the size, that fill the surface.

        The surface gets new triangles with their nodes on it; sharp edges are kept. `time_limit` is in seconds; by default
        120 and a second for every 500 expected cells. Raises `JnoValueError` when netgen fails, does not finish in time or
        does not fill the surface.
        """
        mesh_size = self.size / _STEPS if mesh_size is None else mesh_size
        # A regular tetrahedron with edges h has the volume 0.118 h**3.
        expected = self.volume / (0.118 * mesh_size**3)
        checked_cells(expected, mesh_size)
        limit = 120 + expected / 500 if time_limit is None else time_limit
        # netgen compares lengths with absolute tolerances, so it works on a body of size one at the origin.
        origin, size = np.min(self.points, axis=0), self.size
        task = {"corners": (self.points[self.triangles] - origin) / size, "mesh_size": np.array(mesh_size / size)}
        advice = "Use a smaller mesh_size, or repair the surface: it must not cross itself."
        try:
            answer = run_worker(_WORKER, task, limit)
        except WorkerTimeoutError as error:
            raise JnoValueError(f"netgen {error}. {advice}") from error
        except WorkerError as error:
            raise JnoValueError(f"netgen could not mesh the inside of the surface: {error}. {advice}") from error
        mesh = Mesh.from_cells(origin + size * answer["points"], answer["cells"])
        filled = float(np.sum(mesh.cell_measures()))
        if abs(filled - self.volume) > _VOLUME_TOLERANCE * self.volume:
            raise JnoValueError(f"netgen filled the volume {filled:.6g} of {self.volume:.6g}. {advice}")
        return mesh


def _check_edges(points: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "m 3"]) -> None:
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges, edge, counts = np.unique(np.sort(directed, axis=1), axis=0, return_inverse=True, return_counts=True)

    def place(wrong: np.ndarray) -> str:
        return str(np.round(np.mean(points[edges[np.flatnonzero(wrong)[0]]], axis=0), 6).tolist())

    if np.any(counts == 1):
        raise JnoValueError(
            f"its surface is not watertight: {np.sum(counts == 1)} edges have one triangle only, the first near "
            f"{place(counts == 1)}; close the holes, and make neighbours meet in the same corners"
        )
    if np.any(counts > 2):
        raise JnoValueError(
            f"its surface branches: {np.sum(counts > 2)} edges have more than two triangles, the first near "
            f"{place(counts > 2)}; keep the outer surface only"
        )
    forward = np.bincount(edge.ravel(), directed[:, 0] < directed[:, 1], minlength=len(edges))
    if np.any(forward != 1):
        raise JnoValueError(
            f"its surface turns over: at {np.sum(forward != 1)} edges the two triangles run the same way round, the first "
            f"near {place(forward != 1)}; orient all triangles outwards"
        )


def _areas(points: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "m 3"]) -> Float[np.ndarray, " m"]:
    a, b, c = np.moveaxis(points[triangles], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _volume(points: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "m 3"]) -> float:
    corners = points[triangles] - np.mean(points, axis=0)
    return float(np.sum(np.linalg.det(corners))) / 6
