"""Rectangles with a hole, with absorbing layers, and with a number of nodes: closed forms, tags, wrong arguments."""

import numpy as np
import pytest

import jno
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_plugin_geometry import PolygonGeometry, Poseidon, RectanglePml, RectangleWithHole

PML = RectanglePml((-1.0, 1.0), (0.0, 3.0), 0.25, pml_thickness_top=0.5, pml_thickness_bottom=1.0)


@pytest.mark.parametrize(
    ("geometry", "measures"),
    [
        (
            RectangleWithHole(),
            {"interior": 0.84, "boundary": 5.6, "outer": 4, "top": 1, "_boundary": 1.6, "_left": 0.4, "hole_top": 0.4},
        ),
        (
            RectangleWithHole((3, 2), (1, 0.5)),
            {"interior": 5.5, "bottom": 3, "right": 2, "_bottom": 1, "_right": 0.5, "_boundary": 3},
        ),
        (
            PML,
            {
                "interior": 9,
                "physical": 6,
                "pml_top": 1,
                "pml_bottom": 2,
                "boundary": 13,
                "left": 4.5,
                "bottom": 2,
                "interface_top": 2,
                "interface_bottom": 2,
            },
        ),
        (Poseidon(5, 9), {"interior": 1, "boundary": 4, "left": 1}),
    ],
    ids=["hole", "wide", "pml", "poseidon"],
)
def test_measures_of_geometry_and_mesh(geometry, measures):
    mesh = geometry.mesh()
    kinds = geometry.tags()
    for tag, measure in measures.items():
        assert geometry.measure(tag) == pytest.approx(measure, rel=1e-14)
        of_mesh = mesh.facet_measures(tag) if kinds[tag] == "boundary" else mesh.cell_measures()[mesh.cells_of(tag)]
        assert np.sum(of_mesh) == pytest.approx(measure, rel=1e-12)
    assert set(mesh.facets) == {tag for tag, kind in kinds.items() if kind == "boundary"}


def test_the_hole_is_in_the_middle():
    hole = RectangleWithHole((3, 2), 0.5).sample("_boundary", 200, np.random.default_rng(0)).points
    np.testing.assert_allclose(np.max(np.abs(hole - [1.5, 1.0]), axis=1), 0.25, rtol=1e-12)


def test_layers_conform_and_normals_point_into_them():
    mesh = PML.mesh()
    assert sorted(np.concatenate([mesh.regions[part] for part in ("pml_bottom", "physical", "pml_top")])) == list(
        range(len(mesh.cells))
    )
    for tag, level, way in (("interface_top", 3.0, 1.0), ("interface_bottom", 0.0, -1.0)):
        assert np.all(mesh.points[mesh.nodes(tag), 1] == level)
        np.testing.assert_array_equal(mesh.facet_normals(tag), np.tile([0.0, way], (8, 1)))
        drawn = PML.sample(tag, 20, np.random.default_rng(1))
        assert np.all(drawn.points[:, 1] == level)
        np.testing.assert_array_equal(drawn.normals, np.tile([0.0, way], (20, 1)))
    # The divergence theorem in the rectangle alone, whose sides are parts of those of the whole.
    inner = {tag: mesh.facets[tag] for tag in ("left", "right")}
    flux = 6.0 * 2 - sum(np.sum(mesh.facet_measures(tag)) * level for tag, level in (("interface_top", 3.0),))
    sides = [np.all((mesh.points[rows, 1] >= 0) & (mesh.points[rows, 1] <= 3), axis=1) for rows in inner.values()]
    assert flux == pytest.approx(sum(np.sum(mesh.facet_measures(t)[s]) for t, s in zip(inner, sides, strict=True)))


def test_integrals_over_layers():
    domain = jno.domain.rect_pml((-1.0, 1.0), (0.0, 3.0), 0.25, 0.5, 1.0)
    _, y, _ = domain.variable("pml_top", sample=(500, "uniform"))
    assert y is not None
    points = PML.sample("pml_top", 500, np.random.default_rng(0)).points
    assert np.all((points[:, 1] >= 3) & (points[:, 1] <= 3.5))
    assert abs(np.mean(points[:, 1]) - 3.25) < 0.03


def test_poseidon_is_a_grid_of_nodes():
    mesh = Poseidon(4, 6).mesh()
    x, y = mesh.points.reshape(4, 6, 2).transpose(2, 0, 1)
    np.testing.assert_allclose(x, np.broadcast_to(np.linspace(0, 1, 4)[:, None], (4, 6)), rtol=1e-15)
    np.testing.assert_allclose(y, np.broadcast_to(np.linspace(0, 1, 6), (4, 6)), rtol=1e-15)
    assert (Poseidon().nx, Poseidon().ny) == (128, 128)
    assert Poseidon(4, 6).remeshed(0.1) == Poseidon(11, 11)


def test_poly_has_no_mesh_until_asked_for():
    domain = jno.domain.poly([(0, 0), (2, 0), (0, 1)], name="sail", time=(0, 1, 3))
    assert isinstance(domain.geometry, PolygonGeometry)
    assert "boundary_sail" in domain.geometry.tags()
    assert domain.geometry.mesh() is None
    np.testing.assert_allclose(domain.geometry.measure("interior_sail"), 1.0)


def test_remeshed():
    assert PML.remeshed(0.5) == RectanglePml((-1.0, 1.0), (0.0, 3.0), 0.5, 0.5, 1.0)
    assert RectangleWithHole().remeshed(0.2) == RectangleWithHole(mesh_size=0.2)


def test_wrong_arguments():
    with pytest.raises(JnoValueError, match="hole_size must be below outer_size"):
        RectangleWithHole(1.0, (0.5, 1.0))
    with pytest.raises(JnoValueError, match="outer_size"):
        RectangleWithHole(-1.0)
    with pytest.raises(JnoTypeError, match="hole_size"):
        RectangleWithHole(1.0, "small")
    with pytest.raises(JnoValueError, match="pml_thickness_top"):
        RectanglePml(pml_thickness_top=0.0)
    with pytest.raises(JnoValueError, match="y_range"):
        RectanglePml(y_range=(1, 1))
    with pytest.raises(JnoValueError, match="nx"):
        Poseidon(1, 4)
    with pytest.raises(JnoKeyError, match="'middle'"):
        PML.measure("middle")
    with pytest.raises(PluginCapabilityError, match="lies inside"):
        PML.smooth_distance("interface_top")
    with pytest.raises(JnoValueError, match="cells"):
        RectanglePml(mesh_size=1e-5).mesh()
