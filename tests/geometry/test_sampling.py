"""Random points of every geometry: in the region, uniform, reproducible, with exact normals."""

import numpy as np
import pytest
import scipy.stats
import shapely
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError
from jno_plugin_geometry import Box, Disk, LShape

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


@pytest.mark.parametrize("example", ["rectangle", "l_shape", "polygon", "rectangle_with_holes"])
def test_counts_in_windows_are_those_of_their_areas(example, request):
    """A chi-square test on a grid of windows, with the exact area of the region in each."""
    geometry = request.getfixturevalue("examples")[example]
    polygon = geometry.region_for_test
    points = geometry.geometry.sample("interior", 20_000, np.random.default_rng(6)).points
    x0, y0, x1, y1 = polygon.bounds
    xs, ys = np.linspace(x0, x1, 9), np.linspace(y0, y1, 9)
    counts, _, _ = np.histogram2d(*points.T, bins=(xs, ys))
    areas = np.array([[shapely.box(a, c, b, d).intersection(polygon).area for c, d in pairs(ys)] for a, b in pairs(xs)])
    some = areas > 1e-3 * polygon.area
    assert scipy.stats.chisquare(
        counts[some], areas[some] / np.sum(areas[some]) * np.sum(counts[some])
    ).pvalue > 1e-3
