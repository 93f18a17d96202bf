"""When two equations of a jaxpr compute the same thing: hashable keys that are equal only if they do.

Keys err on one side. Whatever cannot be compared is keyed by its own identity, so that at worst two equal equations
are not recognised; they are never taken for equal when they are not.
"""

from collections.abc import Hashable, Sequence
from typing import Any, final

import jax
import jax.core
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np

# Calls of custom_jvp and custom_vjp functions are compared by their values and by this many orders of their rules. A
# rule usually calls its own function again, so the comparison must end somewhere; a loss whose equations were merged is
# differentiated once by a first-order optimizer and twice by a second-order one.
RULE_ORDERS = 3
_CUSTOM_DERIVATIVES = frozenset({"custom_jvp_call", "custom_vjp_call"})
# Above this size, reading a constant costs more than evaluating its users twice.
_LARGEST_CONSTANT = 4096


@final
class _Identity:
    """Equal to nothing but a key of the same object; holds the object, so that its address is not used again."""

    __slots__ = ("_value",)

    def __init__(self, value: Any):
        self._value = value

    def __hash__(self) -> int:
        return id(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self._value is other._value


def apply_equation(equation: jex.JaxprEqn, parent: jex.Jaxpr, operands: Sequence[Any]) -> list[Any]:
    """Bind one equation of `parent` to the values of its `distinct_variables`, and return its outputs."""
    alone = parent.replace(
        constvars=[], invars=distinct_variables(equation), outvars=list(equation.outvars), eqns=[equation]
    )
    return jax.core.eval_jaxpr(alone, (), *operands)


def distinct_variables(equation: jex.JaxprEqn) -> list[jex.Var]:
    """The variables that an equation reads, each once, in the order of their first use."""
    return list(dict.fromkeys(atom for atom in equation.invars if not isinstance(atom, jex.Literal)))


def literal_key(literal: jex.Literal) -> Hashable:
    """Literals are equal if type (weak types too) and bits are: 0.0 differs from -0.0, and a NaN equals itself."""
    return literal.aval, np.asarray(literal.val).tobytes()


def constant_key(value: Any) -> Hashable:
    """Small constants of the host are compared by their bits; arrays on devices and tracers by identity."""
    if isinstance(value, jax.Array) or np.size(value) > _LARGEST_CONSTANT or not _is_numeric(value):
        return _Identity(value)
    host = np.asarray(value)
    return jax.typeof(value), host.tobytes()


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "biufc"


def parameters_key(equation: jex.JaxprEqn, parent: jex.Jaxpr, orders: int = RULE_ORDERS) -> Hashable:
    """The key of an equation's parameters: everything but its primitive, its inputs and its context.

    Sub-jaxprs (of `scan`, `while`, `cond`, `remat`, ...) are compared by structure. A call of a function with
    derivative rules of its own is compared by the function and by the rules, each as a jaxpr.

    **Arguments:**

    - `equation`: an equation of `parent`.
    - `orders`: to which order of differentiation the rules of custom derivatives are compared.
    """
    params = equation.params
    if equation.primitive.name not in _CUSTOM_DERIVATIVES:
        return _freeze(params, orders)
    called = _freeze(params["call_jaxpr"], orders)
    return called, params["num_consts"], params["symbolic_zeros"], _rule_key(equation, parent, orders)


def _rule_key(equation: jex.JaxprEqn, parent: jex.Jaxpr, orders: int) -> Hashable:
    moving = [_is_differentiable(v.aval) for v in distinct_variables(equation)]
    if orders == 0 or not any(moving):
        return ()
    rule = next(equation.params[name] for name in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk") if name in equation.params)
    # With symbolic zeros the rule depends on which inputs vary, which a single trace cannot show.
    if equation.params["symbolic_zeros"]:
        return _Identity(rule)
    try:
        traced = _trace_rule(equation, parent, moving)
    except Exception:  # noqa: BLE001 -- the rule is foreign code; one that refuses to be traced is like no other.
        return _Identity(rule)
    # An effect in the rule happens once for each call, and merging the calls would lose some.
    return _Identity(rule) if traced.effects else _freeze(traced, orders - 1)


def _trace_rule(equation: jex.JaxprEqn, parent: jex.Jaxpr, moving: list[bool]) -> jex.ClosedJaxpr:
    """The derivative of one equation as a jaxpr: its JVP, or for a `custom_vjp` function its VJP."""

    def derivative(operands, outer):
        def primal(*varying):
            remaining = iter(varying)
            return apply_equation(
                equation, parent, [next(remaining) if m else x for m, x in zip(moving, operands, strict=True)]
            )

        varying = [x for m, x in zip(moving, operands, strict=True) if m]
        if equation.primitive.name == "custom_jvp_call":
            return jax.jvp(primal, varying, outer)
        outputs, pull = jax.vjp(primal, *varying)
        fixed = [np.zeros(y.shape, jax.dtypes.float0) for y in outputs]
        cotangents = iter(outer)
        return outputs, pull(
            [next(cotangents) if _is_differentiable(y) else z for y, z in zip(outputs, fixed, strict=True)]
        )

    inputs = [v.aval for v in distinct_variables(equation)]
    forward = equation.primitive.name == "custom_jvp_call"
    outer = inputs if forward else [v.aval for v in equation.outvars]
    return jax.make_jaxpr(derivative)(
        [_struct(a) for a in inputs], [_struct(a) for a in outer if _is_differentiable(a)]
    )


def _struct(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _is_differentiable(aval: Any) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.inexact)


def _jaxpr_key(jaxpr: jex.Jaxpr, orders: int) -> Hashable:
    """Equal for jaxprs that differ in the names of their variables only."""
    numbers = {variable: i for i, variable in enumerate([*jaxpr.constvars, *jaxpr.invars])}
    inputs = tuple(v.aval for v in numbers)

    def read(atom):
        return literal_key(atom) if isinstance(atom, jex.Literal) else numbers[atom]

    equations = []
    for equation in jaxpr.eqns:
        operands = tuple(read(atom) for atom in equation.invars)
        parameters = parameters_key(equation, jaxpr, orders)
        equations.append((equation.primitive, equation.ctx, operands, parameters))
        for variable in equation.outvars:
            numbers[variable] = len(numbers)
    return len(jaxpr.constvars), inputs, tuple(equations), tuple(read(atom) for atom in jaxpr.outvars)


def _freeze(value: Any, orders: int) -> Hashable:
    """A hashable stand-in for a parameter. Types are kept, because 1 == 1.0 == True."""
    if isinstance(value, jex.ClosedJaxpr):
        return _jaxpr_key(value.jaxpr, orders), tuple(constant_key(c) for c in value.consts)
    if isinstance(value, jex.Jaxpr):
        return _jaxpr_key(value, orders)
    if isinstance(value, tuple | list):
        return type(value), tuple(_freeze(x, orders) for x in value)
    if isinstance(value, dict):
        return type(value), frozenset((_freeze(k, orders), _freeze(x, orders)) for k, x in value.items())
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return constant_key(value)
    if isinstance(value, float | complex):
        return type(value), repr(value)
    try:
        hash(value)
    except TypeError:
        return _Identity(value)
    return type(value), value
