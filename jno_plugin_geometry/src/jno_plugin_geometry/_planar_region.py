"""Plane regions with straight edges, as the mesher takes them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_plugin_geometry._rings import Ring


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PlanarRegion:
    """A polygon with holes; edge `e` runs from `starts[e]` to `ends[e]` with the region on its left.

    `parts` gives the edges of each part of the boundary; `"boundary"` has all of them.
    """

    polygon: shapely.Polygon
    starts: Float[np.ndarray, "e 2"]
    ends: Float[np.ndarray, "e 2"]
    parts: Mapping[str, Int[np.ndarray, " p"]]

    @property
    def size(self) -> float:
        """The longer side of the bounding box."""
        return float(np.max(np.ptp(self.starts, axis=0)))

    @property
    def area(self) -> float:
        """The area without the holes."""
        return float(self.polygon.area)

    def edge_lengths(self) -> Float[np.ndarray, " e"]:
        """The length of each edge."""
        return np.linalg.norm(self.ends - self.starts, axis=1)


def ring_edges(rings: Sequence[Ring]) -> list[Int[np.ndarray, " k"]]:
    """For each ring the numbers of its edges, counted through all rings; a ring's edge `i` starts at its vertex `i`."""
    ends = np.cumsum([len(ring) for ring in rings])
    return [np.arange(end - len(ring), end) for ring, end in zip(rings, ends, strict=True)]
