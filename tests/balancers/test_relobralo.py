"""ReLoBRaLo against recorded figures, an independent float64 implementation, and its invariants."""

import itertools
from importlib.metadata import entry_points

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from jno_core import AbstractBalancer, UpdateView
from jno_core.errors import JnoValueError
from jno_plugin_balancers import ReLoBRaLo

ANCHOR_LOSSES = np.array([(1, 10), (0.5, 9), (0.45, 9.5), (0.4, 9), (0.39, 8)])
ANCHOR_WEIGHTS = np.array([1, 0.99036, 0.98394, 0.98126, 0.98550])


def view(step, seed=0):
    key = jax.random.fold_in(jax.random.key(seed), step)
    return UpdateView(step=jnp.asarray(step), key=key, params=None, losses_fn=lambda params: params)


def run(balancer, losses, seed=0):
    """The weights of each step, and the last state."""
    state = balancer.init(losses.shape[1])
    weights = []
    for step, row in enumerate(losses):
        new, state = balancer.update(state, jnp.asarray(row), view(step, seed))
        weights.append(np.asarray(new))
    return np.stack(weights), state


def numpy_balance(losses, reference, tau):
    exponents = losses / (tau * reference)
    powers = np.exp(exponents - exponents.max())
    return len(losses) * powers / powers.sum()


def numpy_weights(losses, alpha, tau, rho):
    """The rule in float64 with the same `rho` in every step."""
    weights = [np.ones(losses.shape[1])]
    for previous, current in itertools.pairwise(losses):
        history = weights[-1] if rho else numpy_balance(current, losses[0], tau)
        weights.append(alpha * history + (1 - alpha) * numpy_balance(current, previous, tau))
    return np.stack(weights)


def loss_rows(n):
    row = st.lists(st.floats(1e-3, 1e3), min_size=n, max_size=n)
    return st.lists(row, min_size=1, max_size=6).map(np.array)


any_loss_rows = st.integers(1, 5).flatmap(loss_rows)


def test_recorded_figures():
    weights, _ = run(ReLoBRaLo(expected_rho=1.0), ANCHOR_LOSSES)
    np.testing.assert_allclose(weights[:, 0], ANCHOR_WEIGHTS, atol=6e-6)


def test_defaults_are_those_of_the_rule():
    balancer = ReLoBRaLo()
    assert (balancer.alpha, balancer.tau, balancer.expected_rho) == (0.99, 0.1, 0.999)


@settings(deadline=None, max_examples=30)
@given(losses=any_loss_rows, alpha=st.floats(0, 1), tau=st.floats(0.05, 10), rho=st.sampled_from([0.0, 1.0]))
def test_agrees_with_numpy(losses, alpha, tau, rho):
    with jax.enable_x64(True):
        weights, _ = run(ReLoBRaLo(alpha=alpha, tau=tau, expected_rho=rho), losses)
    np.testing.assert_allclose(weights, numpy_weights(losses, alpha, tau, rho), rtol=1e-7, atol=1e-12)


def test_look_back_reads_the_first_losses():
    losses = np.array([(1.0, 2.0), (0.9, 1.0), (0.2, 1.5), (0.1, 1.4)])
    weights, state = run(ReLoBRaLo(alpha=1.0, tau=1.0, expected_rho=0.0), losses)
    for row, current in zip(weights[1:], losses[1:], strict=True):
        np.testing.assert_allclose(row, numpy_balance(current, losses[0], 1.0), rtol=1e-5)
    np.testing.assert_allclose(state.first, losses[0])
    np.testing.assert_allclose(state.previous, losses[-1])


def test_rho_is_drawn_from_the_key_with_its_probability():
    alpha, tau, steps = 0.5, 1.0, 2000
    first, previous, current = np.array([1.0, 2.0]), np.array([0.9, 1.0]), np.array([0.2, 1.5])
    balancer = ReLoBRaLo(alpha=alpha, tau=tau, expected_rho=0.25)
    start = balancer.init(2)
    _, start = balancer.update(start, jnp.asarray(first), view(0))
    start = start._replace(previous=jnp.asarray(previous, start.previous.dtype))

    def weights_for(key):
        of_key = eqx.tree_at(lambda tree: tree.key, view(1), key)
        return balancer.update(start, jnp.asarray(current), of_key)[0][0]

    weights = np.asarray(jax.vmap(weights_for)(jax.random.split(jax.random.key(3), steps)))
    recent = (1 - alpha) * numpy_balance(current, previous, tau)[0]
    kept = np.isclose(weights, alpha + recent, atol=1e-5)
    looked_back = np.isclose(weights, alpha * numpy_balance(current, first, tau)[0] + recent, atol=1e-5)
    assert np.all(kept ^ looked_back)
    assert abs(kept.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / steps)
    repeated = np.asarray(jax.vmap(weights_for)(jax.random.split(jax.random.key(3), steps)))
    np.testing.assert_array_equal(weights, repeated)


@settings(deadline=None, max_examples=20)
@given(losses=loss_rows(4), order=st.permutations(range(4)))
def test_permuted_losses_give_permuted_weights(losses, order):
    balancer = ReLoBRaLo(expected_rho=0.5)
    with jax.enable_x64(True):
        weights, _ = run(balancer, losses)
        permuted, _ = run(balancer, losses[:, order])
    np.testing.assert_allclose(permuted, weights[:, order], rtol=1e-9)


@settings(deadline=None, max_examples=20)
@given(losses=any_loss_rows, rho=st.floats(0, 1))
def test_weights_sum_to_the_number_of_losses(losses, rho):
    weights, _ = run(ReLoBRaLo(expected_rho=rho), losses)
    assert np.all(weights >= 0)
    np.testing.assert_allclose(weights.sum(axis=1), losses.shape[1], rtol=1e-5)


@pytest.mark.parametrize("expected_rho", [0.0, 1.0])
def test_zero_and_extreme_losses_stay_finite(expected_rho):
    losses = np.array([(0, 0), (0, 1e30), (1e30, 0), (1e-38, 1e38), (0, 0), (1, 1)], np.float32)
    weights, state = run(ReLoBRaLo(expected_rho=expected_rho), losses)
    assert np.all(np.isfinite(weights))
    assert np.all(weights >= 0)
    np.testing.assert_allclose(weights.sum(axis=1), 2, rtol=1e-5)
    assert all(np.all(np.isfinite(leaf)) for leaf in state)


def test_losses_are_floored():
    floored, _ = run(ReLoBRaLo(), np.array([(1e-12, 1.0), (1e-12, 0.5)]))
    zeros, _ = run(ReLoBRaLo(), np.array([(0.0, 1.0), (0.0, 0.5)]))
    np.testing.assert_array_equal(zeros, floored)


def test_one_loss_keeps_the_weight_one():
    weights, _ = run(ReLoBRaLo(expected_rho=0.5), np.array([[1.0], [0.1], [5.0]]))
    np.testing.assert_array_equal(weights, 1)


@pytest.mark.parametrize("x64", [False, True])
def test_scan_equals_loop(x64):
    balancer = ReLoBRaLo(alpha=0.9, expected_rho=0.5)
    losses = np.random.default_rng(0).uniform(0.1, 10, (40, 3))
    with jax.enable_x64(x64):
        looped, last = run(balancer, losses, seed=5)

        def body(state, entry):
            step, row = entry
            weights, state = balancer.update(state, row, view(step, 5))
            return state, weights

        scan = jax.jit(lambda state, rows: jax.lax.scan(body, state, (jnp.arange(len(rows)), rows)))
        state, scanned = scan(balancer.init(3), jnp.asarray(losses))
        np.testing.assert_allclose(scanned, looped, rtol=1e-12 if x64 else 1e-5)
        assert jax.tree.structure(state) == jax.tree.structure(last)
        assert [leaf.dtype for leaf in state] == [leaf.dtype for leaf in balancer.init(3)]
        assert scanned.dtype == (jnp.float64 if x64 else jnp.float32)


@pytest.mark.parametrize(
    ("x64", "given_dtype", "state_dtype"),
    [(False, "float32", "float32"), (True, "float64", "float64"), (True, "float32", "float64")],
)
def test_dtypes_are_kept(x64, given_dtype, state_dtype):
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"):
        balancer = ReLoBRaLo()
        state = balancer.init(2)
        for step in range(2):
            weights, state = balancer.update(state, jnp.asarray([1.0, 2.0], given_dtype), view(step))
            assert weights.dtype == given_dtype
            assert {leaf.dtype for leaf in state[:3]} == {jnp.dtype(state_dtype)}


def test_update_leaves_its_arguments_alone():
    balancer = ReLoBRaLo()
    state = balancer.init(2)
    losses = jnp.array([1.0, 2.0])
    once = balancer.update(state, losses, view(0))
    again = balancer.update(state, losses, view(0))
    assert eqx.tree_equal(once, again)
    assert eqx.tree_equal(state, balancer.init(2))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("alpha", value) for value in (-0.1, 1.1, float("nan"), "0.5", None)),
        *(("tau", value) for value in (0, -1.0, float("nan"), float("inf"), None)),
        *(("expected_rho", value) for value in (-1e-9, 1.5, float("nan"), [1])),
    ],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(JnoValueError, match=f"`{option}`"):
        ReLoBRaLo(**{option: value})


@pytest.mark.parametrize("options", [{"alpha": 0}, {"alpha": 1}, {"expected_rho": 0}, {"expected_rho": 1}])
def test_ends_of_the_ranges_are_accepted(options):
    weights, _ = run(ReLoBRaLo(**options), ANCHOR_LOSSES)
    assert np.all(np.isfinite(weights))


def test_options_are_keywords_only():
    with pytest.raises(TypeError):
        ReLoBRaLo(0.9)


def test_is_found_by_its_name():
    (entry,) = entry_points(group="jno.balancers", name="relobralo")
    assert entry.load() is ReLoBRaLo
    assert issubclass(ReLoBRaLo, AbstractBalancer)
    assert hash(ReLoBRaLo()) == hash(ReLoBRaLo())
