"""Figures. matplotlib is optional, and no global state of it is touched."""

import io
from pathlib import Path
from typing import Any

from jno_plugin_callbacks._needs import missing


def new_figure(callback: str, **options: Any) -> Any:
    """A `matplotlib.figure.Figure`. Raises `JnoImportError` without matplotlib."""
    try:
        # `Figure` alone, without pyplot, keeps no register of figures and opens no window.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing(callback, "matplotlib", error, extra="plot") from error
    return Figure(**{"figsize": (6.4, 4.0), "layout": "constrained", **options})


def save(figure: Any, path: str | Path) -> None:
    """Writes a figure in the format of the path's ending; missing folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)


def png(figure: Any) -> bytes:
    """A figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()
