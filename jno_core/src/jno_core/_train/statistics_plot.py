"""The training history as a figure. matplotlib is optional; no global state of it is touched."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jno_core._train.run_log import RunLog
from jno_core.errors import JnoImportError

# More lines than this cannot be told apart: of more terms the largest are named, and all are rows of a heat map; a tracker
# with more components is drawn by its norm.
_MOST_LINES = 8
# Curves longer than this are thinned: no screen resolves more, and matplotlib's renderer has a limit.
_MOST_POINTS = 20_000
_MOST_COLUMNS = 500
_MOST_LETTERS = 32


def draw(logs: Sequence[RunLog]) -> Any:
    """A figure of panels: losses, progress by term (if there are several), trackers (if any), time per step.

    Empty if nothing is recorded.
    """
    logs = [log for log in logs if len(log.total_loss)]
    panels = _panels(logs)
    columns = max(min(len(panels), 2), 1)
    rows = max(-(-len(panels) // columns), 1)
    # A row of a heat map must be high enough for its name.
    height = max(4.0, 0.2 * len(_term_names(logs)))
    figure = _new_figure(figsize=(7.0 * columns, height * rows), layout="constrained")
    for i, fill in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        fill(axes)
        axes.set_xlabel("epoch")
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
    several = len(_term_names(logs)) > 1
    panels = [
        (True, _draw_losses),
        (several, _draw_progress),
        (any(log.tracks for log in logs), _draw_tracks),
        (True, _draw_times),
    ]
    return [lambda axes, fill=fill: fill(axes, logs) for wanted, fill in panels if wanted]


def _term_names(logs: Sequence[RunLog]) -> list[str]:
    return list(dict.fromkeys(name for log in logs for name in log.terms))


def _curves(logs: Sequence[RunLog]) -> dict[str, np.ndarray]:
    """Each term's losses over all runs; NaN, which leaves a gap, in a run that does not have it."""

    def of_run(log: RunLog, name: str) -> np.ndarray:
        if name not in log.terms:
            return np.full(len(log.total_loss), np.nan)
        return log.losses[:, log.terms.index(name)]

    return {name: np.concatenate([of_run(log, name) for log in logs]) for name in _term_names(logs)}


def _draw_losses(axes: Any, logs: Sequence[RunLog]) -> None:
    """Each term and, if there are several, the total. Of many terms those that are largest at the end have a colour."""
    epochs, curves = _epochs(logs), _curves(logs)
    named = _largest(curves)
    others = [name for name in curves if name not in named]
    for i, name in enumerate(others):
        label = f"{len(others)} smaller terms" if i == 0 else None
        _draw_line(axes, epochs, curves[name], label, color="0.8", linewidth=0.6)
    for name in named:
        _draw_line(axes, epochs, curves[name], name)
    total = np.concatenate([log.total_loss for log in logs])
    if len(curves) > 1:
        _draw_line(axes, epochs, total, "total", color="black", linewidth=1.5)
    _set_log_scale(axes, (*curves.values(), total))
    axes.set_title("losses")
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize="small")


def _draw_progress(axes: Any, logs: Sequence[RunLog]) -> None:
    """Each term as a part of its first value: which terms go down, whatever their sizes."""
    relative = {name: _relative(values) for name, values in _curves(logs).items()}
    axes.set_title("losses as parts of their first values")
    if len(relative) > _MOST_LINES:
        _draw_heat_map(axes, _epochs(logs), relative)
        return
    for name, values in relative.items():
        _draw_line(axes, _epochs(logs), values, name)
    _set_log_scale(axes, relative.values())
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize="small")


def _draw_heat_map(axes: Any, epochs: np.ndarray, relative: dict[str, np.ndarray]) -> None:
    stride = -(-len(epochs) // _MOST_COLUMNS)
    table = np.stack([np.abs(values[::stride]) for values in relative.values()])
    with np.errstate(divide="ignore"):
        decades = np.log10(table)
    decades[~np.isfinite(decades)] = np.nan
    reach = max(1.0, np.nanmax(np.abs(decades), initial=0.0))
    image = axes.imshow(
        decades,
        aspect="auto",
        interpolation="nearest",
        # Blue is less than at first, red is more.
        cmap="RdBu_r",
        vmin=-reach,
        vmax=reach,
        extent=(epochs[0] - 0.5, epochs[-1] + 0.5, len(decades) - 0.5, -0.5),
    )
    axes.set_yticks(range(len(relative)), [_written(name) for name in relative], fontsize="x-small")
    axes.figure.colorbar(image, ax=axes, label="powers of ten")


def _draw_tracks(axes: Any, logs: Sequence[RunLog]) -> None:
    axes.set_title("trackers")
    axes.grid(True, alpha=0.3)
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
        axes.legend(fontsize="small" if len(colors) <= _MOST_LINES else "xx-small", ncols=1 + len(colors) // 16)


def _draw_times(axes: Any, logs: Sequence[RunLog]) -> None:
    times = np.concatenate([1e3 * np.diff(log.seconds, prepend=0.0) for log in logs])
    _draw_line(axes, _epochs(logs), times, None)
    # From zero, so that jitter does not look like a change.
    axes.set_ylim(bottom=0.0)
    axes.set_title("time per step")
    axes.set_ylabel("ms")
    axes.grid(True, alpha=0.3)


def _epochs(logs: Sequence[RunLog]) -> np.ndarray:
    return np.concatenate([log.epochs for log in logs])


def _largest(curves: dict[str, np.ndarray]) -> list[str]:
    """The names of the terms to be drawn in colour, in the order of the terms."""
    if len(curves) <= _MOST_LINES:
        return list(curves)

    def last(name: str) -> float:
        finite = curves[name][np.isfinite(curves[name])]
        return float(np.abs(finite[-1])) if len(finite) else np.inf

    chosen = sorted(curves, key=last, reverse=True)[:_MOST_LINES]
    return [name for name in curves if name in chosen]


def _relative(values: np.ndarray) -> np.ndarray:
    """Values as parts of the first one that is neither zero nor infinite; NaN without such a one."""
    usable = values[np.isfinite(values) & (values != 0)]
    return values / usable[0] if len(usable) else np.full(len(values), np.nan)


def _set_log_scale(axes: Any, curves: Any) -> None:
    if any(np.any(np.isfinite(values) & (values > 0)) for values in curves):
        axes.set_yscale("log")


def _draw_line(axes: Any, x: np.ndarray, y: np.ndarray, label: str | None, **style: Any) -> None:
    stride = -(-len(x) // _MOST_POINTS) or 1
    if label is not None:
        # matplotlib leaves labels that begin with "_" out of the legend.
        style["label"] = f" {_written(label)}"
    axes.plot(x[::stride], y[::stride].astype(float), **({"linewidth": 1.0} | style))


def _written(name: str) -> str:
    """A name as it is drawn: its ends if it is long, and without the `$` that matplotlib reads as mathematics."""
    half = _MOST_LETTERS // 2
    short = name if len(name) <= _MOST_LETTERS else f"{name[: half - 1]}…{name[-half:]}"
    return short.replace("$", r"\$")
