"""Rules of `scan`, `while` and `cond`: jets take the place of values in the carry."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend.core as jex

from jno_plugin_ad._propagation.algebra import AbstractAlgebra
from jno_plugin_ad._propagation.interpreter import Interpreter, Rule

Jets = list[Any]


def _scan(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: Jets) -> Jets:
    params, body = equation.params, equation.params["jaxpr"]
    n_consts, n_carry = params["num_consts"], params["num_carry"]
    consts, carry, slices = operands[:n_consts], operands[n_consts:][:n_carry], operands[n_consts + n_carry :]
    # What is the same along the axis of the steps is cut along it all the same.
    slices = [interpreter.algebra.linear(lambda x: [x], [jet])[0] for jet in slices]

    def step(carry: Jets, row: Jets) -> tuple[Jets, Jets]:
        results = interpreter.run(body.jaxpr, body.consts, [*consts, *carry, *row])
        return results[:n_carry], results[n_carry:]

    def first(carry: Jets, slices: Jets) -> Jets:
        return step(carry, jax.tree.map(lambda x: x[0], slices))[0]

    carry = _settled(interpreter, carry, lambda c: first(c, slices))
    moving = [interpreter.algebra.varies(jet) for jet in carry]

    def uniform(carry: Jets, row: Jets) -> tuple[Jets, Jets]:
        following, output = step(carry, row)
        return _filled(interpreter.algebra, following, moving), output

    last, stacked = jax.lax.scan(
        uniform, carry, slices, length=params["length"], reverse=params["reverse"], unroll=params["unroll"]
    )
    return [*last, *stacked]


def _while(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: Jets) -> Jets:
    params, algebra = equation.params, interpreter.algebra
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    cond_consts, body_consts = operands[:n_cond], operands[n_cond:][:n_body]
    body, condition = params["body_jaxpr"], params["cond_jaxpr"]

    def step(carry: Jets) -> Jets:
        return interpreter.run(body.jaxpr, body.consts, [*body_consts, *carry])

    def goes_on(carry: Jets) -> Any:
        plain = [algebra.constant(algebra.value(jet)) for jet in (*cond_consts, *carry)]
        return algebra.value(interpreter.run(condition.jaxpr, condition.consts, plain)[0])

    carry = _settled(interpreter, operands[n_cond + n_body :], step)
    moving = [algebra.varies(jet) for jet in carry]
    return jax.lax.while_loop(goes_on, lambda c: _filled(algebra, step(c), moving), carry)


def _cond(interpreter: Interpreter[Any], equation: jex.JaxprEqn, operands: Jets) -> Jets:
    algebra = interpreter.algebra
    index, *inputs = operands
    branches = [_branch(interpreter, closed) for closed in equation.params["branches"]]
    moving = [False] * len(equation.outvars)
    for branch in branches:
        moving = [a or b for a, b in zip(moving, _varying(interpreter, branch, inputs), strict=True)]
    uniform = [lambda jets, b=branch: _filled(algebra, b(jets), moving) for branch in branches]
    return jax.lax.switch(algebra.value(index), uniform, inputs)


def _branch(interpreter: Interpreter[Any], closed: jex.ClosedJaxpr) -> Callable[[Jets], Jets]:
    return lambda jets: interpreter.run(closed.jaxpr, closed.consts, jets)


def _settled(interpreter: Interpreter[Any], carry: Jets, step: Callable[[Jets], Jets]) -> Jets:
    """The carry with zero derivatives filled in wherever some later step has derivatives."""
    while True:
        before = [interpreter.algebra.varies(jet) for jet in carry]
        after = _varying(interpreter, step, carry)
        moving = [a or b for a, b in zip(before, after, strict=True)]
        carry = _filled(interpreter.algebra, carry, moving)
        if moving == before:
            return carry


def _varying(interpreter: Interpreter[Any], fn: Callable[[Jets], Jets], inputs: Jets) -> list[bool]:
    """Which results of `fn` vary; nothing is computed."""
    return [interpreter.algebra.varies(jet) for jet in jax.eval_shape(fn, inputs)]


def _filled(algebra: AbstractAlgebra[Any], jets: Sequence[Any], moving: Sequence[bool]) -> Jets:
    return [algebra.filled(jet) if moves else jet for jet, moves in zip(jets, moving, strict=True)]


LOOPS: dict[str, Rule] = {"scan": _scan, "while": _while, "cond": _cond}
