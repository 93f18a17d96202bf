"""Compiled training steps: built once for a problem's structure, fed with arrays."""

import time
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._compile import ChunkedSet, Cost, cost_of, plan_chunks
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._graph import Placeholder
from jno_core._interfaces import DomainData, TrainState
from jno_core._settings import use_compilation_cache
from jno_core._train.groups import ParameterGroup, join, split
from jno_core._train.loop import CAPACITY
from jno_core._train.objective import Objective
from jno_core._train.problem import Problem
from jno_core._train.step import Stepper

_INNER_SIZE = 1024
"""Trackers of interval 1 up to this many numbers are recorded inside the compiled loop."""


@final
class CompiledSteps:
    """The compiled steps for one structure of models, optimizers and data, and the arrays that do not train."""

    def __init__(
        self,
        problem: Problem,
        groups: tuple[ParameterGroup, ...],
        modules: dict[str, PyTree],
        data: DomainData,
        chunk: int | str | None,
    ) -> None:
        self._groups = groups
        self._chunk = chunk
        _, self._static = eqx.partition(split(groups, modules)[1], eqx.is_array)
        inner = {n: t for n, t in problem.trackers.items() if t.interval == 1 and t.aval.size <= _INNER_SIZE}
        self.inner = tuple(inner)
        tracked = tuple(t.expr for t in inner.values())
        self.divided = _divided(problem, tracked, data, modules, chunk)
        self._objective = Objective(problem, groups, self._static, tracked, self.divided)
        self._stepper = Stepper(self._objective, groups)
        self._outer = {n: t for n, t in problem.trackers.items() if n not in inner}
        self._jitted = jax.jit(self._stepper.run, static_argnames="capacity")
        self._trackers: dict[tuple[str, ...], Any] = {}
        self._executable: Any = None
        self._seconds = 0.0

    def fits(
        self,
        groups: tuple[ParameterGroup, ...],
        modules: dict[str, PyTree],
        data: DomainData,
        chunk: int | str | None,
    ) -> bool:
        """Whether the compiled steps serve these optimizers, modules and data without compiling again."""
        same_groups = len(groups) == len(self._groups) and all(
            (a.name, a.selection) == (b.name, b.selection) and a.optimizer is b.optimizer and a.schedule is b.schedule
            for a, b in zip(groups, self._groups, strict=False)
        )
        if not same_groups or chunk != self._chunk:
            return False
        _, static = eqx.partition(split(groups, modules)[1], eqx.is_array)
        return bool(eqx.tree_equal(static, self._static)) and signature((modules, data)) == self._shapes

    def load(self, modules: dict[str, PyTree], data: DomainData) -> None:
        """Take the current weights and data."""
        self._shapes = signature((modules, data))
        self._params, rest = split(self._groups, modules)
        self._rest, _ = eqx.partition(rest, eqx.is_array)
        self._data = data
        self._seconds = 0.0

    def initial(self, key: PRNGKey) -> TrainState:
        """The state before the first step, from the loaded weights."""
        return self._stepper.init(self._params, key)

    def build(self, state: TrainState) -> None:
        """Compile the steps, unless they are compiled already."""
        if self._executable is None:
            use_compilation_cache()
            start = time.perf_counter()
            lowered = self._jitted.lower(state, self._rest, self._data, jnp.asarray(1), capacity=CAPACITY)
            self._executable = lowered.compile()
            self._seconds += time.perf_counter() - start

    def run(self, state: TrainState, steps: int) -> Any:
        """A chunk of steps."""
        return self._executable(state, self._rest, self._data, jnp.asarray(steps))

    def track(self, state: TrainState) -> dict[str, Array]:
        """The trackers that are due, by name."""
        epoch = int(state.epoch)
        due = tuple(n for n, t in self._outer.items() if epoch % t.interval == 0)
        if due not in self._trackers:
            roots = tuple(self._outer[n].expr for n in due)
            self._trackers[due] = jax.jit(lambda s, r, d: self._stepper.track(s, r, d, roots))
        return dict(zip(due, self._trackers[due](state, self._rest, self._data), strict=True))

    def cost(self, state: TrainState) -> Cost:
        """The cost of one step on all points at once. The division into parts is left out: XLA counts a loop's body once."""
        whole = Stepper(self._objective.undivided(), self._groups)
        return cost_of(whole.step, state, self._rest, self._data)

    def modules(self, state: TrainState) -> dict[str, PyTree]:
        """The models' modules with the state's weights."""
        return join(self._groups, state.params, eqx.combine(self._rest, self._static))

    def seconds(self) -> float:
        """Time spent compiling since the last `load`."""
        return self._seconds

    def count(self, *, trainable: bool) -> int:
        """The number of trainable, or of fixed, floating-point scalars."""
        leaves = jax.tree.leaves(self._params if trainable else self._rest)
        return sum(leaf.size for leaf in leaves if eqx.is_inexact_array(leaf))


def signature(tree: PyTree) -> Any:
    """The structure of a PyTree with the shapes and dtypes of its arrays: what a compiled function depends on."""
    leaves, structure = jax.tree.flatten(eqx.filter(tree, eqx.is_array))
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


def _divided(
    problem: Problem,
    tracked: tuple[Placeholder, ...],
    data: DomainData,
    modules: dict[str, PyTree],
    chunk: int | str | None,
) -> tuple[ChunkedSet, ...]:
    if chunk is None:
        return ()
    losses = tuple(loss for balance in problem.balances.values() for loss in balance.losses)
    named = {model: modules[name] for name, model in problem.models.items()}
    rows = None if chunk == "auto" else int(chunk)
    return plan_chunks(problem.program, (*problem.constraints, *tracked, *losses), data, named, rows)
