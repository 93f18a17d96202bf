"""Geometries for jno: exact regions to draw points from, and meshes of them that need no system library."""

from jno_plugin_geometry._box import Box as Box
from jno_plugin_geometry._disk import Disk as Disk
from jno_plugin_geometry._equidistant_rectangle import EquidistantRectangle as EquidistantRectangle
from jno_plugin_geometry._l_shape import LShape as LShape
from jno_plugin_geometry._line import Line as Line
from jno_plugin_geometry._polygon import Polygon as Polygon
from jno_plugin_geometry._rectangle import Rectangle as Rectangle
from jno_plugin_geometry._rectangle_with_holes import RectangleWithHoles as RectangleWithHoles
