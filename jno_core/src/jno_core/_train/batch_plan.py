"""Deciding what a step takes: how many instances or points, in what parts, on which devices."""

from collections.abc import Sequence

import jax

from jno_core._compile import ChunkedSet, ChunkPlan, most_abreast, plan_chunks
from jno_core._custom_types import PyTree
from jno_core._graph import Placeholder, TensorTag, Variable, walk
from jno_core._interfaces import DomainData
from jno_core._train.batches import Batches, instance_arrays, with_instances
from jno_core._train.devices import DeviceMesh
from jno_core._train.options import StepOptions
from jno_core._train.problem import Problem
from jno_core.errors import JnoValueError


def planned_batches(
    problem: Problem,
    tracked: tuple[Placeholder, ...],
    data: DomainData,
    modules: dict[str, PyTree],
    options: StepOptions,
    mesh: DeviceMesh,
) -> Batches:
    """The batches of a problem whose constraints, and `tracked` with them, are evaluated in every step.

    Raises `JnoValueError` for a batch of points where every loss couples its points, for more instances than there are, and
    for instances that cannot be divided over the devices.
    """
    b = data.instances
    taken, parts = _instances(b, options)
    _check_devices(b, taken // parts, mesh)
    of_points = options.batchsize if b == 1 else None
    losses = tuple(loss for balance in problem.balances.values() for loss in balance.losses)
    roots = (*problem.constraints, *tracked, *losses)
    plan = ChunkPlan(
        rows=_rows(options, of_points),
        whole=options.chunk is None and (of_points is None or options.accumulation_steps == 1),
        batch=None if of_points is None else of_points * options.accumulation_steps,
        window=options.window(data.times),
        devices=mesh.shards if b == 1 else 1,
        abreast=_abreast(options, b, mesh),
    )
    divided: tuple[ChunkedSet, ...] = ()
    if not plan.whole or plan.batch is not None or plan.devices > 1:
        named = {model: modules[name] for name, model in problem.models.items()}
        divided = plan_chunks(problem.program, roots, _fewer(data, taken // parts), named, plan)
    if plan.batch is not None:
        _check_points(plan.batch, divided, data, problem)
    if options.offload_data:
        _check_streams(roots, divided)
        _check_resampled(problem, data, divided, taken)
    return Batches(divided, b, taken, parts, mesh)


def _instances(b: int, options: StepOptions) -> tuple[int, int]:
    """How many instances a step takes, and in how many parts."""
    n, k = options.batchsize, options.accumulation_steps
    if n is None or b == 1 or (n >= b and k == 1):
        return b, 1
    if n * k > b:
        raise JnoValueError(
            f"accumulation_steps={k} batches of batchsize={n} are {n * k} instances, and there are {b}. Lower one of them."
        )
    return n * k, k


def _rows(options: StepOptions, of_points: int | None) -> int | None:
    """The size of the parts of a point set that the user asked for."""
    asked = options.chunk if isinstance(options.chunk, int) else None
    if of_points is None or options.accumulation_steps == 1:
        return asked
    return of_points if asked is None else min(asked, of_points)


def _abreast(options: StepOptions, b: int, mesh: DeviceMesh) -> int:
    """How many parts may stand side by side: one if memory shall be saved, if devices work side by side already, and with
    several instances, as each part would evaluate anew what follows from an instance and from no point."""
    alone = options.checkpoint_gradients or mesh.shards > 1 or b > 1
    return 1 if alone else most_abreast()


def _check_devices(b: int, each: int, mesh: DeviceMesh) -> None:
    if b > 1 and each % mesh.shards:
        raise JnoValueError(
            f"{each} instances cannot be divided over {mesh.shards} devices of the mesh's axis `batch`. Use a multiple of "
            f"{mesh.shards} instances, or another mesh."
        )


def _check_points(batch: int, divided: Sequence[ChunkedSet], data: DomainData, problem: Problem) -> None:
    """A batch that no point set is divided into would be a full step without a word."""
    larger = [c.name for c in problem.program.collocations if data.points[c.name].points.shape[1] > batch]
    if larger and not any(d.points < d.total for d in divided):
        raise JnoValueError(
            f"batchsize={batch}: no loss is a mean or sum over single points of {larger}, so no batch of them can be taken: "
            "integrals, mesh stencils and networks that mix points need all points. Leave batchsize out."
        )


def _check_streams(roots: Sequence[Placeholder], divided: Sequence[ChunkedSet]) -> None:
    """What stays on the host is known in batches only."""
    reductions = {reduction for d in divided for reduction in d.reductions}
    streamed = {d.collocation for d in divided if d.points < d.total}
    for node in walk.nodes(roots, lambda node: () if node in reductions else node.children()):
        read = node.collocation if isinstance(node, Variable | TensorTag) else None
        if read is not None and read.name in streamed:
            raise JnoValueError(
                f"offload_data=True keeps the points of {read.name!r} on the host, but a loss or tracker needs all of them at "
                "once. Leave offload_data out, or write that loss on points of its own."
            )


def _check_resampled(problem: Problem, data: DomainData, divided: Sequence[ChunkedSet], taken: int) -> None:
    """New points live in the training state; the host would go on sending those of the domain."""
    streamed = {d.collocation for d in divided if d.points < d.total}
    for name in problem.resamplers:
        own = data.points[name].points.shape[0] > 1
        if name in streamed or (own and taken < data.instances):
            raise JnoValueError(
                f"offload_data=True sends batches of the points of {name!r} from the host, but their resampling_strategy "
                "renews them on the device. Leave out offload_data, batchsize, or the strategy."
            )


def _fewer(data: DomainData, instances: int) -> DomainData:
    """The data as those of a part of the instances, for planning."""
    if instances == data.instances:
        return data
    own = instance_arrays(data)
    return with_instances(data, jax.tree.map(lambda x: x[:instances], own))
