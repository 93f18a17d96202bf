"""Coordinates, normals and attached arrays: the leaves of the graph that read a domain."""

import dataclasses
from collections.abc import Hashable
from typing import Any, Literal, final

import jax
import jax.numpy as jnp

from jno_core._graph.placeholder import Placeholder
from jno_core._interfaces import Layout


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Collocation:
    """The identity of one point set: made by one `domain.variable(tag)` call, shared by the variables of that call.

    - `name`: unique within the domain (`"interior"`, `"interior#2"`, ...).
    - `tag`, `kind`: the region that it was drawn from, and whether that is interior, boundary, initial or a point cloud.
    - `size`: number of points N.
    - `coordinates`: names of the space coordinates.
    - `times`: number of time steps T; 1 on a steady domain.
    - `steady`: whether the domain has no time axis (time is then the constant 1).
    - `domain`: the domain that owns the points.
    - `inward`: whether its normals were turned around.
    - `rule`: of a point set that is an integration rule the order, `"vertex"` or that of a Gauss rule; else `None`.
    - `time_value`: of a point set at a single time step the time that was asked for; else `None`.
    """

    name: str
    tag: str
    kind: str
    size: int
    coordinates: tuple[str, ...]
    times: int
    steady: bool
    domain: Any
    inward: bool = False
    rule: int | Literal["vertex"] | None = None
    time_value: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All coordinate names, time last."""
        return (*self.coordinates, "t")


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Variable(Placeholder):
    """An independent variable: a coordinate `(N, 1)`, the time `(N, 1)`, or a normal `(N, 1)` or `(N, d)`.

    Made by `domain.variable(...)`, and by integrals, whose points have weights `(N, 1)`. `axis` tells which it is; `dim`
    are the first and last column plus one.
    """

    collocation: Collocation
    axis: Literal["space", "time", "normal", "weight"]
    dim: tuple[int, int]

    def children(self) -> tuple[Placeholder, ...]:
        return ()

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        del children
        return self

    def key(self) -> Hashable:
        return self.collocation, self.axis, self.dim

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.collocation.size, self.dim[1] - self.dim[0]), default_float())

    @property
    def tag(self) -> str:
        """The region of the domain."""
        return self.collocation.tag

    @property
    def domain(self) -> Any:
        """The domain that owns the points."""
        return self.collocation.domain

    @property
    def column(self) -> int:
        """The index of this coordinate among all coordinates, time last."""
        return len(self.collocation.coordinates) if self.axis == "time" else self.dim[0]

    @property
    def symbol(self) -> str:
        """How the variable is written: `x`, `t`, `n_x`, `n`."""
        if self.axis in ("time", "weight"):
            return self.axis[0]
        if self.axis == "normal":
            return "n" if self.dim[1] - self.dim[0] > 1 else f"n_{self.collocation.coordinates[self.dim[0]]}"
        return self.collocation.coordinates[self.dim[0]]


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TensorTag(Placeholder):
    """An array that the user attached to a domain: `domain.variable("k", array, per=...)`.

    `layout` says what its leading axes are: `shared` (none), `instance` (B), `point` (N), `instance_point` (B, N); the
    point axis belongs to `collocation`. `shape` and `dtype` are those of one instance.
    """

    tag: str
    domain: Any
    layout: Layout
    shape: tuple[int, ...]
    dtype: Any
    collocation: Collocation | None = None

    def children(self) -> tuple[Placeholder, ...]:
        return ()

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        del children
        return self

    def key(self) -> Hashable:
        return self.tag, id(self.domain)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(self.shape, self.dtype)


def default_float() -> Any:
    """The float type of points and literals: float32, or float64 under `jax_enable_x64`."""
    return jnp.result_type(float)
