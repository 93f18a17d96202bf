"""Meshes of named regions: they fit together, fill every region, and name every part."""

import functools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._polygon_geometry import PolygonGeometry
from jno_plugin_geometry._polygon_mesh import MeshSizes, polygon_mesh

DISK = shapely.Point(1.2, 0.5).buffer(0.3, quad_segs=6)
REGIONS = {
    "plate": shapely.box(0, 0, 2, 1) - DISK,
    "disk": DISK,
    "fin": shapely.box(0.5, 1, 0.75, 2.5),
    "gas": shapely.Polygon([(0.75, 1), (2.5, 1), (2, 2.5), (0.75, 2.5)]),
}


@functools.cache
def meshed(size=0.15):
    geometry = PolygonGeometry(REGIONS).with_region("half", shapely.box(-1, -1, 1.2, 5))
    geometry = geometry.with_boundary_segments("crack", [[(0.2, 0.5), (0.5, 0.6)]])
    return geometry.with_region("foot", shapely.LineString([(0.3, 0), (0.77, 0)])).remeshed(size)


def sides(cells):
    """All sides of triangles as sorted pairs, and of how many cells each is a side."""
    pairs = np.sort(np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]]), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)


def as_set(facets):
    return {tuple(facet) for facet in np.sort(facets, axis=1).tolist()}


def test_there_is_no_mesh_until_asked_for():
    geometry = PolygonGeometry(REGIONS)
    assert geometry.mesh() is None
    assert geometry.remeshed(0.3).mesh() is not None
    assert geometry.mesh() is None
    at_once = PolygonGeometry(REGIONS, mesh_size=0.3).mesh()
    np.testing.assert_array_equal(at_once.points, geometry.remeshed(0.3).mesh().points)
    np.testing.assert_array_equal(at_once.cells, geometry.remeshed(0.3).mesh().cells)


def test_every_part_is_filled():
    geometry, mesh = meshed(), meshed().mesh()
    for tag, kind in geometry.tags().items():
        if kind == "interior":
            assert np.sum(mesh.cell_measures()[mesh.cells_of(tag)]) == pytest.approx(geometry.measure(tag), rel=1e-12)
        else:
            assert np.sum(mesh.facet_measures(tag)) == pytest.approx(geometry.measure(tag), rel=1e-12)
    assert {"interior_plate", "interior_disk", "half"} <= mesh.regions.keys()
    assert {"interface_disk_plate", "crack", "foot", "boundary_fin_2"} <= mesh.facets.keys()


def test_the_cells_of_neighbours_fit_together():
    geometry, mesh = meshed(), meshed().mesh()
    pairs, counts = sides(mesh.cells)
    assert np.max(counts) == 2
    assert as_set(mesh.facets["boundary"]) == as_set(pairs[counts == 1])
    for tag in geometry.tags():
        if not tag.startswith("interface_"):
            continue
        a, b = tag.removeprefix("interface_").split("_")
        of_a, of_b = (as_set(sides(mesh.cells[mesh.cells_of(f"interior_{r}")])[0]) for r in (a, b))
        assert as_set(mesh.facets[tag]) == of_a & of_b
        assert len(mesh.facets[tag]) > 0


def test_facets_have_what_they_bound_on_their_left():
    """So that the direction of a facet tells its normal also where there are cells on both sides."""
    geometry, mesh = meshed(), meshed().mesh()
    for tag, kind in geometry.tags().items():
        if kind == "boundary":
            ends = mesh.points[mesh.facets[tag]]
            along = ends[:, 1] - ends[:, 0]
            normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
            drawn = geometry.sample(tag, 50, np.random.default_rng(0))
            edge = shapely.STRtree(shapely.linestrings(ends)).nearest(shapely.points(drawn.points))
            np.testing.assert_allclose(normals[edge], drawn.normals, atol=1e-9)


def test_facet_normals_of_the_outer_boundary():
    mesh = meshed().mesh()
    np.testing.assert_allclose(mesh.facet_normals("foot"), np.tile([0, -1], (len(mesh.facets["foot"]), 1)), atol=1e-12)


def test_facet_normals_of_an_interface():
    mesh = meshed().mesh()
    for tag, normal in {
        "interface_fin_gas": (1, 0),
        "interface_gas_fin": (-1, 0),
        "interface_fin_plate": (0, -1),
    }.items():
        np.testing.assert_allclose(mesh.facet_normals(tag), np.tile(normal, (len(mesh.facets[tag]), 1)), atol=1e-12)


def test_nodes_lie_on_the_edges_exactly():
    mesh = meshed().mesh()
    assert {0.0, 1.0, 2.5} == set(mesh.points[mesh.nodes("boundary")][:, 1]) & {0.0, 1.0, 2.5}
    np.testing.assert_array_equal(mesh.points[mesh.nodes("foot")][:, 1], 0)
    np.testing.assert_array_equal(mesh.points[mesh.nodes("interface_fin_gas")][:, 0], 0.75)
    nodes = {tuple(point) for point in mesh.points.tolist()}
    for area in REGIONS.values():
        assert {tuple(corner) for corner in shapely.get_coordinates(area).tolist()} <= nodes


def longest(mesh, tag):
    corners = mesh.points[mesh.cells[mesh.cells_of(tag)]]
    return np.max(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2))


def middle_size(mesh, tag, area):
    """The length of an equilateral triangle as large as those in the middle of a region are on average."""
    cells = mesh.cells[mesh.cells_of(tag)]
    inner = shapely.intersects_xy(area, *np.mean(mesh.points[cells], axis=1).T)
    return np.sqrt(np.mean(mesh.cell_measures()[mesh.cells_of(tag)][inner]) / 0.433)


def test_regions_have_their_own_sizes():
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 2, 1)})
    plain = geometry.remeshed(0.2).mesh()
    blended = geometry.remeshed(0.2, region_mesh_sizes={"b": 0.05}).mesh()
    uniform = geometry.remeshed(0.2, region_mesh_sizes={"b": 0.05}, interpolate=False).mesh()
    core = shapely.box(1.35, 0.35, 1.65, 0.65)
    assert longest(plain, "interior_b") > 0.15
    assert middle_size(uniform, "interior_b", core) == pytest.approx(0.05, rel=0.2)
    assert longest(uniform, "interior_b") < 0.08
    # Its boundary is as fine, its middle coarser.
    for mesh in (blended, uniform):
        assert np.max(mesh.facet_measures("boundary_b")) <= 0.05 * 1.2
        assert np.max(mesh.facet_measures("left")) > 0.1
    assert middle_size(blended, "interior_b", core) > 1.3 * middle_size(uniform, "interior_b", core)


def test_sizes_is_another_word_that_counts_less():
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 2, 1)})
    sizes = geometry.remeshed(0.2, sizes={"a": 0.05, "b": 0.1}, region_mesh_sizes={"a": 0.1}).mesh()
    same = geometry.remeshed(0.2, region_mesh_sizes={"a": 0.1, "b": 0.1}).mesh()
    np.testing.assert_array_equal(sizes.points, same.points)


def test_a_region_may_be_coarser_than_the_rest():
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 3, 2)})
    mesh = geometry.remeshed(0.05, region_mesh_sizes={"b": 0.4}).mesh()
    assert longest(mesh, "interior_b") > 0.25
    assert longest(mesh, "interior_a") < 0.12


def test_the_rim_of_a_hole_has_a_size():
    hole = PolygonGeometry(shapely.box(0.4, 0.4, 0.6, 0.6), "hole")
    geometry = PolygonGeometry(shapely.box(0, 0, 1, 1), "plate").combined("difference", hole)
    mesh = geometry.remeshed(0.2, region_mesh_sizes={"hole": 0.02}).mesh()
    assert np.max(mesh.facet_measures("boundary_hole")) <= 0.02 * 1.2
    assert np.max(mesh.facet_measures("left")) > 0.1
    assert np.sum(mesh.cell_measures()) == pytest.approx(0.96, rel=1e-12)


def test_overlapping_regions_share_cells():
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 2, 1), "b": shapely.box(1, 0.25, 3, 0.75)}).remeshed(0.2)
    mesh = geometry.mesh()
    areas = [np.sum(mesh.cell_measures()[mesh.cells_of(tag)]) for tag in ("interior_a", "interior_b", "interior")]
    assert areas == pytest.approx([2, 1, 2.5], rel=1e-12)
    assert "interface_a_b" not in mesh.facets


def test_parts_added_later_are_meshed_at_the_same_size():
    geometry = PolygonGeometry(shapely.box(0, 0, 1, 1)).remeshed(0.2)
    made = geometry.with_region("core", shapely.box(0.3, 0.3, 0.55, 0.55)).with_region("skin", "boundary")
    mesh = made.mesh()
    assert np.sum(mesh.cell_measures()[mesh.cells_of("core")]) == pytest.approx(0.0625, rel=1e-12)
    np.testing.assert_array_equal(mesh.facets["skin"], mesh.facets["boundary"])
    assert made.with_region("core2", "core").mesh().cells_of("core2").shape == mesh.cells_of("core").shape
    more = PolygonGeometry(shapely.box(1, 0, 2, 1), "more")
    assert (made | more).mesh() is None
    finer = made | more.remeshed(0.3, region_mesh_sizes={"more": 0.1})
    wanted = (made | more).remeshed(0.2, region_mesh_sizes={"more": 0.1})
    np.testing.assert_array_equal(finer.mesh().points, wanted.mesh().points)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 1e4]))
def test_random_circles_are_meshed(seed, scale):
    draws = np.random.default_rng(seed)
    circles = [
        shapely.Point(scale * draws.random(2)).buffer(scale * (0.2 + 0.3 * draws.random()), quad_segs=3)
        for _ in range(3)
    ]
    geometry = PolygonGeometry({f"c{i}": circle for i, circle in enumerate(circles)}).remeshed(0.2 * scale)
    mesh = geometry.mesh()
    for tag, kind in geometry.tags().items():
        if kind == "interior":
            assert np.sum(mesh.cell_measures()[mesh.cells_of(tag)]) == pytest.approx(geometry.measure(tag), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"mesh_size": 0.0}, JnoValueError, "mesh_size must be positive"),
        ({"mesh_size": "fine"}, JnoTypeError, "mesh_size"),
        ({"region_mesh_sizes": {"stone": 0.1}}, JnoValueError, "region 'stone'"),
        ({"sizes": {"stone": 0.1}}, JnoValueError, "region 'stone'"),
        ({"region_mesh_sizes": {"disk": -0.1}}, JnoValueError, r"region_mesh_sizes\['disk'\] must be positive"),
        ({"sizes": {"disk": 0}}, JnoValueError, r"sizes\['disk'\] must be positive"),
        ({"sizes": 0.1}, JnoTypeError, "sizes must map"),
        ({"interpolate": 1}, JnoTypeError, "interpolate"),
        ({"algorithm": "frontal"}, JnoTypeError, "algorithm"),
        ({"mesh_sise": 0.1}, JnoTypeError, "option 'mesh_sise'"),
        ({"mesher": "triangle"}, JnoValueError, "'netgen' or 'gmsh', got 'triangle'"),
    ],
)
def test_sizes_that_make_no_sense(arguments, error, match):
    with pytest.raises(error, match=match):
        PolygonGeometry(REGIONS).remeshed(**arguments)


def test_what_cannot_be_meshed_is_said():
    geometry = PolygonGeometry(REGIONS)
    with pytest.raises(JnoValueError, match="Use a larger mesh_size"):
        geometry.remeshed(1e-6).mesh()
    with pytest.raises(JnoValueError, match=r"did not finish within 0 s.*shortest edge"):
        polygon_mesh(geometry._regions, MeshSizes(0.1), time_limit=1e-3)
