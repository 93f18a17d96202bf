"""Plane meshes by gmsh, where it can be loaded: on the curves, conforming, of the asked size."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import jno
from jno_core.errors import JnoImportError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_plugin_geometry import Ball, Disk, Rectangle, _gmsh
from jno_plugin_geometry._gmsh import gmsh_mesh
from jno_plugin_geometry._gmsh_worker import MISSING
from jno_plugin_geometry._regions.outline import Outline

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
    worker = pathlib.Path(_gmsh.__file__).with_name("_gmsh_worker.py")
    task = tmp_path / "task.npz"
    np.savez(task, mesh_size=1.0)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", str(worker)], input=task.read_bytes(), env=environment, capture_output=True, check=False
    )
    assert done.returncode == MISSING
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(JnoImportError, match=r"libGLU.*\n.*jno-plugin-geometry\[gmsh\].*\n.*\n.*libglu1-mesa libgl1"):
        made(SQUARE, 0.5)


def test_a_shape_by_gmsh():
    plate = Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2).named("hole")
    domain = jno.domain(plate).build_mesh(0.1, mesher="gmsh", algorithm=5)
    assert {"left", "hole"} <= set(domain.mesh.facets)
    assert abs(domain.mesh.cell_measures().sum() - plate.measure("interior")) < 5e-3
    np.testing.assert_allclose(np.linalg.norm(domain.mesh.points[domain.mesh.nodes("hole")] - [1, 0.5], axis=1), 0.2)


def test_what_gmsh_does_not_mesh():
    with pytest.raises(PluginCapabilityError, match="plane shapes"):
        Ball().remeshed(0.5, mesher="gmsh").mesh()
    with pytest.raises(JnoValueError, match="'netgen' or 'gmsh'"):
        Disk().remeshed(0.1, mesher="triangle")
    with pytest.raises(JnoTypeError, match="'smoothing'"):
        Disk().remeshed(0.1, smoothing=3)
