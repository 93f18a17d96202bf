"""Polygons with named regions: parts that are added, points and normals in them, and radiation between them."""

import numpy as np
import pytest
import scipy.stats
import shapely

from jno_core._domain.view_factors import Surface, view_factors
from jno_core.errors import JnoKeyError, JnoNotImplementedError, JnoTypeError, JnoValueError
from jno_plugin_geometry._polygon_geometry import PolygonGeometry

UNIT = [(0, 0), (1, 0), (1, 1), (0, 1)]
FINS = {"plate": shapely.box(0, 0, 2, 1), "fin": shapely.box(0.5, 1, 0.75, 3), "gas": shapely.box(0.75, 1, 2, 3)}


def rng():
    return np.random.default_rng(5)


@pytest.fixture
def fins():
    return PolygonGeometry(FINS)


def test_a_predicate_selects_whole_edges(fins):
    made = fins.with_region("hot", lambda x, y: y < 0.1)
    assert made.tags()["hot"] == "boundary"
    assert made.measure("hot") == 2
    np.testing.assert_array_equal(made.sample("hot", 4, rng()).normals, np.tile([0, -1.0], (4, 1)))
    assert "hot" not in fins.tags()
    # Whether other parts were added before makes no difference.
    again = fins.with_boundary_segments("half", [[(0, 0), (0.9, 0)]]).with_region("hot", lambda x, y: 0.95 < x < 1.05)
    assert again.measure("hot") == 2


def test_lines_and_areas_are_registered_as_far_as_they_lie_in_the_geometry(fins):
    made = fins.with_region("inlet", shapely.LineString([(0, -3), (0, 0.5)])).with_region(
        "core", shapely.box(1, 0.5, 4, 2)
    )
    assert made.tags()["inlet"] == "boundary"
    assert made.tags()["core"] == "interior"
    assert made.measure("inlet") == 0.5
    assert made.measure("core") == pytest.approx(1.5)
    np.testing.assert_array_equal(made.sample("inlet", 4, rng()).normals, np.tile([-1.0, 0], (4, 1)))
    assert made.measure("interior_plate") == 2
    rim = fins.with_region("rim", shapely.box(0.1, 0.1, 0.3, 0.2), kind="boundary")
    assert rim.measure("rim") == pytest.approx(0.6)
    np.testing.assert_array_equal(made.boundary_edges().shape[1:], (2, 2))


def test_a_tag_gets_another_name(fins):
    made = fins.with_region("wall", "interface_fin_gas").with_region("solid", "interior_fin", kind="interior")
    assert made.measure("wall") == 2
    assert made.tags()["solid"] == "interior"
    assert made.measure("solid") == fins.measure("interior_fin")
    assert made.with_region("again", "wall").measure("again") == 2
    assert np.all(made.sample("solid", 20, rng()).points[:, 1] >= 1)


def test_parts_that_cannot_be_added(fins):
    with pytest.raises(JnoValueError, match="no tag 'nowhere'"):
        fins.with_region("a", "nowhere")
    with pytest.raises(JnoValueError, match="no edge"):
        fins.with_region("a", lambda x, y: False)
    with pytest.raises(JnoNotImplementedError, match="as an area"):
        fins.with_region("a", lambda x, y: True, kind="interior")
    with pytest.raises(JnoTypeError, match="where must be"):
        fins.with_region("a", 3)
    with pytest.raises(JnoValueError, match="kind must be"):
        fins.with_region("a", lambda x, y: True, kind="edge")
    with pytest.raises(JnoValueError, match="cannot be of kind"):
        fins.with_region("a", "boundary", kind="interior")
    with pytest.raises(JnoValueError, match="needs an area"):
        fins.with_region("a", shapely.LineString([(0, 0), (1, 0)]), kind="interior")
    with pytest.raises(JnoValueError, match="needs an area"):
        fins.with_region("a", shapely.Point(0, 0))
    with pytest.raises(JnoValueError, match="no area in common"):
        fins.with_region("a", shapely.box(7, 7, 8, 8))
    with pytest.raises(JnoValueError, match="Nothing of the line"):
        fins.with_region("a", shapely.LineString([(7, 7), (8, 8)]))
    with pytest.raises(JnoValueError, match="is a tag"):
        fins.with_region("boundary", lambda x, y: True)
    with pytest.raises(JnoValueError, match="name of a region already"):
        fins.with_region("fin", shapely.box(0, 0, 1, 1))
    with pytest.raises(JnoTypeError, match="must be a string"):
        fins.with_region(3, lambda x, y: True)


def test_an_added_part_can_be_given_anew(fins):
    made = fins.with_region("part", lambda x, y: y < 0.1).with_region("part", shapely.box(0, 0, 1, 1))
    assert made.tags()["part"] == "interior"


def test_segments_become_a_boundary(fins):
    made = fins.with_boundary_segments("heated", [[(0.2, 0), (0.6, 0)], [(1, 0, 5), (1.5, 0, 5)], [(1, 1), (1, 1)]])
    assert made.measure("heated") == pytest.approx(0.9)
    np.testing.assert_array_equal(made.sample("heated", 4, rng()).normals, np.tile([0, -1.0], (4, 1)))
    assert made.measure("boundary") == fins.measure("boundary")


@pytest.mark.parametrize(
    ("behind", "normal"),
    [("gas", -1), ("fin", 1), (["fin", "plate"], 1), (FINS["gas"], -1), (None, 1), (shapely.box(8, 8, 9, 9), 1)],
)
def test_normals_point_away_from_the_named_geometry(fins, behind, normal):
    # Drawn upwards, so that by itself the normal points to the right, which is out of the fin.
    made = fins.with_boundary_segments("wall", [[(0.75, 1.5), (0.75, 2.5)]], normal_geometry=behind)
    np.testing.assert_array_equal(made.sample("wall", 3, rng()).normals, np.tile([float(normal), 0], (3, 1)))


def test_segments_given_in_single_precision_lie_on_the_edge():
    corners = np.array([(0.1, 0.2), (0.9, 0.3), (0.4, 0.8)])
    ends = corners[0] + np.array([[0.25], [0.75]]) * (corners[1] - corners[0])
    made = PolygonGeometry(corners).with_boundary_segments("part", [ends.astype(np.float32)])
    assert made.measure("part") == pytest.approx(np.linalg.norm(ends[1] - ends[0]), rel=1e-6)
    along = (corners[1] - corners[0]) / np.linalg.norm(corners[1] - corners[0])
    np.testing.assert_allclose(
        made.sample("part", 3, rng()).normals, np.tile([along[1], -along[0]], (3, 1)), atol=1e-12
    )
    assert made.measure("boundary") == pytest.approx(PolygonGeometry(corners).measure("boundary"), rel=1e-12)


def test_segments_that_make_no_sense(fins):
    with pytest.raises(JnoValueError, match="a segment with a length"):
        fins.with_boundary_segments("a", [[(0, 0), (0, 0)]])
    with pytest.raises(JnoValueError, match="a segment with a length"):
        fins.with_boundary_segments("a", [])
    with pytest.raises(JnoValueError, match="two finite points"):
        fins.with_boundary_segments("a", [[(0, 0), (1, 0), (2, 0)]])
    with pytest.raises(JnoTypeError, match="pairs of points"):
        fins.with_boundary_segments("a", 3)
    with pytest.raises(JnoValueError, match="no region 'stone'"):
        fins.with_boundary_segments("a", [[(0, 0), (1, 0)]], normal_geometry="stone")
    with pytest.raises(JnoTypeError, match="normal_geometry"):
        fins.with_boundary_segments("a", [[(0, 0), (1, 0)]], normal_geometry=3)


def test_points_lie_in_their_parts_and_follow_the_generator(fins):
    for tag, kind in fins.tags().items():
        draw, again = fins.sample(tag, 60, rng()), fins.sample(tag, 60, rng())
        np.testing.assert_array_equal(draw.points, again.points)
        assert draw.points.shape == (60, 2)
        assert np.all(fins.contains(draw.points))
        assert fins.sample(tag, 0, rng()).points.shape == (0, 2)
        if kind == "interior":
            assert draw.normals is None
        if tag.removeprefix("interior_") in FINS:
            assert np.all(shapely.intersects_xy(FINS[tag.removeprefix("interior_")].buffer(1e-12), *draw.points.T))
        if kind == "boundary":
            np.testing.assert_allclose(np.linalg.norm(draw.normals, axis=1), 1, rtol=1e-14)
    outer = fins.sample("boundary", 300, rng())
    assert np.all(fins.contains(outer.points - 1e-7 * outer.normals))
    assert not np.any(fins.contains(outer.points + 1e-7 * outer.normals))


def test_points_are_uniform(fins):
    assert PolygonGeometry([(0, 0), (2, 0), (0, 2)]).measure("interior") == 2
    points = PolygonGeometry([(0, 0), (2, 0), (0, 2)]).sample("interior", 4000, rng()).points
    # Of the triangle the share below x is 1 - (1 - x / 2)**2.
    assert scipy.stats.kstest(1 - (1 - points[:, 0] / 2) ** 2, "uniform").pvalue > 1e-3
    counts = [
        np.sum(shapely.intersects_xy(area, *fins.sample("interior", 5000, rng()).points.T)) for area in FINS.values()
    ]
    areas = np.array([area.area for area in FINS.values()])
    assert scipy.stats.chisquare(counts, 5000 * areas / np.sum(areas)).pvalue > 1e-3
    points = fins.sample("boundary_gas", 4000, rng()).points
    around = np.array([FINS["gas"].exterior.project(shapely.Point(p)) for p in points]) / FINS["gas"].length
    assert scipy.stats.kstest(around, "uniform").pvalue > 1e-3


def test_samplers_draw_the_points_of_regions():
    def centre(area, n):
        return np.tile(shapely.get_coordinates(area.centroid), (n, 1))

    geometry = PolygonGeometry(FINS, sampler=centre, samplers={"fin": lambda area, n: np.tile([0.5, 3.0], (n, 1))})
    np.testing.assert_array_equal(geometry.sample("interior_fin", 2, rng()).points, [(0.5, 3), (0.5, 3)])
    np.testing.assert_allclose(geometry.sample("interior_plate", 1, rng()).points, [(1, 0.5)])
    np.testing.assert_allclose(
        geometry.sample("interior", 1, rng()).points, shapely.get_coordinates(geometry.active.centroid)
    )
    assert len(np.unique(geometry.sample("boundary", 5, rng()).points, axis=0)) == 5


def test_samplers_that_make_no_sense():
    with pytest.raises(JnoValueError, match="'stone'"):
        PolygonGeometry(UNIT, samplers={"stone": lambda area, n: np.zeros((n, 2))})
    with pytest.raises(JnoTypeError, match="must be a function"):
        PolygonGeometry(UNIT, sampler=3)
    with pytest.raises(JnoTypeError, match="samplers must map"):
        PolygonGeometry(UNIT, samplers=3)
    with pytest.raises(JnoValueError, match=r"shape \(4, 2\)"):
        PolygonGeometry(UNIT, sampler=lambda area, n: np.zeros((2, 2))).sample("interior", 4, rng())
    with pytest.raises(JnoValueError, match="not in it"):
        PolygonGeometry(UNIT, sampler=lambda area, n: np.full((n, 2), 7.0)).sample("interior", 4, rng())


def test_unknown_tags_and_wrong_points(fins):
    for ask in (fins.measure, fins.sides, lambda tag: fins.sample(tag, 1, rng())):
        with pytest.raises(JnoKeyError, match="no tag 'nowhere'"):
            ask("nowhere")
    with pytest.raises(JnoValueError, match=r"\(n, 2\)"):
        fins.contains(np.zeros((3, 3)))
    with pytest.raises(JnoValueError, match="at least 0"):
        fins.sample("interior", -1, rng())
    np.testing.assert_array_equal(
        fins.contains([(0, 0), (-1e-12, 0), (-1e-6, 0), (np.nan, 0)]), [True, True, False, False]
    )


def test_sides_tell_the_regions_beside_each_edge(fins):
    sides = fins.sides("boundary_fin")
    beside = {(tuple(np.mean(e, axis=0)), a, b) for e, a, b in zip(sides.edges, sides.left, sides.right, strict=True)}
    fin, gas, plate, none = frozenset({"fin"}), frozenset({"gas"}), frozenset({"plate"}), frozenset()
    middles = {(0.625, 1.0): plate, (0.75, 2.0): gas, (0.625, 3.0): none, (0.5, 2.0): none}
    assert beside == {(middle, fin, other) for middle, other in middles.items()}
    with pytest.raises(JnoValueError, match="interior tag"):
        fins.sides("interior")


def test_normals_are_turned_into_the_medium(fins):
    draw = fins.sample("boundary_fin", 200, rng())
    turned = fins.turned_into(draw.points, draw.normals)
    np.testing.assert_array_equal(turned, draw.normals)
    inner = fins.sample("interface_gas_fin", 20, rng())
    np.testing.assert_array_equal(fins.turned_into(inner.points, inner.normals), -inner.normals)
    np.testing.assert_array_equal(fins.turned_into(inner.points, inner.normals, ["fin"]), inner.normals)
    named = PolygonGeometry({"solid": FINS["fin"], "AIR": FINS["gas"]})
    np.testing.assert_array_equal(named.turned_into(inner.points, inner.normals), -inner.normals)
    # Without a medium it is all of the geometry: outer normals are turned inwards, those between its regions stay.
    none = PolygonGeometry({"solid": FINS["fin"], "other": FINS["gas"]})
    np.testing.assert_array_equal(none.turned_into(inner.points, inner.normals), inner.normals)
    outer = none.sample("boundary", 20, rng())
    np.testing.assert_array_equal(none.turned_into(outer.points, outer.normals), -outer.normals)
    with pytest.raises(JnoValueError, match="no region 'stone'"):
        fins.turned_into(inner.points, inner.normals, ["stone"])


def test_obstacles_are_all_edges_of_regions_and_no_drawn_lines(fins):
    drawn = fins.with_boundary_segments("inside", [[(0.5, 0.5), (1.5, 0.5)]]).with_region(
        "core", shapely.box(1, 0.2, 1.5, 0.4)
    )
    for geometry in (fins, drawn):
        edges = geometry.boundary_edges()
        lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
        assert np.sum(lengths) == pytest.approx(fins.measure("boundary") + 0.25 + 1.25 + 2, rel=1e-13)


def test_radiation_between_a_body_and_the_walls_around_it():
    """All that a convex body radiates arrives at the walls, and of what the walls radiate, by reciprocity, its share."""
    walls = PolygonGeometry(shapely.box(0, 0, 3, 2), "gas")
    geometry = walls.combined("difference", PolygonGeometry(shapely.box(1, 0.8, 1.5, 1.3), "body"))

    def surface(tag, n):
        draw = geometry.sample(tag, n, rng())
        weights = np.full(n, geometry.measure(tag) / n)
        return Surface(draw.points, geometry.turned_into(draw.points, draw.normals), weights)

    body, left, right = surface("boundary_body", 400), surface("left", 300), surface("right", 300)
    around = [left, right, surface("bottom", 400), surface("top", 400)]
    edges = geometry.boundary_edges()
    assert sum(np.sum(view_factors(body, wall, edges).factors) for wall in around) / 400 == pytest.approx(1, rel=0.02)
    back = sum(np.sum(view_factors(wall, body, edges).factors * wall.weights[:, None]) for wall in around)
    assert back == pytest.approx(geometry.measure("boundary_body"), rel=0.02)
    assert not np.any(view_factors(body, body, edges).visible)
    # From the left to the right wall rays pass over or under the body: crossed strings round its corners.
    seen = np.sum(view_factors(left, right, edges).factors) / 300
    over = np.hypot(1.5, 0.7) + np.hypot(2, 0.7) - 3.5
    under = np.hypot(1.5, 0.8) + np.hypot(2, 0.8) - 3.5
    assert seen == pytest.approx((over + under) / 4, rel=0.03)
