"""`jno.core`: a problem that can be trained and evaluated."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._compile import ExplainedGroup, Program, explain_groups
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._domain import Domain
from jno_core._graph import Balance, Placeholder, Tracker, as_node, printing
from jno_core._graph.keys import checked_key
from jno_core._interfaces import RunInfo, TrainState
from jno_core._settings import get_seed
from jno_core._train import arguments
from jno_core._train.compiled import CompiledSteps, signature
from jno_core._train.evaluation import Evaluator
from jno_core._train.explanation import Explanation
from jno_core._train.groups import parameter_groups
from jno_core._train.loop import CAPACITY, Loop, finish
from jno_core._train.problem import Problem, data_of
from jno_core._train.recording import Recorder
from jno_core._train.run_hooks import RunHooks
from jno_core._train.statistics import Statistics


@final
class Core:
    """Constraints to minimise, trackers to record, and the networks in them.

    - `constraints`: expressions that are one number per instance, such as `pde.mse`; `expr.tracker(...)` may be among them.
    - `mesh`: the device mesh `(batch, model)`; this release runs on one device.
    - `resume_from`: comes with a later release.
    - `domain`: needed only when no constraint reads one.

    The total loss is the mean over the constraints of each constraint's mean over the instances. The random key follows from
    `jno.get_seed()`. Everything that can be checked without compiling is checked here.

    Raises `JnoTypeError` and `JnoValueError` naming the constraint that cannot be used.
    """

    def __init__(
        self,
        constraints: Sequence[Any],
        mesh: tuple[int, ...] | None = (1, 1),
        resume_from: str | Path | None = None,
        *,
        domain: Domain | None = None,
    ) -> None:
        arguments.check_mesh(mesh)
        arguments.check_resume(resume_from)
        self._constraints = constraints
        self._given_domain = domain
        self._statistics = Statistics(())
        self._evaluators: dict[tuple[Placeholder, ...], Evaluator] = {}
        self._compiled: CompiledSteps | None = None
        self._state: TrainState | None = None
        self.compile(mesh)

    def compile(self, mesh: tuple[int, ...] | None = (1, 1)) -> Self:
        """Analyse the constraints again, for instance after the domain's arrays were attached anew. Called by `core`."""
        arguments.check_mesh(mesh)
        self.problem = Problem(self._constraints, self._given_domain)
        self._compiled = None
        return self

    @property
    def domain(self) -> Domain:
        """The domain that the constraints read."""
        return self.problem.domain

    @property
    def statistics(self) -> Statistics:
        """The history of all `solve` calls."""
        return self._statistics

    def solve(
        self,
        epochs: int = 1000,
        batchsize: int | None = None,
        checkpoint_gradients: bool = False,
        offload_data: bool = False,
        inner_steps: int = 1,
        accumulation_steps: int = 1,
        min_consecutive: int | None = 1,
        profile: bool = False,
        callbacks: Sequence[Any] | None = None,
        substeps: list[Any] | None = None,
        chunk: int | str | None = "auto",
    ) -> Statistics:
        """Train for `epochs` optimizer steps on all points, and return the history of all calls so far.

        Steps are fused into compiled chunks that end where a tracker or callback must look, so nothing needs to be set for
        speed; `inner_steps > 1` is an upper bound of a chunk and must divide `epochs`. Calling again continues: weights,
        optimizer states (unless the optimizer was changed) and the epoch count carry on. On a time-dependent domain every
        step and instance sees one random time step. `callbacks` are objects with hooks, or names such as `"progress"`.

        `chunk` divides large point sets: residuals are evaluated and differentiated for so many points at a time, which keeps
        their derivatives in the processor's cache and makes the memory of a step independent of the number of points. Sums
        over the points stay exact; losses that couple points are left whole. `"auto"` chooses the size (on a GPU only where
        memory demands it), an integer is the number of points, `None` takes all points at once.

        Ctrl-C ends the run: the weights of the last finished chunk are kept and the history is returned. A loss or gradient
        that is not finite ends it with a `NonFiniteLossWarning` naming the term and the epoch.

        Raises `JnoValueError` for a model without an optimizer or a problem without a loss, and `JnoNotImplementedError`,
        naming the release, for `batchsize`, `checkpoint_gradients`, `offload_data`, `accumulation_steps`, `min_consecutive`,
        `profile` and `substeps` other than their defaults.
        """
        arguments.check_later(
            batchsize=batchsize,
            checkpoint_gradients=checkpoint_gradients,
            offload_data=offload_data,
            accumulation_steps=accumulation_steps,
            min_consecutive=min_consecutive,
            profile=profile,
            substeps=substeps,
        )
        arguments.check_epochs(epochs, inner_steps)
        arguments.check_chunk(chunk)
        if not self.problem.constraints:
            raise arguments.no_loss(bool(self.problem.trackers))
        hooks = RunHooks(callbacks or ())
        compiled = self._prepare(chunk)
        state = self._initial_state(compiled)
        compiled.build(state)
        info = RunInfo(
            int(state.epoch), epochs, self.problem.terms, tuple(self.problem.trackers), compiled.count(trainable=True)
        )
        recorder = Recorder(self.problem, info.first_epoch)
        loop = Loop(
            state,
            compiled.run,
            compiled.track,
            recorder,
            hooks,
            {name: t.interval for name, t in self.problem.trackers.items()},
            compiled.inner,
            inner_steps if inner_steps > 1 else CAPACITY,
        )
        try:
            hooks.on_fit_start(info, state)
            loop.fit(info, epochs)
        except KeyboardInterrupt:
            loop.stopped = "interrupted by the user"
        except BaseException as error:
            self._keep(compiled, loop.state)
            hooks.on_fit_error(error, loop.state)
            raise
        self._keep(compiled, loop.state)
        log = recorder.log(
            compiled.seconds(), compiled.count(trainable=True), compiled.count(trainable=False), loop.stopped
        )
        self._statistics = self._statistics.with_run(log)
        finish(hooks, loop, int(loop.state.epoch) - info.first_epoch, self._statistics)
        return self._statistics

    def eval(
        self,
        operation: Any,
        domain: Domain | None = None,
        min_consecutive: int | None = None,
        key: PRNGKey | None = None,
        samples: str = "auto",
    ) -> Any:
        """The values of an expression, or of a list of them, at the current weights.

        An array with the instance axis: `(B, N, C)`, scalars `(B,)`, on a time-dependent domain `(B, T, N, C)` for all times or
        the first `min_consecutive`. A trainable parameter has its own shape. A list gives a list; a list of one gives the bare
        array, so `[J] = crux.eval([u.grad(net)])` is `(N, P)` when B = 1.

        `domain` evaluates elsewhere, without changing that domain: point sets are matched by tag. `key` gives a realisation of
        noise and switches dropout on; without it noise is zero. `samples` is `"auto"` or `"point"`; `"chain"` raises, as there is
        no posterior.
        """
        arguments.check_samples(samples)
        if key is not None:
            checked_key(key, "eval(key=...)")
        if domain is not None and not isinstance(domain, Domain):
            raise arguments.wrong_domain(domain)
        nodes = _nodes(operation)
        if not nodes:
            return []
        if nodes not in self._evaluators:
            self._evaluators[nodes] = Evaluator(nodes)
        evaluator = self._evaluators[nodes]
        where = domain if domain is not None else self.domain
        reads = evaluator.program.collocations or evaluator.program.tensors
        weights = self._weights(evaluator.program.balances)
        values = evaluator(where if reads else None, weights, min_consecutive, key)
        return values if len(values) > 1 else values[0]

    def explain(self, operation: Any = None, *, chunk: int | str | None = "auto") -> Explanation:
        """How the problem, an expression or a list of them is evaluated: a report when printed. Only compiles.

        For every set of derivatives that is taken together: the target, the passes over it that its scheme has chosen,
        operations that have no differentiation rule of their own, and the cost. For the problem also the division of the
        points that `solve(chunk=chunk)` would make, and the cost of one step, which needs every model's optimizer.
        """
        if operation is not None:
            return Explanation(self._groups(Program(_nodes(operation))), (), None)
        arguments.check_chunk(chunk)
        if not self.problem.constraints:
            raise arguments.no_loss(bool(self.problem.trackers))
        compiled = self._prepare(chunk)
        return Explanation(
            self._groups(self.problem.program), compiled.divided, compiled.cost(self._initial_state(compiled))
        )

    def print_shapes(self, min_consecutive: int | None = 1) -> Self:
        """Print every constraint and tracker as a tree with the shape of each node, for one instance at one time."""
        del min_consecutive
        return self._print(lambda node: f"{printing.head(node)}  {tuple(node.aval.shape)}")

    def print_tree(self) -> Self:
        """Print every constraint and tracker as a tree."""
        return self._print(printing.head)

    def __repr__(self) -> str:
        terms = ", ".join(self.problem.terms)
        return f"core([{terms}], {len(self.problem.trackers)} trackers, {self.domain!r})"

    def _groups(self, program: Program) -> tuple[ExplainedGroup, ...]:
        data = data_of(program, self.domain)
        modules = {model: model.module for model in program.models.values()}
        return explain_groups(program, program.roots, data, modules, jax.random.key(0))

    def _print(self, describe: Any) -> Self:
        for title, root in (
            *zip(self.problem.terms, self.problem.constraints, strict=True),
            *self.problem.trackers.items(),
        ):
            sys.stdout.write("\n".join([f"{title}:", *printing.tree_lines(root, describe)]) + "\n")
        return self

    def _prepare(self, chunk: int | str | None) -> CompiledSteps:
        groups = parameter_groups(self.problem.models)
        modules = {name: model.module for name, model in self.problem.models.items()}
        data = self.problem.data()
        if self._compiled is None or not self._compiled.fits(groups, modules, data, chunk):
            self._compiled = CompiledSteps(self.problem, groups, modules, data, chunk)
        self._compiled.load(modules, data)
        return self._compiled

    def _initial_state(self, compiled: CompiledSteps) -> TrainState:
        key = jax.random.key(get_seed()) if self._state is None else self._state.key
        fresh = compiled.initial(key)
        if self._state is None:
            return fresh
        # What a changed optimizer or schedule no longer fits starts anew; everything else carries on.
        return TrainState(
            fresh.params,
            _carried(self._state.opt_state, fresh.opt_state),
            _carried(self._state.plugin_state, fresh.plugin_state),
            key,
            self._state.epoch,
        )

    def _keep(self, compiled: CompiledSteps, state: TrainState) -> None:
        self._state = state
        for name, module in compiled.modules(state).items():
            self.problem.models[name].module = module

    def _weights(self, balances: Sequence[Balance]) -> dict[Balance, Array]:
        ours = {b: name for name, b in self.problem.balances.items()}
        known = {} if self._state is None else self._state.plugin_state
        weights = {}
        for balance in balances:
            name = ours.get(balance)
            weights[balance] = known[name][1] if name in known else jnp.ones(len(balance.losses))
        return weights


def _nodes(operation: Any) -> tuple[Placeholder, ...]:
    listed = operation if isinstance(operation, list | tuple) else [operation]
    return tuple(as_node(e.expr if isinstance(e, Tracker) else e) for e in listed)


def _carried(old: dict[str, PyTree], fresh: dict[str, PyTree]) -> dict[str, PyTree]:
    return {
        name: old[name] if name in old and signature(old[name]) == signature(state) else state
        for name, state in fresh.items()
    }
