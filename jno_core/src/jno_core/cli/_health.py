"""What may be wrong with the installed plugins."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import final

from jno_core import plugins
from jno_core._registry import PluginStatus
from jno_core._registry.metadata import installed_version, requirements
from jno_core.errors import PluginError


@final
@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that somebody should do something about: in which distribution, what, and the fix."""

    dist: str
    text: str
    fix: str


def one_row_each(statuses: Iterable[PluginStatus]) -> list[PluginStatus]:
    """The statuses with each conflict once: the others are named in the note of the first."""
    rows: dict[object, PluginStatus] = {}
    for status in statuses:
        record = status.record
        provider = None if status.standing == "conflict" else (record.dist, record.api)
        rows.setdefault((record.kind, record.name, provider), status)
    return list(rows.values())


def found_problems(statuses: Sequence[PluginStatus]) -> list[Problem]:
    """What the metadata tell."""
    problems = []
    for status in one_row_each(statuses):
        if status.problem:
            record = status.record
            text = f"{record.kind} {record.name!r} of {record.source}: {status.note}"
            problems.append(Problem(record.dist, text, status.fix))
    return problems


def load_problems(statuses: Sequence[PluginStatus]) -> list[Problem]:
    """What importing each plugin tells that can serve its name. Runs their code."""
    return [
        Problem(status.record.dist, failure, "")
        for status in statuses
        if status.standing in ("ok", "conflict") and (failure := load_failure(status))
    ]


def load_failure(status: PluginStatus) -> str | None:
    """`None` if the plugin can be imported; else the error."""
    record = status.record
    try:
        plugins.get(record.kind, f"{record.dist}/{record.name}")
    except PluginError as error:
        return str(error)
    return None


def requirement_problems(statuses: Sequence[PluginStatus]) -> list[Problem]:
    """Requirements of the packages that this environment does not meet; none where `packaging` is not installed."""
    if installed_version("packaging") is None:
        return []
    dists = sorted({status.record.dist for status in statuses})
    return [problem for dist in dists for problem in _unmet_requirements(dist)]


def _unmet_requirements(dist: str) -> Iterator[Problem]:
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements(dist):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            yield Problem(
                dist, f"{dist} has a requirement that cannot be read: {error}", f"pip install --upgrade {dist}"
            )
            continue
        # No extra is asked for: what only an extra needs may be missing.
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        needed = f"{requirement.name}{requirement.specifier}"
        version = installed_version(requirement.name)
        if version is None:
            yield Problem(dist, f"{dist} needs {needed}, which is not installed", f"pip install '{needed}'")
        elif not requirement.specifier.contains(version, prereleases=True):
            yield Problem(dist, f"{dist} needs {needed}; {version} is installed", f"pip install '{needed}'")
