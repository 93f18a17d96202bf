"""Our own plugins, held against the kit that everybody's plugins are held against."""

from jno_core.testing import GeometrySuite, plugin_checks

_SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0))


class PolygonSuite(GeometrySuite):
    arguments = {"vertices": _SQUARE, "mesh_size": 0.2}
    wrong_arguments = ({"mesh_size": float("nan")}, {"vertices": _SQUARE[:2]})


@plugin_checks("jno-plugin-ad")
def test_differentiation(check):
    check()


@plugin_checks("jno-plugin-geometry", suites={"geometry:polygon": PolygonSuite})
def test_geometry(check):
    check()


@plugin_checks("jno-plugin-balancers")
def test_balancers(check):
    check()


@plugin_checks("jno-plugin-callbacks")
def test_callbacks(check):
    check()
