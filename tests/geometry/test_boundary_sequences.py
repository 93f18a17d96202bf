"""Sequences on boundaries: on the boundary, by length or area, more even than chance, and repeatable."""

import numpy as np
import pytest
import shapely

import jno
from jno_core import Mesh
from jno_core.errors import JnoKeyError, JnoValueError
from jno_plugin_geometry import (
    Ball,
    Box,
    Cone,
    Disk,
    Ellipse,
    Line,
    MeshFile,
    PolygonGeometry,
    Rectangle,
    RectanglePml,
    Torus,
)

SEQUENCES = ("sobol", "halton", "latin_hypercube")
TWO = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 3, 1)})
# A geometry, a part of its boundary, a function and its mean on the part.
MEANS = {
    "disk": (Disk((1, 2), 0.5), "boundary", lambda p: (p[:, 0] - 1) ** 2, 0.125),
    "plate": (Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2).named("hole"), "hole", lambda p: p[:, 1] ** 2, 0.27),
    "polygon": (TWO, "boundary_b", lambda p: p[:, 0], 2.0),
    "interface": (TWO, "interface_b_a", lambda p: p[:, 1] ** 3, 0.25),
    "layers": (RectanglePml(), "interface_top", lambda p: p[:, 0] ** 2, 1 / 3),
    "box": (Box(), "boundary", lambda p: p[:, 0] ** 2, 7 / 18),
    "ball": (Ball(), "boundary", lambda p: p[:, 0] ** 2, 1 / 3),
    "bitten": (Box() - Ball((0, 0, 0), 0.5).named("bite"), "bite", lambda p: p[:, 0] ** 2, 0.25 / 3),
    "cone": (Cone().scale(2.0), "side", lambda p: p[:, 2], 2 / 3),
    "torus": (Torus(), "boundary", lambda p: p[:, 2] ** 2, 0.25**2 / 2),
}


def drawn(geometry, tag, n, sequence):
    domain = jno.domain(geometry, compute_mesh_connectivity=False)
    return np.asarray(domain.points(domain.variable(tag, (n, sequence))[0]), np.float64)


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("name", MEANS)
def test_means(name, sequence):
    geometry, tag, function, mean = MEANS[name]
    points = drawn(geometry, tag, 1000, sequence)
    assert points.shape == (1000, geometry.dimension)
    # Independent points miss by 0.01 to 0.02 of the spread; a Latin hypercube is no better in three dimensions.
    wide = geometry.dimension == 3 and sequence == "latin_hypercube"
    spread = np.std(function(points))
    assert abs(np.mean(function(points)) - mean) < (0.1 if wide else 0.012) * spread
    np.testing.assert_array_equal(points, drawn(geometry, tag, 1000, sequence))


@pytest.mark.parametrize("n", [1, 3, 100, 777])
def test_counts_are_exact_also_where_faces_are_cut(n):
    geometry, tag, *_ = MEANS["bitten"]
    for sequence in SEQUENCES:
        points = drawn(geometry, tag, n, sequence)
        assert points.shape == (n, 3)
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.5, rtol=1e-6)


def test_a_circle_is_cut_into_equal_arcs():
    """Of a Sobol sequence each of n equal intervals has one point, when n is a power of two."""
    points = drawn(Ellipse((0, 0), (2, 2)), "boundary", 256, "sobol")
    angles = np.mod(np.arctan2(points[:, 1], points[:, 0]), 2 * np.pi)
    counts, _ = np.histogram(angles, 64, (0, 2 * np.pi))
    np.testing.assert_array_equal(counts, 4)


def test_normals():
    domain = jno.domain(Box() - Ball((0, 0, 0), 0.5).named("bite"), compute_mesh_connectivity=False)
    x, _, _, _, *normals = domain.variable("bite", (50, "halton"), normals=True, split=True)
    points = np.asarray(domain.points(x))
    drawn = domain.geometry.boundary_at("bite", np.random.default_rng(0).random((60, 3)))
    np.testing.assert_allclose(drawn.normals, -drawn.points / 0.5, atol=1e-12)
    assert len(points) == 50
    assert len(normals) == 3


def test_the_ends_of_a_line_take_turns():
    points = drawn(Line((0, 3)), "boundary", 8, "sobol")
    assert sorted(points[:, 0]) == [0] * 4 + [3] * 4


@pytest.mark.parametrize("shape", [Rectangle((0, 2), (0, 1), mesh_size=0.25), Box(mesh_size=0.5), Line(mesh_size=0.5)])
def test_facets_of_a_mesh(shape, tmp_path):
    """The mesh is all that there is, and its sides are flat."""
    mesh = shape.mesh()
    MeshFile.write(tmp_path / "a.npz", mesh, {})
    for domain in (jno.domain(mesh), jno.domain(tmp_path / "a.npz")):
        for tag in ("boundary", "left"):
            for sequence in SEQUENCES:
                points = np.asarray(domain.points(domain.variable(tag, (500, sequence))[0]), np.float64)
                assert np.max(np.abs(shape.signed_distance(points))) < 1e-6
        assert np.all(points[:, 0] == 0)
        if shape.dimension > 1:
            # The last one was a Latin hypercube on the left side.
            assert abs(np.mean(points[:, 1]) - 0.5) < 0.03


def test_what_no_sequence_fills():
    curved = Mesh.from_cells(np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[0, 1, 2]]))
    with pytest.raises(JnoValueError, match="interior of a geometry, or a boundary"):
        jno.domain(curved).variable("interior", (5, "sobol"))
    u = np.random.default_rng(0).random((5, 1))
    for geometry in (Disk(), TWO):
        with pytest.raises(JnoKeyError, match="interior"):
            geometry.boundary_at("interior", u)
