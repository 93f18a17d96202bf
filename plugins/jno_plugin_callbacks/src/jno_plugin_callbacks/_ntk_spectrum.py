"""The spectrum of the neural tangent kernel."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jno_core import RunInfo, TrainState
from jno_core.errors import JnoValueError
from jno_plugin_callbacks._figure import new_figure, save
from jno_plugin_callbacks._needs import check_positive
from jno_plugin_callbacks._parameters import as_vector, chosen, compiled
from jno_plugin_callbacks._probe import AbstractProbe, Measure, Series

# So many rows of the Jacobian are computed at once, which bounds the memory.
_ROWS = 16


@final
class NtkSpectrum(AbstractProbe):
    """The eigenvalues of the neural tangent kernel `K = J J^T`, with `J` the Jacobian of residuals in the parameters.

    They tell how fast the parts of the residual fall under gradient descent: a wide spectrum means that some hardly do
    (Wang, Yu & Perdikaris 2022, arXiv 2007.14527).

    - `n_points`: how many residuals, taken at random, the same in all measurements and as many from each term. Default 64.
    - `every`: epochs between two measurements. Default 5000. Start and end of a run are measured too.
    - `terms`: names of the terms whose residuals count. By default all.
    - `parameters`: names of the parameter groups that count (the networks' names). By default all.

    - `eigenvalues`: `(S, m)` for the `S` epochs in `epochs`, descending; `m` is `n_points` or the number of residuals.
    - `trace`, `condition`: their sum, and the largest over the smallest, `(S,)`. Where the smallest is round-off, the
      condition is only a lower bound.

    One measurement costs about as much as `n_points` steps, and memory for `n_points` gradients.

    Raises `JnoValueError` for an unknown term or group when a run starts.
    """

    def __init__(
        self,
        n_points: int = 64,
        every: int = 5000,
        terms: Sequence[str] | None = None,
        parameters: Sequence[str] | None = None,
    ) -> None:
        check_positive("ntk_spectrum", n_points=n_points)
        self._series = Series("ntk_spectrum", every)
        self.n_points = n_points
        self._chosen = terms
        self.parameters = parameters

    @property
    def eigenvalues(self) -> Float[np.ndarray, "s m"]:
        """Eigenvalues of the kernel, the largest first."""
        return self._series.stacked("eigenvalues")

    @property
    def trace(self) -> Float[np.ndarray, " s"]:
        """The sums of the eigenvalues."""
        return self.eigenvalues.sum(axis=1)

    @property
    def condition(self) -> Float[np.ndarray, " s"]:
        """The largest eigenvalue over the smallest."""
        largest, smallest = self.eigenvalues[:, 0], self.eigenvalues[:, -1]
        return largest / np.maximum(smallest, largest * np.finfo(largest.dtype).eps)

    def prepare(self, run: RunInfo) -> Measure:
        terms = run.terms if self._chosen is None else tuple(self._chosen)
        for term in terms:
            if term not in run.terms:
                known = ", ".join(map(repr, run.terms))
                raise JnoValueError(f"The callback 'ntk_spectrum' knows no term {term!r}; the terms are {known}.")

        def measure(state: TrainState) -> dict[str, Array]:
            vector, back = as_vector(chosen(state, self.parameters, "ntk_spectrum"))
            shapes = jax.eval_shape(run.view.residuals, state.params, state)
            picks = _picks({term: shapes[term].size for term in terms}, self.n_points)

            def some(vector: Float[Array, " p"]) -> Float[Array, " m"]:
                residuals = run.view.residuals({**state.params, **back(vector)}, state)
                values = jnp.concatenate([residuals[term].reshape(-1)[picks[term]] for term in terms])
                return jnp.concatenate([values.real, values.imag]) if jnp.iscomplexobj(values) else values

            values, pull = jax.vjp(some, vector)
            units = jnp.eye(len(values), dtype=values.dtype)
            jacobian = jax.lax.map(lambda unit: pull(unit)[0], units, batch_size=_ROWS)
            kernel = jnp.matmul(jacobian, jacobian.T, precision="highest")
            return {"eigenvalues": jnp.maximum(jnp.linalg.eigvalsh(kernel)[::-1], 0.0)}

        return compiled(measure)

    def plot(self, path: str | Path) -> None:
        """Draws the spectrum at each measurement."""
        spectra = self.eigenvalues
        figure = new_figure("ntk_spectrum")
        axes = figure.subplots()
        for epoch, spectrum in zip(self.epochs, spectra, strict=True):
            axes.plot(np.arange(1, len(spectrum) + 1), spectrum, marker=".", label=f"epoch {epoch}")
        if np.any(spectra > 0):
            axes.set_yscale("log")
        axes.set_xlabel("number")
        axes.set_ylabel("eigenvalue of the tangent kernel")
        axes.grid(True, alpha=0.3)
        axes.legend()
        save(figure, path)


def _picks(sizes: Mapping[str, int], count: int) -> dict[str, Int[np.ndarray, " k"]]:
    """About equally many positions in each of some arrays, `count` together or all; always the same."""
    random = np.random.default_rng(0)
    picks = {}
    left = count
    for i, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        # Small arrays come first, so that larger ones take what is left over.
        share = min(size, -(-left // (len(sizes) - i)))
        picks[name] = np.sort(random.choice(size, share, replace=False))
        left -= share
    return picks
