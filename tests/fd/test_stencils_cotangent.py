"""The cotangent Laplacian in the plane."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from jno_core.errors import JnoValueError
from jno_core.testing._point_sets import cube_mesh
from jno_plugin_fd._stencils import cotangent_stencil, polynomial_stencil


def apply(stencil, values):
    return np.einsum("aik,ik->ai", stencil.weights, values[stencil.neighbours])[0]


def field(points):
    """Its Laplacian is `-3` times itself."""
    return np.exp(points[:, 0]) * np.cos(2 * points[:, 1])


def on_boundary(points):
    return np.any((points < 1e-9) | (points > 1 - 1e-9), axis=1)


def plain_cotangent(points, cells, values):
    """The formula, triangle by triangle."""
    sums, areas = np.zeros(len(points)), np.zeros(len(points))
    for cell in cells:
        for k in range(3):
            a, b, c = cell[k], cell[(k + 1) % 3], cell[(k + 2) % 3]
            left, right = points[b] - points[a], points[c] - points[a]
            twice = abs(left[0] * right[1] - left[1] * right[0])
            cotangent = np.clip(left @ right / twice, -10, 10)
            sums[b] += cotangent * (values[c] - values[b])
            sums[c] += cotangent * (values[b] - values[c])
            areas[a] += twice / 2
    return sums / (2 / 3 * areas)


def test_the_centre_of_nine_nodes():
    mesh = cube_mesh(2, 2)
    stencil, valid = cotangent_stencil(mesh.points, mesh.cells)
    np.testing.assert_array_equal(valid, np.all(mesh.points == 0.5, axis=1))
    np.testing.assert_allclose(apply(stencil, np.sum(mesh.points**2, axis=1))[valid], 4.0, rtol=1e-14)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_formula(flipped):
    rng = np.random.default_rng(0)
    points = rng.random((150, 2)) * [3.0, 1.0]
    cells = Delaunay(points).simplices
    if flipped:
        turned = rng.random(len(cells)) < 0.5
        cells[turned] = cells[turned][:, ::-1]
    values = rng.normal(size=len(points))
    stencil, valid = cotangent_stencil(points, cells)
    hull = np.unique(Delaunay(points).convex_hull)
    np.testing.assert_array_equal(np.flatnonzero(~valid), hull)
    np.testing.assert_allclose(apply(stencil, values)[valid], plain_cotangent(points, cells, values)[valid], rtol=1e-9)


def test_five_points_inside_a_uniform_grid():
    mesh = cube_mesh(2, 6)
    stencil, valid = cotangent_stencil(mesh.points, mesh.cells)
    values = np.random.default_rng(0).normal(size=len(mesh.points))
    grid = values.reshape(7, 7)
    around = grid[2:, 1:-1] + grid[:-2, 1:-1] + grid[1:-1, 2:] + grid[1:-1, :-2]
    five_points = 36 * (around - 4 * grid[1:-1, 1:-1])
    np.testing.assert_allclose(apply(stencil, values)[valid], five_points.ravel(), rtol=1e-12)


def test_second_order_on_uniform_meshes_up_to_the_boundary():
    errors = []
    for intervals in (16, 32, 64):
        mesh = cube_mesh(2, intervals)
        stencil, valid = cotangent_stencil(mesh.points, mesh.cells)
        error = np.abs(apply(stencil, field(mesh.points)) + 3 * field(mesh.points))
        errors.append((np.max(error[valid]), np.max(error)))
    rates = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(rates[:, 0] > 1.9)
    assert np.all(rates[:, 1] > 1.75)


def test_rows_of_boundary_nodes_are_those_of_polynomials():
    rng = np.random.default_rng(0)
    mesh = cube_mesh(2, 8)
    inside = ~on_boundary(mesh.points)
    points = mesh.points + np.where(inside[:, None], rng.uniform(-0.02, 0.02, mesh.points.shape), 0)
    stencil, valid = cotangent_stencil(points, mesh.cells)
    np.testing.assert_array_equal(valid, inside)
    _, second = polynomial_stencil(points, mesh.cells)
    values = rng.normal(size=len(points))
    expected = apply(second.combined(np.array([[1.0, 0.0, 1.0]])), values)
    np.testing.assert_allclose(apply(stencil, values)[~inside], expected[~inside], rtol=1e-8)


def test_affine_functions_have_no_laplacian():
    mesh = cube_mesh(2, 8)
    moves = np.random.default_rng(0).uniform(-0.02, 0.02, mesh.points.shape)
    points = mesh.points + np.where(on_boundary(mesh.points)[:, None], 0, moves)
    stencil, _ = cotangent_stencil(points, mesh.cells)
    np.testing.assert_allclose(apply(stencil, points @ [2.0, 3.0] + 1), 0, atol=1e-9)


def test_a_hole_has_a_boundary():
    mesh = cube_mesh(2, 9)
    centres = np.mean(mesh.points[mesh.cells], axis=1)
    cells = mesh.cells[np.any(np.abs(centres - 0.5) > 1 / 6, axis=1)]
    stencil, valid = cotangent_stencil(mesh.points, cells)
    distance = np.max(np.abs(mesh.points - 0.5), axis=1)
    np.testing.assert_array_equal(valid, ~on_boundary(mesh.points) & (distance > 1 / 6 + 1e-9))
    laplacian = apply(stencil, np.sum(mesh.points**2, axis=1))
    np.testing.assert_allclose(laplacian[distance > 1 / 6 - 1e-9], 4.0, rtol=1e-9)
    np.testing.assert_array_equal(laplacian[distance < 1 / 6 - 1e-9], 0.0)


def test_flat_triangles_are_skipped():
    mesh = cube_mesh(2, 4)
    stencil, valid = cotangent_stencil(mesh.points, mesh.cells)
    flat = np.array([[6, 7, 8], [12, 12, 13]])
    other, _ = cotangent_stencil(mesh.points, np.concatenate([mesh.cells, flat]))
    values = np.random.default_rng(0).normal(size=len(mesh.points))
    np.testing.assert_allclose(apply(other, values)[valid], apply(stencil, values)[valid], rtol=1e-12)


def test_the_set_up_grows_with_the_number_of_nodes():
    nodes, entries = [], []
    for intervals in (10, 20, 40):
        mesh = cube_mesh(2, intervals)
        stencil, valid = cotangent_stencil(mesh.points, mesh.cells)
        nodes.append(len(mesh.points))
        entries.append(np.count_nonzero(stencil.weights[:, valid]))
    assert np.all(np.divide(entries, nodes) <= 7)


def test_errors():
    for d in (1, 3):
        mesh = cube_mesh(d, 3)
        with pytest.raises(JnoValueError, match=f"2-D only, got points in {d}-D"):
            cotangent_stencil(mesh.points, mesh.cells)
    square = cube_mesh(2, 1)
    with pytest.raises(JnoValueError, match="do not determine second derivatives"):
        cotangent_stencil(square.points, square.cells)
