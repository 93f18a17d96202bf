"""How a problem is evaluated, in figures and as a report."""

import dataclasses
import html
import math
from typing import final

from jno_core._compile import ChunkedSet, Cost, ExplainedGroup


@final
@dataclasses.dataclass(frozen=True)
class Explanation:
    """What `crux.explain()` finds. Printed, it is a report.

    - `groups`: the derivatives that are taken together, with the passes and the cost of each.
    - `divided`: the point sets whose reductions are taken part by part.
    - `step`: the cost of one training step on all instances, `None` for an expression.
    """

    groups: tuple[ExplainedGroup, ...]
    divided: tuple[ChunkedSet, ...]
    step: Cost | None

    def __str__(self) -> str:
        lines = ["Derivatives"] if self.groups else ["No derivatives are taken."]
        for group in self.groups:
            lines += _report(group)
        if self.divided:
            lines.append("Points")
        for part in self.divided:
            reduced = f"{len(part.reductions)} {'reduction' if len(part.reductions) == 1 else 'reductions'}"
            beside = f", {part.abreast} side by side" if part.abreast > 1 else ""
            size = f"{part.parts} parts of {part.rows}{beside}"
            lines.append(f"  {part.collocation}: {part.points} points in {size}, for {reduced}")
        if self.step is not None:
            lines.append(f"One step: {_cost(self.step)}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _report(group: ExplainedGroup) -> list[str]:
    lines = [
        f"  {group.target} on {group.points!r}: {', '.join(group.derivatives)}",
        f"    {group.scheme}: {'; '.join(group.passes) or 'one call'}",
    ]
    if group.fallbacks:
        lines.append(f"    without a rule of their own, slower: {', '.join(group.fallbacks)}")
    return [*lines, f"    {_cost(group.cost)}"]


def _cost(cost: Cost) -> str:
    return f"{_scaled(cost.flops)}FLOP, {_scaled(cost.transcendentals)}transcendental functions, {_scaled(cost.bytes)}B moved"


def _scaled(value: float) -> str:
    if math.isnan(value):
        return "an unknown number of "
    for prefix in ("", "k", "M", "G", "T"):
        if value < 1000:
            return f"{value:.3g} {prefix}"
        value /= 1000
    return f"{value:.3g} P"
