"""Weights on lines of equally spaced points, and the recognition of grids."""

import itertools
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoValueError
from jno_plugin_fd._stencils import closure_kernels, difference_kernel, difference_weights, regular_axes

ACCURACIES = (2, 4, 6, 8)
SIDES = ("central", "forward", "backward")


def exact_weights(order, offsets):
    at: Any = 0
    table = sympy.finite_diff_weights(order, [sympy.Rational(int(o)) for o in offsets], at)
    return np.array([float(w) for w in table[order][-1]])


@pytest.mark.parametrize(
    ("order", "accuracy", "side", "offsets", "weights"),
    [
        (1, 2, "central", [-1, 0, 1], [-1 / 2, 0, 1 / 2]),
        (1, 4, "central", [-2, -1, 0, 1, 2], [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12]),
        (
            1,
            8,
            "central",
            range(-4, 5),
            [1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280],
        ),
        (2, 2, "central", [-1, 0, 1], [1, -2, 1]),
        (2, 4, "central", [-2, -1, 0, 1, 2], [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12]),
        (1, 2, "forward", [0, 1, 2], [-3 / 2, 2, -1 / 2]),
        (2, 2, "forward", [0, 1, 2, 3], [2, -5, 4, -1]),
        (1, 2, "backward", [-2, -1, 0], [1 / 2, -2, 3 / 2]),
    ],
)
def test_the_known_tables(order, accuracy, side, offsets, weights):
    found = difference_kernel(order, accuracy, side)
    np.testing.assert_array_equal(found[0], list(offsets))
    np.testing.assert_array_equal(found[1], weights)


@pytest.mark.parametrize(("order", "accuracy", "side"), list(itertools.product((1, 2, 3, 4), ACCURACIES, SIDES)))
def test_exact_fractions(order, accuracy, side):
    offsets, weights = difference_kernel(order, accuracy, side)
    np.testing.assert_array_equal(weights, exact_weights(order, offsets))
    points = {"central": 2 * ((order + 1) // 2) - 1 + accuracy}.get(side, order + accuracy)
    assert len(offsets) == points


@pytest.mark.parametrize(("order", "accuracy"), list(itertools.product((1, 2, 3), ACCURACIES)))
def test_closures_are_exact_fractions(order, accuracy):
    first, last = closure_kernels(order, accuracy)
    half, width = len(difference_kernel(order, accuracy)[0]) // 2, order + accuracy
    assert first.shape == last.shape == (half, width)
    for row in range(half):
        np.testing.assert_array_equal(first[row], exact_weights(order, np.arange(width) - row))
        np.testing.assert_array_equal(last[row], exact_weights(order, np.arange(width) - (width - half + row)))


def differentiated(values, spacing, order, accuracy, side):
    """All points of an axis that is not periodic: the kernel where it fits, rows of the closures elsewhere."""
    offsets, weights = difference_kernel(order, accuracy, side)
    n = len(values)
    result = np.full(n, np.nan)
    for i in range(max(0, -offsets[0]), n - max(0, offsets[-1])):
        result[i] = weights @ values[i + offsets]
    if side == "central":
        first, last = closure_kernels(order, accuracy)
        result[: len(first)] = first @ values[: first.shape[1]]
        result[n - len(last) :] = last @ values[n - last.shape[1] :]
    return result / spacing**order


@pytest.mark.parametrize(("order", "accuracy", "side"), list(itertools.product((1, 2), ACCURACIES, SIDES)))
def test_polynomials_up_to_the_degree(order, accuracy, side):
    x = np.linspace(-1.0, 1.0, 21)
    for degree in range(order + accuracy):
        exact = np.polynomial.Polynomial.basis(degree).deriv(order)(x)
        found = differentiated(x**degree, x[1] - x[0], order, accuracy, side)
        valid = ~np.isnan(found)
        assert np.sum(valid) >= len(x) - (0 if side == "central" else order + accuracy - 1)
        np.testing.assert_allclose(found[valid], exact[valid], atol=1e-8)


@pytest.mark.parametrize(("order", "accuracy"), list(itertools.product((1, 2), ACCURACIES)))
def test_the_accuracy_holds_up_to_the_ends(order, accuracy):
    errors = []
    counts = {2: (41, 161), 4: (41, 161), 6: (31, 91), 8: (25, 49)}[accuracy]
    for n in counts:
        x = np.linspace(0.0, 1.0, n)
        found = differentiated(np.exp(x) * np.sin(3 * x), x[1], order, accuracy, "central")
        exact = np.imag((1 + 3j) ** order * np.exp((1 + 3j) * x))
        errors.append(np.max(np.abs(found - exact)))
    rate = np.log(errors[0] / errors[1]) / np.log((counts[1] - 1) / (counts[0] - 1))
    assert accuracy - 0.3 < rate < accuracy + 1


@pytest.mark.parametrize("accuracy", ACCURACIES)
def test_the_accuracy_on_a_periodic_axis(accuracy):
    """Near the bandwidth of 64 points the measured order is somewhat below the formal one."""
    errors = []
    for n in (64, 128):
        x = np.arange(n) * 2 * np.pi / n
        offsets, weights = difference_kernel(1, accuracy)
        found = sum(w * np.roll(np.sin(4 * x), -o) for o, w in zip(offsets, weights, strict=True)) / x[1]
        errors.append(np.max(np.abs(found - 4 * np.cos(4 * x))))
    assert accuracy - 0.3 < np.log2(errors[0] / errors[1]) < accuracy + 0.1


@given(
    offsets=st.lists(st.integers(-40, 40), min_size=3, max_size=8, unique=True),
    order=st.integers(0, 2),
    spacing=st.sampled_from([1.0, 0.5, 0.125]),
)
@settings(deadline=None, max_examples=50)
def test_weights_reproduce_moments_at_any_offsets(offsets, order, spacing):
    weights = difference_weights(order, spacing * np.array(offsets))
    for power in range(len(offsets)):
        terms = weights * (spacing * np.array(offsets, dtype=float)) ** power
        exact = float(sympy.factorial(order)) if power == order else 0.0
        np.testing.assert_allclose(np.sum(terms), exact, atol=1e-13 * np.sum(np.abs(terms)) + 1e-13)


@pytest.mark.parametrize("accuracy", [0, 1, 3, 10])
def test_odd_or_unknown_accuracies_are_refused(accuracy):
    with pytest.raises(JnoValueError, match=r"one of \(2, 4, 6, 8\)"):
        difference_kernel(1, accuracy)
    with pytest.raises(JnoValueError, match=r"one of \(2, 4, 6, 8\)"):
        closure_kernels(2, accuracy)


def test_other_errors():
    unknown: Any = "left"
    with pytest.raises(JnoValueError, match="no side 'left'; there are central, forward, backward"):
        difference_kernel(1, 2, unknown)
    with pytest.raises(JnoValueError, match="order 1 and higher, got 0"):
        difference_kernel(0, 2)
    for offsets in ([0, 1], [0, 1, 1]):
        with pytest.raises(JnoValueError, match="more than 2 distinct offsets"):
            difference_weights(2, offsets)


def grid(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


AXES = (np.linspace(-1.0, 2.0, 7), np.linspace(0.25, 0.5, 4), np.linspace(10.0, 11.0, 3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_grids_in_any_order_of_the_points(d, dtype):
    points = grid(*AXES[:d])
    shuffled = points[np.random.default_rng(d).permutation(len(points))].astype(dtype)
    found = regular_axes(shuffled)
    assert found is not None
    axes, order = found
    for axis, exact in zip(axes, AXES[:d], strict=True):
        np.testing.assert_allclose(axis, exact, rtol=1e-6)
    np.testing.assert_allclose(shuffled[order], points, rtol=1e-6)
    values = np.random.default_rng(0).normal(size=len(points))
    np.testing.assert_array_equal(values[order][np.argsort(order)], values)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e8])
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_grids_at_any_scale_and_place(size, offset):
    points = size * (grid(*AXES[:2]) + offset)
    found = regular_axes(points)
    assert found is not None
    axes, order = found
    assert [len(axis) for axis in axes] == [7, 4]
    np.testing.assert_array_equal(order, np.arange(28))


@given(counts=st.lists(st.integers(2, 6), min_size=1, max_size=3), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_what_is_missing_or_moved_is_no_grid(counts, seed):
    points = grid(*(np.linspace(0.0, 1.0, count) for count in counts))
    rng = np.random.default_rng(seed)
    assert regular_axes(points) is not None
    node = rng.integers(len(points))
    moved = points.copy()
    moved[node, 0] += 0.003
    if len(points) > 2:
        assert regular_axes(moved) is None
    twice = points.copy()
    twice[node] = points[(node + 1) % len(points)]
    assert regular_axes(twice) is None
    if len(counts) > 1:
        assert regular_axes(np.delete(points, node, axis=0)) is None


def test_no_grids():
    rng = np.random.default_rng(0)
    assert regular_axes(rng.random((30, 2))) is None
    assert regular_axes(grid(np.array([0.0, 0.1, 0.3, 0.4]), np.linspace(0, 1, 3))) is None
    assert regular_axes(grid(np.array([0.5]), np.linspace(0, 1, 3))) is None
    assert regular_axes(np.zeros((0, 2))) is None
    assert regular_axes(np.zeros((4, 2))) is None
    assert regular_axes(np.array([[0.0], [np.nan], [1.0]])) is None
