"""Compiled training steps: built once for a problem's structure, fed with arrays."""

import dataclasses
import time
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from jno_core._compile import ChunkedSet, Cost, cost_of
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._graph import Placeholder
from jno_core._interfaces import DomainData, TrainState
from jno_core._settings import use_compilation_cache
from jno_core._train.batch_plan import planned_batches
from jno_core._train.batches import Batches, Streamed, only_instance
from jno_core._train.devices import DeviceMesh
from jno_core._train.groups import ParameterGroup, join, split
from jno_core._train.moment import LossForm
from jno_core._train.objective import Objective
from jno_core._train.options import StepOptions
from jno_core._train.pace import Pace
from jno_core._train.problem import Problem
from jno_core._train.renewed_points import initial_points, memory_of
from jno_core._train.step import CAPACITY, Stepper, Steps
from jno_core._train.streaming import HostStream, compiled_indices
from jno_core._train.updates import planned_updates

_INNER_SIZE = 1024
"""Trackers of interval 1 up to this many numbers are recorded inside the compiled loop."""


@final
class CompiledSteps:
    """The compiled steps for one structure of models, optimizers, options and data, and the arrays that do not train."""

    def __init__(
        self,
        problem: Problem,
        groups: tuple[ParameterGroup, ...],
        modules: dict[str, PyTree],
        data: DomainData,
        options: StepOptions,
        mesh: DeviceMesh,
    ) -> None:
        self._groups, self._options, self._mesh = groups, options, mesh
        _, self._static = eqx.partition(split(groups, modules)[1], eqx.is_array)
        inner = {n: t for n, t in problem.trackers.items() if t.interval == 1 and t.aval.size <= _INNER_SIZE}
        self.inner = tuple(inner)
        self._outer = {n: t for n, t in problem.trackers.items() if n not in inner}
        tracked = tuple(t.expr for t in inner.values())
        self._batches = planned_batches(problem, tracked, data, modules, options, mesh)
        self._problem, self._tracked = problem, tracked
        self._window = options.window(data.times)
        self._updates = planned_updates(problem, groups, options.substeps)
        self._stepper = self._made(self._batches)
        self._valued: dict[tuple[tuple[Placeholder, ...], bool], Any] = {}
        self._executable: Any = None
        self._stream: HostStream | None = None
        self._indices = compiled_indices(self._batches)
        self._seconds = 0.0
        self.pace = Pace()

    @property
    def window(self) -> int:
        """The number of consecutive time steps that an instance sees."""
        return self._window

    @property
    def divided(self) -> tuple[ChunkedSet, ...]:
        """The point sets that are taken in batches or part by part."""
        return self._batches.divided

    def fits(
        self,
        groups: tuple[ParameterGroup, ...],
        modules: dict[str, PyTree],
        data: DomainData,
        options: StepOptions,
    ) -> bool:
        """Whether the compiled steps serve these optimizers, modules, options and data without compiling again."""
        same = len(groups) == len(self._groups) and all(a.same(b) for a, b in zip(groups, self._groups, strict=True))
        if not same or options != self._options:
            return False
        _, static = eqx.partition(split(groups, modules)[1], eqx.is_array)
        return bool(eqx.tree_equal(static, self._static)) and signature((modules, data)) == self._shapes

    def load(self, modules: dict[str, PyTree], data: DomainData) -> None:
        """Take the current weights and data."""
        self._shapes = signature((modules, data))
        self._points = initial_points(self._problem, data)
        self._params, rest = split(self._groups, modules)
        self._rest = self._mesh.place(eqx.partition(rest, eqx.is_array)[0])
        if self._options.offload_data:
            draws = sum(update.repeats for update in self._updates)
            self._stream = HostStream(self._batches, data, draws, self._indices)
        else:
            self._data = self._mesh.place_data(data)
        self._seconds = 0.0

    def unload(self) -> None:
        """End what `load` started."""
        if self._stream is not None:
            self._stream.close()

    def initial(self, key: PRNGKey) -> TrainState:
        """The state before the first step, from the loaded weights, in the memory of this process."""
        state = self._stepper.init(self._params, key)
        memories = {memory_of(name): rule.init() for name, rule in self._problem.resamplers.items()}
        return dataclasses.replace(state, points=self._points, plugin_state={**state.plugin_state, **memories})

    def placed(self, state: TrainState) -> TrainState:
        """The state on the devices of the mesh."""
        mesh = self._mesh
        return TrainState(
            mesh.place_parameters(state.params),
            mesh.place_parameters(state.opt_state),
            mesh.place(state.plugin_state),
            mesh.place(state.key),
            mesh.place(state.epoch),
            mesh.place(state.rate),
            mesh.place(state.points),
        )

    def build(self, state: TrainState) -> None:
        """Compile the steps, unless they are compiled already."""
        if self._executable is None:
            use_compilation_cache()
            start = time.perf_counter()
            everywhere = self._mesh.replicated()
            out = Steps(self._mesh.shardings(state), *(everywhere,) * 5)
            jitted = jax.jit(self._stepper.run, static_argnames="capacity", out_shardings=out)
            steps = self._mesh.place(np.asarray(1))
            lowered = jitted.lower(state, self._rest, self._source(state), steps, capacity=CAPACITY)
            self._executable = lowered.compile()
            self._seconds += time.perf_counter() - start

    def most_steps(self, epoch: int) -> int:
        """How many steps may be made from an epoch on before other data are needed."""
        return CAPACITY if self._stream is None else self._stream.epochs - epoch % self._stream.epochs

    def run(self, state: TrainState, steps: int) -> Steps:
        """A chunk of steps; if one was not finite, the state is the one before it."""
        fixed = (self._rest, self._source(state))
        chunk = self._executable(state, *fixed, self._mesh.place(np.asarray(steps)))
        if chunk.halted:
            # Steps give the same bits again. To keep the state of every step until the next is known to be finite would
            # cost a small network a tenth of its time.
            chunk = chunk._replace(state=self._executable(state, *fixed, chunk.done).state)
        return chunk

    def track(self, state: TrainState) -> dict[str, Array]:
        """The trackers that are due, by name."""
        epoch = int(state.epoch)
        due = tuple(n for n, t in self._outer.items() if epoch % t.interval == 0)
        return dict(zip(due, self.evaluated(tuple(self._outer[n].expr for n in due), state), strict=True))

    def evaluated(self, roots: tuple[Placeholder, ...], state: TrainState, instance: int | None = None) -> list[Array]:
        """Expressions as the coming step would see them; compiled once for each list of them.

        - `instance`: the one to evaluate, also where a step takes others; it must not stream. `None`: those of the step.
        """
        kind = (roots, instance is not None)
        if kind not in self._valued:
            stepper = self._stepper if instance is None else self._made(dataclasses.replace(self._batches, parts=1))

            def values(s: TrainState, r: PyTree, source: DomainData | Streamed, i: Array | None) -> list[Array]:
                if i is not None:
                    source, s = only_instance(source, s.points, i), dataclasses.replace(s, points={})
                return stepper.values(s, r, source, roots)

            self._valued[kind] = jax.jit(values, out_shardings=self._mesh.replicated())
        number = None if instance is None else self._mesh.place(np.asarray(instance))
        return self._valued[kind](state, self._rest, self._source(state), number)

    def losses(self, params: dict[str, PyTree], state: TrainState) -> Float[Array, " k"]:
        """Each constraint's loss as the coming step would see it with these parameters. Traceable."""
        return self._stepper.losses(state, self._rest, self._source(state), params)

    def values(self, roots: tuple[Placeholder, ...], params: dict[str, PyTree], state: TrainState) -> list[Array]:
        """Expressions as the coming step would see them with these parameters. Traceable."""
        return self._stepper.values(state, self._rest, self._source(state), roots, params)

    def cost(self, state: TrainState) -> Cost:
        """The cost of one step on all points at once. The division into parts is left out: XLA counts a loop's body once."""
        undivided = dataclasses.replace(self._batches, divided=())
        return cost_of(self._made(undivided).step, state, self._rest, self._source(state))

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

    def _made(self, batches: Batches) -> Stepper:
        steady = batches.steady(frozenset(self._problem.resamplers))
        form = LossForm(batches.divided, self._window, self._options.checkpoint_gradients, steady)
        objectives = []
        for i, update in enumerate(self._updates):
            balances = {name: self._problem.balances[name] for name in update.balances}
            inner = self._tracked if i == 0 else ()
            objectives.append(Objective(self._problem, self._groups, self._static, inner, form, update.terms, balances))
        return Stepper(tuple(zip(self._updates, objectives, strict=True)), batches)

    def _source(self, state: TrainState) -> DomainData | Streamed:
        if self._stream is None:
            return self._data
        return self._stream.at(state.key, int(state.epoch))


def signature(tree: PyTree) -> Any:
    """The structure of a PyTree with the shapes and dtypes of its arrays: what a compiled function depends on."""
    leaves, structure = jax.tree.flatten(eqx.filter(tree, lambda x: isinstance(x, jax.Array | np.ndarray)))
    return structure, tuple((leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype, True)) for leaf in leaves)
