"""Meshes of solids: they fill the solid, lie on its surface, and know its parts."""

import functools
import math

import numpy as np
import pytest

from jno_core.errors import JnoValueError
from jno_plugin_geometry._regions.combination import Combination
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._regions.solid_mesh import solid_mesh
from jno_plugin_geometry._regions.surface import Surface

CUBE = Solid.box([(0, 1), (0, 1), (0, 1)])
TRIANGLE = Outline.polygon([(0, 0), (0.5, 0), (0, 1)], named={"floor": [0], "slope": [1]})
FRAME = Outline.polygon([(0, 0), (2, 0), (2, 1), (0, 1)], holes=[[(0.5, 0.25), (1.5, 0.25), (1.5, 0.75), (0.5, 0.75)]])
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]])


def moved(solid, *, scale=1.0, offset=(0.0, 0.0, 0.0), mirror=False):
    return solid.moved(scale * TURN @ np.diag([1, -1 if mirror else 1, 1]), np.array(offset))


def hole(x, y, z, radius):
    return Solid.ball((x, y, z), radius).renamed("hole")


# Solids with flat faces, and others, with their mesh sizes.
FLAT = {
    "frame": (moved(Solid.extrusion(FRAME, (0, 0.5)), scale=100, offset=(1e3, 0, 5), mirror=True), 30),
    "touching": (CUBE.combined(Solid.box([(1, 2), (0, 1), (0, 1)]).renamed("second"), "union"), 0.5),
    "step": (CUBE.combined(Solid.box([(0.5, 1), (0, 1), (0.5, 1)]).renamed("step"), "difference"), 0.5),
    "corner": (CUBE.combined(moved(CUBE, offset=(0.5, 0.5, -0.2)).renamed("second"), "intersection"), 0.3),
}
ROUND = {
    "ball": (Solid.ball((1, -2, 3), 0.5), 0.2),
    "cone": (moved(Solid.revolution(TRIANGLE), scale=2, offset=(1, 2, 3), mirror=True), 0.3),
    "wedge": (moved(Solid.revolution(TRIANGLE, 4.5), mirror=True), 0.2),
    "torus": (Solid.revolution(Outline.disk((2, 0), 0.5)), 0.4),
    "elliptic": (Solid.extrusion(Outline.ellipse((0, 0), (1, 0.4), 0.3), (0, 0.5)), 0.25),
    "tunnel": (
        CUBE.combined(Solid.extrusion(Outline.disk((0.5, 0.5), 0.25), (-1, 2)).renamed("hole"), "difference"),
        0.2,
    ),
    "lens": (Solid.ball((0, 0, 0), 1).combined(hole(1, 0, 0, 1), "intersection"), 0.3),
    "holes": (
        functools.reduce(lambda a, b: a.combined(b, "difference"), [CUBE, hole(0, 0, 0, 0.5), hole(1, 1, 1, 0.5)]),
        0.2,
    ),
}
ALL = FLAT | ROUND


@functools.cache
def mesh_of(name):
    solid, mesh_size = ALL[name]
    return solid.mesh(mesh_size)


@pytest.fixture(params=ALL)
def name(request):
    return request.param


def size_of(solid):
    return np.max(np.ptp(solid.bounds(), axis=0))


@pytest.mark.parametrize("name", FLAT)
def test_flat_solids_are_filled(name):
    solid, mesh = FLAT[name][0], mesh_of(name)
    # The volumes of "corner" are those of a rule.
    exactly = 1e-3 if name == "corner" else 1e-12
    assert np.sum(mesh.cell_measures()) == pytest.approx(solid.interior_measure(), rel=exactly)
    for tag in solid.boundary_tags():
        exactly = 2e-3 if name in ("corner", "step") else 1e-12
        assert np.sum(mesh.facet_measures(tag)) == pytest.approx(solid.boundary_measure(tag), rel=exactly)


@pytest.mark.parametrize("name", ROUND)
def test_round_solids_are_filled_nearly(name):
    solid, mesh = ROUND[name][0], mesh_of(name)
    assert np.sum(mesh.cell_measures()) == pytest.approx(solid.interior_measure(), rel=0.12)
    for tag in solid.boundary_tags():
        assert np.sum(mesh.facet_measures(tag)) == pytest.approx(solid.boundary_measure(tag), rel=0.12)


def test_the_volume_converges_at_second_order():
    solid = Solid.ball((0, 0, 0), 1)
    errors = [1 - np.sum(solid.mesh(h).cell_measures()) / solid.interior_measure() for h in (0.3, 0.15)]
    assert errors[0] > errors[1] > 0
    assert 1.5 < math.log2(errors[0] / errors[1]) < 2.5


def test_boundary_nodes_are_on_the_surface(name):
    solid, mesh = ALL[name][0], mesh_of(name)
    assert np.max(np.abs(solid.signed_distance(mesh.points[mesh.nodes("boundary")]))) <= 1e-12 * size_of(solid)
    assert np.all(solid.contains(mesh.points))
    inner = np.setdiff1d(mesh.nodes("interior"), mesh.nodes("boundary"))
    assert np.all(solid.signed_distance(mesh.points[inner]) < 0)


def test_tags_add_up_to_the_boundary(name):
    solid, mesh = ALL[name][0], mesh_of(name)
    assert tuple(mesh.facets) == solid.boundary_tags()
    # Parts that neither overlap nor leave anything out.
    disjoint = {
        "frame": ("bottom", "top", "side"),
        "cone": ("floor", "slope"),
        "wedge": ("start", "end", "floor", "slope"),
        "elliptic": ("bottom", "top", "side"),
    }.get(name, [tag for tag in solid.boundary_tags() if tag != "boundary"])
    every = np.sort(mesh.facets["boundary"], axis=1)
    found = np.sort(np.concatenate([every[:0], *(mesh.facets[tag] for tag in disjoint)]), axis=1)
    if disjoint and name != "lens":
        np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(every, axis=0))
        assert len(found) == len(every)


@pytest.mark.parametrize("name", ["touching", "frame"])
def test_facets_of_a_tag_are_on_its_part(name):
    solid, mesh = ALL[name][0], mesh_of(name)
    for tag in solid.boundary_tags():
        draw = solid.sample_boundary(tag, 400, np.random.default_rng(0))
        low, high = np.min(draw.points, axis=0), np.max(draw.points, axis=0)
        centroids = np.mean(mesh.points[mesh.facets[tag]], axis=1)
        slack = 0.05 * size_of(solid)
        assert np.all((centroids > low - slack) & (centroids < high + slack))


def test_normals_point_outward_and_fluxes_balance(name):
    solid, mesh = ALL[name][0], mesh_of(name)
    normals, areas = mesh.facet_normals("boundary"), mesh.facet_measures("boundary")
    centroids = np.mean(mesh.points[mesh.facets["boundary"]], axis=1)
    center = np.mean(solid.bounds(), axis=0)
    size = size_of(solid)
    assert np.max(np.abs(areas @ normals)) <= 1e-12 * size**2
    flux = np.sum(areas * np.sum((centroids - center) * normals, axis=1)) / 3
    assert flux == pytest.approx(np.sum(mesh.cell_measures()), abs=1e-12 * size**3)
    # From the chords of round faces the surface is a little away.
    step = 0.15 * ALL[name][1]
    outside = solid.signed_distance(centroids + step * normals) > solid.signed_distance(centroids - step * normals)
    assert np.all(outside)


def test_a_mesh_that_would_be_too_large_is_refused():
    with pytest.raises(JnoValueError, match="Use a larger mesh_size"):
        CUBE.mesh(1e-4)


def test_the_time_limit_ends_the_mesher():
    surface = Surface(Combination(CUBE.leaves, CUBE.tree))
    with pytest.raises(JnoValueError, match="netgen did not finish within 0 s"):
        solid_mesh(surface, 0.1, time_limit=0.01)


def test_repeated_meshes_are_equal():
    solid, mesh_size = FLAT["step"]
    a, b = mesh_of("step"), solid.mesh(mesh_size)
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.cells, b.cells)
