"""Geometries for jno: exact shapes to draw points from, their algebra, and meshes that need no system library."""

from jno_plugin_geometry._box import Box as Box
from jno_plugin_geometry._disk import Disk as Disk
from jno_plugin_geometry._equidistant_rectangle import (
    EquidistantRectangle as EquidistantRectangle,
    Poseidon as Poseidon,
)
from jno_plugin_geometry._l_shape import LShape as LShape
from jno_plugin_geometry._line import Line as Line
from jno_plugin_geometry._mesh_file import MeshFile as MeshFile
from jno_plugin_geometry._plane_shapes import (
    Annulus as Annulus,
    Ellipse as Ellipse,
    RegularPolygon as RegularPolygon,
    Triangle as Triangle,
)
from jno_plugin_geometry._polygon import Polygon as Polygon
from jno_plugin_geometry._polygon_geometry import PolygonGeometry as PolygonGeometry
from jno_plugin_geometry._rectangle import Rectangle as Rectangle
from jno_plugin_geometry._rectangle_pml import RectanglePml as RectanglePml
from jno_plugin_geometry._rectangle_with_hole import RectangleWithHole as RectangleWithHole
from jno_plugin_geometry._rectangle_with_holes import RectangleWithHoles as RectangleWithHoles
from jno_plugin_geometry._regular_grid import RegularGrid as RegularGrid
from jno_plugin_geometry._shape import AbstractShape as AbstractShape, Shape as Shape, union as union
from jno_plugin_geometry._space_shapes import (
    Ball as Ball,
    Cone as Cone,
    Cylinder as Cylinder,
    Prism as Prism,
    Torus as Torus,
)
