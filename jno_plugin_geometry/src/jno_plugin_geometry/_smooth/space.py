"""Smooth distances in space, from the outlines that solids are swept from and the tree that combines them."""

import functools
import math
from collections.abc import Mapping
from typing import TypeAlias, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jno_core.errors import PluginCapabilityError
from jno_plugin_geometry._regions.combination import Tree
from jno_plugin_geometry._regions.extrusion import Extrusion
from jno_plugin_geometry._regions.leaf import Leaf
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.revolution import FULL_TURN, Revolution, on_axis
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._smooth.joining import Faces, Values, both, either, joined, signed
from jno_plugin_geometry._smooth.plane import faces_of_pieces, inside

Points: TypeAlias = Float[Array, "n 3"]


def faces_of_solid(solid: Solid, tag: str, points: Points) -> list[Faces]:
    """What is left of the faces of a part, each trimmed by the solids that its leaf is combined with.

    A face that another solid touches in a part of it only would have to be cut there; the function is then zero on the
    touched part too.
    """
    own = [_LeafFunctions(leaf, points) for leaf in solid.leaves]
    trims = _trims(solid.tree, own)
    return [
        _trimmed(some, *trims[leaf])
        for leaf, numbers in _by_leaf(solid, tag).items()
        for some in own[leaf].faces(numbers)
    ]


def _by_leaf(solid: Solid, tag: str) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for leaf, face in solid.parts[tag]:
        found.setdefault(leaf, set()).add(face)
    return found


def _trims(tree: Tree, leaves: "list[_LeafFunctions]") -> Mapping[int, tuple[Values, ...]]:
    """For each leaf functions that are positive where its faces are on the boundary of the solid."""
    if isinstance(tree, int):
        return {tree: ()}
    operation, a, b = tree
    sign_a, sign_b = {"union": (-1, -1), "intersection": (1, 1), "difference": (1, -1)}[operation]
    # Faces of one operand are kept inside or outside of the other.
    beside_a, beside_b = sign_b * _function(b, leaves), sign_a * _function(a, leaves)
    left = {leaf: (*known, beside_a) for leaf, known in _trims(a, leaves).items()}
    return left | {leaf: (*known, beside_b) for leaf, known in _trims(b, leaves).items()}


def _function(tree: Tree, leaves: "list[_LeafFunctions]") -> Values:
    """Positive inside the solid of a tree, zero on its boundary."""
    if isinstance(tree, int):
        return leaves[tree].function
    operation, a, b = tree
    first, second = _function(a, leaves), _function(b, leaves)
    if operation == "union":
        return either(first, second)
    return both(first, second if operation == "intersection" else -second)


@final
class _LeafFunctions:
    """The faces of one leaf as functions of some points."""

    def __init__(self, leaf: Leaf, points: Points) -> None:
        self._body = leaf.body
        self._known_over: Values | None = None
        self._scale = leaf.scale
        x, y, z = (points[:, i] - leaf.offset[i] for i in range(3))
        inverse = leaf.matrix.T / leaf.scale**2
        self._x, self._y, self._z = (row[0] * x + row[1] * y + row[2] * z for row in inverse)

    def faces(self, numbers: set[int]) -> list[Faces]:
        """Those of its faces, in lengths of space."""
        body = self._body
        if isinstance(body, Extrusion):
            found = self._extruded(body, numbers)
        elif isinstance(body, Revolution):
            found = self._revolved(body, numbers)
        else:
            raise PluginCapabilityError(f"There is no smooth distance to the faces of {type(body).__name__}.")
        if self._scale == 1:
            return found
        return [Faces(self._scale * f, tuple(self._scale * t for t in trims)) for f, trims in found]

    @functools.cached_property
    def function(self) -> Values:
        """Positive inside the leaf, zero on its boundary."""
        count = len(self._body.faces)
        size = float(np.max(np.ptp(self._body_bounds(), axis=0))) * self._scale
        return signed(self._inside(), joined(self.faces(set(range(count))), size))

    def _extruded(self, body: Extrusion, numbers: set[int]) -> list[Faces]:
        slab = (self._z - body.lower) * (body.upper - self._z) / (body.upper - body.lower)
        pieces = [piece for ring in body.outline.rings() for piece in ring]
        walls = faces_of_pieces([pieces[i - 2] for i in sorted(numbers) if i > 1], self._flat)
        found = [_trimmed(wall, slab) for wall in walls]
        heights = [height for number, height in ((0, body.lower), (1, body.upper)) if number in numbers]
        if heights:
            ends = Faces(jnp.stack([self._z - height for height in heights]), ())
            found.append(_trimmed(ends, self._over(body.outline)))
        return found

    def _revolved(self, body: Revolution, numbers: set[int]) -> list[Faces]:
        flat = self._meridian(body)
        pieces = [piece for ring in body.outline.rings() for piece in ring if not on_axis(piece)]
        swept = faces_of_pieces([pieces[i] for i in sorted(numbers) if i < len(pieces)], flat)
        if body.angle == FULL_TURN:
            return swept
        wedge = self._wedge(body.angle)
        found = [_trimmed(some, wedge) for some in swept]
        for number, angle in ((len(pieces), 0.0), (len(pieces) + 1, body.angle)):
            if number in numbers:
                c, s = math.cos(angle), math.sin(angle)
                ahead = jnp.stack([self._x * c + self._y * s, self._z], axis=1)
                beside = Faces((self._y * c - self._x * s)[None], ())
                found.append(_trimmed(beside, _plane_function(body.outline, ahead)))
        return found

    @functools.cached_property
    def _flat(self) -> Float[Array, "n 2"]:
        return jnp.stack([self._x, self._y], axis=1)

    def _over(self, outline: Outline) -> Values:
        """Positive where a line along z meets the outline of an extrusion."""
        if self._known_over is None:
            self._known_over = _plane_function(outline, self._flat)
        return self._known_over

    def _meridian(self, body: Revolution) -> Float[Array, "n 2"]:
        # Not quite on the axis, where the distance from it has no derivative.
        least = (1e-9 if self._x.dtype == jnp.float64 else 1e-6) * float(np.max(np.abs(body.outline.bounds())))
        return jnp.stack([jnp.sqrt(self._x**2 + self._y**2 + least**2), self._z], axis=1)

    def _wedge(self, angle: float) -> Values:
        """Positive between the half planes at the angles 0 and `angle`."""
        after_start, before_end = self._y, self._x * math.sin(angle) - self._y * math.cos(angle)
        return (both if angle <= math.pi else either)(after_start, before_end)

    def _inside(self) -> Bool[Array, " n"]:
        body = self._body
        if isinstance(body, Extrusion):
            return (self._over(body.outline) > 0) & (self._z > body.lower) & (self._z < body.upper)
        if isinstance(body, Revolution):
            within = inside(body.outline.rings(), self._meridian(body))
            return within if body.angle == FULL_TURN else within & (self._wedge(body.angle) > 0)
        raise PluginCapabilityError(f"There is no smooth distance to the faces of {type(body).__name__}.")

    def _body_bounds(self) -> Float[np.ndarray, "2 3"]:
        upper = [self._body.support(row) for row in np.eye(3)]
        return np.array([[-self._body.support(-row) for row in np.eye(3)], upper])


def _trimmed(faces: Faces, *trims: Values) -> Faces:
    return Faces(faces.f, (*faces.trims, *(t[None] for t in trims)))


def _plane_function(outline: Outline, flat: Float[Array, "n 2"]) -> Values:
    """Positive inside the outline, zero on it."""
    rings = outline.rings()
    pieces = [piece for ring in rings for piece in ring]
    return signed(inside(rings, flat), joined(faces_of_pieces(pieces, flat), outline.size))
