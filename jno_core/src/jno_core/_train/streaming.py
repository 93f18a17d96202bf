"""Data that stay on the host: batches are gathered there, in blocks of steps, while the device works on the block before."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np

from jno_core._compile import ChunkedSet, rows_of
from jno_core._custom_types import PRNGKey
from jno_core._domain import KEPT_BYTES, RowReader
from jno_core._interfaces import DomainData
from jno_core._train.batches import Batches, Streamed, batch_key, instance_arrays, with_instances
from jno_core._train.shuffle import drawn

_BLOCK_BYTES = 16 * 2**20
"""A block is about this large: two of them are in memory at a time. Beyond 32 MiB the C library asks the system for new memory
for each, which takes longer than to fill it.
"""

_MOST_EPOCHS = 1024


Indices: TypeAlias = Callable[..., tuple[Any, list[Any]]]
"""What `count` draws from the one of number `first` on take, by the key of a run: which instances, and which points of each set.
"""


def compiled_indices(batches: Batches) -> Indices:
    """Compiled once for each `count`; runs that continue share it."""

    def indices(key: PRNGKey, first: Any, count: int) -> tuple[Any, list[Any]]:
        own = batch_key(key)
        numbers = first + jnp.arange(count)
        instances = None
        if batches.taken < batches.instances:
            instances = jax.vmap(lambda n: drawn(own, batches.instances, batches.taken, n))(numbers)
        return instances, [jax.vmap(lambda n, d=d: batches.index(d, own, n))(numbers) for d in _drawn_from(batches)]

    return jax.jit(indices, static_argnames="count")


@final
class HostStream:
    """Blocks of batches for consecutive epochs; block i holds epochs `i * epochs` to `(i + 1) * epochs - 1`.

    - `draws`: how many batches an epoch takes.
    - `indices`: those of `batches`.
    """

    def __init__(self, batches: Batches, data: DomainData, draws: int, indices: Indices) -> None:
        self._batches, self._draws = batches, draws
        self._sets = _drawn_from(batches)
        points = [rows_of(data, d) for d in self._sets]
        whole = instance_arrays(data) if batches.taken < batches.instances else None
        kept_bytes = KEPT_BYTES // max(1, len(jax.tree.leaves((points, whole))))
        self._points = [[RowReader(np.asarray(x), kept_bytes) for x in arrays] for arrays in points]
        self._instances = jax.tree.map(lambda x: RowReader(np.asarray(x), kept_bytes), whole)
        resident = data if whole is None else with_instances(data, jax.tree.map(lambda x: x[:1], whole))
        for d in self._sets:
            resident = d.with_rows(resident, [x[:, :1] for x in rows_of(resident, d)])
        self.resident: DomainData = batches.mesh.place(resident)
        self.epochs = max(1, min(_MOST_EPOCHS, _BLOCK_BYTES // max(1, draws * self._bytes_per_draw())))
        self._indices = indices
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="jno-data")
        self._blocks: dict[tuple[bytes, int], Future[Streamed]] = {}

    def at(self, key: PRNGKey, epoch: int) -> Streamed:
        """The block that an epoch belongs to. The one after it is gathered meanwhile."""
        data = np.asarray(jax.random.key_data(key))
        number = epoch // self.epochs
        wanted = [(data.tobytes(), number), (data.tobytes(), number + 1)]
        self._blocks = {name: block for name, block in self._blocks.items() if name in wanted}
        for name in wanted:
            if name not in self._blocks:
                self._blocks[name] = self._pool.submit(self._gathered, data, name[1])
        return self._blocks[wanted[0]].result()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _gathered(self, key_data: np.ndarray, number: int) -> Streamed:
        first = number * self.epochs * self._draws
        cpu = jax.local_devices(backend="cpu")[0]
        with jax.default_device(cpu):
            key = jax.random.wrap_key_data(jnp.asarray(key_data))
            instances, sets = self._indices(key, jnp.asarray(first), count=self.epochs * self._draws)
        taken = jax.tree.map(lambda reader: reader.entries(np.asarray(instances)), self._instances)
        rows = [
            [reader.points(np.asarray(index)) for reader in readers]
            for readers, index in zip(self._points, sets, strict=True)
        ]
        mesh = self._batches.mesh
        return Streamed(self.resident, mesh.place(taken), mesh.place(rows), mesh.place(np.asarray(first)))

    def _bytes_per_draw(self) -> int:
        of_points = sum(r.point_bytes * d.points for d, rs in zip(self._sets, self._points, strict=True) for r in rs)
        return of_points + self._batches.taken * sum(r.entry_bytes for r in jax.tree.leaves(self._instances))


def _drawn_from(batches: Batches) -> tuple[ChunkedSet, ...]:
    return tuple(d for d in batches.divided if d.points < d.total)
