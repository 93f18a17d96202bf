"""Rules for Equinox modules and for frozen dataclasses: their class by name, their fields as data; no `__init__` runs."""

import dataclasses
import functools
import inspect
from typing import Any

import equinox as eqx

from jno_core._saving.errors import NotDataError, NotRebuiltError
from jno_core._saving.functions import is_function
from jno_core._saving.known import is_data_class, plugin_record, qualified
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer


def describe_by_class(writer: Writer, value: Any, where: str, /) -> dict[str, Any]:
    """The class and the fields of a module or dataclass. Raises `NotDataError` when a field is no data."""
    cls = type(value)
    if "<locals>" in cls.__qualname__:
        raise NotDataError(f"{where} is of the class {cls.__qualname__!r}, which is defined inside of a function.")
    names = [field.name for field in dataclasses.fields(cls)]
    stored = object.__getattribute__(value, "__dict__")
    for name in stored.keys() - set(names):
        if not isinstance(getattr(cls, name, None), functools.cached_property):
            raise NotDataError(f"{where} has the attribute {name!r}, which is no field of {cls.__qualname__}.")
    defaults = {id(value): name for name, value in _default_functions(cls).items()}
    fields = {
        # The functions that a class has as defaults, such as `lambda x: x`, come from the class again.
        name: {"default": defaults[id(stored[name])]}
        if id(stored[name]) in defaults
        else writer.describe(stored[name], f"{where}/{name}")
        for name in names
        if name in stored
    }
    record = plugin_record(cls)
    if record is not None:
        writer.plugins[record] = None
        return {"class": qualified(cls), "plugin": [record.kind, record.name], "fields": fields}
    return {"class": qualified(cls), "fields": fields}


def _rebuild_module(reader: Reader, data: Any) -> Any:
    return _filled(reader, reader.known.module_class(data["class"], data.get("plugin")), data["fields"])


def rebuild_data(reader: Reader, data: Any) -> Any:
    """The frozen dataclass of a description."""
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
        object.__setattr__(value, name, _field(reader, cls, description))
    return value


def _field(reader: Reader, cls: type, description: Any) -> Any:
    if not isinstance(description, dict) or "default" not in description:
        return reader.rebuild(description)
    defaults = _default_functions(cls)
    if description["default"] not in defaults:
        raise NotRebuiltError(
            f"The class {cls.__qualname__!r} of {cls.__module__!r} has changed since the file was written: its argument "
            f"{description['default']!r} has no function as default. Use the class as it was."
        )
    return defaults[description["default"]]


def _default_functions(cls: type) -> dict[str, Any]:
    """The functions that the constructor of a class has as defaults, by argument."""
    try:
        parameters = inspect.signature(cls.__init__).parameters
    except (TypeError, ValueError):
        return {}
    return {name: p.default for name, p in parameters.items() if is_function(p.default)}


MODULE_RULES = (
    Rule("module", lambda v: isinstance(v, eqx.Module), describe_by_class, _rebuild_module),
    Rule("data", lambda v: is_data_class(type(v)), describe_by_class, rebuild_data),
)
