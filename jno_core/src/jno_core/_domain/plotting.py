"""A picture of a domain by matplotlib."""

from typing import Any

import numpy as np

from jno_core._domain.picture import MOST_NAMES, Part, Picture, padded
from jno_core.errors import JnoImportError


def drawn_figure(picture: Picture, figsize: tuple[float, float], mesh_alone: bool = False) -> Any:
    """A matplotlib `Figure` of mesh, regions, parts of the boundary, points and normals; in 3-D of the surface.

    Raises `JnoImportError` with the command to type when matplotlib is missing.
    """
    figure = _figure_class()(figsize=figsize, layout="constrained")
    axes = figure.add_subplot(projection="3d") if picture.dimension == 3 else figure.add_subplot()
    if picture.mesh is not None:
        (_draw_surface if picture.dimension == 3 else _draw_mesh)(figure, axes, picture, mesh_alone)
    for part in picture.parts:
        if picture.dimension < 3 or part.interface or not len(part.facets):
            _draw_part(axes, picture, part)
    for label, color, points in picture.clouds:
        axes.plot(*points.T, ".", markersize=3, color=color, label=label, zorder=3)
    if picture.arrows is not None:
        feet, vectors = picture.arrows
        flat = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003, "zorder": 4}
        axes.quiver(*feet.T, *vectors.T, color="0.2", **(flat if picture.dimension < 3 else {"linewidth": 0.7}))
        # Arrows do not widen the axes by themselves.
        axes.update_datalim(feet + vectors) if picture.dimension < 3 else None
        axes.autoscale_view()
    _finish(figure, axes, picture)
    return figure


def _draw_mesh(figure: Any, axes: Any, picture: Picture, mesh_alone: bool) -> None:
    mesh = picture.mesh
    assert mesh is not None
    if mesh.dimension == 1:
        axes.plot(mesh.points[:, 0], np.zeros(len(mesh.points)), "|-", color="0.6", linewidth=0.8, zorder=1)
        if picture.values is not None:
            middles = np.mean(mesh.points[mesh.cells, 0], axis=1)
            x = mesh.points[:, 0] if picture.nodal else middles
            shown = axes.scatter(x, np.zeros(len(x)), c=picture.values, s=25, zorder=2)
            figure.colorbar(shown, ax=axes, label=picture.values_name, orientation="horizontal")
        return
    if picture.values is not None:
        limits = {} if picture.nodal else {"vmin": 0.0, "vmax": 1.0}
        kind = {"shading": "gouraud"} if picture.nodal else {}
        shown = axes.tripcolor(*mesh.points.T, mesh.cells, picture.values, **kind, **limits)
        figure.colorbar(shown, ax=axes, label=picture.values_name, shrink=0.8)
    else:
        for label, color, index in picture.regions:
            axes.add_collection(_polygons(mesh.points[mesh.cells[index]], color, label))
    line = {"linewidth": 0.6, "color": "0.3"} if mesh_alone else {"linewidth": 0.3, "color": "0.7"}
    axes.triplot(*mesh.points.T, mesh.cells, zorder=1, **line)


def _polygons(corners: np.ndarray, color: str, label: str) -> Any:
    # matplotlib is an optional, heavy dependency.
    from matplotlib.collections import PolyCollection

    return PolyCollection(list(corners), facecolor=color, edgecolor="none", alpha=0.2, label=label, zorder=0)


def _draw_surface(figure: Any, axes: Any, picture: Picture, mesh_alone: bool) -> None:
    # matplotlib is an optional, heavy dependency.
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    mesh = picture.mesh
    assert mesh is not None
    edge = {"linewidth": 0.5 if mesh_alone else 0.2, "edgecolor": "0.3"}
    if picture.values is not None:
        facets = mesh.facets["boundary"]
        surface = Poly3DCollection(mesh.points[facets], **edge)
        surface.set_array(picture.values_on_facets(facets))
        if not picture.nodal:
            surface.set_clim(0.0, 1.0)
        axes.add_collection3d(surface)
        figure.colorbar(surface, ax=axes, label=picture.values_name, shrink=0.6)
    else:
        for i, part in enumerate(picture.parts):
            if part.interface:
                continue
            surface = Poly3DCollection(mesh.points[part.facets], facecolor=part.color, alpha=0.25, **edge)
            surface.set_label(part.label if i < MOST_NAMES else f"_{part.label}")
            axes.add_collection3d(surface)
    shown = mesh.points if picture.arrows is None else np.concatenate([mesh.points, np.add(*picture.arrows)])
    low, high = np.min(shown, axis=0), np.max(shown, axis=0)
    for name, a, b in zip("xyz", low, high, strict=True):
        getattr(axes, f"set_{name}lim")(a, b)


def _draw_part(axes: Any, picture: Picture, part: Part) -> None:
    # Names that start with an underscore stay out of the legend.
    few = len(picture.parts) <= MOST_NAMES
    label = part.label if few or part.label == "boundary" else f"_{part.label}"
    if not len(part.facets):
        axes.plot(*part.points.T, "." if picture.dimension > 1 else "s", markersize=2, color=part.color, label=label)
        return
    assert picture.mesh is not None
    points = padded(picture.mesh.points)
    if picture.dimension == 1:
        axes.plot(*points[part.facets[:, 0]].T, "s", color=part.color, label=label, zorder=2)
        return
    closed = part.facets if picture.dimension == 2 else np.concatenate([part.facets, part.facets[:, :1]], axis=1)
    gaps = np.full((len(closed), 1, points.shape[1]), np.nan)
    strokes = np.concatenate([points[closed], gaps], axis=1).reshape(-1, points.shape[1])
    style = {"linewidth": 1.5, "linestyle": "--"} if part.interface else {"linewidth": 2.0}
    style = style if picture.dimension == 2 else {"linewidth": 0.4}
    axes.plot(*strokes.T, color=part.color, label=label, zorder=2, **style)


def _finish(figure: Any, axes: Any, picture: Picture) -> None:
    dimension = picture.dimension
    axes.set_xlabel("x")
    if dimension == 1:
        axes.set_yticks([])
        axes.set_ylim(-1, 1)
    else:
        axes.set_ylabel("y")
        axes.set_aspect("equal")
    if dimension == 3:
        axes.set_zlabel("z")
    if axes.get_legend_handles_labels()[1]:
        # Outside of the axes, where the layout keeps room for it.
        width, height = np.ptp(axes.dataLim.get_points(), axis=0) if dimension == 2 else (1.0, 1.0)
        place = {"loc": "outside lower center", "ncols": 2} if width > 1.5 * height else {"loc": "outside right upper"}
        figure.legend(fontsize=7, **place)


def _figure_class() -> Any:
    try:
        # matplotlib is an optional, heavy dependency.
        from matplotlib.figure import Figure
    except ImportError as e:
        raise JnoImportError('Plotting needs matplotlib:\n    pip install "jno-core[plot]"') from e
    return Figure
