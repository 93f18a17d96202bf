"""Plane regions of segments and elliptic arcs: measures, points, distances, motions and meshes against closed forms."""

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
import shapely

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._regions.curves import Arc, Segment
from jno_plugin_geometry._regions.outline import Outline

STAR = [(0.0, 0.0), (0.3, 1.4), (1.0, 0.9), (2.1, 1.2), (1.8, -0.4)]
HOLES = [[(0.5, 0.4), (0.9, 0.4), (0.7, 0.8)], [(1.2, 0.2), (1.2, 0.5), (1.5, 0.5), (1.5, 0.2)]]
TURN = np.array([[0.6, -0.8], [0.8, 0.6]])


def plate():
    """A square with a round hole, an elliptic bay and a round bulge: pieces of all kinds."""
    square = Outline.polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)], named={"floor": [0]})
    hole = Outline.disk((0.2, 0.1), 0.3).renamed("hole")
    bay = Outline.ellipse((1.0, -0.4), (0.5, 0.2), 0.4).renamed("bay")
    bulge = Outline.disk((-1.0, 0.0), 0.5).renamed("bulge")
    return square.combined(hole, "difference").combined(bay, "difference").combined(bulge, "union")


REGIONS = {
    "polygon": Outline.polygon(STAR, HOLES),
    "disk": Outline.disk((1.0, -2.0), 0.7),
    "ellipse": Outline.ellipse((-0.4, 3.0), (2.0, 0.5), 0.3),
    "needle": Outline.ellipse((0.0, 0.0), (1.0, 0.01), 2.0),
    "plate": plate(),
    "mirrored": plate().moved(np.array([[-1.3, 0.4], [0.2, 0.7]]), np.array([5.0, -7.0])),
}


@pytest.fixture(params=REGIONS)
def region(request):
    return REGIONS[request.param]


def piece_points(piece, t):
    """Points of one piece at fractions `t`, straight from its definition."""
    t = np.asarray(t)[:, None]
    if isinstance(piece, Segment):
        return (1 - t) * piece.start + t * piece.end
    angle = piece.begin + t * (piece.end - piece.begin)
    return piece.center + piece.first * np.cos(angle) + piece.second * np.sin(angle)


def as_shapely(region, n=2000):
    """The region with `n` chords to each arc."""
    shape = shapely.Polygon()
    for ring in region.rings():
        points = [piece_points(piece, [0.0] if isinstance(piece, Segment) else np.arange(n) / n) for piece in ring]
        shape = shape.symmetric_difference(shapely.Polygon(np.concatenate(points)))
    return shape


def test_rings_are_closed_and_have_the_region_on_their_left(region):
    rings = region.rings()
    assert sum(len(ring) for ring in rings) == len(region.parts["boundary"])
    for ring in rings:
        for piece, onward in zip(ring, ring[1:] + ring[:1], strict=True):
            np.testing.assert_allclose(piece_points(piece, [1.0]), piece_points(onward, [0.0]), atol=1e-12)
            if isinstance(piece, Arc):
                assert 0 < piece.end - piece.begin <= np.pi * (1 + 1e-12)
            middle, beyond = piece_points(piece, [0.5]), piece_points(piece, [0.5 + 1e-5])
            along = beyond - middle
            left = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along)
            assert region.contains(middle + 1e-4 * left)[0]
            assert not region.contains(middle - 1e-4 * left)[0]


def test_polygon_agrees_with_shapely():
    region, expected = REGIONS["polygon"], shapely.Polygon(STAR, HOLES)
    assert region.interior_measure() == pytest.approx(expected.area, rel=1e-14)
    assert region.boundary_measure("boundary") == pytest.approx(expected.length, rel=1e-14)
    assert region.boundary_measure("outer") == pytest.approx(shapely.LinearRing(STAR).length, rel=1e-14)
    assert region.boundary_measure("hole_0") == pytest.approx(shapely.LinearRing(HOLES[0]).length, rel=1e-14)
    np.testing.assert_array_equal(region.bounds().ravel(), expected.bounds)
    points = np.random.default_rng(0).uniform(-0.5, 2.5, (3000, 2))
    there = shapely.points(points)
    np.testing.assert_array_equal(region.contains(points), expected.intersects(there))
    sign = np.where(expected.contains(there), -1.0, 1.0)
    np.testing.assert_allclose(region.signed_distance(points), sign * expected.boundary.distance(there), atol=1e-12)


@pytest.mark.parametrize("backwards", [False, True])
def test_named_edges_are_those_of_the_rings_as_given(backwards):
    outer, hole = (ring[::-1] if backwards else ring for ring in (STAR, HOLES[1]))
    region = Outline.polygon(outer, [hole], named={"third": [2], "of the hole": [len(outer) + 1, len(outer) + 3]})
    edge = np.linalg.norm(np.subtract(outer[2], outer[3]))
    assert region.boundary_measure("third") == pytest.approx(edge, rel=1e-14)
    draw = region.sample_boundary("third", 50, np.random.default_rng(0))
    line = shapely.LineString([outer[2], outer[3]])
    assert np.max(line.distance(shapely.points(draw.points))) < 1e-14
    sides = [shapely.LineString([hole[i], hole[(i + 1) % 4]]) for i in (1, 3)]
    assert region.boundary_measure("of the hole") == pytest.approx(sum(side.length for side in sides), rel=1e-14)


def test_disk_and_ellipse_have_their_closed_forms():
    disk = REGIONS["disk"]
    assert disk.interior_measure() == pytest.approx(np.pi * 0.49, rel=1e-14)
    assert disk.boundary_measure("boundary") == pytest.approx(2 * np.pi * 0.7, rel=1e-14)
    np.testing.assert_allclose(disk.bounds(), [[0.3, -2.7], [1.7, -1.3]], rtol=1e-14)
    for name, (a, b), angle in (("ellipse", (2.0, 0.5), 0.3), ("needle", (1.0, 0.01), 2.0)):
        ellipse = REGIONS[name]
        assert ellipse.interior_measure() == pytest.approx(np.pi * a * b, rel=1e-13)
        assert ellipse.boundary_measure("boundary") == pytest.approx(
            4 * a * scipy.special.ellipe(1 - (b / a) ** 2), rel=1e-12
        )
        reach = np.hypot([a * np.cos(angle), a * np.sin(angle)], [b * np.sin(angle), b * np.cos(angle)])
        np.testing.assert_allclose(np.diff(ellipse.bounds(), axis=0)[0], 2 * reach, rtol=1e-13)


def test_distance_from_a_disk():
    points = np.random.default_rng(1).normal((1.0, -2.0), 1.0, (1000, 2))
    expected = np.hypot(*(points - (1.0, -2.0)).T) - 0.7
    np.testing.assert_allclose(REGIONS["disk"].signed_distance(points), expected, atol=1e-14)


@pytest.mark.parametrize("axes", [(2.0, 0.5), (1.0, 0.01), (1.0, 0.99), (0.7, 1.9)])
def test_distance_from_an_elliptic_arc(axes):
    """Half and quarter ellipses, also for points whose nearest point of the whole ellipse is not on the arc."""
    a, b = axes
    half = Outline.ellipse((0, 0), axes).combined(
        Outline.polygon([(-3, 0.3 * b), (3, 0.1 * b), (3, 3), (-3, 3)]), "difference"
    )
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.uniform(-1.5, 1.5, (150, 2)) * axes, rng.uniform(-1, 1, (20, 1)) * [[a, 0.0]]])
    points = np.concatenate([points, [[0.0, 0.0], [0.0, 0.3 * b], [0.0, 5.0], [a, 0.0]]])
    expected = np.full(len(points), np.inf)
    for piece in half.rings()[0]:
        t = np.linspace(0, 1, 20001)
        curve = piece_points(piece, t)
        for k, point in enumerate(points):
            square = np.sum((curve - point) ** 2, axis=1)
            least = int(np.argmin(square))
            bounds = (t[max(least - 1, 0)], t[min(least + 1, len(t) - 1)])
            found = scipy.optimize.minimize_scalar(
                lambda s, piece=piece, point=point: np.sum((piece_points(piece, [s])[0] - point) ** 2),
                bounds=bounds,
                method="bounded",
                options={"xatol": 1e-12},
            )
            expected[k] = min(expected[k], np.sqrt(min(found.fun, square[0], square[-1])))
    np.testing.assert_allclose(np.abs(half.signed_distance(points)), expected, atol=1e-9)


def test_distance_is_that_of_fine_chords_and_1_lipschitz(region):
    low, high = region.bounds()
    rng = np.random.default_rng(3)
    points = rng.uniform(low - 0.3, high + 0.3, (400, 2))
    shape = as_shapely(region)
    there = shapely.points(points)
    distance = region.signed_distance(points)
    np.testing.assert_allclose(np.abs(distance), shape.boundary.distance(there), atol=3e-6)
    clear = np.abs(distance) > 1e-5
    np.testing.assert_array_equal((distance < 0)[clear], shape.contains(there)[clear])
    np.testing.assert_array_equal((distance < 0)[clear], region.contains(points)[clear])
    other = points + rng.normal(0, 0.1, points.shape)
    step = np.hypot(*(points - other).T)
    assert np.all(np.abs(distance - region.signed_distance(other)) <= step * (1 + 1e-9) + 1e-12)


def test_boundary_points_are_uniform_with_outward_normals(region):
    rng = np.random.default_rng(4)
    draw = region.sample_boundary("boundary", 4000, rng)
    assert draw.points.shape == draw.normals.shape == (4000, 2)
    assert np.max(np.abs(region.signed_distance(draw.points))) <= 1e-12 * max(
        region.size, np.max(np.abs(region.bounds()))
    )
    np.testing.assert_allclose(np.hypot(*draw.normals.T), 1.0, atol=1e-14)
    assert np.all(region.contains(draw.points))
    step = 1e-6 * region.size
    # Steps next to corners may leave through the other side.
    outward = region.signed_distance(draw.points + step * draw.normals) > 0
    inward = region.signed_distance(draw.points - step * draw.normals) < 0
    assert np.mean(outward & inward) > 0.995
    # Mean values are those of the line integrals over the pieces.
    for f in (lambda p: p[:, 0], lambda p: p[:, 0] * p[:, 1]):
        values = f(draw.points)
        exact = line_integral(region, lambda p, n, f=f: f(p)) / region.boundary_measure("boundary")
        assert abs(np.mean(values) - exact) < 5 * np.std(values) / np.sqrt(len(values))


def line_integral(region, f):
    """The integral of `f(points, normals)` along the boundary by Gauss-Legendre quadrature on each piece."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    total = 0.0
    for ring in region.rings():
        for piece in ring:
            for low in np.arange(200) / 200:
                t = low + (nodes + 1) / 400
                if isinstance(piece, Segment):
                    velocity = np.tile(piece.end - piece.start, (len(t), 1))
                else:
                    span = piece.end - piece.begin
                    angle = (piece.begin + span * t)[:, None]
                    velocity = span * (piece.second * np.cos(angle) - piece.first * np.sin(angle))
                speed = np.hypot(*velocity.T)
                normals = np.stack([velocity[:, 1], -velocity[:, 0]], axis=1) / speed[:, None]
                total += np.sum(weights / 400 * speed * f(piece_points(piece, t), normals))
    return total


def test_divergence_theorem_and_lengths(region):
    constant = np.array([0.3, -1.2])
    matrix = np.array([[0.7, 2.0], [-0.4, 1.1]])
    length = region.boundary_measure("boundary")
    assert line_integral(region, lambda p, n: n @ constant) == pytest.approx(0.0, abs=1e-11 * length)
    flux = line_integral(region, lambda p, n: np.sum((p @ matrix.T) * n, axis=1))
    assert flux == pytest.approx(np.trace(matrix) * region.interior_measure(), rel=1e-10)
    assert line_integral(region, lambda p, n: np.ones(len(p))) == pytest.approx(length, rel=1e-11)


def test_points_of_an_ellipse_are_uniform_by_arc_length():
    region = Outline.ellipse((0, 0), (1.0, 0.1))
    points = region.sample_boundary("boundary", 5000, np.random.default_rng(5)).points
    angle = np.mod(np.arctan2(points[:, 1] / 0.1, points[:, 0]), 2 * np.pi)
    # The length up to an angle, counted from the end of the short axis.
    share = scipy.special.ellipeinc(angle + np.pi / 2, 0.99) - scipy.special.ellipeinc(np.pi / 2, 0.99)
    assert scipy.stats.kstest(share / (4 * scipy.special.ellipe(0.99)), "uniform").pvalue > 1e-3


def test_interior_points_are_uniform(region):
    points = region.sample_interior(20_000, np.random.default_rng(6))
    assert points.shape == (20_000, 2)
    assert np.all(region.contains(points))
    # By Green's theorem the integral of x is that of x**2 / 2 in the x direction over the boundary.
    exact = line_integral(region, lambda p, n: p[:, 0] ** 2 / 2 * n[:, 0]) / region.interior_measure()
    x = points[:, 0]
    assert abs(np.mean(x) - exact) < 5 * np.std(x) / np.sqrt(len(x))
    exact = line_integral(region, lambda p, n: p[:, 0] * p[:, 1] ** 2 / 2 * n[:, 1]) / region.interior_measure()
    xy = np.prod(points, axis=1)
    assert abs(np.mean(xy) - exact) < 5 * np.std(xy) / np.sqrt(len(xy))


def test_contains_at_the_height_of_vertices_and_on_chords():
    """Points of a lattice through all vertices of octagons, and through the seams of circles."""
    lattice = np.stack(np.meshgrid(*([np.arange(-12, 13) / 4] * 2)), axis=-1).reshape(-1, 2)
    octagon = [(2, 1), (1, 2), (-1, 2), (-2, 1), (-2, -1), (-1, -2), (1, -2), (2, -1)]
    expected = (np.max(np.abs(lattice), axis=1) <= 2) & (np.sum(np.abs(lattice), axis=1) <= 3)
    np.testing.assert_array_equal(Outline.polygon(octagon).contains(lattice), expected)
    for angle in np.arange(8) * np.pi / 4:
        disk = Outline.ellipse((0.0, 0.0), (2.0, 2.0), angle)
        np.testing.assert_array_equal(disk.contains(lattice), np.hypot(*lattice.T) <= 2)


def test_the_boundary_belongs_to_the_region_and_points_apart_do_not(region):
    draw = region.sample_boundary("boundary", 500, np.random.default_rng(7))
    assert np.all(region.contains(draw.points + 5e-10 * region.size * draw.normals))
    beyond = draw.points + 5e-9 * region.size * draw.normals
    assert np.mean(region.contains(beyond)) < 0.01
    assert not np.any(region.contains(np.array([[np.nan, 0.0], [np.inf, 0.0], [1e300, 1e300]])))


@pytest.mark.parametrize(
    "matrix", [TURN, TURN @ np.diag([1.0, -1.0]), np.diag([2.0, 0.3]), np.array([[1.2, 0.7], [-0.1, -0.4]])]
)
def test_motion_carries_everything_along(region, matrix):
    offset = np.array([3.0, -4.0])
    moved = region.moved(matrix, offset)
    assert moved.boundary_tags() == region.boundary_tags()
    assert moved.interior_measure() == pytest.approx(abs(np.linalg.det(matrix)) * region.interior_measure(), rel=1e-12)
    low, high = region.bounds()
    points = np.random.default_rng(8).uniform(low, high, (500, 2))
    distance = region.signed_distance(points)
    clear = np.abs(distance) > 1e-9
    there = points @ matrix.T + offset
    np.testing.assert_array_equal(moved.contains(there)[clear], region.contains(points)[clear])
    if np.allclose(matrix @ matrix.T, np.eye(2)):
        np.testing.assert_allclose(moved.signed_distance(there), distance, atol=1e-11)
    for tag in region.boundary_tags():
        draw = region.sample_boundary(tag, 50, np.random.default_rng(9))
        part = moved.sample_boundary(tag, 2000, np.random.default_rng(9)).points
        image = draw.points @ matrix.T + offset
        assert np.max(np.abs(moved.signed_distance(image))) < 1e-10
        # The part's image is the image's part: each point has neighbours in the other sample.
        gaps = np.min(np.linalg.norm(image[:, None] - part, axis=-1), axis=1)
        assert np.max(gaps) < 0.02 * moved.boundary_measure(tag)


def test_points_that_are_no_numbers_do_not_disturb_the_others(region):
    points = np.concatenate([region.sample_interior(5, np.random.default_rng(10)), [[np.nan, 0.0]]])
    distance = region.signed_distance(points)
    assert np.isnan(distance[-1])
    np.testing.assert_array_equal(distance[:-1], region.signed_distance(points[:-1]))
    np.testing.assert_array_equal(region.contains(points), [True] * 5 + [False])


def test_renamed_region_has_one_part():
    region = REGIONS["plate"].renamed("rim")
    assert set(region.boundary_tags()) == {"boundary", "rim"}
    assert region.boundary_measure("rim") == region.boundary_measure("boundary")
    assert region.renamed("boundary").boundary_tags() == ("boundary",)


def test_mistakes_are_named():
    with pytest.raises(JnoValueError, match="at least 3"):
        Outline.polygon([(0, 0), (1, 0)])
    with pytest.raises(JnoValueError, match=r"holes\[0\]"):
        Outline.polygon(STAR, [[(5, 5), (6, 5), (5, 6)]])
    for radii in ((0.0, 1.0), (1.0, -1.0), (np.inf, 1.0), (np.nan, 1.0)):
        with pytest.raises(JnoValueError, match="radii"):
            Outline.ellipse((0, 0), radii)
    for matrix in (np.diag([1.0, 0.0]), np.diag([np.nan, 1.0])):
        with pytest.raises(JnoValueError, match="flatten"):
            REGIONS["disk"].moved(matrix, np.zeros(2))
    with pytest.raises(JnoValueError, match="mesh_size"):
        REGIONS["disk"].mesh(1e-9)
    with pytest.raises(JnoTypeError, match="combined"):
        REGIONS["disk"].combined("a string", "union")


@pytest.mark.parametrize("name", ["polygon", "disk", "plate"])
def test_mesh_lies_on_the_curves_and_has_all_tags(name):
    region = REGIONS[name]
    mesh = region.mesh(0.15)
    assert set(mesh.facets) == set(region.boundary_tags())
    scale = np.max(np.abs(region.bounds()))
    assert np.max(np.abs(region.signed_distance(mesh.points[mesh.nodes("boundary")]))) < 1e-12 * scale
    assert np.all(region.contains(mesh.points))
    for tag in region.boundary_tags():
        assert np.sum(mesh.facet_measures(tag)) == pytest.approx(region.boundary_measure(tag), rel=0.03)
    area = np.sum(mesh.cell_measures())
    exact = region.interior_measure()
    assert area == pytest.approx(exact, rel=1e-9 if name == "polygon" else 0.02)
    finer = abs(np.sum(region.mesh(0.075).cell_measures()) - exact)
    assert finer <= max(0.35 * abs(area - exact), 1e-9)


def test_mesh_of_components_that_touch():
    chain = Outline.disk((0, 0), 1.0).combined(Outline.disk((2, 0), 1.0), "union")
    apart = Outline.disk((0, 0), 1.0).combined(Outline.disk((5, 0), 1.0), "union")
    for region, shared in ((chain, 1), (apart, 0)):
        mesh = region.mesh(0.4)
        near = np.linalg.norm(mesh.points - [1.0, 0.0], axis=1) < 1e-9
        assert np.sum(near) == 1
        assert np.sum(mesh.cell_measures()) == pytest.approx(2 * np.pi, rel=0.05)
        # Euler's formula: V - E + F is one for each component, less one for a shared node.
        sides = np.sort(np.concatenate([mesh.cells[:, [0, 1]], mesh.cells[:, [1, 2]], mesh.cells[:, [2, 0]]]), axis=1)
        edges = len(np.unique(sides, axis=0))
        assert len(mesh.points) - edges + len(mesh.cells) == 2 - shared


def test_mesh_of_a_hole_that_touches_from_inside():
    region = Outline.disk((0, 0), 1.0).combined(Outline.disk((0.5, 0), 0.5), "difference")
    mesh = region.mesh(0.2)
    assert np.sum(mesh.cell_measures()) == pytest.approx(0.75 * np.pi, rel=0.02)


def test_every_arc_has_at_least_eight_chords_to_a_turn():
    mesh = Outline.disk((0, 0), 1.0).mesh(5.0)
    assert len(mesh.facets["boundary"]) >= 8


def test_other_parts_of_the_same_region():
    square = Outline.polygon([(0, 0), (2, 0), (2, 1), (0, 1)], named={"old": [3]})
    found = square.with_parts({"floor": [0], "sides": np.array([1, 3]), "boundary": [2]})
    assert found.boundary_tags() == ("boundary", "floor", "sides")
    assert [found.boundary_measure(tag) for tag in found.boundary_tags()] == [6.0, 2.0, 2.0]
    assert square.boundary_tags() == ("boundary", "outer", "old")
