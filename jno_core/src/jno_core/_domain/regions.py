"""The static side of a domain: its parts and its time axis."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self, final

import numpy as np
from jaxtyping import Float

from jno_core._interfaces import AbstractGeometry, Mesh
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Cloud:
    """Given points `(b, n, d)`, for each instance or for all (`b = 1`), and outward unit normals if they have any."""

    points: Float[np.ndarray, "b n d"]
    normals: Float[np.ndarray, "b n d"] | None = None


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Regions:
    """Named parts with their kinds, and where their points come from: a mesh, a geometry, or given points (clouds)."""

    dimension: int
    kinds: Mapping[str, str]
    mesh: Mesh | None = None
    geometry: AbstractGeometry | None = None
    clouds: Mapping[str, Cloud] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_geometry(cls, geometry: AbstractGeometry, meshed: bool = True) -> Self:
        """The parts of a geometry; `meshed=False` leaves the mesh out."""
        return cls(geometry.dimension, dict(geometry.tags()), geometry.mesh() if meshed else None, geometry)

    @classmethod
    def from_mesh(cls, mesh: Mesh) -> Self:
        """The parts of a mesh: all of it, its boundary tags, its sub-regions."""
        kinds = {
            "interior": "interior",
            **dict.fromkeys(mesh.facets, "boundary"),
            **dict.fromkeys(mesh.regions, "interior"),
        }
        return cls(mesh.dimension, kinds, mesh)

    @classmethod
    def from_array(cls, tags: Mapping[str, Any]) -> Self:
        """Given points: `{tag: array (N, d)}`.

        Raises `JnoTypeError` unless it is a mapping, and `JnoValueError` naming the tag when an array is not `(N, d)` with
        `N >= 1` and `d >= 1`, is not finite, or has another dimension than the others.
        """
        if not isinstance(tags, Mapping):
            raise JnoTypeError(
                f"from_array takes a mapping of tags to points, as in {{'interior': points}}, got {tags!r}."
            )
        if not tags:
            raise JnoValueError("from_array needs at least one tag with points of shape (N, d).")
        clouds: dict[str, np.ndarray] = {}
        for tag, value in tags.items():
            if not isinstance(tag, str) or not tag:
                raise JnoTypeError(f"A tag must be a string that is not empty, got {tag!r}.")
            points = _checked_numbers(tag, value)
            if points.ndim != 2 or 0 in points.shape:
                raise JnoValueError(
                    f"Points of {tag!r} must have shape (N, d) with N >= 1 and d >= 1, got {points.shape}."
                )
            if not np.all(np.isfinite(points)):
                row = int(np.argwhere(~np.isfinite(points))[0, 0])
                raise JnoValueError(f"Point {row} of {tag!r} is not finite: {points[row]}. Remove such points first.")
            first = next(iter(clouds.values()), points)
            if first.shape[1] != points.shape[1]:
                raise JnoValueError(
                    f"Points of {tag!r} have {points.shape[1]} coordinates, those of {next(iter(clouds))!r} "
                    f"{first.shape[1]}. All tags of a domain are in the same space."
                )
            clouds[tag] = points
        dimension = next(iter(clouds.values())).shape[1]
        return cls(dimension, dict.fromkeys(clouds, "points"), clouds={t: Cloud(p[None]) for t, p in clouds.items()})

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the space coordinates: `x, y, z`, and from four on `x1, x2, ...`."""
        if self.dimension <= 3:
            return ("x", "y", "z")[: self.dimension]
        return tuple(f"x{i}" for i in range(1, self.dimension + 1))

    def boundaries(self) -> list[str]:
        """The boundary tags."""
        return [tag for tag, kind in self.kinds.items() if kind == "boundary"]


def _checked_numbers(tag: str, value: Any) -> np.ndarray:
    try:
        points = np.array(value)
    except ValueError:
        raise JnoValueError(f"Points of {tag!r} must have shape (N, d), got rows of different lengths.") from None
    if points.dtype.kind not in "iufb":
        raise JnoTypeError(f"Points of {tag!r} must be an array of real numbers (N, d), got dtype {points.dtype}.")
    return points.astype(np.float64)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class TimeGrid:
    """Equally spaced time steps; a steady domain has the single constant time 1."""

    values: np.ndarray
    steady: bool

    @classmethod
    def from_user(cls, time: Any) -> Self:
        """The grid that `time=None` or `time=(t0, t1, n)` stands for.

        Raises `JnoValueError` for anything else, for `n < 1`, or for `t1 <= t0` with more than one step.
        """
        if time is None:
            return cls(np.ones(1), True)
        if not isinstance(time, tuple | list) or len(time) != 3:
            raise JnoValueError(f"time must be (t0, t1, n) with n time steps, got {time!r}.")
        t0, t1, n = time
        if not all(isinstance(t, int | float | np.integer | np.floating) for t in (t0, t1)):
            raise JnoTypeError(f"time=(t0, t1, n) needs numbers t0 < t1, got {time!r}.")
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise JnoValueError(f"time=(t0, t1, n) needs an integer n >= 1, got n={n!r}.")
        if not (np.isfinite(t0) and np.isfinite(t1)) or t1 < t0 or (n > 1 and t1 == t0):
            raise JnoValueError(f"time=(t0, t1, n) needs finite t0 < t1, got {time!r}.")
        return cls(np.linspace(float(t0), float(t1), int(n)), False)

    def same(self, other: "TimeGrid") -> bool:
        """Whether the other has the same steps."""
        return self.steady == other.steady and np.array_equal(self.values, other.values)
