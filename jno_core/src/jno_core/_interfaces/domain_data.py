"""What a domain hands to a lowered problem: the arrays of point sets and attached arrays, by name."""

from typing import Literal, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from jno_core._custom_types import PyTree
from jno_core._interfaces.mesh import MeshLocation

Layout = Literal["shared", "instance", "point", "instance_point"]


@final
class PointData(eqx.Module):
    """One point set: `points (B or 1, N, d)`, `times (T,)`, `normals (B or 1, N, d)` if it lies on a boundary,
    `weights (B or 1, N)` if it is an integration rule.
    """

    points: Float[Array, "b n d"]
    times: Float[Array, " t"]
    normals: Float[Array, "b n d"] | None = None
    location: MeshLocation | None = eqx.field(static=True, default=None)
    weights: Float[Array, "b n"] | None = None


@final
class TensorData(eqx.Module):
    """An attached array, with a leading instance axis (1 when all instances share it), in device or host memory."""

    value: Array | np.ndarray
    layout: Layout = eqx.field(static=True)
    collocation: str | None = eqx.field(static=True, default=None)


@final
class DomainData(eqx.Module):
    """All that a problem reads: point sets and attached arrays by name, and what schemes prepared, with an instance axis."""

    points: dict[str, PointData]
    tensors: dict[str, TensorData]
    operators: dict[str, PyTree] = eqx.field(default_factory=dict)

    @property
    def instances(self) -> int:
        """B, the number of instances."""
        leading = [p.points.shape[0] for p in self.points.values()] + [t.value.shape[0] for t in self.tensors.values()]
        return max(leading, default=1)

    @property
    def times(self) -> int:
        """T, the number of time steps."""
        return max((p.times.shape[0] for p in self.points.values()), default=1)
