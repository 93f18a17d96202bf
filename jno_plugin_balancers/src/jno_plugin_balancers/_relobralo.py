"""Relative loss balancing with random look-back."""

import numbers
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jno_core import AbstractBalancer, UpdateView
from jno_core.errors import JnoValueError

_FLOOR = 1e-12


class ReLoBRaLoState(NamedTuple):
    """What ReLoBRaLo remembers between two steps.

    - `weights`: the weights of the last step.
    - `first`, `previous`: the losses of the first and of the last step; not read before `started`.
    - `started`: whether a step was made.
    """

    weights: Float[Array, " n"]
    first: Float[Array, " n"]
    previous: Float[Array, " n"]
    started: Bool[Array, ""]


@final
class ReLoBRaLo(AbstractBalancer):
    r"""Relative loss balancing with random look-back: a loss that lags behind in relative progress gets more weight.

    With the current losses $L$ and the losses $L'$ of an earlier step,

    $$\hat\lambda(L') = n \, \mathrm{softmax}\left(\frac{L}{\tau L'}\right), \qquad
    \lambda \leftarrow \alpha \left(\rho \lambda + (1 - \rho) \hat\lambda(L_\mathrm{first})\right)
    + (1 - \alpha) \hat\lambda(L_\mathrm{previous}), \qquad \rho \sim \mathrm{Bernoulli}(\mathbb{E}\rho).$$

    The weights of the first step are one. The `n` weights always sum to `n`. Losses below `1e-12` count as `1e-12`.

    - `alpha`: how much of the history is kept per step, in [0, 1]. Default 0.99.
    - `tau`: temperature of the softmax, positive; large values bring the weights close to one. Default 0.1.
    - `expected_rho`: the probability, in [0, 1], that the history is the last weights rather than the balance against
      the first losses (the look-back). Default 0.999.

    There is no option for a seed: `rho` is drawn from the key of the step, so the seed of the project decides it.

    Raises `JnoValueError` for an option outside of its range.

    Source: Bischof and Kraus, Multi-Objective Loss Balancing for Physics-Informed Deep Learning, arXiv 2110.09813.
    """

    alpha: float = eqx.field(default=0.99, static=True, kw_only=True)
    tau: float = eqx.field(default=0.1, static=True, kw_only=True)
    expected_rho: float = eqx.field(default=0.999, static=True, kw_only=True)

    def __check_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("expected_rho", self.expected_rho)):
            if not (isinstance(value, numbers.Real) and 0 <= value <= 1):
                raise JnoValueError(f"ReLoBRaLo needs a number from 0 to 1 as `{name}`, got {value!r}.")
        if not (isinstance(self.tau, numbers.Real) and 0 < self.tau < float("inf")):
            raise JnoValueError(f"ReLoBRaLo needs a positive, finite number as `tau`, got {self.tau!r}.")

    def init(self, n: int) -> ReLoBRaLoState:
        """Ones, in JAX's default floating-point type."""
        ones = jnp.ones(n)
        return ReLoBRaLoState(weights=ones, first=ones, previous=ones, started=jnp.asarray(False))

    def update(
        self, state: ReLoBRaLoState, losses: Float[Array, " n"], view: UpdateView
    ) -> tuple[Float[Array, " n"], ReLoBRaLoState]:
        """The state keeps its dtype; the weights have the dtype of the losses."""
        current = jnp.maximum(losses.astype(state.weights.dtype), _FLOOR)
        rho = jax.random.bernoulli(view.key, float(self.expected_rho))
        history = jnp.where(rho, state.weights, self._balance(current, state.first))
        moved = self.alpha * history + (1 - self.alpha) * self._balance(current, state.previous)
        weights = jnp.where(state.started, moved, jnp.ones_like(moved))
        first = jnp.where(state.started, state.first, current)
        return weights.astype(losses.dtype), ReLoBRaLoState(weights, first, current, jnp.ones_like(state.started))

    def _balance(self, current: Float[Array, " n"], reference: Float[Array, " n"]) -> Float[Array, " n"]:
        # A ratio that overflows to infinity would become NaN in the softmax's subtraction of the maximum.
        ratios = jnp.minimum(current / (self.tau * reference), jnp.finfo(current.dtype).max)
        return current.size * jax.nn.softmax(ratios)
