"""Every geometry of our own under the suite that other people's geometries are held against."""

from typing import ClassVar

import pytest

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


class Plate(GeometrySuite):
    plugin = Shape
    geometry = Rectangle((0.0, 2.0), (0.0, 1.0)) - Disk((1.0, 0.5), 0.2).named("hole")
    partner = Ellipse((0.3, 0.3), (0.8, 0.2))


class Hollow(GeometrySuite):
    plugin = Shape
    geometry = Box(mesh_size=0.3).named("outer") - Ball((0.5, 0.5, 0.5), 0.3, mesh_size=0.3).named("cavity")
    mesh_tolerance = 0.1


class Slab(GeometrySuite):
    plugin = Shape
    geometry = Disk((0.5, 0.0), 1.0, mesh_size=0.4).extrude(0.5)


def suite_of(kind, **stated):
    return type(kind.__name__, (GeometrySuite,), {"plugin": kind, **stated})


SUITES = (Sides, LongLine, Quarter, Sheet, Bitten, Block, Bored, Plate, Hollow, Slab)


# The first decorator varies fastest: the checks of a suite follow each other, and share what they find out.
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_geometry(suite, check):
    getattr(suite(), check)()


def test_every_name_is_checked():
    """By a suite here or in test_first_party.py, or with its defaults, by `plugin_checks` there."""
    checked = {suite.plugin for suite in SUITES} | {MeshFile, PolygonGeometry, Prism}
    for name in registry.names("geometry"):
        plugin = registry.get("geometry", name)
        assert plugin in checked or plugin().dimension, name
