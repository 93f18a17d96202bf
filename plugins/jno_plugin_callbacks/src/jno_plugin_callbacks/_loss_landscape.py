"""The total loss around the current parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import RunInfo, TrainState
from jno_core.errors import JnoValueError
from jno_plugin_callbacks._figure import new_figure, save
from jno_plugin_callbacks._needs import check_positive
from jno_plugin_callbacks._parameters import Parameters, chosen, compiled
from jno_plugin_callbacks._probe import AbstractProbe, Measure, Series


@final
class LossLandscape(AbstractProbe):
    """The total loss on a grid in a plane through the current parameters, spanned by two random directions.

    Each direction is scaled filter by filter to the parameters' norms: the rows of a matrix and the output channels of a
    convolution one by one, a bias as a whole (Li et al. 2018, arXiv 1712.09913). The directions before scaling are the
    same in all measurements.

    - `n_grid`: grid points on each axis, odd, so that the parameters themselves are among them. Default 15.
    - `span`: the grid goes from `-span` to `span` on each axis. Default 1.
    - `every`: epochs between two measurements. Default 5000. Start and end of a run are measured too.
    - `seed`: of the directions. Default 0.
    - `parameters`: names of the parameter groups that move (the networks' names). By default all.

    - `landscapes`: `(S, n_grid, n_grid)` for the `S` epochs in `epochs`; the first grid axis is the first direction.
    - `alphas`: the grid's coordinates, `(n_grid,)`.

    One measurement costs about as much as `n_grid**2 / 3` steps.

    Raises `JnoValueError` for an argument outside of its range, and for an unknown group when a run starts.
    """

    def __init__(
        self,
        n_grid: int = 15,
        span: float = 1.0,
        every: int = 5000,
        seed: int = 0,
        parameters: Sequence[str] | None = None,
    ) -> None:
        check_positive("loss_landscape", n_grid=n_grid)
        if n_grid % 2 == 0:
            raise JnoValueError(f"LossLandscape needs an odd number as `n_grid`, got {n_grid}.")
        if not 0 < span < np.inf:
            raise JnoValueError(f"LossLandscape needs a finite positive number as `span`, got {span!r}.")
        self._series = Series("loss_landscape", every)
        self.alphas = np.linspace(-span, span, n_grid)
        self.seed = seed
        self.parameters = parameters

    @property
    def landscapes(self) -> Float[np.ndarray, "s g g"]:
        """Total losses on the grid."""
        return self._series.stacked("landscapes")

    def prepare(self, run: RunInfo) -> Measure:
        first, second = jax.random.split(jax.random.key(self.seed))
        grid = jnp.asarray(np.stack(np.meshgrid(self.alphas, self.alphas, indexing="ij"), axis=-1).reshape(-1, 2))

        def measure(state: TrainState) -> dict[str, Array]:
            params = chosen(state, self.parameters, "loss_landscape")
            one, two = _direction(params, first), _direction(params, second)

            def total(place: Float[Array, " 2"]) -> Float[Array, ""]:
                moved = jax.tree.map(
                    lambda p, a, b: p + (place[0] * a + place[1] * b).astype(p.dtype), params, one, two
                )
                return jnp.mean(run.view.losses({**state.params, **moved}, state))

            g = len(self.alphas)
            return {"landscapes": jax.lax.map(total, grid).reshape(g, g)}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        """Draws the newest landscape, on a logarithmic scale if it is positive."""
        newest = self.landscapes[-1]
        is_positive = bool(np.all(newest > 0))
        figure = new_figure("loss_landscape", figsize=(5.4, 4.4))
        axes = figure.subplots()
        filled = axes.contourf(self.alphas, self.alphas, (np.log10(newest) if is_positive else newest).T, levels=20)
        axes.plot(0.0, 0.0, "r+")
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
        axes.set_title(f"{'log10 of the total loss' if is_positive else 'total loss'}, epoch {self.epochs[-1]}")
        figure.colorbar(filled, ax=axes)
        save(figure, path)


def _direction(params: Parameters, key: Any) -> Parameters:
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(structure, [_scaled(leaf, k) for leaf, k in zip(leaves, keys, strict=True)])


def _scaled(leaf: Array, key: Any) -> Array:
    """A random array in which each filter has the norm of that of the parameters."""
    drawn = jax.random.normal(key, leaf.shape, leaf.dtype)
    axes = tuple(range(1, leaf.ndim)) if leaf.ndim > 1 else tuple(range(leaf.ndim))
    norms = [jnp.sqrt(jnp.sum(jnp.abs(x) ** 2, axis=axes, keepdims=True)) for x in (drawn, leaf)]
    return drawn / norms[0] * norms[1]
