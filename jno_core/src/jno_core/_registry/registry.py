"""The registry: from a kind and a name to a record, and from a record to the object."""

import contextlib
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, final

from jno_core._registry import messages
from jno_core._registry.kinds import KINDS, Kind, is_family, kind_named
from jno_core._registry.known import OWNERS
from jno_core._registry.limit import Limit
from jno_core._registry.loading import load
from jno_core._registry.metadata import installed_records, normalized
from jno_core._registry.record import PluginRecord, PluginStatus
from jno_core._registry.status import classify
from jno_core.errors import JnoTypeError, JnoValueError, PluginConflictError, PluginTypeError


@final
class Registry:
    """The plugins of this environment. The metadata are read once, at the first look-up; nothing is imported by that.

    The environment variable JNO_PLUGINS limits it to the distributions that it lists, separated by commas; the prefix
    `jno-plugin-` may be left out, and an empty value means none.

    Where a name is asked for, `"package/name"` asks for that package's.
    """

    def __init__(self, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._kinds = kinds
        self._temporary: dict[tuple[str, str], tuple[PluginRecord, Any]] = {}

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of a kind that can be asked for, sorted. Reads metadata only.

        Raises `JnoKeyError` for an unknown kind.
        """
        kind_named(self._kinds, kind)
        served = {
            status.record.name
            for status in self._statuses
            if status.record.kind == kind and status.standing in ("ok", "conflict")
        }
        return tuple(sorted(served | {name for of, name in self._temporary if of == kind}))

    def records(self) -> tuple[PluginStatus, ...]:
        """Every record with its standing, sorted; temporary ones come last. Reads metadata only."""
        return (*self._statuses, *(PluginStatus(record, "ok") for record, _ in self._temporary.values()))

    def find(self, kind: str, name: str) -> PluginRecord:
        """The record that serves a name. Reads metadata only.

        Raises `PluginNotFoundError`, `PluginConflictError` if two packages provide the name, `PluginIncompatibleError`
        if it is provided for another API level only, and `JnoKeyError` for an unknown kind.
        """
        return self._find(kind_named(self._kinds, kind), name)

    def get(self, kind: str, name: str) -> Any:
        """The object of that name, imported. A failure is not remembered: the next call tries again.

        Raises what `find` raises, `PluginLoadError` if the import fails, and `PluginTypeError` if the object does not
        fulfil the contract of its kind.
        """
        found = kind_named(self._kinds, kind)
        record = self._find(found, name)
        if (kind, name) in self._temporary:
            return self._temporary[kind, name][1]
        return load(record, found)

    @contextlib.contextmanager
    def temporary(self, kind: str, name: str, obj: Any, override: bool = False) -> Iterator[None]:
        """Serves `obj` under the name for the length of a `with` block; for notebooks and tests.

        Raises `PluginConflictError` if the name is taken and `override` is false, `PluginTypeError` if `obj` does not
        fulfil the contract of the kind, `JnoValueError` for a name that breaks the grammar, and `JnoKeyError` for an
        unknown kind.
        """
        found = kind_named(self._kinds, kind)
        if not is_family(name):
            raise JnoValueError(
                f"{name!r} cannot name a plugin: a lower-case letter, then lower-case letters, digits and underscores."
            )
        reason = found.validate(obj)
        if reason is not None:
            raise PluginTypeError(f"The {found.words} {name!r} {reason}")
        taken = name in self.names(kind) or (kind, name) in OWNERS
        if taken and not override:
            raise PluginConflictError(
                f"The {found.words} {name!r} exists already. Choose another name, or pass override=True to replace it "
                "inside of the `with` block."
            )
        before = self._temporary.pop((kind, name), None)
        named = isinstance(obj, type) or inspect.isroutine(obj)
        value = f"{obj.__module__}:{obj.__qualname__}" if named else repr(obj)
        self._temporary[kind, name] = PluginRecord(kind, name, "temporary", "", value, found.level), obj
        try:
            yield
        finally:
            del self._temporary[kind, name]
            if before is not None:
                self._temporary[kind, name] = before

    def _find(self, kind: Kind, name: str) -> PluginRecord:
        if not isinstance(name, str):
            raise JnoTypeError(f"The name of a {kind.words} must be a string, got {name!r}.")
        if (kind.name, name) in self._temporary:
            return self._temporary[kind.name, name][0]
        package, slash, family = name.partition("/")
        if package and slash:
            return self._find_pinned(kind, package, family)
        by_standing: dict[str, list[PluginRecord]] = {}
        for status in self._statuses:
            if (status.record.kind, status.record.name) == (kind.name, name):
                by_standing.setdefault(status.standing, []).append(status.record)
        if "ok" in by_standing:
            return by_standing["ok"][0]
        if "conflict" in by_standing:
            raise messages.conflict(kind, name, by_standing["conflict"])
        if "incompatible" in by_standing:
            raise messages.incompatible(kind, by_standing["incompatible"][0])
        raise messages.not_found(kind, name, self.names(kind.name), by_standing.get("shadowed", ()), self._limit)

    def _find_pinned(self, kind: Kind, package: str, name: str) -> PluginRecord:
        dist = normalized(package)
        provided = [
            status.record for status in self._statuses if (status.record.kind, status.record.dist) == (kind.name, dist)
        ]
        named = [record for record in provided if record.name == name]
        for record in named:
            if record.api == kind.level:
                return record
        if named:
            raise messages.incompatible(kind, named[0])
        names = sorted({record.name for record in provided if record.api == kind.level})
        raise messages.not_provided(kind, name, dist, names, self._limit)

    @functools.cached_property
    def _limit(self) -> Limit:
        return Limit.from_environment()

    @functools.cached_property
    def _statuses(self) -> tuple[PluginStatus, ...]:
        records = [record for record in installed_records() if self._limit.allows(record.dist)]
        return classify(records, self._kinds)


registry = Registry()
"""The registry of this process: a cache of metadata, filled at the first look-up."""
