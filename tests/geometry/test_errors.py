"""Every bad argument gives an error that names it."""

import numpy as np
import pytest
import shapely

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry import (
    Box,
    Disk,
    EquidistantRectangle,
    Line,
    LShape,
    Polygon,
    Rectangle,
    RectangleWithHoles,
)

TRIANGLE = [(0, 0), (1, 0), (0, 1)]
SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
MESHED = {
    Line: (),
    Rectangle: (),
    Box: (),
    Disk: (),
    LShape: (),
    Polygon: (TRIANGLE,),
    RectangleWithHoles: (),
}


@pytest.mark.parametrize("geometry", MESHED)
@pytest.mark.parametrize("mesh_size", [0, -0.1, np.nan, np.inf])
def test_mesh_size_must_be_positive_and_finite(geometry, mesh_size):
    with pytest.raises(JnoValueError, match="mesh_size must be positive and finite"):
        geometry(*MESHED[geometry], mesh_size=mesh_size)


@pytest.mark.parametrize("geometry", MESHED)
def test_mesh_size_must_be_a_number(geometry):
    with pytest.raises(JnoTypeError, match=r"mesh_size must be a positive number, got '0\.1'"):
        geometry(*MESHED[geometry], mesh_size="0.1")


@pytest.mark.parametrize("geometry", MESHED)
def test_a_mesh_that_would_exhaust_the_memory_is_refused_when_it_is_made(geometry):
    tiny = geometry(*MESHED[geometry], mesh_size=1e-9)
    assert tiny.sample("interior", 3, np.random.default_rng(0)).points.shape[0] == 3
    with pytest.raises(JnoValueError, match=r"mesh_size=1e-09 would give about .* cells.*Use a larger mesh_size"):
        tiny.mesh()


@pytest.mark.parametrize(
    ("geometry", "name"),
    [
        (Line, "x_range"),
        (Rectangle, "x_range"),
        (Rectangle, "y_range"),
        (EquidistantRectangle, "x_range"),
        (EquidistantRectangle, "y_range"),
        (Box, "x_range"),
        (Box, "y_range"),
        (Box, "z_range"),
    ],
)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 0), "lower < upper"),
        ((1, 1), "lower < upper"),
        ((0, np.nan), "pair of finite numbers"),
        ((-np.inf, 0), "pair of finite numbers"),
        ((0, 1, 2), "pair of finite numbers"),
        (3.0, "pair of finite numbers"),
        ((-1e308, 1e308), "too wide"),
    ],
)
def test_ranges(geometry, name, value, message):
    with pytest.raises(JnoValueError, match=f"{name} .*{message}"):
        geometry(**{name: value})


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Line("ab"), JnoTypeError, "x_range must be a pair of numbers"),
        (lambda: EquidistantRectangle(nx=0), JnoValueError, "nx must be at least 1, got 0"),
        (lambda: EquidistantRectangle(ny=2.0), JnoTypeError, "ny must be a whole number, got 2.0"),
        (lambda: EquidistantRectangle(nx=True), JnoTypeError, "nx must be a whole number"),
        (lambda: Disk(radius=0), JnoValueError, "radius must be positive"),
        (lambda: Disk(center=(0, 0, 0)), JnoValueError, "center must be a pair"),
        (lambda: Disk(num_points=2), JnoValueError, "num_points must be at least 3"),
        (lambda: LShape(size=-1), JnoValueError, "size must be positive"),
        (lambda: Polygon([(0, 0), (1, 1)]), JnoValueError, "vertices needs at least 3 vertices, got 2"),
        (lambda: Polygon([(0, 0), (1, 1), (0, 0)]), JnoValueError, "vertices needs at least 3 vertices, got 2"),
        (lambda: Polygon([]), JnoValueError, r"vertices must have shape \(k, 2\)"),
        (lambda: Polygon([(0, 0, 0), (1, 0, 0), (0, 1, 0)]), JnoValueError, r"Got \(3, 3\)"),
        (lambda: Polygon([(0, 0), (1,), (0, 1)]), JnoTypeError, "vertices must be a sequence"),
        (lambda: Polygon("square"), JnoTypeError, "vertices must be a sequence"),
        (lambda: Polygon([(0, 0), (np.inf, 0), (0, 1)]), JnoValueError, "vertices: vertex 1 is not finite"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), JnoValueError, "vertices: edge 1 has no length"),
        (lambda: Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), JnoValueError, r"vertices .*Self-intersection\[0.5 0.5\]"),
        (lambda: Polygon([(0, 0), (1, 0), (2, 0)]), JnoValueError, "vertices "),
        (lambda: Polygon([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)]), JnoValueError, "vertices .*Self-intersection"),
        (lambda: Polygon([(0, 0), (1e200, 0), (0, 1e200)]), JnoValueError, "vertices encloses no area, or one too"),
        (lambda: Polygon(shapely.MultiPoint([(0, 0)])), JnoTypeError, "vertices must be one polygon.*MultiPoint"),
        (lambda: Polygon(shapely.Polygon()), JnoValueError, "vertices needs at least 3 vertices, got 0"),
        (lambda: Polygon(SQUARE, [[(0.2, 0.2), (0.4, 0.2)]]), JnoValueError, r"holes\[0\] needs at least 3"),
        (lambda: Polygon(SQUARE, [[(2, 2), (3, 2), (2, 3)]]), JnoValueError, r"holes\[0\] is outside of the polygon"),
        (lambda: Polygon(SQUARE, [[(0.5, 0.5), (3, 2), (2, 3)]]), JnoValueError, r"holes\[0\] reaches or touches"),
        (
            lambda: Polygon(SQUARE, [[(0.5, 0), (0.7, 0.5), (0.3, 0.5)]]),
            JnoValueError,
            r"holes\[0\] reaches or touches",
        ),
        (
            lambda: Polygon(SQUARE, [shapely.box(0.1, 0.1, 0.5, 0.5), shapely.box(0.4, 0.4, 0.8, 0.8)]),
            JnoValueError,
            r"holes\[0\] and holes\[1\] overlap or touch",
        ),
        (
            lambda: Polygon(SQUARE, [shapely.box(0.1, 0.1, 0.8, 0.8), shapely.box(0.2, 0.2, 0.4, 0.4)]),
            JnoValueError,
            r"holes\[0\] and holes\[1\] overlap",
        ),
        (lambda: Polygon(SQUARE, shapely.box(0.1, 0.1, 0.5, 0.5)), JnoTypeError, r"Did you mean \[holes\]"),
        (lambda: Polygon(SQUARE, 3), JnoTypeError, "holes must be a sequence of holes, got int"),
        (
            lambda: Polygon(SQUARE, [shapely.Point(0.5, 0.5).buffer(0.3) - shapely.Point(0.5, 0.5).buffer(0.1)]),
            JnoValueError,
            r"holes\[0\] has holes of its own",
        ),
        (lambda: RectangleWithHoles((1, -1)), JnoValueError, "outer_size must be positive"),
        (lambda: RectangleWithHoles(holes={"origin": (0, 0), "size": 1}), JnoTypeError, r"got dict. Did you mean"),
        (lambda: RectangleWithHoles(holes=[{"origin": (1, 0)}]), JnoValueError, r"holes\[0\] must have.*\['size'\]"),
        (
            lambda: RectangleWithHoles(holes=[{"origin": (0.1, 0.1), "size": 0.1, "sort": "a"}]),
            JnoValueError,
            r"check \['sort'\]",
        ),
        (
            lambda: RectangleWithHoles(holes=[{"origin": (0.1, 0.1), "size": 0}]),
            JnoValueError,
            r"holes\[0\]\['size'\] must be positive",
        ),
        (
            lambda: RectangleWithHoles(holes=[{"origin": (0.1, 0.1), "size": 0.1, "type": "my hole"}]),
            JnoValueError,
            r"holes\[0\]\['type'\] must be a name",
        ),
        (lambda: RectangleWithHoles(holes=[{"origin": (1.9, 0.1), "size": 0.2}]), JnoValueError, r"holes\[0\] reaches"),
    ],
)
def test_messages(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_unknown_keywords_are_refused():
    with pytest.raises(TypeError, match="mesh_sise"):
        Line(mesh_sise=0.1)
