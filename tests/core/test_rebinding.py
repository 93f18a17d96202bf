"""Evaluating an expression on other points: `u(x_b, y_b)`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core._graph import Variable, walk
from jno_core.errors import JnoError, JnoTypeError, JnoValueError

INTERIOR = np.random.default_rng(0).uniform(0.1, 0.9, (6, 2)).astype(np.float32)
EDGE = np.random.default_rng(1).uniform(0.1, 0.9, (4, 2)).astype(np.float32)
SQUARE = np.random.default_rng(2).uniform(0.1, 0.9, (6, 2)).astype(np.float32)


class Problem:
    """Three plane point sets, two of them of one size, and a network."""

    def __init__(self, time=None):
        self.domain = jno.domain.from_array({"interior": INTERIOR, "edge": EDGE, "square": SQUARE}, time=time)
        self.x, self.y, self.t = self.domain.variable("interior")
        self.xb, self.yb, self.tb = self.domain.variable("edge")
        self.xs, self.ys, self.ts = self.domain.variable("square")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 1, 6, 2, jnp.tanh, key=jax.random.key(1)), name="u")

    def eval(self, nodes):
        return jno.core([self.x.mse], domain=self.domain).eval(nodes)


@pytest.fixture(scope="module")
def problem():
    return Problem()


def on(points, module, f):
    """`f(u)` of the network's scalar function at every point, by JAX alone."""
    return np.asarray(jax.jit(jax.vmap(f(lambda q: module(q)[0])))(points))


def test_values_at_the_new_points(problem):
    u = jno.np.sin(problem.net(problem.x, problem.y)) * problem.x
    rebound = u(problem.xb, problem.yb)
    assert rebound.aval.shape == (4, 1)
    assert walk.collocations([rebound]) == (problem.xb.collocation,)
    value = jnp.sin(jax.vmap(problem.net.module)(EDGE)) * EDGE[:, :1]
    np.testing.assert_allclose(problem.eval(rebound)[0], value, rtol=1e-5, atol=1e-6)


def test_the_original_is_unchanged(problem):
    u = problem.net(problem.x, problem.y).d(problem.x)
    before = problem.eval(u)
    u(problem.xb, problem.yb)
    assert u.variables == (problem.x,)
    np.testing.assert_array_equal(problem.eval(u), before)


def test_derivatives_are_taken_on_the_new_points(problem):
    x, y, module = problem.x, problem.y, problem.net.module
    u = problem.net(x, y)
    nodes = [
        u.d(x), u.d(y), u.grad(x, y), u.hessian(x, y), u.laplacian(x, y), u.d2(y), u.d(x).d(y), (x * u.d(x)).d(x),
    ]  # fmt: skip
    rebound = [node(problem.xb, problem.yb) for node in nodes]
    gradient, hessian = on(EDGE, module, jax.grad), on(EDGE, module, jax.hessian)
    trace = hessian[:, 0, 0] + hessian[:, 1, 1]
    expected = [
        gradient[:, :1], gradient[:, 1:], gradient, hessian, trace[:, None], hessian[:, 1, 1:], hessian[:, 0, 1:],
        gradient[:, :1] + EDGE[:, :1] * hessian[:, 0, :1],
    ]  # fmt: skip
    for node, value, right in zip(rebound, problem.eval(rebound), expected, strict=True):
        assert node.aval.shape == right.shape
        np.testing.assert_allclose(value[0], right, rtol=2e-4, atol=2e-5, err_msg=repr(node))


def test_reductions_trackers_and_parameter_jacobians_move_along(problem):
    u = problem.net(problem.x, problem.y)
    direct = problem.net(problem.xb, problem.yb)
    for make in (lambda v: v.mse, lambda v: v.grad(problem.net), lambda v: v[1:3].T, lambda v: v.stop_gradient):
        rebound, expected = problem.eval([make(u)(problem.xb, problem.yb), make(direct)])
        np.testing.assert_allclose(rebound, expected, rtol=1e-5, atol=1e-6)
    assert u.mse.tracker(7)(problem.xb, problem.yb).interval == 7


def test_variables_are_replaced_in_the_order_of_first_appearance(problem):
    x, y = problem.x, problem.y
    u = y**2 + 3 * x
    swapped, expected = problem.eval([u(problem.xb, problem.yb), problem.xb**2 + 3 * problem.yb])
    np.testing.assert_allclose(swapped, expected, rtol=1e-6)


def test_arguments_may_be_the_variables_themselves_in_another_order(problem):
    x, y = problem.x, problem.y
    u = problem.net(x, y)
    swapped, expected, slope, slopes = problem.eval([u(y, x), problem.net(y, x), u.d(x)(y, x), problem.net(y, x).d(y)])
    np.testing.assert_allclose(swapped, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, slopes, rtol=1e-5)


def test_variables_without_an_argument_stay(problem):
    u = problem.net(problem.x, problem.y)
    partly, expected = problem.eval([u(problem.x), u])
    np.testing.assert_array_equal(partly, expected)
    assert u() is u
    partly, expected = problem.eval([u(0.5 * problem.x), problem.net(0.5 * problem.x, problem.y)])
    np.testing.assert_allclose(partly, expected, rtol=1e-6)


def test_arguments_may_be_expressions_and_numbers(problem):
    u = problem.net(problem.x, problem.y) + problem.x
    xb, yb = problem.xb, problem.yb
    halves, constants = problem.eval([u(xb / 2, xb * yb), (problem.x**2)(3.0) + 0 * xb])
    points = np.concatenate([EDGE[:, :1] / 2, EDGE[:, :1] * EDGE[:, 1:]], 1)
    expected = jax.vmap(problem.net.module)(points) + points[:, :1]
    np.testing.assert_allclose(halves[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(constants[0], np.full((4, 1), 9.0))


def test_an_expression_in_place_of_a_variable_of_differentiation_is_refused(problem):
    derivative = problem.net(problem.x, problem.y).d(problem.x)
    with pytest.raises(JnoValueError, match="differentiated in x, so x can only be replaced by a coordinate"):
        derivative(2 * problem.xb, problem.yb)
    other = derivative(problem.xs, problem.ys)
    assert isinstance(other.children()[1], Variable)


def test_a_derivative_does_not_mix_two_point_sets(problem):
    u = problem.net(problem.x, problem.y)
    for node in (u.laplacian(problem.x, problem.y), u.grad(problem.x, problem.y), u.hessian(problem.x, problem.y)):
        with pytest.raises(JnoValueError, match="two point sets"):
            node(problem.xs)
        with pytest.raises(JnoValueError, match="twice"):
            node(problem.xs, problem.xs)


def test_a_derivative_in_time_or_along_a_normal_is_not_made_by_rebinding(problem):
    derivative = problem.net(problem.x, problem.y).d(problem.x)
    with pytest.raises(JnoValueError, match="steady"):
        derivative(problem.t)
    domain = jno.domain.rect(mesh_size=0.5)
    normal = domain.variable("boundary", normals=True)
    x, y, _ = domain.variable("interior")
    with pytest.raises(JnoValueError):
        (x * y).d(x)(normal, normal)


def test_too_many_arguments_and_what_is_no_expression(problem):
    u = problem.net(problem.x, problem.y)
    with pytest.raises(JnoTypeError, match=r"2 variables \(x, y\), got 3 arguments"):
        u(problem.xb, problem.yb, problem.tb)
    with pytest.raises(JnoTypeError, match="0 variables"):
        jno.np.parameter((1,))(problem.x)
    for bad in (None, "x", [problem.xb]):
        with pytest.raises(JnoTypeError):
            u(bad, problem.yb)


def test_new_points_must_have_one_number(problem):
    u = problem.net(problem.x, problem.y)
    with pytest.raises(JnoError, match=r"'edge' \(4 points\).*'interior' \(6 points\)"):
        u(problem.xb, problem.y)


def test_time_moves_along():
    problem = Problem(time=(0.0, 2.0, 3))
    x, t, xb, tb = problem.x, problem.t, problem.xb, problem.tb
    u = x**2 * t**3
    value, rate = problem.eval([u(xb, tb), u.d(t)(xb, tb)])
    for i, time in enumerate((0.0, 1.0, 2.0)):
        np.testing.assert_allclose(value[0, i], EDGE[:, :1] ** 2 * time**3, rtol=1e-5)
        np.testing.assert_allclose(rate[0, i], EDGE[:, :1] ** 2 * 3 * time**2, rtol=1e-5)


def test_arrays_of_one_point_set_do_not_move_to_another(problem):
    k = problem.domain.variable("k", np.arange(6.0, dtype=np.float32)[:, None], per="point", at=problem.x)
    u = k * problem.x
    with pytest.raises(JnoValueError, match=r"'k'.*'interior'"):
        u(problem.xs)
    same, constant = problem.eval([u(problem.y), u(2.0)])
    np.testing.assert_allclose(same[0], np.arange(6.0)[:, None] * INTERIOR[:, 1:], rtol=1e-6)
    np.testing.assert_allclose(constant[0], 2 * np.arange(6.0)[:, None])


def test_a_boundary_condition_by_rebinding_trains():
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, 21)[:, None], "ends": np.array([[0.0], [1.0]])})
    (x, _), (xb, _) = domain.variable("interior"), domain.variable("ends")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 16, 1, jnp.tanh, key=jax.random.key(0)), name="u").optimizer(optax.adam(1e-2))
    u = net(x)
    crux = jno.core([(u.d2(x) + 2).mse, u(xb).mse], domain=domain)
    crux.solve(1000)
    points = np.linspace(0, 1, 21)[:, None]
    np.testing.assert_allclose(crux.eval(u)[0], points * (1 - points), atol=0.03)
