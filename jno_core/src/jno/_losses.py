"""Losses: the deviation of a prediction from a target as one number, and how far two gradients point the same way."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jno._tracing import has_node
from jno_core._graph import FunctionCall, Placeholder, as_node
from jno_core._graph.reductions import mean_absolute, mean_square
from jno_core.errors import JnoTypeError, JnoValueError

Residual = Inexact[Array, "..."]
Scalar = Float[Array, ""]


def mse(pred: Any, target: Any) -> Any:
    """The mean squared error, `mean |r|^2` with the residual `r = pred - target`.

    What holds for every loss: it is a scalar expression `()` when an argument is an expression, and a scalar array when both
    are arrays or numbers. All entries count alike. Of complex residuals the modulus counts. Gradients are finite at `r = 0`.

    Raises `JnoValueError` unless `pred` and `target` have one shape, or one is only repeated to the shape of the other; so
    `(N,)` against `(N, 1)`, which NumPy would pair every point with every other, is refused.
    """
    return _loss(mean_square, "mse", pred, target)


def mae(pred: Any, target: Any) -> Any:
    """The mean absolute error, `mean |r|`."""
    return _loss(mean_absolute, "mae", pred, target)


def rmse(pred: Any, target: Any) -> Any:
    """The root of the mean squared error, `sqrt(mean |r|^2)`. Its gradient at `r = 0` is taken as 0."""
    return _loss(_root_mean_square, "rmse", pred, target)


def linf(pred: Any, target: Any) -> Any:
    """The largest absolute error, `max |r|`."""
    return _loss(_largest, "linf", pred, target)


def huber(pred: Any, target: Any, delta: float = 1.0) -> Any:
    """The Huber loss: the mean of `r^2 / 2` where `|r| <= delta`, and of `delta (|r| - delta / 2)` elsewhere.

    Raises `JnoValueError` unless `delta > 0`. Source: Huber, Ann. Math. Statist. 35 (1964) 73.
    """
    return _loss(_huber, "huber", pred, target, delta=_positive("huber(delta=...)", delta))


def smooth_l1(pred: Any, target: Any, beta: float = 1.0) -> Any:
    """The mean of `r^2 / (2 beta)` where `|r| < beta`, and of `|r| - beta / 2` elsewhere: `huber(delta=beta) / beta`.

    Raises `JnoValueError` unless `beta > 0`. Source: Girshick, Fast R-CNN, ICCV 2015.
    """
    return _loss(_smooth_l1, "smooth_l1", pred, target, beta=_positive("smooth_l1(beta=...)", beta))


def log_cosh(pred: Any, target: Any) -> Any:
    """The mean of `log cosh r`: `r^2 / 2` for small, `|r| - log 2` for large residuals; it does not overflow."""
    return _loss(_log_cosh, "log_cosh", pred, target)


def relative_l2(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """The relative error in the 2-norm over all entries, `||r||_2 / (||target||_2 + eps)`.

    Raises `JnoValueError` unless `eps >= 0`.
    """
    return _loss(_relative_l2, "relative_l2", pred, target, relative=True, eps=_floor("relative_l2", eps))


def relative_l1(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """The relative error in the 1-norm over all entries, `||r||_1 / (||target||_1 + eps)`.

    Raises `JnoValueError` unless `eps >= 0`.
    """
    return _loss(_relative_l1, "relative_l1", pred, target, relative=True, eps=_floor("relative_l1", eps))


def nmse(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """The mean squared error over the variance of the target, `mean |r|^2 / (var(target) + eps)`.

    1 is what predicting the target's mean would give. Raises `JnoValueError` unless `eps >= 0`.
    """
    return _loss(_nmse, "nmse", pred, target, relative=True, eps=_floor("nmse", eps))


def mape(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """The mean absolute relative error, `mean(|r| / (|target| + eps))`, as a fraction.

    Raises `JnoValueError` unless `eps >= 0`.
    """
    return _loss(_mape, "mape", pred, target, relative=True, eps=_floor("mape", eps))


def quantile(pred: Any, target: Any, tau: float = 0.5) -> Any:
    """The quantile (pinball) loss, `mean max(tau (target - pred), (tau - 1)(target - pred))`.

    It is least where `pred` is the `tau`-quantile of the target. Real values only.

    Raises `JnoValueError` unless `0 < tau < 1`. Source: Koenker and Bassett, Econometrica 46 (1978) 33.
    """
    tau = _number("quantile(tau=...)", tau, lambda v: 0 < v < 1, "between 0 and 1")
    return _loss(_quantile, "quantile", pred, target, tau=tau)


def cauchy(pred: Any, target: Any, c: float = 1.0) -> Any:
    """The Cauchy (Lorentzian) loss, `mean log(1 + (r / c)^2)`: outliers beyond `c` count little.

    Raises `JnoValueError` unless `c > 0`. Source: Black and Anandan, Comput. Vis. Image Underst. 63 (1996) 75.
    """
    return _loss(_cauchy, "cauchy", pred, target, c=_positive("cauchy(c=...)", c))


def cosine_similarity(a: Any, b: Any, eps: float = 1e-8) -> Any:
    """The cosine of the angle between the rows of `a` and `b`, along the last axis: `(N, P), (N, P) -> (N,)`.

    `a.b / (max(||a||, eps) max(||b||, eps))`, so a row of zeros gives 0. Real values only.

    Raises `JnoValueError` for shapes as in `mse`, and unless `eps > 0`.
    """
    _check_shapes("cosine_similarity", a, b)
    return _apply(_cosine, "cosine_similarity", (a, b), {"eps": _positive("cosine_similarity(eps=...)", eps)})


def gradient_alignment(a: Any, b: Any, eps: float = 1e-8) -> Any:
    """The cosine between the mean rows of two parameter Jacobians: `(N, P), (M, P) -> ()`.

    1 when the two groups of points pull the parameters the same way, -1 when they work against each other; `eps` as in
    `cosine_similarity`. All axes but the last are averaged, so they may differ.

    Raises `JnoValueError` unless both have the same number of columns, and unless `eps > 0`.
    """
    columns = [shape[-1:] for shape in _shapes(a, b)]
    if columns[0] != columns[1] or not columns[0]:
        raise JnoValueError(
            f"gradient_alignment compares Jacobians (N, P) and (M, P) in the same parameters, got {_described(a, b)}."
        )
    return _apply(_alignment, "gradient_alignment", (a, b), {"eps": _positive("gradient_alignment(eps=...)", eps)})


def _loss(
    rule: Callable[..., Any], name: str, pred: Any, target: Any, *, relative: bool = False, **options: Any
) -> Any:
    _check_shapes(name, pred, target)
    if has_node((pred, target)):
        residual = as_node(pred) - as_node(target)
    else:
        # Without a common float type, unsigned integers would wrap around.
        dtype = jnp.result_type(pred, target, float)
        pred, target = jnp.asarray(pred, dtype), jnp.asarray(target, dtype)
        residual = pred - target
    return _apply(rule, name, (residual, target) if relative else (residual,), options)


def _apply(rule: Callable[..., Any], name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if has_node(args):
        return FunctionCall(rule, tuple(as_node(a) for a in args), name, tuple(sorted(options.items())))
    return rule(*(jnp.asarray(a) for a in args), **options)


def _shapes(*values: Any) -> list[tuple[int, ...]]:
    return [as_node(v).aval.shape for v in values]


def _check_shapes(name: str, a: Any, b: Any) -> None:
    left, right = _shapes(a, b)
    try:
        safe = jnp.broadcast_shapes(left, right) in (left, right)
    except ValueError:
        safe = False
    if not safe:
        raise JnoValueError(
            f"{name} compares values of one shape, or one that is repeated to the other's shape; got {_described(a, b)}. "
            "Reshape one of them, or keep its component axis: u[..., 0:1] instead of u[..., 0]."
        )


def _described(*values: Any) -> str:
    texts = [f"{v!r} of shape" if isinstance(v, Placeholder) else "an array of shape" for v in values]
    return " and ".join(f"{text} {shape}" for text, shape in zip(texts, _shapes(*values), strict=True))


def _number(label: str, value: Any, valid: Callable[[float], bool], expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise JnoTypeError(f"{label} takes a Python number, got {value!r}.")
    if not (math.isfinite(value) and valid(float(value))):
        raise JnoValueError(f"{label} must be {expected}, got {value!r}.")
    return float(value)


def _positive(label: str, value: Any) -> float:
    return _number(label, value, lambda v: v > 0, "greater than 0")


def _floor(loss: str, eps: Any) -> float:
    return _number(f"{loss}(eps=...)", eps, lambda v: v >= 0, "at least 0")


def _modulus_if_complex(x: Residual) -> Float[Array, "..."]:
    return jnp.abs(x) if jnp.iscomplexobj(x) else x


def _root(square: Float[Array, "..."]) -> Float[Array, "..."]:
    # The inner `where` keeps the infinite slope of the root at 0 out of reverse mode.
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def _norm(x: Residual, axis: int | None = None) -> Float[Array, "..."]:
    return _root(jnp.sum(jnp.square(_modulus_if_complex(x)), axis=axis))


def _root_mean_square(r: Residual) -> Scalar:
    return _root(mean_square(r))


def _largest(r: Residual) -> Scalar:
    return jnp.max(jnp.abs(r))


def _huber(r: Residual, delta: float) -> Scalar:
    # With c = min(|r|, delta) both branches are c (|r| - c / 2).
    size = jnp.abs(r)
    capped = jnp.minimum(size, delta)
    return jnp.mean(capped * (size - capped / 2))


def _smooth_l1(r: Residual, beta: float) -> Scalar:
    return _huber(r, beta) / beta


def _log_cosh(r: Residual) -> Scalar:
    # log cosh r = |r| + log1p(exp(-2|r|)) - log 2 never overflows, but cancels near 0; there 1 + 2 sinh(r/2)^2 is cosh r.
    r = _modulus_if_complex(r)
    size = jnp.abs(r)
    far = size + jnp.log1p(jnp.exp(-2 * size)) - math.log(2)
    near = jnp.log1p(2 * jnp.square(jnp.sinh(jnp.clip(r, -1, 1) / 2)))
    return jnp.mean(jnp.where(size < 1, near, far))


def _relative_l2(r: Residual, target: Residual, eps: float) -> Scalar:
    return _norm(r) / (_norm(jnp.broadcast_to(target, r.shape)) + eps)


def _relative_l1(r: Residual, target: Residual, eps: float) -> Scalar:
    return jnp.sum(jnp.abs(r)) / (jnp.sum(jnp.abs(jnp.broadcast_to(target, r.shape))) + eps)


def _nmse(r: Residual, target: Residual, eps: float) -> Scalar:
    return mean_square(r) / (jnp.var(target) + eps)


def _mape(r: Residual, target: Residual, eps: float) -> Scalar:
    return jnp.mean(jnp.abs(r) / (jnp.abs(target) + eps))


def _quantile(r: Residual, tau: float) -> Scalar:
    if jnp.iscomplexobj(r):
        raise JnoTypeError("quantile orders its values, so they must be real, got complex ones.")
    return jnp.mean(jnp.maximum(-tau * r, (1 - tau) * r))


def _cauchy(r: Residual, c: float) -> Scalar:
    return jnp.mean(jnp.log1p(jnp.square(_modulus_if_complex(r) / c)))


def _cosine(a: Float[Array, "*n p"], b: Float[Array, "*n p"], eps: float) -> Float[Array, "*n"]:
    a = a / jnp.maximum(_norm(a, -1), eps)[..., None]
    b = b / jnp.maximum(_norm(b, -1), eps)[..., None]
    return jnp.sum(a * b, axis=-1)


def _alignment(a: Float[Array, "*n p"], b: Float[Array, "*m p"], eps: float) -> Scalar:
    a, b = (jnp.mean(j.reshape(-1, j.shape[-1]), axis=0) for j in (a, b))
    return _cosine(a, b, eps)
