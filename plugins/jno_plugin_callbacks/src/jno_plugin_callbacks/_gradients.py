"""How the gradients of the loss terms relate: their lengths and the angles between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import RunInfo, TrainState
from jno_plugin_callbacks._figure import new_figure, save
from jno_plugin_callbacks._parameters import Parameters, as_vector, chosen, compiled
from jno_plugin_callbacks._probe import AbstractProbe, Measure, Series, draw_curves


def gram(run: RunInfo, state: TrainState, params: Parameters) -> Float[Array, "n n"]:
    """The inner products of the gradients of all terms in some of the parameters, one backward pass for each."""
    vector, back = as_vector(params)
    losses, pull = jax.vjp(lambda v: run.view.losses({**state.params, **back(v)}, state), vector)
    rows = jax.lax.map(lambda unit: pull(unit)[0], jnp.eye(len(losses), dtype=losses.dtype))
    return jnp.matmul(rows, rows.T, precision="highest")


def cosines(products: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The cosines of the angles between vectors with these inner products; NaN where one of them is zero."""
    norms = jnp.sqrt(jnp.diagonal(products))
    return jnp.clip(products / norms[:, None] / norms[None, :], -1.0, 1.0)


@final
class GradientNorms(AbstractProbe):
    """The length of each loss term's gradient in the parameters.

    - `every`: epochs between two measurements. Default 1000. Start and end of a run are measured too.
    - `parameters`: names of the parameter groups that count (the networks' names). By default all.

    - `norms`: Euclidean norms, `(S, n)` for the `S` epochs in `epochs` and the terms in `terms`. Weights of balancers are
      part of a term.

    One measurement costs about as much as `n` steps. Terms whose gradients differ by orders of magnitude hold each other
    up (Wang, Teng & Perdikaris 2021, arXiv 2001.04536).

    Raises `JnoValueError` for an unknown group when a run starts.
    """

    def __init__(self, every: int = 1000, parameters: Sequence[str] | None = None) -> None:
        self._series = Series("gradient_norms", every)
        self.parameters = parameters

    @property
    def norms(self) -> Float[np.ndarray, "s n"]:
        """Euclidean norms of the gradients."""
        return self._series.stacked("norms")

    def prepare(self, run: RunInfo) -> Measure:
        def measure(state: TrainState) -> dict[str, Array]:
            products = gram(run, state, chosen(state, self.parameters, "gradient_norms"))
            return {"norms": jnp.sqrt(jnp.diagonal(products))}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        curves = dict(zip(self.terms, self.norms.T, strict=True))
        draw_curves(self._series, curves, "norm of the gradient", path, log=True)


@final
class CosineSimilarity(AbstractProbe):
    """The cosine of the angle between each two loss terms' gradients: 1 if they agree, -1 if they work against each other.

    - `every`: epochs between two measurements. Default 1000. Start and end of a run are measured too.
    - `parameters`: names of the parameter groups that count (the networks' names). By default all.

    - `similarity`: `(S, n, n)` for the `S` epochs in `epochs` and the terms in `terms`; NaN where a gradient is zero.

    One measurement costs about as much as `n` steps (Yu et al. 2020, arXiv 2001.06782).

    Raises `JnoValueError` for an unknown group when a run starts.
    """

    def __init__(self, every: int = 1000, parameters: Sequence[str] | None = None) -> None:
        self._series = Series("cos_similarity", every)
        self.parameters = parameters

    @property
    def similarity(self) -> Float[np.ndarray, "s n n"]:
        """Cosines between the gradients."""
        return self._series.stacked("similarity")

    def prepare(self, run: RunInfo) -> Measure:
        def measure(state: TrainState) -> dict[str, Array]:
            return {"similarity": cosines(gram(run, state, chosen(state, self.parameters, "cos_similarity")))}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        newest = self.similarity[-1]
        figure = new_figure("cos_similarity")
        axes = figure.subplots()
        image = axes.imshow(newest, vmin=-1.0, vmax=1.0, cmap="RdBu")
        axes.set_xticks(range(len(self.terms)), self.terms, rotation=45, ha="right")
        axes.set_yticks(range(len(self.terms)), self.terms)
        axes.set_title(f"cosine of the gradients, epoch {self.epochs[-1]}")
        figure.colorbar(image, ax=axes)
        save(figure, path)


@final
class GradientAlignment(AbstractProbe):
    """How far all loss terms' gradients point the same way: one number between -1 and 1.

    It is `2 |g|**2 - 1` with `g` the mean of the gradients' unit vectors; for two terms the cosine of their angle
    (Wang et al. 2025, arXiv 2502.00604, eq. 3.1).

    - `every`: epochs between two measurements. Default 1000. Start and end of a run are measured too.
    - `parameters`: names of the parameter groups that count (the networks' names). By default all.

    - `alignment`: `(S,)` for the `S` epochs in `epochs`; NaN where a gradient is zero.

    One measurement costs about as much as `n` steps.

    Raises `JnoValueError` for an unknown group when a run starts.
    """

    def __init__(self, every: int = 1000, parameters: Sequence[str] | None = None) -> None:
        self._series = Series("gradient_alignment", every)
        self.parameters = parameters

    @property
    def alignment(self) -> Float[np.ndarray, " s"]:
        """Alignment of the gradients."""
        return self._series.stacked("alignment")

    def prepare(self, run: RunInfo) -> Measure:
        def measure(state: TrainState) -> dict[str, Array]:
            products = gram(run, state, chosen(state, self.parameters, "gradient_alignment"))
            # The squared length of the mean of unit vectors is the mean of the cosines between them.
            return {"alignment": 2 * jnp.mean(cosines(products)) - 1}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        draw_curves(self._series, {"alignment": self.alignment}, "alignment of the gradients", path, log=False)
