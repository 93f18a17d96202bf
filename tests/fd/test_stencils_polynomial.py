"""First and second derivatives by fitted polynomials, at every node of any mesh."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial import Delaunay

from jno_core.errors import JnoValueError
from jno_core.testing._point_sets import cube_mesh
from jno_plugin_fd._stencils import polynomial_stencil

WAVE = np.array([1.3, -2.1, 1.7])


def apply(stencil, values):
    return np.einsum("aik,ik->ai", stencil.weights, values[stencil.neighbours])


def pairs(d):
    """The order of the second derivatives: xx, xy, xz, yy, yz, zz."""
    return list(itertools.combinations_with_replacement(range(d), 2))


def jittered(d, intervals, seed=0):
    """The cube with nodes moved by up to 30 % of the spacing, on sides along them."""
    mesh = cube_mesh(d, intervals)
    moves = np.random.default_rng(seed).uniform(-1, 1, mesh.points.shape)
    moves *= 0.3 / intervals / np.maximum(np.linalg.norm(moves, axis=1, keepdims=True), 1)
    on_side = (mesh.points < 1e-9) | (mesh.points > 1 - 1e-9)
    return mesh.points + np.where(on_side, 0, moves), mesh.cells


def scattered(d, n, seed):
    points = np.random.default_rng(seed).random((n, d))
    return points, Delaunay(points).simplices


def slit(intervals):
    """The square cut along `x > 1/2, y = 1/2`: nodes on the cut are there twice."""
    points, cells = jittered(2, intervals)
    grid = np.rint(cube_mesh(2, intervals).points * intervals).astype(int)
    on_cut = np.flatnonzero((grid[:, 1] == intervals // 2) & (grid[:, 0] > intervals // 2))
    twin = np.arange(len(points))
    twin[on_cut] = len(points) + np.arange(len(on_cut))
    above = np.mean(grid[cells, 1], axis=1) > intervals // 2
    return np.concatenate([points, points[on_cut]]), np.where(above[:, None], twin[cells], cells), on_cut


MESHES = {
    "line": jittered(1, 12),
    "square": jittered(2, 9),
    "uniform square": (cube_mesh(2, 7).points, cube_mesh(2, 7).cells),
    "cube": jittered(3, 6),
    "uniform cube": (cube_mesh(3, 5).points, cube_mesh(3, 5).cells),
    "scattered in 2-D": scattered(2, 300, 0),
    "scattered in 3-D": scattered(3, 400, 0),
    "few nodes": (cube_mesh(2, 3).points, cube_mesh(2, 3).cells),
}
STENCILS = {name: polynomial_stencil(*mesh) for name, mesh in MESHES.items()}


def assert_derivatives(points, stencils, coefficients, rtol):
    """All derivatives of a polynomial `sum_m coefficients[m] x^m`, to rounding in the sums."""
    first, second = stencils
    d = points.shape[1]

    def value(*axes):
        total = np.zeros(len(points))
        for powers, coefficient in coefficients.items():
            rest = np.array(powers)
            factor = coefficient
            for axis in axes:
                factor, rest[axis] = factor * rest[axis], max(rest[axis] - 1, 0)
            total += factor * np.prod(points**rest, axis=1)
        return total

    values = value()
    largest = np.max(np.abs(values))
    for found, stencil, axes in (
        *((apply(first, values)[a], first.weights[a], (a,)) for a in range(d)),
        *((apply(second, values)[q], second.weights[q], axes) for q, axes in enumerate(pairs(d))),
    ):
        error = np.abs(found - value(*axes)) / np.sum(np.abs(stencil), axis=1)
        assert np.max(error) <= rtol * largest


@pytest.mark.parametrize("name", MESHES)
def test_cubics_are_exact_at_every_node(name):
    points, _ = MESHES[name]
    d = points.shape[1]
    powers = [p for p in itertools.product(range(4), repeat=d) if sum(p) <= 3]
    for power in powers:
        assert_derivatives(points, STENCILS[name], {power: 1.0}, 1e-13)


@given(name=st.sampled_from(list(MESHES)), data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_cubic(name, data):
    points, _ = MESHES[name]
    powers = [p for p in itertools.product(range(4), repeat=points.shape[1]) if sum(p) <= 3]
    draws = data.draw(st.lists(st.floats(-5, 5), min_size=len(powers), max_size=len(powers)))
    coefficients = dict(zip(powers, draws, strict=True))
    assert_derivatives(points, STENCILS[name], coefficients, 1e-12 * (1 + sum(map(abs, draws))))


@pytest.mark.parametrize(("order", "degree"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_other_orders_reproduce_their_degree(order, degree, d):
    points, cells = jittered(d, {1: 20, 2: 10, 3: 6}[d])
    stencils = polynomial_stencil(points, cells, order)
    for power in itertools.product(range(degree + 1), repeat=d):
        if sum(power) <= degree:
            assert_derivatives(points, stencils, {power: 1.0}, 1e-12)


def errors(points, cells):
    """Of the first and of the second derivatives of a wave, the largest over all nodes, boundary and corners included."""
    d = points.shape[1]
    first, second = polynomial_stencil(points, cells)
    wave = WAVE[:d]
    phase = points @ wave + 0.4
    gradient = wave[:, None] * np.cos(phase)
    hessian = -np.array([wave[i] * wave[j] for i, j in pairs(d)])[:, None] * np.sin(phase)
    values = np.sin(phase)
    return np.max(np.abs(apply(first, values) - gradient)), np.max(np.abs(apply(second, values) - hessian))


@pytest.mark.parametrize(("d", "coarse", "fine"), [(1, 16, 64), (2, 12, 48), (3, 8, 20)])
def test_the_order_in_the_maximum_norm_with_the_boundary(d, coarse, fine):
    logarithms = {
        intervals: np.mean([np.log(errors(*jittered(d, intervals, seed))) for seed in (0, 1, 2)], axis=0)
        for intervals in (coarse, fine)
    }
    rates = (logarithms[coarse] - logarithms[fine]) / np.log(fine / coarse)
    assert rates[0] > 2.6, rates
    assert rates[1] > 1.8, rates


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_rows_do_not_amplify_errors(d):
    """One-sided second differences of second order have the weights 2, -5, 4, -1: their sizes add up to 12."""
    intervals = {1: 32, 2: 16, 3: 10}[d]
    for seed in range(3):
        _, second = polynomial_stencil(*jittered(d, intervals, seed))
        assert np.max(np.sum(np.abs(second.weights), axis=2)) < 40 * intervals**2


@pytest.mark.parametrize("d", [2, 3])
def test_an_affine_map_changes_nothing(d):
    """Thin cells in any direction are as good as others."""
    points, cells = jittered(d, {2: 10, 3: 5}[d])
    matrix = np.array([[200.0, 30.0, 5.0], [-40.0, 3.0, 1.0], [0.0, 2.0, 0.5]])[:d, :d]
    first, second = polynomial_stencil(points, cells)
    mapped_first, mapped_second = polynomial_stencil(points @ matrix.T - 7.0, cells)
    values = np.random.default_rng(0).normal(size=len(points))
    back = np.linalg.inv(matrix)
    gradient = back.T @ apply(first, values)
    np.testing.assert_allclose(apply(mapped_first, values), gradient, atol=1e-6 * np.max(np.abs(gradient)))
    hessian = np.empty((d, d, len(points)))
    for (i, j), part in zip(pairs(d), apply(second, values), strict=True):
        hessian[i, j] = hessian[j, i] = part
    hessian = np.einsum("ia,ijn,jb->abn", back, hessian, back)
    expected = np.stack([hessian[i, j] for i, j in pairs(d)])
    np.testing.assert_allclose(apply(mapped_second, values), expected, atol=1e-6 * np.max(np.abs(expected)))


@pytest.mark.parametrize(("d", "intervals"), [(1, 12), (2, 12), (3, 8)])
def test_symmetric_meshes_have_symmetric_rows(d, intervals):
    """Nodes at the same distance are taken together: rows read the mirror image of each node that they read."""
    mesh = cube_mesh(d, intervals)
    first, second = polynomial_stencil(0.3 * mesh.points + 0.123, mesh.cells)
    for i in np.flatnonzero(np.all(np.abs(mesh.points - 0.5) < 0.13, axis=1)):
        places = np.rint(intervals * (mesh.points[first.neighbours[i]] - mesh.points[i])).astype(int)
        weights = np.concatenate([first.weights[:, i], second.weights[:, i]]).T
        rows = {tuple(place): row for place, row in zip(places.tolist(), weights, strict=True)}
        for place, row in rows.items():
            mirrored = rows[tuple(-x for x in place)]
            np.testing.assert_allclose(mirrored[:d], -row[:d], atol=1e-8)
            np.testing.assert_allclose(mirrored[d:], row[d:], atol=1e-6)


def test_no_row_reads_across_a_slit():
    """A field that jumps at the cut is smooth on either side of it."""
    points, cells, on_cut = slit(16)
    n = len(points) - len(on_cut)
    upper = points[:, 1] > 0.5
    upper[n:], upper[on_cut] = True, False
    beside = points[:, 0] > 0.85
    first, second = polynomial_stencil(points, cells)
    values = np.where(upper, 5.0 + points[:, 0], points[:, 1] ** 2)
    np.testing.assert_allclose(apply(first, values)[0, beside], upper[beside], atol=1e-9)
    np.testing.assert_allclose(apply(second, values)[2, beside], 2.0 * ~upper[beside], atol=1e-7)


def test_the_layout():
    points, cells = MESHES["square"]
    first, second = polynomial_stencil(np.concatenate([points[:5], [[9.0, 9.0]], points[5:]]), cells + (cells > 4))
    n = len(points) + 1
    assert first.weights.shape[:2] == (2, n)
    assert second.weights.shape[:2] == (3, n)
    for stencil in (first, second):
        assert stencil.neighbours.dtype == np.int32
        np.testing.assert_array_equal(stencil.neighbours[:, 0], np.arange(n))
        padding = stencil.neighbours[:, 1:] == np.arange(n)[:, None]
        assert np.all(stencil.weights[:, :, 1:][:, padding] == 0)
        np.testing.assert_allclose(np.sum(stencil.weights, axis=2), 0, atol=1e-9)
    assert np.all(first.weights[:, 5] == 0), "the sixth node belongs to no cell"
    for row in first.neighbours:
        others = row[row != row[0]]
        assert len(set(others.tolist())) == len(others)


@pytest.mark.parametrize(("d", "widest"), [(1, 9), (2, 25), (3, 51)])
def test_the_set_up_grows_with_the_number_of_nodes(d, widest):
    """However many nodes there are, a row reads about twice as many as a cubic has coefficients."""
    for intervals in {1: (20, 200), 2: (12, 40), 3: (7, 12)}[d]:
        first, _ = polynomial_stencil(*jittered(d, intervals))
        assert first.neighbours.shape[1] <= widest


def test_orientation_and_order_of_the_cells_change_nothing():
    points, cells = MESHES["cube"]
    shuffled = np.random.default_rng(0).permutation(cells)[:, ::-1]
    for stencil, other in zip(STENCILS["cube"], polynomial_stencil(points, shuffled), strict=True):
        np.testing.assert_array_equal(stencil.neighbours, other.neighbours)
        np.testing.assert_array_equal(stencil.weights, other.weights)


def test_three_layers_of_nodes_have_parabolas():
    """A cubic across them is not determined; the rows are those of degree 2, in both directions finite and exact."""
    x, y = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 0.1, 3), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    stencils = polynomial_stencil(points, Delaunay(points, qhull_options="QJ").simplices)
    for power in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
        assert_derivatives(points, stencils, {power: 1.0}, 1e-12)


def test_three_nodes_on_a_line():
    points = np.array([[0.0], [0.3], [1.0]])
    _, second = polynomial_stencil(points, np.array([[0, 1], [1, 2]]))
    np.testing.assert_allclose(apply(second, points[:, 0] ** 2), [[2.0, 2.0, 2.0]], rtol=1e-12)


def test_too_few_nodes_are_named():
    square = cube_mesh(2, 1)
    with pytest.raises(JnoValueError, match=r"around node 0 at \[0\. 0\.\] do not determine second derivatives"):
        polynomial_stencil(square.points, square.cells)
    points, cells = MESHES["square"]
    apart = np.array([[5.0, 5.0], [6.0, 5.0], [5.0, 6.0]])
    with pytest.raises(JnoValueError, match="around node 100 at"):
        polynomial_stencil(np.concatenate([points, apart]), np.concatenate([cells, [[100, 101, 102]]]))
    with pytest.raises(JnoValueError, match="at least 1, got 0"):
        polynomial_stencil(points, cells, order=0)
