"""Solids without operations: measures, distances, points and normals against closed forms."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoValueError
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.solid import Solid

PI = math.pi
N = 4000


def rotation(axis, angle):
    """Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


TRIANGLE = Outline.polygon([(0, 0), (1, 0), (0, 2)], named={"floor": [0], "slope": [1], "axis": [2]})
FRAME = Outline.polygon([(0, 0), (2, 0), (2, 1), (0, 1)], holes=[[(0.5, 0.25), (1.5, 0.25), (1.5, 0.75), (0.5, 0.75)]])
ROTATED = rotation((1, 2, -1), 1.1)

# Solids with their volumes and areas.
EXAMPLES = {
    "box": (Solid.box([(-1, 1), (0, 0.5), (2, 5)]), 3.0, 2 * (2 * 0.5 + 2 * 3 + 0.5 * 3)),
    "ball": (Solid.ball((1, -2, 3), 1.5), 4 / 3 * PI * 1.5**3, 4 * PI * 1.5**2),
    "cylinder": (Solid.extrusion(Outline.disk((1, 1), 0.5), (0, 2)), PI / 2, 2 * PI * 0.25 + 2 * PI),
    "cone": (Solid.revolution(TRIANGLE), 2 * PI / 3, PI + PI * math.sqrt(5)),
    "torus": (Solid.revolution(Outline.disk((2, 0.3), 0.5)), 2 * PI * 2 * PI / 4, 2 * PI * 2 * PI),
    "frame": (Solid.extrusion(FRAME, (0, 0.5)), 0.75, 3.0 + 0.5 * (6 + 3)),
    "pipes": (Solid.revolution(FRAME), 2 * PI * (2 - 0.5), 2 * PI * (2 * 2 + 2 * 1 + 2 * 1 + 0.5 * (0.5 + 1.5))),
    "turned_cone": (
        Solid.revolution(TRIANGLE).moved(3 * ROTATED, np.array([10.0, -20, 3])),
        18 * PI,
        9 * PI * (1 + 5**0.5),
    ),
    "mirrored_frame": (Solid.extrusion(FRAME, (0, 0.5)).moved(ROTATED @ np.diag([1, -1, 1]), np.ones(3)), 0.75, 7.5),
    "wedge": (Solid.revolution(TRIANGLE, 1.0), 1 / 3, 0.5 + math.sqrt(5) / 2 + 2),
    "three_quarters": (Solid.revolution(Outline.disk((2, 0), 1), 1.5 * PI), 1.5 * PI * 2 * PI, 6 * PI**2 + 2 * PI),
}


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def solid(name):
    return EXAMPLES[name][0]


def around(solid, n, rng, margin=0.5):
    """Uniform points of a somewhat larger bounding box."""
    low, high = solid.bounds()
    return rng.uniform(low - margin * (high - low), high + margin * (high - low), (n, 3))


def assert_means(samples, expected):
    """The sample mean lies within five standard errors of the expectation."""
    error = np.std(samples, axis=0) / np.sqrt(len(samples))
    np.testing.assert_array_less(np.abs(np.mean(samples, axis=0) - expected), 5 * error + 1e-12)


def test_measures(name):
    solid, volume, area = EXAMPLES[name]
    assert solid.interior_measure() == pytest.approx(volume, rel=1e-12)
    assert solid.boundary_measure("boundary") == pytest.approx(area, rel=1e-12)


def test_area_and_volume_of_an_ellipse_that_is_revolved():
    # An oblate spheroid: the half ellipse with the axes a > c.
    a, c = 1.3, 0.6
    half = Outline.ellipse((0, 0), (a, c)).combined(Outline.polygon([(0, -2), (2, -2), (2, 2), (0, 2)]), "intersection")
    spheroid = Solid.revolution(half)
    e = math.sqrt(1 - (c / a) ** 2)
    assert spheroid.interior_measure() == pytest.approx(4 / 3 * PI * a * a * c, rel=1e-12)
    area = 2 * PI * a**2 + PI * c**2 / e * math.log((1 + e) / (1 - e))
    assert spheroid.boundary_measure("boundary") == pytest.approx(area, rel=1e-12)


def test_the_named_parts_cover_the_boundary():
    box = EXAMPLES["box"][0]
    assert box.boundary_tags() == ("boundary", "left", "right", "front", "back", "bottom", "top")
    assert [box.boundary_measure(tag) for tag in box.boundary_tags()[1:]] == pytest.approx([1.5, 1.5, 6, 6, 1, 1])
    for tag, axis, outward in (("left", 0, -1), ("right", 0, 1), ("front", 1, -1), ("back", 1, 1), ("bottom", 2, -1)):
        draw = box.sample_boundary(tag, 10, np.random.default_rng(0))
        assert np.all(draw.points[:, axis] == box.bounds()[(outward + 1) // 2, axis])
        assert np.all(draw.normals == outward * np.eye(3)[axis])
    cylinder = EXAMPLES["cylinder"][0]
    assert cylinder.boundary_tags() == ("boundary", "bottom", "top", "side")
    assert cylinder.boundary_measure("side") == pytest.approx(2 * PI, rel=1e-12)
    wedge = EXAMPLES["wedge"][0]
    assert set(wedge.boundary_tags()) == {"boundary", "start", "end", "outer", "floor", "slope"}
    parts = {"start": 1.0, "end": 1.0, "floor": 0.5, "slope": math.sqrt(5) / 2}
    assert {tag: wedge.boundary_measure(tag) for tag in parts} == pytest.approx(parts, rel=1e-12)
    assert EXAMPLES["box"][0].renamed("wall").boundary_tags() == ("boundary", "wall")


def test_parts_of_the_outline_do_not_take_the_names_of_the_solid():
    square = Outline.polygon([(0, 0), (1, 0), (1, 1), (0, 1)], named={"bottom": [0], "right": [1]})
    prism = Solid.extrusion(square, (0, 3))
    assert prism.boundary_tags() == ("boundary", "bottom", "top", "side", "outer", "side_bottom", "right")
    assert prism.boundary_measure("bottom") == pytest.approx(1)
    assert prism.boundary_measure("side_bottom") == pytest.approx(3)


def test_distances_in_closed_form():
    rng = np.random.default_rng(0)
    ball, torus, box = (EXAMPLES[name][0] for name in ("ball", "torus", "box"))
    x = around(ball, 500, rng)
    np.testing.assert_allclose(ball.signed_distance(x), np.linalg.norm(x - [1, -2, 3], axis=1) - 1.5, atol=1e-14)
    assert ball.signed_distance(np.array([[1.0, -2, 3]]))[0] == pytest.approx(-1.5)
    x = around(torus, 500, rng)
    expected = np.hypot(np.hypot(x[:, 0], x[:, 1]) - 2, x[:, 2] - 0.3) - 0.5
    np.testing.assert_allclose(torus.signed_distance(x), expected, atol=1e-14)
    x = around(box, 500, rng)
    beyond = np.max(np.stack([box.bounds()[0] - x, x - box.bounds()[1]]), axis=0)
    expected = np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(np.max(beyond, axis=1), 0)
    np.testing.assert_allclose(box.signed_distance(x), expected, atol=1e-14)


def test_distance_of_a_cone_along_and_beside_its_axis():
    cone = EXAMPLES["cone"][0]
    x = np.array([[0, 0, 0.5], [0, 0, 3.0], [0, 0, -1.0], [0.5, 0, -1.0], [0, 2, 0]])
    inradius_like = (2 - 0.5) / math.sqrt(5)
    np.testing.assert_allclose(cone.signed_distance(x), [-min(0.5, inradius_like), 1, 1, 1, 1], atol=1e-14)


def test_distance_is_that_to_the_nearest_of_many_boundary_points(solid):
    rng = np.random.default_rng(1)
    cloud = scipy.spatial.cKDTree(solid.sample_boundary("boundary", 100_000, rng).points)
    x = around(solid, 300, rng, margin=0.2)
    nearest, _ = cloud.query(x)
    distance = solid.signed_distance(x)
    assert np.all(np.abs(distance) <= nearest + 1e-12)
    spacing = math.sqrt(solid.boundary_measure("boundary") / 100_000)
    assert np.all(nearest <= np.abs(distance) + 5 * spacing)
    assert np.array_equal(solid.contains(x), distance <= 0)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(sorted(EXAMPLES)), st.integers(0, 2**32 - 1), st.floats(1e-6, 1.0))
def test_distance_is_1_lipschitz(name, seed, step):
    solid, rng = EXAMPLES[name][0], np.random.default_rng(seed)
    x = around(solid, 100, rng)
    y = x + step * rng.normal(size=x.shape)
    change = np.abs(solid.signed_distance(y) - solid.signed_distance(x))
    assert np.all(change <= np.linalg.norm(y - x, axis=1) * (1 + 1e-9) + 1e-13 * np.max(np.abs(solid.bounds())))


def test_boundary_points_lie_on_the_surface_with_outward_normals(solid):
    for tag in solid.boundary_tags():
        draw = solid.sample_boundary(tag, 300, np.random.default_rng(2))
        assert draw.points.shape == draw.normals.shape == (300, 3)
        size = np.max(np.abs(solid.bounds()))
        assert np.max(np.abs(solid.signed_distance(draw.points))) <= 1e-14 * size
        np.testing.assert_allclose(np.linalg.norm(draw.normals, axis=1), 1, rtol=1e-14)
        assert np.all(solid.contains(draw.points))
        # Along the normal the distance grows as fast as one goes, but for the few points beside edges.
        for step in (-1e-5, 1e-5):
            change = solid.signed_distance(draw.points + step * draw.normals)
            assert np.mean(np.abs(change - step) <= 1e-12 + 1e-12 * size) >= 0.99
            assert np.all((change > 0) == (step > 0))


def test_points_fill_the_solid_evenly(solid):
    rng = np.random.default_rng(3)
    points = solid.sample_interior(N, rng)
    assert points.shape == (N, 3)
    assert np.all(solid.contains(points))
    # Independent of it: points of the bounding box that are kept where they are inside.
    low, high = solid.bounds()
    kept = rng.uniform(low, high, (40 * N, 3))
    kept = kept[solid.signed_distance(kept) < 0]
    assert_means(points, np.mean(kept, axis=0))
    spread = kept - np.mean(kept, axis=0)
    assert_means((points - np.mean(kept, axis=0)) ** 2, np.mean(spread**2, axis=0))
    assert len(kept) / (40 * N) * np.prod(high - low) == pytest.approx(solid.interior_measure(), rel=0.03)


def test_boundary_points_are_uniform_by_area():
    rng = np.random.default_rng(4)
    # On a sphere the height is uniform (Archimedes), and so is the longitude.
    unit = (EXAMPLES["ball"][0].sample_boundary("boundary", N, rng).points - [1, -2, 3]) / 1.5
    assert scipy.stats.kstest((unit[:, 2] + 1) / 2, "uniform").pvalue > 1e-3
    assert scipy.stats.kstest(np.arctan2(unit[:, 1], unit[:, 0]) / (2 * PI) + 0.5, "uniform").pvalue > 1e-3
    # On a torus the area up to the angle v of the profile is v + (r / R) sin v.
    x = EXAMPLES["torus"][0].sample_boundary("boundary", N, rng).points
    v = np.arctan2(x[:, 2] - 0.3, np.hypot(x[:, 0], x[:, 1]) - 2)
    assert scipy.stats.kstest((v + PI + np.sin(v) / 4) / (2 * PI), "uniform").pvalue > 1e-3
    # On a cone the area up to the radius r is proportional to its square.
    x = EXAMPLES["cone"][0].sample_boundary("slope", N, rng).points
    assert scipy.stats.kstest(x[:, 0] ** 2 + x[:, 1] ** 2, "uniform").pvalue > 1e-3
    tags = ("left", "right", "front", "back", "bottom", "top")
    box = EXAMPLES["box"][0]
    x = box.sample_boundary("boundary", N, rng).points
    sides = itertools.product(range(3), range(2))
    counts = [np.sum(x[:, axis] == box.bounds()[end, axis]) for axis, end in sides]
    areas = np.array([box.boundary_measure(tag) for tag in tags])
    assert scipy.stats.chisquare(counts, N * areas / np.sum(areas)).pvalue > 1e-3


def test_the_same_generator_gives_the_same_points(solid):
    for draw in (
        lambda rng: solid.sample_interior(10, rng),
        lambda rng: solid.sample_boundary("boundary", 10, rng).points,
    ):
        np.testing.assert_array_equal(draw(np.random.default_rng(5)), draw(np.random.default_rng(5)))
    assert solid.sample_interior(0, np.random.default_rng(0)).shape == (0, 3)
    assert solid.sample_boundary("boundary", 0, np.random.default_rng(0)).points.shape == (0, 3)


def test_bounds_are_the_tightest(solid):
    low, high = solid.bounds()
    points = solid.sample_boundary("boundary", 50_000, np.random.default_rng(6)).points
    assert np.all(points >= low - 1e-12 * np.max(np.abs(low)))
    assert np.all(points <= high + 1e-12 * np.max(np.abs(high)))
    np.testing.assert_allclose(np.min(points, axis=0), low, atol=0.05 * np.max(high - low))
    np.testing.assert_allclose(np.max(points, axis=0), high, atol=0.05 * np.max(high - low))


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(sorted(EXAMPLES)),
    st.floats(0.1, 10),
    st.floats(-PI, PI),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_similarities_move_everything_alike(name, scale, angle, mirror, seed):
    solid, rng = EXAMPLES[name][0], np.random.default_rng(seed)
    matrix = scale * rotation(rng.normal(size=3), angle) @ np.diag([1, 1, -1 if mirror else 1])
    offset = rng.normal(size=3)
    moved = solid.moved(matrix, offset)
    x = around(solid, 50, rng)
    tolerance = 1e-12 * max(scale, 1) * max(1, np.max(np.abs(x)))
    np.testing.assert_allclose(
        moved.signed_distance(x @ matrix.T + offset), scale * solid.signed_distance(x), atol=tolerance
    )
    assert moved.interior_measure() == pytest.approx(scale**3 * solid.interior_measure(), rel=1e-12)
    assert moved.boundary_measure("boundary") == pytest.approx(scale**2 * solid.boundary_measure("boundary"), rel=1e-12)
    draw = moved.sample_boundary("boundary", 100, rng)
    assert np.all(moved.signed_distance(draw.points + 1e-6 * draw.normals) > 0)
    assert np.all(moved.signed_distance(draw.points - 1e-6 * draw.normals) < 0)


def test_other_maps_are_refused():
    ball = EXAMPLES["ball"][0]
    for matrix in (
        np.diag([1, 2, 1]),
        np.zeros((3, 3)),
        np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
        np.full((3, 3), np.nan),
    ):
        with pytest.raises(JnoValueError, match="rotated, mirrored, translated and scaled by one factor"):
            ball.moved(matrix, np.zeros(3))


def test_wrong_ranges_and_angles():
    with pytest.raises(JnoValueError, match="z_range must be"):
        Solid.extrusion(TRIANGLE, (1, 1))
    with pytest.raises(JnoValueError, match="angle must be above 0"):
        Solid.revolution(TRIANGLE, 7.0)
    with pytest.raises(JnoValueError, match="first coordinate is at least 0; its least is"):
        Solid.revolution(Outline.disk((0, 0), 0.5))


def test_points_that_are_not_finite_are_outside():
    ball = EXAMPLES["ball"][0]
    assert not np.any(ball.contains(np.array([[np.nan, 0, 0], [np.inf, 0, 0]])))


def test_a_turn_by_next_to_nothing():
    # The squares of what is left of two coordinates are too small for a number.
    turn = np.array([[0, 1, -1e-167], [0, 1e-167, 1], [1, 0, 0]])
    solid = Solid.box([(-1, 1), (0, 0.5), (0, 1)]).moved(turn, np.zeros(3))
    np.testing.assert_allclose(solid.bounds(), [[0, 0, -1], [0.5, 1, 1]], rtol=0, atol=1e-15)
