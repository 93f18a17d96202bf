"""Why operands do not fit together or a function cannot be traced, in the user's words instead of JAX's."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jno_core._graph import walk
from jno_core._graph.placeholder import Placeholder
from jno_core.errors import JnoError, JnoTypeError, JnoValueError

_NEEDS_VALUES = (
    "it uses the values of its arguments in Python (`if`, float(...), a function of NumPy, a result whose shape depends on "
    "them), which are known only when it runs. Use jax.numpy, and jnp.where(condition, a, b) instead of `if`"
)
_WRONG_ARGUMENT = re.compile(r"The problematic value is of type <class '(?:.*\.)?(\w+)'>")


def check_operator(symbol: str, left: Placeholder, right: Placeholder) -> None:
    """Raises `JnoValueError`, naming both operands, when the shapes do not fit or would pair every point with every other."""
    a, b = left.aval.shape, right.aval.shape
    if symbol == "@":
        if not a or not b or a[-1] != b[-2:][0]:
            raise _misfit(symbol, left, right, "A @ B needs A's last axis to be as long as B's last but one; see .T")
        return
    if sorted((len(a), len(b))) == [1, 2]:
        vector, column = (a, b) if len(a) == 1 else (b, a)
        if vector[0] > 1 and column == (*vector, 1):
            n = vector[0]
            raise JnoValueError(
                f"{left!r} has shape {a} and {right!r} has shape {b}: {symbol!r} would broadcast them to ({n}, {n}), every "
                "point with every other. Keep the component axis: index with u[..., 0:1] instead of u[..., 0], or reshape "
                f"one of them to ({n}, 1)."
            )
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        raise _misfit(symbol, left, right, "Select components by u[..., 0:1], or use reshape") from None


def traced_shape(
    fn: Callable[[Any], Any], values: Any, operands: Sequence[Placeholder], text: Callable[[], str]
) -> Any:
    """What `fn` makes of abstract values, as shapes and dtypes. `operands` are the expressions that stand behind them.

    `text` writes the expression for a message; it is called only then, as writing costs more than building a node.

    Raises `JnoTypeError` or `JnoValueError` with the shapes of the operands and the reason; any other error of the user's
    own function passes with a note.
    """

    def checked(given: Any) -> Any:
        result = fn(given)
        for leaf in jax.tree.leaves(result):
            if not eqx.is_array_like(leaf):
                raise JnoTypeError(f"{text()} must return an array, got {type(leaf).__name__}.")
        return result

    def shapes() -> str:
        return f" ({', '.join(f'{node!r}: {node.aval.shape}' for node in operands)})" if operands else ""

    try:
        return jax.eval_shape(checked, values)
    except JnoError:
        raise
    except (TypeError, ValueError) as e:
        kind = JnoTypeError if isinstance(e, TypeError) else JnoValueError
        raise kind(f"{text()} does not work on its arguments{shapes()}: {reason(e)}.{across(operands)}") from e
    except Exception as e:
        e.add_note(f"while building {text()}{shapes()}")
        raise


def reason(error: Exception) -> str:
    """The first line of what went wrong in tracing, without JAX's internals and without a full stop."""
    if isinstance(error, jax.errors.JAXTypeError | jax.errors.JAXIndexError):
        return _NEEDS_VALUES
    text = str(error)
    wrong = _WRONG_ARGUMENT.search(text)
    if wrong is not None:
        return f"an argument of type {wrong.group(1)} stands where an array is needed"
    if text.startswith("vmap got inconsistent sizes"):
        return "they are at different numbers of points"
    text = text.replace("dot_general requires contracting dimensions", "a matrix product needs its contracted axes")
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def across(operands: Sequence[Placeholder]) -> str:
    """A sentence on what to do when the operands stand on point sets of different sizes; else nothing."""
    sets = walk.collocations(operands)
    if len({c.size for c in sets}) < 2:
        return ""
    names = " and ".join(f"{c.name!r} ({c.size} points)" for c in sets)
    return f" They stand on the point sets {names}: bring them to one, as in u(x_b, y_b)."


def _misfit(symbol: str, left: Placeholder, right: Placeholder, remedy: str) -> JnoValueError:
    return JnoValueError(
        f"{left!r} of shape {left.aval.shape} and {right!r} of shape {right.aval.shape} do not fit together in {symbol!r}."
        + (across((left, right)) or f" {remedy}.")
    )
