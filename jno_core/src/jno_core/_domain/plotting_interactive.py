"""A picture of a domain by plotly, to turn and zoom in a browser."""

from typing import Any

import numpy as np

from jno_core._domain.picture import MOST_NAMES, Picture, padded
from jno_core.errors import JnoImportError

_PIXELS = 110


def interactive_figure(picture: Picture, figsize: tuple[float, float]) -> Any:
    """A plotly `Figure` of mesh, regions, parts of the boundary, points and normals; in 3-D of the surface.

    Raises `JnoImportError` with the command to type when plotly is missing.
    """
    graphs = _plotly()
    figure = graphs.Figure()
    if picture.mesh is not None:
        _add_mesh(graphs, figure, picture)
    for i, part in enumerate(picture.parts):
        shown = {"name": part.label, "showlegend": i < MOST_NAMES}
        color = part.color
        if not len(part.facets):
            _add(graphs, figure, part.points, mode="markers", marker={"size": 2, "color": color}, **shown)
        elif picture.dimension == 1:
            assert picture.mesh is not None
            points = padded(picture.mesh.points[part.facets[:, 0]])
            _add(
                graphs, figure, points, mode="markers", marker={"size": 9, "color": color, "symbol": "square"}, **shown
            )
        elif picture.dimension == 2:
            assert picture.mesh is not None
            dash = "dash" if part.interface else "solid"
            strokes = _strokes(picture.mesh.points, part.facets)
            _add(graphs, figure, strokes, mode="lines", line={"color": color, "width": 3, "dash": dash}, **shown)
        elif picture.values is None:
            assert picture.mesh is not None
            figure.add_trace(_triangles(graphs, picture.mesh.points, part.facets, color=color, opacity=0.4, **shown))
    for label, color, points in picture.clouds:
        _add(graphs, figure, points, mode="markers", marker={"size": 3, "color": color}, name=label)
    if picture.arrows is not None:
        feet, vectors = picture.arrows
        pairs = np.arange(2 * len(feet)).reshape(2, -1).T
        strokes = _strokes(np.concatenate([feet, feet + vectors]), pairs)
        _add(graphs, figure, strokes, mode="lines", line={"color": "#333333", "width": 1}, name="normals")
    width, height = (round(_PIXELS * side) for side in figsize)
    figure.update_layout(
        width=width, height=height, template="plotly_white", margin={"l": 40, "r": 10, "t": 10, "b": 40}
    )
    if picture.dimension == 3:
        figure.update_layout(scene={"aspectmode": "data"})
    else:
        figure.update_xaxes(title="x")
        figure.update_yaxes(
            title="y" if picture.dimension == 2 else "", scaleanchor="x" if picture.dimension == 2 else None
        )
    return figure


def _add_mesh(graphs: Any, figure: Any, picture: Picture) -> None:
    mesh = picture.mesh
    assert mesh is not None
    bar = {"colorbar": {"title": {"text": picture.values_name}}, "colorscale": "Viridis", "showscale": True}
    intensity = {"intensity": picture.values, "intensitymode": "vertex" if picture.nodal else "cell"}
    if mesh.dimension == 1:
        marker: dict[str, Any] = {"size": 5, "color": "#999999"}
        points = padded(mesh.points)
        if picture.values is not None:
            marker = {"size": 8, "color": picture.values, "colorbar": bar["colorbar"], "colorscale": "Viridis"}
            points = points if picture.nodal else np.mean(points[mesh.cells], axis=1)
        _add(graphs, figure, points, mode="markers", marker=marker, name="nodes")
        return
    if mesh.dimension == 3:
        if picture.values is not None:
            facets = mesh.facets["boundary"]
            values = picture.values if picture.nodal else picture.values_on_facets(facets)
            figure.add_trace(_triangles(graphs, mesh.points, facets, **{**intensity, "intensity": values}, **bar))
        return
    closed = np.concatenate([mesh.cells, mesh.cells[:, :1]], axis=1)
    if picture.values is None:
        for label, color, index in picture.regions:
            strokes = _strokes(mesh.points, closed[index])
            fill = {"fill": "toself", "fillcolor": color, "opacity": 0.2, "line": {"width": 0}}
            _add(graphs, figure, strokes, mode="lines", name=label, **fill)
    else:
        # Triangles in a plane are coloured as markers in their middles or at their nodes.
        points = mesh.points if picture.nodal else np.mean(mesh.points[mesh.cells], axis=1)
        marker = {"size": 7, "color": picture.values, "colorbar": bar["colorbar"], "colorscale": "Viridis"}
        _add(graphs, figure, points, mode="markers", marker=marker, name=picture.values_name, showlegend=False)
    line = {"color": "#bbbbbb", "width": 0.6}
    _add(graphs, figure, _strokes(mesh.points, closed), mode="lines", line=line, name="mesh", hoverinfo="skip")


def _strokes(points: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """The points of all paths in a row, with gaps between."""
    gaps = np.full((len(paths), 1, points.shape[1]), np.nan)
    return np.concatenate([points[paths], gaps], axis=1).reshape(-1, points.shape[1])


def _add(graphs: Any, figure: Any, points: np.ndarray, **options: Any) -> None:
    kind = graphs.Scatter3d if points.shape[1] == 3 else graphs.Scatter
    figure.add_trace(kind(**dict(zip("xyz", points.T, strict=False)), **options))


def _triangles(graphs: Any, points: np.ndarray, facets: np.ndarray, **options: Any) -> Any:
    x, y, z = points.T
    i, j, k = facets.T
    return graphs.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, flatshading=True, **options)


def _plotly() -> Any:
    try:
        # plotly is an optional, heavy dependency.
        import plotly.graph_objects
    except ImportError as e:
        raise JnoImportError('Interactive plots need plotly:\n    pip install "jno-core[interactive]"') from e
    return plotly.graph_objects
