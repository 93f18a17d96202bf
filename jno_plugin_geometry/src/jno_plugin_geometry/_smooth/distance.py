"""The smooth distance to a part of the boundary of a region."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Float

from jno_core.errors import PluginCapabilityError
from jno_plugin_geometry._regions.intervals import Intervals
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._smooth.joining import Face, joined
from jno_plugin_geometry._smooth.plane import Piece, faces_of_pieces
from jno_plugin_geometry._smooth.space import faces_of_solid


# Functions are compared by identity, so that the same part must give the same one.
@functools.lru_cache(maxsize=256)
def smooth_distance(region: AbstractRegion, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
    """See `AbstractDistance.smooth_distance`."""
    size = float(np.max(np.ptp(region.bounds(), axis=0)))

    def distance(points: Float[Array, "n d"]) -> Float[Array, " n"]:
        return joined(_faces(region, tag, points), size)

    distance.__name__ = f"distance_to_{tag}"
    return distance


def distance_to_pieces(
    pieces: Sequence[Piece], size: float, name: str
) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
    """The same for pieces of a boundary in the plane; `size` is a length of the region."""

    def distance(points: Float[Array, "n 2"]) -> Float[Array, " n"]:
        return joined(faces_of_pieces(pieces, points), size)

    distance.__name__ = f"distance_to_{name}"
    return distance


def _faces(region: AbstractRegion, tag: str, points: Float[Array, "n d"]) -> list[Face]:
    if isinstance(region, Intervals):
        return [Face(points[:, 0] - end, ()) for end in region.ends[region.parts[tag]]]
    if isinstance(region, Outline):
        pieces = [piece for ring in region.rings() for piece in ring]
        return faces_of_pieces([pieces[i] for i in region.parts[tag]], points)
    if isinstance(region, Solid):
        return faces_of_solid(region, tag, points)
    raise PluginCapabilityError(f"There is no smooth distance to the boundary of {type(region).__name__}.")
