"""Weights that a balancer gives to losses: nodes with a state that training advances once per step."""

import dataclasses
import math
import numbers
from collections.abc import Hashable, Sequence
from typing import Any, Literal, final

import jax
import jax.numpy as jnp

from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import default_float
from jno_core._interfaces import AbstractBalancer
from jno_core.errors import JnoTypeError, JnoValueError

Mode = Literal["raw", "none", "minmax", "l2"]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Balance:
    """One use of a balancer: the rule, the losses that it weighs, and how they are scaled before it sees them.

    Its identity is the identity of its state.
    """

    name: str
    rule: AbstractBalancer
    losses: tuple[Placeholder, ...]
    mode: Mode = "raw"
    eps: float = 1e-12


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BalancedWeight(Placeholder):
    """Entry `position` of a balancer's weights, a scalar `()` and a constant of every differentiation."""

    balance: Balance
    position: int

    def children(self) -> tuple[Placeholder, ...]:
        return ()

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        del children
        return self

    def key(self) -> Hashable:
        return self.balance, self.position

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((), default_float())


def balance(
    name: str, rule: AbstractBalancer, losses: Sequence[Any], mode: Mode = "raw", eps: float = 1e-12
) -> tuple[BalancedWeight, ...]:
    """One weight per loss. `losses` are expressions; each enters by its mean over points and instances.

    `mode` scales the losses before the rule sees them: `"raw"` (or `"none"`) not at all, `"minmax"` to [0, 1] across the
    losses of the step, `"l2"` by their norm. `eps` is the floor of every loss.

    Raises `JnoTypeError` unless `losses` is a list of expressions, `JnoValueError` when it is empty or the mode is unknown.
    """
    if isinstance(losses, Placeholder | str) or not isinstance(losses, Sequence):
        raise JnoTypeError(f"{name} weighs a list of losses, as in {name}([pde.mse, bc.mse]); got {losses!r}.")
    for loss in losses:
        if not isinstance(loss, Placeholder):
            raise JnoTypeError(f"{name} weighs expressions such as pde.mse, got {loss!r}.")
    if not losses:
        raise JnoValueError(f"{name} needs at least one loss, as in {name}([pde.mse, bc.mse]).")
    if mode not in ("raw", "none", "minmax", "l2"):
        raise JnoValueError(f"mode={mode!r} is unknown; expected 'raw', 'none', 'minmax' or 'l2'.")
    if isinstance(eps, bool) or not isinstance(eps, numbers.Real):
        raise JnoTypeError(f"eps must be a positive number such as 1e-12, got {eps!r}.")
    if not 0 < eps < math.inf:
        raise JnoValueError(f"eps must be positive, got {eps!r}.")
    source = Balance(name, rule, tuple(losses), mode, float(eps))
    return tuple(BalancedWeight(source, i, label=f"{name}[{i}]") for i in range(len(losses)))


def scaled(source: Balance, losses: jax.Array) -> jax.Array:
    """The losses as the rule sees them: floored, then scaled by the mode."""
    floored = jnp.maximum(losses, source.eps)
    if source.mode == "minmax":
        spread = jnp.maximum(jnp.max(floored) - jnp.min(floored), source.eps)
        return (floored - jnp.min(floored)) / spread
    if source.mode == "l2":
        return floored / jnp.maximum(jnp.linalg.norm(floored), source.eps)
    return floored
