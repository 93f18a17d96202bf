"""The whole content of a file: descriptions, arrays, and what is needed to read them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jno_core._graph.variable import default_float
from jno_core._registry import registry
from jno_core._registry.metadata import installed_version
from jno_core._saving.arrays import ARRAY_RULES
from jno_core._saving.domains import DOMAIN_RULES
from jno_core._saving.functions import FUNCTION_RULES
from jno_core._saving.graph import GRAPH_RULES, describe_node, rebuild_node
from jno_core._saving.known import Known
from jno_core._saving.models import MODEL_RULES
from jno_core._saving.modules import MODULE_RULES
from jno_core._saving.plain import PLAIN_RULES
from jno_core._saving.reader import Reader
from jno_core._saving.writer import Writer
from jno_core.errors import JnoError, JnoTypeError, JnoValueError, PluginNotFoundError

# The first rule that applies is taken: those for single classes come before those for all modules and all callables.
_RULES = (
    *PLAIN_RULES,
    *ARRAY_RULES,
    *GRAPH_RULES,
    *MODEL_RULES,
    *DOMAIN_RULES,
    *MODULE_RULES,
    *FUNCTION_RULES,
)


def described(value: Any, names: Mapping[int, str] = {}) -> tuple[dict[str, Any], dict[str, np.ndarray], list[str]]:
    """A value as JSON types and arrays, and what is stored in part only, in words.

    `names` are what the problem calls its networks, by their `id`.

    Raises `JnoTypeError` naming what is no data.
    """
    writer = Writer(_RULES, describe_node)
    writer.model_names.update(names)
    description = writer.describe(value, "content")
    content = {
        "value": description,
        "objects": writer.objects,
        "nodes": writer.nodes,
        "plugins": [[r.kind, r.name, r.dist, r.version] for r in writer.plugins],
        "versions": {name: installed_version(name) for name in ("jno-core", "jax", "equinox")},
        "double precision": _double_precision(),
    }
    return content, writer.arrays, writer.notes


def rebuilt(
    content: Any,
    arrays: Mapping[str, np.ndarray],
    path: Any,
    *,
    classes: Iterable[type] = (),
    functions: Iterable[Callable[..., Any]] | Mapping[str, Any] = (),
    modules: Mapping[str, Any] | None = None,
) -> tuple[Any, list[str]]:
    """The value that was described, and what was left out of it, in words. `path` is what messages call the file.

    Raises `JnoValueError` for a content that describes nothing, a plugin's error if one is missing, and `NotRebuiltError`
    for a class or function that is not known here.
    """
    known = Known(classes, functions)
    if modules is not None and not isinstance(modules, Mapping):
        raise JnoTypeError(f"modules= takes networks by name, as in modules={{'u': network}}; got {modules!r}.")
    with reading(path):
        _check_precision(content["double precision"])
        _check_plugins(content["plugins"])
        reader = Reader(_RULES, rebuild_node, content, arrays, known, modules or {})
        reader.graph()
        value = reader.rebuild(content["value"])
        reader.finish()
    return value, reader.notes


@contextlib.contextmanager
def reading(path: Any) -> Iterator[None]:
    """Errors inside become errors about the file: it is whole, but it says what jno would not have written."""
    try:
        yield
    except JnoError as e:
        e.add_note(f"while loading {str(path)!r}")
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        text = str(e).splitlines()[0][:200] if str(e) else ""
        raise JnoValueError(
            f"The content of {str(path)!r} does not describe what it should: {type(e).__name__}: {text}"
        ) from e


def _check_precision(double: Any) -> None:
    if bool(double) != _double_precision():
        raise JnoValueError(
            f"The file was written with double precision {'on' if double else 'off'}, and it is {'off' if double else 'on'} "
            f'here. Set it at the top of the script: jax.config.update("jax_enable_x64", {bool(double)}).'
        )


def _double_precision() -> bool:
    return default_float() == np.float64


def _check_plugins(plugins: Any) -> None:
    for kind, name, dist, version in plugins:
        try:
            registry.find(kind, name)
        except PluginNotFoundError as e:
            raise PluginNotFoundError(
                f"{e}\nThe file was written with the {kind} {name!r} of the distribution {dist!r}, version {version}. That is "
                "what the file says; make sure that you know the distribution before you install it."
            ) from e
