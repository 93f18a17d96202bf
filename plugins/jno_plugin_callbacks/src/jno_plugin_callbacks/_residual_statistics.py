"""How the residuals are distributed."""

from pathlib import Path
from typing import final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import RunInfo, TrainState
from jno_plugin_callbacks._parameters import compiled
from jno_plugin_callbacks._probe import AbstractProbe, Measure, Series, draw_curves


@final
class ResidualStatistics(AbstractProbe):
    """Statistics of what each constraint reduces: of `pde` in `pde.mse`, over all points, components and instances.

    - `every`: epochs between two measurements. Default 100. Start and end of a run are measured too.

    - `means`, `stds`: mean and standard deviation of the residuals.
    - `maxes`, `p99`: the largest modulus, and the modulus that 99 % do not exceed.

    Each is `(S, n)` for the `S` epochs in `epochs` and the terms in `terms`. Of complex residuals it is the moduli that
    count. One measurement costs less than a step. A largest residual far above the others asks for points where it is
    (Wu et al. 2023, arXiv 2207.10289).
    """

    def __init__(self, every: int = 100) -> None:
        self._series = Series("residual_stats", every)

    @property
    def means(self) -> Float[np.ndarray, "s n"]:
        """Means of the residuals."""
        return self._series.stacked("means")

    @property
    def stds(self) -> Float[np.ndarray, "s n"]:
        """Standard deviations of the residuals."""
        return self._series.stacked("stds")

    @property
    def maxes(self) -> Float[np.ndarray, "s n"]:
        """Largest moduli of the residuals."""
        return self._series.stacked("maxes")

    @property
    def p99(self) -> Float[np.ndarray, "s n"]:
        """The moduli that 99 % of the residuals do not exceed."""
        return self._series.stacked("p99")

    def prepare(self, run: RunInfo) -> Measure:
        def measure(state: TrainState) -> dict[str, Array]:
            residuals = run.view.residuals(state.params, state)
            rows = [_statistics(residuals[term].reshape(-1)) for term in run.terms]
            return {name: jnp.stack([row[name] for row in rows]) for name in rows[0]}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        """Draws the largest moduli, and those that 99 % do not exceed."""
        curves = {f"{term}, max": values for term, values in zip(self.terms, self.maxes.T, strict=True)}
        curves |= {f"{term}, 99 %": values for term, values in zip(self.terms, self.p99.T, strict=True)}
        draw_curves(self._series, curves, "modulus of the residual", path, log=True)


def _statistics(residual: Array) -> dict[str, Array]:
    modulus = jnp.abs(residual)
    values = modulus if jnp.iscomplexobj(residual) else residual
    return {
        "means": jnp.mean(values),
        "stds": jnp.std(values),
        "maxes": jnp.max(modulus),
        "p99": jnp.quantile(modulus, 0.99),
    }
