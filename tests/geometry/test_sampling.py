"""Random points of every geometry: in the region, uniform, reproducible, with exact normals."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import shapely

from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError
from jno_plugin_geometry import Box, Disk, Line, LShape, Polygon, Rectangle, RectangleWithHoles

N = 4000


def moments(points, simplices, measures):
    """Means of `x_i` and `x_i x_j` over simplices, exactly: see the mass matrix of linear finite elements."""
    corners = points[simplices]
    k = corners.shape[1]
    total = np.sum(corners, axis=1)
    second = np.einsum("sai,saj->sij", corners, corners) + np.einsum("si,sj->sij", total, total)
    weights = measures / np.sum(measures)
    return weights @ total / k, np.einsum("s,sij->ij", weights, second) / (k * (k + 1))


def assert_means(samples, expected):
    """The sample mean lies within five standard errors of the expectation."""
    error = np.std(samples, axis=0) / np.sqrt(len(samples))
    np.testing.assert_array_less(np.abs(np.mean(samples, axis=0) - expected), 5 * error + 1e-12)


def test_points_lie_in_the_region(geometry):
    draw = geometry.sample("interior", N, np.random.default_rng(1))
    assert draw.points.shape == (N, geometry.dimension)
    assert draw.points.dtype == np.float64
    assert draw.normals is None
    assert np.all(geometry.contains(draw.points))


def test_points_of_boundaries_lie_between_inside_and_outside(geometry):
    for tag, kind in geometry.tags().items():
        if kind == "boundary":
            draw = geometry.sample(tag, 200, np.random.default_rng(2))
            np.testing.assert_allclose(np.linalg.norm(draw.normals, axis=1), 1, rtol=1e-14)
            assert np.all(geometry.contains(draw.points))
            assert np.all(geometry.contains(draw.points - 1e-7 * draw.normals))
            assert not np.any(geometry.contains(draw.points + 1e-7 * draw.normals))


def test_points_have_the_moments_of_the_uniform_distribution(name, geometry, mesh):
    if name == "disk":
        pytest.skip("the mesh of a disk is a polygon; see below")
    rng = np.random.default_rng(3)
    parts = {tag: (mesh.facets[tag], mesh.facet_measures(tag)) for tag in mesh.facets}
    parts["interior"] = (mesh.cells, mesh.cell_measures())
    for tag, (simplices, measures) in parts.items():
        points = geometry.sample(tag, N, rng).points
        mean, second = moments(mesh.points, simplices, measures)
        assert_means(points, mean)
        assert_means(np.einsum("ni,nj->nij", points, points), second)


def test_points_of_a_disk_have_its_moments():
    disk = Disk((1.0, -2.0), radius=0.7)
    inside = (disk.sample("interior", N, np.random.default_rng(4)).points - [1.0, -2.0]) / 0.7
    assert_means(inside, 0)
    assert_means(np.einsum("ni,nj->nij", inside, inside), np.eye(2) / 4)
    assert_means(np.sum(inside**2, axis=1) ** 2, 1 / 3)
    rim = disk.sample("boundary", N, np.random.default_rng(5))
    np.testing.assert_allclose(rim.normals, (rim.points - [1.0, -2.0]) / 0.7, atol=1e-15)
    assert_means(np.einsum("ni,nj->nij", rim.normals, rim.normals), np.eye(2) / 2)


WINDOWED = {
    "l_shape": (LShape(size=2.0), shapely.box(0, 0, 2, 2) - shapely.box(1, 1, 3, 3)),
    "rectangle_with_holes": (RectangleWithHoles(), shapely.box(0, 0, 2, 1) - shapely.box(0.8, 0.3, 1.2, 0.7)),
    "polygon": (
        Polygon([(0, 0), (4, 1), (1, 3)], [[(1, 1), (2, 1), (1, 2)]]),
        shapely.Polygon([(0, 0), (4, 1), (1, 3)], [[(1, 1), (2, 1), (1, 2)]]),
    ),
    "rectangle": (Rectangle((0, 3), (-1, 0)), shapely.box(0, -1, 3, 0)),
}


@pytest.mark.parametrize("name", WINDOWED)
def test_counts_in_windows_are_those_of_their_areas(name):
    """A chi-square test with the exact area of the region in each window of a grid."""
    geometry, region = WINDOWED[name]
    points = geometry.sample("interior", 20_000, np.random.default_rng(6)).points
    x0, y0, x1, y1 = region.bounds
    xs, ys = np.linspace(x0, x1, 9), np.linspace(y0, y1, 9)
    counts, _, _ = np.histogram2d(*points.T, bins=(xs, ys))
    areas = np.array([[(shapely.box(a, c, b, d) & region).area for c, d in pairwise(ys)] for a, b in pairwise(xs)])
    some = areas > 1e-3 * region.area
    expected = areas[some] / np.sum(areas[some]) * np.sum(counts[some])
    assert np.sum(counts[~some]) <= 0.01 * len(points)
    assert scipy.stats.chisquare(counts[some], expected).pvalue > 1e-3


def test_sides_of_a_box_are_drawn_by_area():
    box = Box((0, 1), (0, 2), (0, 4))
    points = box.sample("boundary", 20_000, np.random.default_rng(7)).points
    on = [points[:, axis] == end for axis, length in enumerate((1, 2, 4)) for end in (0, length)]
    assert np.all(np.sum(on, axis=0) == 1)
    assert scipy.stats.chisquare(np.sum(on, axis=1), 20_000 * np.array([8, 8, 4, 4, 2, 2]) / 28).pvalue > 1e-3


def test_end_points_of_a_line():
    line = Line((-1.0, 3.0))
    both = line.sample("boundary", 1000, np.random.default_rng(8))
    assert set(both.points[:, 0]) == {-1.0, 3.0}
    np.testing.assert_array_equal(both.normals, np.sign(both.points))
    assert 400 < np.sum(both.points > 0) < 600
    np.testing.assert_array_equal(line.sample("left", 3, np.random.default_rng(8)).points, np.full((3, 1), -1.0))


def test_normals_on_axis_parallel_sides_are_exact():
    for geometry, outward in [
        (LShape(1.7), {"inner_horizontal": (0, 1), "inner_vertical": (1, 0), "left": (-1, 0), "bottom": (0, -1)}),
        (
            RectangleWithHoles(),
            {"hole_bottom": (0, 1), "hole_right": (-1, 0), "hole_top": (0, -1), "hole_left": (1, 0)},
        ),
        (Box(), {"front": (0, -1, 0), "back": (0, 1, 0), "bottom": (0, 0, -1), "top": (0, 0, 1)}),
    ]:
        for tag, normal in outward.items():
            drawn = geometry.sample(tag, 5, np.random.default_rng(9)).normals
            np.testing.assert_array_equal(drawn, np.tile(normal, (5, 1)))


def test_the_same_generator_state_gives_the_same_points(geometry):
    for tag in geometry.tags():
        first = geometry.sample(tag, 20, np.random.default_rng(10))
        second = geometry.sample(tag, 20, np.random.default_rng(10))
        other = geometry.sample(tag, 20, np.random.default_rng(11))
        np.testing.assert_array_equal(first.points, second.points)
        assert geometry.dimension == 1 or not np.array_equal(first.points, other.points)


def test_no_points(geometry):
    for tag, kind in geometry.tags().items():
        draw = geometry.sample(tag, 0, np.random.default_rng(0))
        assert draw.points.shape == (0, geometry.dimension)
        assert (draw.normals is None) == (kind == "interior")


def test_bad_requests(geometry):
    rng = np.random.default_rng(0)
    with pytest.raises(JnoValueError, match="n must be at least 0, got -1"):
        geometry.sample("interior", -1, rng)
    with pytest.raises(JnoTypeError, match=r"n must be a whole number, got 2\.5"):
        geometry.sample("interior", 2.5, rng)
    with pytest.raises(JnoKeyError, match=r"no tag 'roof'.*'interior'"):
        geometry.sample("roof", 1, rng)
    with pytest.raises(JnoKeyError, match="no tag 'roof'"):
        geometry.measure("roof")
    with pytest.raises(JnoValueError, match=r"points must have shape \(n, \d\), got \(5,\)"):
        geometry.contains(np.zeros(5))


def test_contains_tolerates_round_off_only(geometry):
    rng = np.random.default_rng(12)
    draw = geometry.sample("boundary", 100, rng)
    size = np.max(np.ptp(draw.points, axis=0))
    assert np.all(geometry.contains(draw.points + 1e-11 * size * draw.normals))
    assert not np.any(geometry.contains(draw.points + 1e-7 * size * draw.normals))
    assert not np.any(geometry.contains(np.full((1, geometry.dimension), np.nan)))
    assert not np.any(geometry.contains(np.full((1, geometry.dimension), 1e9)))
    assert geometry.contains(np.zeros((0, geometry.dimension))).shape == (0,)
