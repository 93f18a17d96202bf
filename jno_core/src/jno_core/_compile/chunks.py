"""Which reductions over points may be taken part by part, and in parts of what size.

The sums behind `mse`, `mae`, `mean` and `sum` are exact however the points are divided, if row i of what they reduce
depends on point i only. Then the activations of a part, with all derivatives of them, stay in the processor's cache, and
the memory of a step does not grow with the number of points. What couples points is left whole.

On a processor some parts stand side by side: nothing in one waits for another, so XLA runs them on several cores at once.
The points of one operation it divides among cores only if they are many, and all cores wait for each other after each.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jno_core._compile import part_sizes
from jno_core._compile.concurrency import work_of
from jno_core._compile.data import first_instance, instance_at
from jno_core._compile.hash_consing import share
from jno_core._compile.lower import sampled_values, with_noise
from jno_core._compile.part_sizes import ChunkPlan, arranged, rows_of_parts
from jno_core._compile.plan import opened
from jno_core._compile.program import Program
from jno_core._compile.scope import Scope
from jno_core._compile.working_set import stored_bytes
from jno_core._custom_types import Columns, PRNGKey, PyTree
from jno_core._graph import BalancedWeight, FunctionCall, Model, Noise, Placeholder, walk
from jno_core._graph.reductions import mean_absolute, mean_square
from jno_core._interfaces import DomainData
from jno_core.pointwise import rowwise

_ENTRIES: dict[Callable[..., Any], Callable[[Array], Array]] = {
    mean_square: lambda x: jnp.square(jnp.abs(x)) if jnp.iscomplexobj(x) else jnp.square(x),
    mean_absolute: jnp.abs,
    jnp.mean: lambda x: x,
    jnp.sum: lambda x: x,
}
"""Reductions that are a sum over the points, with what they do to each entry first."""


@final
@dataclasses.dataclass(frozen=True)
class ChunkedSet:
    """Reductions over `points` points of one point set, taken in `parts` parts of `rows` rows; the last may be short.

    A step takes all points of the set, or a random `points` of its `total`. Of the parts, `abreast` stand side by side.
    """

    collocation: str
    reductions: tuple[FunctionCall, ...]
    points: int
    rows: int
    total: int
    abreast: int = 1

    @property
    def parts(self) -> int:
        """How many parts there are, a multiple of `abreast`."""
        return -(-self.points // (self.rows * self.abreast)) * self.abreast

    @property
    def at_once(self) -> bool:
        """Whether no part waits for another."""
        return self.parts == self.abreast

    def with_rows(self, data: DomainData, rows: PyTree) -> DomainData:
        """The data with other rows (see `rows_of`) in place of the points of this set."""
        return eqx.tree_at(lambda d: _rows(d, self.collocation), data, rows)


@final
class Chunk(NamedTuple):
    """One part of the points: its number, the arrays that have a row for each point, and which rows count."""

    number: Int[Array, ""]
    rows: PyTree
    counts: Bool[Array, " r"]


def plan_chunks(
    program: Program,
    roots: Sequence[Placeholder],
    data: DomainData,
    modules: dict[Model, PyTree],
    plan: ChunkPlan,
) -> tuple[ChunkedSet, ...]:
    """The reductions below the roots that are taken part by part, by point set: those worth it, and those over a batch."""
    planned = []
    # The points of an integration rule belong together: a few of them are no approximation of the integral.
    rules = {c.name for c in program.collocations if c.rule is not None}
    # What draws random numbers for all points at once may as well draw them for a batch.
    for name, reductions in _candidates(program, roots, draws=plan.batch is not None).items():
        total = data.points[name].points.shape[1]
        points = total if plan.batch is None or name in rules else min(plan.batch, total)
        if points == total and points <= (plan.rows or part_sizes.SMALLEST):
            continue
        divisible, jaxpr = _divisible(program, name, reductions, data, modules)
        if jaxpr is None:
            continue
        point_bytes = stored_bytes(jaxpr) // total
        turns, beside = arranged(points, point_bytes, data.instances, work_of(jaxpr, total), plan)
        if turns == 1 and _is_read_whole(program, name, roots, divisible):
            beside = 1
        if turns > 1 or beside > 1 or points < total or plan.devices > 1:
            rows = rows_of_parts(points, turns, beside, plan)
            planned.append(ChunkedSet(name, divisible, points, rows, total, beside))
    return tuple(planned)


def rows_of(data: DomainData, divided: ChunkedSet) -> PyTree:
    """The arrays that have one row for each point of a point set, along the second axis."""
    return _rows(data, divided.collocation)


def chunks_of(rows: PyTree, divided: ChunkedSet) -> Chunk:
    """The parts of `points` rows, stacked along a leading axis. The last row fills up the last part."""
    parts, size = divided.parts, divided.rows
    order = jnp.minimum(jnp.arange(parts * size), divided.points - 1)

    def stacked(x: Array) -> Array:
        filled = x if parts * size == divided.points else x[:, order]
        return jnp.moveaxis(filled.reshape(x.shape[0], parts, size, *x.shape[2:]), 1, 0)

    counts = (jnp.arange(parts * size) < divided.points).reshape(parts, size)
    return Chunk(jnp.arange(parts), jax.tree.map(stacked, rows), counts)


def chunk_sums(
    program: Program,
    divided: ChunkedSet,
    data: DomainData,
    chunk: Chunk,
    modules: dict[Model, PyTree],
    keys: PRNGKey,
    window: int,
) -> list[Array]:
    """What one part of the points adds to each reduction, for every instance: `(B,)`, or `(B, window)`, each."""
    name = divided.collocation
    small = divided.with_rows(_without_mesh(data, name), chunk.rows)
    roots = tuple(reduction.children()[0] for reduction in divided.reductions)
    values = sampled_values(program, roots, small, modules, {}, keys, window, chunk=chunk.number)
    lead = 1 if window == 1 else 2
    sums = []
    for reduction, value in zip(divided.reductions, values, strict=True):
        entries = _ENTRIES[reduction.fn](value)
        counts = chunk.counts.reshape(*(1,) * lead, -1, *(1,) * (entries.ndim - lead - 1))
        counted = jnp.where(counts, entries, 0)
        # Many parts are added up; in half precision, small parts would vanish beside the sum so far.
        dtype = jnp.promote_types(reduction.aval.dtype, jnp.float32)
        total = jnp.sum(counted, axis=tuple(range(lead, entries.ndim)), dtype=dtype)
        # A sum over a batch stands for the sum over all points, as a mean over it stands for their mean.
        divisor = divided.points / divided.total if reduction.fn is jnp.sum else divided.points * _size(entries, lead)
        sums.append(total if divisor == 1 else total / divisor)
    return sums


def _size(entries: Array, lead: int) -> int:
    """The number of entries for each point."""
    return math.prod(entries.shape[lead + 1 :])


def _rows(data: DomainData, name: str) -> PyTree:
    """What has one row for each point of a point set, along the second axis."""
    p = data.points[name]
    aligned = [t.value for t in data.tensors.values() if t.collocation == name]
    own = [x for x in (p.points, p.normals, p.weights) if x is not None]
    return [*own, *aligned]


def _without_mesh(data: DomainData, name: str) -> DomainData:
    """The mesh belongs to all points; nothing that reads it can be divided."""
    return dataclasses.replace(
        data, points={**data.points, name: dataclasses.replace(data.points[name], location=None)}
    )


def _candidates(program: Program, roots: Sequence[Placeholder], draws: bool) -> dict[str, tuple[FunctionCall, ...]]:
    """Sums over one point set, outside of everything that is differentiated, by point set."""
    found: dict[str, dict[int, FunctionCall]] = {}
    seen: set[Placeholder] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, FunctionCall) and _is_sum(node):
            names = program.depends(node)
            whole = any(_weighs(n) or (_draws(n) and not draws) for n in walk.nodes([node]))
            if len(names) == 1 and not whole:
                found.setdefault(next(iter(names)), {})[program.interner.number(node)] = node
                continue
        stack.extend(reversed(opened(node)))
    return {name: tuple(nodes.values()) for name, nodes in found.items()}


def _is_read_whole(
    program: Program, name: str, roots: Sequence[Placeholder], divisible: Iterable[FunctionCall]
) -> bool:
    """Whether anything but those reductions depends on a point set, so that its points are all seen at once anyway."""
    number = program.interner.number
    divided = {number(reduction) for reduction in divisible}

    def elsewhere(node: Placeholder) -> tuple[Placeholder, ...]:
        return () if number(node) in divided else opened(node)

    ends = (node for node in walk.nodes(roots, elsewhere) if not opened(node))
    return any(name in program.depends(node) for node in ends)


def reduced(root: Placeholder) -> Placeholder:
    """What a loss reduces over points: the argument of the one such reduction below it, else the loss itself."""
    found = [node for node in walk.nodes([root], opened) if isinstance(node, FunctionCall) and _is_sum(node)]
    return found[0].children()[0] if len(found) == 1 else root


def _is_sum(node: FunctionCall) -> bool:
    """Whether a node is such a sum, of numbers that have derivatives: a count has none, and costs nothing."""
    known = node.fn in _ENTRIES and not node.options and len(node.args) == 1 and isinstance(node.args[0], Placeholder)
    return known and jnp.issubdtype(node.aval.dtype, jnp.inexact)


def _weighs(node: Placeholder) -> bool:
    """Whether a node reads weights that follow from the losses themselves."""
    return isinstance(node, BalancedWeight)


def _draws(node: Placeholder) -> bool:
    """Whether a node draws random numbers for all points at once."""
    return isinstance(node, Noise) or (isinstance(node, FunctionCall) and node.takes_key)


def _divisible(
    program: Program,
    name: str,
    reductions: tuple[FunctionCall, ...],
    data: DomainData,
    modules: dict[Model, PyTree],
) -> tuple[tuple[FunctionCall, ...], jex.Jaxpr | None]:
    """Those reductions whose rows belong to single points, and what they reduce as a jaxpr, if there are any."""
    instance = with_noise(program, instance_at(first_instance(_without_mesh(data, name)), 0), None)
    columns, aligned = instance.columns[name], instance.aligned[name]
    # Dropout is drawn for each part anew; without a key it is off.
    modules = {model: eqx.nn.inference_mode(module) for model, module in modules.items()}

    # The sizes are those of estimates where a scheme makes some; each part has a key of its own.
    key = jax.random.key(0)

    def traced(chosen: Iterable[FunctionCall]) -> jex.ClosedJaxpr | None:
        targets = tuple(reduction.children()[0] for reduction in chosen)

        def values(columns: Columns, aligned: PyTree) -> list[Array]:
            scope = Scope(program, targets, instance, modules, {}, key)
            return [scope.moved(target, name, columns, aligned, instance.locations[name]) for target in targets]

        return rowwise(share(values), columns, aligned, key=key)

    found = traced(reductions)
    if found is None:
        reductions = tuple(r for r in reductions if traced([r]) is not None)
        found = traced(reductions) if reductions else None
    return reductions, None if found is None else found.jaxpr
