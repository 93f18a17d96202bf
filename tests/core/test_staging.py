"""Staged evaluation: the values and gradients of the function, and what all parts or all steps have in common once only."""

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import jno
from jno_core import AbstractResampler
from jno_core._compile import Kept, Staged, staging
from jno_core._train.options import StepOptions

PARAMS = {"a": jnp.array([0.4, -0.3, 0.8]), "b": jnp.array([[0.2, -0.5, 0.1], [0.7, 0.3, -0.6]])}
PART = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)
FIXED = jnp.array([[1.5, -0.5, 2.0], [0.3, 0.9, -1.1]])


def staged_value(staged, params, part):
    return staged(params, part, Kept(staged.of_parameters(params), staged.of_points(part)))


def kept_shapes(staged, params=PARAMS, part=PART):
    return [x.shape for x in staged.of_parameters(params)], [x.shape for x in staged.of_points(part)]


def count(jaxpr, name):
    """How many equations of a primitive a jaxpr has, those of its sub-jaxprs included."""
    own = sum(e.primitive.name == name for e in jaxpr.eqns)
    return own + sum(count(sub, name) for sub in jex.subjaxprs(jaxpr))


def main_count(staged, name):
    """How many equations of a primitive are left for each part and step."""
    kept = Kept(staged.of_parameters(PARAMS), staged.of_points(PART))
    return count(jax.make_jaxpr(staged)(PARAMS, PART, kept).jaxpr, name)


# --- what is kept


def branch_and_trunk(params, part, fixed):
    branch = jnp.tanh(jnp.tanh(params["a"]) @ params["b"].T)
    return jnp.sum(jnp.exp(part @ params["b"]) @ params["a"] * (jnp.cos(part) @ branch))


def test_what_follows_from_the_parameters_alone_is_common_to_the_parts():
    staged = Staged(branch_and_trunk, PARAMS, PART, FIXED, parts=0)
    assert kept_shapes(staged) == ([(2,)], [])
    assert (main_count(staged, "tanh"), main_count(staged, "exp"), main_count(staged, "cos")) == (0, 1, 1)


def test_what_follows_from_the_points_alone_is_common_to_the_steps():
    staged = Staged(branch_and_trunk, PARAMS, PART, FIXED, parts=4)
    assert kept_shapes(staged) == ([(2,)], [(5, 2)])
    assert (main_count(staged, "tanh"), main_count(staged, "exp"), main_count(staged, "cos")) == (0, 1, 0)


def features(params, part, fixed):
    phases = part @ fixed
    slopes = [jnp.cos(phases) * row for row in fixed]
    return sum(jnp.sum((slope * jnp.sin(phases)) @ params["a"]) for slope in slopes)


def test_costly_values_are_kept_and_products_of_them_made_again():
    staged = Staged(features, PARAMS, PART, FIXED, parts=4)
    assert kept_shapes(staged) == ([], [(5, 3), (5, 3)])


def test_what_is_smaller_than_what_it_is_made_of_is_kept_itself():
    def source(params, part, fixed):
        x, y = part[:, 0], part[:, 1]
        return jnp.sum(params["a"][0] * (jnp.sin(x) * jnp.exp(y) + jnp.cos(x) * jnp.tanh(y)))

    assert kept_shapes(Staged(source, PARAMS, PART, FIXED, parts=4)) == ([], [(5,)])


def test_nothing_cheap_is_kept():
    def plain(params, part, fixed):
        return jnp.sum(jnp.tanh((part * part - 2 * fixed[0, 0]) @ (2 * params["b"])))

    assert kept_shapes(Staged(plain, PARAMS, PART, FIXED, parts=4)) == ([], [])


def test_what_takes_too_much_memory_is_computed_in_every_step(monkeypatch):
    monkeypatch.setattr(staging, "MOST_BYTES", 4 * 2 * 5 * 3 * 4)
    assert kept_shapes(Staged(features, PARAMS, PART, FIXED, parts=4))[1] == [(5, 3), (5, 3)]
    assert kept_shapes(Staged(features, PARAMS, PART, FIXED, parts=5))[1] == []


def test_what_depends_on_the_step_is_computed_in_every_step():
    @jax.jit
    def shapes(time):
        def moving(params, part, fixed):
            return jnp.sum(jnp.sin(time * part) @ params["b"]) + jnp.sum(jnp.tanh(params["a"] * time))

        staged = Staged(moving, PARAMS, PART, FIXED, parts=4)
        seen.append(kept_shapes(staged))
        np.testing.assert_array_equal(main_count(staged, "sin"), 1)
        return staged_value(staged, PARAMS, PART)

    seen = []
    expected = jnp.sum(jnp.sin(0.5 * PART) @ PARAMS["b"]) + jnp.sum(jnp.tanh(PARAMS["a"] * 0.5))
    np.testing.assert_allclose(shapes(0.5), expected, rtol=1e-6)
    assert seen == [([()], [])]


def test_effects_happen_once_and_integers_are_not_kept():
    calls = []

    def printing(params, part, fixed):
        jax.debug.callback(lambda: calls.append(1))
        number = jnp.argmax(jnp.tanh(params["a"]))
        return jnp.sum(jnp.sin(part)) * params["a"][number]

    staged = Staged(printing, PARAMS, PART, FIXED, parts=4)
    calls.clear()
    value = staged_value(staged, PARAMS, PART)
    jax.effects_barrier()
    assert calls == [1]
    np.testing.assert_allclose(value, jnp.sum(jnp.sin(PART)) * 0.8, rtol=1e-6)


# --- values and gradients

LEAVES = [
    lambda p, x, f: p["a"],
    lambda p, x, f: p["b"].T @ jnp.ones(2),
    lambda p, x, f: x @ p["b"],
    lambda p, x, f: x @ f,
    lambda p, x, f: f[0],
    lambda p, x, f: jnp.arange(3.0),
]
UNARY = [jnp.sin, jnp.tanh, jax.nn.relu, lambda x: x**2, lambda x: -x, lambda x: x - jnp.mean(x, axis=0)]
BINARY = [jnp.add, jnp.multiply, jnp.maximum, lambda a, b: a - 0.5 * b, lambda a, b: jnp.where(a > b, a, b * b)]


def applied(op, *args):
    return lambda p, x, f: op(*(a(p, x, f) for a in args))


expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(applied, st.sampled_from(UNARY), inner), st.builds(applied, st.sampled_from(BINARY), inner, inner)
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(expressions, st.sampled_from([0, 3]))
def test_values_and_gradients_are_those_of_the_function(expression, parts):
    def fn(params, part, fixed):
        return jnp.sum(jnp.sin(expression(params, part, fixed)))

    staged = Staged(fn, PARAMS, PART, FIXED, parts=parts)
    moved = jax.tree.map(lambda x: 0.7 * x + 0.1, PARAMS)
    part = PART[::-1] + 0.2
    got = jax.value_and_grad(lambda p: staged_value(staged, p, part))(moved)
    expected = jax.value_and_grad(fn)(moved, part, FIXED)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


# --- training


class Fourier(eqx.Module):
    frequencies: jax.Array
    mlp: eqx.nn.MLP

    def __call__(self, x):
        phases = self.frequencies @ x
        return self.mlp(jnp.concatenate([jnp.sin(phases), jnp.cos(phases)]))


class DeepONet(eqx.Module):
    branch: eqx.nn.MLP
    trunk: eqx.nn.MLP

    def __call__(self, x):
        return jnp.dot(self.branch(jnp.linspace(0.0, 1.0, 5)), jnp.sin(self.trunk(x)))[None]


def fourier():
    return Fourier(
        jax.random.normal(jax.random.key(1), (4, 2)), eqx.nn.MLP(8, 1, 8, 1, jnp.tanh, key=jax.random.key(0))
    )


def deeponet():
    keys = jax.random.split(jax.random.key(0))
    return DeepONet(eqx.nn.MLP(5, 6, 8, 1, jax.nn.sigmoid, key=keys[0]), eqx.nn.MLP(2, 6, 8, 1, jnp.tanh, key=keys[1]))


def core(module, frozen=True, strategy=None):
    if strategy is None:
        domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((40, 2)).astype(np.float32)})
        x, y, _ = domain.variable("interior")
    else:
        domain = jno.domain.disk(mesh_size=0.3)
        x, y, _ = domain.variable("interior", 40, resampling_strategy=strategy)
    net = jno.nn.wrap(module, name="u").optimizer(optax.adam(1e-2))
    if frozen and isinstance(module, Fourier):
        nothing = jax.tree.map(lambda _: False, net.module)
        net.mask(eqx.tree_at(lambda m: m.frequencies, nothing, True)).freeze()
    return jno.core([(net(x, y).laplacian(x, y) + jno.np.exp(x * y)).mse])


def in_loops(crux, name, **options):
    """How many equations of a primitive the loops over the parts have."""
    compiled = crux._trainer.prepared(StepOptions(chunk=10, **options))
    state = compiled.initial(jax.random.key(0))
    jaxpr = jax.make_jaxpr(compiled._stepper.step)(state, compiled._rest, compiled._data).jaxpr

    def within(jaxpr):
        loops = [e for e in jaxpr.eqns if e.primitive.name == "scan"]
        others = (sub for e in jaxpr.eqns if e.primitive.name != "scan" for sub in jex.jaxprs_in_params(e.params))
        return sum(count(e.params["jaxpr"].jaxpr, name) for e in loops) + sum(within(sub) for sub in others)

    return within(jaxpr)


@pytest.mark.parametrize("made", [fourier, deeponet])
def test_training_in_parts_gives_the_losses_of_the_whole(made):
    parts, whole = (core(made()).solve(30, chunk=chunk).total_loss_history for chunk in (10, None))
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
    assert parts[-1] < parts[0]


def test_features_that_do_not_train_are_left_out_of_the_loop_over_the_parts():
    assert in_loops(core(fourier()), "sin") == 0
    assert in_loops(core(fourier()), "exp") == 0
    assert in_loops(core(fourier(), frozen=False), "sin") > 0


def test_a_branch_network_is_left_out_of_the_loop_over_the_parts():
    assert in_loops(core(deeponet()), "logistic") == 0
    assert in_loops(core(deeponet()), "tanh") > 0


def test_a_batch_of_the_points_is_new_in_every_step():
    assert in_loops(core(fourier()), "sin", batchsize=20) > 0


class Fresh(AbstractResampler):
    """Forty candidates, drawn at random."""

    every: int = 2
    start: int = 1

    def init(self):
        return ()

    def select(self, state, view, key):
        return jax.random.choice(key, len(view.points) + len(view.pool), (len(view.points),), replace=False), state


def test_features_follow_the_points_that_a_strategy_renews():
    assert in_loops(core(fourier(), strategy=Fresh()), "sin") > 0
    parts, whole = (core(fourier(), strategy=Fresh()).solve(7, chunk=chunk).total_loss_history for chunk in (10, None))
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
