"""What the ways of taking differences have in common: on a mesh, on a grid, by evaluating the field at moved points."""

import abc
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


def joined(parts: list[Float[Array, "n *c"]], matrix: bool = False) -> Float[Array, "n *s"]:
    """Derivatives stacked as `DerivativeRequest` states: a gradient, or with `matrix` the k² entries of a Hessian."""
    entries = jnp.stack([p[:, 0] if p.ndim == 2 and p.shape[1] == 1 else p for p in parts], axis=-1)
    if not matrix:
        return entries
    k = int(len(parts) ** 0.5)
    return entries.reshape(*entries.shape[:-1], k, k)
