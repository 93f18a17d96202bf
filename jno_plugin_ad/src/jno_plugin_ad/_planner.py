"""From requests to multi-indices, and from the derivatives of those back to the requested results.

A multi-index names one partial derivative by its axes in rising order: `(0, 0, 2)` is d³/dx²dz, `()` the target itself.
However a set of multi-indices is evaluated, the result is a mapping from each to an array of the target's shape.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core import DerivativeRequest

Columns: TypeAlias = tuple[Float[Array, "n 1"], ...]
MultiIndex: TypeAlias = tuple[int, ...]
Derivatives: TypeAlias = Mapping[MultiIndex, Float[Array, "n *c"]]


def multi_indices(requests: Iterable[DerivativeRequest]) -> frozenset[MultiIndex]:
    """Every partial derivative that the requests are made of, each once."""
    return frozenset(index for request in requests for index in _of_request(request))


def assemble(request: DerivativeRequest, derivatives: Derivatives) -> Float[Array, "n *s"]:
    """The result of one request, in the shape that `DerivativeRequest` states."""
    indices = _of_request(request)
    if request.kind in ("value", "partial"):
        return derivatives[indices[0]]
    if request.kind == "laplacian":
        return sum((derivatives[index] for index in indices[1:]), start=derivatives[indices[0]])
    entries = jnp.stack([_without_unit_component(derivatives[index]) for index in indices], axis=-1)
    if request.kind == "gradient":
        return entries
    k = len(request.axes)
    return entries.reshape(*entries.shape[:-1], k, k)


def _of_request(request: DerivativeRequest) -> tuple[MultiIndex, ...]:
    axes = request.axes
    match request.kind:
        case "value":
            return ((),)
        case "partial":
            return (tuple(sorted(axes)),)
        case "gradient":
            return tuple((i,) for i in axes)
        case "laplacian":
            return tuple((i, i) for i in axes)
        case "hessian":
            return tuple((min(i, j), max(i, j)) for i in axes for j in axes)


def _without_unit_component(value: Float[Array, "n *c"]) -> Float[Array, "n *c"]:
    return value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value
