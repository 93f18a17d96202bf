"""Polygons: the region, its tags, and the mesher in its child process."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoValueError
from jno_plugin_geometry import Polygon, RectangleWithHoles
from jno_plugin_geometry._netgen import netgen_mesh
from jno_plugin_geometry._planar_region import PlanarRegion

SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


@st.composite
def stars(draw):
    """Vertices around a point that sees all of them, far from or near to the origin, either way round."""
    n = draw(st.integers(3, 12))
    jitter = draw(st.lists(st.floats(-0.3, 0.3), min_size=n, max_size=n))
    radii = draw(st.lists(st.floats(0.2, 1.0), min_size=n, max_size=n))
    angles = 2 * np.pi * (np.arange(n) + jitter) / n
    scale = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    center = np.array(draw(st.tuples(st.floats(-10, 10), st.floats(-10, 10))))
    vertices = scale * (center + np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return vertices[:: draw(st.sampled_from([1, -1]))]


def shoelace(vertices):
    x, y = (vertices - vertices[0]).T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


@given(stars())
@settings(deadline=None, max_examples=60)
def test_regions_of_random_polygons(vertices):
    polygon = Polygon(vertices)
    assert polygon.measure("interior") == pytest.approx(shoelace(vertices), rel=1e-9)
    perimeter = np.sum(np.linalg.norm(vertices - np.roll(vertices, 1, axis=0), axis=1))
    assert polygon.measure("boundary") == pytest.approx(perimeter, rel=1e-12)
    assert np.all(polygon.contains(polygon.sample("interior", 50, np.random.default_rng(0)).points))
    edge = polygon.sample("boundary", 50, np.random.default_rng(0))
    assert np.all(polygon.contains(edge.points))
    size = np.max(np.ptp(vertices, axis=0))
    assert not np.any(polygon.contains(edge.points + 1e-6 * size * edge.normals))


@given(stars())
@settings(deadline=None, max_examples=12)
def test_meshes_of_random_polygons(vertices):
    size = np.max(np.ptp(vertices, axis=0))
    polygon = Polygon(vertices, mesh_size=0.2 * size)
    mesh = polygon.mesh()
    assert np.all(mesh.cell_measures() > 0)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), polygon.measure("interior"), rtol=1e-12)
    for i in range(len(vertices)):
        np.testing.assert_allclose(np.sum(mesh.facet_measures(f"edge_{i}")), polygon.measure(f"edge_{i}"), rtol=1e-12)
    outflow = mesh.facet_measures("boundary")[:, None] * mesh.facet_normals("boundary")
    np.testing.assert_allclose(np.sum(outflow, axis=0), 0, atol=1e-12 * size)


@pytest.mark.parametrize("turn", [1, -1])
def test_edges_are_named_in_the_order_of_the_vertices(turn):
    vertices = np.array([(0, 0), (3, 0), (3, 1), (0, 2)])[::turn]
    polygon = Polygon(vertices)
    for i, (start, end) in enumerate(zip(vertices, np.roll(vertices, -1, axis=0), strict=True)):
        draw = polygon.sample(f"edge_{i}", 10, np.random.default_rng(0))
        along = (end - start) / np.linalg.norm(end - start)
        np.testing.assert_allclose(draw.normals @ along, 0, atol=1e-15)
        assert np.all(draw.normals @ (np.array([1.5, 0.5]) - start) < 0)
        np.testing.assert_allclose(np.cross(np.c_[draw.points - start, np.zeros(10)], [*along, 0])[:, 2], 0, atol=1e-14)


def test_closed_clockwise_and_shapely_input_describe_the_same_region():
    plain = Polygon(SQUARE)
    assert Polygon([*SQUARE, SQUARE[0]]) == plain
    assert Polygon(np.array(SQUARE)) == plain
    assert Polygon(shapely.Polygon(SQUARE)) == plain
    assert Polygon(shapely.LinearRing(SQUARE)) == plain
    assert Polygon(SQUARE[::-1]).measure("interior") == 1.0
    assert hash(Polygon(shapely.Polygon(SQUARE))) == hash(plain)


def test_holes_of_a_shapely_polygon_come_first():
    box = shapely.box(0, 0, 4, 1) - shapely.box(0.2, 0.2, 0.4, 0.4)
    polygon = Polygon(box, holes=[shapely.box(2, 0.2, 3, 0.8)])
    assert polygon.measure("hole_0") == pytest.approx(0.8)
    assert polygon.measure("hole_1") == pytest.approx(3.2)
    assert polygon.measure("hole_boundary") == pytest.approx(4.0)
    assert polygon.measure("outer") == 10.0
    assert polygon.measure("interior") == pytest.approx(4 - 0.04 - 0.6)


def test_polygons_without_holes_have_no_tags_for_them():
    assert list(Polygon(SQUARE).tags()) == ["interior", "boundary", "outer", "edge_0", "edge_1", "edge_2", "edge_3"]


def test_round_hole():
    hole = shapely.Point(0.5, 0.5).buffer(0.25)
    polygon = Polygon(SQUARE, [hole], mesh_size=0.1)
    mesh = polygon.mesh()
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), 1 - hole.area, rtol=1e-12)
    radii = np.linalg.norm(mesh.points[mesh.nodes("hole_0")] - 0.5, axis=1)
    np.testing.assert_allclose(radii, 0.25, rtol=2e-3)
    inward = 0.5 - np.mean(mesh.points[mesh.facets["hole_0"]], axis=1)
    cosines = np.sum(mesh.facet_normals("hole_0") * inward, axis=1) / np.linalg.norm(inward, axis=1)
    np.testing.assert_allclose(cosines, 1, rtol=1e-12)


def test_boundary_nodes_are_exactly_on_axis_parallel_edges():
    mesh = RectangleWithHoles((0.7, 0.3), mesh_size=0.03).mesh()
    assert set(mesh.points[mesh.nodes("right"), 0]) == {0.7}
    assert set(mesh.points[mesh.nodes("top"), 1]) == {0.3}
    np.testing.assert_array_equal(mesh.facet_normals("top"), np.tile([0, 1], (len(mesh.facets["top"]), 1)))
    for corner in [(0, 0), (0.7, 0), (0.7, 0.3), (0, 0.3)]:
        assert list(corner) in mesh.points.tolist()


def test_edges_have_about_the_mesh_size():
    mesh = Polygon(SQUARE, mesh_size=0.05).mesh()
    corners = mesh.points[mesh.cells]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
    assert 0.04 < np.mean(lengths) < 0.06
    assert lengths.max() < 0.1


def test_narrow_gaps_are_refined():
    geometry = RectangleWithHoles((1.0, 1.0), [{"origin": (0.3, 0.02), "size": (0.2, 0.4)}], mesh_size=0.1)
    mesh = geometry.mesh()
    lengths = mesh.facet_measures("hole_bottom")
    assert np.all(lengths < 0.025)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), geometry.measure("interior"), rtol=1e-12)


def test_tags_of_hole_types():
    holes = [
        {"origin": (0.2, 0.2), "size": 0.1, "type": "pipe"},
        {"origin": (0.5, 0.5), "size": (0.1, 0.2), "type": "pipe"},
        {"origin": (1.0, 0.5), "size": 0.3, "type": "wire"},
        shapely.Point(1.6, 0.5).buffer(0.1),
    ]
    geometry = RectangleWithHoles((2.0, 1.0), holes)
    assert geometry.measure("pipe_boundary") == pytest.approx(0.4 + 0.6)
    assert geometry.measure("pipe_left") == pytest.approx(0.1 + 0.2)
    assert geometry.measure("wire_bottom") == pytest.approx(0.3)
    assert geometry.measure("hole_boundary") == pytest.approx(1.0 + 1.2 + holes[3].length)
    assert geometry.measure("hole_3") == pytest.approx(holes[3].length)
    assert geometry.measure("bottom") == 2.0
    assert "hole_bottom" not in geometry.tags()
    draw = geometry.sample("pipe_left", 50, np.random.default_rng(0))
    assert {round(x, 12) for x in draw.points[:, 0]} == {0.2, 0.5}
    np.testing.assert_array_equal(draw.normals, np.tile([1, 0], (50, 1)))


def test_default_hole_is_a_square_in_the_middle():
    default = RectangleWithHoles()
    spelled = RectangleWithHoles((2, 1), [{"origin": np.array([0.8, 0.3]), "size": (0.4, 0.4)}])
    assert default == spelled
    assert hash(default) == hash(spelled)
    assert default != RectangleWithHoles(holes=[])


def test_a_rectangle_without_holes():
    assert "hole_boundary" not in RectangleWithHoles(holes=[]).tags()
    assert RectangleWithHoles(holes=[]).measure("interior") == 2.0


def sliver(height):
    ring = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, height)])
    return PlanarRegion(shapely.Polygon(ring), ring, np.roll(ring, -1, axis=0), {"boundary": np.arange(3)})


def test_slivers_end_with_an_error_that_names_their_sharpest_corner():
    """netgen runs for ever on this one, and cannot be interrupted in the process that it runs in."""
    with pytest.raises(JnoValueError, match=r"did not finish within 3 s.*sharpest corner has 0\.000573 degrees"):
        netgen_mesh(sliver(1e-5), 0.1, time_limit=3.0)


def test_failures_of_the_mesher_are_explained():
    with pytest.raises(JnoValueError, match=r"(could not mesh the polygon|did not finish).*shortest edge is 0\.00017"):
        netgen_mesh(sliver(1.7e-4), 0.1, time_limit=10.0)


def test_meshing_leaves_this_process_as_it_was(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handler, threads = signal.getsignal(signal.SIGINT), set(threading.enumerate())
    Polygon(SQUARE).mesh()
    assert signal.getsignal(signal.SIGINT) is handler
    assert set(threading.enumerate()) <= threads
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_import_is_light_and_meshing_works_from_any_folder(tmp_path):
    script = """
import sys
import jno_core
before = set(sys.modules)
import jno_plugin_geometry as geometry
new = {name.split(".")[0] for name in set(sys.modules) - before}
assert not new & {"netgen", "pyngcore", "scipy", "gmsh", "meshio", "matplotlib"}, new
mesh = geometry.Polygon([(0, 0), (1, 0), (0, 1)]).mesh()
assert not {"netgen", "pyngcore"} & set(sys.modules)
assert abs(mesh.cell_measures().sum() - 0.5) < 1e-14
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []
