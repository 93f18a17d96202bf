"""Our own plugins, held against the kit that everybody's plugins are held against."""

import pathlib
import tempfile
from typing import ClassVar

import shapely

from jno_core.testing import CallbackSuite, GeometrySuite, ScheduleSuite, SchemeSuite, plugin_checks
from jno_plugin_fd import FiniteDifference
from jno_plugin_geometry import Disk, LShape, MeshFile, Polygon, PolygonGeometry, Prism, RectanglePml

_SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0))
_FOLDER = tempfile.TemporaryDirectory()
_FILE = pathlib.Path(_FOLDER.name) / "l.npz"
MeshFile.write(_FILE, LShape(mesh_size=0.2).mesh(), {})


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


class RegionsSuite(GeometrySuite):
    """Two regions that touch: parts of their boundaries run through the inside."""

    plugin = PolygonGeometry
    geometry = PolygonGeometry({"a": shapely.box(0, 0, 1, 1), "b": shapely.box(1, 0, 3, 1)}, mesh_size=0.3)
    partner = PolygonGeometry(shapely.box(0.5, 0.5, 2.5, 2.0), name="c")
    inner = ("boundary_a", "boundary_a_0", "boundary_b", "boundary_b_2", "interface_a_b", "interface_b_a")


class LayersSuite(GeometrySuite):
    plugin = RectanglePml
    inner = ("interface_bottom", "interface_top")


class PrismSuite(GeometrySuite):
    plugin = Prism
    arguments: ClassVar = {"base": Polygon(_SQUARE), "mesh_size": 0.4}


class FileSuite(GeometrySuite):
    plugin = MeshFile
    arguments: ClassVar = {"path": str(_FILE)}
    wrong_arguments = ({"path": 1},)


@plugin_checks(
    "jno-plugin-geometry",
    suites={
        "geometry:polygon": PolygonSuite,
        "geometry:csg": RegionsSuite,
        "geometry:prism": PrismSuite,
        "geometry:file": FileSuite,
        "geometry:rect_pml": LayersSuite,
    },
)
def test_geometry(check):
    check()


def schedule_suite(**arguments):
    return type("Suite", (ScheduleSuite,), {"arguments": arguments})


@plugin_checks(
    "jno-plugin-balancers",
    suites={
        "schedule:constant": schedule_suite(lr=1e-3),
        "schedule:cosine": schedule_suite(total_steps=20, lr0=1e-2),
        "schedule:exponential": schedule_suite(lr0=1e-2, decay_rate=0.9, decay_steps=7, lr_end=1e-5),
        "schedule:piecewise_constant": schedule_suite(boundaries=[5, 20], values=[1e-2, 1e-3, 0.0]),
        "schedule:warmup_cosine": schedule_suite(total_steps=25, warmup_steps=5),
    },
)
def test_balancers(check):
    check()


def callback_suite(name):
    # A new folder each time: checkpoints of an earlier run are moved aside with a warning.
    folder = property(lambda suite: {"directory": tempfile.mkdtemp(prefix=name, dir=_FOLDER.name)})
    return type("Suite", (CallbackSuite,), {"arguments": folder})


@plugin_checks(
    "jno-plugin-callbacks",
    suites={
        f"callback:{name}": callback_suite(name)
        for name in ("aim", "checkpoint", "csv_logger", "plot_live", "tensorboard")
    },
)
def test_callbacks(check):
    check()


class TestLargeDisk(GeometrySuite):
    """The class form: pytest collects it as it stands."""

    plugin = Disk
    arguments: ClassVar = {"center": (3.0, -2.0), "radius": 20.0, "mesh_size": 3.0}
