"""Meshes by gmsh, where it can be loaded: on the curves, conforming, of the asked size."""

import pathlib

import numpy as np
import pytest
import shapely

import jno
from jno_core.errors import JnoImportError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_plugin_geometry import (
    Ball,
    Box,
    Cone,
    Disk,
    Ellipse,
    Line,
    PolygonGeometry,
    Prism,
    Rectangle,
    RectangleWithHoles,
    _gmsh_worker,
)
from jno_plugin_geometry._gmsh import gmsh_mesh
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._worker import WorkerError, run_worker

SQUARE = Outline.polygon([(0, 0), (2, 0), (2, 1), (0, 1)], named={"left": [3]})


def plate():
    """A rectangle with an elliptic hole, a round bay and a part of its own in the hole."""
    hole = Outline.ellipse((0.8, 0.5), (0.3, 0.15), 0.4).renamed("hole")
    pin = Outline.disk((0.8, 0.5), 0.05).renamed("pin")
    bay = Outline.disk((2.0, 0.5), 0.3).renamed("bay")
    return SQUARE.combined(hole, "difference").combined(bay, "difference").combined(pin, "union")


@pytest.fixture(scope="module", autouse=True)
def needs_gmsh():
    try:
        gmsh_mesh(SQUARE.rings(), SQUARE.parts, 1.0)
    except JnoImportError as error:
        pytest.skip(str(error))


def made(outline, mesh_size, **options):
    return gmsh_mesh(outline.rings(), outline.parts, mesh_size, **options)


def test_a_rectangle():
    mesh = made(SQUARE, 0.1)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), 2.0, rtol=1e-13)
    np.testing.assert_allclose(
        [np.sum(mesh.facet_measures(tag)) for tag in ("left", "boundary")], [1.0, 6.0], rtol=1e-13
    )
    assert np.all(mesh.points[mesh.nodes("left"), 0] == 0)
    again = made(SQUARE, 0.1)
    np.testing.assert_array_equal(again.points, mesh.points)
    np.testing.assert_array_equal(again.cells, mesh.cells)


@pytest.mark.parametrize("algorithm", [1, 5, 6, 8])
def test_curved_boundaries(algorithm):
    outline = plate().moved(np.array([[12.0, -5.0], [5.0, 12.0]]), np.array([300.0, -40.0]))
    mesh = made(outline, 1.0, algorithm=algorithm)
    boundary = mesh.nodes("boundary")
    assert np.max(np.abs(outline.signed_distance(mesh.points[boundary]))) < 1e-9
    inside = np.setdiff1d(np.arange(len(mesh.points)), boundary)
    assert np.max(outline.signed_distance(mesh.points[inside])) < 0
    assert set(np.unique(mesh.cells)) == set(range(len(mesh.points)))
    # The corners are nodes to the last bit.
    nodes = set(map(tuple, mesh.points[boundary].tolist()))
    assert {tuple(corner) for corner in outline.curves.starts[~outline.curves.bent].tolist()} <= nodes
    assert set(mesh.facets) == {"boundary", *outline.boundary_tags()}
    for tag in outline.boundary_tags():
        np.testing.assert_allclose(np.sum(mesh.facet_measures(tag)), outline.boundary_measure(tag), rtol=0.03)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), outline.interior_measure(), rtol=0.01)


def test_chords_converge_to_second_order():
    disk = Outline.disk((3.0, 1.0), 2.0)
    errors = [4 * np.pi - np.sum(made(disk, h).cell_measures()) for h in (0.4, 0.2, 0.1)]
    rates = np.array(errors[:-1]) / errors[1:]
    assert np.all((rates > 3.5) & (rates < 4.5))


def test_components_that_touch_share_their_node():
    twins = SQUARE.combined(Outline.polygon([(2, 1), (3, 1), (3, 2)]), "union")
    mesh = made(twins, 0.2)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), 2.5)
    assert np.sum(np.all(mesh.points == [2.0, 1.0], axis=1)) == 1
    assert len(np.unique(mesh.points, axis=0)) == len(mesh.points)


def test_mesh_sizes():
    def lengths(mesh):
        edges = mesh.points[mesh.cells] - mesh.points[np.roll(mesh.cells, 1, axis=1)]
        return np.linalg.norm(edges, axis=2), np.mean(mesh.points[mesh.cells], axis=1)

    for h in (0.2, 0.05):
        assert 0.7 * h < np.mean(lengths(made(SQUARE, h))[0]) < 1.2 * h

    def wanted(points):
        return 0.01 + 0.1 * points[:, 0]

    found, middle = lengths(made(SQUARE, 0.15, size_field=wanted))
    share = np.mean(found, axis=1) / np.minimum(wanted(middle), 0.15)
    assert 0.8 < np.mean(share) < 1.2
    assert 0.4 < np.min(share) <= np.max(share) < 2.0


def test_wrong_arguments():
    for size in (0.0, -1.0, float("nan")):
        with pytest.raises(JnoValueError, match="mesh_size"):
            made(SQUARE, size)
    with pytest.raises(JnoTypeError, match="algorithm"):
        made(SQUARE, 0.1, algorithm="frontal")
    with pytest.raises(JnoValueError, match="algorithm must be one of"):
        made(SQUARE, 0.1, algorithm=4)
    with pytest.raises(JnoValueError, match="size_field"):
        made(SQUARE, 0.1, size_field=lambda points: points)
    with pytest.raises(JnoValueError, match="cells"):
        made(SQUARE, 1e-6)


def test_the_time_limit():
    with pytest.raises(JnoValueError, match="did not finish within 0 s"):
        made(SQUARE, 0.01, time_limit=0.01)


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    """A package of the same name that fails as gmsh does without its libraries."""
    (tmp_path / "gmsh.py").write_text("raise OSError('libGLU.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerError, match="libGLU") as failed:
        run_worker(pathlib.Path(_gmsh_worker.__file__), {"mesh_size": np.array(1.0)}, 60)
    assert failed.value.status == _gmsh_worker.MISSING
    with pytest.raises(JnoImportError, match=r"libGLU.*\n.*jno-plugin-geometry\[gmsh\].*\n.*\n.*libglu1-mesa libgl1"):
        made(SQUARE, 0.5)


def test_a_shape_by_gmsh():
    plate = Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2).named("hole")
    domain = jno.domain(plate).build_mesh(0.1, mesher="gmsh", algorithm=5)
    assert {"left", "hole"} <= set(domain.mesh.facets)
    assert abs(domain.mesh.cell_measures().sum() - plate.measure("interior")) < 5e-3
    np.testing.assert_allclose(np.linalg.norm(domain.mesh.points[domain.mesh.nodes("hole")] - [1, 0.5], axis=1), 0.2)


SOLIDS = {
    "frame": (
        Prism(RectangleWithHoles((2, 1), [{"origin": (0.5, 0.25), "size": (1, 0.5)}]), (0, 0.5)).scale(100),
        30,
    ),
    "step": (Box() - Box((0.5, 1), (0, 1), (0.5, 1)).named("step"), 0.3),
    "twins": (Box() | Box((1, 2), (0, 1), (0, 1)).named("second"), 0.4),
    "cone": (Cone((1, 2, 3), 0.5, 1.0).rotate(0.7, axis=(1, 0, 0)).mirror((0, 1, 0)), 0.15),
    "holes": (Box() - Ball((0, 0, 0), 0.5).named("hole") - Ball((1, 1, 1), 0.5).named("hole"), 0.15),
    "elliptic": (Prism(Ellipse((0, 0), (1, 0.4), 0.3), (0, 0.5)), 0.2),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solids(name):
    shape, mesh_size = SOLIDS[name]
    mesh = shape.remeshed(mesh_size, mesher="gmsh").mesh()
    flat = name in ("frame", "step", "twins")
    assert np.min(mesh.cell_measures()) > 0
    assert set(mesh.facets) == {tag for tag, kind in shape.tags().items() if kind == "boundary"}
    # Chords leave out, or in holes add, a share of the order of the mesh size squared.
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), shape.measure("interior"), rtol=1e-12 if flat else 0.04)
    for tag in mesh.facets:
        exactly = 2e-3 if name == "step" else 1e-12 if flat else 0.04
        np.testing.assert_allclose(np.sum(mesh.facet_measures(tag)), shape.measure(tag), rtol=exactly)
    size = np.max(np.ptp(shape.bounds(), axis=0))
    assert np.max(np.abs(shape.signed_distance(mesh.points[mesh.nodes("boundary")]))) < 1e-9 * size
    # The divergence theorem for the field x: three volumes.
    middles = np.mean(mesh.points[mesh.facets["boundary"]], axis=1)
    flux = np.sum(middles * mesh.facet_normals("boundary"), axis=1) @ mesh.facet_measures("boundary")
    np.testing.assert_allclose(flux, 3 * np.sum(mesh.cell_measures()), rtol=1e-12)


def test_a_ball_converges_to_second_order():
    errors = [
        1 - np.sum(Ball().remeshed(h, mesher="gmsh").mesh().cell_measures()) * 3 / (4 * np.pi) for h in (0.6, 0.3)
    ]
    assert 3 < errors[0] / errors[1] < 5


def several():
    disk = shapely.Point(1.2, 0.5).buffer(0.3, quad_segs=6)
    hole = shapely.Polygon([(2.0, 1.0), (1.75, 2.0), (1.5, 1.5)])
    regions = {
        "plate": shapely.box(0, 0, 2, 1) - disk,
        "disk": disk,
        "gas": shapely.Polygon([(0.75, 1), (2.5, 1), (2, 2.5), (0.75, 2.5)]) - hole,
    }
    geometry = PolygonGeometry(regions).with_region("half", shapely.box(-1, -1, 1.2, 5))
    geometry = geometry.with_boundary_segments("crack", [[(0.2, 0.5), (0.5, 0.6)]])
    return geometry.with_region("foot", shapely.LineString([(0.3, 0), (0.77, 0)]))


@pytest.mark.parametrize("interpolate", [True, False])
def test_polygons_of_several_regions(interpolate):
    geometry = several().remeshed(
        0.2, mesher="gmsh", algorithm=5, region_mesh_sizes={"disk": 0.05}, interpolate=interpolate
    )
    mesh = geometry.mesh()
    assert set(mesh.facets) | set(mesh.regions) | {"interior"} == set(geometry.tags())
    for tag, kind in geometry.tags().items():
        interior = kind == "interior"
        found = mesh.cell_measures()[mesh.cells_of(tag)] if interior else mesh.facet_measures(tag)
        np.testing.assert_allclose(np.sum(found), geometry.measure(tag), rtol=1e-12)
    pairs = np.sort(np.concatenate([mesh.cells[:, [0, 1]], mesh.cells[:, [1, 2]], mesh.cells[:, [2, 0]]]), axis=1)
    _, counts = np.unique(pairs, axis=0, return_counts=True)
    assert np.sum(counts == 1) == len(mesh.facets["boundary"])
    assert np.max(counts) == 2
    # Facets have what they bound on their left, so that normals of interfaces point from the first to the second.
    ends = mesh.points[mesh.facets["interface_disk_plate"]]
    outward = np.mean(ends, axis=1) - [1.2, 0.5]
    assert np.all(np.linalg.det(np.stack([ends[:, 1] - ends[:, 0], outward], axis=1)) < 0)
    areas = {r: np.median(mesh.cell_measures()[mesh.regions[f"interior_{r}"]]) for r in ("disk", "gas")}
    assert areas["disk"] < 0.2 * areas["gas"]
    again = geometry.remeshed(0.3).remeshed(
        0.2, mesher="gmsh", algorithm=5, sizes={"disk": 0.05}, interpolate=interpolate
    )
    np.testing.assert_array_equal(again.mesh().points, mesh.points)


def test_a_domain_of_polygons_by_gmsh():
    domain = jno.domain.csg({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 2, 1)})
    domain = domain.build_mesh(0.25, mesher="gmsh", algorithm=8)
    np.testing.assert_allclose(np.sum(domain.mesh.cell_measures()), 2.0, rtol=1e-12)
    assert "interface_a_b" in domain.mesh.facets


def test_what_gmsh_does_not_mesh():
    with pytest.raises(PluginCapabilityError, match="1-D"):
        (Line((0, 1)) | Line((2, 3))).remeshed(0.5, mesher="gmsh").mesh()
    with pytest.raises(JnoValueError, match="algorithm must be one of"):
        Ball().remeshed(0.5, mesher="gmsh", algorithm=4).mesh()
    with pytest.raises(JnoValueError, match="'netgen' or 'gmsh'"):
        Disk().remeshed(0.1, mesher="triangle")
    with pytest.raises(JnoTypeError, match="'smoothing'"):
        Disk().remeshed(0.1, smoothing=3)
