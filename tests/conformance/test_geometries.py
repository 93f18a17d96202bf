"""Every geometry of our own under the suite that other people's geometries are held against."""

from typing import ClassVar

import numpy as np
import pytest
import shapely

from jno_core._registry import registry
from jno_core.testing import GeometrySuite
from jno_plugin_geometry import (
    Annulus,
    Ball,
    Box,
    Cylinder,
    Disk,
    Ellipse,
    Line,
    LShape,
    MeshFile,
    Polygon,
    PolygonGeometry,
    Prism,
    Rectangle,
    Shape,
)

EDGE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.5, 1.5))
CHECKS = [name for name in vars(GeometrySuite) if name.startswith("test_")]


class Sides(GeometrySuite):
    plugin = Polygon
    arguments: ClassVar = {"vertices": EDGE, "mesh_size": 0.3}
    wrong_arguments = ({"mesh_size": float("nan")}, {"vertices": EDGE[:2]})
    partner = Disk((0.2, 0.1), 0.5)


class LongLine(GeometrySuite):
    plugin = Line
    partner = Line((0.5, 1.7))


class Quarter(GeometrySuite):
    plugin = Disk
    partner = Rectangle((0.0, 2.0), (0.0, 3.0))


class Sheet(GeometrySuite):
    plugin = Rectangle
    partner = Disk((1.0, 0.4), 0.3)


class Bitten(GeometrySuite):
    plugin = Annulus
    partner = Rectangle((0.1, 2.0), (-0.3, 0.4))


class Block(GeometrySuite):
    plugin = Box
    arguments: ClassVar = {"mesh_size": 0.4}
    partner = Ball((1.0, 1.0, 1.0), 0.6)


class Bored(GeometrySuite):
    plugin = Ball
    arguments: ClassVar = {"mesh_size": 0.4}
    mesh_tolerance = 0.15
    partner = Cylinder((0.0, 0.0, -2.0), 0.4, 4.0)


class Regions(GeometrySuite):
    """Two regions that touch: parts of their boundaries run through the inside."""

    plugin = PolygonGeometry
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 3, 1)}, mesh_size=0.3)
    partner = PolygonGeometry(shapely.box(0.5, 0.5, 2.5, 2.0), name="c")
    inner = ("boundary_a", "boundary_a_0", "boundary_b", "boundary_b_2", "interface_a_b", "interface_b_a")


class SolidPrism(GeometrySuite):
    plugin = Prism
    arguments: ClassVar = {"base": Polygon(EDGE), "mesh_size": 0.4}
    wrong_arguments = ({"mesh_size": float("nan")}, {"z_range": (1.0, 0.0)})


class Plate(GeometrySuite):
    plugin = Shape
    geometry = Rectangle((0.0, 2.0), (0.0, 1.0)) - Disk((1.0, 0.5), 0.2).named("hole")
    partner = Ellipse((0.3, 0.3), (0.8, 0.2))


class Hollow(GeometrySuite):
    plugin = Shape
    geometry = Box(mesh_size=0.3) - Ball((0.5, 0.5, 0.5), 0.3, mesh_size=0.3).named("cavity")
    mesh_tolerance = 0.1


class Slab(GeometrySuite):
    plugin = Shape
    geometry = Disk((0.5, 0.0), 1.0, mesh_size=0.4).extrude(0.5)


def suite_of(kind, **stated):
    return type(kind.__name__, (GeometrySuite,), {"plugin": kind, **stated})


SUITES = (Sides, LongLine, Quarter, Sheet, Bitten, Block, Bored, Regions, SolidPrism, Plate, Hollow, Slab)


# The first decorator varies fastest: the checks of a suite follow each other, and share what they find out.
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_geometry(suite, check):
    getattr(suite(), check)()


@pytest.fixture(scope="module")
def file_suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("meshes") / "l.npz"
    MeshFile.write(path, LShape(mesh_size=0.2).mesh(), {"u": np.zeros(len(LShape(mesh_size=0.2).mesh().points))})
    return suite_of(MeshFile, arguments={"path": str(path)}, wrong_arguments=({"path": 1},))


@pytest.mark.parametrize("check", CHECKS)
def test_mesh_file(file_suite, check):
    getattr(file_suite(), check)()


def test_every_name_is_checked():
    """By a suite here, or with its defaults, by `plugin_checks` in test_first_party.py."""
    checked = {suite.plugin for suite in SUITES} | {MeshFile}
    for name in registry.names("geometry"):
        plugin = registry.get("geometry", name)
        assert plugin in checked or plugin().dimension, name
