"""Looking at domains: pictures by what is in them, qualities in closed form, summaries, files."""

import builtins
import math
import re
import sys

import numpy as np
import pytest

import jno
from jno_core import Mesh
from jno_core._domain.quality import MeshQuality, radius_ratios
from jno_core._registry import registry
from jno_core.errors import JnoImportError, JnoTypeError, JnoValueError


def halves():
    """Two triangles, each a region, with their common edge as an interface, and a side that has no name."""
    points = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    facets = {"boundary": edges, "floor": edges[:1], "ground": edges[:1], "right": edges[1:2], "middle": [[0, 2]]}
    mesh = Mesh(points, np.array([[0, 1, 2], [0, 2, 3]]), facets, {"steel": np.array([0]), "air": np.array([1])})
    return jno.domain(mesh)


def labelled(figure):
    """What each name of the legend stands for."""
    (axes, *_) = figure.axes
    handles, labels = axes.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


class TestPictures:
    def test_regions_parts_and_interfaces(self):
        shown = labelled(halves().plot())
        assert set(shown) == {"steel", "air", "boundary", "floor = ground", "right", "middle"}
        np.testing.assert_array_equal(shown["right"].get_xydata()[:2], [[2, 0], [2, 1]])
        assert shown["middle"].get_linestyle() == "--"
        assert shown["right"].get_linestyle() == "-"
        # The boundary is what no other part names: the top and the left side.
        strokes = shown["boundary"].get_xydata()
        np.testing.assert_array_equal(strokes[~np.isnan(strokes[:, 0])], [[2, 1], [0, 1], [0, 1], [0, 0]])
        assert legend(halves().plot()) == ["steel", "air", "boundary", "floor = ground", "right", "middle"]
        (triangle,) = shown["steel"].get_paths()
        np.testing.assert_array_equal(triangle.vertices[:3], [[0, 0], [2, 0], [2, 1]])
        assert len({shown[name].get_color() for name in ("boundary", "floor = ground", "right", "middle")}) == 4

    def test_each_side_has_one_name(self):
        """Of parts that overlap the smaller ones are named, and those of which nothing is left are not."""
        mesh = halves().mesh
        edges = mesh.facets["boundary"]
        parts = {"wall": edges[:3], "left": edges[3:], "floor": edges[:1], "both": edges[[0, 3]], "boundary_one": edges}
        shown = labelled(jno.domain(Mesh(mesh.points, mesh.cells, {"boundary": edges, **parts})).plot())
        assert set(shown) == {"wall", "left", "floor"}
        strokes = shown["wall"].get_xydata()
        np.testing.assert_array_equal(strokes[~np.isnan(strokes[:, 0])], [[2, 0], [2, 1], [2, 1], [0, 1]])

    def test_drawn_points(self):
        domain = jno.domain.rect(mesh_size=0.25)
        x, _, _ = domain.variable("interior", sample=(7, "uniform"))
        shown = labelled(domain.plot())
        np.testing.assert_array_equal(shown["interior (7 points)"].get_xydata(), domain.points(x))
        assert "boundary" not in shown

    def test_normals(self):
        domain = jno.domain.rect(mesh_size=0.5)
        (few,) = [c for c in domain.plot(show_normals=True).axes[0].collections if type(c).__name__ == "Quiver"]
        # Two facets on each side, with arrows of 0.08 of the width.
        assert few.N == 8
        np.testing.assert_allclose(np.hypot(few.U, few.V), 0.08)
        domain.variable("left", sample=(5, "uniform"), normals=True)
        figure = domain.plot(show_normals=True, arrow_scale=2.0)
        (own,) = [c for c in figure.axes[0].collections if type(c).__name__ == "Quiver"]
        np.testing.assert_allclose(np.stack([own.U, own.V], axis=1), np.tile([-0.16, 0.0], (5, 1)))
        np.testing.assert_array_equal(own.XY[:, 0], 0.0)
        assert not [c for c in domain.plot().axes[0].collections if type(c).__name__ == "Quiver"]

    def test_colours(self):
        domain = jno.domain.disk(mesh_size=0.4)
        axes, bar = domain.plot(color_by="quality").axes
        (cells,) = [c for c in axes.collections if c.get_array() is not None]
        np.testing.assert_allclose(cells.get_array(), radius_ratios(domain.mesh))
        assert bar.get_ylabel() == "radius ratio"
        nodal = domain.mesh.points[:, 0]
        axes, _ = domain.plot(color_by=nodal).axes
        (cells,) = [c for c in axes.collections if c.get_array() is not None]
        np.testing.assert_array_equal(cells.get_array(), nodal)

    def test_solids(self):
        domain = jno.domain.box(mesh_size=0.5)
        shown = labelled(domain.plot(figsize=(8, 4)))
        assert set(shown) == {"left", "right", "front", "back", "bottom", "top"}
        figure = domain.plot(color_by="quality", show_normals=True)
        (surface,) = [c for c in figure.axes[0].collections if c.get_array() is not None]
        # All cells of a cube's structured mesh are alike.
        np.testing.assert_allclose(surface.get_array(), radius_ratios(domain.mesh)[0])
        assert len(surface.get_array()) == len(domain.mesh.facets["boundary"])

    def test_other_domains(self):
        line = labelled(jno.domain.line((1.0, 3.0), mesh_size=0.5).plot(show_normals=True))
        np.testing.assert_array_equal(line["right"].get_xydata(), [[3.0, 0.0]])
        unmeshed = labelled(jno.domain.rect(compute_mesh_connectivity=False).plot())
        assert np.all(unmeshed["left"].get_xydata()[:, 0] == 0)
        cloud = jno.domain.from_array({"interior": np.arange(6.0).reshape(3, 2)})
        np.testing.assert_array_equal(
            labelled(cloud.plot())["interior (3 points)"].get_xydata(), [[0, 1], [2, 3], [4, 5]]
        )
        with pytest.raises(JnoValueError, match="4 space coordinates"):
            jno.domain.from_array({"interior": np.zeros((3, 4))}).plot()

    def test_the_mesh_alone(self):
        domain = halves()
        domain.variable("interior")
        assert "interior (4 points)" in legend(domain.plot())
        assert "interior (4 points)" not in legend(domain.plot_mesh())
        with pytest.raises(JnoValueError, match="build_mesh"):
            jno.domain.rect(compute_mesh_connectivity=False).plot_mesh()

    def test_looking_changes_nothing(self):
        def drawn(look):
            domain = jno.domain.rect(mesh_size=0.25, compute_mesh_connectivity=False)
            first = domain.variable("interior", sample=(5, "uniform"))[0]
            if look:
                domain.plot()
                domain.plot(interactive=True)
                domain.summary()
            second = domain.variable("interior", sample=(5, "uniform"))[0]
            return np.concatenate([domain.points(first), domain.points(second)])

        np.testing.assert_array_equal(drawn(True), drawn(False))

    def test_wrong_arguments(self, tmp_path):
        domain = jno.domain.rect(mesh_size=0.5)
        for options, words in (
            ({"color_by": "size"}, "'quality'"),
            ({"color_by": np.ones(3)}, "each of the 9 nodes"),
            ({"arrow_scale": 0.0}, "arrow_scale"),
            ({"save_path": tmp_path / "a.bmp"}, r"\.png"),
            ({"save_path": tmp_path / "a.html"}, r"\.png"),
            ({"save_path": tmp_path / "a.png", "interactive": True}, r"\.html"),
        ):
            with pytest.raises(JnoValueError, match=words):
                domain.plot(**options)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(JnoTypeError, match="figsize"):
            domain.plot(figsize=(3,))


class TestInteractive:
    def test_the_same_is_shown(self):
        domain = halves()
        domain.variable("boundary", normals=True)
        figure = domain.plot(interactive=True, show_normals=True, figsize=(4, 3))
        shown = {trace.name: trace for trace in figure.data}
        assert {"steel", "air", "mesh", "floor = ground", "right", "middle", "boundary (4 points)", "normals"} <= set(
            shown
        )
        np.testing.assert_array_equal(np.array(shown["right"].x, float)[:2], [2, 2])
        assert shown["middle"].line.dash == "dash"

    @pytest.mark.parametrize("make", [jno.domain.line, jno.domain.rect, jno.domain.box])
    def test_dimensions_and_colours(self, make):
        domain = make(mesh_size=0.5)
        for values in ("quality", domain.mesh.points[:, 0]):
            figure = domain.plot(interactive=True, color_by=values, show_normals=True)
            expected = {1: "scatter", 2: "scatter", 3: "mesh3d"}[domain.dimension]
            assert expected in {trace.type for trace in figure.data}

    def test_pages(self, tmp_path):
        path = tmp_path / "new" / "a.html"
        jno.domain.rect(mesh_size=0.5).plot(path, interactive=True)
        assert "Plotly.newPlot" in path.read_text()
        # It is shown without a network.
        assert not re.search(r"<script[^>]*src=\"http", path.read_text())


@pytest.mark.parametrize(
    ("package", "extra", "interactive"), [("matplotlib", "plot", False), ("plotly", "interactive", True)]
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, package, extra, interactive):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(JnoImportError, match=rf'pip install "jno-core\[{extra}\]"'):
        jno.domain.rect(mesh_size=0.5).plot(interactive=interactive)


class TestQuality:
    def test_an_equilateral_triangle(self):
        points = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, math.sqrt(3)]])
        found = MeshQuality.of(Mesh.from_cells(points, np.array([[0, 1, 2]])))
        np.testing.assert_allclose([found.radius_ratio.min, found.radius_ratio.max], 1.0)
        np.testing.assert_allclose([found.smallest_angle, found.largest_angle], 60.0)
        np.testing.assert_allclose(found.edge_lengths.mean, 2.0)
        assert (found.cells, found.nodes, found.bad_cells) == (1, 3, 0)

    def test_right_triangles(self):
        """3, 4, 5: inscribed radius 1, circumscribed 5/2."""
        points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
        found = MeshQuality.of(Mesh.from_cells(points, np.array([[0, 1, 2]])))
        np.testing.assert_allclose(found.radius_ratio.mean, 2 * 1 / 2.5)
        np.testing.assert_allclose(found.smallest_angle, math.degrees(math.atan(3 / 4)))
        np.testing.assert_allclose(found.largest_angle, 90.0)
        np.testing.assert_allclose([found.edge_lengths.min, found.edge_lengths.mean, found.edge_lengths.max], [3, 4, 5])

    def test_tetrahedra(self):
        regular = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
        found = MeshQuality.of(Mesh.from_cells(regular, np.array([[0, 1, 2, 3]])))
        np.testing.assert_allclose(found.radius_ratio.min, 1.0)
        np.testing.assert_allclose([found.smallest_angle, found.largest_angle], math.degrees(math.acos(1 / 3)))
        np.testing.assert_allclose(found.edge_lengths.max, math.sqrt(8))
        # The corner of a cube: inscribed radius 1 / (3 + sqrt 3), circumscribed sqrt(3) / 2.
        corner = np.concatenate([np.zeros((1, 3)), np.eye(3)])
        found = MeshQuality.of(Mesh.from_cells(corner, np.array([[0, 1, 2, 3]])))
        np.testing.assert_allclose(found.radius_ratio.min, 3 / (3 + math.sqrt(3)) / (math.sqrt(3) / 2))
        np.testing.assert_allclose(found.largest_angle, 90.0)
        np.testing.assert_allclose(found.smallest_angle, math.degrees(math.acos(1 / math.sqrt(3))))

    def test_bad_cells_and_shared_edges(self):
        points = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.01], [0.5, -1.0]])
        found = MeshQuality.of(Mesh.from_cells(points, np.array([[0, 1, 2], [0, 3, 1]])))
        assert found.bad_cells == 1
        assert found.largest_angle > 177
        sides = [1.0, 2 * [math.hypot(0.5, 0.01)], 2 * [math.hypot(0.5, 1.0)]]
        np.testing.assert_allclose(found.edge_lengths.mean, np.mean(np.hstack(sides)))

    def test_segments_and_the_report(self):
        found = jno.domain.line((0.0, 2.0), mesh_size=0.5).quality()
        assert found.smallest_angle is None
        assert repr(found).splitlines()[0] == "MeshQuality of 4 cells and 5 nodes:"
        assert "angles" not in repr(found)
        assert "angles         45.0 to 90.0 degrees" in repr(jno.domain.rect(mesh_size=0.5).quality())
        with pytest.raises(JnoValueError, match="build_mesh"):
            jno.domain.from_array({"interior": np.zeros((3, 2))}).quality()


class TestSummary:
    def domain(self):
        domain = 3 * jno.domain.rect((0, 2), (0, 1), mesh_size=0.5, time=(0.0, 1.0, 5))
        domain.variable("interior")
        domain.variable("left", normals=True, reverse_normals=True)
        domain.variable("k", np.ones((3, 2)))
        return domain

    def test_it_is_printed_and_returned(self, capsys):
        text = self.domain().summary()
        assert capsys.readouterr().out == text + "\n"
        rows = [line.split() for line in text.splitlines()]
        assert ["5", "times", "from", "0", "to", "1"] in rows
        assert ["3", "instances"] in rows
        assert ["interior", "interior", "2", "15", "16"] in rows
        assert ["boundary", "boundary", "6", "12", "12"] in rows
        assert ["left", "left", "3", "5", "inward"] in rows
        assert ["k", "instance", "(2,)", "float32"] in rows

    def test_other_domains(self):
        text = halves().summary()
        assert ["steel", "interior", "1", "3", "1"] in [line.split() for line in text.splitlines()]
        cloud = jno.domain.from_array({"interior": np.zeros((3, 2))}).summary()
        assert "no mesh" in cloud
        assert ["interior", "points", "-", "3", "-"] in [line.split() for line in cloud.splitlines()]
        exact = jno.domain.disk(compute_mesh_connectivity=False).summary()
        assert ["interior", "interior", "3.14159", "-", "-"] in [line.split() for line in exact.splitlines()]

    def test_notebooks(self):
        page = self.domain()._repr_html_()
        assert "<td>left</td><td>boundary</td><td>1</td>" in page
        named = jno.domain.from_array({"<b>": np.zeros((3, 2))})._repr_html_()
        assert "<td>&lt;b&gt;</td>" in named
        assert "<td><b>" not in named


class TestExport:
    @pytest.mark.parametrize(
        ("suffix", "start"),
        [
            (".png", b"\x89PNG"),
            (".pdf", b"%PDF"),
            (".svg", b"<?xml"),
            (".html", b"<"),
            (".npz", b"PK"),
            (".vtu", b"<"),
        ],
    )
    def test_formats(self, tmp_path, suffix, start):
        domain = jno.domain.rect(mesh_size=0.5)
        path = domain.export(tmp_path / "new" / f"a{suffix}", fields={"u": domain.mesh.points[:, 0]})
        assert path.read_bytes().startswith(start)
        assert [file.name for file in path.parent.iterdir()] == [f"a{suffix}"]

    def test_a_file_is_replaced_whole_or_not_at_all(self, tmp_path):
        path = tmp_path / "a.msh"
        path.write_text("before")
        mesh = halves().mesh
        odd = jno.domain(Mesh(mesh.points, mesh.cells, {**mesh.facets, 'the "lid"': mesh.facets["floor"]}))
        with pytest.raises(JnoValueError, match="names"):
            odd.export(path)
        assert [file.name for file in tmp_path.iterdir()] == ["a.msh"]
        assert path.read_text() == "before"
        assert jno.domain(halves().export(path)).tags == halves().tags

    def test_a_writer_that_fails_half_way_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(path, mesh, fields):
            path.write_text("half")
            raise OSError("the disk is full")

        monkeypatch.setattr(registry.get("geometry", "file"), "write", staticmethod(fail))
        path = tmp_path / "a.msh"
        path.write_text("before")
        with pytest.raises(OSError, match="full"):
            halves().export(path)
        assert [file.name for file in tmp_path.iterdir()] == ["a.msh"]
        assert path.read_text() == "before"

    def test_what_cannot_be_exported(self, tmp_path):
        domain = jno.domain.rect(mesh_size=0.5)
        with pytest.raises(JnoValueError, match=r"\.vtu, \.vtk, \.msh, \.stl, \.npz, \.html, \.png, \.svg, \.pdf"):
            domain.export(tmp_path / "a.docx")
        with pytest.raises(JnoTypeError, match="file"):
            domain.export(3)
        with pytest.raises(JnoValueError, match="build_mesh"):
            jno.domain.rect(compute_mesh_connectivity=False).export(tmp_path / "a.vtu")
        for fields, error, words in (
            ({"u": np.ones(5)}, JnoValueError, r"'u' must have shape \(9,\)"),
            ({"u": np.ones((9, 2, 2))}, JnoValueError, r"\(9, k\)"),
            ({"u": np.array(["a"] * 9)}, JnoTypeError, "real numbers"),
            ([np.ones(9)], JnoTypeError, "must map names"),
        ):
            with pytest.raises(error, match=words):
                domain.export(tmp_path / "a.vtu", fields=fields)
        with pytest.raises(JnoValueError, match="one field"):
            domain.export(tmp_path / "a.png", fields={"u": np.ones(9), "v": np.ones(9)})
        with pytest.raises(JnoValueError, match="no fields"):
            domain.export(tmp_path / "a.stl", fields={"u": np.ones(9)})
        assert list(tmp_path.iterdir()) == []
