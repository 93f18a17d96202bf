"""How several polygons cut the plane: nodes, straight edges that meet at nodes only, and the faces between them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias, final

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

from jno_plugin_geometry._clusters import clusters

Segments: TypeAlias = Float[np.ndarray, "k 2 2"]

# Vertices and edges nearer than this, relative to the size of everything, are taken as the same.
TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Arrangement:
    """The part of the plane that `active` covers, cut by the outlines of `layers` and by further lines.

    - Edge `e` runs from node `edges[e, 0]` to `edges[e, 1]`; `left[e]` and `right[e]` are the faces on its sides, -1 for
      what is not active. They are the same face for a line that ends inside.
    - `covers[f, l]`: whether layer `l` covers face `f`.
    - `outlines[l]`: pairs `(e, k)` of an edge and the number of the edge of layer `l` that it is a piece of.
    - `lines[i]`: the edges of line `i`, and whether it runs along each in the edge's own direction.
    """

    nodes: Float[np.ndarray, "n 2"]
    edges: Int[np.ndarray, "e 2"]
    left: Int[np.ndarray, " e"]
    right: Int[np.ndarray, " e"]
    faces: np.ndarray
    covers: Bool[np.ndarray, "f l"]
    outlines: Sequence[Int[np.ndarray, "p 2"]]
    lines: Sequence[tuple[Int[np.ndarray, " p"], Bool[np.ndarray, " p"]]]

    @classmethod
    def of(cls, layers: Sequence[Any], active: Any, lines: Sequence[Segments] = ()) -> "Arrangement":
        """The arrangement of shapely geometries with areas, and of lines as segments.

        Vertices, edges and lines that coincide to a tolerance of 1e-9 of the size do so exactly afterwards.
        """
        drawn = [outline(layer) for layer in layers] + [outline(active)] + list(lines)
        nodes, edges, pieces = _noded(np.concatenate(drawn))
        left, right, faces = _faces(nodes, edges)
        inner = np.asarray(shapely.point_on_surface(faces))
        kept = shapely.intersects(active, inner)
        covers = np.zeros((int(np.sum(kept)), len(layers)), dtype=bool)
        for number, layer in enumerate(layers):
            covers[:, number] = shapely.intersects(layer, inner[kept])
        faces, renumbered = faces[kept], np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        left, right = renumbered[left], renumbered[right]
        ends = np.cumsum([len(segments) for segments in drawn])
        within = [
            pieces[(pieces[:, 0] >= end - len(s)) & (pieces[:, 0] < end)] for s, end in zip(drawn, ends, strict=True)
        ]
        loose = np.setdiff1d(
            np.flatnonzero((left < 0) & (right < 0)), np.concatenate([p[:, 1] for p in within[: len(layers) + 1]])
        )
        middles = shapely.points(np.mean(nodes[edges[loose]], axis=1))
        which, face = shapely.STRtree(faces).query(middles, predicate="within")
        left[loose[which]] = right[loose[which]] = face
        used = (left >= 0) | (right >= 0)
        place = np.where(used, np.cumsum(used) - 1, -1)
        outlines, along = [], []
        for number, (found, end) in enumerate(zip(within, ends, strict=True)):
            found = found[used[found[:, 1]]]
            if number < len(layers):
                outlines.append(np.stack([place[found[:, 1]], found[:, 0] - end + len(drawn[number])], axis=1))
            elif number > len(layers):
                along.append((place[found[:, 1]], found[:, 2] == 1))
        corners, edges = np.unique(edges[used], return_inverse=True)
        return cls(nodes[corners], edges.reshape(-1, 2), left[used], right[used], faces, covers, outlines, along)

    def segments(self) -> Segments:
        """The end points of each edge."""
        return self.nodes[self.edges]

    def lengths(self) -> Float[np.ndarray, " e"]:
        """The length of each edge."""
        return np.linalg.norm(self.nodes[self.edges[:, 1]] - self.nodes[self.edges[:, 0]], axis=1)

    def beside(self, chosen: Bool[np.ndarray, " f"]) -> tuple[Bool[np.ndarray, " e"], Bool[np.ndarray, " e"]]:
        """For each edge whether one of the chosen faces is on its left and on its right."""
        padded = np.append(chosen, False)
        return padded[self.left], padded[self.right]


def outline(geometry: Any) -> Segments:
    """The edges of all rings of a geometry with area, in the order of its coordinates."""
    rings = shapely.get_rings(shapely.get_parts(geometry))
    return np.concatenate([np.empty((0, 2, 2)), *(_steps(shapely.get_coordinates(ring)) for ring in rings)])


def line_segments(geometry: Any) -> Segments:
    """The segments of lines, in the order of their coordinates."""
    parts = shapely.get_parts(geometry)
    return np.concatenate([np.empty((0, 2, 2)), *(_steps(shapely.get_coordinates(part)) for part in parts)])


def _steps(vertices: np.ndarray) -> Segments:
    steps = np.stack([vertices[:-1], vertices[1:]], axis=1)
    return steps[np.any(steps[:, 0] != steps[:, 1], axis=1)]


def _noded(segments: Segments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, edges between them, and triples: segment `s` runs along edge `e`, in its direction (1) or against it (0)."""
    size = float(np.max(np.ptp(segments.reshape(-1, 2), axis=0)))
    tolerance = TOLERANCE * size
    count = len(segments)
    first, second, crossings = _contacts(segments, tolerance)
    # A cut is a segment and a point on it: its own ends, ends of others, and crossings.
    ends = np.arange(2 * count)
    owner = np.concatenate([ends // 2, first, *crossings[:2]])
    made = 2 * count + np.arange(len(crossings[0]))
    point = np.concatenate([ends, second, made, made])
    points = np.concatenate([segments.reshape(-1, 2), crossings[2]]) + 0.0
    names = clusters(points, tolerance)
    start, along = segments[owner, 0], (segments[:, 1] - segments[:, 0])[owner]
    fraction = np.sum((points[point] - start) * along, axis=1) / np.sum(along**2, axis=1)
    order = np.lexsort((fraction, owner))
    owner, point = owner[order], names[point[order]]
    step = (owner[1:] == owner[:-1]) & (point[1:] != point[:-1])
    pairs, owner = np.stack([point[:-1], point[1:]], axis=1)[step], owner[1:][step]
    edges, edge = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    pieces = np.stack([owner, edge.ravel(), pairs[:, 0] < pairs[:, 1]], axis=1)
    return points, edges, np.unique(pieces, axis=0)


def _contacts(segments: Segments, tolerance: float) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Pairs of a segment and an end point that lies on it, and the crossings: both segments and the point."""
    lines = np.asarray(shapely.linestrings(segments))
    i, j = shapely.STRtree(lines).query(lines, predicate="dwithin", distance=tolerance)
    i, j = i[i != j], j[i != j]
    along = segments[i, 1] - segments[i, 0]
    length = np.linalg.norm(along, axis=1)
    offset = segments[j] - segments[i, :1]
    height = (along[:, None, 0] * offset[..., 1] - along[:, None, 1] * offset[..., 0]) / length[:, None]
    place = np.sum(along[:, None] * offset, axis=2) / length[:, None]
    on = (np.abs(height) <= tolerance) & (place > tolerance) & (place < length[:, None] - tolerance)
    pair, end = np.nonzero(on)
    apart = (np.abs(height[:, 0]) > tolerance) & (np.abs(height[:, 1]) > tolerance)
    crossing = apart & (np.sign(height[:, 0]) != np.sign(height[:, 1]))
    # Each pair comes twice, once from either side; it crosses if both say so.
    both = dict.fromkeys(zip(i[crossing].tolist(), j[crossing].tolist(), strict=True))
    mutual = [k for k, (a, b) in zip(np.flatnonzero(crossing), both, strict=True) if a < b and (b, a) in both]
    share = height[mutual, 0] / (height[mutual, 0] - height[mutual, 1]) if mutual else np.empty(0)
    start = segments[j[mutual], 0]
    points = start + share[:, None] * (segments[j[mutual], 1] - start)
    return i[pair], 2 * j[pair] + end, (i[mutual], j[mutual], points)


def _faces(nodes: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bounded faces, and which of them is on the left and on the right of each edge (-1: none)."""
    found = shapely.polygonize(np.asarray(shapely.linestrings(nodes[edges])))
    faces = np.asarray(shapely.orient_polygons(shapely.get_parts(found)))
    rings, owner = shapely.get_rings(faces, return_index=True)
    vertices, ring = shapely.get_coordinates(rings, return_index=True)
    _, same = np.unique(np.concatenate([nodes, vertices]), axis=0, return_inverse=True)
    same = same.ravel()
    node_at = np.zeros(np.max(same) + 1, dtype=np.int64)
    # Points that were merged into others stand in `nodes` too, but on no edge.
    used = np.unique(edges)
    node_at[same[used]] = used
    corner = node_at[same[len(nodes) :]]
    step = ring[1:] == ring[:-1]
    pairs, face = np.stack([corner[:-1], corner[1:]], axis=1)[step], owner[ring[1:][step]]
    _, group = np.unique(np.concatenate([edges, np.sort(pairs, axis=1)]), axis=0, return_inverse=True)
    edge = group.ravel()[len(edges) :]
    forward = pairs[:, 0] < pairs[:, 1]
    left, right = np.full(len(edges), -1), np.full(len(edges), -1)
    left[edge[forward]], right[edge[~forward]] = face[forward], face[~forward]
    return left, right, faces
