"""Polygons with named regions: what they are made from, their tags and measures, and set operations."""

import operator as operators

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from shapely.ops import split

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._polygon_geometry import PolygonGeometry

UNIT = [(0, 0), (1, 0), (1, 1), (0, 1)]
FINS = {"plate": shapely.box(0, 0, 2, 1), "fin": shapely.box(0.5, 1, 0.75, 3), "gas": shapely.box(0.75, 1, 2, 3)}


def rng():
    return np.random.default_rng(5)


@pytest.fixture
def fins():
    return PolygonGeometry(FINS)


def test_vertices_make_one_region_with_numbered_edges():
    geometry = PolygonGeometry([(0, 0), (2, 0), (0, 1)], name="wedge")
    edges = [f"boundary_wedge_{i}" for i in range(3)]
    assert geometry.tags() == {
        "interior": "interior",
        "interior_wedge": "interior",
        **dict.fromkeys(["boundary", "boundary_wedge", *edges], "boundary"),
    }
    assert geometry.dimension == 2
    assert [geometry.measure(edge) for edge in edges] == pytest.approx([2, 5**0.5, 1])
    assert geometry.mesh() is None
    assert set(PolygonGeometry(UNIT).regions) == {"polygon"}


@pytest.mark.parametrize("source", [shapely.box(0, 1, 3, 2), [(0, 1), (3, 1), (3, 2), (0, 2), (0, 1)]])
def test_boxes_have_named_sides(source):
    geometry = PolygonGeometry(source)
    sides = {"left": (-1, 0), "right": (1, 0), "bottom": (0, -1), "top": (0, 1)}
    for side, normal in sides.items():
        draw = geometry.sample(side, 50, rng())
        np.testing.assert_array_equal(draw.normals, np.tile(normal, (50, 1)))
        assert geometry.measure(side) == (3 if normal[0] == 0 else 1)
    assert not sides.keys() & PolygonGeometry([(0, 0), (2, 0), (0, 1)]).tags().keys()


def test_hairline_gaps_do_not_spoil_the_sides_of_a_box():
    assert 0.1 + 0.2 != 0.3
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 0.3, 1), "b": shapely.box(0.1 + 0.2, 0, 1, 1)})
    assert [geometry.measure(side) for side in ("left", "right", "bottom", "top")] == pytest.approx([1, 1, 1, 1])
    assert geometry.measure("interface_a_b") == 1


def test_a_box_of_several_regions_and_with_a_hole_has_sides_too():
    halves = {"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 2, 1)}
    geometry = PolygonGeometry(halves).combined("difference", PolygonGeometry(shapely.box(0.2, 0.2, 0.4, 0.4), "hole"))
    assert [geometry.measure(side) for side in ("left", "right", "bottom", "top")] == [1, 1, 2, 2]
    assert geometry.measure("boundary") == pytest.approx(6 + 0.8, rel=1e-14)


def test_regions_sum_up(fins):
    assert fins.measure("interior") == pytest.approx(sum(area.area for area in FINS.values()), rel=1e-14)
    for name, area in FINS.items():
        assert fins.measure(f"interior_{name}") == area.area
        assert fins.measure(f"boundary_{name}") == pytest.approx(area.length, rel=1e-14)
        edges = [tag for tag in fins.tags() if tag.startswith(f"boundary_{name}_")]
        assert sum(fins.measure(edge) for edge in edges) == pytest.approx(area.length, rel=1e-14)
    interfaces = {"plate_fin": 0.25, "plate_gas": 1.25, "fin_gas": 2.0}
    for pair, length in interfaces.items():
        a, b = pair.split("_")
        assert fins.measure(f"interface_{a}_{b}") == fins.measure(f"interface_{b}_{a}") == pytest.approx(length)
    # Each interface belongs to the boundaries of two regions and not to the outer boundary.
    outer = sum(area.length for area in FINS.values()) - 2 * sum(interfaces.values())
    assert fins.measure("boundary") == pytest.approx(outer, rel=1e-14)
    assert fins.measure("boundary") == pytest.approx(shapely.union_all(list(FINS.values())).length, rel=1e-14)


def test_interface_normals_point_from_the_first_to_the_second(fins):
    np.testing.assert_array_equal(fins.sample("interface_fin_gas", 9, rng()).normals, np.tile([1.0, 0], (9, 1)))
    np.testing.assert_array_equal(fins.sample("interface_gas_fin", 9, rng()).normals, np.tile([-1.0, 0], (9, 1)))
    np.testing.assert_array_equal(fins.sample("interface_gas_plate", 9, rng()).normals, np.tile([0, -1.0], (9, 1)))


def test_edges_that_overlap_in_part_up_to_rounding_are_one():
    at = np.array([0.0, 1 / 3, 0.7, 1.0])
    slope = np.stack([at, 0.1 * at + 0.2 * at], axis=1)
    geometry = PolygonGeometry(
        {
            "above": [slope[0], slope[3], (0, 1)],
            "below": [slope[1], (1, -1), slope[2]],
            "beside": [slope[0], slope[1], (0, -1)],
        }
    )
    steep = 1.09**0.5
    assert geometry.measure("interface_above_below") == pytest.approx((0.7 - 1 / 3) * steep, rel=1e-12)
    assert geometry.measure("interface_above_beside") == pytest.approx(steep / 3, rel=1e-12)
    assert "interface_below_beside" not in geometry.tags()
    normals = geometry.sample("interface_below_above", 5, rng()).normals
    np.testing.assert_allclose(normals, np.tile([-0.3 / steep, 1 / steep], (5, 1)), rtol=1e-9)


@pytest.mark.parametrize("gap", [1e-11, -1e-11])
def test_gaps_and_overlaps_below_the_tolerance_close(gap):
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1 + gap, 0.2, 2, 0.8)})
    assert geometry.measure("interface_a_b") == pytest.approx(0.6)
    assert geometry.measure("boundary") == pytest.approx(4 + 2 * 1 + 0.6 - 0.6, rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-3, 3))
def test_a_cut_square_keeps_its_area_and_gains_interfaces(seed, scale, angle):
    """Lines through a turned square cut it into convex pieces; all lengths and areas are those of the pieces."""
    draws = np.random.default_rng(seed)
    pieces = [shapely.box(-1, -1, 1, 1)]
    for _ in range(4):
        a, b = draws.normal(size=(2, 2)) * 0.5
        cut = shapely.LineString([a - 9 * (b - a), b + 9 * (b - a)])
        pieces = [part for piece in pieces for part in shapely.get_parts(split(piece, cut))]
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    pieces = [shapely.transform(piece, lambda xy: xy @ turn.T + [3 * scale, scale]) for piece in pieces]
    geometry = PolygonGeometry({f"r{i}": piece for i, piece in enumerate(pieces)})
    assert geometry.measure("interior") == pytest.approx(4 * scale**2, rel=1e-9)
    assert geometry.measure("boundary") == pytest.approx(8 * scale, rel=1e-7)
    total = sum(geometry.measure(tag) for tag in geometry.tags() if tag.startswith("interface_"))
    lengths = sum(piece.length for piece in pieces)
    assert total == pytest.approx(lengths - 8 * scale, rel=1e-6, abs=1e-6 * scale)
    for i, piece in enumerate(pieces):
        assert geometry.measure(f"boundary_r{i}") == pytest.approx(piece.length, rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["union", "intersection", "difference", "symmetric_difference"]))
def test_set_operations_are_those_of_shapely(seed, operation):
    draws = np.random.default_rng(seed)
    one, other = (shapely.Point(draws.random(2)).buffer(0.6 + draws.random(), quad_segs=4) for _ in range(2))
    expected = getattr(shapely, operation)(one, other)
    if expected.is_empty:
        with pytest.raises(JnoValueError, match="is empty"):
            PolygonGeometry(one, "a").combined(operation, PolygonGeometry(other, "b"))
        return
    operator = {"union": "or_", "intersection": "and_", "difference": "sub", "symmetric_difference": "xor"}[operation]
    found = getattr(operators, operator)(PolygonGeometry(one, "a"), PolygonGeometry(other, "b"))
    assert found.measure("interior") == pytest.approx(expected.area, rel=1e-8)
    assert found.measure("boundary") == pytest.approx(expected.length, rel=1e-8)
    apart = operation in ("difference", "symmetric_difference")
    for name, source, rest in [("a", one, other), ("b", other, one)]:
        part = shapely.difference(source, rest) if apart else shapely.intersection(source, expected)
        if operation == "difference" and name == "b":
            continue
        if part.area > 1e-9:
            assert found.measure(f"interior_{name}") == pytest.approx(part.area, rel=1e-8)
            assert found.measure(f"boundary_{name}") == pytest.approx(part.length, rel=1e-8)
    points = draws.random((200, 2)) * 4 - 1
    np.testing.assert_array_equal(found.contains(points), shapely.intersects_xy(expected, *points.T))


def test_of_what_was_subtracted_the_boundary_is_left():
    hole = PolygonGeometry([(0.5, 0.2), (2, 0.2), (2, 0.6), (0.5, 0.6)], "hole")
    geometry = PolygonGeometry(UNIT, "plate").combined("difference", hole)
    assert "interior_hole" not in geometry.tags()
    assert geometry.measure("interior_plate") == pytest.approx(0.8)
    assert geometry.measure("boundary_hole") == pytest.approx(0.5 + 0.4 + 0.5)
    assert [f"boundary_hole_{i}" in geometry.tags() for i in range(4)] == [True, False, True, True]
    # Normals point out of what is left, that is into the hole.
    np.testing.assert_array_equal(geometry.sample("boundary_hole_3", 5, rng()).normals, np.tile([1.0, 0], (5, 1)))
    assert geometry.measure("boundary_plate") == geometry.measure("boundary") == pytest.approx(4 - 0.4 + 1.4)
    assert geometry.measure("boundary_plate_1") == pytest.approx(0.6)


def test_operations_keep_regions_samplers_and_added_parts_of_both():
    def corner(geometry, n):
        return np.tile(geometry.bounds[:2], (n, 1))

    def other_corner(geometry, n):
        return np.tile(geometry.bounds[2:], (n, 1))

    left = PolygonGeometry(UNIT, "a", samplers={"a": corner}).with_region("inlet", lambda x, y: x == 0)
    right = PolygonGeometry({"a": shapely.box(3, 0, 4, 1), "b": shapely.box(4, 0, 5, 1)}, samplers={"a": other_corner})
    right = right.with_region("inlet", lambda x, y: x == 5).with_region("outlet", lambda x, y: x == 5)
    both = left.combined("union", right)
    assert both.regions == ("a", "b")
    assert both.measure("interior_a") == 2
    assert both.measure("interface_a_b") == 1
    np.testing.assert_array_equal(both.sample("interior_a", 2, rng()).points, [(0, 0), (0, 0)])
    np.testing.assert_array_equal(both.sample("inlet", 2, rng()).points[:, 0], [0, 0])
    np.testing.assert_array_equal(both.sample("outlet", 2, rng()).points[:, 0], [5, 5])
    cut = both.combined("intersection", PolygonGeometry(shapely.box(-1, -1, 4.5, 0.5), "window"))
    assert "outlet" not in cut.tags()
    assert cut.measure("inlet") == 0.5
    assert both.measure("inlet") == 1


def test_operations_that_leave_nothing_or_make_no_sense():
    one, apart = PolygonGeometry(UNIT), PolygonGeometry(shapely.box(2, 2, 3, 3))
    with pytest.raises(JnoValueError, match="is empty"):
        one.combined("intersection", apart)
    with pytest.raises(JnoValueError, match="is empty"):
        one.combined("difference", one)
    with pytest.raises(JnoValueError, match="one of"):
        one.combined("minus", apart)
    with pytest.raises(JnoTypeError, match="Only polygon geometries"):
        one.combined("union", shapely.box(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("vertices", "match"),
    [
        ([(0, 0), (1, 0)], "at least 3 different"),
        ([(0, 0), (1, 0), (0, 0)], "at least 3 different"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], "edge 1 has no length"),
        ([(0, 0), (1, np.nan), (0, 1)], "vertex 1 is not finite"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "valid polygon: Self-intersection"),
        ([(0, 0), (1, 1), (2, 2)], "valid polygon|no area"),
        ([(0, 0, 1), (1, 0, 1), (0, 1, 2)], "constant z"),
        ([0, 1, 2], r"\(n, 2\) or \(n, 3\)"),
        ([(0, 0, 0, 0)] * 4, r"\(n, 2\) or \(n, 3\)"),
    ],
)
def test_vertices_that_make_no_polygon(vertices, match):
    with pytest.raises(JnoValueError, match=match) as caught:
        PolygonGeometry.from_polygons({"plate": vertices})
    assert "'plate'" in str(caught.value)
    with pytest.raises(JnoValueError, match=match):
        PolygonGeometry(vertices)


def test_vertices_in_a_plane_of_constant_height():
    geometry = PolygonGeometry.from_polygons({"plate": [(x, y, 2.5) for x, y in UNIT]})
    assert geometry.measure("interior_plate") == 1


def test_regions_without_area_are_skipped():
    regions = {"a": shapely.box(0, 0, 1, 1), "none": shapely.Polygon(), "line": shapely.LineString([(0, 0), (1, 1)])}
    assert PolygonGeometry.from_regions(regions).regions == ("a",)
    with pytest.raises(JnoValueError, match="is empty"):
        PolygonGeometry.from_regions({"none": shapely.Polygon()})
    nested = shapely.GeometryCollection([shapely.GeometryCollection([shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])])])
    assert PolygonGeometry(nested).measure("interior") == 1


def test_sources_that_make_no_sense():
    with pytest.raises(JnoTypeError, match="vertices"):
        PolygonGeometry("plate")
    with pytest.raises(JnoTypeError, match="name of a region"):
        PolygonGeometry({3: UNIT})
    with pytest.raises(JnoTypeError, match="from_polygons"):
        PolygonGeometry.from_regions({"a": UNIT})
    with pytest.raises(JnoTypeError, match="name: vertices"):
        PolygonGeometry.from_polygons(UNIT)
    with pytest.raises(JnoTypeError, match="name: shapely"):
        PolygonGeometry.from_regions([UNIT])
    with pytest.raises(JnoValueError, match="Self-intersection"):
        PolygonGeometry(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))
    with pytest.raises(JnoValueError, match="boundary_a_0"):
        _ = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "a_0": shapely.box(1, 0, 2, 1)}).tags()


def test_printing(fins):
    assert repr(fins) == "PolygonGeometry(plate, fin, gas; area 5)"
