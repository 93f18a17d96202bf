"""Importing the object that a record names."""

import functools
import importlib
import re
from typing import Any

from jno_core._registry.kinds import Kind
from jno_core._registry.record import PluginRecord
from jno_core.errors import PluginLoadError, PluginTypeError

_VALUE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?")


def load(record: PluginRecord, kind: Kind) -> Any:
    """Imports the record's object and holds it against the kind's contract.

    Raises `PluginLoadError` from whatever the import raised, `SystemExit` included: a plugin that ends the process
    while it is imported must not end a notebook. Raises `PluginTypeError` if the contract is not fulfilled.
    """
    subject = f"The {kind.words} {record.name!r} of {record.source} ({record.value})"
    match = _VALUE.fullmatch(record.value.strip())
    if match is None:
        raise PluginTypeError(f"{subject} is not of the form 'module:attribute'.\n{_advice(record)}")
    try:
        module = importlib.import_module(match["module"])
        obj = functools.reduce(getattr, match["attribute"].split("."), module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        cause = f"{type(error).__name__}: {error}".rstrip(": ")
        raise PluginLoadError(f"{subject} could not be imported: {cause}\n{_advice(record)}") from error
    reason = kind.validate(obj)
    if reason is not None:
        raise PluginTypeError(f"{subject} {reason}\n{_advice(record)}")
    return obj


def _advice(record: PluginRecord) -> str:
    return (
        "This is a fault in that package, not in your problem. Update it, or remove it:\n"
        f"    pip uninstall {record.dist}"
    )
