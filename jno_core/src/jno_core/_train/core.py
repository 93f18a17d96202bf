"""`jno.core`: a problem that can be trained and evaluated."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, final

import jax

from jno_core._compile import ExplainedGroup, Program, explain_groups
from jno_core._custom_types import PRNGKey
from jno_core._domain import Domain
from jno_core._graph import Placeholder, Tracker, as_node, printing
from jno_core._graph.keys import checked_key
from jno_core._registry import registry
from jno_core._train import arguments, problem_file
from jno_core._train.checkpointing import open_checkpoint
from jno_core._train.devices import DeviceMesh
from jno_core._train.evaluation import Evaluator
from jno_core._train.explanation import Explanation
from jno_core._train.export import export
from jno_core._train.exported import Parity
from jno_core._train.nodal import nodal_fields
from jno_core._train.options import StepOptions
from jno_core._train.problem import Problem, data_of
from jno_core._train.statistics import Statistics
from jno_core._train.trainer import Trainer
from jno_core.errors import JnoValueError


@final
class Core:
    """Constraints to minimise, trackers to record, and the networks in them.

    - `constraints`: expressions that are one number per instance, such as `pde.mse`; `expr.tracker(...)` may be among them.
    - `mesh`: the devices as `(batch, model)`. Instances, or with one instance the points, are divided over `batch`, and
      parameters over `model` where an axis of theirs can be. `(1, 1)` is one device, `None` all of them along `batch`; any
      other mesh must have as many devices as there are.
    - `resume_from`: a folder of checkpoints; the first `solve` goes on from the newest one, bit for bit.
    - `domain`: needed only when no constraint reads one.

    The total loss is the mean over the constraints of each constraint's mean over the instances. The random key follows from
    `jno.get_seed()`. Everything that can be checked without compiling is checked here.

    Raises `JnoTypeError` and `JnoValueError` naming the constraint that cannot be used, `JnoValueError` for a mesh of more or
    fewer devices than there are, `JnoFileNotFoundError` if there is no checkpoint. Whether a checkpoint belongs to this
    problem shows when `solve` has its optimizers.
    """

    def __init__(
        self,
        constraints: Sequence[Any],
        mesh: tuple[int, ...] | None = (1, 1),
        resume_from: str | Path | None = None,
        *,
        domain: Domain | None = None,
    ) -> None:
        self._constraints = constraints
        self._given_domain = domain
        self._evaluators: dict[tuple[Placeholder, ...], Evaluator] = {}
        checkpoint = None if resume_from is None else open_checkpoint(resume_from, None, registry)
        self._trainer = Trainer(Problem(constraints, domain), _devices(mesh), checkpoint)

    def compile(self, mesh: tuple[int, ...] | None = (1, 1)) -> Self:
        """Analyse the constraints again, for instance after the domain's arrays were attached anew."""
        self._trainer.replace_problem(Problem(self._constraints, self._given_domain), _devices(mesh))
        return self

    @property
    def problem(self) -> Problem:
        """The constraints and trackers with what they read."""
        return self._trainer.problem

    @property
    def domain(self) -> Domain:
        """The domain that the constraints read."""
        return self.problem.domain

    @property
    def statistics(self) -> Statistics:
        """The history of all `solve` calls."""
        return self._trainer.statistics

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
        """Train for `epochs` optimizer steps, and return the history of all calls so far.

        Steps are fused into compiled chunks that end where a tracker or callback must look, so nothing needs to be set for
        speed; `inner_steps > 1` is an upper bound of a chunk and must divide `epochs`. Calling again continues: weights,
        optimizer states (unless the optimizer was changed) and the epoch count carry on.

        - `batchsize`: a step sees so many instances, or with one instance so many points of each point set whose losses are
          means or sums over single points; at most all of them. Batches are drawn without replacement, pass after pass in
          a new random order. `None`: everything.
        - `accumulation_steps`: the gradients of so many batches are averaged for one step.
        - `offload_data`: data that batches are taken from stay in host memory, or in the file that a `numpy.memmap` reads;
          batches are sent ahead of the steps.
        - `checkpoint_gradients`: forward passes are computed again for the gradient, constraint by constraint: slower, less
          memory, the same result.
        - `min_consecutive`: on a time-dependent domain each instance sees so many consecutive time steps from a random one
          on in every step; losses are means over them. `None`: all times.
        - `substeps`: one epoch is a sequence of updates, each by the losses of some constraints: `[[0, 1], ([2], 5)]` first
          updates by constraints 0 and 1, then five times by constraint 2. A substep moves the models that its constraints
          reach without crossing `stop_gradient`, with optimizer states of its own.
        - `callbacks`: objects with hooks, or names such as `"progress"`.
        - `profile`: write a trace of some steps to the folder `traces` of the run folder, for XProf or Perfetto.
        - `chunk` divides large point sets: residuals are evaluated and differentiated for so many points at a time, which
          keeps their derivatives in the processor's cache and makes the memory of a step independent of the number of
          points. Sums over the points stay exact; losses that couple points are left whole. `"auto"` chooses the size (on a
          GPU only where memory demands it, on a processor so that parts run on several cores), an integer is the number of
          points, `None` takes all points at once.

        Ctrl-C ends the run after the steps that are running: the weights of the last finished step are kept and the history
        is returned; a second Ctrl-C ends it at once. After SIGTERM the callbacks see the end of the run, and store it, before
        the process ends. A loss or gradient that is not finite ends the run with a `NonFiniteLossWarning` naming the term
        and the epoch, unless a callback such as `"nan_guard"` has a state to go on from.

        Raises `JnoValueError` for a model without an optimizer, a problem without a loss, options that exclude each other,
        and a checkpoint of another problem.
        """
        arguments.check_epochs(epochs, inner_steps)
        arguments.check_flags(profile=profile)
        if not self.problem.constraints:
            raise arguments.no_loss(bool(self.problem.trackers))
        options = StepOptions.from_user(
            len(self.problem.constraints),
            substeps,
            batchsize=batchsize,
            accumulation_steps=accumulation_steps,
            offload_data=offload_data,
            checkpoint_gradients=checkpoint_gradients,
            min_consecutive=min_consecutive,
            chunk=chunk,
        )
        return self._trainer.solve(epochs, inner_steps, options, callbacks or (), profile)

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
        weights = self._trainer.weights(evaluator.program.balances)
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
        if not self.problem.constraints:
            raise arguments.no_loss(bool(self.problem.trackers))
        options = StepOptions.from_user(len(self.problem.constraints), None, chunk=chunk)
        compiled = self._trainer.prepared(options)
        cost = compiled.cost(self._trainer.initial_state(compiled))
        return Explanation(self._groups(self.problem.program), compiled.divided, cost)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the problem with networks, training state and history to one file; see `jno.save`."""
        if self._trainer.pending is not None:
            raise JnoValueError(
                "The problem has not gone on from its checkpoint yet, and would be saved without it; solve(...) first."
            )
        problem_file.save_problem(path, self._constraints, self.problem, self._trainer.state, self.statistics.logs)

    @classmethod
    def load(cls, path: str | os.PathLike[str], mesh: tuple[int, ...] | None = (1, 1), **known: Any) -> Self:
        """Read what `save` wrote. `known` are the keywords of `jno.load`: classes, functions and modules to use.

        It evaluates at once, also on other domains; for training, the networks need their optimizers again, whose states carry
        on where they fit.
        """
        stored = problem_file.load_problem(path, **known)
        core = cls(stored.expressions, mesh, domain=stored.problem.domain)
        core._trainer.state, core._trainer.statistics = stored.state, Statistics(stored.logs)
        return core

    def export(self, operation: Any, path: str | os.PathLike[str]) -> Parity:
        """Write an expression at the current weights as a function that needs none of the code that defined it.

        As StableHLO, of any number of points, which `jno.load` makes callable; as an ONNX model to a path that ends in `.onnx`,
        where ONNX has the operations (needs the extra `jno-core[onnx]`). Returns how far the function is from `eval`.

        Raises `JnoValueError` naming what cannot be exported.
        """
        [node] = _nodes(operation)
        return export(path, node, self.domain, self._trainer.weights, lambda: self.eval(node))

    def export_vtu(self, operation: Any, path: str | os.PathLike[str], domain: Domain | None = None) -> None:
        """Write an expression, or several by name, at all nodes of the domain's mesh to a mesh file such as `.vtu`.

        Raises `JnoValueError` without a mesh, and for an expression that is no field.
        """
        where = self.domain if domain is None else domain
        where.export(Path(path), fields=nodal_fields(operation, where, lambda nodes, on: self.eval(nodes, domain=on)))

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


def _nodes(operation: Any) -> tuple[Placeholder, ...]:
    listed = operation if isinstance(operation, list | tuple) else [operation]
    return tuple(as_node(e.expr if isinstance(e, Tracker) else e) for e in listed)


def _devices(mesh: Any) -> DeviceMesh:
    arguments.check_mesh(mesh)
    return DeviceMesh.of(None if mesh is None else (mesh[0], mesh[1]))
