"""What a picture of a domain shows, whichever library draws it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int

from jno_core._domain.quality import radius_ratios
from jno_core._domain.regions import Regions
from jno_core._interfaces import Mesh, PointData
from jno_core.errors import JnoValueError

# Colours that stay apart for all kinds of eyes (Okabe and Ito), the strongest first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8B5A2B", "#7A5195")
# More parts than this are drawn, and not named one by one.
MOST_NAMES = 14
# How many points stand for a part of the boundary that has no mesh.
_OUTLINE_POINTS = 400
_ARROW = 0.08


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A part of the boundary, or an interface inside: facets of the mesh, or points if there is none."""

    label: str
    color: str
    facets: Int[np.ndarray, "f k"]
    points: Float[np.ndarray, "n d"]
    interface: bool = False


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """Everything there is to draw; points of 1-D domains lie on the x axis of a plane.

    `values` colours the mesh: one for each cell, or for each node.
    """

    dimension: int
    mesh: Mesh | None
    regions: tuple[tuple[str, str, Int[np.ndarray, " r"]], ...]
    parts: tuple[Part, ...]
    clouds: tuple[tuple[str, str, Float[np.ndarray, "n d"]], ...]
    arrows: tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]] | None
    values: np.ndarray | None
    values_name: str

    @classmethod
    def of(
        cls,
        regions: Regions,
        drawn: Mapping[str, PointData],
        *,
        show_normals: bool = False,
        arrow_scale: float = 1.0,
        color_by: Any = None,
        values_name: str = "",
    ) -> "Picture":
        """The picture of a domain with the point sets `drawn`.

        Raises `JnoValueError` for a domain of more than three dimensions, and for colours that it cannot have.
        """
        if regions.dimension > 3:
            raise JnoValueError(
                f"A domain with {regions.dimension} space coordinates cannot be drawn, only one to three."
            )
        if not np.isfinite(arrow_scale) or arrow_scale <= 0:
            raise JnoValueError(f"arrow_scale must be positive, got {arrow_scale!r}.")
        values, name = _values(regions.mesh, color_by, values_name)
        clouds = [(label, np.asarray(data.points[0])) for label, data in drawn.items()]
        clouds = clouds or [(tag, cloud.points[0]) for tag, cloud in regions.clouds.items()]
        parts = _parts(regions)
        return cls(
            regions.dimension,
            regions.mesh,
            _coloured_regions(regions.mesh),
            parts,
            tuple(
                (f"{label} ({len(points)} points)", COLORS[(len(parts) + i) % len(COLORS)], padded(points))
                for i, (label, points) in enumerate(clouds)
            ),
            _arrows(regions, drawn, _ARROW * arrow_scale) if show_normals else None,
            values,
            name,
        )

    @property
    def nodal(self) -> bool:
        """Whether the colours belong to nodes."""
        return self.values is not None and self.mesh is not None and len(self.values) == len(self.mesh.points)

    def values_on_facets(self, facets: Int[np.ndarray, "f k"]) -> Float[np.ndarray, " f"]:
        """The colour of each facet: that of the cell behind it, or the mean of its nodes."""
        assert self.values is not None
        assert self.mesh is not None
        if self.nodal:
            return np.mean(self.values[facets], axis=1)
        cells, k = self.mesh.cells, self.mesh.cells.shape[1]
        sides = np.sort(np.concatenate([np.delete(cells, i, axis=1) for i in range(k)] + [facets]), axis=1)
        _, group = np.unique(sides, axis=0, return_inverse=True)
        behind = np.zeros(np.max(group) + 1, int)
        behind[group.ravel()[: k * len(cells)]] = np.tile(np.arange(len(cells)), k)
        return self.values[behind[group.ravel()[k * len(cells) :]]]


def padded(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
    """Points of the line as points of the plane."""
    return np.concatenate([points, np.zeros_like(points)], axis=1) if points.shape[1] == 1 else points


def _values(mesh: Mesh | None, color_by: Any, name: str) -> tuple[np.ndarray | None, str]:
    if color_by is None:
        return None, ""
    if mesh is None:
        raise JnoValueError(
            "color_by colours the mesh, and the domain has none; domain.build_mesh(mesh_size) makes one."
        )
    if isinstance(color_by, str):
        if color_by != "quality":
            raise JnoValueError(f"color_by must be 'quality' or an array with a value for each node, got {color_by!r}.")
        return radius_ratios(mesh), "radius ratio"
    values = np.asarray(color_by, np.float64)
    if values.shape != (len(mesh.points),):
        raise JnoValueError(
            f"color_by needs a value for each of the {len(mesh.points)} nodes, got an array of shape {values.shape}."
        )
    return values, name


def _coloured_regions(mesh: Mesh | None) -> tuple[tuple[str, str, Int[np.ndarray, " r"]], ...]:
    if mesh is None:
        return ()
    named = [(tag, index) for tag, index in mesh.regions.items() if tag != "interior"]
    return tuple((tag, COLORS[i % len(COLORS)], index) for i, (tag, index) in enumerate(named))


def _parts(regions: Regions) -> tuple[Part, ...]:
    """The parts of the boundary and the interfaces, each side under one name."""
    if regions.mesh is not None:
        found = _meshed_parts(regions.mesh)
    elif regions.geometry is not None:
        rng = np.random.default_rng(0)
        tags = [tag for tag, kind in regions.geometry.tags().items() if kind == "boundary"]
        tags = [tag for tag in tags if tag != "boundary"] or tags
        none = np.zeros((0, regions.dimension), int)
        found = [(tag, none, regions.geometry.sample(tag, _OUTLINE_POINTS, rng).points, False) for tag in tags]
    else:
        return ()
    return tuple(
        Part(label, COLORS[i % len(COLORS)], facets, padded(points), inside)
        for i, (label, facets, points, inside) in enumerate(found)
    )


def _meshed_parts(mesh: Mesh) -> list[tuple[str, Int[np.ndarray, "f k"], Float[np.ndarray, "n d"], bool]]:
    """Each side goes to the smallest part that it is in; parts whose name starts with `boundary` get what is left."""
    number = _numbered(mesh)
    aliases: dict[bytes, list[str]] = {}
    for tag in sorted(number, key=_is_general):
        aliases.setdefault(np.unique(number[tag]).tobytes(), []).append(tag)
    nothing = np.zeros((0, mesh.dimension))
    taken = np.zeros(0, int)
    found = {}
    for tag, *others in sorted(aliases.values(), key=lambda tags: (_is_general(tags[0]), len(number[tags[0]]))):
        fresh = ~np.isin(number[tag], taken)
        if not np.any(fresh):
            continue
        taken = np.concatenate([taken, number[tag]])
        label = " = ".join([tag, *others[:1], *(["..."] if others[1:] else [])])
        inside = not np.any(np.isin(number[tag][fresh], number["boundary"]))
        found[tag] = (label, mesh.facets[tag][fresh], nothing, inside)
    return [found[tag] for tag in number if tag in found]


def _is_general(tag: str) -> bool:
    return tag.startswith("boundary")


def _numbered(mesh: Mesh) -> dict[str, Int[np.ndarray, " f"]]:
    """For the facets of each tag numbers that tell sides apart."""
    rows = np.sort(np.concatenate(list(mesh.facets.values())), axis=1)
    _, group = np.unique(rows, axis=0, return_inverse=True)
    ends = np.cumsum([len(facets) for facets in mesh.facets.values()])[:-1]
    return dict(zip(mesh.facets, np.split(group.ravel(), ends), strict=True))


def _arrows(
    regions: Regions, drawn: Mapping[str, PointData], length: float
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]] | None:
    """Feet and vectors: the normals of the drawn points, or without such those in the middle of the facets."""
    pairs = [(np.asarray(d.points[0]), np.asarray(d.normals[0])) for d in drawn.values() if d.normals is not None]
    if not pairs and regions.mesh is not None:
        mesh = regions.mesh
        pairs = [(np.mean(mesh.points[mesh.facets["boundary"]], axis=1), mesh.facet_normals("boundary"))]
    pairs = pairs or [(c.points[0], c.normals[0]) for c in regions.clouds.values() if c.normals is not None]
    if not pairs:
        return None
    feet = padded(np.concatenate([points for points, _ in pairs]))
    normals = padded(np.concatenate([normals for _, normals in pairs]))
    everything = feet if regions.mesh is None else padded(regions.mesh.points)
    return feet, length * float(np.max(np.ptp(everything, axis=0))) * normals
