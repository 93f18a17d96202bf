"""A rectangle with rectangular and other holes."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, final

import numpy as np

from jno_core import Mesh
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_pair, checked_positive, checked_size
from jno_plugin_geometry._planar_region import ring_edges
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._rings import Ring, RingLike, as_tuples, checked_hole
from jno_plugin_geometry._shape import AbstractShape

SIDES = ("bottom", "right", "top", "left")
_KEYS = {"origin", "size", "type"}

HoleLike: TypeAlias = Mapping[str, Any] | RingLike


@final
@dataclasses.dataclass(frozen=True)
class RectangleWithHoles(AbstractShape[Outline]):
    """The rectangle from `(0, 0)` to `outer_size` with holes, in triangles of about `mesh_size` made by netgen.

    Each hole is either

    - a dict with `origin` (its lower left corner), `size` (a number or `(width, height)`) and optionally `type`, a name
      for its kind, `"hole"` by default; or
    - the vertices of a polygon or a shapely polygon, as in `Polygon`, with the type `"hole"`.

    By default there is one square hole in the middle, 0.4 times as wide as the rectangle's shorter side.

    Tags: `interior`, `boundary`, `outer`, `bottom`, `right`, `top`, `left`; `hole_boundary` (all holes) and each as
    `hole_0`, `hole_1`, ...; for each type all its holes as `<type>_boundary`, except for the type `"hole"`, and the
    sides of its rectangles as `<type>_bottom`, `<type>_right`, `<type>_top`, `<type>_left`.

    Raises `JnoValueError` naming the hole at fault.
    """

    outer_size: tuple[float, float] = (2.0, 1.0)
    # Dicts do not hash; geometries that are equal still have equal hashes without them.
    holes: Iterable[HoleLike] | None = dataclasses.field(default=None, hash=False)
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        width, height = checked_size("outer_size", self.outer_size)
        side = 0.4 * min(width, height)
        default = {"origin": ((width - side) / 2, (height - side) / 2), "size": side}
        holes = _checked_holes([default] if self.holes is None else self.holes)
        object.__setattr__(self, "outer_size", (width, height))
        object.__setattr__(self, "holes", holes)
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        outer = _rectangle((0.0, 0.0), (width, height))
        rings = [_rectangle(h["origin"], h["size"]) if isinstance(h, Mapping) else np.array(h) for h in holes]
        outer_edges, *hole_edges = ring_edges([outer, *rings])
        named = {side: [edge] for side, edge in zip(SIDES, outer_edges, strict=True)}
        for hole, edges in zip(holes, hole_edges, strict=True):
            kind = hole["type"] if isinstance(hole, Mapping) else "hole"
            if kind != "hole":
                named.setdefault(f"{kind}_boundary", []).extend(edges)
            if isinstance(hole, Mapping):
                for side, edge in zip(SIDES, edges, strict=True):
                    named.setdefault(f"{kind}_{side}", []).append(edge)
        object.__setattr__(self, "_region", Outline.polygon(outer, rings, named))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "RectangleWithHoles":
        return dataclasses.replace(self, mesh_size=mesh_size)


def _checked_holes(holes: Any) -> tuple[dict[str, Any] | tuple[tuple[float, float], ...], ...]:
    """Rectangles as dicts with all three keys, other holes as tuples of vertices."""
    if isinstance(holes, Mapping) or not isinstance(holes, Iterable):
        raise JnoTypeError(f"holes must be a sequence of holes, got {type(holes).__name__}. Did you mean [holes]?")
    return tuple(
        _checked_rectangle(f"holes[{i}]", hole)
        if isinstance(hole, Mapping)
        else as_tuples(checked_hole(f"holes[{i}]", hole))
        for i, hole in enumerate(holes)
    )


def _checked_rectangle(name: str, hole: Mapping[str, Any]) -> dict[str, Any]:
    wrong = sorted(set(hole) - _KEYS) or sorted({"origin", "size"} - set(hole))
    if wrong:
        raise JnoValueError(f"{name} must have the keys 'origin', 'size' and optionally 'type'; check {wrong}.")
    kind = hole.get("type", "hole")
    if not isinstance(kind, str) or not kind.isidentifier():
        raise JnoValueError(f"{name}['type'] must be a name such as 'heater', got {kind!r}.")
    origin = checked_pair(f"{name}['origin']", hole["origin"])
    return {"origin": origin, "size": checked_size(f"{name}['size']", hole["size"]), "type": kind}


def _rectangle(origin: tuple[float, float], size: tuple[float, float]) -> Ring:
    """The corners counter-clockwise from `origin`, so that the edges are in the order of `SIDES`."""
    return np.array(origin) + np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * np.array(size)
