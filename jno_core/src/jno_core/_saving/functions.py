"""Rules for functions: trusted ones by name, others by name with compiled forms; partial functions; distances of geometries."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export

from jno_core._saving import stablehlo
from jno_core._saving.known import qualified
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.stored import Argument, CompiledForm, StoredFunction, StoredRandomFunction, joined, split
from jno_core._saving.trusted import trusted_name
from jno_core._saving.writer import Writer
from jno_core.errors import JnoError, JnoImportError, JnoValueError

_DISTANCES = ("bubble", "smooth_distance")


def is_function(value: Any) -> bool:
    """Whether a value is a function, however decorated, rather than an object that happens to be callable."""
    if isinstance(value, StoredFunction | StoredRandomFunction):
        return True
    return callable(value) and not isinstance(value, type) and isinstance(getattr(value, "__name__", None), str)


def takes_key(fn: Callable[..., Any]) -> bool:
    """Whether a function has a parameter called `key`."""
    try:
        return "key" in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


def add_form(writer: Writer, fn: Any, args: Any, options: dict[str, Any], random: bool) -> None:
    """Give a function the compiled form for a call, unless it is stored otherwise.

    - `args`, `options`: with an `Argument` in the place of expressions; the lengths of axes over points become symbolic.
    - `random`: whether it is called with the key of the step.

    A function that cannot be exported keeps its name alone, which is noted.
    """
    description = writer.shared_description(fn)
    if description is None or "forms" not in description or isinstance(fn, StoredFunction | StoredRandomFunction):
        return
    static, arrays = split((args, options))
    described = writer.describe(static, "static")

    def call(*values: Any) -> Any:
        given, named = joined(static, list(values))
        return fn(*given, **named, **({"key": None} if random else {}))

    reason = ""
    # A function that reads the number of its points in Python can be exported for that number alone.
    for shapes in (_avals(arrays, True), _avals(arrays, False)):
        wanted = [described, [[*map(str, aval.shape), str(aval.dtype)] for aval in shapes]]
        if wanted in [form["for"] for form in description["forms"]]:
            return
        try:
            content = stablehlo.to_bytes(stablehlo.export(call, shapes))
        except JnoImportError:
            raise
        except Exception as e:  # noqa: BLE001 -- the function is foreign code, and not everything can be exported
            reason = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
            continue
        name = writer.array(content, "functions/form")
        description["forms"].append({"for": wanted, "static": described, "content": name})
        return
    writer.notes.append(f"The function {description['name']!r} is stored by its name alone: {reason}")


def _avals(arrays: Sequence[Any], symbolic: bool) -> list[jax.ShapeDtypeStruct]:
    scope = jax.export.SymbolicScope()
    points = [a.points if symbolic and isinstance(a, Argument) else None for a in arrays]
    names = {size: f"n{i}" for i, size in enumerate(dict.fromkeys(s for s in points if s is not None))}
    found = []
    for array, size in zip(arrays, points, strict=True):
        shape: Any = array.shape
        if size is not None:
            shape = jax.export.symbolic_shape(", ".join([names[size], *map(str, shape[1:])]), scope=scope)
        found.append(jax.ShapeDtypeStruct(shape, array.dtype))
    return found


def _describe(writer: Writer, fn: Any, where: str) -> dict[str, Any]:
    if isinstance(fn, StoredFunction | StoredRandomFunction):
        forms = [
            {
                "for": None,
                "static": writer.describe(form.static, f"{where}/static"),
                "content": writer.array(form.content, "functions/form"),
            }
            for form in fn.forms
        ]
        return {"name": fn.name, "random": isinstance(fn, StoredRandomFunction), "forms": forms}
    found = _distance_of(writer, fn)
    if found is not None:
        geometry, method, tag = found
        return {"geometry": writer.describe(geometry, f"{where}/geometry"), "method": method, "tag": tag}
    return {"name": writer.unique(qualified(fn)), "random": takes_key(fn), "forms": []}


def _rebuild(reader: Reader, data: Any) -> Any:
    if "geometry" in data:
        geometry, method = reader.rebuild(data["geometry"]), data["method"]
        if method not in _DISTANCES:
            raise JnoValueError(f"{method!r} is no distance of a geometry.")
        return getattr(geometry, method)(data["tag"])
    name = data["name"]
    found = reader.known.function(name)
    if found is not None:
        return found
    if not data["forms"]:
        reader.unknown.append(name)
    forms = []
    for form in data["forms"]:
        content = reader.array(form["content"])
        forms.append(CompiledForm(reader.rebuild(form["static"]), stablehlo.from_bytes(content, name), content))
    return (StoredRandomFunction if data["random"] else StoredFunction)(name, tuple(forms))


def _distance_of(writer: Writer, fn: Any) -> tuple[Any, str, str] | None:
    """Which geometry, method and tag a function is had from."""
    package = getattr(fn, "__module__", "").partition(".")[0]
    for geometry in (g for g in writer.geometries if type(g).__module__.partition(".")[0] == package):
        # Functions are named after their tags, so that the first guess is nearly always right.
        tags = sorted(geometry.tags(), key=lambda tag: tag not in getattr(fn, "__name__", ""))
        for method in _DISTANCES:
            for tag in tags:
                with contextlib.suppress(JnoError):
                    if getattr(geometry, method)(tag) is fn:
                        return geometry, method, tag
    return None


def _rebuild_trusted(reader: Reader, name: Any) -> Callable[..., Any]:
    found = reader.known.function(name)
    if found is None:
        raise JnoValueError(f"{name!r} is not among the functions that a file may name.")
    return found


def _describe_partial(writer: Writer, value: Any, where: str) -> list[Any]:
    return [
        writer.describe(value.func, f"{where}/func"),
        writer.describe(value.args, f"{where}/args"),
        writer.describe(dict(value.keywords), f"{where}/keywords"),
    ]


def _rebuild_partial(reader: Reader, parts: Any) -> Any:
    fn, args, keywords = (reader.rebuild(part) for part in parts)
    return functools.partial(fn, *args, **keywords)


FUNCTION_RULES = (
    Rule(
        "trusted",
        lambda v: callable(v) and trusted_name(v) is not None,
        lambda writer, value, where: trusted_name(value),
        _rebuild_trusted,
    ),
    Rule("partial", lambda v: type(v) is functools.partial, _describe_partial, _rebuild_partial),
    Rule("function", is_function, _describe, _rebuild, shared=True),
)
