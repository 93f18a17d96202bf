"""What one optimizer step sees of the data: all of it, a random batch of the instances, or a random batch of the points.

With several instances a batch is some of them (`batchsize` counts instances); with one it is some of its points, drawn from
each point set whose losses are sums over single points. What couples points is left whole. Draws are numbered from the first
step of a problem's life and made without replacement (`shuffle`), so a batch follows from the key and its number alone: a
resumed run, and a host that reads ahead, find the same one.
"""

import dataclasses
from typing import NamedTuple, final

import jax
from jaxtyping import Array, Int

from jno_core._compile import Chunk, ChunkedSet, chunks_of, rows_of, varies_by_instance
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._interfaces import DomainData
from jno_core._train.devices import DeviceMesh
from jno_core._train.renewed_points import Renewed, with_points
from jno_core._train.shuffle import drawn


@final
class Batch(NamedTuple):
    """The data of one step: what is read whole, and the parts of each divided point set."""

    data: DomainData
    chunks: tuple[Chunk, ...]


@final
class Streamed(NamedTuple):
    """Data of which some stay on the host: what is read whole, and the batches of the draws from `first` on.

    `instances` and `rows` have one entry for each draw along their leading axes; what does not stream is `None`.
    """

    resident: DomainData
    instances: PyTree
    rows: PyTree
    first: Int[Array, ""]


@final
@dataclasses.dataclass(frozen=True)
class Batches:
    """How batches are made. Holds no arrays.

    - `divided`: point sets of which a step takes a batch, or which it takes part by part.
    - `instances`, `taken`: B, and how many of them a step takes.
    - `parts`: in how many equal parts the instances of a step are evaluated.
    """

    divided: tuple[ChunkedSet, ...]
    instances: int
    taken: int
    parts: int
    mesh: DeviceMesh

    def at(
        self,
        source: DomainData | Streamed,
        key: PRNGKey,
        number: Int[Array, ""],
        points: Renewed,
    ) -> Batch:
        """The batch of a draw, with `points` in place of the domain's own. Pure and traceable."""
        key = batch_key(key)
        if isinstance(source, Streamed):
            offset = number - source.first
            instances, sent = jax.tree.map(lambda x: x[offset], (source.instances, source.rows))
            whole = source.resident
            data = with_points(whole if instances is None else with_instances(whole, instances), points)
            left = iter(sent)
            rows = [next(left) if d.points < d.total else rows_of(data, d) for d in self.divided]
        else:
            data = with_points(source, points)
            if self.taken < self.instances:
                index = drawn(key, self.instances, self.taken, number)
                taken = jax.tree.map(lambda x: x[index], instance_arrays(data))
                data = with_instances(data, taken)
            rows = [self._rows(data, d, key, number) for d in self.divided]
        data = self.mesh.split_instances(data)
        stacked = (self.mesh.split_rows(chunks_of(r, d)) for r, d in zip(rows, self.divided, strict=True))
        return Batch(data, tuple(stacked))

    def chunks(self, data: DomainData) -> tuple[Chunk, ...]:
        """The parts of each divided point set, of which a step takes all points."""
        return tuple(self.mesh.split_rows(chunks_of(rows_of(data, d), d)) for d in self.divided)

    def steady(self, renewed: frozenset[str]) -> frozenset[str]:
        """The divided point sets of which every step takes all points and all instances, but for the renewed ones."""
        if self.taken < self.instances or self.parts > 1:
            return frozenset()
        return frozenset(d.collocation for d in self.divided if d.points == d.total) - renewed

    def index(self, divided: ChunkedSet, key: PRNGKey, number: Int[Array, ""]) -> Int[Array, " n"]:
        """Which points of a set a draw takes, by the batches' own key."""
        own = jax.random.fold_in(key, self.divided.index(divided))
        return drawn(own, divided.total, divided.points, number)

    def _rows(self, data: DomainData, divided: ChunkedSet, key: PRNGKey, number: Int[Array, ""]) -> PyTree:
        rows = rows_of(data, divided)
        if divided.points == divided.total:
            # There are more of them while residuals are asked for at candidates too.
            return jax.tree.map(lambda x: x[:, : divided.total], rows)
        index = self.index(divided, key, number)
        return jax.tree.map(lambda x: x[:, index], rows)


def batch_key(key: PRNGKey) -> PRNGKey:
    """The key that batches are drawn by, from that of the training state."""
    return jax.random.fold_in(key, _BATCH_STREAM)


def instance_arrays(data: DomainData) -> PyTree:
    """The arrays that have an entry for each instance, in the structure of the data, `None` elsewhere."""
    return jax.tree.map(lambda varies, x: x if varies else None, varies_by_instance(data), data)


def with_instances(data: DomainData, taken: PyTree) -> DomainData:
    """The data with some arrays replaced."""
    return jax.tree.map(lambda new, old: old if new is None else new, taken, data, is_leaf=lambda x: x is None)


def only_instance(source: DomainData | Streamed, points: Renewed, instance: Int[Array, ""]) -> DomainData:
    """The data of one instance, with `points` in place of the domain's own. Instances must not stream. Traceable."""
    data = with_points(source.resident if isinstance(source, Streamed) else source, points)
    taken = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, instance, 1), instance_arrays(data))
    return with_instances(data, taken)


# Far from the keys of steps, which count up from zero.
_BATCH_STREAM = 2**32 - 3
