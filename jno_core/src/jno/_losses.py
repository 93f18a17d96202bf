"""Losses between a prediction and a target, for expressions (a scalar node) and for arrays (a scalar array).

With r = p - t. All are means over all entries unless said otherwise.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._graph import FunctionCall, Placeholder
from jno_core.errors import JnoValueError

Scalar = Float[Array, ""]


def mse(pred: Any, target: Any) -> Any:
    """Mean of r²."""
    return _lifted("mse", lambda r, t: jnp.mean(jnp.square(jnp.abs(r))), pred, target)


def mae(pred: Any, target: Any) -> Any:
    """Mean of |r|."""
    return _lifted("mae", lambda r, t: jnp.mean(jnp.abs(r)), pred, target)


def rmse(pred: Any, target: Any) -> Any:
    """Root of the mean of r²; its gradient at r = 0 is zero."""
    return _lifted("rmse", lambda r, t: _safe_norm(r) / r.size**0.5, pred, target)


def linf(pred: Any, target: Any) -> Any:
    """Largest |r|."""
    return _lifted("linf", lambda r, t: jnp.max(jnp.abs(r)), pred, target)


def huber(pred: Any, target: Any, delta: float = 1.0) -> Any:
    """Mean of r²/2 where |r| <= delta, else delta (|r| - delta/2) (Huber 1964)."""
    _require_positive("delta", delta)

    def loss(r: Array, t: Array) -> Array:
        a = jnp.abs(r)
        return jnp.mean(jnp.where(a <= delta, r**2 / 2, delta * (a - delta / 2)))

    return _lifted("huber", loss, pred, target)


def smooth_l1(pred: Any, target: Any, beta: float = 1.0) -> Any:
    """Mean of r²/(2 beta) where |r| < beta, else |r| - beta/2."""
    _require_positive("beta", beta)

    def loss(r: Array, t: Array) -> Array:
        a = jnp.abs(r)
        return jnp.mean(jnp.where(a < beta, r**2 / (2 * beta), a - beta / 2))

    return _lifted("smooth_l1", loss, pred, target)


def log_cosh(pred: Any, target: Any) -> Any:
    """Mean of log cosh r, as |r| + log(1 + exp(-2|r|)) - log 2, which does not overflow."""

    def loss(r: Array, t: Array) -> Array:
        a = jnp.abs(r)
        return jnp.mean(a + jnp.log1p(jnp.exp(-2 * a)) - jnp.log(2.0).astype(a.dtype))

    return _lifted("log_cosh", loss, pred, target)


def relative_l2(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """‖r‖ / (‖t‖ + eps), 2-norms over all entries."""
    return _lifted("relative_l2", lambda r, t: _safe_norm(r) / (_safe_norm(t) + eps), pred, target)


def relative_l1(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Sum of |r| over sum of |t| plus eps."""
    return _lifted("relative_l1", lambda r, t: jnp.sum(jnp.abs(r)) / (jnp.sum(jnp.abs(t)) + eps), pred, target)


def nmse(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Mean of r² over the variance of t plus eps."""
    return _lifted("nmse", lambda r, t: jnp.mean(r**2) / (jnp.var(t) + eps), pred, target)


def mape(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Mean of |r| / (|t| + eps)."""
    return _lifted("mape", lambda r, t: jnp.mean(jnp.abs(r) / (jnp.abs(t) + eps)), pred, target)


def quantile(pred: Any, target: Any, tau: float = 0.5) -> Any:
    """Mean of max(tau (t - p), (tau - 1)(t - p)), the pinball loss of the quantile `tau` in (0, 1)."""
    if not 0 < tau < 1:
        raise JnoValueError(f"tau must lie between 0 and 1, got {tau!r}.")
    return _lifted("quantile", lambda r, t: jnp.mean(jnp.maximum(-tau * r, (1 - tau) * r)), pred, target)


def cauchy(pred: Any, target: Any, c: float = 1.0) -> Any:
    """Mean of log(1 + (r/c)²)."""
    _require_positive("c", c)
    return _lifted("cauchy", lambda r, t: jnp.mean(jnp.log1p((r / c) ** 2)), pred, target)


def cosine_similarity(a: Any, b: Any, eps: float = 1e-8) -> Any:
    """Cosine of the rows of `a` and `b` along the last axis: `(N, P)` gives `(N,)`."""

    def similarity(a: Array, b: Array) -> Array:
        return jnp.sum(a * b, axis=-1) / (jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1) + eps)

    return _call("cosine_similarity", similarity, a, b)


def gradient_alignment(a: Any, b: Any, eps: float = 1e-8) -> Any:
    """Cosine of the row means of two parameter Jacobians `(N, P)`, a scalar."""

    def alignment(a: Array, b: Array) -> Array:
        u, v = jnp.mean(a, axis=0), jnp.mean(b, axis=0)
        return jnp.vdot(u, v) / (jnp.linalg.norm(u) * jnp.linalg.norm(v) + eps)

    return _call("gradient_alignment", alignment, a, b)


def _lifted(name: str, loss: Any, pred: Any, target: Any) -> Any:
    def difference(p: Array, t: Array) -> Array:
        p, t = jnp.asarray(p), jnp.asarray(t)
        _require_same_rank(name, p.shape, t.shape)
        return loss(p - t, t)

    return _call(name, difference, pred, target)


def _call(name: str, fn: Any, *args: Any) -> Any:
    if any(isinstance(arg, Placeholder) for arg in args):
        return FunctionCall(fn, args, name)
    return fn(*args)


def _require_same_rank(name: str, pred: tuple[int, ...], target: tuple[int, ...]) -> None:
    if pred and target and len(pred) != len(target):
        raise JnoValueError(
            f"{name} compares a prediction of shape {pred} with a target of shape {target}; give both the same number of axes, "
            "such as (N, 1)."
        )


def _require_positive(what: str, value: float) -> None:
    if not value > 0:
        raise JnoValueError(f"{what} must be positive, got {value!r}.")


def _safe_norm(x: Array) -> Array:
    """The 2-norm over all entries, with gradient zero where it vanishes."""
    square = jnp.sum(jnp.square(jnp.abs(x)))
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
