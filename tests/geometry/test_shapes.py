"""Closed forms and conventions of each geometry."""

import importlib.metadata
import math

import numpy as np
import pytest

import jno_plugin_geometry
from jno_core import AbstractGeometry
from jno_plugin_geometry import Box, Disk, EquidistantRectangle, Line, LShape, Rectangle, RectangleWithHoles


def at(mesh, tag):
    return mesh.points[mesh.nodes(tag)]


@pytest.mark.parametrize(
    ("geometry", "measures"),
    [
        (Line((-0.5, 2.0)), {"interior": 2.5, "boundary": 2, "left": 1, "right": 1}),
        (
            Rectangle((-1, 1.5), (0, 2)),
            {"interior": 5, "boundary": 9, "left": 2, "top": 2.5, "one": 2.5, "two": 2, "three": 2.5, "four": 2},
        ),
        (EquidistantRectangle((-1, 1.5), (0, 2)), {"interior": 5, "boundary": 9, "right": 2, "bottom": 2.5}),
        (Box((0, 1), (0, 2), (0, 4)), {"interior": 8, "boundary": 28, "left": 8, "back": 4, "bottom": 2}),
        (Disk((3, 4), radius=2), {"interior": 4 * math.pi, "boundary": 4 * math.pi}),
        (
            LShape(size=2),
            {
                "interior": 3,
                "boundary": 8,
                "bottom": 2,
                "left": 2,
                "inner_horizontal": 1,
                "inner_vertical": 1,
                "top": 1,
            },
        ),
        (
            RectangleWithHoles(),
            {"interior": 1.84, "boundary": 7.6, "outer": 6, "hole_boundary": 1.6, "hole_0": 1.6, "hole_top": 0.4},
        ),
    ],
)
def test_measures(geometry, measures):
    for tag, measure in measures.items():
        assert geometry.measure(tag) == pytest.approx(measure, rel=1e-15)


@pytest.mark.parametrize(("length", "mesh_size", "cells"), [(1, 0.1, 10), (1, 0.3, 3), (1, 7, 1), (2, 0.001, 2000)])
def test_line_has_the_documented_number_of_segments(length, mesh_size, cells):
    mesh = Line((1, 1 + length), mesh_size=mesh_size).mesh()
    np.testing.assert_allclose(mesh.points[:, 0], np.linspace(1, 1 + length, cells + 1), rtol=1e-15)
    np.testing.assert_array_equal(mesh.cells, [(i, i + 1) for i in range(cells)])
    assert mesh.nodes("left") == [0]
    assert mesh.nodes("right") == [cells]


def test_numbered_sides_of_a_rectangle():
    mesh = Rectangle().mesh()
    for number, side in {"one": "top", "two": "right", "three": "bottom", "four": "left"}.items():
        np.testing.assert_array_equal(mesh.facets[number], mesh.facets[side])


def test_sides_are_where_their_names_say():
    for geometry, sides in [
        (Rectangle((1, 2), (3, 4)), {"left": (0, 1), "right": (0, 2), "bottom": (1, 3), "top": (1, 4)}),
        (EquidistantRectangle((1, 2), (3, 4)), {"left": (0, 1), "right": (0, 2), "bottom": (1, 3), "top": (1, 4)}),
        (Box((1, 2), (3, 4), (5, 6)), {"left": (0, 1), "right": (0, 2), "front": (1, 3), "back": (1, 4)}),
        (Box((1, 2), (3, 4), (5, 6)), {"bottom": (2, 5), "top": (2, 6)}),
        (LShape(2.0), {"right_lower": (0, 2), "inner_horizontal": (1, 1), "inner_vertical": (0, 1), "top": (1, 2)}),
    ]:
        mesh = geometry.mesh()
        for tag, (axis, value) in sides.items():
            assert np.all(at(mesh, tag)[:, axis] == value)
            expected = {1: 1}.get(mesh.dimension, 11 ** (mesh.dimension - 1))
            assert len(at(mesh, tag)) == expected


def test_equidistant_rectangle_is_a_grid_with_x_along_the_first_axis():
    mesh = EquidistantRectangle((0, 3), (1, 3), nx=3, ny=4).mesh()
    grid = mesh.points.reshape(4, 5, 2)
    np.testing.assert_array_equal(grid[..., 0], np.tile([[0], [1], [2], [3]], (1, 5)))
    np.testing.assert_array_equal(grid[..., 1], np.tile([1, 1.5, 2, 2.5, 3], (4, 1)))
    assert len(mesh.cells) == 2 * 3 * 4
    np.testing.assert_array_equal(mesh.cell_measures(), 0.25)


def test_interior_nodes_include_the_boundary():
    mesh = Rectangle(mesh_size=0.25).mesh()
    assert len(mesh.nodes("interior")) == 25
    assert len(mesh.nodes("boundary")) == 16


def test_rectangle_prefers_no_direction():
    """With alternating diagonals the mesh is its own mirror image when the number of cells is even."""
    mesh = Rectangle(mesh_size=0.25).mesh()

    def triangles(points):
        return {tuple(sorted(map(tuple, points[cell].round(12).tolist()))) for cell in mesh.cells}

    assert triangles(mesh.points * [-1, 1] + [1, 0]) == triangles(mesh.points)
    assert triangles(mesh.points[:, ::-1]) == triangles(mesh.points)


def test_box_has_six_equal_tetrahedra_in_each_cell():
    mesh = Box((0, 1), (0, 2), (0, 3), mesh_size=1.0).mesh()
    assert len(mesh.points) == 2 * 3 * 4
    np.testing.assert_allclose(mesh.cell_measures(), np.full(36, 1 / 6), rtol=1e-14)


@pytest.mark.parametrize("num_points", [3, 4, 5, 6, 17, 32, 100])
def test_mesh_of_a_disk_is_a_regular_polygon(num_points):
    mesh = Disk((3, 4), radius=2, num_points=num_points).mesh()
    rim = at(mesh, "boundary") - [3, 4]
    assert len(rim) == num_points
    np.testing.assert_allclose(np.hypot(*rim.T), 2, rtol=1e-14)
    area = num_points / 2 * 4 * math.sin(2 * math.pi / num_points)
    np.testing.assert_allclose(np.sum(mesh.cell_measures()), area, rtol=1e-13)


def test_area_of_meshes_of_a_disk_converges_with_the_square_of_the_mesh_size():
    errors = [math.pi - np.sum(Disk(mesh_size=h).mesh().cell_measures()) for h in (0.2, 0.1, 0.05)]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(rates, 2, atol=0.1)


def test_edges_of_a_disk_have_about_the_mesh_size():
    mesh = Disk(radius=3.0, mesh_size=0.2).mesh()
    corners = mesh.points[mesh.cells]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
    assert lengths.min() > 0.5 * 0.2
    assert lengths.max() < 1.5 * 0.2


def test_re_entrant_corner_of_the_l_shape_is_a_node_of_both_inner_sides():
    for size, mesh_size in [(1.0, 0.1), (1.7, 0.13), (0.3, 5.0)]:
        geometry = LShape(size, mesh_size=mesh_size)
        mesh = geometry.mesh()
        for tag in ("inner_horizontal", "inner_vertical"):
            assert [size / 2, size / 2] in at(mesh, tag).tolist()
        assert not geometry.contains(np.array([[0.51 * size, 0.51 * size]]))[0]
        assert geometry.contains(np.array([[size / 2, size / 2]]))[0]


def test_defaults_are_the_documented_ones():
    assert Line() == Line((0.0, 1.0), mesh_size=0.1)
    assert Rectangle() == Rectangle((0.0, 1.0), (0.0, 1.0), mesh_size=0.1)
    assert EquidistantRectangle() == EquidistantRectangle((0.0, 1.0), (0.0, 1.0), nx=10, ny=10)
    assert Box() == Box((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), mesh_size=0.1)
    assert Disk() == Disk((0.0, 0.0), radius=1.0, mesh_size=0.1)
    assert LShape() == LShape(1.0, mesh_size=0.1)
    assert RectangleWithHoles().outer_size == (2.0, 1.0)


def test_sequences_and_arrays_are_accepted_and_compare_equal():
    assert Line(np.array([0, 2])) == Line([0, 2]) == Line((0.0, 2.0))
    assert hash(Line([0, 2])) == hash(Line((0.0, 2.0)))
    assert repr(Line([0, 2])) == "Line(x_range=(0.0, 2.0), mesh_size=0.1)"


def test_every_entry_point_loads_a_geometry():
    entries = importlib.metadata.distribution("jno-plugin-geometry").entry_points.select(group="jno.geometries")
    loaded = {entry.name: entry.load() for entry in entries}
    assert loaded["box"] is loaded["cube"] is Box
    assert loaded["rect"] is Rectangle
    assert set(loaded) >= {"disk", "equi_distant_rect", "l_shape", "line", "polygon", "rectangle_with_holes"}
    assert all(issubclass(geometry, AbstractGeometry) for geometry in loaded.values())
    public = {value for name, value in vars(jno_plugin_geometry).items() if not name.startswith("_")}
    assert set(loaded.values()) <= public
