"""The training history as a figure. matplotlib is optional; no global state of it is touched."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jno_core._train.run_log import RunLog
from jno_core.errors import JnoImportError

# A tracker with more components than this is drawn by its norm: more lines cannot be told apart.
_MOST_LINES = 8
# Curves longer than this are thinned: no screen resolves more, and matplotlib's renderer has a limit.
_MOST_POINTS = 20_000


def draw(logs: Sequence[RunLog]) -> Any:
    """A figure of panels side by side: loss terms, trackers (if any), time per step. Empty if nothing is recorded."""
    panels = _panels([log for log in logs if len(log.total_loss)])
    figure = _new_figure(figsize=(5.5 * max(len(panels), 1), 4.0), layout="constrained")
    if panels:
        for axes, fill in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            fill(axes)
            axes.set_xlabel("epoch")
            axes.grid(True, alpha=0.3)
    return figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the path's ending; missing folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)


def _new_figure(**options: Any) -> Any:
    try:
        # Optional and heavy. `Figure` alone, without pyplot, keeps no register of figures and opens no window.
        from matplotlib.figure import Figure
    except ImportError as e:
        raise JnoImportError(
            f'Plotting needs matplotlib, which cannot be imported ({e}). Type: pip install "jno-core[plot]"'
        ) from e
    return Figure(**options)


def _panels(logs: Sequence[RunLog]) -> list[Callable[[Any], None]]:
    if not logs:
        return []
    tracked = [lambda axes: _draw_tracks(axes, logs)] if any(log.tracks for log in logs) else []
    return [lambda axes: _draw_losses(axes, logs), *tracked, lambda axes: _draw_times(axes, logs)]


def _draw_losses(axes: Any, logs: Sequence[RunLog]) -> None:
    epochs = np.concatenate([log.epochs for log in logs])
    names = list(dict.fromkeys(name for log in logs for name in log.terms))
    curves = {name: np.concatenate([_term(log, name) for log in logs]) for name in names}
    for name, values in curves.items():
        _draw_line(axes, epochs, values, name)
    total = np.concatenate([log.total_loss for log in logs])
    if len(names) > 1:
        _draw_line(axes, epochs, total, "total", color="black", linewidth=1.5)
    if any(np.any(np.isfinite(v) & (v > 0)) for v in (*curves.values(), total)):
        axes.set_yscale("log")
    axes.set_title("losses")
    axes.legend()


def _term(log: RunLog, name: str) -> np.ndarray:
    """A term's losses; NaN, which leaves a gap, in a run that does not have it."""
    if name not in log.terms:
        return np.full(len(log.total_loss), np.nan)
    return log.losses[:, log.terms.index(name)]


def _draw_tracks(axes: Any, logs: Sequence[RunLog]) -> None:
    axes.set_title("trackers")
    colors: dict[str, str] = {}
    for log in logs:
        for name, track in log.tracks.items():
            rows = track.values.reshape(len(track.epochs), -1) if len(track.epochs) else np.zeros((0, 1))
            norm = rows.shape[1] > _MOST_LINES or np.iscomplexobj(rows)
            label = f"norm of {name}" if norm else name
            for values in np.linalg.norm(rows, axis=1)[None] if norm else rows.T:
                # One colour and one entry in the legend for all components and runs of a tracker.
                first = label not in colors
                colors.setdefault(label, f"C{len(colors)}")
                _draw_line(axes, track.epochs, values, label if first else None, color=colors[label], marker=".")
    if colors:
        axes.legend()


def _draw_times(axes: Any, logs: Sequence[RunLog]) -> None:
    epochs = np.concatenate([log.epochs for log in logs])
    times = np.concatenate([1e3 * np.diff(log.seconds, prepend=0.0) for log in logs])
    _draw_line(axes, epochs, times, None)
    # From zero, so that jitter does not look like a change.
    axes.set_ylim(bottom=0.0)
    axes.set_title("time per step")
    axes.set_ylabel("ms")


def _draw_line(axes: Any, x: np.ndarray, y: np.ndarray, label: str | None, **style: Any) -> None:
    stride = -(-len(x) // _MOST_POINTS) or 1
    if label is not None:
        # matplotlib reads $...$ as mathematics and leaves labels that begin with "_" out of the legend.
        style["label"] = f" {label}".replace("$", r"\$")
    axes.plot(x[::stride], y[::stride].astype(float), **({"linewidth": 1.0} | style))
