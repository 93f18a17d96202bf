"""Mesh files: what is written comes back, what other programs write has its groups, and junk is refused by name."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import meshio
import numpy as np
import optax
import pytest

import jno
from jno_core import Mesh
from jno_core.errors import JnoFileNotFoundError, JnoKeyError, JnoTypeError, JnoValueError
from jno_core.testing import GeometrySuite
from jno_plugin_geometry import Box, Line, MeshFile, Polygon, Rectangle

FORMATS = (".vtu", ".vtk", ".msh", ".npz")
# Two triangles of the unit square as gmsh 4.1 writes them; node 9 belongs to no cell.
GMSH_41 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
3
1 7 "floor"
1 8 "outer side"
2 3 "steel"
$EndPhysicalNames
$Entities
0 2 1 0
1 0 0 0 1 0 0 2 7 8 0
2 0 0 0 1 1 0 1 8 0
1 0 0 0 1 1 0 1 3 0
$EndEntities
$Nodes
1 5 1 9
2 1 0 5
1
2
3
4
9
0 0 0
1 0 0
1 1 0
0 1 0
5 5 0
$EndNodes
$Elements
3 5 1 5
1 1 1 1
1 1 2
1 2 1 2
2 2 3
3 3 4
2 1 2 2
4 1 2 3
5 1 3 4
$EndElements
"""
GMSH_22 = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
2
1 1 "low"
2 2 "left half"
$EndPhysicalNames
$Nodes
4
1 0 0 0
2 1 0 0
3 1 1 0
4 0 1 0
$EndNodes
$Elements
5
1 1 2 1 1 1 2
2 1 2 5 2 3 4
3 2 2 2 1 1 2 3
4 2 2 5 1 4 3 1
5 15 2 0 1 1
$EndElements
"""


GEOMETRIES = {
    "line": Line((-0.5, 2.0), mesh_size=0.2),
    "polygon": Polygon(
        [(0.0, 0.0), (2.0, 0.1), (1.5, 1.2)], holes=[[(0.9, 0.3), (1.3, 0.3), (1.2, 0.6)]], mesh_size=0.2
    ),
    "box": Box((-1, 0.5), (0.25, 1), (2, 3), mesh_size=0.3),
}


@pytest.fixture(params=GEOMETRIES)
def geometry(request):
    return GEOMETRIES[request.param]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_written_comes_back(tmp_path, geometry, suffix):
    mesh = geometry.mesh()
    # Out of order and overlapping: nothing of it may get lost.
    regions = {"left half": np.arange(len(mesh.cells) // 2)[::-1], "copper": np.arange(3)}
    mesh = dataclasses.replace(mesh, regions=regions)
    rng = np.random.default_rng(0)
    fields = {"u": rng.normal(size=len(mesh.points)), "the flux": rng.normal(size=(len(mesh.points), 3))}
    MeshFile.write(tmp_path / f"part{suffix}", mesh, fields)
    file = MeshFile(tmp_path / f"part{suffix}")
    found = file.mesh()
    np.testing.assert_array_equal(found.points, mesh.points)
    np.testing.assert_array_equal(found.cells, mesh.cells)
    for mine, theirs in ((mesh.facets, found.facets), (mesh.regions, found.regions)):
        assert set(theirs) == set(mine)
        for tag, rows in mine.items():
            if suffix == ".msh" and mine is mesh.regions:
                # Cells are repeated in groups, in the order of the groups.
                np.testing.assert_array_equal(np.sort(theirs[tag]), np.sort(rows))
            else:
                np.testing.assert_array_equal(theirs[tag], rows)
    assert set(file.point_data) == set(fields)
    for name, values in fields.items():
        np.testing.assert_array_equal(file.point_data[name], values)


def test_a_plane_stl_comes_back_as_the_same_triangles(tmp_path):
    mesh = Rectangle((0, 1), (0, 2), mesh_size=0.25).mesh()
    MeshFile.write(tmp_path / "plate.stl", mesh, {})
    file = MeshFile(tmp_path / "plate.stl")
    found = file.mesh()
    assert file.dimension == 2
    assert len(found.points) == len(mesh.points)
    np.testing.assert_array_equal(found.points[found.cells], mesh.points[mesh.cells])


def test_an_stl_holds_the_boundary_seen_from_outside(tmp_path):
    MeshFile.write(tmp_path / "box.stl", Box(mesh_size=0.5).mesh(), {})
    raw = meshio.stl.read(tmp_path / "box.stl")
    a, b, c = (raw.points[raw.cells_dict["triangle"][:, i]] for i in range(3))
    # By the divergence theorem the triangles enclose the volume 1, seen from outside.
    np.testing.assert_allclose(np.sum(a * np.cross(b, c)) / 6, 1.0, rtol=1e-6)


def test_gmsh_41(tmp_path):
    (tmp_path / "a.msh").write_text(GMSH_41)
    file = MeshFile(tmp_path / "a.msh")
    mesh = file.mesh()
    assert file.tags() == {
        "interior": "interior",
        "boundary": "boundary",
        "floor": "boundary",
        "outer side": "boundary",
        "steel": "interior",
    }
    np.testing.assert_array_equal(mesh.points, [[0, 0], [1, 0], [1, 1], [0, 1]])
    np.testing.assert_array_equal(mesh.cells, [[0, 1, 2], [0, 2, 3]])
    # The floor belongs to two groups.
    np.testing.assert_array_equal(mesh.facets["floor"], [[0, 1]])
    np.testing.assert_array_equal(mesh.facets["outer side"], [[0, 1], [1, 2], [2, 3]])
    assert len(mesh.facets["boundary"]) == 4
    assert file.measure("outer side") == 3.0


def test_gmsh_41_with_cells_in_no_group(tmp_path):
    (tmp_path / "a.msh").write_text(GMSH_41.replace("1 0 0 0 1 1 0 1 3 0", "1 0 0 0 1 1 0 0 0"))
    with pytest.raises(JnoValueError, match=r"a\.msh.*Mesh\.SaveAll = 0"):
        MeshFile(tmp_path / "a.msh")


def test_gmsh_22_with_groups_that_have_no_name_and_cells_that_turn_right(tmp_path):
    (tmp_path / "a.msh").write_text(GMSH_22)
    mesh = MeshFile(tmp_path / "a.msh").mesh()
    assert set(mesh.facets) == {"boundary", "low", "group_5"}
    np.testing.assert_array_equal(mesh.facets["group_5"], [[2, 3]])
    np.testing.assert_array_equal(mesh.regions["left half"], [0])
    np.testing.assert_array_equal(mesh.regions["region_5"], [1])
    np.testing.assert_allclose(mesh.cell_measures(), 0.5)


@pytest.mark.parametrize("kind", ["msh", "vtu"])
def test_what_meshio_writes(tmp_path, kind):
    """Physical groups through `.msh`, sets of cells through `.vtu`, of a mesh by netgen."""
    mesh = Polygon([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)], mesh_size=0.2).mesh()
    x = np.mean(mesh.points[mesh.cells], axis=1)[:, 0]
    low = np.all(mesh.points[mesh.facets["boundary"]][:, :, 1] == 0, axis=1)
    edges, halves = mesh.facets["boundary"], (x > 1).astype(int)
    blocks = [("line", edges), ("triangle", mesh.cells)]
    points = np.concatenate([mesh.points, np.zeros((len(mesh.points), 1))], axis=1)
    path = tmp_path / f"part.{kind}"
    if kind == "msh":
        ids = [np.where(low, 1, 2), 3 + halves]
        names = {"low": [1, 1], "rest": [2, 1], "west": [3, 2], "east": [4, 2]}
        data = {"gmsh:physical": ids, "gmsh:geometrical": ids}
        meshio.gmsh.write(path, meshio.Mesh(points, blocks, cell_data=data, field_data=names), fmt_version="2.2")
    else:
        values = [np.where(low, 0, 1), 2 + halves]
        meshio.vtu.write(path, meshio.Mesh(points, blocks, cell_data={"low-rest-west-east": values}))
    file = MeshFile(path)
    found = file.mesh()
    np.testing.assert_array_equal(found.cells, mesh.cells)
    np.testing.assert_array_equal(found.facets["low"], edges[low])
    np.testing.assert_array_equal(found.facets["rest"], edges[~low])
    np.testing.assert_array_equal(found.regions["east"], np.flatnonzero(x > 1))
    np.testing.assert_allclose([file.measure("low"), file.measure("rest"), file.measure("interior")], [2, 4, 2])


def test_a_file_made_elsewhere_is_trained_on_and_goes_back_with_its_fields(tmp_path):
    mesh = Polygon([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)], mesh_size=0.5).mesh()
    points = np.concatenate([mesh.points, np.zeros((len(mesh.points), 1))], axis=1)
    west = np.mean(mesh.points[mesh.cells], axis=1)[:, 0] < 1
    ids = [np.ones(len(mesh.facets["boundary"]), int), np.where(west, 2, 3)]
    made = meshio.Mesh(
        points,
        [("line", mesh.facets["boundary"]), ("triangle", mesh.cells)],
        cell_data={"gmsh:physical": ids, "gmsh:geometrical": ids},
        field_data={"rim": [1, 1], "west": [2, 2], "east": [3, 2]},
    )
    meshio.gmsh.write(tmp_path / "part.msh", made, fmt_version="2.2")
    domain = jno.domain(tmp_path / "part.msh")
    assert domain.tags == ("interior", "boundary", "rim", "west", "east")
    x, y, _ = domain.variable("west")
    xr, yr, _ = domain.variable("rim")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-2))
    crux = jno.core([(net(x, y) - 1).mse, net(xr, yr).mse])
    history = crux.solve(3).total_loss_history
    assert history[-1] < history[0]
    x, y, _ = domain.variable("interior")
    crux.export_vtu(net(x, y).name("u"), tmp_path / "u.vtu")
    again = jno.domain(tmp_path / "u.vtu")
    np.testing.assert_array_equal(again.mesh.points, domain.mesh.points)
    np.testing.assert_array_equal(again.mesh.cells, mesh.cells)
    for mine, theirs in ((domain.mesh.facets, again.mesh.facets), (domain.mesh.regions, again.mesh.regions)):
        assert list(theirs) == list(mine)
        for tag, rows in mine.items():
            np.testing.assert_array_equal(theirs[tag], rows)
    np.testing.assert_array_equal(np.ravel(again.geometry.point_data["u"]), np.ravel(crux.eval(net(x, y))))


@pytest.mark.parametrize(("suffix", "kind"), [(".msh", "gmsh"), (".msh", "gmsh22"), (".vtu", "vtu"), (".vtk", "vtk")])
def test_a_file_without_groups_has_all_of_it_and_its_boundary(tmp_path, suffix, kind):
    mesh = Rectangle(mesh_size=0.5).mesh()
    points = np.concatenate([mesh.points, np.zeros((len(mesh.points), 1))], axis=1)
    meshio.write(tmp_path / f"bare{suffix}", meshio.Mesh(points, [("triangle", mesh.cells)]), kind)
    file = MeshFile(tmp_path / f"bare{suffix}")
    assert file.tags() == {"interior": "interior", "boundary": "boundary"}
    assert (file.measure("interior"), file.measure("boundary")) == (1.0, 4.0)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_as_a_domain(tmp_path, suffix):
    made = jno.domain.polygon([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)], mesh_size=0.25)
    domain = jno.domain(made.export(tmp_path / "new" / "folder" / f"part{suffix}"))
    assert domain.tags == made.tags
    x, y, _ = domain.variable("interior")
    px, py, _, nx, ny = domain.variable("boundary", normals=True, split=True)
    # The integral of 2 + 3 is the flux of (2 x, 3 y) outwards.
    inside, flux = (0 * x + 0 * y + 5).integrate(), (2 * px * nx + 3 * py * ny).integrate()
    crux = jno.core([jno.np.parameter(()).mse], domain=domain)
    for node in (inside, flux):
        np.testing.assert_allclose(np.ravel(crux.eval(node)), [10.0], rtol=1e-5)
    again = jno.domain(domain.export(tmp_path / f"again{suffix}"))
    np.testing.assert_array_equal(again.mesh.points, made.mesh.points)
    np.testing.assert_array_equal(again.mesh.cells, made.mesh.cells)
    for tag, facets in made.mesh.facets.items():
        np.testing.assert_array_equal(again.mesh.facets[tag], facets)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


class TestConformance(GeometrySuite):
    plugin = MeshFile
    arguments: ClassVar = {}
    wrong_arguments: ClassVar = ({"path": 3},)

    @pytest.fixture(autouse=True)
    def write(self, tmp_path, monkeypatch):
        MeshFile.write(tmp_path / "part.vtu", GEOMETRIES["polygon"].mesh(), {})
        monkeypatch.setattr(type(self), "arguments", {"path": tmp_path / "part.vtu"})


class TestPoints:
    @pytest.fixture
    def file(self, tmp_path, geometry):
        MeshFile.write(tmp_path / "m.npz", geometry.mesh(), {})
        return MeshFile(tmp_path / "m.npz")

    def test_contains_and_measure_are_those_of_the_geometry(self, file, geometry):
        points = np.random.default_rng(1).uniform(-1.2, 3.2, (4000, file.dimension))
        points = np.concatenate([points, file.mesh().points])
        np.testing.assert_array_equal(file.contains(points), geometry.contains(points))
        assert 0 < np.sum(file.contains(points[:4000])) < 4000
        for tag in geometry.tags():
            np.testing.assert_allclose(file.measure(tag), geometry.measure(tag), rtol=1e-12)

    def test_samples_are_uniform(self, file):
        mesh, n = file.mesh(), 20_000
        draw = file.sample("interior", n, np.random.default_rng(2))
        assert np.all(file.contains(draw.points))
        volumes = mesh.cell_measures()[:, None] / np.sum(mesh.cell_measures())
        centroid = np.sum(volumes * np.mean(mesh.points[mesh.cells], axis=1), axis=0)
        spread = np.std(draw.points, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(draw.points, axis=0) - centroid) < 4.5 * spread)
        # The second moments of each simplex are known in closed form.
        d = mesh.dimension
        corners = mesh.points[mesh.cells]
        moments = (np.sum(corners**2, axis=1) + np.sum(corners, axis=1) ** 2) / ((d + 1) * (d + 2))
        second = np.sum(volumes * moments, axis=0)
        spread = np.std(draw.points**2, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(draw.points**2, axis=0) - second) < 4.5 * spread)

    def test_boundary_samples_have_the_normals_of_their_facets(self, file):
        draw = file.sample("boundary", 500, np.random.default_rng(3))
        np.testing.assert_allclose(np.linalg.norm(draw.normals, axis=1), 1.0)
        assert np.all(file.contains(draw.points - 1e-4 * draw.normals))
        assert not np.any(file.contains(draw.points + 1e-4 * draw.normals))
        same = file.sample("boundary", 500, np.random.default_rng(3))
        np.testing.assert_array_equal(same.points, draw.points)

    def test_unknown_tags(self, file):
        with pytest.raises(JnoKeyError, match="no tag 'lid'"):
            file.measure("lid")
        with pytest.raises(JnoKeyError, match="no tag 'lid'"):
            file.sample("lid", 3, np.random.default_rng(0))


class TestRefusals:
    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nothing\.msh"):
            jno.domain(tmp_path / "nothing.msh")
        with pytest.raises(JnoFileNotFoundError):
            MeshFile(tmp_path / "nothing.msh")
        with pytest.raises(JnoTypeError, match="path must be"):
            MeshFile(3)

    def test_other_suffixes(self, tmp_path):
        (tmp_path / "part.step").write_text("ISO-10303-21;")
        with pytest.raises(JnoValueError, match=r"part\.step.*\.msh.*\.npz"):
            MeshFile(tmp_path / "part.step")

    def test_files_of_ansys_have_the_same_suffix(self, tmp_path):
        plain = meshio.Mesh(np.array([[0.0, 0], [1, 0], [0, 1]]), [("triangle", np.array([[0, 1, 2]]))])
        plain.write(tmp_path / "a.msh", file_format="ansys")
        with pytest.raises(JnoValueError, match=r"a\.msh.*no file of gmsh.*file_format='gmsh'"):
            MeshFile(tmp_path / "a.msh")

    @pytest.mark.parametrize("suffix", [*FORMATS, ".stl", ".inp", ".mesh", ".su2"])
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"junk\n" * 40,
            bytes(range(256)) * 8,
            b"$MeshFormat\n9.9 0 8\n$EndMeshFormat\n",
            b"<VTKFile/>",
            b"PK\x03\x04",
        ],
        ids=["empty", "words", "bytes", "msh", "xml", "zip"],
    )
    def test_junk(self, tmp_path, capfd, suffix, content):
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(content)
        with pytest.raises(JnoValueError, match="junk") as caught:
            MeshFile(path)
        assert "\n" not in str(caught.value)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_truncated(self, tmp_path, suffix):
        whole, part = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
        mesh = Box(mesh_size=0.5).mesh()
        MeshFile.write(whole, mesh, {"u": mesh.points[:, 0]})
        content = whole.read_bytes()
        # The last byte may be the end of a line.
        for cut in np.linspace(0, len(content) - 8, 40).astype(int):
            part.write_bytes(content[:cut])
            with pytest.raises(JnoValueError, match="part"):
                MeshFile(part)

    def test_cells_of_other_kinds(self, tmp_path):
        square = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
        path = tmp_path / "a.vtu"
        meshio.vtu.write(path, meshio.Mesh(np.array(square), [("quad", np.array([[0, 1, 2, 3]]))]))
        with pytest.raises(JnoValueError, match=r"a\.vtu.*'quad'.*tetrahedra"):
            MeshFile(path)
        meshio.vtu.write(path, meshio.Mesh(np.array(square), [("vertex", np.array([[0], [1]]))]))
        with pytest.raises(JnoValueError, match=r"a\.vtu.*no cells"):
            MeshFile(path)

    def test_groups_that_do_not_fit(self, tmp_path):
        path = tmp_path / "a.npz"
        mesh = {"points": np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), "cells": np.array([[0, 1, 2], [0, 2, 3]])}
        for extra, words in (
            ({"facets/lid": np.array([[1, 3]])}, "'lid' has 1 facets that are no sides"),
            ({"facets/boundary": np.array([[0, 1]])}, "'boundary' is not the whole boundary"),
            ({"regions/interior": np.array([1])}, "'interior' is not the whole inside"),
            ({"regions/a": np.array([1]), "facets/a": np.array([[0, 1]])}, "'a'"),
            ({"cells": np.array([[0, 1, 7]])}, "node 7"),
            ({"cells": np.zeros((0, 3), int)}, "no cells"),
        ):
            np.savez(path, allow_pickle=False, **{**mesh, **extra})
            with pytest.raises(JnoValueError, match=words):
                MeshFile(path)

    def test_nothing_is_unpickled(self, tmp_path):
        np.savez(tmp_path / "a.npz", points=np.array([[0, 0.5]], dtype=object), cells=np.zeros((1, 3), int))
        with pytest.raises(JnoValueError, match=r"a\.npz"):
            MeshFile(tmp_path / "a.npz")

    def test_points_without_a_mesh(self, tmp_path):
        np.savez(tmp_path / "a.npz", interior=np.zeros((3, 2)))
        with pytest.raises(JnoValueError, match="from_array"):
            jno.domain(tmp_path / "a.npz")

    def test_names_that_a_format_cannot_hold(self, tmp_path):
        mesh = Rectangle(mesh_size=0.5).mesh()
        odd = Mesh(mesh.points, mesh.cells, {**mesh.facets, 'the "lid" é%': mesh.facets["top"]})
        with pytest.raises(JnoValueError, match="names"):
            MeshFile.write(tmp_path / "a.msh", odd, {})
        for suffix in (".vtu", ".vtk", ".npz"):
            MeshFile.write(tmp_path / f"a{suffix}", odd, {})
            assert 'the "lid" é%' in MeshFile(tmp_path / f"a{suffix}").tags()


def test_one_node_of_no_cell_is_left_out_with_its_data(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        **{
            "points": np.array([[0.0, 0], [9, 9], [1, 0], [1, 1]]),
            "cells": np.array([[0, 2, 3]]),
            "point_data/u": np.arange(4.0),
        },
    )
    file = MeshFile(tmp_path / "a.npz")
    np.testing.assert_array_equal(file.mesh().cells, [[0, 1, 2]])
    np.testing.assert_array_equal(file.point_data["u"], [0.0, 2.0, 3.0])


def test_point_data_at_points(tmp_path):
    square = jno.domain(Rectangle(mesh_size=0.25))
    points = square.mesh.points
    square.export(tmp_path / "hot.vtu", {"T": points[:, 0] * 3 + points[:, 1], "v": points})
    domain = jno.domain(tmp_path / "hot.vtu")
    x, y, _ = domain.variable("left")
    temperature = domain.variable("T", point_data=True, at=x)
    velocity = domain.variable("v", point_data=True, at=x)
    assert velocity.aval.shape == (5, 2)
    error = jno.core([x.mse], domain=domain).eval(temperature.reshape((5, 1)) - 3 * x - y)
    np.testing.assert_allclose(error, 0, atol=1e-6)
    with pytest.raises(JnoValueError, match=r"no point data 'p'.*\['T', 'v'\]"):
        domain.variable("p", point_data=True, at=x)
    with pytest.raises(JnoValueError, match="needs the points"):
        domain.variable("T", point_data=True)
    with pytest.raises(JnoValueError, match="none"):
        square.variable("T", point_data=True, at=square.variable("left")[0])
