"""The smooth distance to a part of the boundary of a region."""

import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core.errors import PluginCapabilityError
from jno_plugin_geometry._regions.intervals import Intervals
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._smooth.joining import Faces, joined, multiplied
from jno_plugin_geometry._smooth.plane import Piece, faces_of_pieces
from jno_plugin_geometry._smooth.space import faces_of_solid

# Points of the interior that tell which surfaces enter the region, and how large functions become.
_PROBES = 4096
_MOST_FACTORS = 8
# Points nearer to a surface lie on it, in units of the size.
_ON_FACE = 1e-5
# Where a factor bends towards 1, in radii of the largest ball in the region: by trial of networks on plates with holes.
_WIDTH = 4.0


# Functions are compared by identity, so that the same part must give the same one.
@functools.lru_cache(maxsize=256)
def smooth_distance(region: AbstractRegion, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
    """See `AbstractDistance.smooth_distance`."""
    size = float(np.max(np.ptp(region.bounds(), axis=0)))

    def distance(points: Float[Array, "n d"]) -> Float[Array, " n"]:
        return joined(_faces(region, tag, points), size)

    distance.__name__ = f"distance_to_{tag}"
    return distance


@functools.lru_cache(maxsize=256)
def bubble(region: AbstractRegion, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
    """See `AbstractDistance.bubble`."""
    rng = np.random.default_rng(0)
    inside = region.sample_interior(_PROBES, rng)
    around = region.sample_boundary("boundary", _PROBES, rng).points
    size = float(np.max(np.ptp(region.bounds(), axis=0)))
    return _bubble(lambda points: _faces(region, tag, points), inside, around, size, tag)


def bubble_of_pieces(
    pieces: Sequence[Piece],
    inside: Float[np.ndarray, "p 2"],
    around: Float[np.ndarray, "p 2"],
    size: float,
    name: str,
) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
    """The same for pieces of a boundary in the plane; `inside` are points of the region, `around` of all of its boundary."""
    return _bubble(lambda points: faces_of_pieces(pieces, points), inside, around, size, name)


def _bubble(
    faces: Callable[[Float[Array, "n d"]], list[Faces]],
    inside: Float[np.ndarray, "p d"],
    around: Float[np.ndarray, "q d"],
    size: float,
    name: str,
) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
    known, at_boundary = faces(jnp.asarray(inside)), faces(jnp.asarray(around))
    # Other parts of the boundary may lie on the same surface.
    elsewhere = np.asarray(joined(at_boundary, size)) > _ON_FACE * size
    # In NumPy, where parts with other numbers of faces need no other program.
    plain = []
    for some, there in zip(known, at_boundary, strict=True):
        f, near = np.asarray(some.f), np.abs(np.asarray(there.f)) < _ON_FACE * size
        plain.append((np.all(f > 0, axis=1) | np.all(f < 0, axis=1)) & ~np.any(elsewhere & near, axis=1))
    if sum(np.sum(rows) for rows in plain) > _MOST_FACTORS:
        # A product of many factors is tiny nearly everywhere.
        plain = [np.zeros_like(rows) for rows in plain]
    width = _WIDTH * float(jnp.max(joined(known, size)))
    largest = float(jnp.max(multiplied(known, plain, width, size)))

    def function(points: Float[Array, "n d"]) -> Float[Array, " n"]:
        return multiplied(faces(points), plain, width, size) / largest

    function.__name__ = f"bubble_of_{name}"
    return function


def distance_to_pieces(
    pieces: Sequence[Piece], size: float, name: str
) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
    """The same for pieces of a boundary in the plane; `size` is a length of the region."""

    def distance(points: Float[Array, "n 2"]) -> Float[Array, " n"]:
        return joined(faces_of_pieces(pieces, points), size)

    distance.__name__ = f"distance_to_{name}"
    return distance


def _faces(region: AbstractRegion, tag: str, points: Float[Array, "n d"]) -> list[Faces]:
    if isinstance(region, Intervals):
        ends = jnp.asarray(region.ends[region.parts[tag]], points.dtype)
        return [Faces(points[None, :, 0] - ends[:, None], ())]
    if isinstance(region, Outline):
        pieces = [piece for ring in region.rings() for piece in ring]
        return faces_of_pieces([pieces[i] for i in region.parts[tag]], points)
    if isinstance(region, Solid):
        return faces_of_solid(region, tag, points)
    raise PluginCapabilityError(f"There is no smooth distance to the boundary of {type(region).__name__}.")
