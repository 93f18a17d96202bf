"""What a lowered problem reads from a domain, and how instances and times are mapped outside of the graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jno_core._custom_types import PyTree
from jno_core._interfaces import DomainData, MeshLocation


@final
class Instance(eqx.Module):
    """One instance at one time: columns and other point-aligned arrays by point set, attached arrays by tag, operators."""

    columns: dict[str, tuple[Float[Array, "n 1"], ...]]
    aligned: dict[str, dict[str, Array]]
    tensors: Mapping[str, Array | np.ndarray]
    operators: dict[str, PyTree]
    locations: dict[str, MeshLocation | None] = eqx.field(static=True)


def instance_at(data: DomainData, time: Int[Array, ""] | int) -> Instance:
    """The instance in `data` (whose instance axes are gone) at a time index; point sets with one time keep it."""
    columns, aligned = {}, {}
    for name, p in data.points.items():
        t = p.times[time if p.times.shape[0] > 1 else 0]
        n, d = p.points.shape
        columns[name] = (*(p.points[:, i : i + 1] for i in range(d)), jnp.full((n, 1), t))
        aligned[name] = {} if p.normals is None else {"normals": p.normals}
        if p.weights is not None:
            aligned[name]["weights"] = p.weights[:, None]
    for tag, tensor in data.tensors.items():
        if tensor.collocation is not None:
            aligned[tensor.collocation][f"tensor {tag}"] = tensor.value
    tensors = {tag: t.value for tag, t in data.tensors.items() if t.collocation is None}
    return Instance(columns, aligned, tensors, data.operators, {name: p.location for name, p in data.points.items()})


def map_instances(fn: Callable[[DomainData, Any], Any], data: DomainData, own: PyTree) -> Any:
    """`fn(data of one instance, own[instance])` for all instances; results get the leading axis B.

    `own` holds arrays with a leading axis B, such as keys. Arrays of `data` that all instances share are not copied. A
    single instance is not mapped at all.
    """
    b = data.instances

    if b == 1:
        return jax.tree.map(lambda x: jnp.asarray(x)[None], fn(first_instance(data), jax.tree.map(lambda x: x[0], own)))
    each = varies_by_instance(data)
    axes = jax.tree.map(lambda varies: 0 if varies else None, each)
    stacked = jax.tree.map(lambda varies, x, first: x if varies else first, each, data, first_instance(data))
    return jax.vmap(fn, in_axes=(axes, 0))(stacked, own)


def varies_by_instance(data: DomainData) -> PyTree:
    """Which arrays have an entry for each of several instances: booleans, in the structure of the data.

    An array of times never has, however many there are: all instances share them.
    """
    b = data.instances
    each = jax.tree.map(lambda x: b > 1 and x.shape[0] == b, data)
    return _with_times(each, [False] * len(data.points))


def first_instance(data: DomainData) -> DomainData:
    """The data of one instance, without instance axes."""
    return _with_times(jax.tree.map(lambda x: x[0], data), [p.times for p in data.points.values()])


def instance_count(data: DomainData, collocations: Sequence[str], tensors: Sequence[str]) -> int:
    """The number of instances of an expression that reads these point sets and attached arrays."""
    leading = [data.points[c].points.shape[0] for c in collocations] + [data.tensors[t].value.shape[0] for t in tensors]
    return max(leading, default=1)


def _with_times(data: DomainData, times: Sequence[Any]) -> DomainData:
    return eqx.tree_at(lambda d: [p.times for p in d.points.values()], data, times) if times else data
