"""Which of the records serve their names, and what is wrong with the others."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from jno_core._registry.kinds import Kind, is_family, near_group
from jno_core._registry.known import OWNERS
from jno_core._registry.metadata import UNREADABLE
from jno_core._registry.record import PluginRecord, PluginStatus


def classify(records: Sequence[PluginRecord], kinds: Mapping[str, Kind]) -> tuple[PluginStatus, ...]:
    """The standing of each of the sorted records."""
    statuses: list[PluginStatus] = []
    for (kind, name), group in itertools.groupby(records, key=lambda record: (record.kind, record.name)):
        if kind in kinds and is_family(name):
            statuses.extend(_classify_name(kinds[kind], name, tuple(group)))
        else:
            statuses.extend(_invalid(record, kinds) for record in group)
    return tuple(sorted(statuses))


def upgrade(record: PluginRecord, kind: Kind) -> str:
    """The command that brings a record and this jno-core to one API level."""
    return f"pip install --upgrade {record.dist if record.api < kind.level else 'jno-core'}"


def _classify_name(kind: Kind, name: str, group: Sequence[PluginRecord]) -> Iterator[PluginStatus]:
    owner = OWNERS.get((kind.name, name))
    entitled = [record for record in group if owner in (None, record.dist)]
    serving = [record for record in entitled if record.api == kind.level]
    for record in group:
        if record not in entitled:
            note = f"shadowed: the name belongs to {owner}"
            fix = f"Rename it in {record.dist}, or uninstall that: pip uninstall {record.dist}"
            yield PluginStatus(record, "shadowed", note, fix)
        elif record not in serving:
            yield _other_level(record, kind, serving)
        elif len(serving) > 1:
            others = ", ".join(other.source for other in serving if other != record)
            use = kind.usage.format(f"{record.dist}/{name}")
            fix = f"Uninstall all but one, or name the package: {use}."
            yield PluginStatus(record, "conflict", f"conflict: {others}", fix)
        else:
            yield PluginStatus(record, "ok")


def _other_level(record: PluginRecord, kind: Kind, serving: Sequence[PluginRecord]) -> PluginStatus:
    if record.dist in {other.dist for other in serving}:
        return PluginStatus(record, "unused", f"unused: for plugin API {record.api}")
    note = f"needs plugin API {record.api}; this jno-core has {kind.level}"
    return PluginStatus(record, "incompatible", note, upgrade(record, kind))


def _invalid(record: PluginRecord, kinds: Mapping[str, Kind]) -> PluginStatus:
    fix = f"Update {record.dist}, or uninstall it: pip uninstall {record.dist}"
    if record.kind == UNREADABLE:
        return PluginStatus(record, "invalid", f"the file {UNREADABLE} of {record.dist} cannot be read", fix)
    if record.kind not in kinds:
        note = f"unknown group {record.kind!r}; it should be {near_group(record.kind)!r}"
        return PluginStatus(record, "invalid", note, fix)
    note = f"the name {record.name!r} is not of lower-case letters, digits and underscores"
    return PluginStatus(record, "invalid", note, fix)
