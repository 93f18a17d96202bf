"""`Mesh`: checks, measures, node sets and normals against closed forms."""

import itertools
import math

import numpy as np
import pytest

from jno_core import Mesh
from jno_core.errors import JnoValueError


def segment(nodes=(0.0, 0.5, 2.0)):
    nodes = np.array(nodes)[:, None]
    cells = np.stack([np.arange(len(nodes) - 1), np.arange(1, len(nodes))], axis=1)
    ends = {"left": [[0]], "right": [[len(nodes) - 1]], "boundary": [[0], [len(nodes) - 1]]}
    return Mesh(nodes, cells, ends)


def square():
    points = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    sides = {"bottom": [(0, 1)], "right": [(2, 1)], "top": [(2, 3)], "left": [(0, 3)]}
    return Mesh(points, [(0, 1, 2), (0, 2, 3)], sides | {"boundary": [(0, 1), (2, 1), (2, 3), (0, 3)]})


def simplex(d):
    """The reference simplex, whose facet opposite of the origin is the only slanted one."""
    nodes = range(d + 1)
    facets = list(itertools.combinations(nodes, d))
    slanted = [tuple(range(1, d + 1))]
    return Mesh(np.eye(d + 1, d, k=-1), [tuple(nodes)], {"boundary": facets, "slanted": slanted})


def test_arrays_are_copied_and_read_only():
    points = np.array([[0.0], [1.0]])
    mesh = Mesh(points, [[0, 1]], {"boundary": [[0], [1]]})
    points[0] = 9.0
    assert mesh.points[0] == 0.0
    assert mesh.points.dtype == np.float64
    assert mesh.cells.dtype == np.int64
    for array in (mesh.points, mesh.cells, mesh.facets["boundary"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("d", [1, 2, 3])
def test_measures_of_the_reference_simplex(d):
    mesh = simplex(d)
    assert mesh.dimension == d
    np.testing.assert_allclose(mesh.cell_measures(), 1 / math.factorial(d), rtol=1e-15)
    flat = 1 / math.factorial(d - 1)
    slanted = math.sqrt(d) * flat if d > 1 else 1.0
    np.testing.assert_allclose(mesh.facet_measures("slanted"), [slanted], rtol=1e-15)
    np.testing.assert_allclose(np.sum(mesh.facet_measures("boundary")), d * flat + slanted, rtol=1e-15)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_normals_of_the_reference_simplex_point_outwards(d):
    mesh = simplex(d)
    np.testing.assert_allclose(mesh.facet_normals("slanted"), np.full((1, d), 1 / math.sqrt(d)), rtol=1e-15)
    for facet, normal in zip(mesh.facets["boundary"], mesh.facet_normals("boundary"), strict=True):
        if 0 in facet:
            missing = (set(range(1, d + 1)) - set(facet.tolist())).pop()
            np.testing.assert_array_equal(normal, -np.eye(d)[missing - 1])


@pytest.mark.parametrize("d", [2, 3])
def test_cell_measures_agree_with_determinants(d):
    rng = np.random.default_rng(d)
    points = rng.normal(size=(40, d))
    cells = np.array([rng.choice(40, size=d + 1, replace=False) for _ in range(30)])
    corners = points[cells]
    signed = np.linalg.det(corners[:, 1:] - corners[:, :1]) / math.factorial(d)
    cells[signed < 0, :2] = cells[signed < 0, 1::-1]
    mesh = Mesh(points, cells, {"boundary": cells[:1, :d]})
    np.testing.assert_allclose(mesh.cell_measures(), np.abs(signed), rtol=1e-10)


def test_normals_on_straight_sides_are_exact_and_ignore_the_order_of_nodes():
    mesh = square()
    for tag, normal in {"bottom": (0, -1), "right": (1, 0), "top": (0, 1), "left": (-1, 0)}.items():
        np.testing.assert_array_equal(mesh.facet_normals(tag), [normal])
        np.testing.assert_array_equal(mesh.node_normals(tag), [normal, normal])


def test_node_normals_at_a_corner_bisect():
    np.testing.assert_allclose(
        square().node_normals("boundary"), np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / np.sqrt(2), rtol=1e-15
    )


def test_end_points_of_a_segment():
    mesh = segment()
    np.testing.assert_array_equal(mesh.facet_normals("boundary"), [[-1.0], [1.0]])
    np.testing.assert_array_equal(mesh.node_normals("right"), [[1.0]])
    np.testing.assert_array_equal(mesh.facet_measures("boundary"), [1.0, 1.0])
    np.testing.assert_array_equal(mesh.cell_measures(), [0.5, 1.5])


def test_node_sets_are_complete_and_sorted():
    np.testing.assert_array_equal(segment().nodes("interior"), [0, 1, 2])
    np.testing.assert_array_equal(square().nodes("top"), [2, 3])
    np.testing.assert_array_equal(square().nodes("boundary"), [0, 1, 2, 3])
    mesh = square()
    upper = Mesh(mesh.points, mesh.cells, mesh.facets, {"upper": [1]})
    np.testing.assert_array_equal(upper.nodes("upper"), [0, 2, 3])


def test_normals_of_a_strip_with_many_nodes():
    """Node numbers beyond 2**21, whose cubes do not fit in 64 bits, do not confuse the look-up of facets."""
    n = 3_000_000
    points = np.zeros((n, 3))
    points[-4:] = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    mesh = Mesh(points, [(n - 4, n - 3, n - 2, n - 1)], {"boundary": [(n - 1, n - 2, n - 3)]})
    np.testing.assert_allclose(mesh.facet_normals("boundary"), np.full((1, 3), 3**-0.5), rtol=1e-15)


def test_a_facet_that_is_no_side_of_a_cell_is_named():
    mesh = Mesh(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]), [(0, 1, 2), (0, 2, 3)], {"boundary": [(0, 1), (1, 3)]})
    with pytest.raises(JnoValueError, match=r"\[1, 3\] is not the side of any cell"):
        mesh.facet_normals("boundary")


TRIANGLE = {"points": np.eye(3, 2, k=-1), "cells": [(0, 1, 2)], "facets": {"boundary": [(0, 1), (1, 2), (2, 0)]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros(3)}, r"must have shape .* got \(3,\)"),
        ({"points": np.zeros((3, 4))}, r"got \(3, 4\)"),
        ({"points": [(0, 0), (1, np.nan), (0, 1)]}, "node 1 is not finite"),
        ({"cells": [(0, 1)]}, r"cells of shape \(m, 3\)"),
        ({"cells": np.zeros((0, 3), dtype=int)}, "m > 0"),
        ({"cells": [(0, 1, 3)]}, "'cells' names node 3, which is not one of 0 to 2"),
        ({"cells": [(0, 1, -1)]}, "names node -1"),
        ({"cells": [(0, 2, 1)]}, "cell 0 has the measure -0.5"),
        ({"cells": [(0, 1, 1)]}, "cell 0 has the measure 0"),
        ({"facets": {"outer": [(0, 1)]}}, r"needs the boundary tag 'boundary'; got \['outer'\]"),
        ({"facets": {"boundary": [(0, 1, 2)]}}, r"'boundary' must have shape \(f, 2\)"),
        ({"facets": {"boundary": [(0, 7)]}}, "'boundary' names node 7"),
        ({"regions": {"part": [1]}}, "Region 'part' names cell 1"),
    ],
)
def test_bad_meshes(change, message):
    with pytest.raises(JnoValueError, match=message):
        Mesh(**(TRIANGLE | change))


@pytest.mark.parametrize("method", ["nodes", "facet_measures", "facet_normals", "node_normals"])
def test_unknown_tags_are_listed_with_the_known_ones(method):
    with pytest.raises(JnoValueError, match=r"'roof'.*'bottom'"):
        getattr(square(), method)("roof")
