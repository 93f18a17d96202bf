"""Our own plugins, held against the kit that everybody's plugins are held against."""

from typing import ClassVar

from jno_core.testing import GeometrySuite, SchemeSuite, plugin_checks
from jno_plugin_fd import FiniteDifference
from jno_plugin_geometry import Disk

_SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0))


class PolygonSuite(GeometrySuite):
    arguments: ClassVar = {"vertices": _SQUARE, "mesh_size": 0.2}
    wrong_arguments = ({"mesh_size": float("nan")}, {"vertices": _SQUARE[:2]})


@plugin_checks("jno-plugin-ad")
def test_differentiation(check):
    check()


class DifferenceSuite(SchemeSuite):
    """Gradients of gradients lose half an order beside the boundary, and steps have a size of their own on any points."""

    plugin = FiniteDifference
    orders: ClassVar = {1: 1.0, 2: 0.5}
    tolerance = 1e-4


class QuadraticSuite(SchemeSuite):
    plugin = FiniteDifference
    arguments: ClassVar = {"variant": "quadratic"}
    layouts = ("mesh",)
    orders: ClassVar = {1: 2.0, 2: 2.0}


@plugin_checks("jno-plugin-fd", suites={"scheme:finite_difference": DifferenceSuite})
def test_finite_differences(check):
    check()


class TestQuadratic(QuadraticSuite):
    """Second order at every node."""


@plugin_checks("jno-plugin-geometry", suites={"geometry:polygon": PolygonSuite})
def test_geometry(check):
    check()


@plugin_checks("jno-plugin-balancers")
def test_balancers(check):
    check()


@plugin_checks("jno-plugin-callbacks")
def test_callbacks(check):
    check()


class TestLargeDisk(GeometrySuite):
    """The class form: pytest collects it as it stands."""

    plugin = Disk
    arguments: ClassVar = {"center": (3.0, -2.0), "radius": 20.0, "mesh_size": 3.0}
