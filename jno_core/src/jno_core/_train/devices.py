"""The mesh of devices that a problem is trained on: `(batch, model)`.

Instances, or the rows of each part of the points, are divided over the axis `batch`; parameters over the axis `model` where
an axis of theirs is divisible, else every device holds them whole. Everything else is on every device. XLA inserts the
sums over devices: the program is the same for one device, for several, and for several processes.
"""

import dataclasses
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jno_core._compile import varies_by_instance
from jno_core._custom_types import PyTree
from jno_core._interfaces import DomainData
from jno_core.errors import JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class DeviceMesh:
    """Devices in an array `(batch, model)`, or none: JAX's default device."""

    mesh: Mesh | None

    @classmethod
    def of(cls, shape: tuple[int, int] | None) -> "DeviceMesh":
        """The mesh of a shape: `(1, 1)` is one device, `None` all devices along `batch`.

        Raises `JnoValueError` if the shape is not that of all devices.
        """
        count = jax.device_count()
        shape = (count, 1) if shape is None else shape
        if shape == (1, 1) and jax.process_count() == 1:
            return cls(None)
        if shape[0] * shape[1] != count:
            raise JnoValueError(
                f"mesh={shape} needs {shape[0] * shape[1]} devices, and there are {count}. Pass a mesh (batch, model) of "
                f"{count} devices, such as ({count}, 1), or (1, 1) for one device."
                if jax.process_count() == 1
                else f"mesh={shape} needs {shape[0] * shape[1]} devices, and the {jax.process_count()} processes have {count}. "
                f"Pass a mesh of all of them, such as ({count}, 1)."
            )
        return cls(Mesh(np.asarray(jax.devices()).reshape(shape), ("batch", "model")))

    @property
    def shards(self) -> int:
        """The number of devices that share instances or points."""
        return 1 if self.mesh is None else self.mesh.shape["batch"]

    @property
    def devices(self) -> tuple[Any, ...]:
        """The devices of the mesh, none for JAX's default device."""
        return () if self.mesh is None else tuple(self.mesh.devices.flat)

    @property
    def several_processes(self) -> bool:
        """Whether other processes take part."""
        return jax.process_count() > 1

    def split_rows(self, chunk: PyTree) -> PyTree:
        """Parts of points, `(parts, B, rows, ...)` or `(parts, rows)`, with their rows over the devices. Traceable."""
        if self.mesh is None:
            return chunk
        number, rows, counts = chunk
        rows = jax.tree.map(lambda x: self._constrained(x, None, None, "batch"), rows)
        return type(chunk)(number, rows, self._constrained(counts, None, "batch"))

    def split_instances(self, data: DomainData) -> DomainData:
        """Data with its instances over the devices where they can be divided. Traceable."""
        if self.mesh is None:
            return data
        return jax.tree.map(
            lambda x, divided: self._constrained(x, "batch") if divided else x, data, self._divided(data)
        )

    def place(self, tree: PyTree) -> PyTree:
        """Arrays on every device."""
        return self._placed(tree, lambda x: PartitionSpec())

    def place_data(self, data: DomainData) -> DomainData:
        """Data, the arrays of instances divided over the devices where possible."""
        return self._placed(
            data, lambda x, divided: PartitionSpec("batch") if divided else PartitionSpec(), self._divided(data)
        )

    def place_parameters(self, tree: PyTree) -> PyTree:
        """Parameters or optimizer states, divided over `model`."""
        return self._placed(tree, self._parameter_spec)

    def shardings(self, tree: PyTree) -> PyTree:
        """Where the arrays of a tree are, `None` for JAX's default device."""
        return None if self.mesh is None else jax.tree.map(lambda x: x.sharding, tree)

    def replicated(self) -> Any:
        """On every device, `None` for JAX's default device."""
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec())

    def local(self, tree: PyTree) -> PyTree:
        """Arrays that this process can use alone. With several processes every one of them must ask."""
        return jax.tree.map(_gathered, tree) if self.several_processes else tree

    def agree(self, stop: bool, steps: int) -> tuple[bool, int]:
        """Whether any process wants to stop, and the fewest steps that one wants to make next."""
        if not self.several_processes:
            return stop, steps
        wishes = np.asarray(multihost_utils.process_allgather(np.asarray([-int(stop), steps])))
        return bool(wishes[:, 0].min()), int(wishes[:, 1].min())

    def _constrained(self, x: Any, *axes: str | None) -> Any:
        return (
            x
            if self.mesh is None
            else jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, PartitionSpec(*axes)))
        )

    def _divided(self, data: DomainData) -> PyTree:
        """Which arrays are divided over `batch`: those of instances, if these can be divided."""
        possible = data.instances % self.shards == 0
        return jax.tree.map(lambda varies: varies and possible, varies_by_instance(data))

    def _parameter_spec(self, x: Any) -> PartitionSpec:
        model = 1 if self.mesh is None else self.mesh.shape["model"]
        if model == 1 or np.ndim(x) < 2:
            return PartitionSpec()
        # The last axis that can be divided: a matrix's outputs or inputs.
        axis = next((i for i in reversed(range(np.ndim(x))) if x.shape[i] % model == 0), None)
        return PartitionSpec() if axis is None else PartitionSpec(*(None,) * axis, "model")

    def _placed(self, tree: PyTree, spec: Any, *more: PyTree) -> PyTree:
        mesh = self.mesh
        if mesh is None:
            return jax.tree.map(_on_default_device, tree)
        return jax.tree.map(lambda x, *other: self._put(x, NamedSharding(mesh, spec(x, *other))), tree, *more)

    def _put(self, x: Any, sharding: NamedSharding) -> Any:
        if not self.several_processes:
            return jax.device_put(x, sharding)
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(self._put(jax.random.key_data(x), sharding))
        host = np.asarray(x)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _gathered(x: Any) -> Any:
    if not isinstance(x, jax.Array):
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_gathered(jax.random.key_data(x)))
    whole = x if x.is_fully_addressable or x.is_fully_replicated else multihost_utils.process_allgather(x, tiled=True)
    return jnp.asarray(np.asarray(whole))


def _on_default_device(x: Any) -> Any:
    return x if isinstance(x, jax.Array) else jnp.asarray(x)
