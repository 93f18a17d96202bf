"""Does row i of a function's result depend on row i of its arguments only? For schemes that work on batches of points."""

from jno_core._pointwise import (
    Obstacle as Obstacle,
    obstacle_in as obstacle_in,
    rowwise as rowwise,
)
