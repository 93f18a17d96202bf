"""View factors: closed forms, a slow but plain ray tracer, and the rules about rays that touch obstacles."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jno_core._domain.view_factors import Surface, view_factors
from jno_core.errors import JnoValueError


def edge(start, end, n):
    """The middles of `n` equal pieces of a segment, with normals to the left."""
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    along = (end - start) / n
    points = start + (np.arange(n)[:, None] + 0.5) * along
    length = np.hypot(*along)
    return Surface(points, np.tile([-along[1], along[0]] / length, (n, 1)), np.full(n, length))


def joined(*surfaces):
    return Surface(*(np.concatenate([getattr(s, k) for s in surfaces]) for k in ("points", "normals", "weights")))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def mean_factor(source, target, obstacles=None):
    """The factor from the whole source surface to the whole target surface."""
    rows = np.sum(view_factors(source, target, obstacles).factors, axis=1)
    return np.sum(rows * source.weights) / np.sum(source.weights)


def test_facing_edges():
    assert mean_factor(edge((0, 0), (1, 0), 200), edge((1, 1), (0, 1), 200)) == pytest.approx(2**0.5 - 1, rel=1e-4)


def test_facing_edges_at_random_points():
    rng = np.random.default_rng(0)
    lower = Surface(np.stack([rng.random(200), np.zeros(200)], 1), np.tile([0.0, 1.0], (200, 1)), np.full(200, 0.005))
    upper = Surface(np.stack([rng.random(200), np.ones(200)], 1), np.tile([0.0, -1.0], (200, 1)), np.full(200, 0.005))
    assert mean_factor(lower, upper) == pytest.approx(2**0.5 - 1, rel=0.01)


def test_factors_are_the_kernel_and_reciprocal():
    rng = np.random.default_rng(1)
    for d in (2, 3):
        one, other = (Surface(rng.normal(size=(7, d)), unit(rng.normal(size=(7, d))), rng.random(7)) for _ in range(2))
        found = view_factors(one, other)
        for i in range(7):
            for j in range(7):
                ray = other.points[j] - one.points[i]
                r = np.linalg.norm(ray)
                cosines = max(ray @ one.normals[i] / r, 0) * max(-ray @ other.normals[j] / r, 0)
                expected = cosines / (2 * r) if d == 2 else cosines / (np.pi * r**2)
                assert found.factors[i, j] == pytest.approx(expected * other.weights[j], rel=1e-12)
        back = view_factors(other, one).factors
        np.testing.assert_allclose(found.factors * one.weights[:, None], (back * other.weights[:, None]).T, rtol=1e-12)
        np.testing.assert_array_equal(found.visible, found.factors > 0)


def test_rows_of_a_round_enclosure_sum_to_one():
    angle = 2 * np.pi * (np.arange(300) + 0.5) / 300
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    corners = np.stack([np.cos(angle - np.pi / 300), np.sin(angle - np.pi / 300)], axis=1) / np.cos(np.pi / 300)
    wall = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    circle = Surface(points, -points, np.full(300, 2 * np.pi / 300))
    np.testing.assert_allclose(np.sum(view_factors(circle, circle, wall).factors, axis=1), 1, rtol=0.01)


def test_rows_of_a_square_enclosure_sum_to_one():
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
    sides = [edge(a, b, 200) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    wall = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    square = joined(*sides)
    rows = np.sum(view_factors(square, square, wall).factors, axis=1)
    # Near a corner the kernel is too steep for the points' distances; see `view_factors`.
    away = np.min(np.linalg.norm(square.points[:, None] - corners, axis=2), axis=1) > 0.01
    np.testing.assert_allclose(rows[away], 1, rtol=0.01)
    assert np.mean(rows) == pytest.approx(1, rel=0.01)


def test_rows_of_a_spherical_enclosure_sum_to_one():
    # Gauss points in height and equal steps in angle integrate over the sphere.
    height, weight = np.polynomial.legendre.leggauss(20)
    angle = 2 * np.pi * np.arange(40) / 40
    z, phi = (grid.ravel() for grid in np.meshgrid(height, angle, indexing="ij"))
    points = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], axis=1)
    sphere = Surface(points, -points, np.repeat(weight, 40) * 2 * np.pi / 40)
    # A point does not see itself, which is one part of 800.
    rows = np.sum(view_factors(sphere, sphere).factors, axis=1) + sphere.weights / (4 * np.pi)
    np.testing.assert_allclose(rows, 1, rtol=1e-10)


@pytest.mark.parametrize("reach", [-0.5, 0.0, 0.3, 0.5, 0.7, 0.9])
def test_the_shadow_of_a_screen(reach):
    """Hottel's crossed strings: the factor is half of the crossed less the uncrossed strings, over the edge's length.

    The edges lie at heights 0 and 1; the screen at height 1/2 comes from the left and ends at x = `reach`.
    """
    tip = (reach, 0.5)

    def string(start, end):
        # A string is straight where it passes on the free side of the tip, and goes round it otherwise.
        way = [start, end] if (start[0] + end[0]) / 2 >= reach else [start, tip, end]
        return sum(np.hypot(*np.subtract(p, q)) for p, q in pairwise(way))

    a, b, c, d = (0, 0), (1, 0), (1, 1), (0, 1)
    expected = (string(a, c) + string(b, d) - string(a, d) - string(b, c)) / 2
    found = mean_factor(edge(a, b, 300), edge(c, d, 300), [[(-2, 0.5), tip]])
    assert found == pytest.approx(expected, abs=1e-3)


def traced(source, target, obstacles):
    """Visibility by solving for the crossing of each ray with each segment."""
    visible = view_factors(source, target).visible.copy()
    for i, j in np.argwhere(visible):
        start, ray = source.points[i], target.points[j] - source.points[i]
        for a, b in obstacles:
            on_ray, on_segment = np.linalg.solve(np.stack([ray, a - b], axis=1), a - start)
            visible[i, j] &= not (0 < on_ray < 1 and 0 <= on_segment <= 1)
    return visible


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.01, 1.0))
def test_visibility_is_that_of_a_plain_ray_tracer(seed, length):
    rng = np.random.default_rng(seed)
    first = rng.random((40, 2))
    obstacles = np.stack([first, first + length * rng.normal(size=(40, 2))], axis=1)
    one, other = (Surface(rng.random((15, 2)), unit(rng.normal(size=(15, 2))), np.ones(15)) for _ in range(2))
    found = view_factors(one, other, obstacles)
    np.testing.assert_array_equal(found.visible, traced(one, other, obstacles))
    np.testing.assert_array_equal(found.factors, np.where(found.visible, view_factors(one, other).factors, 0))


def test_many_rays_and_obstacles_are_split_into_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    obstacles = rng.random((60, 2, 2))
    one = Surface(rng.random((30, 2)), unit(rng.normal(size=(30, 2))), np.ones(30))
    whole = view_factors(one, one, obstacles).factors
    monkeypatch.setattr("jno_core._domain.view_factors._RAYS", 100)
    monkeypatch.setattr("jno_core._domain.view_factors._PAIRS", 7)
    np.testing.assert_array_equal(view_factors(one, one, obstacles).factors, whole)


def test_rays_may_start_and_end_on_obstacles_and_pass_along_them():
    lower, upper = edge((0, 0), (1, 0), 20), edge((1, 1), (0, 1), 20)
    walls = [[(0, 0), (1, 0)], [(0, 1), (1, 1)], [(0, 0), (0, 1)], [(0.525, 0.2), (0.525, 0.8)]]
    visible = view_factors(lower, upper, walls).visible
    assert visible[10, 9]  # straight up along the last wall, which is hit nowhere else
    assert lower.points[10, 0] == pytest.approx(0.525)
    assert not visible[0, 0]
    free = view_factors(lower, upper).visible
    np.testing.assert_array_equal(view_factors(lower, upper, walls[:3]).visible, free)


def test_no_ray_slips_between_segments_or_triangles_with_a_common_side():
    # The rays pass exactly through the corner where two obstacles meet.
    one, other = edge((0, 0), (1, 0), 1), edge((1, 1), (0, 1), 1)
    assert not view_factors(one, other, [[(0, 0.5), (0.5, 0.5)], [(0.5, 0.5), (1, 0.5)]]).visible[0, 0]
    below = Surface(np.zeros((1, 3)), np.array([[0.0, 0, 1]]), np.ones(1))
    above = Surface(np.array([[0.0, 0, 1]]), np.array([[0.0, 0, -1]]), np.ones(1))
    square = np.array([(-1, -1, 0.5), (1, -1, 0.5), (1, 1, 0.5), (-1, 1, 0.5)])
    assert not view_factors(below, above, square[[[0, 1, 2], [0, 2, 3]]]).visible[0, 0]
    assert view_factors(below, above, square[[[0, 1, 2]]] + [3.0, 0, 0]).visible[0, 0]


def test_obstacles_behind_the_direction_of_minus_x():
    # Directions jump from pi to minus pi there.
    one = Surface(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]]), np.ones(1))
    other = Surface(np.array([[-1.0, y] for y in (-0.1, 0.0, 0.1, 0.6)]), np.tile([1.0, 0.0], (4, 1)), np.ones(4))
    np.testing.assert_array_equal(view_factors(one, other, [[(0, -0.2), (0, 0.2)]]).visible[0], [False] * 3 + [True])
    np.testing.assert_array_equal(view_factors(one, other, [[(0, 0.2), (0, -0.2)]]).visible[0], [False] * 3 + [True])


def crosses(start, end, triangle):
    """Whether a ray meets a triangle, by its barycentric coordinates."""
    a, b, c = triangle
    on_ray, v, w = np.linalg.solve(np.stack([start - end, b - a, c - a], axis=1), start - a)
    return 0 < on_ray < 1 and v >= 0 and w >= 0 and v + w <= 1


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_visibility_in_space_is_that_of_a_plain_ray_tracer(seed):
    rng = np.random.default_rng(seed)
    triangles = rng.random((25, 3, 3))
    one, other = (Surface(rng.random((10, 3)), unit(rng.normal(size=(10, 3))), np.ones(10)) for _ in range(2))
    found = view_factors(one, other, triangles).visible
    expected = view_factors(one, other).visible.copy()
    for i, j in np.argwhere(expected):
        expected[i, j] = not any(crosses(one.points[i], other.points[j], triangle) for triangle in triangles)
    np.testing.assert_array_equal(found, expected)


def test_facing_squares():
    # Two unit squares one apart: 0.19982 (Howell's catalogue, C-11).
    node, weight = np.polynomial.legendre.leggauss(12)
    node, weight = (node + 1) / 2, weight / 2
    x, y = (grid.ravel() for grid in np.meshgrid(node, node))
    area = np.outer(weight, weight).ravel()
    lower = Surface(np.stack([x, y, 0 * x], 1), np.tile([0.0, 0, 1], (144, 1)), area)
    upper = Surface(np.stack([x, y, 0 * x + 1], 1), np.tile([0.0, 0, -1], (144, 1)), area)
    assert mean_factor(lower, upper) == pytest.approx(0.199825, rel=1e-4)


def test_points_that_coincide_do_not_see_each_other():
    one = edge((0, 0), (1, 0), 3)
    turned = Surface(one.points, -one.normals, one.weights)
    assert not np.any(np.diag(view_factors(one, turned).visible))
    assert np.all(np.isfinite(view_factors(one, turned).factors))


@pytest.mark.parametrize(
    ("points", "normals", "weights", "match"),
    [
        (np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), r"\(n, 2\) or \(n, 3\)"),
        (np.zeros((3, 2)), np.zeros((2, 2)), np.zeros(3), "normals of the same shape"),
        (np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(2), "one weight per point"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), np.zeros(3), "points of a surface must be finite"),
    ],
)
def test_surfaces_that_make_no_sense(points, normals, weights, match):
    with pytest.raises(JnoValueError, match=match):
        Surface(points, normals, weights)


def test_obstacles_that_make_no_sense():
    one = edge((0, 0), (1, 0), 3)
    with pytest.raises(JnoValueError, match=r"segments \(e, 2, 2\)"):
        view_factors(one, one, np.zeros((4, 3, 3)))
    with pytest.raises(JnoValueError, match="in one space"):
        view_factors(one, Surface(np.zeros((1, 3)), np.ones((1, 3)), np.ones(1)))
    np.testing.assert_array_equal(view_factors(one, one, [[(0, 1), (0, 1)]]).factors, 0)
