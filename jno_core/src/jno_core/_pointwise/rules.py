"""Where the axis of the points goes in each primitive.

A rule looks at one operand alone: given the equation, the operand's number and where the points stand in it, it returns
where they stand in the results, or `None` if the primitive works across them. Primitives are matched by name.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import jax.extend.core as jex

from jno_core._pointwise.axis import PointAxis, shape_of

Rule: TypeAlias = Callable[[jex.JaxprEqn, int, PointAxis], PointAxis | None]


def _shape(eqn: jex.JaxprEqn, i: int) -> tuple[int, ...]:
    return shape_of(eqn.invars[i])


def _elementwise(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    return p if len(_shape(eqn, i)) == len(shape_of(eqn.outvars[0])) else None


def _along(parameter: str) -> Rule:
    """A primitive that works along one axis, or several, and keeps every axis."""

    def rule(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
        del i
        axes = eqn.params[parameter]
        return None if p.axis in (axes if isinstance(axes, tuple) else (axes,)) else p

    return rule


def _dropping(parameter: str) -> Rule:
    """A primitive that removes the axes it works along."""

    def rule(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
        del i
        axes = eqn.params[parameter]
        return None if p.axis in axes else p.moved(-sum(axis < p.axis for axis in axes))

    return rule


def _broadcast_in_dim(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return p._replace(axis=int(eqn.params["broadcast_dimensions"][p.axis]))


def _transpose(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return p._replace(axis=eqn.params["permutation"].index(p.axis))


def _reshape(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    """In row-major order, `before` blocks of points follow each other; the axis that holds whole blocks keeps them."""
    if eqn.params["dimensions"] is not None:
        return None
    before, prefix = math.prod(_shape(eqn, i)[: p.axis]) * p.outer, 1
    for axis, size in enumerate(eqn.params["new_sizes"]):
        if prefix and before % prefix == 0 and size % (before // prefix * p.points) == 0:
            return p._replace(axis=axis, outer=before // prefix)
        prefix *= size
    return None


def _stack(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return p.moved(p.axis >= eqn.params["axis"])


def _unstack(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return None if p.axis == eqn.params["axis"] else p.moved(-(p.axis > eqn.params["axis"]))


def _tile(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return p if eqn.params["reps"][p.axis] == 1 else None


def _pad(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    return p if tuple(eqn.params["padding_config"][p.axis]) == (0, 0, 0) else None


def _slice(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    start, stop = eqn.params["start_indices"][p.axis], eqn.params["limit_indices"][p.axis]
    strides = eqn.params["strides"]
    whole = (start, stop) == (0, _shape(eqn, i)[p.axis]) and (strides is None or strides[p.axis] == 1)
    return p if whole else None


def _dynamic_slice(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    return p if eqn.params["slice_sizes"][p.axis] == _shape(eqn, i)[p.axis] else None


def _dynamic_update_slice(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    return p if _shape(eqn, i)[p.axis] == _shape(eqn, 0)[p.axis] == _shape(eqn, 1)[p.axis] else None


def _dot_general(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    contracting, batch = eqn.params["dimension_numbers"]
    if p.axis in contracting[i]:
        return None
    if p.axis in batch[i]:
        return p._replace(axis=batch[i].index(p.axis))

    def free(k: int) -> list[int]:
        return [axis for axis in range(len(_shape(eqn, k))) if axis not in (*contracting[k], *batch[k])]

    before = len(batch[0]) + (len(free(0)) if i == 1 else 0)
    return p._replace(axis=before + free(i).index(p.axis))


def _convolution(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    numbers = eqn.params["dimension_numbers"]
    if i != 0 or p.axis != numbers.lhs_spec[0] or eqn.params["batch_group_count"] != 1:
        return None
    return p._replace(axis=numbers.out_spec[0])


def _window(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    del i
    parameters = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    still = all(eqn.params[name][p.axis] == 1 for name in parameters) and tuple(eqn.params["padding"][p.axis]) == (0, 0)
    return p if still else None


def _fft(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    return p if p.axis < len(_shape(eqn, i)) - len(eqn.params["fft_lengths"]) else None


def _matrix(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    """Linear algebra on the last two axes."""
    return p if p.axis < len(_shape(eqn, i)) - 2 else None


def _gather(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    numbers = eqn.params["dimension_numbers"]
    paired = numbers.start_indices_batching_dims
    rows = [axis for axis in range(len(shape_of(eqn.outvars[0]))) if axis not in numbers.offset_dims]
    if i == 1:
        return p._replace(axis=rows[p.axis]) if p.axis < len(rows) else None
    if p.axis in numbers.operand_batching_dims:
        return p._replace(axis=rows[paired[numbers.operand_batching_dims.index(p.axis)]])
    if p.axis in numbers.start_index_map or eqn.params["slice_sizes"][p.axis] != _shape(eqn, 0)[p.axis]:
        return None
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [axis for axis in range(len(_shape(eqn, 0))) if axis not in dropped]
    return p._replace(axis=numbers.offset_dims[kept.index(p.axis)])


def _scatter(eqn: jex.JaxprEqn, i: int, p: PointAxis) -> PointAxis | None:
    numbers = eqn.params["dimension_numbers"]
    batching, paired = numbers.operand_batching_dims, numbers.scatter_indices_batching_dims
    if i == 0:
        return None if p.axis in numbers.scatter_dims_to_operand_dims else p
    if i == 2 and p.axis in numbers.update_window_dims:
        dropped = (*numbers.inserted_window_dims, *batching)
        kept = [axis for axis in range(len(_shape(eqn, 0))) if axis not in dropped]
        axis = kept[numbers.update_window_dims.index(p.axis)]
        whole = axis not in numbers.scatter_dims_to_operand_dims and _shape(eqn, 2)[p.axis] == _shape(eqn, 0)[axis]
        return p._replace(axis=axis) if whole else None
    rows = [axis for axis in range(len(_shape(eqn, 2))) if axis not in numbers.update_window_dims]
    row = rows.index(p.axis) if i == 2 else p.axis
    return p._replace(axis=batching[paired.index(row)]) if row in paired else None


_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e bitcast_convert_type cbrt ceil
    clamp clz complex conj convert_element_type copy copy_p cos cosh device_put digamma div eq eq_to erf erf_inv
    erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log
    log1p logistic lt lt_to max min mul name ne neg nextafter not or polygamma population_count pow real
    reduce_precision regularized_incomplete_beta rem round rsqrt select_n sharding_constraint shift_left
    shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh threefry2x32 xor
    zeros_like zeta
"""

_REDUCTIONS = "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor"

ELEMENTWISE = frozenset(_ELEMENTWISE.split())
"""Primitives that compute entry by entry."""

RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS.split(), _dropping("axes")),
    "reduce": _dropping("dimensions"),
    **dict.fromkeys(("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "split", "top_k"), _along("axis")),
    **dict.fromkeys(("concatenate", "sort"), _along("dimension")),
    "rev": _along("dimensions"),
    "broadcast_in_dim": _broadcast_in_dim,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "fft": _fft,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "slice": _slice,
    "stack": _stack,
    "squeeze": _dropping("dimensions"),
    "tile": _tile,
    "transpose": _transpose,
    "unstack": _unstack,
    **dict.fromkeys(("cholesky", "eigh", "lu", "svd", "triangular_solve"), _matrix),
    **dict.fromkeys(("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum"), _window),
    **dict.fromkeys(("scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"), _scatter),
}
