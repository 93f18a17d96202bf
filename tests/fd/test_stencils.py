"""Gradients on simplicial meshes: means and fits of the gradients in the cells around a node."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial import Delaunay

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_core.testing._point_sets import cube_mesh
from jno_plugin_fd._stencils import Stencil, gradient_stencil, gradient_stencil_of

RULES = ("area_weighted", "uniform", "inverse_distance", "lsq")


def apply(stencil, values):
    """What a stencil means, in its own words."""
    return np.einsum("aik,ik->ai", stencil.weights, values[stencil.neighbours])


def gradient_of_gradient(points, cells, rule, values):
    stencil = gradient_stencil_of(points, cells, rule)
    return np.sum([apply(stencil, part)[axis] for axis, part in enumerate(apply(stencil, values))], axis=0)


def scattered(d, n, seed=0):
    """The Delaunay mesh of random points, its cells oriented at random."""
    rng = np.random.default_rng(seed)
    points = rng.random((n, d))
    if d == 1:
        cells = np.argsort(points[:, 0])[np.arange(n - 1)[:, None] + [0, 1]]
    else:
        cells = Delaunay(points).simplices
    flip = rng.random(len(cells)) < 0.5
    cells[flip] = cells[flip][:, ::-1]
    return points, cells


def plain_gradients(points, cells, rule, values):
    """The formulas of the rules, one node and one cell at a time."""
    n, d = points.shape
    result = np.zeros((d, n))
    for i in range(n):
        weights, gradients, arms, differences, measures = [], [], [], [], []
        for cell in cells[np.any(cells == i, axis=1)]:
            edges = points[cell[1:]] - points[cell[0]]
            gradients.append(np.linalg.solve(edges, values[cell[1:]] - values[cell[0]]))
            measures.append(abs(np.linalg.det(edges)))
            arms.append(np.mean(points[cell], axis=0) - points[i])
            differences.append(np.mean(values[cell]) - values[i])
            distance = np.linalg.norm(arms[-1])
            weights.append({"uniform": 1.0, "inverse_distance": 1 / distance}.get(rule, measures[-1]))
        if rule == "lsq" and d > 1 and np.linalg.matrix_rank(np.array(arms)) == d:
            root = np.sqrt(measures)
            result[:, i] = np.linalg.lstsq(root[:, None] * np.array(arms), root * differences, rcond=None)[0]
        else:
            result[:, i] = np.average(gradients, axis=0, weights=weights)
    return result


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_formulas(rule, d):
    points, cells = scattered(d, 40)
    values = np.random.default_rng(1).normal(size=len(points))
    expected = plain_gradients(points, cells, rule, values)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(
        apply(gradient_stencil_of(points, cells, rule), values) / scale, expected / scale, atol=1e-8
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_affine_functions_in_any_orientation(rule, d):
    slopes = np.array([2.0, 3.0, -1.5])[:d]
    for points, cells in (scattered(d, 200), (cube_mesh(d, 4).points, cube_mesh(d, 4).cells)):
        values = points @ slopes + 1
        for oriented in (cells, cells[:, ::-1], np.roll(cells, 1, axis=1)):
            stencil = gradient_stencil_of(points, oriented, rule)
            np.testing.assert_allclose(
                apply(stencil, values), np.repeat(slopes[:, None], len(points), axis=1), atol=1e-8
            )


@given(
    slopes=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
    offset=st.floats(-1e3, 1e3),
    size=st.sampled_from([1e-6, 1.0, 1e5]),
    seed=st.integers(0, 20),
    rule=st.sampled_from(RULES),
    d=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_affine_functions_at_any_scale(slopes, offset, size, seed, rule, d):
    points, cells = scattered(d, 30, seed)
    slopes = np.array(slopes[:d])
    values = points @ slopes + offset
    stencil = gradient_stencil_of(size * points, cells, rule)
    largest = np.max(np.sum(np.abs(stencil.weights), axis=2)) * np.max(np.abs(values))
    np.testing.assert_allclose(
        apply(stencil, values), np.repeat(slopes[:, None] / size, 30, axis=1), atol=1e-9 * largest + 1e-300
    )


@pytest.mark.parametrize("orientation", [1, -1])
@pytest.mark.parametrize(
    ("rule", "gradient"),
    [
        ("area_weighted", [0.1, 0.3, 0.7, 1.3, 1.6]),
        ("uniform", [0.1, 0.25, 0.65, 1.25, 1.6]),
        ("inverse_distance", [0.1, 0.2, 0.6, 1.2, 1.6]),
        ("lsq", [0.1, 0.3, 0.7, 1.3, 1.6]),
    ],
)
def test_the_table_on_a_line(rule, gradient, orientation):
    points = np.array([[0.0], [0.1], [0.3], [0.6], [1.0]])
    cells = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])[:, ::orientation]
    values = points[:, 0] ** 2
    np.testing.assert_allclose(apply(gradient_stencil_of(points, cells, rule), values)[0], gradient, rtol=1e-12)
    if rule == "area_weighted":
        np.testing.assert_allclose(
            gradient_of_gradient(points, cells, rule, values), [2, 2, 2, 9 / 7, 0.75], rtol=1e-12
        )


@pytest.mark.parametrize(("rule", "centre"), [("area_weighted", 20 / 9), ("lsq", 4 / 3)])
def test_the_laplacian_at_the_centre_of_nine_nodes(rule, centre):
    mesh = cube_mesh(2, 2)
    values = np.sum(mesh.points**2, axis=1)
    middle = np.flatnonzero(np.all(mesh.points == 0.5, axis=1))
    np.testing.assert_allclose(gradient_of_gradient(mesh.points, mesh.cells, rule, values)[middle], centre, rtol=1e-12)


def test_least_squares_at_the_corners_of_a_square():
    """A corner with one cell has one centroid, which determines no gradient; it is not 0."""
    mesh = cube_mesh(2, 1)
    values = mesh.points @ [2.0, 3.0]
    stencil = gradient_stencil(mesh, "lsq")
    np.testing.assert_allclose(apply(stencil, values), [[2.0] * 4, [3.0] * 4], atol=1e-13)
    with_one_cell = np.flatnonzero(np.bincount(mesh.cells.ravel()) == 1)
    assert len(with_one_cell) == 2
    mean = gradient_stencil(mesh, "area_weighted")
    np.testing.assert_array_equal(stencil.weights[:, with_one_cell], mean.weights[:, with_one_cell])


def test_least_squares_does_not_depend_on_the_unit_of_length():
    points, cells = scattered(3, 60)
    unit = gradient_stencil_of(points, cells, "lsq")
    for size in (1e-9, 1e9):
        scaled = gradient_stencil_of(size * points, cells, "lsq")
        np.testing.assert_allclose(size * scaled.weights, unit.weights, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_flat_cells_are_skipped(rule):
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [1.0, 1.0]])
    cells = np.array([[0, 3, 2], [3, 1, 2], [1, 4, 2]])
    expected = gradient_stencil_of(points, cells, rule)
    stencil = gradient_stencil_of(points, np.concatenate([cells, [[0, 3, 1], [2, 2, 4]]]), rule)
    values = np.random.default_rng(0).normal(size=5)
    np.testing.assert_allclose(apply(stencil, values), apply(expected, values), rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_nodes_of_no_cell_have_zero_rows(rule):
    points = np.array([[0.0, 0.0], [5.0, 5.0], [1.0, 0.0], [0.0, 1.0]])
    stencil = gradient_stencil_of(points, np.array([[0, 2, 3]]), rule)
    np.testing.assert_allclose(apply(stencil, points[:, 0]), [[1, 0, 1, 1], [0, 0, 0, 0]], atol=1e-14)


@pytest.mark.parametrize(("d", "rates"), [(1, (1.9, 0.9)), (2, (1.9, 0.9)), (3, (1.9, 0.9))])
@pytest.mark.parametrize("rule", RULES)
def test_order_on_uniform_meshes(rule, d, rates):
    """Second inside, first at the boundary."""
    errors = []
    for intervals in (8, 16):
        mesh = cube_mesh(d, intervals)
        wave = np.array([1.0, -0.7, 0.4])[:d]
        found = apply(gradient_stencil(mesh, rule), np.sin(mesh.points @ wave))
        error = np.max(np.abs(found - wave[:, None] * np.cos(mesh.points @ wave)), axis=0)
        inside = np.all((mesh.points > 1e-9) & (mesh.points < 1 - 1e-9), axis=1)
        errors.append((np.max(error[inside]), np.max(error[~inside])))
    assert np.all(np.log2(np.divide(*errors)) > rates)


def test_the_layout_of_a_stencil():
    points, cells = scattered(2, 50)
    stencil = gradient_stencil_of(points, cells, "uniform")
    n, k = stencil.neighbours.shape
    assert stencil.neighbours.dtype == np.int32
    assert stencil.weights.dtype == np.float64
    assert stencil.weights.shape == (2, n, k)
    np.testing.assert_array_equal(stencil.neighbours[:, 0], np.arange(n))
    for i, row in enumerate(stencil.neighbours):
        around = set(cells[np.any(cells == i, axis=1)].ravel().tolist())
        assert set(row.tolist()) == around
        assert len(around) <= k
        np.testing.assert_array_equal(row[len(around) :], i)
        np.testing.assert_array_equal(stencil.weights[:, i, len(around) :], 0)


def test_matrices_and_combinations():
    points, cells = scattered(3, 60)
    stencil = gradient_stencil_of(points, cells, "lsq")
    values = np.random.default_rng(0).normal(size=60)
    result = apply(stencil, values)
    for matrix, row in zip(stencil.matrices(), result, strict=True):
        np.testing.assert_allclose(matrix @ values, row, rtol=1e-10, atol=1e-10)
    combined = stencil.combined(np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 0.0]]))
    assert isinstance(combined, Stencil)
    np.testing.assert_allclose(apply(combined, values), [result.T @ [1, -2, 0.5], result[1]], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("d", [2, 3])
def test_the_set_up_grows_with_the_number_of_nodes(d):
    """A row reads the nodes of its cells, however many nodes there are."""
    sizes = [gradient_stencil(cube_mesh(d, intervals), "lsq").neighbours.shape[1] for intervals in (3, 6, 12)]
    assert len(set(sizes)) == 1


def test_errors():
    points, cells = scattered(2, 10)
    unknown: Any = "cotangent"
    with pytest.raises(JnoValueError, match="no rule 'cotangent'; it has area_weighted, uniform"):
        gradient_stencil_of(points, cells, unknown)
    with pytest.raises(JnoValueError, match=r"need shape \(m, 3\), got"):
        gradient_stencil_of(points, cells[:, :2], "uniform")
    with pytest.raises(JnoValueError, match=r"\(n, 1\), \(n, 2\) or \(n, 3\), got \(10,\)"):
        gradient_stencil_of(points[:, 0], cells, "uniform")
    with pytest.raises(JnoValueError, match="there are 0 to 4"):
        gradient_stencil_of(points[:5], cells, "uniform")
    with pytest.raises(JnoValueError, match="Node 3 is not finite"):
        gradient_stencil_of(np.where(np.arange(10)[:, None] == 3, np.nan, points), cells, "uniform")


def test_a_mesh_and_its_arrays():
    mesh = cube_mesh(2, 3)
    assert isinstance(mesh, Mesh)
    for rule in RULES:
        np.testing.assert_array_equal(
            gradient_stencil(mesh, rule).weights, gradient_stencil_of(mesh.points, mesh.cells, rule).weights
        )
