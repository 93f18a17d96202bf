"""One example of every geometry, none of them of unit size or at the origin where that can be chosen."""

import functools

import pytest
import shapely

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

EXAMPLES = {
    "line": Line((-0.5, 2.0), mesh_size=0.2),
    "rectangle": Rectangle((-1.0, 1.5), (0.25, 2.0), mesh_size=0.21),
    "equidistant_rectangle": EquidistantRectangle((-1.0, 1.5), (0.25, 2.0), nx=7, ny=4),
    "box": Box((-1.0, 0.5), (0.25, 1.0), (2.0, 3.0), mesh_size=0.24),
    "disk": Disk((1.0, -2.0), radius=0.7, mesh_size=0.1),
    "l_shape": LShape(size=1.7, mesh_size=0.13),
    "polygon": Polygon(
        [(0.0, 0.0), (0.3, 1.4), (1.0, 0.9), (2.1, 1.2), (1.8, -0.4)],
        holes=[[(0.5, 0.4), (0.9, 0.4), (0.7, 0.8)], shapely.Point(1.4, 0.4).buffer(0.25)],
        mesh_size=0.12,
    ),
    "rectangle_with_holes": RectangleWithHoles(
        (2.0, 1.5),
        [
            {"origin": (0.2, 0.3), "size": 0.3, "type": "heater"},
            {"origin": (0.9, 0.8), "size": (0.5, 0.4), "type": "heater"},
            {"origin": (1.3, 0.2), "size": (0.3, 0.2)},
        ],
        mesh_size=0.12,
    ),
}


@functools.cache
def mesh_of(name):
    return EXAMPLES[name].mesh()


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def geometry(name):
    return EXAMPLES[name]


@pytest.fixture
def mesh(name):
    return mesh_of(name)
