"""Rules for plain values: numbers, containers, dtypes, slices, paths, plane geometries of shapely."""

import math
import os
import sys
import types
from typing import Any

import jax.numpy as jnp
import numpy as np

from jno_core._saving.errors import NotDataError
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer
from jno_core.errors import JnoValueError

_TYPES = {"bool": bool, "complex": complex, "float": float, "int": int}
_JAX_SCALAR_TYPE = type(jnp.float32)


def _describe_dtype(writer: Writer, value: Any, where: str) -> str:
    del writer
    try:
        return jnp.dtype(value).name
    except TypeError:
        raise NotDataError(f"{where} is {value!r}, which is no type of numbers.") from None


def _rebuild_dtype(reader: Reader, name: Any) -> Any:
    del reader
    if not isinstance(name, str) or jnp.dtype(name).kind not in "biufcV":
        raise JnoValueError(f"{name!r} is no type of numbers.")
    return jnp.dtype(name)


def _is_dtype(value: Any) -> bool:
    return isinstance(value, np.dtype | _JAX_SCALAR_TYPE) or (isinstance(value, type) and issubclass(value, np.generic))


def _describe_entries(writer: Writer, value: Any, where: str) -> list[Any]:
    return [
        [writer.describe(key, f"{where}/key"), writer.describe(item, f"{where}/{_text(key)}")]
        for key, item in value.items()
    ]


def _rebuild_entries(reader: Reader, entries: Any) -> dict[Any, Any]:
    return {reader.rebuild(key): reader.rebuild(item) for key, item in entries}


def _describe_items(writer: Writer, value: Any, where: str) -> list[Any]:
    return [writer.describe(item, f"{where}/{i}") for i, item in enumerate(value)]


def _describe_slice(writer: Writer, value: slice, where: str) -> list[Any]:
    return _describe_items(writer, (value.start, value.stop, value.step), where)


def _describe_area(writer: Writer, value: Any, where: str) -> str:
    return writer.array(np.frombuffer(sys.modules["shapely"].to_wkb(value), np.uint8), where)


def _rebuild_area(reader: Reader, name: Any) -> Any:
    shapely = sys.modules.get("shapely")
    if shapely is None:
        raise JnoValueError("Plane geometries need shapely, which the plugin that stored them imports.")
    return shapely.from_wkb(reader.array(name).tobytes())


def _is_area(value: Any) -> bool:
    # Whoever has a geometry of shapely has imported it.
    shapely = sys.modules.get("shapely")
    return shapely is not None and isinstance(value, shapely.Geometry)


def _text(key: Any) -> str:
    return str(key).replace("/", "%2F")


PLAIN_RULES = (
    Rule(
        "float",
        lambda v: type(v) is float and not math.isfinite(v),
        lambda writer, value, where: repr(value),
        lambda reader, text: float(text),
    ),
    Rule(
        "complex",
        lambda v: type(v) is complex,
        lambda writer, value, where: [repr(value.real), repr(value.imag)],
        lambda reader, parts: complex(float(parts[0]), float(parts[1])),
    ),
    Rule(
        "tuple",
        lambda v: type(v) is tuple,
        _describe_items,
        lambda reader, items: tuple(reader.rebuild(item) for item in items),
    ),
    Rule("dict", lambda v: type(v) is dict, _describe_entries, _rebuild_entries),
    Rule(
        "mapping",
        lambda v: type(v) is types.MappingProxyType,
        _describe_entries,
        lambda reader, entries: types.MappingProxyType(_rebuild_entries(reader, entries)),
    ),
    Rule(
        "frozenset",
        lambda v: type(v) is frozenset,
        lambda writer, value, where: _describe_items(writer, sorted(value, key=repr), where),
        lambda reader, items: frozenset(reader.rebuild(item) for item in items),
    ),
    Rule(
        "slice",
        lambda v: type(v) is slice,
        _describe_slice,
        lambda reader, parts: slice(*(reader.rebuild(part) for part in parts)),
    ),
    Rule("ellipsis", lambda v: v is Ellipsis, lambda writer, value, where: None, lambda reader, data: Ellipsis),
    Rule("dtype", _is_dtype, _describe_dtype, _rebuild_dtype),
    Rule(
        "type",
        lambda v: isinstance(v, type) and v in _TYPES.values(),
        lambda writer, value, where: value.__name__,
        lambda reader, name: _TYPES[name],
    ),
    Rule(
        "path",
        lambda v: isinstance(v, os.PathLike),
        lambda writer, value, where: os.fspath(value),
        lambda reader, text: str(text),
    ),
    Rule("area", _is_area, _describe_area, _rebuild_area),
)
