"""Does row i of a function's result depend on row i of its arguments only?

Batched differentiation, evaluation in chunks and evaluation point by point are correct for such pointwise functions alone. The
answer is read off the function's jaxpr: for every intermediate value the axis that counts points is followed through each
primitive, so that a layer width that happens to equal the number of points cannot confuse it. A primitive without a rule that
meets point-dependent operands counts as mixing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

from jno_core._custom_types import PyTree


class Mixed(NamedTuple):
    """The label of a value in which points have met, and where."""

    reason: str


Label = int | Mixed | None
"""The axis that counts points, `None` for values that do not depend on points."""

Rule = Callable[[Any, list[Label]], list[Label]]


def mixing(fn: Callable[..., PyTree], *arguments: PyTree) -> str | None:
    """`None` if `fn` is pointwise in the leading axis of all its array arguments, else what mixes the points.

    `fn` is traced abstractly, never evaluated. All arrays in `arguments` count points in their leading axis.
    """
    closed = jax.make_jaxpr(fn)(*arguments)
    labels = _trace(closed.jaxpr, [None] * len(closed.jaxpr.constvars), [0] * len(closed.jaxpr.invars))
    for label in labels:
        if isinstance(label, Mixed):
            return label.reason
        if label not in (0, None):
            return f"the points end up in axis {label} of the result instead of the first"
    return None


def _trace(jaxpr: Any, constants: Sequence[Label], inputs: Sequence[Label]) -> list[Label]:
    known: dict[Any, Label] = dict(zip(jaxpr.constvars, constants, strict=True))
    known |= dict(zip(jaxpr.invars, inputs, strict=True))

    def label(atom: Any) -> Label:
        return None if isinstance(atom, core.Literal) else known[atom]

    for eqn in jaxpr.eqns:
        operands = [label(atom) for atom in eqn.invars]
        if all(operand is None for operand in operands):
            results: list[Label] = [None] * len(eqn.outvars)
        elif (mixed := next((o for o in operands if isinstance(o, Mixed)), None)) is not None:
            results = [mixed] * len(eqn.outvars)
        else:
            results = _apply(eqn, operands)
        known |= dict(zip(eqn.outvars, results, strict=True))
    return [label(atom) for atom in jaxpr.outvars]


def _apply(eqn: Any, operands: list[Label]) -> list[Label]:
    name = eqn.primitive.name
    if name in _RULES:
        return _RULES[name](eqn, operands)
    if name in _ELEMENTWISE:
        return _elementwise(eqn, operands)
    for parameter in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = eqn.params.get(parameter)
        if isinstance(inner, core.ClosedJaxpr | core.Jaxpr):
            body = inner.jaxpr if isinstance(inner, core.ClosedJaxpr) else inner
            if len(body.invars) == len(operands) and len(body.outvars) == len(eqn.outvars):
                return _trace(body, [None] * len(body.constvars), operands)
    return _mixed(eqn)


def _mixed(eqn: Any) -> list[Label]:
    return [Mixed(f"the operation {eqn.primitive.name!r} combines different points")] * len(eqn.outvars)


def _join(a: Label, b: Label) -> Label:
    if a is None or a == b:
        return b
    if b is None or isinstance(a, Mixed):
        return a
    if isinstance(b, Mixed):
        return b
    return Mixed("two values with points in different axes are combined")


def _elementwise(eqn: Any, operands: list[Label]) -> list[Label]:
    joined: Label = None
    for operand in operands:
        joined = _join(joined, operand)
    return [joined] * len(eqn.outvars)


def _single(place: Callable[[Any, int], int | None]) -> Rule:
    """A rule for primitives with one array operand: `place(eqn, axis)` is the axis in the result, `None` if points mix."""

    def rule(eqn: Any, operands: list[Label]) -> list[Label]:
        axis = operands[0]
        if not isinstance(axis, int) or any(o is not None for o in operands[1:]):
            return _mixed(eqn)
        found = place(eqn, axis)
        return _mixed(eqn) if found is None else [found] * len(eqn.outvars)

    return rule


def _shape(eqn: Any, i: int = 0) -> tuple[int, ...]:
    return eqn.invars[i].aval.shape


def _reshape(eqn: Any, axis: int) -> int | None:
    old, new = _shape(eqn), eqn.outvars[0].aval.shape
    before, product = 1, 1
    for size in old[:axis]:
        before *= size
    for place, size in enumerate(new):
        if product == before and size == old[axis]:
            return place
        product *= size
    return None


def _reduced(eqn: Any, axis: int) -> int | None:
    axes = eqn.params["axes"]
    return None if axis in axes else axis - sum(a < axis for a in axes)


def _whole_slice(eqn: Any, axis: int) -> int | None:
    p, size = eqn.params, _shape(eqn)[axis]
    whole = p["start_indices"][axis] == 0 and p["limit_indices"][axis] == size
    return axis if whole and (p["strides"] is None or p["strides"][axis] == 1) else None


def _dot_general(eqn: Any, operands: list[Label]) -> list[Label]:
    contracted, batch = eqn.params["dimension_numbers"]
    places: list[int] = []
    offset = len(batch[0])
    for side in (0, 1):
        axis = operands[side]
        free = [a for a in range(len(_shape(eqn, side))) if a not in contracted[side] and a not in batch[side]]
        if isinstance(axis, int):
            if axis in contracted[side]:
                return _mixed(eqn)
            places.append(batch[side].index(axis) if axis in batch[side] else offset + free.index(axis))
        offset += len(free) if side == 0 else 0
    return [places[0]] if len(set(places)) == 1 else _mixed(eqn)


def _concatenate(eqn: Any, operands: list[Label]) -> list[Label]:
    joined = _elementwise(eqn, operands)
    return _mixed(eqn) if joined[0] == eqn.params["dimension"] else joined


def _sort(eqn: Any, operands: list[Label]) -> list[Label]:
    joined = _elementwise(eqn, operands)
    return _mixed(eqn) if joined[0] == eqn.params["dimension"] else joined


def _gather(eqn: Any, operands: list[Label]) -> list[Label]:
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    operand, indices = operands[0], operands[1]
    result_rank = len(eqn.outvars[0].aval.shape)
    outer = [a for a in range(result_rank) if a not in numbers.offset_dims]
    if operand is None and isinstance(indices, int) and indices < len(_shape(eqn, 1)) - 1:
        return [outer[indices]]
    if isinstance(operand, int) and indices is None:
        removed = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        if operand in removed or operand in numbers.start_index_map or sizes[operand] != _shape(eqn)[operand]:
            return _mixed(eqn)
        return [numbers.offset_dims[operand - sum(a < operand for a in removed)]]
    if isinstance(operand, int) and isinstance(indices, int) and operand in numbers.operand_batching_dims:
        place = numbers.operand_batching_dims.index(operand)
        if numbers.start_indices_batching_dims[place] == indices:
            return [outer[indices]]
    return _mixed(eqn)


def _convolution(eqn: Any, operands: list[Label]) -> list[Label]:
    numbers = eqn.params["dimension_numbers"]
    if operands[1] is not None or operands[0] != numbers.lhs_spec[0] or eqn.params["batch_group_count"] != 1:
        return _mixed(eqn)
    return [numbers.out_spec[0]]


def _cond(eqn: Any, operands: list[Label]) -> list[Label]:
    if operands[0] is not None:
        return _mixed(eqn)
    joined: list[Label] = [None] * len(eqn.outvars)
    for branch in eqn.params["branches"]:
        labels = _trace(branch.jaxpr, [None] * len(branch.jaxpr.constvars), operands[1:])
        joined = [_join(a, b) for a, b in zip(joined, labels, strict=True)]
    return joined


def _scan(eqn: Any, operands: list[Label]) -> list[Label]:
    consts, carries = eqn.params["num_consts"], eqn.params["num_carry"]
    body = eqn.params["jaxpr"].jaxpr
    if any(label == 0 for label in operands[consts + carries :]):
        return _mixed(eqn)
    inner = [label - 1 if isinstance(label, int) else label for label in operands[consts + carries :]]
    carry = list(operands[consts : consts + carries])
    while True:
        out = _trace(body, [None] * len(body.constvars), [*operands[:consts], *carry, *inner])
        joined = [_join(a, b) for a, b in zip(carry, out[:carries], strict=True)]
        if joined == carry:
            return [*carry, *(label + 1 if isinstance(label, int) else label for label in out[carries:])]
        carry = joined


def _while(eqn: Any, operands: list[Label]) -> list[Label]:
    head, tail = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    body, condition = eqn.params["body_jaxpr"].jaxpr, eqn.params["cond_jaxpr"].jaxpr
    carry = list(operands[head + tail :])
    while True:
        out = _trace(body, [None] * len(body.constvars), [*operands[head : head + tail], *carry])
        joined = [_join(a, b) for a, b in zip(carry, out, strict=True)]
        if joined == carry:
            break
        carry = joined
    [stop] = _trace(condition, [None] * len(condition.constvars), [*operands[:head], *carry])
    return _mixed(eqn) if stop is not None else carry


def _unless_in(parameter: str) -> Rule:
    return _single(lambda eqn, axis: None if axis == eqn.params[parameter] % len(_shape(eqn)) else axis)


_ELEMENTWISE = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "add",
        "add_any",
        "and",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bessel_i0e",
        "bessel_i1e",
        "cbrt",
        "ceil",
        "clamp",
        "complex",
        "conj",
        "convert_element_type",
        "copy",
        "copy_p",
        "cos",
        "cosh",
        "digamma",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "igamma",
        "igammac",
        "imag",
        "integer_pow",
        "is_finite",
        "le",
        "lgamma",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "polygamma",
        "pow",
        "real",
        "reduce_precision",
        "regularized_incomplete_beta",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
        "zeta",
    ]
)

_BATCHED_MATRICES = ("cholesky", "eigh", "lu", "qr", "svd", "householder_product")

_RULES: dict[str, Rule] = {
    "broadcast_in_dim": _single(lambda eqn, axis: eqn.params["broadcast_dimensions"][axis]),
    "concatenate": _concatenate,
    "cond": _cond,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "dynamic_slice": _single(lambda eqn, axis: axis if eqn.params["slice_sizes"][axis] == _shape(eqn)[axis] else None),
    "fft": _single(lambda eqn, axis: axis if axis < len(_shape(eqn)) - len(eqn.params["fft_lengths"]) else None),
    "gather": _gather,
    "pad": _single(lambda eqn, axis: axis if eqn.params["padding_config"][axis] == (0, 0, 0) else None),
    "reshape": _single(_reshape),
    "rev": _single(lambda eqn, axis: None if axis in eqn.params["dimensions"] else axis),
    "scan": _scan,
    "slice": _single(_whole_slice),
    "sort": _sort,
    "split": _unless_in("axis"),
    "squeeze": _single(
        lambda eqn, axis: (
            None if axis in eqn.params["dimensions"] else axis - sum(a < axis for a in eqn.params["dimensions"])
        )
    ),
    "top_k": _single(lambda eqn, axis: axis if axis < len(_shape(eqn)) - 1 else None),
    "transpose": _single(lambda eqn, axis: eqn.params["permutation"].index(axis)),
    "while": _while,
    **{f"reduce_{kind}": _single(_reduced) for kind in ("sum", "max", "min", "prod", "and", "or")},
    **{kind: _single(_reduced) for kind in ("argmax", "argmin")},
    **{kind: _unless_in("axis") for kind in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")},
    **{kind: _single(lambda eqn, axis: axis if axis < len(_shape(eqn)) - 2 else None) for kind in _BATCHED_MATRICES},
}
