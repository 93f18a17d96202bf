"""Following the points through a jaxpr."""

from jno_core._pointwise.axis import Obstacle as Obstacle
from jno_core._pointwise.flow import obstacle_in as obstacle_in
from jno_core._pointwise.rowwise import rowwise as rowwise
