"""Functions that may be applied to any of the points, in any number."""

from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core as jex

from jno_core._custom_types import PRNGKey
from jno_core._pointwise.axis import PointAxis, is_among, shape_of
from jno_core._pointwise.flow import obstacle_in
from jno_core._pointwise.rules import RULES


def rowwise(fn: Callable[..., Any], *arguments: Any, key: PRNGKey | None = None) -> jex.ClosedJaxpr | None:
    """The jaxpr of `fn` if some rows of `arguments` give those rows of the result, whichever and however many they are.

    All arrays in `arguments` (PyTrees) count points in their leading axis. `None` if a row of a result depends on other rows,
    or on how many there are, or meets a constant with a row of its own; and if `fn` cannot be traced at another number of
    rows. The jaxpr is at one row more than the arguments have.

    - `key`: closed over by `fn`, which shall get another each time. What is drawn from it for each row belongs to that row;
      what is drawn from any other key is a constant with a row of its own.
    """
    leaves, structure = jax.tree.flatten(arguments)
    # With another number of rows than there are points, constants that have one row for each point do not fit.
    rows = leaves[0].shape[0] + 1
    abstract = [jax.ShapeDtypeStruct((rows, *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
    try:
        closed = jax.make_jaxpr(lambda *inputs: fn(*jax.tree.unflatten(structure, inputs)))(*abstract)
    except Exception:  # noqa: BLE001 -- foreign code that cannot do with other rows; on all of them it may be right.
        return None
    keys = {var for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True) if const is key}
    return closed if obstacle_in(closed) is None and _alike(closed.jaxpr, keys, rows) else None


def _alike(jaxpr: jex.Jaxpr, keys: set[jex.Var], rows: int) -> bool:
    """Whether all rows are treated alike: no result lacks the rows, and none is made with numbers of rows (`arange(n)`).

    What does not depend on the points may repeat one value for each row, or be drawn for each from one of these keys. Rules
    for dependent values tell which primitives keep it so.
    """
    repeated = _repeated(jaxpr, set(jaxpr.invars), keys, rows)
    return repeated and all(shape_of(atom)[:1] == (rows,) for atom in jaxpr.outvars)


def _repeated(jaxpr: jex.Jaxpr, dependent: set[jex.Var], keys: set[jex.Var], rows: int) -> bool:
    """Whether every value that does not depend on the points is the same along each axis of this length, or drawn for it."""
    dependent, drawn = set(dependent), set(keys)
    for equation in jaxpr.eqns:
        if any(is_among(atom, dependent) for atom in equation.invars):
            dependent.update(equation.outvars)
            continue
        if any(rows in shape_of(out) for out in equation.outvars) and not _repeats(equation, drawn, rows):
            return False
        if any(is_among(atom, drawn) for atom in equation.invars):
            drawn.update(equation.outvars)
    return True


def _repeats(equation: jex.JaxprEqn, drawn: set[jex.Var], rows: int) -> bool:
    """Whether an equation whose operands repeat one value along each axis of this length has results that do so too.

    - `drawn`: keys that are new each time, and what was made of them.
    """
    name = equation.primitive.name
    if name == "broadcast_in_dim":
        return True
    if name == "random_bits":
        return is_among(equation.invars[0], drawn)
    if name in ("jit", "pjit"):
        called = equation.params["jaxpr"].jaxpr
        inner = {var for var, x in zip(called.invars, equation.invars, strict=True) if is_among(x, drawn)}
        return _repeated(called, set(), inner, rows)
    rule = RULES.get(name)
    long = [(i, k) for i, x in enumerate(equation.invars) for k, size in enumerate(shape_of(x)) if size == rows]
    return rule is not None and bool(long) and all(rule(equation, i, PointAxis(k, rows)) is not None for i, k in long)
