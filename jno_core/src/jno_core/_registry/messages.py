"""The errors of a look-up: what was asked, what is there, and the next command to type."""

from collections.abc import Sequence

from jno_core._registry.kinds import Kind
from jno_core._registry.known import OWNERS, known_names
from jno_core._registry.limit import Limit
from jno_core._registry.metadata import installed_version
from jno_core._registry.record import PluginRecord
from jno_core._registry.spelling import nearest
from jno_core._registry.status import upgrade
from jno_core.errors import PluginConflictError, PluginIncompatibleError, PluginNotFoundError


def not_found(
    kind: Kind, name: str, served: Sequence[str], claimants: Sequence[PluginRecord], limit: Limit
) -> PluginNotFoundError:
    """No package serves the name.

    `served` are the names that could be used instead, `claimants` those who may not serve it because it is owned,
    `limit` what JNO_PLUGINS allows.
    """
    lines = [f"Unknown {kind.words} {name!r}."]
    owner = OWNERS.get((kind.name, name))
    if owner is not None:
        lines += _owned(owner, limit)
        for record in claimants:
            use = kind.usage.format(f"{record.dist}/{name}")
            lines.append(f"{record.source} claims this name, too; to use that one, write {use}.")
    elif near := nearest(name, sorted({*served, *known_names(kind.name)})):
        hint = "" if near in served else f" (pip install {OWNERS[kind.name, near]})"
        lines.append(f"Did you mean {near!r}{hint}?")
    return PluginNotFoundError("\n".join([*lines, *_inventory(served, limit)]))


def not_provided(kind: Kind, name: str, dist: str, provided: Sequence[str], limit: Limit) -> PluginNotFoundError:
    """The package that `package/name` names does not provide it."""
    lines = [f"Unknown {kind.words} '{dist}/{name}'."]
    version = installed_version(dist)
    if version is None:
        lines.append(f"No package {dist} is installed.")
    else:
        lines.append(f"{dist} {version} provides no such name of this kind; it provides: {_listing(provided)}.")
    return PluginNotFoundError("\n".join([*lines, *_closing(limit)]))


def conflict(kind: Kind, name: str, records: Sequence[PluginRecord]) -> PluginConflictError:
    """Several packages provide the name, and nothing says which is meant."""
    providers = "\n".join(f"    {record.source} ({record.value})" for record in records)
    use = kind.usage.format(f"{records[0].dist}/{name}")
    return PluginConflictError(
        f"{len(records)} installed packages provide the {kind.words} {name!r}:\n{providers}\n"
        f"Uninstall all but one, or name the package: {use}."
    )


def incompatible(kind: Kind, record: PluginRecord) -> PluginIncompatibleError:
    """The name is there for another API level only."""
    relation = "older" if record.api < kind.level else "newer"
    return PluginIncompatibleError(
        f"{record.source} provides the {kind.words} {record.name!r} for plugin API {record.api}, "
        f"{relation} than the API {kind.level} of this jno-core.\n    {upgrade(record, kind)}"
    )


def _owned(owner: str, limit: Limit) -> list[str]:
    version = installed_version(owner)
    if version is None:
        return [f"It is provided by {owner}, which is not installed:", f"    pip install {owner}"]
    if not limit.allows(owner):
        return [f"It is provided by {owner}, which is installed, but left out by JNO_PLUGINS={limit.text!r}."]
    return [
        f"It is provided by {owner}, but not by the installed version {version}:",
        f"    pip install --upgrade {owner}",
    ]


def _inventory(served: Sequence[str], limit: Limit) -> list[str]:
    return [f"Installed: {_listing(served)}.", *_closing(limit)]


def _closing(limit: Limit) -> list[str]:
    limited = [] if limit.text is None else [f"Only the packages of JNO_PLUGINS={limit.text!r} are looked at."]
    return [*limited, "See `jno plugins` for everything found in this environment."]


def _listing(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
