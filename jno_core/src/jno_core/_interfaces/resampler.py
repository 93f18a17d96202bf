"""The contract of resampling strategies: which points a run goes on with."""

import abc
import dataclasses
from collections.abc import Callable
from typing import final

import equinox as eqx
from jaxtyping import Array, Float, Int

from jno_core._custom_types import PRNGKey, PyTree


@final
@dataclasses.dataclass(frozen=True)
class ResampleView:
    """What a resampling strategy may look at. What is not called costs nothing.

    - `points`: the points of the set now, `(N, d)`; `pool`: fresh candidates, `(M, d)`.
    - `coordinates`: the names of the columns.
    - `epoch`: completed epochs.
    - `residuals() -> (k, N + M)`: the absolute residual, averaged over components, of each of the `k` constraints that read
      this point set and no other, at `points` followed by `pool`, with the current weights and at the time of the coming
      step.
    """

    points: Float[Array, "n d"]
    pool: Float[Array, "m d"]
    coordinates: tuple[str, ...]
    epoch: int
    residuals: Callable[[], Float[Array, "k n+m"]]


class AbstractResampler(eqx.Module):
    """A rule that renews the points of a point set while a problem is trained: `variable(tag, sample, resampling_strategy=r)`.

    It is asked between steps, after every `every` epochs from epoch `start` on. The number of points never changes. Its state is
    part of the training state, so that checkpoints and resume see it; random numbers come from the key alone.
    """

    every: eqx.AbstractVar[int]
    start: eqx.AbstractVar[int]

    @abc.abstractmethod
    def init(self) -> PyTree:
        """The state before the first time: a PyTree of arrays with fixed shapes and dtypes."""

    @abc.abstractmethod
    def select(self, state: PyTree, view: ResampleView, key: PRNGKey) -> tuple[Int[Array, " n"], PyTree]:
        """The points to go on with, and the new state.

        Points are named by their index among `view.points` followed by `view.pool`: `i < N` keeps point i, `N + j` takes
        candidate j.
        """
