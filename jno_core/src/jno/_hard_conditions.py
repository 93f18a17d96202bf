"""Ansatz functions that satisfy boundary conditions by construction.

With a function b that is zero on a part of the boundary, `g + b net` takes the values `g` whatever the network is; with a
function φ that has the normal derivative 1 there too, similar forms fix normal derivatives. The geometry gives both
(`AbstractDistance`). The first is smoother: at a convex corner φ has unbounded second derivatives.

Source: N. Sukumar and A. Srivastava, Exact imposition of boundary conditions with distance functions in physics-informed deep
neural networks, Computer Methods in Applied Mechanics and Engineering 389 (2022) 114333.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno.numpy import concat, cos, function, sin
from jno_core._graph import Collocation, Placeholder, Variable, walk
from jno_core._interfaces import AbstractDistance
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError


def hard_dirichlet(net: Any, g: Any = 0.0, where: Any = "boundary") -> Placeholder:
    """`g + b net`: an expression that is `g` on a part of the boundary, exactly, and any function elsewhere.

        u = jno.fn.hard_dirichlet(net(x, y), 0.0)
        u = jno.fn.hard_dirichlet(net(x, y), {"left": 1.0, "right": jno.np.sin(y)})

    - `net`: an expression `(N, C)` of the coordinates of one point set.
    - `g`: a number or an expression that is defined in the whole region; or a mapping of boundary tags to such, which are
      then interpolated between the parts with the weights `φ_i^-2` of the distances to them; where parts meet, their values
      should agree.
    - `where`: the boundary tag or tags, or a geometry whose whole boundary is meant. By default all of the boundary of the
      domain. Not with a mapping.

    Raises `JnoValueError` when `net` reads none or several point sets, and `PluginCapabilityError` when the domain has no
    geometry that knows distances.
    """
    points = _points_of(net)
    if isinstance(g, Mapping):
        if where != "boundary" or not g:
            raise JnoTypeError(
                "With values by tag, where= is left out: hard_dirichlet(net, {'left': 1.0, 'right': 0.0})."
            )
        distances = [_distances(points, tag) for tag in g]
        share = [_call(_Share(tuple(d for (d,) in distances), i), points, "share") for i in range(len(g))]
        values: Any = 0.0
        for weight, value in zip(share, g.values(), strict=True):
            values = values + weight * value
        return values + _vanishing(points, list(g)) * net
    return g + _vanishing(points, where) * net


def hard_neumann(net: Any, h: Any = 0.0, where: Any = "boundary") -> Placeholder:
    """`net - φ (∇φ·∇net + h)`: an expression whose outward normal derivative is `h` on a part of the boundary.

    Arguments and errors as in `hard_dirichlet`. Exact in the limit from inside (on the boundary itself φ has a kink), where
    the boundary is smooth; at corners there is no normal.
    """
    return hard_robin(net, 0.0, h, where)


def hard_robin(net: Any, a: Any, h: Any, where: Any = "boundary") -> Placeholder:
    """An expression `u` with `∂u/∂n + a u = h` on a part of the boundary: `net - φ (∇φ·∇net + h - a net)`.

    `a` and `h` are numbers or expressions; the rest as in `hard_dirichlet`.
    """
    points = _points_of(net)
    phi = distance(points, where)
    slope: Any = 0.0
    for x in _coordinates(points):
        slope = slope + phi.d(x) * net.d(x)
    return net - phi * (slope + h - a * net)


def periodic(x: Any, period: float, harmonics: int = 1) -> Placeholder:
    """`cos(2πk x / period), sin(2πk x / period)` for `k` from 1 to `harmonics`, `(N, 2 harmonics)`.

    A network of these instead of `x` is periodic in `x`, with all derivatives: `net(jno.fn.periodic(x, 2.0), y)`.
    """
    if isinstance(harmonics, bool) or not isinstance(harmonics, int) or harmonics < 1:
        raise JnoValueError(f"harmonics must be an integer >= 1, got {harmonics!r}.")
    if not np.isfinite(period) or period <= 0:
        raise JnoValueError(f"period must be positive and finite, got {period!r}.")
    angles = [2 * np.pi * k / period * x for k in range(1, harmonics + 1)]
    return concat([f(angle) for angle in angles for f in (cos, sin)])


def _vanishing(points: Collocation, where: Any) -> Placeholder:
    """Zero on some parts of the boundary, `(N, 1)`."""
    product: Any = 1.0
    for geometry, tag in _parts(points, where):
        product = product * _call(_Joined((geometry.bubble(tag),)), points, "bubble")
    return product


def distance(points: Collocation, where: Any) -> Placeholder:
    """The function φ of a part of the boundary at the points of a point set, `(N, 1)`."""
    return _call(_Joined(_distances(points, where)), points, "distance")


def _distances(points: Collocation, where: Any) -> tuple[Callable[..., Any], ...]:
    return tuple(geometry.smooth_distance(tag) for geometry, tag in _parts(points, where))


def _parts(points: Collocation, where: Any) -> list[tuple[AbstractDistance, str]]:
    """The geometry and the tags that `where` means."""
    if isinstance(where, AbstractDistance):
        return [(where, "boundary")]
    tags = [where] if isinstance(where, str) else where
    if not isinstance(tags, Sequence) or not tags or not all(isinstance(tag, str) for tag in tags):
        raise JnoTypeError(f"where takes a boundary tag, several tags or a geometry, got {where!r}.")
    geometry = points.domain.geometry
    if not isinstance(geometry, AbstractDistance):
        name = "A domain of points or of a bare mesh" if geometry is None else type(geometry).__name__
        raise PluginCapabilityError(
            f"{name} does not know distances to its boundary, which a hard condition needs. Pass a shape: where=shape."
        )
    return [(geometry, tag) for tag in tags]


def _points_of(net: Any) -> Collocation:
    if not isinstance(net, Placeholder):
        raise JnoTypeError(f"A hard condition takes an expression such as net(x, y), got {net!r}.")
    sets = walk.collocations([net])
    if len(sets) != 1:
        raise JnoValueError(
            f"A hard condition needs an expression on one point set; this one reads {[s.name for s in sets] or 'none'}."
        )
    return sets[0]


def _coordinates(points: Collocation) -> tuple[Variable, ...]:
    return tuple(Variable(points, "space", (i, i + 1)) for i in range(len(points.coordinates)))


def _call(fn: Callable[..., Array], points: Collocation, name: str) -> Placeholder:
    return function(fn, list(_coordinates(points)), name)


@final
@dataclasses.dataclass(frozen=True)
class _Joined:
    """Zero on all of several parts, by the sum of the inverse squares; equal for equal parts."""

    distances: tuple[Callable[..., Any], ...]

    def __call__(self, *columns: Float[Array, "n 1"]) -> Float[Array, "n 1"]:
        points = jnp.concatenate(columns, axis=1)
        if len(self.distances) == 1:
            return self.distances[0](points)[:, None]
        inverse = [d(points)[:, None] ** -2 for d in self.distances]
        return jnp.sum(jnp.stack(inverse), axis=0) ** -0.5


@final
@dataclasses.dataclass(frozen=True)
class _Share:
    """The weight of one of several parts: 1 on it, 0 on the others."""

    distances: tuple[Callable[..., Any], ...]
    chosen: int

    def __call__(self, *columns: Float[Array, "n 1"]) -> Float[Array, "n 1"]:
        points = jnp.concatenate(columns, axis=1)
        inverse = [d(points)[:, None] ** -2 for d in self.distances]
        return inverse[self.chosen] / jnp.sum(jnp.stack(inverse), axis=0)
