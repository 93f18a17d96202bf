"""What callbacks may ask about the problem that is trained."""

from collections.abc import Callable
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._compile import reduced
from jno_core._custom_types import PyTree
from jno_core._interfaces import AbstractRunView, Checkpoint, TrainState
from jno_core._train.checkpointing import snapshot
from jno_core._train.compiled import CompiledSteps
from jno_core._train.problem import Problem
from jno_core._train.run_log import RunLog


@final
class RunView(AbstractRunView):
    """The view of a run. `logs` gives the history up to now."""

    def __init__(self, problem: Problem, compiled: CompiledSteps, logs: Callable[[], tuple[RunLog, ...]]) -> None:
        self._problem, self._compiled, self._logs = problem, compiled, logs
        self._residuals = tuple(reduced(constraint) for constraint in problem.constraints)

    def losses(self, params: dict[str, PyTree], state: TrainState) -> Float[Array, " n"]:
        return self._compiled.losses(params, state)

    def residuals(self, params: dict[str, PyTree], state: TrainState) -> dict[str, Array]:
        values = self._compiled.values(self._residuals, params, state)
        return dict(zip(self._problem.terms, map(jnp.asarray, values), strict=True))

    def modules(self, state: TrainState) -> dict[str, PyTree]:
        return self._compiled.modules(state)

    def checkpoint(self, state: TrainState) -> Checkpoint:
        return snapshot(state, self._problem, self._logs())
