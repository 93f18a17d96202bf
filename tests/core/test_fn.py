"""`jno.fn`: losses against NumPy, directions of gradients, and the module itself."""

import inspect
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import jno
from jno_core._graph import FunctionCall, Placeholder
from jno_core.errors import JnoTypeError, JnoValueError

LOSSES = {
    "mse": (lambda r, t: np.mean(np.abs(r) ** 2), {}),
    "mae": (lambda r, t: np.mean(np.abs(r)), {}),
    "rmse": (lambda r, t: np.sqrt(np.mean(np.abs(r) ** 2)), {}),
    "linf": (lambda r, t: np.max(np.abs(r)), {}),
    "huber": (lambda r, t, delta=1: np.mean(np.where(abs(r) <= delta, r**2 / 2, delta * (abs(r) - delta / 2))), {"delta": 0.7}),
    "smooth_l1": (lambda r, t, beta=1: np.mean(np.where(abs(r) < beta, r**2 / (2 * beta), abs(r) - beta / 2)), {"beta": 0.7}),
    "log_cosh": (lambda r, t: np.mean(np.logaddexp(r, -r) - np.log(2)), {}),
    "relative_l2": (lambda r, t, eps=1e-8: np.linalg.norm(r.ravel()) / (np.linalg.norm(t.ravel()) + eps), {"eps": 0.5}),
    "relative_l1": (lambda r, t, eps=1e-8: np.abs(r).sum() / (np.abs(t).sum() + eps), {"eps": 0.5}),
    "nmse": (lambda r, t, eps=1e-8: np.mean(np.abs(r) ** 2) / (np.var(t) + eps), {"eps": 0.5}),
    "mape": (lambda r, t, eps=1e-8: np.mean(np.abs(r) / (np.abs(t) + eps)), {"eps": 0.5}),
    "quantile": (lambda r, t, tau=0.5: np.mean(np.maximum(-tau * r, (tau - 1) * -r)), {"tau": 0.2}),
    "cauchy": (lambda r, t, c=1: np.mean(np.log(1 + (r / c) ** 2)), {"c": 0.3}),
}  # fmt: skip


class Space:
    """Random points in `dimension` dimensions at three times."""

    def __init__(self, dimension, n=6):
        self.points = np.random.default_rng(dimension).uniform(0.2, 0.9, (n, dimension))
        self.domain = jno.domain.from_array({"interior": self.points}, time=(0.0, 1.0, 3))
        *self.x, self.t = self.domain.variable("interior")

    def values(self, node):
        return jno.core([node.mse], domain=self.domain).eval(node)


# Losses.

values = arrays(np.float64, st.sampled_from([(7,), (5, 1), (4, 3)]), elements=st.floats(-20, 20, width=32))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_arrays_are_their_formulas(name):
    exact, options = LOSSES[name]
    loss = getattr(jno.fn, name)

    @settings(deadline=None, max_examples=15)
    @given(values, st.data())
    def check(target, data):
        pred = data.draw(arrays(np.float64, target.shape, elements=st.floats(-20, 20, width=32)))
        for given_options in ({}, options):
            value = loss(pred, target, **given_options)
            assert isinstance(value, jax.Array)
            assert value.shape == ()
            np.testing.assert_allclose(value, exact(pred - target, target, **given_options), rtol=1e-11, atol=1e-14)

    check()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_expressions_are_scalar_nodes(name):
    exact, options = LOSSES[name]
    space = Space(2)
    x, y = space.x
    node = getattr(jno.fn, name)(jno.np.sin(3 * x), y, **options)
    assert isinstance(node, Placeholder)
    assert node.aval.shape == ()
    assert repr(node).startswith(f"{name}(")
    expected = exact(np.sin(3 * space.points[:, :1]) - space.points[:, 1:], space.points[:, 1:], **options)
    np.testing.assert_allclose(jno.core([node], domain=space.domain).eval(node), np.full((1, 3), expected), rtol=1e-12)


def test_a_loss_mixes_expressions_with_arrays_and_numbers():
    space = Space(1)
    (x,) = space.x
    target = np.linspace(0, 1, 6)[:, None]
    against_array, against_number, reverse = (
        jno.fn.mse(x, target),
        jno.fn.relative_l2(x, 2.0),
        jno.fn.quantile(1.0, x, 0.9),
    )
    a, b, c = jno.core([against_array], domain=space.domain).eval([against_array, against_number, reverse])
    np.testing.assert_allclose(a, np.full((1, 3), np.mean((space.points - target) ** 2)), rtol=1e-5)
    np.testing.assert_allclose(b, np.full((1, 3), np.linalg.norm(space.points - 2) / np.sqrt(4 * 6)), rtol=1e-5)
    np.testing.assert_allclose(c, np.full((1, 3), 0.1 * np.mean(1 - space.points)), rtol=1e-5)


def test_a_loss_trains():
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, 9)[:, None]})
    x, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.Linear(1, 1, key=jax.random.key(0)), name="line")
    net.optimizer(optax.sgd(1.0))
    history = jno.core([jno.fn.log_cosh(net(x), 2 * x - 1)], domain=domain).solve(400)
    assert history.total_loss < 1e-4
    np.testing.assert_allclose(net.module.weight, [[2.0]], atol=0.05)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("target", [np.zeros((4, 1)), np.ones((4, 1))], ids=["zeros", "ones"])
def test_gradients_are_finite_where_prediction_and_target_agree(name, target):
    value, gradients = jax.value_and_grad(getattr(jno.fn, name), argnums=(0, 1))(
        jnp.asarray(target), jnp.asarray(target)
    )
    assert value == 0
    assert all(np.all(np.isfinite(g)) for g in gradients)


def test_the_root_has_gradient_zero_at_zero_and_its_own_elsewhere():
    target = jnp.zeros((3,))
    np.testing.assert_array_equal(jax.grad(jno.fn.rmse)(target, target), np.zeros(3))
    pred = jnp.array([3.0, 0.0, 4.0])
    np.testing.assert_allclose(jax.grad(jno.fn.rmse)(pred, target), pred / (5 * np.sqrt(3)), rtol=1e-6)


def test_log_cosh_neither_overflows_nor_cancels_and_is_smooth():
    for r in (1e-6, 1e-3, 0.999, 1.0, 1.001, 30.0, 1000.0, 1e30):
        exact = r - math.log(2) if r > 300 else math.log1p(2 * math.sinh(r / 2) ** 2)
        for sign in (1, -1):
            value, slope = jax.value_and_grad(jno.fn.log_cosh)(jnp.float32(sign * r), jnp.float32(0))
            np.testing.assert_allclose(value, exact, rtol=1e-6)
            np.testing.assert_allclose(slope, sign * math.tanh(r), rtol=1e-6)
    curvature = jax.grad(jax.grad(jno.fn.log_cosh))
    for r in (0.0, 0.5, 1.5):
        np.testing.assert_allclose(curvature(jnp.float32(r), jnp.float32(0)), 1 / math.cosh(r) ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if name not in ("quantile", "huber", "smooth_l1", "log_cosh", "cauchy")]
)
def test_complex_residuals_count_by_their_modulus(name):
    pred, target = np.array([1 + 2j, -1j, 0.5]), np.array([2j, 1.0, 0.5])
    value = getattr(jno.fn, name)(pred, target)
    assert jnp.isrealobj(value)
    np.testing.assert_allclose(value, LOSSES[name][0](pred - target, target), rtol=1e-6)


def test_of_complex_residuals_only_the_modulus_counts():
    for name in ("huber", "smooth_l1", "log_cosh", "cauchy"):
        loss = getattr(jno.fn, name)
        np.testing.assert_allclose(loss(np.array([3 + 4j, 0.3j]), 0.0), loss(np.array([5.0, -0.3]), 0.0), rtol=1e-6)
    with pytest.raises(JnoTypeError, match="real"):
        jno.fn.quantile(np.array([1j]), np.array([1.0]))


def test_unsigned_integers_do_not_wrap_around():
    assert jno.fn.mse(np.array([1, 2], np.uint8), np.array([2, 4], np.uint8)) == 2.5
    assert jno.fn.linf(1, 3) == 2


def test_losses_keep_the_float_type():
    half = jnp.ones((3,), jnp.float16)
    assert all(getattr(jno.fn, name)(half, 0.5).dtype == jnp.float16 for name in LOSSES)


@pytest.mark.parametrize("name", [*LOSSES, "cosine_similarity"])
def test_shapes_that_would_pair_every_point_with_every_other_are_refused(name):
    compare = getattr(jno.fn, name)
    (x,), flat = Space(1).x, np.zeros(6)
    for pred, target in ((x, flat), (flat, x), (np.zeros((6, 1)), flat), (x, np.zeros((1, 3))), (x, np.zeros((5, 1)))):
        with pytest.raises(JnoValueError, match=r"\(\d, ?\d?\)") as e:
            compare(pred, target)
        assert name in str(e.value)
        assert "[..., 0:1]" in str(e.value)
    assert compare(np.ones((6, 3)), np.ones((3,))).shape in ((), (6,))


BAD_NUMBERS = [(huber, option, value) for huber, option in (("huber", "delta"), ("smooth_l1", "beta"), ("cauchy", "c"))
               for value in (0, -1.0, math.nan, math.inf)]  # fmt: skip
BAD_NUMBERS += [("quantile", "tau", value) for value in (0, 1, -0.1, 1.5, math.nan)]
BAD_NUMBERS += [(n, "eps", v) for n in ("relative_l2", "relative_l1", "nmse", "mape") for v in (-1e-8, math.nan)]
BAD_NUMBERS += [(n, "eps", v) for n in ("cosine_similarity", "gradient_alignment") for v in (0, -1)]


@pytest.mark.parametrize(("name", "option", "value"), BAD_NUMBERS)
def test_numbers_out_of_range(name, option, value):
    with pytest.raises(JnoValueError, match=rf"{name}\({option}=.*got {value}"):
        getattr(jno.fn, name)(np.ones((3, 2)), np.ones((3, 2)), **{option: value})


@pytest.mark.parametrize("bad", ["1", None, True, np.ones(2)], ids=repr)
def test_what_is_no_number(bad):
    with pytest.raises(JnoTypeError, match=r"huber\(delta=...\) takes a Python number"):
        jno.fn.huber(np.ones(3), np.ones(3), delta=bad)


@pytest.mark.parametrize(
    "bad", ["u", None, [1.0, 2.0], jno.nn.wrap(eqx.nn.Linear(1, 1, key=jax.random.key(0)))], ids=str
)
def test_what_cannot_be_compared(bad):
    with pytest.raises(JnoTypeError):
        jno.fn.mse(bad, np.ones(2))
    with pytest.raises(JnoTypeError):
        jno.fn.mse(Space(1).t, bad)


# Directions.


def test_cosine_similarity_of_rows():
    a = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1e-5, 0.0]])
    b = np.array([[0.0, 2.0], [-3.0, -3.0], [1.0, 1.0], [1e-6, 0.0]])
    np.testing.assert_allclose(jno.fn.cosine_similarity(a, b), [0, -1, 0, 1], atol=1e-6)
    assert jno.fn.cosine_similarity(a[1], b[1]).shape == ()
    gradient = jax.grad(lambda a: jno.fn.cosine_similarity(a, b).sum())(jnp.zeros((4, 2)))
    assert np.all(np.isfinite(gradient))


def test_gradient_alignment_of_two_groups_of_points():
    a = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    np.testing.assert_allclose(jno.fn.gradient_alignment(a, a[:2]), 1, rtol=1e-6)
    np.testing.assert_allclose(jno.fn.gradient_alignment(a, -a[:1]), -1 / np.sqrt(2), rtol=1e-6)
    for wrong in (np.ones((3, 3)), np.float64(1)):
        with pytest.raises(JnoValueError, match="same parameters"):
            jno.fn.gradient_alignment(a, wrong)


def test_directions_of_parameter_jacobians():
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None], "boundary": np.array([[0.0], [1.0]])})
    (x, _), (xb, _) = domain.variable("interior"), domain.variable("boundary")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 4, 1, jnp.tanh, key=jax.random.key(0)), name="u")
    inside, edge = net(x).grad(net), net(xb).grad(net)
    rows, whole = jno.fn.cosine_similarity(inside, 2 * inside), jno.fn.gradient_alignment(inside, edge)
    assert (rows.aval.shape, whole.aval.shape) == ((5,), ())
    rows, whole, j, k = jno.core([net(x).mse], domain=domain).eval([rows, whole, inside, edge])
    np.testing.assert_allclose(rows, np.ones((1, 5)), rtol=1e-5)
    j, k = (np.asarray(v[0], np.float64).mean(axis=0) for v in (j, k))
    np.testing.assert_allclose(whole, [j @ k / np.linalg.norm(j) / np.linalg.norm(k)], rtol=1e-5)


# The module.


def test_the_module_is_a_function():
    space = Space(2)
    x, y = space.x
    node = jno.fn(lambda a, b: a**2 + b, [x, y], name="my_op")
    assert isinstance(node, FunctionCall)
    assert repr(node) == "my_op(x, y)"
    points = space.points.astype(np.float32)
    np.testing.assert_allclose(space.values(node)[0, 0], points[:, :1] ** 2 + points[:, 1:], rtol=1e-6)
    assert jno.fn(jnp.sum, [x], reduces_axis=0).reduces_axis == 0
    assert list(inspect.signature(type(jno.fn).__call__).parameters) == ["self", "fn", "args", "name", "reduces_axis"]
    with pytest.raises(JnoTypeError):
        jno.fn(lambda a: a, [x, y])


def test_mathematics_is_that_of_jno_numpy():
    for name in ("sin", "cos", "exp", "log", "sqrt", "abs", "where", "linalg", "laplacian", "parameter", "pi"):
        assert getattr(jno.fn, name) is getattr(jno.np, name)
        assert name in dir(jno.fn)
    with pytest.raises(AttributeError, match=r"jno\.fn has no 'sinn'"):
        _ = jno.fn.sinn
    assert {"mse", "heat", "adaptive", "stop_gradient"} <= set(dir(jno.fn))
    assert not {"jax", "sys", "types"} & set(dir(jno.fn))


def test_stop_gradient_of_expressions_and_arrays():
    space = Space(1)
    (x,) = space.x
    held = (jno.fn.stop_gradient(x) * x).d(x)
    np.testing.assert_allclose(space.values(held), space.points[None, None] + np.zeros((1, 3, 1, 1)), rtol=1e-6)
    assert jax.grad(lambda v: jno.fn.stop_gradient(v) * v)(3.0) == 3.0


@pytest.mark.parametrize("name", [*LOSSES, "cosine_similarity", "gradient_alignment", "stop_gradient"])
def test_every_function_is_documented(name):
    assert len(inspect.getdoc(getattr(jno.fn, name)).split()) > 4
