"""Linear interpolation of nodal values anywhere in a mesh."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_core.testing._point_sets import cube_mesh
from jno_plugin_fd._stencils import interpolation

SLOPES = np.array([2.0, 3.0, -1.5])


def jittered(d, intervals, seed=0):
    """The cube with inner nodes moved by up to 30 % of the spacing."""
    mesh = cube_mesh(d, intervals)
    rng = np.random.default_rng(seed)
    moves = rng.uniform(-1, 1, mesh.points.shape)
    moves *= 0.3 / intervals / np.maximum(np.linalg.norm(moves, axis=1, keepdims=True), 1)
    inside = np.all((mesh.points > 1e-9) & (mesh.points < 1 - 1e-9), axis=1)
    return Mesh(mesh.points + np.where(inside[:, None], moves, 0), mesh.cells, mesh.facets)


def graded(d, intervals):
    """Cells of very different size and shape: the cube with its coordinates raised to the fourth power."""
    mesh = jittered(d, intervals)
    return Mesh(mesh.points ** np.array([4, 1, 2])[:d], mesh.cells, mesh.facets)


def delaunay(d, n, seed):
    """Random points in the cube with its corners: cells as thin as they come."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * d), axis=-1).reshape(-1, d)
    points = np.concatenate([corners, rng.random((n, d))])
    cells = Delaunay(points).simplices
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    volumes = np.linalg.det(edges)
    cells[volumes < 0] = cells[volumes < 0][:, ::-1] if d == 2 else cells[volumes < 0][:, [1, 0, 2, 3]]
    return points, cells


MESHES = {
    "line": jittered(1, 20),
    "square": jittered(2, 12),
    "cube": jittered(3, 5),
    "graded square": graded(2, 12),
    "graded cube": graded(3, 6),
}


@pytest.fixture(params=MESHES)
def mesh(request):
    return MESHES[request.param]


def interpolated(mesh, values, points):
    corners, weights = interpolation(mesh, points)
    assert corners.dtype == np.int32
    assert weights.dtype == np.float64
    assert corners.shape == weights.shape == (len(points), mesh.dimension + 1)
    assert np.all(weights >= 0)
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, atol=1e-14)
    return np.sum(weights * values[corners], axis=1)


def test_affine_functions(mesh):
    points = np.random.default_rng(0).random((5000, mesh.dimension))
    slopes = SLOPES[: mesh.dimension]
    np.testing.assert_allclose(interpolated(mesh, mesh.points @ slopes + 1, points), points @ slopes + 1, atol=1e-12)


def test_corners_are_those_of_a_cell(mesh):
    points = np.random.default_rng(1).random((200, mesh.dimension))
    corners, _ = interpolation(mesh, points)
    cells = set(map(tuple, mesh.cells.tolist()))
    assert set(map(tuple, corners.tolist())) <= cells


def test_nodes_are_exact(mesh):
    values = np.random.default_rng(2).normal(size=len(mesh.points))
    np.testing.assert_array_equal(interpolated(mesh, values, mesh.points), values)


def test_points_on_sides_take_no_value_from_elsewhere(mesh):
    rng = np.random.default_rng(3)
    facets = mesh.facets["boundary"]
    shares = rng.dirichlet(np.ones(facets.shape[1]), len(facets))
    points = np.einsum("fk,fkd->fd", shares, mesh.points[facets])
    values = rng.normal(size=len(mesh.points))
    np.testing.assert_allclose(interpolated(mesh, values, points), np.sum(shares * values[facets], axis=1), atol=1e-9)


def test_points_in_single_precision(mesh):
    points = np.concatenate([mesh.points, np.random.default_rng(4).random((500, mesh.dimension))]).astype(np.float32)
    slopes = SLOPES[: mesh.dimension]
    found = interpolated(mesh, mesh.points @ slopes, points)
    np.testing.assert_allclose(found, points.astype(np.float64) @ slopes, atol=1e-5)


@pytest.mark.parametrize("d", [2, 3])
def test_against_scipy(d):
    """Thin cells, whose centroids are far from most of their points."""
    points, cells = delaunay(d, 150, seed=d)
    mesh = Mesh(points, cells, {"boundary": cells[:1, :d]})
    values = np.random.default_rng(0).normal(size=len(points))
    samples = np.random.default_rng(1).random((2000, d))
    expected = LinearNDInterpolator(Delaunay(points), values)(samples)
    np.testing.assert_allclose(interpolated(mesh, values, samples), expected, atol=1e-8)


def test_one_large_cell_among_small_ones():
    """Its centroid is the last of many by distance, so that only the search by size finds it."""
    fan = np.linspace(0.0, 1.0, 201)
    points = np.concatenate([np.stack([fan, np.zeros(201)], axis=1), [[0.5, 1e-4]], [[0.0, 1.0]], [[1.0, 1.0]]])
    cells = [[i, i + 1, 201] for i in range(200)] + [[0, 201, 202], [201, 200, 203], [201, 203, 202]]
    mesh = Mesh(points, np.array(cells), {"boundary": np.array([[0, 1]])})
    samples = np.stack([np.linspace(0.1, 0.9, 50), np.full(50, 1.5e-3)], axis=1)
    np.testing.assert_allclose(interpolated(mesh, points @ SLOPES[:2], samples), samples @ SLOPES[:2], atol=1e-13)


@given(
    name=st.sampled_from(list(MESHES)),
    place=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    slopes=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
    shift=st.sampled_from([0.0, -3.0, 1e3]),
    size=st.sampled_from([1e-5, 1.0, 1e4]),
)
@settings(deadline=None, max_examples=60)
def test_affine_functions_at_any_scale_and_place(name, place, slopes, shift, size):
    mesh = MESHES[name]
    d = mesh.dimension
    moved = Mesh(size * (mesh.points + shift), mesh.cells, mesh.facets)
    point = size * (np.array([place[:d]]) + shift)
    slopes = np.array(slopes[:d])
    values = (moved.points / size - shift) @ slopes
    np.testing.assert_allclose(interpolated(moved, values, point), [np.array(place[:d]) @ slopes], atol=1e-7)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_outside_by_rounding_take_the_nearest_value(d):
    mesh = MESHES[{1: "line", 2: "square", 3: "cube"}[d]]
    inner = np.full(d, 0.41)
    for distance in (1e-16, 1e-12, 1e-8, 9e-7):
        point = np.concatenate([[1 + distance], inner[1:]])
        found = interpolated(mesh, mesh.points @ SLOPES[:d], point[None])
        side = np.concatenate([[1.0], inner[1:]]) @ SLOPES[:d]
        np.testing.assert_allclose(found, side, atol=10 * distance + 1e-13)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("distance", [2e-6, 1e-3, 50.0])
def test_points_outside_are_refused_by_name(d, distance):
    mesh = MESHES[{1: "line", 2: "square", 3: "cube"}[d]]
    points = np.random.default_rng(0).random((10, d))
    points[7, 0] = 1 + distance
    with pytest.raises(JnoValueError, match=r"Point 7 at \[.*\] lies outside of the mesh \(1 of 10 points do\)"):
        interpolation(mesh, points)


def test_a_hole_is_outside():
    mesh = cube_mesh(2, 8)
    centres = np.mean(mesh.points[mesh.cells], axis=1)
    holed = Mesh(mesh.points, mesh.cells[np.any(np.abs(centres - 0.5) > 0.125, axis=1)], mesh.facets)
    with pytest.raises(JnoValueError, match="Point 1 at"):
        interpolation(holed, np.array([[0.1, 0.1], [0.5, 0.5]]))


def test_the_tolerance_is_relative_to_the_largest_coordinate():
    mesh = cube_mesh(2, 4)
    point = np.array([[1.004, 0.5]])
    corners, weights = interpolation(mesh, point, tolerance=5e-3)
    np.testing.assert_allclose(np.sum(weights[..., None] * mesh.points[corners], axis=1), [[1.0, 0.5]], atol=5e-3)
    with pytest.raises(JnoValueError, match="Point 0"):
        interpolation(mesh, point, tolerance=3e-3)


def test_beyond_the_tip_of_a_needle():
    """The lines of its sides pass close by, its nearest point is the tip."""
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.02], [2.1, 0.0]])
    mesh = Mesh(points, np.array([[0, 1, 2], [1, 3, 2]]), {"boundary": np.array([[0, 1]])})
    beyond = np.array([[-0.01, 0.0001]])
    corners, weights = interpolation(mesh, beyond, tolerance=1e-2)
    np.testing.assert_array_equal(corners[weights == 1], [0])
    with pytest.raises(JnoValueError, match="Point 0"):
        interpolation(mesh, beyond, tolerance=2e-3)


def test_other_errors():
    mesh = cube_mesh(2, 2)
    with pytest.raises(JnoValueError, match=r"need shape \(m, 2\), got \(3,\)"):
        interpolation(mesh, np.zeros(3))
    with pytest.raises(JnoValueError, match="Point 1 is not finite"):
        interpolation(mesh, np.array([[0.5, 0.5], [np.nan, 0.5]]))


def test_no_points():
    corners, weights = interpolation(cube_mesh(2, 2), np.zeros((0, 2)))
    assert corners.shape == weights.shape == (0, 3)
