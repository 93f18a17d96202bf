"""NumPy for expressions: every function of `jax.numpy`, traced when an argument is an expression.

`jno.numpy.sin(u)` is a node of the graph when `u` is an expression, and `jax.numpy.sin(u)` when it is a number or array. The
wrappers are made from `jax.numpy` when they are asked for, with its signatures and documentation; `jno.numpy.linalg` and
`jno.numpy.fft` likewise. Besides them there are the differential operators, `parameter`, `tracker` and `function`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as _jnp

from jno._tracing import TracedNamespace as _TracedNamespace, has_node as _has_node, traced as _traced
from jno_core._graph import (
    FunctionCall as _FunctionCall,
    Placeholder,
    Tracker,
    as_node as _as_node,
    call as _call,
    differentiate as _differentiate,
    parameter as parameter,
)
from jno_core.errors import JnoTypeError as _JnoTypeError, JnoValueError as _JnoValueError

pi = _jnp.pi
π = pi
linalg = _TracedNamespace("linalg")
fft = _TracedNamespace("fft")
norm = linalg.norm
inverse = linalg.inv


def grad(target: Any, variable: Any, scheme: Any = None, params: Any = None) -> Any:
    """The first derivative in one coordinate, or with a list of coordinates the gradient `(N, k)`, `(N, C, k)`.

    Raises `JnoValueError` for an empty list.
    """
    if isinstance(variable, list | tuple):
        return _differentiate(_expression(target), "gradient", tuple(variable), scheme, params)
    return _differentiate(_expression(target), "partial", (variable,), scheme, params)


def jacobian(target: Any, variables: Any, scheme: Any = None, params: Any = None) -> Any:
    """The first derivatives in several coordinates: `(N, k)` of a scalar field, `(N, C, k)` of a vector field."""
    return _differentiate(_expression(target), "gradient", _listed(variables), scheme, params)


def laplacian(target: Any, variables: Any = None, scheme: Any = None, params: Any = None) -> Any:
    """The sum of second derivatives over the variables (all space coordinates by default), per component."""
    return _differentiate(_expression(target), "laplacian", _listed(variables), scheme, params)


laplace = laplacian


def hessian(target: Any, variables: Any, scheme: Any = None, params: Any = None) -> Any:
    """The matrix of second derivatives: `(N, k, k)` of a scalar field, `(N, C, k, k)` of a vector field."""
    return _differentiate(_expression(target), "hessian", _listed(variables), scheme, params)


def divergence(fields: Sequence[Any], variables: Sequence[Any], scheme: Any = None, params: Any = None) -> Any:
    """The sum of the derivatives of the i-th field in the i-th variable, `(N, 1)`. `params`: a list, one for each field.

    Raises `JnoValueError` unless there are as many fields as variables.
    """
    if not (isinstance(fields, list | tuple) and isinstance(variables, list | tuple)):
        raise _JnoTypeError(
            "divergence takes a list of fields and a list of variables, as in divergence([u, v], [x, y]); the components of a "
            f"vector field are w[..., 0:1], w[..., 1:2]. Got {fields!r} and {variables!r}."
        )
    if len(fields) != len(variables) or not fields:
        raise _JnoValueError(
            f"divergence needs one field per variable, got {len(fields)} fields, {len(variables)} variables: "
            "divergence([u, v], [x, y])."
        )
    given = _for_each(params, len(fields))
    total = grad(fields[0], variables[0], scheme, given[0])
    for field, variable, own in zip(fields[1:], variables[1:], given[1:], strict=True):
        total = total + grad(field, variable, scheme, own)
    return total


div = divergence


def curl_2d(fx: Any, fy: Any, x: Any, y: Any, scheme: Any = None, params: Any = None) -> Any:
    """The scalar curl `dFy/dx - dFx/dy` of a plane field, `(N, 1)`. `params`: of the two derivatives, as written."""
    given = _for_each(params, 2)
    return grad(fy, x, scheme, given[0]) - grad(fx, y, scheme, given[1])


def curl_3d(fx: Any, fy: Any, fz: Any, x: Any, y: Any, z: Any, scheme: Any = None, params: Any = None) -> Any:
    """The curl of a field in space, `(N, 3)`. `params`: of the six derivatives, in the order `dFz/dy, dFy/dz, dFx/dz, ...`."""
    parts = ((fz, y), (fy, z), (fx, z), (fz, x), (fy, x), (fx, y))
    given = _for_each(params, len(parts))
    d = [grad(field, variable, scheme, own) for (field, variable), own in zip(parts, given, strict=True)]
    return concat([d[0] - d[1], d[2] - d[3], d[4] - d[5]])


def symgrad(target: Any, variables: Any, scheme: Any = None, params: Any = None) -> Any:
    """The symmetric part of the Jacobian of a vector field with as many components as variables, `(N, k, k)`."""
    j = jacobian(target, variables, scheme, params)
    return _FunctionCall(_symmetric_part, (j,), "symgrad")


def integrate(target: Any, var: Any = None, *, order: int | None = None) -> Any:
    """The integral of a scalar field over its region, for each point of `var`, or over the time `var`; see `u.integrate`."""
    return _expression(target).integrate(var, order=order)


def biharmonic(target: Any, variables: Any = None, scheme: Any = None) -> Any:
    """The Laplacian of the Laplacian over the variables (all space coordinates by default), per component."""
    return laplacian(laplacian(target, variables, scheme), variables, scheme)


def function(fn: Callable[..., Any], args: Any = (), name: str = "", reduces_axis: int | None = None) -> Any:
    """Any JAX function of expressions as an expression; it sees the arrays of one instance.

    Arguments that are not expressions are passed as they are. A parameter called `key` receives the key of the step.

    Raises `JnoTypeError` when `fn` is no callable or takes another number of arguments.
    """
    return _call(fn, args, name, reduces_axis)


def tracker(expr: Any, interval: int = 1, reduce: Callable[[Any], Any] | None = None) -> Any:
    """`expr` recorded every `interval` epochs and never trained on; pass it to `jno.core` beside the constraints."""
    return Tracker(expr, interval, reduce)


def concat(items: Sequence[Any], axis: int = -1) -> Any:
    """Join expressions along the last axis: fields `(N, C)` and `(N, D)` give `(N, C + D)`.

    Scalars become `(1,)`, vectors `(N,)` become `(N, 1)`, ranks are aligned by leading axes of length 1, and those are
    repeated. Arrays alone are joined in the same way, or along any other axis as by `jax.numpy.concatenate`.

    Raises `JnoValueError` when expressions are joined along another axis, where the first would be that of the points; for
    no items; and for lengths that do not fit.
    """
    if isinstance(items, Placeholder):
        raise _JnoTypeError(f"concat takes a list of expressions, as in concat([u, v]); got {items!r} alone.")
    if not len(items):
        raise _JnoValueError("concat needs at least one expression.")
    if not _has_node(items):
        return _join_last(tuple(items)) if axis == -1 else _jnp.concatenate(items, axis)
    if axis != -1:
        raise _JnoValueError(f"concat joins expressions along the last axis, axis=-1; got axis={axis}.")
    return _FunctionCall(_join_last, (tuple(_as_node(item) for item in items),), "concat")


concatenate = concat


def _for_each(params: Any, count: int) -> Sequence[Any]:
    """Parameters for each of several derivatives."""
    if params is None:
        return (None,) * count
    if not isinstance(params, list | tuple) or len(params) != count:
        raise _JnoValueError(f"params takes a list with an entry for each of the {count} derivatives, got {params!r}.")
    return params


def _join_last(items: tuple[Any, ...]) -> Any:
    arrays = [_jnp.asarray(item) for item in items]
    arrays = [a[..., None] if a.ndim < 2 else a for a in arrays]
    rank = max(a.ndim for a in arrays)
    arrays = [a.reshape((1,) * (rank - a.ndim) + a.shape) for a in arrays]
    leading = _jnp.broadcast_shapes(*(a.shape[:-1] for a in arrays))
    return _jnp.concatenate([_jnp.broadcast_to(a, (*leading, a.shape[-1])) for a in arrays], axis=-1)


def _symmetric_part(j: Any) -> Any:
    return (j + _jnp.swapaxes(j, -1, -2)) / 2


def _listed(variables: Any) -> tuple[Any, ...]:
    if variables is None:
        return ()
    return tuple(variables) if isinstance(variables, list | tuple) else (variables,)


def _expression(target: Any) -> Placeholder:
    if not isinstance(target, Placeholder):
        raise _JnoTypeError(f"Only an expression can be differentiated, got {target!r}.")
    return target


def __getattr__(name: str) -> Any:
    return _traced("jax.numpy", name, "jno.numpy")


def __dir__() -> list[str]:
    return sorted({*(n for n in globals() if not n.startswith("_")), *(n for n in dir(_jnp) if not n.startswith("_"))})
