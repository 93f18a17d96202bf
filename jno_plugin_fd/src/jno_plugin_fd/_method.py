"""What the ways of taking differences have in common: on a mesh, on a grid, by evaluating the field at moved points."""

import abc
from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core import DerivativeRequest, Field, Support

Requests: TypeAlias = tuple[DerivativeRequest, ...]
Weights: TypeAlias = Any
"""A PyTree of arrays: the parameters of one operator."""


class AbstractMethod(abc.ABC):
    """One way of taking differences. The methods mean what those of `AbstractScheme` mean."""

    @abc.abstractmethod
    def refusal(self, request: DerivativeRequest, where: Support) -> str | None:
        """Why a request cannot be served, as the end of a sentence, from the static part of `where` alone."""

    @abc.abstractmethod
    def params(self, request: DerivativeRequest, where: Support) -> Weights:
        """The weights for one request, in float64."""

    @abc.abstractmethod
    def prepare(self, requests: Requests, where: Support) -> Any:
        """Where the weights apply: index tables."""

    @abc.abstractmethod
    def apply(
        self, requests: Requests, field: Field, where: Support, params: tuple[Weights, ...], prepared: Any
    ) -> list[Float[Array, "n *s"]]:
        """The requested derivatives."""


def beyond_second(request: DerivativeRequest) -> bool:
    """Whether a request is neither a first derivative, nor a second one in one coordinate, a Laplacian or a Hessian."""
    return request.order > 2 or (request.kind == "partial" and len(set(request.axes)) > 1)


def joined_matrix(entry: Callable[[int, int], Float[Array, "n *c"]], k: int) -> Float[Array, "n *s"]:
    """A Hessian of k coordinates; `entry(i, j)` with i <= j gives its upper half, and is called once for each."""
    upper = {(i, j): entry(i, j) for i in range(k) for j in range(i, k)}
    return joined([upper[min(i, j), max(i, j)] for i in range(k) for j in range(k)], matrix=True)


def joined(parts: list[Float[Array, "n *c"]], matrix: bool = False) -> Float[Array, "n *s"]:
    """Derivatives stacked as `DerivativeRequest` states: a gradient, or with `matrix` the k² entries of a Hessian."""
    entries = jnp.stack([p[:, 0] if p.ndim == 2 and p.shape[1] == 1 else p for p in parts], axis=-1)
    if not matrix:
        return entries
    k = int(len(parts) ** 0.5)
    return entries.reshape(*entries.shape[:-1], k, k)
