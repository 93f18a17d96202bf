"""Which targets the planner takes: those whose row i depends on point i only, whatever the sizes.

Every accepted target is also differentiated, and the result compared with that of one point at a time.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jno_core import DerivativeRequest as Request, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad import AutomaticDifferentiation

pytestmark = pytest.mark.usefixtures("unoptimised")

N = 8  # Points, and the width of every layer: sizes must not tell the two apart.
KEY = jax.random.key(0)
W = jax.random.normal(KEY, (N, N)) / N
COLUMNS = tuple(jax.random.uniform(jax.random.key(i), (N, 1), minval=0.2) for i in (1, 2))
SUPPORT = Support(COLUMNS, ("x", "y"), 2, "interior")


def derivatives(at, variant=None, aligned=None, support=SUPPORT):
    field = Field(at=at, values=lambda: at(support.columns, aligned), aligned=aligned, name="net(x, y)")
    requests = (Request("laplacian", (0, 1)), Request("partial", (0, 1)), Request("partial", (1,)))
    return AutomaticDifferentiation(variant=variant).apply(requests, field, support, {}, None)


def wide(columns):
    """Points as rows, as many features."""
    x, y = columns
    return jnp.sin(jnp.concatenate([x, y, x * y, x**2], axis=1) @ W[:4])


def loop(h):
    return lax.fori_loop(0, 3, lambda i, h: jnp.tanh(h @ W) + i, h)


def while_loop(h):
    """JAX has no reverse mode for it."""
    return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, jnp.cos(s[1])), (0, h))[1]


def scanned_layers(h):
    return lax.scan(lambda h, W: (jnp.tanh(h @ W), jnp.sum(h, axis=1)), h, jnp.stack([W, 2 * W, W.T]))


def scanned_features(h):
    """A recurrence along the features, the points in the second axis of what is scanned."""
    return lax.scan(lambda c, f: (jnp.tanh(c + f), c), jnp.zeros(len(h)), h.T)[1].T


def separable(columns):
    """Low-rank: a product of one-dimensional networks, summed over the rank."""
    x, y = columns
    return jnp.einsum("nr,nr->n", jnp.tanh(x @ W[:1]), jnp.sin(y @ W[1:2]))[:, None]


def custom_activation(h):
    @jax.custom_jvp
    def swish(h):
        return h * jax.nn.sigmoid(h)

    @swish.defjvp
    def _(primals, tangents):
        (h,), (t,) = primals, tangents
        s = jax.nn.sigmoid(h)
        return swish(h), (s + h * s * (1 - s)) * t

    return swish(h)


ACCEPTED = {
    "MLP": lambda h: jnp.tanh(jnp.tanh(h @ W) @ W.T + W[0]),
    "transposed layout": lambda h: (W @ jnp.tanh(W @ h.T)).T,
    "Fourier features": lambda h: jnp.concatenate([jnp.sin(h @ W), jnp.cos(h @ W)], axis=-1),
    "layer norm over features": lambda h: (h - h.mean(1, keepdims=True)) / jnp.sqrt(1 + h.var(1, keepdims=True)),
    "softmax over features": lambda h: jax.nn.softmax(h, axis=-1),
    "cumulative sum over features": lambda h: jnp.cumsum(h, axis=1),
    "flipped features": lambda h: h[:, ::-1],
    "sorted features": lambda h: jnp.sort(h, axis=1),
    "largest features": lambda h: lax.top_k(h, 3)[0],
    "eqx MLP": jax.vmap(eqx.nn.MLP(N, 2, N, 2, jax.nn.silu, key=KEY)),
    "eqx GELU": jax.vmap(eqx.nn.MLP(N, 2, N, 2, jax.nn.gelu, key=KEY)),
    "eqx LayerNorm": jax.vmap(eqx.nn.LayerNorm(N)),
    "eqx GroupNorm": jax.vmap(eqx.nn.GroupNorm(2, N)),
    "eqx GRUCell": lambda h: jax.vmap(eqx.nn.GRUCell(N, 3, key=KEY))(h, jnp.ones((len(h), 3))),
    "eqx Conv1d": lambda h: jax.vmap(eqx.nn.Conv1d(1, 2, 3, key=KEY))(h[:, None, :]),
    "eqx AvgPool1d": lambda h: jax.vmap(eqx.nn.AvgPool1d(2))(h[:, None, :]),
    "eqx attention over a point's own tokens": lambda h: jax.vmap(
        lambda q: eqx.nn.MultiheadAttention(2, 4, key=KEY)(q, q, q)
    )(h.reshape(-1, 2, 4)),
    "filter_jit": eqx.filter_jit(lambda h: h @ W),
    "checkpoint": jax.checkpoint(lambda h: jnp.sin(h @ W)),
    "custom_jvp": custom_activation,
    "where": lambda h: jnp.where(h > 0, h**2, -h),
    "clip": lambda h: jnp.clip(h, -0.5, 0.5) * h,
    "scan over layers": lambda h: scanned_layers(h)[0],
    "outputs of a scan over layers": lambda h: scanned_layers(h)[1].T,
    "scan over features": scanned_features,
    "map over points": lambda h: lax.map(lambda row: jnp.sum(jnp.sin(row) @ W), h),
    "fori_loop": loop,
    "while_loop": while_loop,
    "cond": lambda h: lax.cond(W[0, 0] > 0, jnp.sin, lambda h: h @ W, h),
    "switch": lambda h: lax.switch(2, [jnp.sin, lambda h: h @ W, lambda h: h @ W.T], h),
    "einsum": lambda h: jnp.einsum("ni,nj,ij->nij", h, h, W),
    "per-point matrices": lambda h: jnp.linalg.inv(jnp.eye(2) + 0.1 * h[:, :4].reshape(-1, 2, 2)),
    "determinant": lambda h: jnp.linalg.det(jnp.eye(2) + h[:, :4].reshape(-1, 2, 2))[:, None],
    "Fourier transform over features": lambda h: jnp.fft.rfft(h, axis=1).real,
    "indexed features": lambda h: h[:, jnp.array([3, 1, 1])],
    "set features": lambda h: h.at[:, 1].set(2.0).at[:, :2].multiply(h[:, 2:4]),
    "slice at a traced start": lambda h: lax.dynamic_slice_in_dim(h, jnp.argmax(W[0]), 2, axis=1),
    "update at a traced start": lambda h: lax.dynamic_update_slice_in_dim(
        h, jnp.sin(h[:, :2]), jnp.argmax(W[0]), axis=1
    ),
    "padded features": lambda h: jnp.pad(h, ((0, 0), (1, 2))),
    "tile and repeat": lambda h: jnp.repeat(jnp.tile(h, (1, 2)), 2, axis=1),
    "merged and split axes": lambda h: jnp.sin(h.reshape(-1)).reshape(-1, 2, 4),
    "stack and unstack": lambda h: jnp.stack(jnp.unstack(h, axis=1)[::2], axis=1),
    "concatenate and split": lambda h: jnp.concatenate(jnp.split(h, 2, axis=1)[::-1], axis=1),
    "argmax over features": lambda h: h * jnp.argmax(h, axis=1, keepdims=True),
    "mean of constants": lambda h: h * jnp.mean(W),
    "stop_gradient": lambda h: h * lax.stop_gradient(h),
    "gradient inside": lambda h: jax.vmap(jax.grad(lambda row: jnp.sum(jnp.sin(row @ W))))(h),
    "batched gradient inside": jax.grad(lambda h: jnp.sum(jnp.sin(h @ W) ** 2)),
    "hessian inside": lambda h: jax.vmap(jax.hessian(lambda row: jnp.prod(jnp.sin(row @ W))))(h),
    "flat": lambda h: h[:, 0] * h[:, 1],
}


@pytest.mark.parametrize("layer", ACCEPTED.values(), ids=ACCEPTED)
def test_pointwise_targets_are_taken(layer):
    def at(columns, aligned):
        del aligned
        return layer(wide(columns))

    independent = "forward" if layer is while_loop else "reverse"
    with jax.enable_x64(False):
        planned, explicit = (jax.jit(functools.partial(derivatives, at, v))() for v in (None, independent))
    for a, b in zip(planned, explicit, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_targets_of_columns_alone_and_constants_are_taken():
    for at in (lambda c, a: separable(c), lambda c, a: c[0] * c[1], lambda c, a: jnp.ones((len(c[0]), 1))):
        for a, b in zip(derivatives(at), derivatives(at, "reverse"), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def attention_over_points(h):
    return jax.nn.softmax(h @ h.T, axis=-1) @ h


REFUSED = {
    "softmax over points": (lambda h: jax.nn.softmax(h, axis=0), "reduce_max"),
    "mean over points": (lambda h: h - h.mean(axis=0), "reduce_sum"),
    "mean of all": (lambda h: h - jnp.mean(h), "reduce_sum"),
    "batch norm": (lambda h: (h - h.mean(0)) / jnp.sqrt(h.var(0) + 1e-5), "reduce_sum"),
    "attention over points": (attention_over_points, "dot_general"),
    "kernel": (lambda h: jnp.exp(-((h[:, None] - h[None]) ** 2).sum(-1)), "sub"),
    "flipped points": (lambda h: h[::-1], "rev"),
    "rolled points": (lambda h: jnp.roll(h, 1, axis=0), "slice"),
    "shuffled points": (lambda h: h[jnp.arange(N)[::-1]], "gather"),
    "one point": (lambda h: h - h[0], "slice"),
    "cumulative sum over points": (lambda h: jnp.cumsum(h, axis=0), "cumsum"),
    "sorted points": (lambda h: jnp.sort(h, axis=0), "sort"),
    "contracted points": (lambda h: W @ h, "dot_general"),
    "Gram matrix": (lambda h: h.T @ h, "dot_general"),
    "added transpose": (lambda h: h + h.T, "add"),
    "convolution over points": (lambda h: jax.vmap(lambda f: jnp.convolve(f, W[0], "same"), 1, 1)(h), "conv"),
    "Fourier transform over points": (lambda h: jnp.fft.fft(h, axis=0).real, "fft"),
    "shifted and joined": (lambda h: jnp.concatenate([h[1:], h[:1]]), "slice"),
    "difference": (lambda h: jnp.diff(h, axis=0, append=0), "concatenate|slice"),
    "set at one point": (lambda h: h.at[0].set(1.0), "scatter"),
    "regrouped points": (lambda h: jnp.sin(h.reshape(-1)).reshape(2, 4, N)[..., 0].reshape(-1), "reshape"),
    "points merged, then summed": (lambda h: h.reshape(-1).sum() * h, "reduce_sum"),
    "stopped mean": (lambda h: h - lax.stop_gradient(h.mean(0)), "reduce_sum"),
    "running state over points": (lambda h: lax.scan(lambda c, r: (c + r, c), jnp.zeros(N), h)[1], "scan"),
    "mixing inside a scan": (lambda h: lax.scan(lambda h, W: (W @ h, None), h, W[None])[0], "dot_general"),
    "mixing in one branch": (lambda h: lax.cond(W[0, 0] > 0, lambda h: h[::-1], jnp.sin, h), "rev"),
    "loop until all points are done": (
        lambda h: lax.while_loop(lambda h: jnp.max(jnp.abs(h)) > 1e-3, lambda h: h / 2, h),
        "reduce_max",
    ),
    "carry that turns": (lambda h: lax.fori_loop(0, 2, lambda i, h: h.T, h), "scan"),
    "host callback": (
        lambda h: jax.pure_callback(lambda a: a, jax.ShapeDtypeStruct(h.shape, h.dtype), h),
        "pure_callback",
    ),
    "inside jit": (jax.jit(lambda h: h - h.mean(axis=0)), "reduce_sum"),
}


@pytest.mark.parametrize(("layer", "primitive"), REFUSED.values(), ids=REFUSED)
def test_targets_that_mix_points_are_refused(layer, primitive):
    def at(columns, aligned):
        del aligned
        return layer(wide(columns))

    with pytest.raises(
        PluginCapabilityError, match=rf"net\(x, y\) (mixes|may mix) the points in .*`({primitive})"
    ) as error:
        derivatives(at)
    assert "test_pointwise.py" in str(error.value)
    assert "scheme='automatic_differentiation:forward'" in str(error.value)


def test_a_result_with_the_points_elsewhere_is_refused():
    with pytest.raises(PluginCapabilityError, match="points along axis 1, not as rows"):
        derivatives(lambda columns, aligned: wide(columns).T)


def test_the_message_names_the_line_of_the_user():
    def network(columns):
        h = wide(columns)
        return h - jnp.mean(h, axis=0)

    line = network.__code__.co_firstlineno + 2
    with pytest.raises(PluginCapabilityError, match=rf"test_pointwise\.py:{line}.*network"):
        derivatives(lambda columns, aligned: network(columns))


def test_mixing_that_no_result_needs_is_no_obstacle():
    def at(columns, aligned):
        h = wide(columns)
        jnp.mean(h)
        return jax.jit(lambda h: (jnp.sin(h), h.mean(axis=0)))(h)[0]

    derivatives(at)


def test_aligned_arrays_count_as_points():
    aligned = {"a": jnp.arange(1.0, N + 1)[:, None]}
    derivatives(lambda c, aligned: c[0] * c[1] * aligned["a"], aligned=aligned)
    with pytest.raises(PluginCapabilityError, match="`rev`"):
        derivatives(lambda c, aligned: c[0] * c[1] * aligned["a"][::-1], aligned=aligned)


def test_network_weights_are_no_points():
    """Parameters enter as tracers of an outer transformation, with a leading axis as long as the points."""

    def loss(W):
        def at(columns, aligned):
            return jnp.tanh(wide(columns) @ W.mean(axis=0)[:, None] + W[::-1][0])

        return sum(jnp.sum(part**2) for part in derivatives(at))

    assert np.isfinite(jax.jit(jax.grad(loss))(W)).all()
    mapped = jax.vmap(loss)(jnp.stack([W, 2 * W]))
    np.testing.assert_allclose(mapped, [loss(W), loss(2 * W)], rtol=1e-5)


def test_arrays_that_are_closed_over_have_no_rows_of_one_point():
    """The planner sees all points at once, so they fit; on one point they do not, and must not be cut silently."""

    def at(columns, aligned):
        return columns[0] * columns[1] ** 2 * jnp.arange(1.0, N + 1)[:, None]

    laplacian, _, _ = derivatives(at)
    np.testing.assert_allclose(laplacian, 2 * COLUMNS[0] * jnp.arange(1.0, N + 1)[:, None], rtol=1e-6)
    with pytest.raises(PluginCapabilityError, match=r"net\(x, y\) on one point at a time.*\(8, 1\).*aligned"):
        derivatives(at, "forward")


def test_a_single_point_cannot_be_mixed():
    column = jnp.full((1, 1), 0.3)
    support = Support((column, column), ("x", "y"), 2, "interior")
    laplacian, _, _ = derivatives(lambda c, a: c[0] ** 2 * jnp.mean(c[1]) ** 2, support=support)
    np.testing.assert_allclose(laplacian, 4 * column**2, rtol=1e-6)


def test_explicit_modes_are_not_checked():
    def at(columns, aligned):
        return columns[0] * jnp.mean(columns[1])

    for variant in ("forward", "reverse"):
        _, mixed, second = derivatives(at, variant)
        np.testing.assert_allclose(mixed, jnp.ones((N, 1)), rtol=1e-6)
        np.testing.assert_allclose(second, COLUMNS[0], rtol=1e-6)


def test_a_function_with_a_reverse_rule_only_is_refused_with_the_remedy():
    @jax.custom_vjp
    def f(x):
        return x**2

    f.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))
    with pytest.raises(
        PluginCapabilityError, match=r"reverse mode only .*custom_jvp.*automatic_differentiation:reverse"
    ):
        derivatives(lambda columns, aligned: f(columns[0]) * columns[1])
    derivatives(lambda columns, aligned: f(columns[0]) * columns[1], "reverse")


def test_the_target_is_traced_once():
    traced = []

    def at(columns, aligned):
        traced.append([type(c).__name__ for c in columns])
        return columns[0] * columns[1]

    scheme = AutomaticDifferentiation()
    field = Field(at=at, values=lambda: None, aligned=None, name="u")
    scheme.apply((Request("partial", (0,)),), field, SUPPORT, {}, None)
    assert len(traced) == 1
