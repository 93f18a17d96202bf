"""What a user sets on a network: masks, frozen parts, optimizers by group, constraints."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import paramax
import pytest

import jno
from jno_core.errors import JnoTypeError, JnoValueError

POINTS = np.random.default_rng(0).uniform(-1, 1, (6, 2)).astype(np.float32)
MLP = eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0))
FIRST, LAST = (lambda m: m.layers[0].weight), (lambda m: m.layers[1].bias)
RATE = 0.1


class Problem:
    """A small network, and plain gradient descent on one loss to compare with."""

    def __init__(self, module=MLP):
        self.domain = jno.domain.from_array({"interior": POINTS})
        self.x, self.y, _ = self.domain.variable("interior")
        self.net = jno.nn.wrap(module, name="u")
        self.u = self.net(self.x, self.y)
        self.loss = (self.u - self.x).mse

    def mask(self, *selects):
        nothing = jax.tree.map(lambda _: False, self.net.module)
        for select in selects:
            nothing = eqx.tree_at(select, nothing, True)
        return nothing

    def trained(self, steps=3):
        jno.core([self.loss], domain=self.domain).solve(steps)
        return self.net.module

    def eval(self, node):
        return jno.core([], domain=self.domain).eval(node)


def loss(module):
    return jnp.mean((jax.vmap(module)(POINTS) - POINTS[:, :1]) ** 2)


def descent(rate, steps=3, transform=lambda m: m):
    """Gradient descent with a rate for each leaf: `rate(path of the leaf)`."""
    module = MLP
    for _ in range(steps):
        gradient = eqx.filter_jit(eqx.filter_grad(lambda m: loss(transform(m))))(module)
        module = jax.tree_util.tree_map_with_path(
            lambda path, p, g: p if g is None else p - rate(jax.tree_util.keystr(path)) * g,
            module, gradient, is_leaf=lambda leaf: leaf is None,
        )  # fmt: skip
    return module


def assert_close(a, b):
    for (path, left), (_, right) in zip(*map(jax.tree_util.tree_leaves_with_path, (a, b)), strict=True):
        if eqx.is_array(left):
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6, err_msg=jax.tree_util.keystr(path))


FIRST_PATH, LAST_PATH = ".layers[0].weight", ".layers[1].bias"

SETTINGS = {
    "one optimizer": (lambda p: p.net.optimizer(optax.sgd(RATE)), lambda path: RATE),
    "a factory with its rate": (lambda p: p.net.optimizer(optax.sgd).scale(RATE), lambda path: RATE),
    "a scaled optimizer": (lambda p: p.net.optimizer(optax.sgd(RATE)).scale(0.5), lambda path: RATE / 2),
    "a group beside the rest": (
        lambda p: p.net.optimizer(optax.sgd(RATE)).mask(p.mask(FIRST)).optimizer(optax.sgd(3 * RATE)),
        lambda path: 3 * RATE if path == FIRST_PATH else RATE,
    ),
    "the group set first": (
        lambda p: (p.net.mask(p.mask(FIRST)).optimizer(optax.sgd(RATE)), p.net.freeze(), p.net.unfreeze(),
                   p.net.optimizer(optax.sgd(2 * RATE))),
        lambda path: 2 * RATE,
    ),
    "a masked scale": (
        lambda p: p.net.optimizer(optax.sgd(RATE)).mask(p.mask(FIRST)).optimizer(optax.sgd(RATE)).mask(p.mask(FIRST)).scale(2.0),
        lambda path: 2 * RATE if path == FIRST_PATH else RATE,
    ),
    "a part frozen": (
        lambda p: p.net.optimizer(optax.sgd(RATE)).mask(p.mask(FIRST, LAST)).freeze(),
        lambda path: 0 if path in (FIRST_PATH, LAST_PATH) else RATE,
    ),
    "frozen and thawed": (lambda p: p.net.freeze().unfreeze().optimizer(optax.sgd(RATE)), lambda path: RATE),
    "only a group": (
        lambda p: (p.net.mask(p.mask(FIRST)).optimizer(optax.sgd(RATE)),
                   p.net.mask(jax.tree.map(lambda m: not m, p.mask(FIRST))).freeze()),
        lambda path: RATE if path == FIRST_PATH else 0,
    ),
    "everything by a mask of None": (lambda p: p.net.mask(None).optimizer(optax.sgd(RATE)), lambda path: RATE),
    "settings on the call": (lambda p: p.u.optimizer(optax.sgd(RATE)).mask(p.mask(LAST)).freeze(),
                             lambda path: 0 if path == LAST_PATH else RATE),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_training_is_gradient_descent_at_the_rate_of_each_parameter(name):
    configure, rate = SETTINGS[name]
    problem = Problem()
    configure(problem)
    assert_close(problem.trained(), descent(rate))


def test_a_constraint_is_applied_wherever_the_parameter_is_used():
    problem = Problem()
    assert problem.net.constrain(jnp.tanh) is problem.net
    squashed = jax.tree.map(lambda p: jnp.tanh(p) if eqx.is_array(p) else p, MLP)
    assert eqx.tree_equal(problem.net.module, MLP)
    np.testing.assert_allclose(problem.eval(problem.u)[0], jax.vmap(squashed)(POINTS), rtol=1e-5, atol=1e-6)
    problem.net.optimizer(optax.sgd(RATE))
    transform = lambda m: jax.tree.map(lambda p: jnp.tanh(p) if eqx.is_array(p) else p, m)  # noqa: E731
    assert_close(problem.trained(), descent(lambda path: RATE, transform=transform))


def test_constraints_compose_and_may_be_masked():
    problem = Problem()
    problem.net.mask(problem.mask(LAST)).constrain(jax.nn.softplus)
    problem.net.mask(problem.mask(LAST)).constrain(lambda b: 2 * b)
    problem.net.constrain(lambda p: p + 1)
    used = jax.tree.map(lambda p: p + 1 if eqx.is_array(p) else p, MLP)
    used = eqx.tree_at(LAST, used, 2 * jax.nn.softplus(LAST(MLP)) + 1)
    np.testing.assert_allclose(problem.eval(problem.u)[0], jax.vmap(used)(POINTS), rtol=1e-5, atol=1e-6)


def test_a_module_may_bring_its_own_parameterisation():
    inside = eqx.tree_at(FIRST, MLP, paramax.Parameterize(jnp.tanh, FIRST(MLP)))
    problem = Problem(inside)
    assert problem.u.grad(problem.net).aval.shape == (6, 17)
    problem.net.mask(problem.mask(LAST)).constrain(jnp.exp)
    used = eqx.tree_at(FIRST, eqx.tree_at(LAST, MLP, jnp.exp(LAST(MLP))), jnp.tanh(FIRST(MLP)))
    np.testing.assert_allclose(problem.eval(problem.u)[0], jax.vmap(used)(POINTS), rtol=1e-5, atol=1e-6)


def test_a_constrained_parameter_stays_in_its_range():
    domain = jno.domain.from_array({"interior": POINTS})
    x, _, _ = domain.variable("interior")
    p = jno.np.parameter((1,), name="k").initialize(0.5).constrain(jax.nn.softplus).optimizer(optax.sgd(1.0))
    crux = jno.core([(p * x + 2 * x).mse], domain=domain)
    np.testing.assert_allclose(crux.eval(p), jax.nn.softplus(jnp.array([0.5])), rtol=1e-6)
    crux.solve(50)
    assert 0 < crux.eval(p)[0] < 0.2


# Masks are scoped (ruling R6).


def test_a_mask_leaves_the_network_as_it_was():
    problem = Problem()
    settings = problem.net.settings
    handle = problem.net.mask(problem.mask(FIRST))
    assert problem.net.settings is settings
    assert repr(handle) == "u.mask(...)"
    problem.u.grad(handle)
    assert problem.net.settings is settings
    assert problem.u.grad(problem.net).aval.shape == (6, 17)
    problem.net.optimizer(optax.sgd(RATE))
    assert_close(problem.trained(), descent(lambda path: RATE))


def test_a_handle_acts_on_its_network_and_returns_it():
    problem = Problem()
    for call in (lambda h: h.optimizer(optax.sgd(RATE)), lambda h: h.freeze(), lambda h: h.constrain(jnp.tanh)):
        assert call(problem.net.mask(problem.mask(FIRST))) is problem.net
    assert problem.u.freeze() is problem.u
    assert problem.net.freeze() is problem.net


def test_masks_must_fit():
    problem = Problem()
    nothing = jax.tree.map(lambda _: False, MLP)
    other = jax.tree.map(lambda _: True, eqx.nn.MLP(2, 1, 4, 2, jnp.tanh, key=jax.random.key(0)))
    static = jax.tree.map(lambda _: True, eqx.nn.MLP(2, 1, 5, 1, jnp.tanh, key=jax.random.key(0)))
    for mask, error, text in (
        (nothing, JnoValueError, "selects no"),
        (other, JnoValueError, r"layers\[2\]"),
        (static, JnoValueError, "structure"),
        ({"a": True}, JnoValueError, "structure"),
        (True, JnoValueError, "structure"),
        (jax.tree.map(lambda _: 1, MLP), JnoTypeError, "True or False"),
        (jax.tree.map(lambda p: jnp.ones_like(p) if eqx.is_array(p) else False, MLP), JnoTypeError, "True or False"),
    ):
        with pytest.raises(error, match=text):
            problem.net.mask(mask)


def test_leaves_that_are_no_floating_point_arrays_are_never_selected():
    problem = Problem()
    everything = jax.tree.map(lambda _: True, problem.net.module)
    assert problem.net.mask(everything).selection == problem.net.mask(None).selection
    assert problem.u.grad(problem.net.mask(everything)).aval.shape == (6, 17)


# What cannot be set.


@pytest.mark.parametrize("bad", [None, 0.1, "adam", optax.constant_schedule(0.1), optax.adam(1e-3).init])
def test_what_is_no_optimizer(bad):
    with pytest.raises(JnoTypeError, match="optimizer"):
        Problem().net.optimizer(bad)


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), True, "fast"], ids=repr)
def test_what_is_no_rate(bad):
    with pytest.raises((JnoTypeError, JnoValueError), match="scale"):
        Problem().net.optimizer(optax.sgd).scale(bad)


def test_what_is_no_constraint():
    for bad in (None, 1.0, "softplus"):
        with pytest.raises(JnoTypeError, match="constrain"):
            Problem().net.constrain(bad)
    with pytest.raises(JnoValueError, match="shape"):
        Problem().net.constrain(jnp.sum)


def test_training_needs_an_optimizer_and_a_rate():
    problem = Problem()
    with pytest.raises(JnoValueError, match=r"u.*optimizer"):
        problem.trained()
    problem.net.optimizer(optax.sgd)
    with pytest.raises(JnoValueError, match="rate"):
        problem.trained()
    problem.net.mask(problem.mask(FIRST)).optimizer(optax.sgd(RATE))
    problem.net.freeze()
    before = problem.net.module
    other = jno.np.parameter((1,), name="p").optimizer(optax.sgd(RATE))
    jno.core([(problem.u - other).mse], domain=problem.domain).solve(2)
    assert eqx.tree_equal(problem.net.module, before)


def test_the_summary_names_every_leaf(capsys):
    problem = Problem()
    assert problem.net.mask(problem.mask(FIRST)).freeze().summary() is problem.net
    text = capsys.readouterr().out
    assert FIRST_PATH in text
    assert "17 parameters, 9 trainable" in text
    assert len([line for line in text.splitlines() if line.endswith("frozen")]) == 1
