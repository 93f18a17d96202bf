"""Training runs of one problem, and the state that lives from one to the next."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._graph import Balance
from jno_core._interfaces import Checkpoint, FitResult, RunInfo, TrainState
from jno_core._settings import get_seed, run_callbacks, run_directory
from jno_core._train import arguments
from jno_core._train.checkpointing import restored
from jno_core._train.compiled import CompiledSteps
from jno_core._train.devices import DeviceMesh
from jno_core._train.groups import parameter_groups
from jno_core._train.interrupts import Interrupts
from jno_core._train.loop import Loop
from jno_core._train.options import StepOptions
from jno_core._train.problem import Problem
from jno_core._train.profiling import Profile
from jno_core._train.recording import Recorder
from jno_core._train.resampling import Resampling
from jno_core._train.run_hooks import RunHooks
from jno_core._train.run_view import RunView
from jno_core._train.statistics import Statistics
from jno_core._train.step import CAPACITY
from jno_core._train.stored_state import carried

logger = logging.getLogger("jno")


@final
class Trainer:
    """Runs a problem, and keeps the training state and the history between runs.

    - `pending`: a checkpoint that the next run goes on from.
    """

    def __init__(self, problem: Problem, mesh: DeviceMesh, pending: Checkpoint | None) -> None:
        self.problem, self.mesh, self.pending = problem, mesh, pending
        self.statistics = Statistics(())
        self.state: TrainState | None = None
        self._compiled: CompiledSteps | None = None

    def replace_problem(self, problem: Problem, mesh: DeviceMesh) -> None:
        """Train another statement of the problem from now on; what of the state fits it carries on."""
        self.problem, self.mesh = problem, mesh
        self._compiled = None

    def solve(
        self, epochs: int, inner_steps: int, options: StepOptions, callbacks: Sequence[Any], profile: bool
    ) -> Statistics:
        """See `Core.solve`."""
        directory = run_directory()
        profiled = Profile(arguments.trace_directory(directory)) if profile else None
        hooks = RunHooks(callbacks, always=run_callbacks())
        compiled = self.prepared(options)
        interrupts = Interrupts()
        try:
            with interrupts:
                self._run(compiled, hooks, epochs, inner_steps, profiled, interrupts, directory)
        finally:
            compiled.unload()
        interrupts.finish()
        return self.statistics

    def prepared(self, options: StepOptions) -> CompiledSteps:
        """The steps for the problem as it is now; compiled ones are used again where they fit."""
        groups = parameter_groups(self.problem.models)
        modules = {name: model.module for name, model in self.problem.models.items()}
        data = self.problem.data()
        if self._compiled is None or not self._compiled.fits(groups, modules, data, options):
            self._compiled = CompiledSteps(self.problem, groups, modules, data, options, self.mesh)
        self._compiled.load(modules, data)
        return self._compiled

    def initial_state(self, compiled: CompiledSteps) -> TrainState:
        """The state that a run starts from: a checkpoint's, that of the last run, or a fresh one."""
        key = jax.random.key(get_seed()) if self.state is None else self.state.key
        fresh = compiled.initial(key)
        if self.pending is not None:
            state, logs = restored(self.pending, fresh, self.problem)
            self.statistics, self.pending = Statistics(logs), None
            return compiled.placed(state)
        if self.state is None:
            return compiled.placed(fresh)
        # What a changed optimizer or schedule no longer fits starts anew; everything else carries on.
        kept = TrainState(
            fresh.params,
            carried(self.state.opt_state, fresh.opt_state),
            carried(self.state.plugin_state, fresh.plugin_state),
            key,
            self.state.epoch,
            self.state.rate,
            carried(self.state.points, fresh.points),
        )
        return compiled.placed(kept)

    def weights(self, balances: Sequence[Balance]) -> dict[Balance, Array]:
        """The last weights of balancers, ones before training."""
        ours = {b: name for name, b in self.problem.balances.items()}
        known = {} if self.state is None else self.state.plugin_state
        found = {}
        for balance in balances:
            name = ours.get(balance)
            found[balance] = known[name][1] if name in known else jnp.ones(len(balance.losses))
        return found

    def _run(
        self,
        compiled: CompiledSteps,
        hooks: RunHooks,
        epochs: int,
        inner_steps: int,
        profile: Profile | None,
        interrupts: Interrupts,
        directory: Path | None,
    ) -> None:
        problem = self.problem
        state = self.initial_state(compiled)
        compiled.build(state)
        recorder = Recorder(problem, int(state.epoch), hooks.callbacks, self.mesh.devices)
        limit = inner_steps if inner_steps > 1 else CAPACITY
        intervals = {name: t.interval for name, t in problem.trackers.items()}
        loop = Loop(
            state, compiled, recorder, hooks, intervals, limit, self.mesh, profile, Resampling(problem, compiled)
        )
        earlier = self.statistics

        def so_far() -> Statistics:
            count = compiled.count
            return earlier.with_run(
                recorder.log(compiled.seconds(), count(trainable=True), count(trainable=False), loop.stopped)
            )

        info = RunInfo(
            int(state.epoch),
            epochs,
            problem.terms,
            tuple(problem.trackers),
            compiled.count(trainable=True),
            directory,
            jax.process_index() == 0,
            RunView(problem, compiled, lambda: tuple(so_far().logs)),
        )
        try:
            hooks.on_fit_start(info, state)
            loop.fit(info, epochs, interrupts)
        except KeyboardInterrupt:
            loop.stopped = "interrupted by the user"
        except BaseException as error:
            self._keep(compiled, loop.state, so_far())
            hooks.on_fit_error(error, loop.state)
            raise
        self._keep(compiled, loop.state, so_far())
        done = int(loop.state.epoch) - info.first_epoch
        hooks.on_fit_end(FitResult(done, loop.stopped, loop.state, self.statistics))
        stopped = f", stopped: {loop.stopped}" if loop.stopped else ""
        logger.info("%d epochs, total loss %s%s", done, self.statistics.total_loss, stopped)

    def _keep(self, compiled: CompiledSteps, state: TrainState, statistics: Statistics) -> None:
        self.state, self.statistics = self.mesh.local(state), statistics
        for name, module in self.mesh.local(compiled.modules(state)).items():
            self.problem.models[name].module = module
