"""`crux.explain()`: the passes, the operations without a rule, the division of the points, and the cost."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core.errors import JnoTypeError, JnoValueError

WIDTH = 16


@pytest.fixture
def problem():
    """Coordinates, a network of two hidden layers and the problem of its Laplacian, on `n * n` points."""

    def make(n=6, activation=jnp.tanh):
        grid = np.stack(np.meshgrid(*[np.linspace(0, 1, n)] * 2), -1).reshape(-1, 2)
        domain = jno.domain.from_array({"interior": grid})
        x, y = domain.variable("interior")[:2]
        net = jno.nn.wrap(eqx.nn.MLP(2, 1, WIDTH, 2, activation, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
        return x, y, net, jno.core([(net(x, y).laplacian(x, y) + 1).mse])

    return make


def test_a_laplacian_is_one_propagation(problem):
    *_, crux = problem()
    explained = crux.explain()
    (group,) = explained.groups
    assert group.derivatives == ("Laplacian in (x, y)",)
    assert group.passes == ("one forward propagation of (d_xx + d_yy)",)
    assert group.points == "interior"
    assert group.fallbacks == ()
    assert explained.divided == ()


def test_the_cost_is_that_of_the_matrix_products(problem):
    """Four streams (value, d_x, d_y, Laplacian) through two hidden layers; the first layer needs one."""
    n = 30
    *_, crux = problem(n)
    explained = crux.explain(chunk=None)
    (group,) = explained.groups
    hidden = 2 * n * n * WIDTH * WIDTH * 4
    assert hidden < group.cost.flops < 2.2 * hidden
    assert 2 * n * n * WIDTH <= group.cost.transcendentals < 2.2 * n * n * WIDTH
    assert 2 * group.cost.flops < explained.step.flops < 5 * group.cost.flops


def test_derivatives_of_one_target_are_taken_together_and_inner_ones_are_listed(problem):
    x, y, net, crux = problem()
    u = net(x, y)
    together = crux.explain([u + u.d(x), u.d2(y)]).groups
    assert [g.derivatives for g in together] == [("value", "d_x", "d_yy")]
    chained = crux.explain((jno.np.exp(x) * u.d(x)).d(x)).groups
    assert [g.derivatives for g in chained] == [("d_x",), ("d_x",)]
    assert "exp(x)" in chained[0].target
    assert chained[1].target == repr(u)


def test_derivatives_below_a_parameter_gradient_are_listed(problem):
    x, y, net, crux = problem()
    (group,) = crux.explain(net(x, y).d(x).mse.grad(net)).groups
    assert group.derivatives == ("d_x",)


def test_operations_without_a_rule_are_named(problem):
    x, y, net, crux = problem(activation=lambda h: jnp.arctan2(h, 1.0))
    (group,) = crux.explain().groups
    assert group.fallbacks == ("atan2",)
    assert "slower: atan2" in str(crux.explain(net(x, y).d2(x)))


def test_explicit_modes_and_expressions_without_derivatives(problem):
    x, y, net, crux = problem()
    (group,) = crux.explain(net(x, y).laplacian(x, y, scheme="automatic_differentiation:fwd-over-rev")).groups
    assert group.scheme == "automatic_differentiation:fwd-over-rev"
    assert group.passes == ("jacfwd over jacrev",)
    assert str(crux.explain(net(x, y))) == "No derivatives are taken."


def test_the_division_is_that_of_solve(problem):
    *_, crux = problem(40)
    (part,) = crux.explain(chunk=400).divided
    assert (part.points, part.parts, part.rows) == (1600, 4, 400)
    assert "1600 points in 4 parts of 400, for 1 reduction" in str(crux.explain(chunk=400))
    assert "1600 points in 3 parts of 534, 3 side by side, for 1 reduction" in str(crux.explain())
    assert crux.explain(chunk=None).divided == ()
    assert crux.explain(chunk=None).step == crux.explain(chunk=400).step


def test_nothing_is_computed_or_changed(problem):
    x, y, net, crux = problem()
    before = crux.eval(net(x, y))
    crux.explain()
    np.testing.assert_array_equal(before, crux.eval(net(x, y)))
    assert len(crux.solve(3).total_loss_history) == 3


def test_a_report_in_a_notebook_is_escaped(problem):
    x, y, net, crux = problem()
    shown = crux.explain((net(x, y) < 1).mean + net(x, y).d(x).mean)._repr_html_()
    assert shown.startswith("<pre>")
    assert shown.count("<") == 2


def test_what_cannot_be_explained(problem):
    x, y, net, crux = problem()
    with pytest.raises(JnoTypeError, match="Call it on coordinates"):
        crux.explain(net)
    with pytest.raises(JnoValueError, match="chunk"):
        crux.explain(chunk=0)
    with pytest.raises(JnoValueError, match="optimizer"):
        jno.core([jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0)))(x, y).mse]).explain()
