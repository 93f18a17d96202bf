"""The training history in words: a summary for the terminal and a table for notebooks."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from jno_core._train.run_log import RunLog, Track


def as_text(logs: Sequence[RunLog]) -> str:
    """A readable summary, a paragraph for each run."""
    if not logs:
        return "No training recorded.\n"
    lines = []
    for number, log in enumerate(logs, 1):
        lines += [f"Run {number}: {_describe_epochs(log)}", *(f"  {name:<14} {text}" for name, text in _rows(log)), ""]
    return "\n".join(lines)


def as_html(logs: Sequence[RunLog]) -> str:
    """A small table, a row for each run."""
    if not logs:
        return "<p>No training recorded.</p>"
    head = ("run", "epochs", "total loss", "best", "training time", "ms per step", "stopped")
    rows = []
    for number, log in enumerate(logs, 1):
        last, best = _last_and_best(log)
        cells = (number, _describe_epochs(log), last, best, f"{log.training_time:.3g} s", _pace(log), log.stopped or "")
        rows.append(_html_row("td", cells))
    return f"<table><thead>{_html_row('th', head)}</thead><tbody>{''.join(rows)}</tbody></table>"


def _html_row(tag: str, cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in cells)}</tr>"


def _rows(log: RunLog) -> list[tuple[str, str]]:
    last, best = _last_and_best(log)
    rows = [
        ("total loss", f"{last} (first {_number(log.total_loss[0])}, best {best})" if len(log.total_loss) else last)
    ]
    rows += [(name, _number(value)) for name, value in zip(log.terms, log.losses[-1:].ravel(), strict=False)]
    rows += [(name, _describe_track(track)) for name, track in log.tracks.items()]
    rows += [
        ("time", f"{log.training_time:.3g} s, {_pace(log)} ms per step{_speed(log)}"),
        ("compilation", f"{log.compile_seconds:.3g} s"),
        ("parameters", _describe_parameters(log)),
    ]
    if log.device_count:
        rows.append(("device", _describe_devices(log)))
    if log.versions:
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in log.versions.items())))
    return [*rows, ("stopped", log.stopped)] if log.stopped else rows


def _describe_parameters(log: RunLog) -> str:
    adapters = f" ({log.lora_params} of adapters)" if log.lora_params else ""
    return f"{log.trainable_params} trainable{adapters}, {log.frozen_params} frozen"


def _describe_devices(log: RunLog) -> str:
    kind = log.platform if log.device_kind == log.platform else f"{log.platform}, {log.device_kind}"
    return kind if log.device_count == 1 else f"{log.device_count} x {kind}"


def _describe_epochs(log: RunLog) -> str:
    count = len(log.total_loss)
    return f"{count} epochs, {log.first_epoch} to {log.first_epoch + count - 1}" if count else "no epoch"


def _describe_track(track: Track) -> str:
    if not len(track.epochs):
        return "nothing recorded"
    value = track.values[-1]
    text = _number(value.item()) if value.size == 1 else f"array of shape {value.shape}"
    return f"{text} at epoch {track.epochs[-1]} ({len(track.epochs)} values)"


def _last_and_best(log: RunLog) -> tuple[str, str]:
    finite = np.flatnonzero(np.isfinite(log.total_loss))
    last = _number(log.total_loss[-1]) if len(log.total_loss) else "none"
    if not len(finite):
        return last, "none"
    best = finite[np.argmin(log.total_loss[finite])]
    return last, f"{_number(log.total_loss[best])} at epoch {log.first_epoch + best}"


def _pace(log: RunLog) -> str:
    return f"{1e3 * log.training_time / len(log.total_loss):.3g}" if len(log.total_loss) else "-"


def _speed(log: RunLog) -> str:
    return "" if log.steps_per_second is None else f", {log.steps_per_second:.4g} steps/s"


def _number(value: Any) -> str:
    return f"{value:.4g}"
