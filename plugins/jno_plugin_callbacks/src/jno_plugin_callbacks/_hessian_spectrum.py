"""The largest eigenvalues of the Hessian of the total loss."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import RunInfo, TrainState
from jno_plugin_callbacks._needs import check_positive
from jno_plugin_callbacks._parameters import as_vector, chosen, compiled
from jno_plugin_callbacks._probe import AbstractProbe, Measure, Series, draw_curves

# Relative. The products with the Hessian are in single precision as a rule, so much more could not be had.
_TOLERANCE = 1e-3
# Up to so many parameters for each eigenvalue, all columns of the Hessian cost no more than an iteration.
_DENSE = 3


@final
class HessianSpectrum(AbstractProbe):
    """The largest eigenvalues of the Hessian of the total loss in the parameters; the first of them is the sharpness.

    A gradient step of rate `r` diverges in the directions whose eigenvalue is above `2 / r` (Keskar et al. 2017, arXiv
    1609.04836; Ghorbani, Krishnan & Xiao 2019, arXiv 1901.10159).

    - `k`: how many. Default 5.
    - `every`: epochs between two measurements. Default 10000. Start and end of a run are measured too.
    - `parameters`: names of the parameter groups that count (the networks' names). By default all.

    - `eigenvalues`: `(S, k)` for the `S` epochs in `epochs`, the algebraically largest first, to a relative error of 1e-3;
      fewer than `k` if there are fewer parameters, NaN where the iteration has not converged.
    - `sharpness`: `(S,)`, the largest.

    The Hessian is never formed: implicitly restarted Lanczos iteration (ARPACK) on Hessian-vector products, each of which
    costs about two steps. It takes some 20 to 50 of them, and memory for 20 gradients or more.

    Raises `JnoValueError` for an unknown group when a run starts.
    """

    def __init__(self, k: int = 5, every: int = 10_000, parameters: Sequence[str] | None = None) -> None:
        check_positive("hessian_spectrum", k=k)
        self._series = Series("hessian_spectrum", every)
        self.k = k
        self.parameters = parameters

    @property
    def eigenvalues(self) -> Float[np.ndarray, "s k"]:
        """Eigenvalues of the Hessian, the largest first."""
        return self._series.stacked("eigenvalues")

    @property
    def sharpness(self) -> Float[np.ndarray, " s"]:
        """The largest eigenvalues."""
        return self.eigenvalues[:, 0]

    def prepare(self, run: RunInfo) -> Measure:
        def product(state: TrainState, direction: Float[Array, " p"]) -> Float[Array, " p"]:
            vector, back = as_vector(chosen(state, self.parameters, "hessian_spectrum"))

            def total(vector: Float[Array, " p"]) -> Float[Array, ""]:
                return jnp.mean(run.view.losses({**state.params, **back(vector)}, state))

            return jax.jvp(jax.grad(total), (vector,), (direction,))[1]

        multiply = compiled(product)

        def measure(state: TrainState) -> dict[str, np.ndarray]:
            vector = jax.eval_shape(lambda s: as_vector(chosen(s, self.parameters, "hessian_spectrum"))[0], state)
            found = _largest(lambda v: np.asarray(multiply(state, v.astype(vector.dtype))), vector.size, self.k)
            return {"eigenvalues": found}

        return measure

    def plot(self, path: str | Path) -> None:
        curves = {f"eigenvalue {i}": values for i, values in enumerate(self.eigenvalues.T, start=1)}
        draw_curves(self._series, curves, "eigenvalue of the Hessian", path, log=True)


def _largest(multiply: Callable[[Any], np.ndarray], size: int, k: int) -> Float[np.ndarray, " k"]:
    """The `k` largest eigenvalues of a symmetric matrix that is known by its products with vectors, descending."""
    if size <= max(_DENSE * k, 20):
        matrix = np.stack([multiply(unit) for unit in np.eye(size)])
        if not np.all(np.isfinite(matrix)):
            return np.full(min(k, size), np.nan)
        return np.linalg.eigvalsh((matrix + matrix.T) / 2)[::-1][:k]
    start = np.random.default_rng(0).standard_normal(size)
    if not np.all(np.isfinite(multiply(start))):
        return np.full(k, np.nan)
    from scipy.sparse import linalg

    # scipy's types know neither the arguments of its operators nor a tolerance that is not whole.
    hessian = linalg.LinearOperator((size, size), matvec=multiply, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    try:
        found = linalg.eigsh(hessian, k, which="LA", v0=start, tol=_TOLERANCE, return_eigenvectors=False)  # pyright: ignore[reportArgumentType]
    except linalg.ArpackNoConvergence as error:
        found = error.eigenvalues
    return np.concatenate([np.sort(found)[::-1], np.full(k - len(found), np.nan)])
