"""`jno.fn`: losses against NumPy, residuals of equations against SymPy and exact solutions."""

import inspect
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import jno
from jno_core._graph import AbstractDerivative, FunctionCall, Placeholder, walk
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
EQUATIONS = ("advection", "advection_diffusion_reaction", "allen_cahn", "biharmonic", "burgers_1d", "burgers_inviscid_1d",
             "cahn_hilliard", "continuity", "diffusion", "fisher_kpp", "heat", "helmholtz", "maxwell_3d",
             "navier_stokes_incompressible_2d", "poisson", "wave")  # fmt: skip
TRACED = {
    "sin": jno.np.sin,
    "cos": jno.np.cos,
    "exp": jno.np.exp,
    "tanh": jno.np.tanh,
    "sqrt": math.sqrt,
    "pi": math.pi,
}
X, Y, Z, T = sympy.symbols("x y z t")


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


class Space:
    """Random points in `dimension` dimensions and three times, on which SymPy expressions become expressions or values."""

    def __init__(self, dimension, n=6):
        self.points = np.random.default_rng(dimension).uniform(0.2, 0.9, (n, dimension))
        self.domain = jno.domain.from_array({"interior": self.points}, time=(0.0, 1.0, 3))
        self.variables = self.domain.variable("interior")
        *self.x, self.t = self.variables
        self.symbols = (X, Y, Z)[:dimension]

    def traced(self, e):
        return sympy.lambdify((*self.symbols, T), e, modules=[TRACED])(*self.variables) + 0 * self.x[0]

    def exact(self, e):
        f = sympy.lambdify((*self.symbols, T), e, modules="numpy")
        return np.stack([f(*self.points.T, t) + np.zeros(len(self.points)) for t in (0.0, 0.5, 1.0)])[None, ..., None]

    def values(self, node):
        return jno.core([node.mse], domain=self.domain).eval(node)


def laplace(e, symbols):
    return sum(sympy.diff(e, s, 2) for s in symbols)


# Losses.

values = arrays(np.float64, st.sampled_from([(7,), (5, 1), (4, 3)]), elements=st.floats(-20, 20, width=32))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_arrays_are_their_formulas(name):
    exact, options = LOSSES[name]
    loss = getattr(jno.fn, name)

    @settings(deadline=None, max_examples=40)
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
    net.optimizer(jno_sgd())
    history = jno.core([jno.fn.log_cosh(net(x), 2 * x - 1)], domain=domain).solve(400)
    assert history.total_loss < 1e-4
    np.testing.assert_allclose(net.module.weight, [[2.0]], atol=0.05)


def jno_sgd():
    return __import__("optax").sgd(1.0)
