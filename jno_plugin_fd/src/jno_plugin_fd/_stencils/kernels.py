"""Weights of differences on a line of equally spaced points."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Int

from jno_core.errors import JnoValueError

Side: TypeAlias = Literal["central", "forward", "backward"]

_ACCURACIES = (2, 4, 6, 8)


def difference_weights(order: int, offsets: Sequence[float] | np.ndarray) -> Float[np.ndarray, " s"]:
    """Weights `w` such that `sum_j w[j] * u(offsets[j])` is the derivative of `order` at 0 for polynomials of degree < s.

    For points with the spacing `h` divide by `h**order`. The weights are rational in the offsets and are computed so, hence
    correct to the last digit.

    Raises `JnoValueError` for offsets that repeat or are not more than `order`.

    Source: B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Mathematics of Computation
    51 (1988) 699-706.
    """
    x = [Fraction(float(offset)) for offset in offsets]
    if order < 0 or len(set(x)) != len(x) or len(x) <= order:
        raise JnoValueError(
            f"A derivative of order {order} needs more than {order} distinct offsets, got {list(offsets)}."
        )
    # weights[j][k]: of the k-th derivative at point j, from the points up to the present one.
    weights = [[Fraction(0)] * (order + 1) for _ in x]
    weights[0][0] = last = Fraction(1)
    for i in range(1, len(x)):
        previous = list(weights[i - 1])
        product = Fraction(1)
        for j in range(i):
            product *= x[i] - x[j]
            for k in range(order, -1, -1):
                lower = k * weights[j][k - 1] if k else 0
                weights[j][k] = (x[i] * weights[j][k] - lower) / (x[i] - x[j])
        for k in range(order + 1):
            lower = k * previous[k - 1] if k else 0
            weights[i][k] = last / product * (lower - x[i - 1] * previous[k])
        last = product
    return np.array([float(row[order]) for row in weights])


def difference_kernel(
    order: int, accuracy: int, side: Side = "central"
) -> tuple[Int[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Offsets, ascending, and weights for a derivative of `order` >= 1 with an error of order `accuracy` (2, 4, 6 or 8).

    `result[i] = sum_j weights[j] * values[i + offsets[j]] / spacing**order`. A `"central"` kernel reads to both sides, a
    `"forward"` one the point and those after it, a `"backward"` one the point and those before it.
    """
    _check(order, accuracy)
    if side not in get_args(Side):
        raise JnoValueError(f"Differences have no side {side!r}; there are {', '.join(get_args(Side))}.")
    if side == "central":
        # Symmetry gives one order for nothing where the order of the derivative is even.
        half = (order - 1) // 2 + accuracy // 2
        offsets = np.arange(-half, half + 1)
    else:
        offsets = np.arange(order + accuracy)
        offsets = offsets if side == "forward" else -offsets[::-1]
    return offsets, difference_weights(order, offsets)


def closure_kernels(
    order: int, accuracy: int, side: Side = "central"
) -> tuple[Float[np.ndarray, "b w"], Float[np.ndarray, "a w"]]:
    """The rows for the first and for the last points of an axis, where the kernel does not fit; same accuracy.

    The derivatives at the first `b` points are `first @ values[:w]`, those at the last `a` points `last @ values[-w:]`,
    both divided by `spacing**order`; the kernel reads `b` points before its own and `a` after it, `w = order + accuracy`.
    """
    offsets, _ = difference_kernel(order, accuracy, side)
    window = np.arange(order + accuracy)
    places = [*range(-offsets[0]), *range(len(window) - offsets[-1], len(window))]
    rows = np.array([difference_weights(order, window - place) for place in places]).reshape(-1, len(window))
    return rows[: -offsets[0]], rows[-offsets[0] :]


def _check(order: int, accuracy: int) -> None:
    if order < 1:
        raise JnoValueError(f"Differences give derivatives of order 1 and higher, got {order}.")
    if accuracy not in _ACCURACIES:
        raise JnoValueError(f"The accuracy of differences is one of {_ACCURACIES}, got {accuracy}.")
