"""A picture of a domain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jno_core._domain.regions import Regions
from jno_core._interfaces import PointData
from jno_core.errors import JnoError


def plot_domain(
    regions: Regions, drawn: Mapping[str, PointData], save_path: str | Path | None, show_normals: bool
) -> Any:
    """Mesh, boundary tags and drawn points as a matplotlib `Figure`; in 3-D the boundary only.

    Raises `JnoError` naming the extra to install when matplotlib is missing.
    """
    figure_class = _figure_class()
    figure = figure_class(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot(projection="3d") if regions.dimension == 3 else figure.add_subplot()
    if regions.mesh is not None:
        _plot_mesh(axes, regions)
    for name, data in drawn.items():
        points = _padded(np.asarray(data.points[0]), regions.dimension)
        axes.plot(*points.T, ".", markersize=3, label=f"{name} ({len(points)} points)")
        if show_normals and data.normals is not None:
            normals = _padded(np.asarray(data.normals[0]), regions.dimension)
            axes.quiver(
                *points.T, *normals.T, color="0.3", **({"width": 0.002} if regions.dimension < 3 else {"length": 0.1})
            )
    if not drawn:
        for tag, cloud in regions.clouds.items():
            axes.plot(*_padded(cloud.points[0], regions.dimension).T, ".", markersize=3, label=tag)
    axes.set_xlabel("x")
    if regions.dimension > 1:
        axes.set_ylabel("y")
        axes.set_aspect("equal")
    else:
        axes.set_yticks([])
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    if save_path is not None:
        path = Path(save_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return figure


def _plot_mesh(axes: Any, regions: Regions) -> None:
    mesh = regions.mesh
    assert mesh is not None
    points = _padded(mesh.points, mesh.dimension)
    if mesh.dimension == 2:
        axes.triplot(*mesh.points.T, mesh.cells, linewidth=0.3, color="0.75")
    elif mesh.dimension == 1:
        axes.plot(*points.T, "|", color="0.6")
    names = [tag for tag in mesh.facets if tag != "boundary"] or ["boundary"]
    shown: set[bytes] = set()
    for tag in names:
        facets = mesh.facets[tag]
        # Two tags may name the same side; it is drawn once, under the first.
        if facets.tobytes() in shown:
            continue
        shown.add(facets.tobytes())
        if mesh.dimension == 1:
            axes.plot(*points[facets[:, 0]].T, "s", label=tag)
            continue
        closed = np.concatenate([facets, facets[:, :1]], axis=1) if mesh.dimension == 3 else facets
        gaps = np.full((len(closed), 1, points.shape[1]), np.nan)
        strokes = np.concatenate([points[closed], gaps], axis=1).reshape(-1, points.shape[1])
        axes.plot(*strokes.T, linewidth=0.4 if mesh.dimension == 3 else 2.0, label=tag)


def _padded(points: np.ndarray, dimension: int) -> np.ndarray:
    return np.concatenate([points, np.zeros_like(points)], axis=1) if dimension == 1 else points


def _figure_class() -> Any:
    try:
        # matplotlib is an optional, heavy dependency.
        from matplotlib.figure import Figure
    except ImportError as e:
        raise JnoError('Plotting needs matplotlib:\n    pip install "jno-core[plot]"') from e
    return Figure
