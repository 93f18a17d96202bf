"""The rule of each primitive that networks are made of.

Primitives are matched by name; one that is not listed anywhere goes the generic way.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array

from jno_plugin_ad._propagation import towers
from jno_plugin_ad._propagation.algebra import Axes
from jno_plugin_ad._propagation.interpreter import Interpreter, Rule, bind, by_nested_jvp, is_smooth


def linear(*positions: int) -> Rule:
    """A primitive that is linear in the operands at these positions together, in all of them if none is given.

    Should another operand vary, the primitive is differentiated the generic way.
    """

    def rule(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
        algebra = interpreter.algebra
        if not is_smooth(equation.outvars[0]):
            return _constant(interpreter, equation, operands)
        chosen = [i for i in range(len(operands)) if not positions or i in positions]
        if any(algebra.varies(jet) for i, jet in enumerate(operands) if i not in chosen):
            return by_nested_jvp(interpreter, equation, operands)
        values = [algebra.value(jet) for jet in operands]

        def fn(*arrays: Array) -> Sequence[Array]:
            filled = list(values)
            for i, array in zip(chosen, arrays, strict=True):
                filled[i] = array
            return bind(equation, filled)

        apart = () if positions else _axes_apart(equation)
        return algebra.linear(fn, [operands[i] for i in chosen], apart)

    return rule


def _axes_apart(equation: jex.JaxprEqn) -> Axes:
    """The axes along which a primitive takes each entry by itself and does not know how many there are."""
    axes, params = range(len(_shape(equation.invars[0]))), equation.params
    match equation.primitive.name:
        case "concatenate":
            return [axis for axis in axes if axis != params["dimension"]]
        case "reduce_sum":
            return [axis for axis in axes if axis not in params["axes"]]
        case name:
            return axes if name in _SHAPELESS else ()


def _select(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    return linear(*range(1, len(operands)))(interpreter, equation, operands)


def _bilinear(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    a, b = operands
    return [interpreter.algebra.bilinear(lambda x, y: bind(equation, (x, y))[0], a, b, _factors_apart(equation))]


def _factors_apart(equation: jex.JaxprEqn) -> tuple[Axes, Axes]:
    """The axes of each factor that a product takes entry by entry without a partner in the other factor."""
    shapes = [_shape(factor) for factor in equation.invars]
    if equation.primitive.name == "dot_general":
        (contracted, batched) = equation.params["dimension_numbers"]
        bound = [{*c, *b} for c, b in zip(contracted, batched, strict=True)]
    else:
        scalar = equation.primitive.name == "mul" and () in shapes
        bound = [set() if scalar else {*range(len(shape))} for shape in shapes]
    first, second = ([axis for axis in range(len(s)) if axis not in b] for s, b in zip(shapes, bound, strict=True))
    return first, second


def _elementwise(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    tower = towers.tower_of(lambda u: bind(equation, (u,))[0], equation.primitive.name, equation.params)
    return [interpreter.algebra.chain(tower, operands[0])]


def _constant(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    algebra = interpreter.algebra
    return [algebra.constant(x) for x in bind(equation, [algebra.value(jet) for jet in operands])]


def _sum_like(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Sums and differences: where one operand does not vary, the other's derivatives pass untouched."""
    algebra = interpreter.algebra
    a, b = operands
    result = bind(equation, (algebra.value(a), algebra.value(b)))[0]
    axes = range(result.ndim)
    if algebra.varies(a) and algebra.varies(b):
        same_rank = len(_shape(equation.invars[0])) == len(_shape(equation.invars[1]))
        return algebra.linear(lambda x, y: bind(equation, (x, y)), operands, axes if same_rank else ())
    moving, variable = (a, equation.invars[0]) if algebra.varies(a) else (b, equation.invars[1])
    negative = moving is b and equation.primitive.name == "sub"
    if _shape(variable) != result.shape:
        (passed,) = algebra.linear(lambda x: [jnp.broadcast_to(-x if negative else x, result.shape)], [moving])
    elif negative:
        (passed,) = algebra.linear(lambda x: [-x], [moving], axes)
    else:
        passed = moving
    return [passed._replace(value=result)]


def _quotient(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    algebra = interpreter.algebra
    a, b = operands
    if not algebra.varies(b):
        return algebra.linear(lambda x: bind(equation, (x, algebra.value(b))), [a])
    inverse = algebra.chain(towers.reciprocal, b)
    product = algebra.bilinear(jnp.multiply, a, inverse)
    return [product._replace(value=bind(equation, (algebra.value(a), algebra.value(b)))[0])]


def _power(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    algebra = interpreter.algebra
    base, exponent = operands
    if algebra.varies(exponent):
        return by_nested_jvp(interpreter, equation, operands)
    return [algebra.chain(towers.power(jnp.asarray(algebra.value(exponent))), base)]


def _extremum(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    """max and min: the derivatives of the operand that is taken, and the mean of both where they are equal."""
    algebra = interpreter.algebra
    x, y = (jnp.asarray(algebra.value(jet)) for jet in operands)
    first = x > y if equation.primitive.name == "max" else x < y
    weight = jnp.where(x == y, 0.5, first.astype(x.dtype)).astype(x.dtype)

    def mixture(*arrays: Array) -> Sequence[Array]:
        return [weight * arrays[0] + (1 - weight) * arrays[1]]

    (result,) = algebra.linear(mixture, operands)
    return [result._replace(value=bind(equation, (x, y))[0])]


def _inline(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    called = equation.params["jaxpr"]
    return interpreter.run(called.jaxpr, called.consts, operands)


def _rematerialised(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    """`jax.checkpoint`: what it forgets, the derivatives of it are forgotten with."""

    @jax.checkpoint
    def body(jets: list[Any]) -> list[Any]:
        return interpreter.run(equation.params["jaxpr"], (), jets)

    return body(operands)


def _custom(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    """A function with a derivative rule of its own keeps it, at every order; elementwise functions have towers."""
    algebra = interpreter.algebra
    varying = [i for i, jet in enumerate(operands) if algebra.varies(jet)]
    values = [algebra.value(jet) for jet in operands]
    body = equation.params["call_jaxpr"]
    if len(varying) != 1 or len(equation.outvars) != 1 or not _is_elementwise(body.jaxpr, values[varying[0]].shape):
        return by_nested_jvp(interpreter, equation, operands)
    (i,) = varying
    tower = towers.by_jvp(lambda u: bind(equation, [*values[:i], u, *values[i + 1 :]])[0])
    return [algebra.chain(tower, operands[i])]


def _is_elementwise(jaxpr: jex.Jaxpr, shape: tuple[int, ...]) -> bool:
    """Whether entry i of every result depends on entry i of the operands only."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name in ("jit", "pjit"):
            if not _is_elementwise(equation.params["jaxpr"].jaxpr, shape):
                return False
        elif name == "custom_jvp_call":
            if not _is_elementwise(equation.params["call_jaxpr"].jaxpr, shape):
                return False
        elif name == "broadcast_in_dim":
            if _shape(equation.invars[0]) not in ((), shape):
                return False
        elif name not in _ENTRYWISE:
            return False
    return all(_shape(v) == shape for v in jaxpr.outvars)


def _shape(atom: jex.Var | jex.Literal) -> tuple[int, ...]:
    aval: Any = atom.aval
    return aval.shape


_UNARY = """
    abs acos acosh asin asinh atan atanh bessel_i0e bessel_i1e cbrt cos cosh digamma erf erf_inv erfc exp exp2 expm1
    integer_pow lgamma log log1p logistic rsqrt sin sinh sqrt square tan tanh
"""
_FLAT = """
    and argmax argmin ceil eq eq_to floor ge gt is_finite le le_to lt lt_to ne not or round sign stop_gradient xor
"""
_LINEAR = """
    broadcast_in_dim concatenate conj convert_element_type copy copy_p cumsum device_put expand_dims fft imag neg pad
    real reduce_precision reduce_sum reduce_window_sum reshape rev slice split squeeze stack tile transpose unstack
    complex name sharding_constraint optimization_barrier
"""
_SHAPELESS = frozenset(
    (
        "conj",
        "convert_element_type",
        "copy",
        "copy_p",
        "imag",
        "neg",
        "real",
        "reduce_precision",
        "squeeze",
        "transpose",
    )
)
_ENTRYWISE = frozenset(
    f"{_UNARY} {_FLAT} add add_any atan2 clamp convert_element_type copy div max min mul neg pow rem select_n sub".split()
)

PRIMITIVES: dict[str, Rule] = {
    **dict.fromkeys(_UNARY.split(), _elementwise),
    **dict.fromkeys(_FLAT.split(), _constant),
    **dict.fromkeys(_LINEAR.split(), linear()),
    **dict.fromkeys(("mul", "dot_general", "conv_general_dilated"), _bilinear),
    **dict.fromkeys(("add", "add_any", "sub"), _sum_like),
    **dict.fromkeys(("max", "min"), _extremum),
    **dict.fromkeys(("dynamic_slice", "gather"), linear(0)),
    "dynamic_update_slice": linear(0, 1),
    "scatter-add": linear(0, 2),
    "select_n": _select,
    "div": _quotient,
    "pow": _power,
    "custom_jvp_call": _custom,
    **dict.fromkeys(("jit", "pjit", "composite"), _inline),
    **dict.fromkeys(("remat2", "checkpoint"), _rematerialised),
}
