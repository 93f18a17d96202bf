"""What a domain consists of, in words."""

import html
from collections.abc import Mapping
from typing import Any

from jno_core._domain.point_sets import PointSets
from jno_core._domain.quality import Spread, edge_lengths
from jno_core._domain.regions import Regions

Table = tuple[str, list[list[str]]]


def as_text(title: str, sets: PointSets, attached: Mapping[str, Any]) -> str:
    """The description as lines of text."""
    lines = [title, *(f"  {line}" for line in _facts(sets))]
    for heading, rows in _tables(sets, attached):
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["", f"{heading}:"]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def as_html(title: str, sets: PointSets, attached: Mapping[str, Any]) -> str:
    """The description as tables for a notebook."""
    parts = [f"<b>{html.escape(title)}</b>", *(f"<div>{html.escape(line)}</div>" for line in _facts(sets))]
    for heading, (header, *rows) in _tables(sets, attached):
        top = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        parts.append(f"<table><caption>{html.escape(heading)}</caption><tr>{top}</tr>{body}</table>")
    return f"<div>{''.join(parts)}</div>"


def _facts(sets: PointSets) -> list[str]:
    regions, times = sets.regions, sets.time.values
    facts = []
    if regions.mesh is not None:
        lengths = Spread.of(edge_lengths(regions.mesh))
        facts.append(f"mesh: {len(regions.mesh.points)} nodes, {len(regions.mesh.cells)} cells, edges {lengths}")
    else:
        facts.append("no mesh")
    facts.append("steady" if sets.time.steady else f"{len(times)} times from {times[0]:g} to {times[-1]:g}")
    facts.append(f"{sets.instances} instance{'' if sets.instances == 1 else 's'}")
    return facts


def _tables(sets: PointSets, attached: Mapping[str, Any]) -> list[Table]:
    regions = sets.regions
    rows = [["tag", "kind", "measure", "nodes", "cells or facets"]]
    rows += [[tag, kind, *_sizes(regions, tag, kind)] for tag, kind in regions.kinds.items()]
    tables = [("Tags", rows)]
    drawn = [["name", "on", "points", "times", "normals"]]
    for name, (collocation, data) in sets.drawn.items():
        facing = "no" if data.normals is None else "inward" if collocation.inward else "outward"
        drawn.append([name, collocation.tag, str(collocation.size), str(collocation.times), facing])
    arrays = [["name", "per", "shape", "dtype"]]
    for name, (node, data) in attached.items():
        arrays.append([name, data.layout, str(tuple(node.shape)), str(data.value.dtype)])
    tables += [(heading, table) for heading, table in (("Points", drawn), ("Arrays", arrays)) if len(table) > 1]
    return tables


def _sizes(regions: Regions, tag: str, kind: str) -> list[str]:
    """Measure, nodes, and cells or facets of a tag; a dash for what it has none of."""
    mesh = regions.mesh
    if tag in regions.clouds:
        return ["-", str(regions.clouds[tag].points.shape[1]), "-"]
    known = regions.geometry is not None and tag in regions.geometry.tags()
    measure = f"{regions.geometry.measure(tag):.6g}" if known and regions.geometry is not None else "-"
    if mesh is None or (tag != "interior" and tag not in mesh.facets and tag not in mesh.regions):
        return [measure, "-", "-"]
    if kind == "boundary":
        measures = mesh.facet_measures(tag)
    else:
        measures = mesh.cell_measures()[mesh.cells_of(tag)]
    return [measure if known else f"{measures.sum():.6g}", str(len(mesh.nodes(tag))), str(len(measures))]
