"""`jno.numpy`: what its functions compute, against `jax.numpy`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
from jno_core._graph import Placeholder


def each(names, call, suffix=""):
    """One case per function name."""
    return {name + suffix: lambda n, *args, name=name: call(getattr(n, name), *args) for name in names.split()}


# Each case is a function of the namespace and of x, y, v, m, s.
CASES = {
    **each("sin cos tan arctan sinh cosh tanh arcsinh exp exp2 expm1 abs absolute square sign floor ceil rint trunc "
           "negative positive reciprocal cbrt isnan isfinite isinf logical_not conj real imag angle deg2rad rad2deg sinc "
           "i0 nan_to_num fabs signbit spacing transpose ravel flipud fliplr sort argsort cumsum cumprod diff sum mean std "
           "var median prod max min amax amin ptp argmax argmin any all nansum nanmean count_nonzero squeeze zeros_like "
           "ones_like atleast_3d iscomplex isreal matrix_transpose rot90", lambda f, x, y, v, m, s: f(v)),
    **each("log log1p log2 log10 sqrt arcsin arccos arctanh", lambda f, x, y, v, m, s: f(x)),
    **each("add subtract multiply divide true_divide floor_divide mod remainder fmod maximum minimum fmax fmin hypot "
           "arctan2 atan2 logaddexp logaddexp2 copysign nextafter heaviside greater greater_equal less less_equal equal "
           "not_equal logical_and logical_or logical_xor isclose float_power", lambda f, x, y, v, m, s: f(x, v), " of two"),
    **each("sum mean std var median prod max min any all argmax argmin nanmax nanmin ptp count_nonzero",
           lambda f, x, y, v, m, s: f(v, axis=-1, keepdims=True), " axis keepdims"),
    "power": lambda n, x, y, v, m, s: n.power(x, y) + n.power(x, 3) + n.power(2, x),
    "arccosh": lambda n, x, y, v, m, s: n.arccosh(1 + x),
    "sum over axes": lambda n, x, y, v, m, s: n.sum(v, axis=(0, 1)) + n.sum(v, 0),
    "sum where": lambda n, x, y, v, m, s: n.sum(v, axis=0, where=v > 0, initial=2.0),
    "max initial": lambda n, x, y, v, m, s: n.max(v, axis=1, initial=x[0, 0], where=v > 0),
    "average": lambda n, x, y, v, m, s: n.average(v, axis=1, weights=n.array([1.0, 2.0, 3.0])),
    "average weighted by an expression": lambda n, x, y, v, m, s: n.average(v, axis=0, weights=x[:, 0]),
    "var with ddof": lambda n, x, y, v, m, s: n.var(v, axis=0, ddof=1),
    "quantile": lambda n, x, y, v, m, s: n.quantile(v, 0.3, axis=0) + n.percentile(v, q=30, axis=0),
    "nanquantile": lambda n, x, y, v, m, s: n.nanquantile(v, n.array([0.2, 0.7])),
    "clip": lambda n, x, y, v, m, s: n.clip(v, -0.5, 1.0),
    "clip by keywords": lambda n, x, y, v, m, s: n.clip(v, min=-x, max=y),
    "clip above": lambda n, x, y, v, m, s: n.clip(v, max=y),
    "where": lambda n, x, y, v, m, s: n.where(v > x, v, 0.0),
    "select": lambda n, x, y, v, m, s: n.select([v > 1, v > 0], [v, 2 * v], default=-1.0),
    "piecewise": lambda n, x, y, v, m, s: n.piecewise(x, [x < 0.3, x >= 0.3], [jnp.sin, jnp.cos]),
    "interp": lambda n, x, y, v, m, s: n.interp(x, n.array([0.0, 0.5, 1.0]), n.array([1.0, 2.0, 0.0])),
    "round": lambda n, x, y, v, m, s: n.round(v, 1) + n.round(v, decimals=2) + n.around(v),
    "astype": lambda n, x, y, v, m, s: n.astype(v, jnp.int32),
    "complex": lambda n, x, y, v, m, s: n.abs(n.exp(1j * v)) + n.angle(n.conj(x + 1j * y)),
    "reshape": lambda n, x, y, v, m, s: n.reshape(v, (3, 5)) + n.reshape(v, (3, -1), order="F"),
    "expand_dims": lambda n, x, y, v, m, s: n.expand_dims(v, 1) + n.expand_dims(v, axis=(1,)),
    "squeeze": lambda n, x, y, v, m, s: n.squeeze(x, axis=1),
    "moveaxis": lambda n, x, y, v, m, s: n.moveaxis(n.expand_dims(v, 0), 0, -1),
    "swapaxes": lambda n, x, y, v, m, s: n.swapaxes(v, 0, 1),
    "transpose axes": lambda n, x, y, v, m, s: n.transpose(v, (1, 0)) + n.permute_dims(v, axes=(1, 0)),
    "stack": lambda n, x, y, v, m, s: n.stack([x, y, x * y], axis=0),
    "hstack": lambda n, x, y, v, m, s: n.hstack([x, v, y]),
    "vstack": lambda n, x, y, v, m, s: n.vstack((x, y)),
    "column_stack": lambda n, x, y, v, m, s: n.column_stack([x, v]),
    "block": lambda n, x, y, v, m, s: n.block([[m, s], [s, m]]),
    "array": lambda n, x, y, v, m, s: n.array([[x[0, 0], 1.0], [0.0, y[1, 0]]]),
    "append": lambda n, x, y, v, m, s: n.append(x, y, axis=1),
    "concat": lambda n, x, y, v, m, s: n.concat([x, v], axis=-1),
    "tile": lambda n, x, y, v, m, s: n.tile(x, (1, 3)),
    "repeat": lambda n, x, y, v, m, s: n.repeat(v, 2, axis=0) + n.repeat(v, repeats=2, axis=0),
    "roll": lambda n, x, y, v, m, s: n.roll(v, 1, axis=0) + n.roll(v, shift=(1, 2), axis=(0, 1)),
    "pad": lambda n, x, y, v, m, s: n.pad(v, [(0, 1), (2, 0)], mode="constant", constant_values=3.0),
    "take": lambda n, x, y, v, m, s: n.take(v, n.array([2, 0]), axis=1),
    "take_along_axis": lambda n, x, y, v, m, s: n.take_along_axis(v, n.argsort(v, axis=1), axis=1),
    "broadcast_to": lambda n, x, y, v, m, s: n.broadcast_to(x, (5, 4)),
    "flip": lambda n, x, y, v, m, s: n.flip(v, axis=1),
    "delete": lambda n, x, y, v, m, s: n.delete(v, 1, axis=1),
    "insert": lambda n, x, y, v, m, s: n.insert(v, 1, 0.5, axis=1),
    "tril": lambda n, x, y, v, m, s: n.tril(m) + n.triu(m, k=1),
    "diag": lambda n, x, y, v, m, s: n.diag(m) + n.diagonal(m) + n.trace(s),
    "diagflat": lambda n, x, y, v, m, s: n.diagflat(x),
    "full_like": lambda n, x, y, v, m, s: n.full_like(v, 2.5),
    "searchsorted": lambda n, x, y, v, m, s: n.searchsorted(n.array([0.0, 0.3, 0.6]), x),
    "digitize": lambda n, x, y, v, m, s: n.digitize(x, n.array([0.0, 0.3, 0.6])),
    "trapezoid": lambda n, x, y, v, m, s: n.trapezoid(v, axis=0) + n.trapezoid(v, x=x[:, 0], axis=0),
    "gradient": lambda n, x, y, v, m, s: n.gradient(v, 0.1, axis=0),
    "convolve": lambda n, x, y, v, m, s: n.convolve(x[:, 0], y[:, 0], mode="same"),
    "polyval": lambda n, x, y, v, m, s: n.polyval(n.array([1.0, 2.0, 3.0]), x),
    "vander": lambda n, x, y, v, m, s: n.vander(x[:, 0], 3),
    "cov": lambda n, x, y, v, m, s: n.cov(v, rowvar=False) + n.corrcoef(v.T),
    "dot": lambda n, x, y, v, m, s: n.dot(v, m) + n.matmul(v, m),
    "dot with an array": lambda n, x, y, v, m, s: n.dot(np.ones((2, 5), np.float32), v) + n.dot(jnp.ones((2, 5)), v),
    "vdot": lambda n, x, y, v, m, s: n.vdot(x, y) + n.inner(m, m)[0, 0],
    "outer": lambda n, x, y, v, m, s: n.outer(x, y) + n.kron(x, y.T),
    "cross": lambda n, x, y, v, m, s: n.cross(v, v * x[::-1]) + n.cross(v, n.roll(v, 1, axis=1), axis=-1),
    "tensordot": lambda n, x, y, v, m, s: n.tensordot(v, m, axes=[[1], [0]]) + n.tensordot(v, m, axes=1),
    "einsum": lambda n, x, y, v, m, s: n.einsum("ni,ij,nj->n", v, m, v),
    "einsum optimized": lambda n, x, y, v, m, s: n.einsum("ni,ij", v, s, optimize="optimal"),
    "vecdot": lambda n, x, y, v, m, s: n.vecdot(v, 2 * v),
    "norm": lambda n, x, y, v, m, s: n.linalg.norm(v, axis=-1, keepdims=True) + n.linalg.norm(v, ord=1, axis=1)[:, None],
    "matrix norm": lambda n, x, y, v, m, s: n.linalg.norm(m, "fro") + n.linalg.norm(m, ord=2) + n.linalg.norm(m),
    "inv": lambda n, x, y, v, m, s: n.linalg.inv(s) + n.linalg.pinv(m),
    "det": lambda n, x, y, v, m, s: n.linalg.det(m) + n.linalg.cond(s) + n.linalg.matrix_rank(s),
    "solve": lambda n, x, y, v, m, s: n.linalg.solve(s, v.T) + n.linalg.solve(s, b=v.T),
    "cholesky": lambda n, x, y, v, m, s: n.linalg.cholesky(s) + n.linalg.matrix_power(m, 3),
    "eigvalsh": lambda n, x, y, v, m, s: n.linalg.eigvalsh(s),
    "multi_dot": lambda n, x, y, v, m, s: n.linalg.multi_dot([v, m, s]),
    "eigh": lambda n, x, y, v, m, s: n.linalg.eigh(s).eigenvalues + n.linalg.eigh(s)[0],
    "svd": lambda n, x, y, v, m, s: n.linalg.svd(m, full_matrices=False).S + n.linalg.svd(m, compute_uv=False),
    "svd put together": lambda n, x, y, v, m, s: (lambda d: (d.U * d.S) @ d.Vh)(n.linalg.svd(v, full_matrices=False)),
    "qr": lambda n, x, y, v, m, s: (lambda d: d[0] @ d[1])(n.linalg.qr(m)) + n.abs(n.linalg.qr(m, mode="r")),
    "slogdet": lambda n, x, y, v, m, s: n.linalg.slogdet(s)[1] + n.linalg.slogdet(s).sign,
    "lstsq": lambda n, x, y, v, m, s: n.linalg.lstsq(v, x)[0],
    "split": lambda n, x, y, v, m, s: n.split(v, 3, axis=1)[2] - n.array_split(v, 2, axis=1)[1],
    "unstack": lambda n, x, y, v, m, s: n.unstack(v, axis=1)[1],
    "divmod": lambda n, x, y, v, m, s: n.divmod(v, x)[0] * x + n.divmod(v, x)[1],
    "modf": lambda n, x, y, v, m, s: n.modf(v)[0] + n.frexp(v)[0],
    "meshgrid": lambda n, x, y, v, m, s: n.meshgrid(x[:, 0], y[:, 0], indexing="ij")[1],
    "broadcast_arrays": lambda n, x, y, v, m, s: n.broadcast_arrays(x, v)[0],
    "gradient along all axes": lambda n, x, y, v, m, s: n.gradient(v)[1],
    "histogram": lambda n, x, y, v, m, s: n.histogram(v, bins=4, range=(-2, 2))[0],
    "average returned": lambda n, x, y, v, m, s: n.average(v, axis=0, returned=True)[1],
    "apply_along_axis": lambda n, x, y, v, m, s: n.apply_along_axis(jnp.sum, 1, v),
    "fft": lambda n, x, y, v, m, s: n.abs(n.fft.fft(v, axis=0)) + n.fft.ifft(n.fft.fft(v, axis=0), axis=0).real,
    "rfft": lambda n, x, y, v, m, s: n.abs(n.fft.rfft(v, n=8, axis=0)) + n.abs(n.fft.rfft(v, 8, 0, norm="backward")),
    "fftshift": lambda n, x, y, v, m, s: n.fft.fftshift(v, axes=0),
}  # fmt: skip


def test_values_in_the_graph_are_those_of_jax(problem):
    # All at once, because each compilation costs more than any computation here.
    nodes = {case: make(jno.np, *problem.nodes) for case, make in CASES.items()}
    assert all(isinstance(node, Placeholder) for node in nodes.values())
    values = problem.crux.eval(list(nodes.values()))
    expected = jax.jit(lambda arrays: [make(jnp, *arrays) for make in CASES.values()])(problem.arrays)
    for case, value, right in zip(CASES, values, expected, strict=True):
        aval = nodes[case].aval
        assert (aval.shape, aval.dtype) == (right.shape, right.dtype), case
        np.testing.assert_allclose(value[0], right, rtol=2e-5, atol=2e-6, err_msg=case)


@pytest.mark.parametrize(
    "case", ["sin", "hypot of two", "sum axis keepdims", "select", "stack", "einsum", "norm", "rfft"]
)
def test_arrays_stay_arrays(problem, case):
    value, expected = CASES[case](jno.np, *problem.arrays), CASES[case](jnp, *problem.arrays)
    assert isinstance(value, jax.Array)
    np.testing.assert_array_equal(value, expected)
