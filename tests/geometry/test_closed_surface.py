"""Closed surfaces in .stl files: their inside is meshed, and what encloses nothing is refused."""

import meshio
import numpy as np
import pytest

import jno
from jno_core.errors import JnoValueError
from jno_plugin_geometry import Ball, Box, MeshFile, Rectangle

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def written(path, triangles, corners=CORNERS):
    meshio.stl.write(str(path), meshio.Mesh(corners, [("triangle", np.asarray(triangles))]), binary=True)
    return path


def exported(path, shape, mesh_size):
    MeshFile.write(path, shape.remeshed(mesh_size).mesh(), {})
    return path


def check_divergence(mesh):
    """The flux of x through the boundary is three times the volume."""
    middles = np.mean(mesh.points[mesh.facets["boundary"]], axis=1)
    flux = np.sum(middles * mesh.facet_normals("boundary"), axis=1) @ mesh.facet_measures("boundary")
    np.testing.assert_allclose(flux, 3 * np.sum(mesh.cell_measures()), rtol=1e-12)


# Far from the origin, and not of size one.
FLAT = {
    "box": (Box((100, 300), (-50, 50), (0, 100)), 50.0),
    "cavity": (Box((0, 3), (0, 3), (0, 3)) - Box((1, 2), (1, 2), (1, 2)), 1.0),
    "two": (Box() | Box((2, 3), (0, 1), (0, 1)), 0.5),
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_surfaces_are_filled(tmp_path, name):
    shape, mesh_size = FLAT[name]
    file = MeshFile(exported(tmp_path / "part.stl", shape, mesh_size), mesh_size)
    assert file.dimension == 3
    assert file.tags() == {"interior": "interior", "boundary": "boundary"}
    for tag in file.tags():
        assert file.measure(tag) == pytest.approx(shape.measure(tag), rel=1e-6)
    mesh = file.mesh()
    check_divergence(mesh)
    size = np.max(np.ptp(shape.bounds(), axis=0))
    assert np.max(np.abs(shape.signed_distance(mesh.points[mesh.nodes("boundary")]))) < 1e-6 * size
    np.testing.assert_array_equal(MeshFile(file.path, mesh_size).mesh().points, mesh.points)


def test_a_round_surface(tmp_path):
    path = exported(tmp_path / "ball.stl", Ball((1, 2, 3), 0.5), 0.1)
    domain = jno.domain(path, mesh_size=0.1)
    mesh = domain.mesh
    assert np.sum(mesh.cell_measures()) == pytest.approx(np.pi / 6, rel=0.05)
    radii = np.linalg.norm(mesh.points[mesh.nodes("boundary")] - [1, 2, 3], axis=1)
    # Between the ball and the facets of the file.
    assert 0.48 < np.min(radii) <= np.max(radii) < 0.5 + 1e-6
    check_divergence(mesh)
    geometry = domain.geometry
    inside = geometry.sample("interior", 50, np.random.default_rng(0)).points
    assert np.all(geometry.contains(inside))
    assert not np.any(geometry.contains(inside + 1.0))


def test_the_mesh_size_by_default_and_triangles_turned_inwards(tmp_path):
    file = MeshFile(written(tmp_path / "t.stl", TETRAHEDRON[:, ::-1]))
    assert file.measure("interior") == pytest.approx(1 / 6, rel=1e-6)
    edges = file.mesh().points[file.mesh().cells]
    assert 0.05 < np.mean(np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1)) < 0.2


@pytest.mark.parametrize(
    ("triangles", "message"),
    [
        (TETRAHEDRON[:3], "too few triangles"),
        ([*TETRAHEDRON[:3], [1, 2, 4], [2, 4, 3]], "not watertight: 4 edges have one triangle only"),
        ([*TETRAHEDRON[:3], TETRAHEDRON[3, ::-1]], "turns over: at 3 edges"),
        ([*TETRAHEDRON, [0, 1, 4], [1, 2, 4], [2, 0, 4]], "branches: 3 edges have more than two"),
    ],
    ids=["open", "hole", "turned", "branch"],
)
def test_surfaces_that_enclose_nothing(tmp_path, triangles, message):
    corners = np.concatenate([CORNERS, [[0.2, 0.2, -1.0]]])
    with pytest.raises(JnoValueError, match=rf"part\.stl.*{message}"):
        MeshFile(written(tmp_path / "part.stl", triangles, corners))


def test_the_mesh_size_is_checked(tmp_path):
    path = written(tmp_path / "t.stl", TETRAHEDRON)
    with pytest.raises(JnoValueError, match="mesh_size must be positive"):
        MeshFile(path, 0.0)
    with pytest.raises(JnoValueError, match="cells"):
        MeshFile(path, 1e-4).mesh()
    MeshFile.write(tmp_path / "plate.stl", Rectangle(mesh_size=0.5).mesh(), {})
    with pytest.raises(JnoValueError, match=r"plate\.stl.*holds a mesh"):
        MeshFile(tmp_path / "plate.stl", 0.1)
