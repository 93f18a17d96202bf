"""Unions, intersections and differences of plane regions, by their boundaries alone.

The pieces of both boundaries are cut where they meet. Then each piece lies between two vertices, and the other region is
the same all along it: on both sides of it, on neither, or, where a piece of the other boundary coincides, on one.
So it is known which pieces bound the result.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core.errors import JnoValueError
from jno_plugin_geometry._clusters import clusters
from jno_plugin_geometry._regions.crossings import crossings, feet, touches
from jno_plugin_geometry._regions.curves import Curves
from jno_plugin_geometry._regions.nearest import inside
from jno_plugin_geometry._regions.outline_rings import UnbalancedError, rings_of
from jno_plugin_geometry._regions.region import Operation

Parts: TypeAlias = Mapping[str, Int[np.ndarray, " k"]]

# Points closer than this share of the coordinates' size are the same. Where boundaries that nearly coincide leave an
# open end, the next one is tried.
_TOLERANCES = (1e-12, 1e-13, 1e-14, 1e-11, 1e-10, 1e-9)
# Arcs no higher than so many tolerances are straight: the direction of their chord is that of the shift of their ends.
_FLAT = 4
# Where along a piece the other region is looked up: away from the middle, where symmetric figures touch.
_PROBE = 0.47

_RULES: dict[Operation, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "union": np.logical_or,
    "intersection": np.logical_and,
    "difference": lambda a, b: a & ~b,
}


def combined(
    a: Curves, a_parts: Parts, b: Curves, b_parts: Parts, operation: Operation
) -> tuple[Curves, tuple[int, ...], dict[str, Int[np.ndarray, " k"]]]:
    """The pieces of the result in rings, the sizes of the rings, and the parts.

    A part of the result is what lies on its boundary of the parts of this name of `a` and `b`.
    """
    size = max(float(np.max(np.abs(vectors))) for curves in (a, b) for vectors in (*curves.boxes(), curves.firsts))
    for tolerance in _TOLERANCES:
        kept = _kept(a, b, _RULES[operation], tolerance * size)
        try:
            order, ring_sizes = rings_of(kept.curves, kept.starts, kept.ends, tolerance * size)
        except UnbalancedError:
            continue
        break
    else:
        raise JnoValueError(
            f"The {operation} failed: the two boundaries nearly coincide, to about {max(_TOLERANCES):g} of their size. Give both "
            f"the same vertices where they meet, or move one of them by {1e-6 * size:.1g}."
        )
    if not ring_sizes:
        raise JnoValueError(f"The {operation} is empty: nothing is left of the region.")
    of_a, of_b = kept.of_a[order], kept.of_b[order]
    parts = {}
    for tag in (*a_parts, *(tag for tag in b_parts if tag not in a_parts)):
        part = np.flatnonzero(_member(of_a, a_parts.get(tag), len(a)) | _member(of_b, b_parts.get(tag), len(b)))
        if part.size:
            parts[tag] = part
    return kept.curves.take(order), ring_sizes, parts


def _member(pieces: Int[np.ndarray, " k"], part: Int[np.ndarray, " p"] | None, count: int) -> Bool[np.ndarray, " k"]:
    # The last entry stands for "none", which is -1.
    mask = np.zeros(count + 1, bool)
    mask[[] if part is None else part] = True
    return mask[pieces]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Bits:
    """What the pieces of both boundaries are cut into, those of the first boundary first, in order along each piece.

    Bit `k` lies between the fractions `low` and `high` of piece `piece` and the vertices `starts` and `ends`.
    """

    piece: Int[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]
    starts: Int[np.ndarray, " k"]
    ends: Int[np.ndarray, " k"]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Kept:
    """The pieces that bound the result, with their vertices and the pieces of both boundaries they lie on, or -1."""

    curves: Curves
    starts: Int[np.ndarray, " k"]
    ends: Int[np.ndarray, " k"]
    of_a: Int[np.ndarray, " k"]
    of_b: Int[np.ndarray, " k"]


def _kept(a: Curves, b: Curves, rule: Callable[[np.ndarray, np.ndarray], np.ndarray], tolerance: float) -> _Kept:
    both = Curves.joined([a, b])
    bits, vertices = _cut(a, b, both, tolerance)
    of_b = bits.piece >= len(a)
    twin = _twins(both, bits, of_b, tolerance)
    probes = both.points(bits.piece, bits.low + _PROBE * (bits.high - bits.low))
    other_left = np.empty(len(probes), bool)
    other_left[of_b], other_left[~of_b] = inside(a, probes[of_b]), inside(b, probes[~of_b])
    other_right = other_left.copy()
    same = np.flatnonzero(twin >= 0)
    other_left[same] = bits.starts[same] == bits.starts[twin[same]]
    other_right[same] = ~other_left[same]
    # A bit has its own region on its left and not on its right.
    own_left, own_right = np.ones_like(of_b), np.zeros_like(of_b)
    left = np.where(of_b, rule(other_left, own_left), rule(own_left, other_left))
    right = np.where(of_b, rule(other_right, own_right), rule(own_right, other_right))
    # What both boundaries have is taken from the first.
    rows = np.flatnonzero((left != right) & ~(of_b & (twin >= 0)))
    return _joined(both, len(a), bits, rows, twin[rows], left[rows], vertices, tolerance)


def _joined(both: Curves, count: int, bits: _Bits, rows, twin, forward, vertices, tolerance: float) -> _Kept:
    """The bits `rows` with the result on their left; neighbours from the same piece in one."""
    piece, starts, ends = bits.piece[rows], bits.starts[rows], bits.ends[rows]
    partner = np.where(twin >= 0, bits.piece[twin], -1)
    uses = np.bincount(np.concatenate([starts, ends]), minlength=len(vertices))
    follows = (ends[:-1] == starts[1:]) & (uses[ends[:-1]] == 2)
    for column in (piece, partner, forward):
        follows &= column[:-1] == column[1:]
    first = np.flatnonzero(np.concatenate([np.ones(min(len(rows), 1), bool), ~follows]))
    last = np.flatnonzero(np.concatenate([~follows, np.ones(min(len(rows), 1), bool)]))
    piece, partner, forward, starts, ends = piece[first], partner[first], forward[first], starts[first], ends[last]
    curves = both.cut(piece, bits.low[rows[first]], bits.high[rows[last]])
    curves = curves.between(vertices[starts], vertices[ends], _FLAT * tolerance)
    of_a, of_b = np.where(piece < count, piece, -1), np.where(piece < count, partner, piece)
    return _Kept(
        Curves.where(forward, curves, curves.reversed()),
        np.where(forward, starts, ends),
        np.where(forward, ends, starts),
        of_a,
        np.where(of_b >= 0, of_b - count, -1),
    )


def _cut(a: Curves, b: Curves, both: Curves, tolerance: float) -> tuple[_Bits, Float[np.ndarray, "v 2"]]:
    """All bits, and the vertices between them: points nearer than `tolerance` to each other are one."""
    i, s, j, t, points = crossings(a, b, tolerance)
    on_a, at_a, of_b = touches(a, b.starts, tolerance)
    on_b, at_b, of_a = touches(b, a.starts, tolerance)
    n, total = len(a), len(both)
    new = 2 * total + np.arange(len(points))
    pieces = np.arange(total)
    piece = np.concatenate([pieces, pieces, i, j + n, on_a, on_b + n])
    fraction = np.concatenate([np.zeros(total), np.ones(total), s, t, at_a, at_b])
    vertex = np.concatenate([pieces, total + pieces, new, new, of_b + n, of_a])
    places = np.concatenate([both.starts, both.ends, points])
    vertex = clusters(places, tolerance)[vertex]
    order = np.lexsort([fraction, piece])
    piece, fraction, vertex = piece[order], fraction[order], vertex[order]
    # Between two cuts at the same vertex lies nothing.
    rows = np.flatnonzero((piece[:-1] == piece[1:]) & (vertex[:-1] != vertex[1:]))
    return _Bits(piece[rows], fraction[rows], fraction[rows + 1], vertex[rows], vertex[rows + 1]), places


def _twins(both: Curves, bits: _Bits, of_b: Bool[np.ndarray, " k"], tolerance: float) -> Int[np.ndarray, " k"]:
    """For each bit the one of the other boundary that coincides with it, or -1."""
    twin = np.full(len(bits.piece), -1)
    between: dict[tuple[int, int], list[int]] = {}
    ends = np.sort(np.stack([bits.starts, bits.ends], axis=1), axis=1).tolist()
    for k in np.flatnonzero(of_b):
        between.setdefault(tuple(ends[k]), []).append(int(k))
    pairs = [(k, other) for k in np.flatnonzero(~of_b) for other in between.get(tuple(ends[k]), ())]
    if pairs:
        i, j = np.array(pairs).T
        middles = both.points(bits.piece[i], (bits.low + bits.high)[i] / 2)
        at, distance = feet(both, bits.piece[j], middles)
        near = (distance <= 2 * tolerance) & (at >= bits.low[j]) & (at <= bits.high[j])
        twin[i[near]], twin[j[near]] = j[near], i[near]
    return twin
