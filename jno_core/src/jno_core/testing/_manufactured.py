"""Fields whose derivatives of all orders are known in closed form."""

import dataclasses
import math
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core._custom_types import Columns
from jno_core._interfaces import DerivativeRequest, Field, MeshLocation


@final
class WaveParameters(eqx.Module):
    """What of a sum of waves may be differentiated: `amplitudes` and `phases`."""

    amplitudes: Float[Array, " m"]
    phases: Float[Array, "m d"]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Waves:
    """The field `u = sum_m A_m prod_i sin(k_mi x_i + b_mi)`.

    Each differentiation in `x_i` multiplies a term by `k_mi` and adds pi/2 to its phase, so every derivative is exact.
    """

    amplitudes: Float[np.ndarray, " m"]
    wavenumbers: Float[np.ndarray, "m d"]
    phases: Float[np.ndarray, "m d"]

    @classmethod
    def draw(cls, dimension: int, *, periodic: bool, seed: int = 0) -> "Waves":
        """Two smooth waves on the unit cube; with period 1 in every coordinate if `periodic`."""
        rng = np.random.default_rng(seed)
        wavenumbers = rng.uniform(0.7, 1.9, (2, dimension))
        if periodic:
            wavenumbers = 2 * math.pi * rng.integers(1, 3, (2, dimension))
        return cls(rng.uniform(0.5, 1.5, 2), wavenumbers, rng.uniform(0, 2, (2, dimension)))

    def derivative(self, points: Float[np.ndarray, "n d"], axes: Sequence[int]) -> Float[np.ndarray, " n"]:
        """The partial derivative along each of the axes, at the points."""
        counts = np.array([list(axes).count(axis) for axis in range(points.shape[1])])
        angles = points[:, None, :] * self.wavenumbers + self.phases + counts * math.pi / 2
        return np.prod(self.wavenumbers**counts * np.sin(angles), axis=-1) @ self.amplitudes

    def parameters(self) -> WaveParameters:
        """Amplitudes and phases in JAX's default floating-point type."""
        return WaveParameters(jnp.asarray(self.amplitudes), jnp.asarray(self.phases))

    def __call__(self, parameters: WaveParameters, columns: Columns) -> Float[Array, "n 1"]:
        """The field at the columns, in their dtype."""
        dtype = columns[0].dtype
        factors = [
            jnp.sin(column * self.wavenumbers[:, i].astype(dtype) + parameters.phases[:, i].astype(dtype))
            for i, column in enumerate(columns)
        ]
        return math.prod(factors[1:], start=factors[0]) @ parameters.amplitudes.astype(dtype)[:, None]


def field_of(
    components: Sequence[Waves], parameters: Sequence[WaveParameters], columns: Columns, *, flat: bool = False
) -> Field:
    """The field with the components, `(n, c)`, or `(n,)` for a single one if `flat`."""

    def values_at(columns: Columns) -> Array:
        parts = [wave(p, columns) for wave, p in zip(components, parameters, strict=True)]
        return parts[0][:, 0] if flat else jnp.concatenate(parts, axis=1)

    def at(columns: Columns, aligned: dict[str, Array], location: MeshLocation | None = None) -> Array:
        del aligned, location
        return values_at(columns)

    return Field(at=at, values=lambda: values_at(columns), aligned={}, name="waves")


def exact(
    request: DerivativeRequest, components: Sequence[Waves], points: Float[np.ndarray, "n d"], *, flat: bool = False
) -> np.ndarray:
    """What the request must give, in the shape that `DerivativeRequest` states."""
    axes = request.axes

    def of(wave: Waves) -> np.ndarray:
        match request.kind:
            case "value":
                return wave.derivative(points, ())
            case "partial":
                return wave.derivative(points, axes)
            case "gradient":
                return np.stack([wave.derivative(points, (i,)) for i in axes], axis=-1)
            case "laplacian":
                return np.sum([wave.derivative(points, (i, i)) for i in axes], axis=0)
            case "sum":
                return np.sum([wave.derivative(points, term) for term in request.terms], axis=0)
            case "hessian":
                rows = [np.stack([wave.derivative(points, (i, j)) for j in axes], axis=-1) for i in axes]
                return np.stack(rows, axis=-2)

    results = [of(wave) for wave in components]
    if flat or (len(results) == 1 and request.kind in ("gradient", "hessian")):
        return results[0]
    return np.stack(results, axis=1)
