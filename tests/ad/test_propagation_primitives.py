"""Every primitive that has a rule, and many that have none, against nested `jax.jvp` to fourth order."""

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.scipy import special

from jno_plugin_ad._propagation import LOOPS, PRIMITIVES

pytestmark = pytest.mark.usefixtures("unoptimised")

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(2, 3)) / 2
W = RNG.normal(size=(3, 3)) / 2
KERNEL = RNG.normal(size=(2, 1, 2))
POINTS = RNG.uniform(-1, 1, (4, 2))
PICK = np.array([2, 0, 2], np.int32)


def like(p, constant):
    """A constant in the precision of `p`: JAX's caches take a NumPy array in float64 for the same in both precisions."""
    return jnp.asarray(constant, p.dtype)


def lifted(p):
    """Three positive features of two coordinates, with derivatives of every order."""
    return jnp.exp(p @ like(p, MIX))


def steps(flat):
    """A function that is flat, made visible as a factor."""
    return lambda h: h * flat(h).astype(h.dtype)


def spectrum(h):
    return jnp.fft.fft(h, axis=1)


def parts(z):
    return jnp.concatenate([jnp.real(z), jnp.imag(z)], axis=1)


def row_conv(h, kernel):
    return lax.conv_general_dilated(h[:, None], kernel, (1,), "SAME")[:, 0]


def paired(h):
    """Symmetric positive definite matrices, one for each row."""
    return 3 * jnp.eye(3, dtype=h.dtype) + h[:, :, None] * h[:, None, :]


def comparison(name):
    primitive = getattr(jex.primitives, f"{name}_p")
    return steps(lambda h: primitive.bind(h, h[:, ::-1]))


@jax.custom_jvp
def softplus(h):
    return jnp.log1p(jnp.exp(h))


softplus.defjvps(lambda tangent, result, h: tangent * jax.nn.sigmoid(h))


def on_the_device(h):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jnp.sin(lax.with_sharding_constraint(h, sharding))


ELEMENTWISE = {
    "abs": lambda h: jnp.abs(h - 1),
    "acos": lambda h: jnp.arccos(h / 4),
    "acosh": lambda h: jnp.arccosh(h + 1.5),
    "asin": lambda h: jnp.arcsin(h / 4),
    "asinh": jnp.arcsinh,
    "atan": jnp.arctan,
    "atanh": lambda h: jnp.arctanh(h / 4),
    "bessel_i0e": special.i0e,
    "bessel_i1e": special.i1e,
    "cbrt": jnp.cbrt,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "digamma": lambda h: special.digamma(h + 1),
    "erf": special.erf,
    "erf_inv": lambda h: special.erfinv(h / 4),
    "erfc": special.erfc,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "integer_pow": lambda h: jnp.concatenate([h**3, h**2, h**-2, h**7 / 9], axis=1),
    "lgamma": lambda h: special.gammaln(h + 1),
    "log": jnp.log,
    "log1p": jnp.log1p,
    "logistic": jax.nn.sigmoid,
    "rsqrt": lax.rsqrt,
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "tan": lambda h: jnp.tan(h / 4),
    "tanh": jnp.tanh,
}
FLAT = {
    "and": steps(lambda h: (h > 0.8) & (h < 1.2)),
    "argmax": steps(lambda h: jnp.argmax(h, axis=1, keepdims=True)),
    "argmin": steps(lambda h: jnp.argmin(h, axis=1, keepdims=True)),
    "ceil": steps(jnp.ceil),
    "eq": steps(lambda h: h == h[:, ::-1]),
    "eq_to": comparison("eq_to"),
    "floor": steps(jnp.floor),
    "ge": steps(lambda h: h >= 1),
    "gt": steps(lambda h: h > 1),
    "is_finite": steps(jnp.isfinite),
    "le": steps(lambda h: h <= 1),
    "le_to": comparison("le_to"),
    "lt": steps(lambda h: h < 1),
    "lt_to": comparison("lt_to"),
    "ne": steps(lambda h: h != h[:, ::-1]),
    "not": steps(lambda h: ~(h > 1)),
    "or": steps(lambda h: (h > 1.2) | (h < 0.8)),
    "round": steps(jnp.round),
    "sign": steps(lambda h: jnp.sign(h - 1)),
    "stop_gradient": steps(lax.stop_gradient),
    "xor": steps(lambda h: (h > 0.9) ^ (h < 1.1)),
}
LINEAR = {
    "broadcast_in_dim": lambda h: jnp.broadcast_to(h[:, :1], (len(h), 2)),
    "complex": lambda h: parts(lax.complex(h, h**2)),
    "concatenate": lambda h: jnp.concatenate([h, jnp.ones_like(h), jnp.sin(h)], axis=1),
    "conj": lambda h: parts(jnp.conj(spectrum(h)) * spectrum(h)[:, ::-1]),
    "convert_element_type": lambda h: (h.astype(complex) ** 2).real.astype(h.dtype),
    "copy": lambda h: jnp.sin(jnp.array(h, copy=True)),
    "cumsum": lambda h: jnp.cumsum(h, axis=1),
    "device_put": lambda h: jnp.sin(jax.device_put(h)),
    "dynamic_slice": lambda h: lax.dynamic_slice(h, (0, jnp.asarray(1)), (len(h), 2)),
    "dynamic_update_slice": lambda h: lax.dynamic_update_slice(h, jnp.sin(h[:, :1]), (0, jnp.asarray(1))),
    "dynamic_update_slice of a constant": lambda h: lax.dynamic_update_slice(h, jnp.ones_like(h[:, :1]), (0, 1)),
    "fft": lambda h: parts(jnp.fft.rfft(h, axis=1)),
    "fft and back": lambda h: jnp.fft.irfft(jnp.fft.rfft(h, axis=1) ** 2, n=3, axis=1),
    "gather": lambda h: h[:, PICK],
    "imag": lambda h: jnp.imag(spectrum(h) ** 2),
    "name": lambda h: checkpoint_name(h, "h"),
    "neg": jnp.negative,
    "optimization_barrier": lax.optimization_barrier,
    "pad": lambda h: lax.pad(h, jnp.zeros((), h.dtype), ((0, 0, 0), (1, 2, 1))),
    "real": lambda h: jnp.real(spectrum(h) ** 2),
    "reduce_precision": lambda h: lax.reduce_precision(h, 11, 52),
    "reduce_sum": lambda h: jnp.sum(h, axis=1, keepdims=True),
    "reduce_window_sum": lambda h: lax.reduce_window(h, 0.0, lax.add, (1, 2), (1, 1), "SAME"),
    "reshape": lambda h: jnp.reshape(h, (len(h), 1, 3)),
    "rev": lambda h: jnp.flip(h, axis=1),
    "scatter-add": lambda h: h.at[:, PICK].add(jnp.sin(h)),
    "scatter-add to a constant": lambda h: jnp.ones_like(h).at[:, PICK].add(h),
    "select_n": lambda h: jnp.where(h > 1, jnp.sin(h), h),
    "select_n of a constant": lambda h: jnp.where(h > 1, 2.0, h),
    "select_n of three": lambda h: lax.select_n((h > 1).astype(int) + (h > 0.8), h, jnp.sin(h), h * h),
    "sharding_constraint": on_the_device,
    "slice": lambda h: h[:, 1:],
    "split": lambda h: jnp.split(h, 3, axis=1)[1] * h,
    "squeeze": lambda h: jnp.squeeze(h[:, :1], axis=1),
    "stack": lambda h: jnp.stack([h, jnp.sin(h), jnp.ones_like(h)], axis=1),
    "tile": lambda h: jnp.tile(h, (1, 2)),
    "transpose": lambda h: jnp.transpose(paired(h), (0, 2, 1))[:, 0],
    "unstack": lambda h: jnp.stack(jnp.unstack(h, axis=1)[::-1], axis=1),
}
PRODUCTS = {
    "add": lambda h: h + jnp.sin(h),
    "add of a constant": lambda h: (2.0 + h) + jnp.arange(3.0),
    "add of a single number": lambda h: jnp.sum(h, axis=1, keepdims=True)[:, 0] + 1.0,
    "add_any": lambda h: jax.jvp(lambda x: x * x, (h,), (jnp.sin(h),))[1],
    "conv_general_dilated": lambda h: row_conv(h, like(h, KERNEL.transpose(2, 1, 0)[:1])),
    "conv_general_dilated of both": lambda h: jax.vmap(lambda r: row_conv(r[None], r[None, None])[0])(h),
    "div": lambda h: jnp.sin(h) / h,
    "div by a constant": lambda h: h / (1 + jnp.arange(3.0)),
    "div of a constant": lambda h: 2.0 / h,
    "dot_general": lambda h: h @ like(h, W),
    "dot_general of both": lambda h: jnp.einsum("nij,nj->ni", paired(h), jnp.sin(h)),
    "max": lambda h: jnp.maximum(h, jnp.sin(2 * h)),
    "max of a constant": lambda h: jnp.maximum(h, 1.0),
    "min": lambda h: jnp.minimum(h, jnp.sin(2 * h)),
    "min of a constant": lambda h: jnp.minimum(1.0, h**2),
    "mul": lambda h: jnp.sin(h) * h,
    "mul by a constant": lambda h: 3 * h * jnp.arange(3.0),
    "pow": lambda h: h**1.7,
    "pow of both": lambda h: h ** jnp.sin(h),
    "pow to rows": lambda h: h ** jnp.array([0.5, 2.0, -1.0]),
    "pow with a varying exponent": lambda h: 1.5**h,
    "sub": lambda h: h - jnp.sin(h),
    "sub from a constant": lambda h: 2.0 - h,
    "sub of a constant": lambda h: h - 1.0,
}
CALLS = {
    "cond": lambda h: lax.cond(jnp.asarray(True), jnp.sin, lambda x: x * x, h),
    "custom_jvp_call": softplus,
    "custom_jvp_call of a network's activation": lambda h: jax.nn.relu(h - 1) * h,
    "jit": jax.jit(lambda h: jnp.tanh(h) * h),
    "remat2": jax.checkpoint(lambda h: jnp.sin(h) * h),
    "scan": lambda h: lax.scan(lambda c, w: (jnp.tanh(c @ w), None), h, like(h, np.stack([W, W.T])))[0],
    "while": lambda h: lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, jnp.sin(s[1])), (0, h))[1],
}
WITHOUT_RULE = {
    "approx_top_k": lambda h: lax.approx_max_k(h, 2, reduction_dimension=1)[0],
    "atan2": lambda h: jnp.arctan2(h, jnp.sin(h)),
    "atan2 of a constant": lambda h: jnp.arctan2(h, 1.0),
    "cholesky": lambda h: jnp.linalg.cholesky(paired(h))[:, 2],
    "clamp": lambda h: jnp.sin(lax.clamp(0.8, h, 1.3)),
    "cumlogsumexp": lambda h: lax.cumlogsumexp(h, axis=1),
    "cummax": lambda h: lax.cummax(h, axis=1),
    "cummin": lambda h: lax.cummin(h, axis=1),
    "cumprod": lambda h: jnp.cumprod(h, axis=1),
    "eigh": lambda h: jnp.linalg.eigvalsh(paired(h) * jnp.arange(1.0, 4.0)[:, None] * jnp.arange(1.0, 4.0)),
    "igamma": lambda h: special.gammainc(2.0, h),
    "igammac": lambda h: special.gammaincc(2.0, h),
    "lu": lambda h: jnp.linalg.slogdet(paired(h))[1],
    "polygamma": lambda h: special.polygamma(1, h + 1),
    "qr": lambda h: jnp.linalg.qr(paired(h))[1][:, 0],
    "reduce_max": lambda h: jnp.max(h, axis=1),
    "reduce_min": lambda h: jnp.min(h, axis=1, keepdims=True),
    "reduce_prod": lambda h: jnp.prod(h, axis=1),
    "reduce_window_max": lambda h: lax.reduce_window(h, -jnp.inf, lax.max, (1, 2), (1, 1), "VALID"),
    "regularized_incomplete_beta": lambda h: special.betainc(2.0, 1.5, h / 4),
    "rem": lambda h: jnp.sin(h % 0.7),
    "scatter": lambda h: h.at[:, np.array([2, 0])].set(jnp.sin(h[:, :2])),
    "scatter a constant": lambda h: h.at[:, 1].set(2.0) ** 2,
    "scatter-max": lambda h: h.at[:, np.array([2, 0])].max(jnp.sin(2 * h[:, :2])),
    "scatter-mul": lambda h: h.at[:, np.array([2, 0])].multiply(jnp.sin(h[:, :2]), unique_indices=True),
    "solve": lambda h: jnp.linalg.solve(paired(h), h[..., None])[..., 0],
    "inv": lambda h: jnp.linalg.inv(paired(h))[:, 1],
    "sort": lambda h: jnp.sort(h, axis=1) ** 2,
    "sort with indices": lambda h: lax.sort((h, lax.broadcasted_iota(int, h.shape, 1)), dimension=1)[0] ** 2,
    "argsort": lambda h: jnp.take_along_axis(h, jnp.argsort(-h, axis=1), axis=1),
    "logaddexp": lambda h: jnp.logaddexp(h, jnp.sin(h)),
    "logsumexp": lambda h: special.logsumexp(h, axis=1),
    "softmax": lambda h: jax.nn.softmax(h, axis=1),
    "top_k": lambda h: lax.top_k(h, 2)[0],
    "triangular_solve": lambda h: lax.linalg.triangular_solve(paired(h), h[..., None], left_side=True, lower=True)[
        ..., 0
    ],
    "sinc": jnp.sinc,
    "norm": lambda h: jnp.linalg.norm(h, axis=1),
}
TABLE = {**ELEMENTWISE, **FLAT, **LINEAR, **PRODUCTS, **CALLS}
UNREACHABLE = {"checkpoint", "composite", "copy_p", "expand_dims", "pjit"}
"""Names of other versions of JAX, and one that JAX itself does not differentiate, so that it has a test of its own."""


def names_in(jaxpr):
    names = {eqn.primitive.name for eqn in jaxpr.eqns}
    return names.union(*(names_in(j) for j in jex.subjaxprs(jaxpr)))


def test_the_table_has_every_primitive_with_a_rule():
    h = jnp.ones((4, 3))
    met = set().union(*(names_in(jax.make_jaxpr(fn)(h).jaxpr) for fn in TABLE.values()))
    assert {*PRIMITIVES, *LOOPS} - met == UNREACHABLE
    for name in {*PRIMITIVES, *LOOPS} - UNREACHABLE:
        assert name in names_in(jax.make_jaxpr(TABLE[name])(h).jaxpr), name


@pytest.mark.parametrize("name", TABLE)
def test_rules(agrees, name):
    agrees(lambda p: TABLE[name](lifted(p)), POINTS)


# Minutes of compilation for one and the same fall-back; the others stand for them in every run of the tests.
SELDOM = ("triangular_solve", "eigh", "lu", "qr", "cumlogsumexp", "logsumexp", "solve")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SELDOM)) for n in WITHOUT_RULE])
def test_primitives_without_a_rule(agrees, name):
    agrees(lambda p: WITHOUT_RULE[name](lifted(p)), POINTS)


def test_a_composite_has_the_derivatives_of_its_decomposition(listed, nested):
    def inside(x):
        return jnp.tanh(x) * x

    composite = lax.composite(inside, name="jno.test")
    points = jnp.asarray(POINTS, jnp.float32)
    expected = nested(lambda p: inside(lifted(p)), points)
    for stream, value in listed(lambda p: composite(lifted(p)), points).items():
        np.testing.assert_allclose(value, expected[stream], rtol=1e-4, atol=1e-4)
