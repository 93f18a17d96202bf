"""What was measured, as JSON with every single figure and as a table in Markdown with the ratios of medians."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.measure import Timing


class Line(NamedTuple):
    """One row of a table: what was solved, and each contestant's figures."""

    name: str
    title: str
    timings: Mapping[str, Timing]

    def ratio(self, a: str, b: str) -> float | None:
        """The median of `a` over that of `b`, `None` where one did not take part."""
        if a not in self.timings or b not in self.timings:
            return None
        return self.timings[a].median / self.timings[b].median


def kept(out: str) -> list[Line]:
    """The lines of an earlier report, none if there is no such file."""
    path = Path(f"{out}.json")
    if not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [
        Line(
            name,
            row["title"],
            {who: Timing(**{k: v for k, v in t.items() if k != "median_ms"}) for who, t in row["contestants"].items()},
        )
        for name, row in rows.items()
    ]


def machine() -> dict[str, Any]:
    """The machine and the software, as far as times depend on it."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "device": jax.devices()[0].device_kind,
        "precision": "float64" if jax.config.read("jax_enable_x64") else "float32",
        "python": platform.python_version(),
        "jax": version("jax"),
        "jaxlib": version("jaxlib"),
        "jno-core": version("jno-core"),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
    }


def write(
    out: str, title: str, lines: Sequence[Line], ratios: Sequence[tuple[str, str]], settings: Mapping[str, Any]
) -> None:
    """Print a table of times and ratios, and save it with all figures."""
    figures = {
        line.name: {
            "title": line.title,
            "contestants": {name: {"median_ms": t.median, **t._asdict()} for name, t in line.timings.items()},
            "ratios": {f"{a}/{b}": line.ratio(a, b) for a, b in ratios},
        }
        for line in lines
    }
    text = table(lines, ratios)
    if any(t.peak_mb is not None for line in lines for t in line.timings.values()):
        text += ["", *costs(lines)]
    save(out, title, text, figures, settings)


def save(out: str, title: str, text: Sequence[str], figures: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Print a text under the machine's description, write it to `out`.md and the figures to `out`.json."""
    about = {**machine(), **settings}
    described = [f"- {name}: {value}" for name, value in about.items() if value != ""]
    page = "\n".join([f"# {title}", "", *described, "", *text, ""])
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    # Not `with_suffix`, which would cut a dot in the name.
    Path(f"{out}.md").write_text(page, encoding="utf-8")
    Path(f"{out}.json").write_text(json.dumps({"about": about, "rows": figures}, indent=1), encoding="utf-8")
    print(page)


def table(lines: Sequence[Line], ratios: Sequence[tuple[str, str]]) -> list[str]:
    """Medians in milliseconds, ratios of them, and remarks."""
    names = list(dict.fromkeys(name for line in lines for name in line.timings))
    head = ["row", *(f"{name} (ms)" for name in names), *(f"{a} / {b}" for a, b in ratios), "remarks"]
    rows = [head, ["---"] * len(head)]
    for line in lines:
        medians = [f"{line.timings[name].median:.3g}" if name in line.timings else "–" for name in names]
        quotients = [line.ratio(a, b) for a, b in ratios]
        remarks = "; ".join(f"{name}: {t.remark}" for name, t in line.timings.items() if t.remark)
        rows.append([line.title, *medians, *("–" if q is None else f"{q:.2f}" for q in quotients), remarks])
    return [f"| {' | '.join(row)} |" for row in rows]


def costs(lines: Sequence[Line]) -> list[str]:
    """How long each contestant took to its first step, with compiling, and how much memory it takes beyond its data."""
    names = list(dict.fromkeys(name for line in lines for name in line.timings))
    head = ["row", *(f"{name}: first step (s)" for name in names), *(f"{name}: memory (MB)" for name in names)]
    rows = [head, ["---"] * len(head)]
    for line in lines:
        found = [line.timings.get(name) for name in names]
        figures = [(t.seconds_to_first_step, ".1f") if t else (None, "") for t in found]
        figures += [(t.peak_mb, ".0f") if t else (None, "") for t in found]
        rows.append([line.title, *("–" if x is None else format(x, how) for x, how in figures)])
    return [f"| {' | '.join(row)} |" for row in rows]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
