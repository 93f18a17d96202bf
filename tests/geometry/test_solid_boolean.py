"""Boolean operations of solids: measures, distances, points and normals against closed forms."""

import math

import numpy as np
import pytest
import scipy.stats.qmc
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._regions.surface import sobol

PI = math.pi
CUBE = Solid.box([(0, 1), (0, 1), (0, 1)])
CYLINDER = Solid.extrusion(Outline.disk((0, 0), 0.5), (-1, 1))
LYING = CYLINDER.moved(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.zeros(3))


def ball(x, y, z, radius):
    return Solid.ball((x, y, z), radius).renamed("sphere")


def box(*ranges):
    return Solid.box(ranges)


def minus(solid, *others):
    for other in others:
        solid = solid.combined(other, "difference")
    return solid


INNER_BALLS = minus(CUBE, ball(0.3, 0.3, 0.3, 0.2), ball(0.7, 0.7, 0.7, 0.2))
CORNER_BALLS = minus(CUBE, ball(0, 0, 0, 0.5), ball(1, 1, 1, 0.5))

# Solids with their volumes and areas, where no face is cut but along coincident ones.
EXACT = {
    "inner_balls": (INNER_BALLS, 1 - 2 * 4 / 3 * PI * 0.2**3, 6 + 2 * 4 * PI * 0.2**2),
    "apart": (CUBE.combined(ball(3, 0, 0, 1), "union"), 1 + 4 / 3 * PI, 6 + 4 * PI),
    "nested": (CUBE.combined(ball(0.5, 0.5, 0.5, 0.5), "intersection"), PI / 6, PI),
    "touching": (CUBE.combined(box((1, 2), (0, 1), (0, 1)), "union"), 2, 10),
    "twice": (CUBE.combined(CUBE.moved(np.eye(3), np.zeros(3)), "union"), 1, 6),
    "once_more": (CUBE.combined(CUBE, "intersection"), 1, 6),
    "shell": (minus(ball(1, 2, 3, 2.0), ball(1, 2, 3, 1.0)), 4 / 3 * PI * 7, 4 * PI * 5),
}
# Solids with faces that are cut.
CUT = {
    "corner_balls": (CORNER_BALLS, 1 - PI / 24, 6 - 6 * PI / 16 + PI / 4),
    "lens": (ball(0, 0, 0, 1).combined(ball(1, 0, 0, 1), "intersection"), 5 * PI / 12, 2 * PI),
    "two_balls": (ball(0, 0, 0, 1).combined(ball(1, 0, 0, 1), "union"), 8 / 3 * PI - 5 * PI / 12, 6 * PI),
    "steinmetz": (CYLINDER.combined(LYING, "intersection"), 16 / 3 / 8, 16 / 4),
    "slice": (minus(CUBE, box((0, 1), (0, 1), (0.6, 1))), 0.6, 2 + 4 * 0.6),
    "step": (minus(CUBE, box((0.3, 1), (-1, 2), (0.6, 2))), 1 - 0.28, 6 - 2 * 0.28),
    "half_ball": (minus(ball(0, 0, 0, 1), box((-2, 2), (-2, 2), (-2, 0))), 2 / 3 * PI, 3 * PI),
    "overlapping": (CUBE.combined(box((0.5, 1.5), (0, 1), (0, 1)), "union"), 1.5, 8),
}
ALL = EXACT | CUT


@pytest.fixture(params=ALL)
def solid(request):
    return ALL[request.param][0]


def around(solid, n, rng):
    low, high = solid.bounds()
    return rng.uniform(low - 0.2 * (high - low), high + 0.2 * (high - low), (n, 3))


@pytest.mark.parametrize("name", EXACT)
def test_measures_are_exact_where_no_face_is_cut(name):
    solid, volume, area = EXACT[name]
    exactly = 1e-12 if name != "overlapping" else 1e-3
    assert solid.interior_measure() == pytest.approx(volume, rel=exactly)
    assert solid.boundary_measure("boundary") == pytest.approx(area, rel=exactly)


@pytest.mark.parametrize("name", CUT)
def test_measures_of_cut_faces_are_near(name):
    solid, volume, area = CUT[name]
    assert solid.interior_measure() == pytest.approx(volume, rel=1e-3)
    assert solid.boundary_measure("boundary") == pytest.approx(area, rel=1e-3)
    assert solid.interior_measure() == solid.combined(ball(50, 0, 0, 1), "difference").interior_measure()


def test_volume_is_the_share_of_random_points_inside(solid):
    rng = np.random.default_rng(0)
    low, high = solid.bounds()
    n = 100_000
    share = np.mean(solid.contains(rng.uniform(low, high, (n, 3))))
    error = math.sqrt(share * (1 - share) / n)
    assert abs(share - solid.interior_measure() / np.prod(high - low)) <= 5 * error + 1e-3 * share


def test_parts_of_both_remain_where_something_is_left():
    sides = ("left", "right", "front", "back", "bottom", "top")
    assert INNER_BALLS.boundary_tags() == ("boundary", *sides, "sphere")
    assert INNER_BALLS.boundary_measure("sphere") == pytest.approx(2 * 4 * PI * 0.04)
    assert EXACT["nested"][0].boundary_tags() == ("boundary", "sphere")
    step = box((0, 2), (0, 2), (0, 2)).renamed("step")
    cut = minus(CUBE, step.moved(np.eye(3), np.array([0.5, -0.5, 0.5])))
    assert cut.boundary_measure("step") == pytest.approx(0.5 + 0.5, rel=1e-3)
    assert cut.boundary_measure("top") == pytest.approx(0.5, rel=1e-3)
    assert CUBE.combined(step.moved(np.eye(3), -np.ones(3) / 2), "union").boundary_tags() == ("boundary", "step")


def test_coincident_faces_belong_to_the_first_operand():
    other = box((0.0, 0.5), (0.2, 0.8), (0.2, 0.8)).renamed("other")
    both = CUBE.combined(other, "union")
    assert both.boundary_tags() == CUBE.boundary_tags()
    # A face that the second operand takes away from outside stays the first one's.
    beside = box((1, 2), (0, 1), (0, 1)).renamed("other")
    assert minus(CUBE, beside).boundary_tags() == CUBE.boundary_tags()
    assert minus(CUBE, beside).interior_measure() == pytest.approx(1, rel=1e-12)


def test_distance_is_a_bound_with_the_right_sign(solid):
    rng = np.random.default_rng(1)
    x = around(solid, 500, rng)
    nearest, _ = scipy.spatial.cKDTree(solid.sample_boundary("boundary", 20_000, rng).points).query(x)
    distance = solid.signed_distance(x)
    assert np.all(np.abs(distance) <= nearest + 1e-12)
    assert np.array_equal(distance <= 0, solid.contains(x))


def test_distances_in_closed_form():
    x = np.array([[0.5, 0.5, 0.5], [0.3, 0.3, 0.3], [0.5, 0.5, 0.95], [0.3, 0.3, 0.55], [2, 0.5, 0.5]])
    expected = [0.2 - 0.2 * math.sqrt(3), 0.2, -0.05, -0.05, 1]
    np.testing.assert_allclose(INNER_BALLS.signed_distance(x), expected, atol=1e-14)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(sorted(ALL)), st.integers(0, 2**32 - 1), st.floats(1e-6, 1.0))
def test_distance_is_1_lipschitz(name, seed, step):
    solid, rng = ALL[name][0], np.random.default_rng(seed)
    x = around(solid, 200, rng)
    y = x + step * rng.normal(size=x.shape)
    change = np.abs(solid.signed_distance(y) - solid.signed_distance(x))
    assert np.all(change <= np.linalg.norm(y - x, axis=1) * (1 + 1e-9) + 1e-13)


def test_boundary_points_lie_on_the_result_with_outward_normals(solid):
    for tag in solid.boundary_tags():
        draw = solid.sample_boundary(tag, 300, np.random.default_rng(2))
        assert draw.points.shape == draw.normals.shape == (300, 3)
        assert np.max(np.abs(solid.signed_distance(draw.points))) <= 1e-14
        np.testing.assert_allclose(np.linalg.norm(draw.normals, axis=1), 1, rtol=1e-14)
        assert np.all(solid.contains(draw.points))
        assert np.all(solid.contains(draw.points - 1e-6 * draw.normals))
        assert not np.any(solid.contains(draw.points + 1e-6 * draw.normals))


def test_boundary_points_are_uniform_by_area():
    n = 20_000
    lens, rng = CUT["lens"][0], np.random.default_rng(3)
    x = lens.sample_boundary("boundary", n, rng).points
    # Both caps have the same area, and on each the distance from the plane between them is uniform.
    right = x[:, 0] > 0.5
    assert abs(np.mean(right) - 0.5) < 5 * 0.5 / math.sqrt(n)
    assert scipy.stats.kstest(2 * np.where(right, x[:, 0] - 0.5, 0.5 - x[:, 0]), "uniform").pvalue > 1e-3
    draw = INNER_BALLS.sample_boundary("boundary", n, rng)
    on_sphere = np.max(np.abs(draw.points - 0.5), axis=1) < 0.5 - 1e-9
    share = 8 * PI * 0.04 / (6 + 8 * PI * 0.04)
    assert abs(np.mean(on_sphere) - share) < 5 * math.sqrt(share / n)
    # Their normals point into the holes.
    center = np.where(np.sum(draw.points, axis=1, keepdims=True) < 1.5, 0.3, 0.7)
    np.testing.assert_allclose(
        (draw.points + 0.2 * draw.normals)[on_sphere], (center * [1, 1, 1])[on_sphere], atol=1e-12
    )
    # Each unit of a face of two touching boxes has the same number of points, and the common face none.
    touching = EXACT["touching"][0].sample_boundary("boundary", n, rng).points
    assert not np.any(touching[:, 0] == 1)
    counts = np.histogram(touching[(touching[:, 0] > 0) & (touching[:, 0] < 2), 0], bins=8, range=(0, 2))[0]
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    # Faces that coincide count once.
    once = EXACT["twice"][0].sample_boundary("boundary", n, rng).points
    assert scipy.stats.chisquare(np.sum(once == 0, axis=0)).pvalue > 1e-3
    assert np.sum(once[:, 0] == 0) == pytest.approx(n / 6, abs=5 * math.sqrt(n / 6))


def test_interior_points_are_inside_and_uniform(solid):
    rng = np.random.default_rng(4)
    x = solid.sample_interior(5000, rng)
    assert x.shape == (5000, 3)
    assert np.all(solid.contains(x))
    low, high = solid.bounds()
    reference = rng.uniform(low, high, (60_000, 3))
    reference = reference[solid.contains(reference)]
    for axis in range(3):
        assert scipy.stats.ks_2samp(x[:, axis], reference[:, axis]).pvalue > 1e-4


def test_faces_that_an_operation_takes_away_are_outside():
    slice_, halves = CUT["slice"][0], minus(CUBE, box((0, 1), (0, 0.5), (0, 1)))
    # On the side of the cube, but above the cut.
    assert not np.any(slice_.contains(np.array([[0.5, 0.5, 1], [0, 0.5, 0.8], [1, 1, 0.7]])))
    assert np.all(slice_.contains(np.array([[0.5, 0.5, 0.6], [0, 0.5, 0.6], [1, 1, 0.6], [1, 1, 0]])))
    assert not np.any(halves.contains(np.array([[0.5, 0.0, 0.5], [0.5, 0.4, 0.0]])))


def test_nothing_left():
    for operation, other in (
        ("intersection", ball(5, 0, 0, 1)),
        ("difference", ball(0.5, 0.5, 0.5, 1)),
        ("difference", CUBE),
    ):
        with pytest.raises(JnoValueError, match=f"Nothing is left of the {operation}"):
            CUBE.combined(other, operation)
    # Boxes that touch have a common face but no common volume.
    with pytest.raises(JnoValueError, match="Nothing is left of the intersection"):
        CUBE.combined(box((1, 2), (0, 1), (0, 1)), "intersection")
    with pytest.raises(JnoTypeError, match="another solid only, got Outline"):
        CUBE.combined(Outline.disk((0, 0), 1), "union")


def test_small_remains_are_found():
    assert ball(0, 0, 0, 1).combined(ball(1.98, 0, 0, 1), "intersection").boundary_tags() == ("boundary", "sphere")


def test_moving_and_combining_commute():
    matrix = 2 * np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    offset = np.array([1.0, -2, 3])
    moved = CORNER_BALLS.moved(matrix, offset)
    x = around(CORNER_BALLS, 100, np.random.default_rng(5))
    np.testing.assert_allclose(
        moved.signed_distance(x @ matrix.T + offset), 2 * CORNER_BALLS.signed_distance(x), atol=1e-13
    )
    assert moved.interior_measure() == pytest.approx(8 * CORNER_BALLS.interior_measure(), rel=1e-12)
    assert CORNER_BALLS.renamed("wall").boundary_tags() == ("boundary", "wall")


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_random_trees_agree_with_set_operations(seed):
    rng = np.random.default_rng(seed)
    solid = box((-1, 1), (-1, 1), (-1, 1))
    steps = []
    for operation in rng.choice(["union", "difference"], 3):
        center, radius = rng.uniform(-1, 1, 3), rng.uniform(0.4, 0.9)
        steps.append((operation, center, radius))
        solid = solid.combined(ball(*center, radius), operation)

    def inside(x):
        result = np.all(np.abs(x) < 1, axis=1)
        for operation, center, radius in steps:
            within = np.sum((x - center) ** 2, axis=1) < radius**2
            result = result | within if operation == "union" else result & ~within
        return result

    low, high = solid.bounds()
    x = rng.uniform(low, high, (40_000, 3))
    assert np.array_equal(solid.contains(x), inside(x))
    share = np.mean(inside(x))
    error = math.sqrt(share * (1 - share) / len(x))
    assert abs(share - solid.interior_measure() / np.prod(high - low)) < 5 * error + 2e-3 * share
    draw = solid.sample_boundary("boundary", 200, rng)
    assert np.all(inside(draw.points - 1e-7 * draw.normals))
    assert not np.any(inside(draw.points + 1e-7 * draw.normals))


@pytest.mark.parametrize("log2_points", [0, 1, 6, 15])
def test_the_points_that_probe_faces_are_the_sobol_sequence(log2_points):
    expected = scipy.stats.qmc.Sobol(2, scramble=False).random_base2(log2_points)
    np.testing.assert_array_equal(sobol(log2_points), expected)
