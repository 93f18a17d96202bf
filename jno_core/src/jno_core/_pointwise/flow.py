"""Whether row i of a function's result depends on row i of its arguments only, decided on its jaxpr.

Batched differentiation, and evaluation of single rows, are right for such functions and silently wrong for others. The check
follows the axis of the points through every equation. It follows axes and never compares sizes, so a network as wide as
there are points does not confuse it. It errs on one side only: what it does not understand, it refuses.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax.extend.core as jex

from jno_core._pointwise.axis import (
    Obstacle,
    PointAxis,
    Position,
    followers,
    is_among,
    joined,
    line_of,
    mixing,
    shape_of,
)
from jno_core._pointwise.rules import RULES

_Flow: TypeAlias = Callable[[jex.JaxprEqn, list[Position]], list[Position]]


def obstacle_in(closed: jex.ClosedJaxpr) -> Obstacle | None:
    """`None` if row i of a traced function's results depends on row i of its arguments only, else what is in the way and where.

    All arguments count points in their leading axis; what the function closes over does not. A single point is never mixed
    with others.
    """
    inputs = closed.jaxpr.invars
    points = shape_of(inputs[0])[0]
    # Not by an inequality, which is undecided for the symbolic number of points of an exported function.
    if points in (0, 1):
        return None
    for position in _positions(closed.jaxpr, [PointAxis(0, points)] * len(inputs)):
        if isinstance(position, PointAxis) and (position.axis, position.outer) != (0, 1):
            return Obstacle(
                f"returns its points along axis {position.axis}, not as rows",
                "",
                "Give its result the shape (n, components).",
            )
        if isinstance(position, Obstacle):
            return position
    return None


def _positions(jaxpr: jex.Jaxpr, inputs: Sequence[Position]) -> list[Position]:
    """Where the points stand in the outputs of a jaxpr, given where they stand in its inputs."""
    known: dict[jex.Var, Position] = dict(zip(jaxpr.invars, inputs, strict=True))

    def position(atom: jex.Var | jex.Literal) -> Position:
        return None if isinstance(atom, jex.Literal) else known.get(atom)

    for eqn in jaxpr.eqns:
        operands = [position(atom) for atom in eqn.invars]
        if any(operand is not None for operand in operands):
            known.update(zip(eqn.outvars, _of_equation(eqn, operands), strict=True))
    return [position(atom) for atom in jaxpr.outvars]


def _of_equation(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    flow = _FLOWS.get(eqn.primitive.name)
    return [_of_result(eqn, operands)] * len(eqn.outvars) if flow is None else flow(eqn, operands)


def _of_result(eqn: jex.JaxprEqn, operands: list[Position]) -> Position:
    """One position for all results: the axis of each dependent operand must arrive at the same place."""
    if known := next((p for p in operands if isinstance(p, Obstacle)), None):
        return known
    rule = RULES.get(eqn.primitive.name)
    if rule is None:
        return mixing(eqn, "may mix the points in a primitive that the check does not know,")
    arrivals = {rule(eqn, i, p) for i, p in enumerate(operands) if isinstance(p, PointAxis)}
    return mixing(eqn) if None in arrivals or len(arrivals) > 1 else arrivals.pop()


def _body(closed: jex.ClosedJaxpr | jex.Jaxpr) -> jex.Jaxpr:
    return closed.jaxpr if isinstance(closed, jex.ClosedJaxpr) else closed


def _call(parameter: str) -> _Flow:
    def flow(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
        outputs = _positions(_body(eqn.params[parameter]), operands)
        return [p.called_from(line_of(eqn)) if isinstance(p, Obstacle) else p for p in outputs]

    return flow


def _barrier(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    del eqn
    return operands


def _custom_vjp(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    del operands
    reverse_only = Obstacle(
        "calls a function that has a derivative in reverse mode only",
        line_of(eqn),
        "Give that function a `jax.custom_jvp` rule.",
    )
    return [reverse_only] * len(eqn.outvars)


def _linear_solve(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    """What `jnp.linalg.solve` and `inv` are made of. The solution, and what its derivative multiplies it with."""
    lengths, jaxprs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    n_before = lengths.matvec + lengths.vecmat
    solve_consts, right = operands[n_before:][: lengths.solve], operands[sum(lengths) :]
    solution = _positions(_body(jaxprs.solve), solve_consts + right)
    product = _positions(_body(jaxprs.matvec), operands[: lengths.matvec] + solution)
    return [joined(eqn, *pair) for pair in zip(solution, product, strict=True)]


def _cond(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    index, *inputs = operands
    if index is not None:
        return [index] * len(eqn.outvars)
    results: list[Position] = [None] * len(eqn.outvars)
    for branch in eqn.params["branches"]:
        outputs = _positions(_body(branch), inputs)
        results = [joined(eqn, *pair) for pair in zip(results, outputs, strict=True)]
    return results


def _while(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    cond_consts, body_consts = operands[:n_cond], operands[n_cond:][:n_body]
    body, condition = _body(eqn.params["body_jaxpr"]), _body(eqn.params["cond_jaxpr"])
    carry = _settled(eqn, operands[n_cond + n_body :], lambda c: _positions(body, body_consts + c))
    (predicate,) = _positions(condition, cond_consts + carry)
    return carry if predicate is None else [predicate] * len(carry)


def _scan(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    body, n_consts, n_carry = _body(eqn.params["jaxpr"]), eqn.params["num_consts"], eqn.params["num_carry"]
    consts, carry, stacked = operands[:n_consts], operands[n_consts:][:n_carry], operands[n_consts + n_carry :]
    if any(isinstance(p, PointAxis) and p.axis == 0 for p in stacked):
        return _scan_over_points(eqn, operands)
    slices = [p.moved(-1) if isinstance(p, PointAxis) else p for p in stacked]
    carry = _settled(eqn, carry, lambda c: _positions(body, consts + c + slices)[:n_carry])
    outputs = _positions(body, consts + carry + slices)[n_carry:]
    return carry + [p.moved(1) if isinstance(p, PointAxis) else p for p in outputs]


def _settled(
    eqn: jex.JaxprEqn, carry: list[Position], step: Callable[[list[Position]], list[Position]]
) -> list[Position]:
    """The positions of a loop's carry that another step leaves as they are; each can change twice at most."""
    while True:
        following = [joined(eqn, *pair) for pair in zip(carry, step(carry), strict=True)]
        if following == carry:
            return carry
        carry = following


def _scan_over_points(eqn: jex.JaxprEqn, operands: list[Position]) -> list[Position]:
    """`jax.lax.map` over the points: step i may do anything with point i, and must pass nothing of it on."""
    body, n_carry, length = _body(eqn.params["jaxpr"]), eqn.params["num_carry"], eqn.params["length"]
    first = eqn.params["num_consts"] + n_carry
    refused: list[Position] = [mixing(eqn)] * len(eqn.outvars)
    if any(p not in (None, PointAxis(0, length)) for p in operands[first:]) or any(
        p is not None for p in operands[:first]
    ):
        return refused
    dependent = followers(body, (var for var, p in zip(body.invars, operands, strict=True) if p is not None))
    depends = [is_among(atom, dependent) for atom in body.outvars]
    return refused if any(depends[:n_carry]) else [PointAxis(0, length) if depend else None for depend in depends]


# Older versions of JAX call `jit` and `remat2` by the names `pjit` and `checkpoint`.
_FLOWS: dict[str, _Flow] = {
    "jit": _call("jaxpr"),
    "pjit": _call("jaxpr"),
    "composite": _call("jaxpr"),
    "closed_call": _call("call_jaxpr"),
    "remat2": _call("jaxpr"),
    "checkpoint": _call("jaxpr"),
    "custom_jvp_call": _call("call_jaxpr"),
    "custom_vjp_call": _custom_vjp,
    "custom_linear_solve": _linear_solve,
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "optimization_barrier": _barrier,
}
