"""Wrappers that make functions of `jax.numpy` work on expressions.

A call is one node, or where the function returns several arrays (`linalg.eigh`, `split`), the same arrangement of nodes.
"""

import contextlib
import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any, final

import jax

from jno_core._graph import FunctionCall, Placeholder
from jno_core._graph.calculus import Parameterised
from jno_core._graph.function import owned
from jno_core._registry.spelling import nearest
from jno_core.errors import JnoTypeError

_ONE_ARRAY = jax.tree.structure(0)


@functools.cache
def traced(path: str, name: str, namespace: str) -> Any:
    """The member `name` of the imported module `path` of JAX: functions become traced functions, everything else is itself.

    Raises `AttributeError` naming the namespace.
    """
    module = sys.modules[path]
    if name.startswith("__"):  # the import system asks for such names; it wants no advice on spelling
        raise AttributeError(f"{namespace} has no {name!r}.")
    if name.startswith("_") or name not in dir(module):
        near = nearest(name, (n for n in dir(module) if not n.startswith("_")))
        hint = f" Did you mean {near!r}?" if near else ""
        raise AttributeError(f"{namespace} has no {name!r}: it is not in {module.__name__} either.{hint}")
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


@final
@dataclasses.dataclass(frozen=True)
class _Part:
    """The `i`-th of the arrays that `fn` returns."""

    fn: Callable[..., Any]
    i: int

    def __call__(self, *args: Any, **options: Any) -> Any:
        return jax.tree.leaves(self.fn(*args, **options))[self.i]


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
    signature = _signature(fn)
    probe = signature is None or signature.return_annotation not in (jax.Array, "Array")

    def wrapper(*args: Any, **options: Any) -> Any:
        named = {key: value for key, value in sorted(options.items()) if has_node((value,))}
        if not (named or has_node(args)):
            return fn(*args, **options)
        given = owned((*args, *named.values()))
        rest = {key: owned(value) for key, value in sorted(options.items()) if key not in named}
        called = _WithNames(fn, tuple(named)) if named else fn
        structure = _structure(called, given, rest) if probe else _ONE_ARRAY
        if structure == _ONE_ARRAY:
            return FunctionCall(called, given, name, tuple(rest.items()))
        parts = (_Part(called, i) for i in range(structure.num_leaves))
        return jax.tree.unflatten(
            structure, [FunctionCall(p, given, f"{name}[{p.i}]", tuple(rest.items())) for p in parts]
        )

    wrapper.__name__ = wrapper.__qualname__ = name
    wrapper.__module__ = namespace
    wrapper.__doc__ = f"{inspect.getdoc(fn) or ''}\n\nWith an expression as argument it makes a node of the graph."
    if signature is not None:
        wrapper.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return wrapper


def _signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError):
        # A few built-in functions have none.
        return None


def _structure(fn: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """How the arrays that `fn` returns are arranged."""
    leaves, tree = jax.tree.flatten(args)
    nodes = [leaf for leaf in leaves if isinstance(leaf, Placeholder)]

    def on_values(values: list[Any]) -> Any:
        rest = iter(values)
        return fn(
            *tree.unflatten([next(rest) if isinstance(leaf, Placeholder) else leaf for leaf in leaves]), **options
        )

    # What cannot be evaluated is reported by the node, which names its arguments.
    with contextlib.suppress(TypeError, ValueError):
        return jax.tree.structure(jax.eval_shape(on_values, [node.aval for node in nodes]))
    return _ONE_ARRAY
