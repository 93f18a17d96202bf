"""Rules for Equinox modules and for frozen dataclasses: their class by name, their fields as data; no `__init__` runs."""

import dataclasses
import functools
from typing import Any

import equinox as eqx

from jno_core._saving.errors import NotDataError, NotRebuiltError
from jno_core._saving.known import is_data_class, plugin_record, qualified
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer


def _describe(writer: Writer, value: Any, where: str) -> dict[str, Any]:
    cls = type(value)
    if "<locals>" in cls.__qualname__:
        raise NotDataError(f"{where} is of the class {cls.__qualname__!r}, which is defined inside of a function.")
    names = [field.name for field in dataclasses.fields(cls)]
    stored = object.__getattribute__(value, "__dict__")
    for name in stored.keys() - set(names):
        if not isinstance(getattr(cls, name, None), functools.cached_property):
            raise NotDataError(f"{where} has the attribute {name!r}, which is no field of {cls.__qualname__}.")
    fields = {name: writer.describe(stored[name], f"{where}/{name}") for name in names if name in stored}
    record = plugin_record(cls)
    if record is not None:
        writer.plugins[record] = None
        return {"class": qualified(cls), "plugin": [record.kind, record.name], "fields": fields}
    return {"class": qualified(cls), "fields": fields}


def _rebuild_module(reader: Reader, data: Any) -> Any:
    return _filled(reader, reader.known.module_class(data["class"], data.get("plugin")), data["fields"])


def _rebuild_data(reader: Reader, data: Any) -> Any:
    return _filled(reader, reader.known.data_class(data["class"], data.get("plugin")), data["fields"])


def _filled(reader: Reader, cls: type, fields: Any) -> Any:
    known = {field.name: field.default is not dataclasses.MISSING for field in dataclasses.fields(cls)}
    gone = sorted(fields.keys() - known.keys())
    new = sorted(name for name in known.keys() - fields.keys() if not known[name])
    if gone or new:
        what = f"no field {', '.join(map(repr, gone))}" if gone else f"the new field {', '.join(map(repr, new))}"
        raise NotRebuiltError(
            f"The class {cls.__qualname__!r} of {cls.__module__!r} has changed since the file was written: it has {what}. Use "
            "the class as it was."
        )
    value = object.__new__(cls)
    for name, description in fields.items():
        object.__setattr__(value, name, reader.rebuild(description))
    return value


MODULE_RULES = (
    Rule("module", lambda v: isinstance(v, eqx.Module), _describe, _rebuild_module),
    Rule("data", lambda v: is_data_class(type(v)), _describe, _rebuild_data),
)
