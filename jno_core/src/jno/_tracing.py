"""Wrappers that make functions of `jax.numpy` work on expressions."""

import contextlib
import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, final

from jno_core._graph import FunctionCall, Placeholder
from jno_core._graph.calculus import Parameterised
from jno_core.errors import JnoTypeError


@functools.cache
def traced(path: str, name: str, namespace: str) -> Any:
    """The member `name` of the imported module `path` of JAX: functions become traced functions, everything else is itself.

    Raises `AttributeError` naming the namespace.
    """
    module = sys.modules[path]
    if name.startswith("_") or name not in dir(module):
        raise AttributeError(f"{namespace} has no {name!r}: it is not in {module.__name__} either.")
    member = getattr(module, name)
    if isinstance(member, type | types.ModuleType) or not callable(member):
        return member
    return _wrapped(member, name, namespace)


@final
class TracedNamespace:
    """A submodule of `jax.numpy` whose functions work on expressions."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return traced(f"jax.numpy.{self._name}", name, f"jno.numpy.{self._name}")

    def __dir__(self) -> list[str]:
        return [name for name in dir(sys.modules[f"jax.numpy.{self._name}"]) if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"jno.numpy.{self._name}"


@final
@dataclasses.dataclass(frozen=True)
class _WithNames:
    """`fn` with its last arguments passed by name: the expressions of a node are its positional arguments."""

    fn: Callable[..., Any]
    names: tuple[str, ...]

    def __call__(self, *args: Any, **options: Any) -> Any:
        first = len(args) - len(self.names)
        return self.fn(*args[:first], **dict(zip(self.names, args[first:], strict=True)), **options)


def has_node(values: Any) -> bool:
    """Whether an expression is among the values or in their lists. Raises `JnoTypeError` for a network."""
    for value in values:
        if isinstance(value, Placeholder):
            return True
        if isinstance(value, Parameterised):
            raise JnoTypeError(f"{value!r} is a network, not an expression. Call it on coordinates first: net(x, y).")
        if isinstance(value, list | tuple) and has_node(value):
            return True
    return False


def _wrapped(fn: Callable[..., Any], name: str, namespace: str) -> Callable[..., Any]:
    def wrapper(*args: Any, **options: Any) -> Any:
        named = {key: value for key, value in sorted(options.items()) if has_node((value,))}
        if not (named or has_node(args)):
            return fn(*args, **options)
        given = tuple(_copied(value) for value in (*args, *named.values()))
        rest = tuple((key, _copied(value)) for key, value in sorted(options.items()) if key not in named)
        return FunctionCall(_WithNames(fn, tuple(named)) if named else fn, given, name, rest)

    wrapper.__name__ = wrapper.__qualname__ = name
    wrapper.__module__ = namespace
    wrapper.__doc__ = f"{inspect.getdoc(fn) or ''}\n\nWith an expression as argument it makes a node of the graph."
    # A few built-in functions have no signature; the wrapper then shows its own.
    with contextlib.suppress(TypeError, ValueError):
        wrapper.__signature__ = inspect.signature(fn)  # pyright: ignore[reportFunctionMemberAccess]
    return wrapper


def _copied(value: Any) -> Any:
    """Lists are copied, so that a node does not change with the caller's list."""
    return [_copied(item) for item in value] if isinstance(value, list) else value
