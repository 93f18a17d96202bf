"""How functions of single faces become one function of a whole boundary.

Squares of distances are added up: a square is smooth across the face, where the distance itself has a kink.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

Values: TypeAlias = Float[Array, " n"]


@final
class Faces(NamedTuple):
    """Parts of surfaces, one in each row: where `f = 0` and all `trims` are positive or zero; `f` has a gradient of length 1.

    Rows of the same kind are computed at once: programs compile slowly when every face has operations of its own.
    """

    f: Float[Array, "k n"]
    trims: tuple[Float[Array, "#k n"], ...]

    def chosen(self, rows: Bool[np.ndarray, " k"]) -> "Faces":
        """Some of the rows."""
        if np.all(rows):
            return self

        def of(values: Float[Array, "#k n"]) -> Float[Array, "#k n"]:
            if len(values) < len(rows):
                return values
            return jnp.stack([values[i] for i in np.flatnonzero(rows)])

        return Faces(of(self.f), tuple(of(t) for t in self.trims))


def joined(faces: Sequence[Faces], size: float) -> Values:
    """Zero exactly on the faces, positive elsewhere: `(1 / a² + 1 / b² + ...)^(-1/2)` of the distances `a, b, ...` to each.

    Normalised to the second order: near the middle of a face it is the distance to that face up to its third power. `size`
    is a length of the region; smaller lengths than its product with the precision do not matter.
    """
    floor = (size * _tiny(faces[0].f.dtype)) ** 2
    squares = jnp.concatenate([_squared(some) + floor for some in faces])
    # A common factor cancels; it keeps the quotients in range.
    least = jax.lax.stop_gradient(jnp.min(squares, axis=0))
    total = jnp.sum(least / squares, axis=0)
    return jnp.sqrt(least / total)


def multiplied(faces: Sequence[Faces], plain: Sequence[Bool[np.ndarray, " k"]], width: float, size: float) -> Values:
    """Zero exactly on the faces: the product of `f / sqrt(f² + width²)` of the `plain` ones, and of the distance to all others.

    A face is plain if its surface does not enter the region anywhere else, so that it needs no trims. A product has no
    singularity where plain faces meet, and farther than `width` from a face its factor is nearly 1.
    """
    factors = [jnp.abs(some.f[i]) for some, rows in zip(faces, plain, strict=True) for i in np.flatnonzero(rows)]
    others = [some.chosen(~rows) for some, rows in zip(faces, plain, strict=True) if not np.all(rows)]
    if others:
        factors.append(joined(others, size))
    product = jnp.ones_like(faces[0].f[0])
    for f in factors:
        product = product * f / jnp.sqrt(f**2 + width**2)
    return product


def signed(inside: Array, distance: Values) -> Values:
    """Positive inside; smooth across the boundary, where the distance is zero with a normal derivative of 1."""
    return jnp.where(inside, distance, -distance)


def both(a: Values, b: Values) -> Values:
    """The R-conjunction: positive where both are."""
    return a + b - _root(a, b)


def either(a: Values, b: Values) -> Values:
    """The R-disjunction: positive where one of them is."""
    return a + b + _root(a, b)


def _squared(faces: Faces) -> Float[Array, "k n"]:
    """The squared distance to each face, equal to `f²` up to the order `f⁸` where the trims are positive."""
    fourth = faces.f**4
    total = faces.f**2
    for t in faces.trims:
        # (sqrt(t² + f⁴) - t) / 2 without cancellation; the tiny number keeps its derivative finite at the edge.
        root = jnp.sqrt(t**2 + fourth + _tiny(t.dtype) ** 2)
        beyond = jnp.where(t > 0, fourth / (root + jnp.abs(t)), root - t) / 2
        total = total + beyond**2
    return total


def _root(a: Values, b: Values) -> Values:
    return jnp.sqrt(a**2 + b**2 + _tiny(a.dtype) ** 2)


def _tiny(dtype: jnp.dtype) -> float:
    return 1e-13 if dtype == jnp.float64 else 1e-10
