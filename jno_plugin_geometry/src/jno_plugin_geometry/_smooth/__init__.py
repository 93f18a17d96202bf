"""Smooth functions that vanish on a boundary, in JAX, for hard boundary conditions.

Source: V. L. Rvachev and T. I. Sheiko, R-functions in boundary value problems in mechanics, Applied Mechanics Reviews 48
(1995) 151-188; N. Sukumar and A. Srivastava, Exact imposition of boundary conditions with distance functions in
physics-informed deep neural networks, Computer Methods in Applied Mechanics and Engineering 389 (2022) 114333.
"""

from jno_plugin_geometry._smooth.distance import (
    bubble as bubble,
    bubble_of_pieces as bubble_of_pieces,
    distance_to_pieces as distance_to_pieces,
    smooth_distance as smooth_distance,
)
