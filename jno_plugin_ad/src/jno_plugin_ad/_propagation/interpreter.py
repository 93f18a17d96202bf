"""Evaluating a jaxpr on jets."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, final

import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array

from jno_plugin_ad._propagation.algebra import AbstractAlgebra, Jet


@final
class Interpreter(Generic[Jet]):
    """Carries jets through the equations of a jaxpr, each by the rule of its primitive.

    - `algebra`: how jets combine.
    - `rules`: by name of the primitive.
    - `fallbacks`: filled while it runs: primitives without a rule and how often each was met. Those are differentiated
      by nested `jax.jvp`, correct and slower.
    """

    def __init__(self, algebra: AbstractAlgebra[Jet], rules: "Mapping[str, Rule]") -> None:
        self.algebra = algebra
        self._rules = rules
        self.fallbacks: Counter[str] = Counter()

    def run(self, jaxpr: jex.Jaxpr, consts: Sequence[Array], inputs: Sequence[Jet]) -> list[Jet]:
        """The outputs of a jaxpr on jets of its inputs."""
        constants = map(self.algebra.constant, consts)
        known: dict[jex.Var, Jet] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

        def read(atom: jex.Var | jex.Literal) -> Jet:
            return self.algebra.constant(atom.val) if isinstance(atom, jex.Literal) else known[atom]

        for equation in jaxpr.eqns:
            outputs = self._equation(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: jex.JaxprEqn, operands: list[Jet]) -> list[Jet]:
        with equation.ctx.manager:
            if not any(self.algebra.varies(jet) for jet in operands):
                results = bind(equation, [self.algebra.value(jet) for jet in operands])
                return [self.algebra.constant(x) for x in results]
            rule = self._rules.get(equation.primitive.name, by_nested_jvp)
            return rule(self, equation, operands)


Rule: TypeAlias = Callable[[Interpreter[Any], jex.JaxprEqn, list[Any]], list[Any]]
"""From the interpreter, an equation and the jets of its operands, some of which vary, to the jets of its results."""


def bind(equation: jex.JaxprEqn, values: Sequence[Array]) -> Sequence[Array]:
    """The results of an equation, always as a sequence."""
    parameters = equation.primitive.get_bind_params(equation.params)
    # Before JAX 0.10 the functions that a primitive calls came apart from its other parameters.
    functions, parameters = parameters if isinstance(parameters, tuple) else ((), parameters)
    results = equation.primitive.bind(*functions, *values, **parameters)
    return results if equation.primitive.multiple_results else [results]


def is_smooth(variable: jex.Var) -> bool:
    """Whether the values of a variable can vary smoothly: not those of integers and truth values."""
    aval: Any = variable.aval
    return jnp.issubdtype(aval.dtype, jnp.inexact)


def by_nested_jvp(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: list[Any]) -> list[Any]:
    """The rule of every primitive that has none of its own."""
    algebra = interpreter.algebra
    interpreter.fallbacks[equation.primitive.name] += 1
    values = [algebra.value(jet) for jet in operands]
    # Operands that do not vary stay out of the differentiation: JAX may have no rule for them, as for indices.
    varying = [i for i, jet in enumerate(operands) if algebra.varies(jet)]
    smooth = [i for i, v in enumerate(equation.outvars) if is_smooth(v)]

    def fn(*moving: Array) -> Sequence[Array]:
        filled = list(values)
        for i, value in zip(varying, moving, strict=True):
            filled[i] = value
        outputs = bind(equation, filled)
        return [outputs[i] for i in smooth]

    results = [algebra.constant(x) for x in bind(equation, values)]
    for i, jet in zip(smooth, algebra.generic(fn, [operands[i] for i in varying]), strict=True):
        results[i] = jet
    return results
