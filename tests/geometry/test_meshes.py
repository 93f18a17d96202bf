"""What holds for the mesh of every geometry."""

import itertools
from collections import Counter

import numpy as np
import pytest

from jno_plugin_geometry import Disk


def smallest_angle(mesh):
    """In degrees, over all triangles."""
    corners = mesh.points[mesh.cells]
    angles = []
    for i in range(3):
        a, b = corners[:, i - 1] - corners[:, i], corners[:, i - 2] - corners[:, i]
        angles.append(np.arctan2(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]), np.sum(a * b, axis=1)))
    return np.degrees(np.min(angles))


def sides_of_cells(mesh):
    return Counter(
        tuple(sorted(side)) for cell in mesh.cells.tolist() for side in itertools.combinations(cell, len(cell) - 1)
    )


def test_has_every_tag_and_no_other(geometry, mesh):
    tags = geometry.tags()
    assert tags["interior"] == "interior"
    assert tags["boundary"] == "boundary"
    assert set(mesh.facets) == {tag for tag, kind in tags.items() if kind == "boundary"}
    assert all(len(facets) > 0 for facets in mesh.facets.values())


def test_every_node_is_used(mesh):
    np.testing.assert_array_equal(mesh.nodes("interior"), np.arange(len(mesh.points)))


def test_cells_are_positive_and_fill_the_region(name, geometry, mesh):
    measures = mesh.cell_measures()
    assert np.all(measures > 0)
    if name != "disk":
        np.testing.assert_allclose(np.sum(measures), geometry.measure("interior"), rtol=1e-12)


def test_facets_of_each_tag_have_its_measure(name, geometry, mesh):
    if name == "disk":
        pytest.skip("the mesh of a disk is a polygon; see test_shapes")
    for tag in mesh.facets:
        np.testing.assert_allclose(np.sum(mesh.facet_measures(tag)), geometry.measure(tag), rtol=1e-12)


def test_is_conforming(mesh):
    """Interior facets are sides of exactly two cells, boundary facets of exactly one, and each is listed once."""
    sides = sides_of_cells(mesh)
    assert set(sides.values()) <= {1, 2}
    boundary = [tuple(sorted(facet)) for facet in mesh.facets["boundary"].tolist()]
    assert len(boundary) == len(set(boundary))
    assert set(boundary) == {side for side, count in sides.items() if count == 1}
    for facets in mesh.facets.values():
        assert {tuple(sorted(facet)) for facet in facets.tolist()} <= set(boundary)


def test_no_two_nodes_coincide(mesh):
    assert len(np.unique(mesh.points.round(9), axis=0)) == len(mesh.points)


def test_normals_are_unit_vectors(mesh):
    for tag in mesh.facets:
        np.testing.assert_allclose(np.linalg.norm(mesh.facet_normals(tag), axis=1), 1, rtol=1e-14)
        np.testing.assert_allclose(np.linalg.norm(mesh.node_normals(tag), axis=1), 1, rtol=1e-14)


def test_normals_point_out_of_the_region(name, geometry, mesh):
    if name == "disk":
        pytest.skip("a step from the middle of a chord stays within the circle")
    middles = np.mean(mesh.points[mesh.facets["boundary"]], axis=1)
    step = 1e-6 * mesh.facet_normals("boundary")
    assert np.all(geometry.contains(middles - step))
    assert not np.any(geometry.contains(middles + step))


def test_boundary_is_closed(mesh):
    flux = np.sum(mesh.facet_measures("boundary")[:, None] * mesh.facet_normals("boundary"), axis=0)
    np.testing.assert_allclose(flux, 0, atol=1e-13 * np.sum(mesh.facet_measures("boundary")))


def test_divergence_theorem_for_linear_fields(mesh):
    rng = np.random.default_rng(0)
    matrix, offset = rng.normal(size=(mesh.dimension, mesh.dimension)), rng.normal(size=mesh.dimension)
    middles = np.mean(mesh.points[mesh.facets["boundary"]], axis=1)
    flux = np.sum((middles @ matrix.T + offset) * mesh.facet_normals("boundary"), axis=1)
    outflow = np.sum(mesh.facet_measures("boundary") * flux)
    np.testing.assert_allclose(outflow, np.trace(matrix) * np.sum(mesh.cell_measures()), rtol=1e-12, atol=1e-12)


def test_mesh_agrees_with_the_exact_region(name, geometry, mesh):
    assert np.all(geometry.contains(mesh.points))
    tolerance = {"disk": 0.01}.get(name, 0)
    middles = np.mean(mesh.points[mesh.cells], axis=1)
    assert np.all(geometry.contains(middles))
    assert np.sum(mesh.cell_measures()) >= (1 - tolerance) * geometry.measure("interior") * (1 - 1e-12)


def test_repeated_meshing_gives_equal_arrays(geometry, mesh):
    again = geometry.mesh()
    np.testing.assert_array_equal(again.points, mesh.points)
    np.testing.assert_array_equal(again.cells, mesh.cells)
    assert list(again.facets) == list(mesh.facets)
    for tag, facets in mesh.facets.items():
        np.testing.assert_array_equal(again.facets[tag], facets)


def test_triangles_are_not_flat(mesh):
    if mesh.dimension == 2:
        assert smallest_angle(mesh) >= 20


@pytest.mark.parametrize("num_points", [6, 7, 9, 10, 15, 32, 33, 64, 100, 251])
def test_triangles_of_disks_are_well_shaped(num_points):
    assert smallest_angle(Disk(num_points=num_points).mesh()) >= 36
