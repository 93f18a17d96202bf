"""Nodes that apply a function to other nodes: literals, binary operators, indexing, any JAX function."""

import dataclasses
import inspect
import numbers
from collections.abc import Callable, Hashable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from jno_core._graph import misfit
from jno_core._graph.calculus import Parameterised
from jno_core._graph.placeholder import Placeholder
from jno_core.errors import JnoIndexError, JnoTypeError

OPERATORS: dict[str, Callable[..., Any]] = {
    "+": jnp.add,
    "-": jnp.subtract,
    "*": jnp.multiply,
    "/": jnp.divide,
    "**": jnp.power,
    "//": jnp.floor_divide,
    "%": jnp.remainder,
    "@": jnp.matmul,
    ">": jnp.greater,
    ">=": jnp.greater_equal,
    "<": jnp.less,
    "<=": jnp.less_equal,
    "==": jnp.equal,
    "!=": jnp.not_equal,
}


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Literal(Placeholder):
    """A constant: a Python number (which adapts to the other operand's dtype) or an array."""

    value: Any

    def children(self) -> tuple[Placeholder, ...]:
        return ()

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        del children
        return self

    def key(self) -> Hashable:
        return _structure(self.value)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        return jax.eval_shape(lambda: jnp.asarray(self.value))


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BinaryOp(Placeholder):
    """An operator between two expressions. `op` is its Python symbol, or `==`, `!=` for elementwise comparison."""

    op: str
    left: Placeholder
    right: Placeholder

    def children(self) -> tuple[Placeholder, ...]:
        return self.left, self.right

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, left=children[0], right=children[1])

    def key(self) -> Hashable:
        return self.op

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        misfit.check_operator(self.op, self.left, self.right)
        return _abstract(
            OPERATORS[self.op], (self.left, self.right), {}, lambda: f"{self.left!r} {self.op} {self.right!r}"
        )


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Index(Placeholder):
    """Part of an expression: integers, slices, `None` and `...`, as NumPy indexes one instance."""

    target: Placeholder
    index: Any

    def children(self) -> tuple[Placeholder, ...]:
        return (self.target,)

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, target=children[0])

    def key(self) -> Hashable:
        return repr(self.index)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        # NumPy checks bounds where JAX clamps; a broadcast zero has the shape without the memory.
        stand_in = np.broadcast_to(np.zeros((), self.target.aval.dtype), self.target.aval.shape)
        try:
            return jax.ShapeDtypeStruct(stand_in[self.index].shape, self.target.aval.dtype)
        except IndexError as e:
            raise JnoIndexError(f"{self.target!r} has shape {self.target.aval.shape} per instance: {e}.") from e


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FunctionCall(Placeholder):
    """Any JAX function of expressions. Arguments that are not expressions are passed as they are.

    If `fn` has a parameter called `key`, it receives the key of the current step (`None` in `eval` without a key).
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    function_name: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    reduces_axis: int | None = None

    def children(self) -> tuple[Placeholder, ...]:
        return tuple(node for arg in self.args for node in _nodes_of(arg))

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, args=self.fill(children))

    def key(self) -> Hashable:
        return _structure((self.fn, self.args, self.options))

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        options = dict(self.options)
        if self.takes_key:
            options["key"] = None
        value = _abstract(
            self.fn, self.args, options, lambda: f"{self.display_name}({', '.join(map(repr, self.args))})"
        )
        if not isinstance(value, jax.ShapeDtypeStruct):
            raise JnoTypeError(f"{self.display_name} must return one array, got {type(value).__name__}.")
        return value

    def fill(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """`args` with its nodes replaced, in the order of `children()`."""
        return _fill(self.args, iter(values))

    @property
    def display_name(self) -> str:
        """The name in printed trees."""
        return self.function_name or getattr(self.fn, "__name__", type(self.fn).__name__)

    @property
    def takes_key(self) -> bool:
        """Whether `fn` asks for the key of the step."""
        return "key" in _parameters(self.fn) and "key" not in dict(self.options)


def as_node(value: Any) -> Placeholder:
    """`value` as an expression: itself, or a literal of a number or array.

    Raises `JnoTypeError` for anything else, naming it.
    """
    if isinstance(value, Placeholder):
        return value
    if isinstance(value, Parameterised):
        raise JnoTypeError(f"{value!r} is a network, not an expression. Call it on coordinates first: net(x, y).")
    if isinstance(value, bool | int | float | complex) and not isinstance(value, np.generic):
        return Literal(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array) and (
        jnp.issubdtype(value.dtype, jnp.number) or value.dtype == bool
    ):
        return Literal(owned(value))
    raise JnoTypeError(
        f"{value!r} of type {type(value).__name__} cannot be part of an expression. Expected an expression, a number or "
        "an array."
    )


def owned(value: Any) -> Any:
    """`value` with its lists and NumPy arrays copied, so that a node does not change with what the caller holds."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(owned(item) for item in value)
    return value


def binary(symbol: str, left: Any, right: Any) -> Placeholder:
    """The node `left symbol right`."""
    return BinaryOp(symbol, as_node(left), as_node(right))


def index(target: Placeholder, key: Any) -> Placeholder:
    """The node `target[key]`."""
    key = tuple(map(_python_integer, key)) if isinstance(key, tuple) else _python_integer(key)
    if target.selects_instance and isinstance(key, int) and not isinstance(key, bool):
        if key not in (0, -1):
            raise JnoIndexError(
                f"A bare integer on the parameter Jacobian {target!r} selects the instance, and an expression is one "
                f"instance, so only [0] is possible, got [{key}]. Rows are selected by a slice: J[{key}:{key + 1}]."
            )
        return target
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if isinstance(part, bool) or not (part is None or part is Ellipsis or isinstance(part, int | slice)):
            raise JnoTypeError(
                f"Expressions are indexed by integers, slices, None and ..., got {part!r}. Components are u[..., 0:1]; a "
                "choice by condition is jno.numpy.where(condition, a, b)."
            )
    return Index(target, key)


def call(fn: Callable[..., Any], args: Any, name: str = "", reduces_axis: int | None = None) -> Placeholder:
    """A node that applies `fn` to `args`; the arity is checked at once."""
    if not callable(fn):
        raise JnoTypeError(f"function(fn, args) needs a callable, as in jno.fn(jnp.sinc, [u]); got {fn!r}.")
    if isinstance(args, Placeholder):
        args = (args,)
    if not isinstance(args, tuple | list):
        raise JnoTypeError(f"function(fn, args) takes its arguments in a list, as in jno.fn(f, [u, v]); got {args!r}.")
    try:
        inspect.signature(fn).bind(*args, **({"key": None} if "key" in _parameters(fn) else {}))
    except TypeError as e:
        label = name or getattr(fn, "__name__", repr(fn))
        raise JnoTypeError(
            f"{label} cannot be called with {len(args)} arguments: {e}. List one per parameter: jno.fn(f, [u, v])."
        ) from e
    except ValueError:
        # Built-in callables have no signature; the abstract evaluation below still checks them.
        pass
    return FunctionCall(fn, owned(tuple(args)), name, reduces_axis=reduces_axis)


def _abstract(fn: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], text: Callable[[], str]) -> Any:
    nodes = [node for arg in args for node in _nodes_of(arg)]
    # A Python number adapts its dtype to the other operand, which its abstract value cannot express.
    known = [node.value if isinstance(node, Literal) else node.aval for node in nodes]
    abstract = [v for v in known if isinstance(v, jax.ShapeDtypeStruct)]

    def on_values(values: list[Any]) -> Any:
        rest = iter(values)
        return fn(
            *_fill(args, iter([next(rest) if isinstance(v, jax.ShapeDtypeStruct) else v for v in known])), **options
        )

    return misfit.traced_shape(on_values, abstract, nodes, text)


def _python_integer(part: Any) -> Any:
    return int(part) if isinstance(part, np.integer) else part


def _nodes_of(arg: Any) -> list[Placeholder]:
    if isinstance(arg, Placeholder):
        return [arg]
    if isinstance(arg, tuple | list):
        return [node for item in arg for node in _nodes_of(item)]
    return []


def _fill(arg: Any, values: Any) -> Any:
    if isinstance(arg, Placeholder):
        return next(values)
    if isinstance(arg, tuple | list) and _nodes_of(arg):
        return type(arg)(_fill(item, values) for item in arg)
    return arg


def _structure(arg: Any) -> Hashable:
    if isinstance(arg, Placeholder):
        return "node"
    if isinstance(arg, tuple | list):
        return tuple(_structure(item) for item in arg)
    if isinstance(arg, slice):
        return repr(arg)
    if isinstance(arg, numbers.Number):
        # Equality does not tell 0.0 from -0.0, and a NaN is not equal to itself.
        return type(arg), repr(arg)
    try:
        hash(arg)
    except TypeError:
        # Arrays, and whatever holds them; the node keeps them alive.
        return id(arg)
    return type(arg), arg


def _parameters(fn: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return ()
