"""Reading the metadata of installed distributions. Nothing else of jno touches `importlib_metadata`.

Its objects are turned into our own at once: the entry points of the backport and of the standard library are different
classes, and third packages import either.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from jno_core._registry.kinds import KINDS, near_group
from jno_core._registry.record import PluginRecord

_KIND_OF_GROUP = {kind.group: kind.name for kind in KINDS.values()}
_LEVEL = re.compile(r"(?P<group>.+)\.v(?P<level>[1-9][0-9]*)")
_Distribution: TypeAlias = Any
"""A distribution of `importlib_metadata`, whose releases name its type differently."""

UNREADABLE = "entry_points.txt"


def normalized(name: str) -> str:
    """A distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_records() -> tuple[PluginRecord, ...]:
    """All entry points for jno, of all API levels, sorted. Imports none of them.

    Of a distribution that is on the path twice (an editable install and a wheel) the first counts: it is one package,
    and `import` finds the first, too. A distribution whose entry points cannot be read gives one record of the kind
    `UNREADABLE`.
    """
    records: dict[str, tuple[PluginRecord, ...]] = {}
    for distribution in _backport().distributions():
        # Parsing the metadata of each of some hundred distributions takes far longer than this look at one file.
        if "[jno." not in _entry_points_text(distribution):
            continue
        name, version = _identity(distribution)
        if name and name not in records:
            records[name] = tuple(_records(distribution, name, version))
    return tuple(sorted(record for group in records.values() for record in group))


def installed_versions() -> dict[str, str]:
    """The version of each installed distribution by its normalized name, sorted."""
    versions: dict[str, str] = {}
    for distribution in _backport().distributions():
        name, version = _identity(distribution)
        if name:
            versions.setdefault(name, version)
    return dict(sorted(versions.items()))


def installed_version(dist: str) -> str | None:
    """The version of a distribution, or `None` if it is not installed."""
    try:
        return _backport().version(dist)
    except _backport().PackageNotFoundError:
        return None


def requirements(dist: str) -> tuple[str, ...]:
    """What an installed distribution requires, as its metadata writes it."""
    return tuple(_backport().requires(dist) or ())


def _entry_points_text(distribution: _Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError:
        return ""


def _identity(distribution: _Distribution) -> tuple[str | None, str]:
    """The normalized name and the version; no name for what an interrupted installation has left behind."""
    try:
        metadata = distribution.metadata
    except FileNotFoundError:
        return None, ""
    name = metadata.get("Name")
    return (normalized(name) if name else None), metadata.get("Version") or "unknown"


def _records(distribution: _Distribution, dist: str, version: str) -> Iterator[PluginRecord]:
    try:
        points = {(point.group, point.name): point.value for point in distribution.entry_points}
    except (TypeError, ValueError):
        yield PluginRecord(UNREADABLE, "-", dist, version, "", 1)
        return
    for (group, name), value in points.items():
        levelled = _LEVEL.fullmatch(group)
        base, level = (levelled["group"], int(levelled["level"])) if levelled else (group, 1)
        if base in _KIND_OF_GROUP:
            yield PluginRecord(_KIND_OF_GROUP[base], name, dist, version, value, level)
        # A misspelt group would be silence; any other group under `jno.` is not ours to judge.
        elif base.startswith("jno.") and near_group(base):
            yield PluginRecord(group, name, dist, version, value, level)


def _backport() -> Any:
    # At the first look-up instead of at import, because the backport takes some ten milliseconds to import.
    import importlib_metadata

    return importlib_metadata
