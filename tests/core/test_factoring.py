"""The distributive law in `share`: common factors taken out of sums, the same values, never more to compute."""

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import jno
from jno_core._compile import factoring
from jno_core._compile.hash_consing import share

A, B, C, D = (jnp.asarray(np.random.default_rng(i).standard_normal((5, 4))) for i in range(4))
W, V = (jnp.asarray(np.random.default_rng(i).standard_normal((4, 3))) for i in (7, 8))


def count(fn, name, *args):
    jaxpr = jax.make_jaxpr(fn)(*args).jaxpr

    def below(jaxpr):
        own = sum(e.primitive.name == name for e in jaxpr.eqns)
        return own + sum(below(sub) for sub in jex.subjaxprs(jaxpr))

    return below(jaxpr)


def two_layers(a, b, c, d):
    """The same two layers, and a factor of each point between them, on two streams."""
    first, second = ((jnp.tanh(c[:, :3]) * (x @ W)) @ V.T for x in (a, b))
    return d * first + d * second


# Which primitive is left how often, out of how many.
TOGETHER = {
    "a common factor": (lambda a, b, c, d: a * b + a * c, "mul", 2, 1),
    "on either side": (lambda a, b, c, d: a * b + c * a, "mul", 2, 1),
    "in a sum of many": (lambda a, b, c, d: a * b + d + a * c + jnp.sin(b) + d * a, "mul", 3, 1),
    "two factors": (lambda a, b, c, d: a * b + c * d + a * d + c * b, "mul", 4, 2),
    "a number": (lambda a, b, c, d: 2.0 * a + 2.0 * b, "mul", 2, 1),
    "a layer": (lambda a, b, c, d: a @ W + b @ W, "dot_general", 2, 1),
    "a layer on the left": (lambda a, b, c, d: W.T @ a.T + W.T @ b.T, "dot_general", 2, 1),
    "a value written twice": (lambda a, b, c, d: jnp.sin(a) * jnp.sin(a) + jnp.sin(a) * b, "mul", 2, 1),
    "signs": (lambda a, b, c, d: -(a * b) + -(a * c), "neg", 2, 1),
    "shapes": (lambda a, b, c, d: (a * b).reshape(-1) + (a * c).reshape(-1), "reshape", 2, 1),
    "signs of shapes": (lambda a, b, c, d: -(a * b).reshape(-1) + -(a * c).reshape(-1), "mul", 2, 1),
    "layers upon layers": (two_layers, "dot_general", 4, 2),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_terms_with_something_in_common_become_one(name):
    fn, primitive, before, after = TOGETHER[name]
    assert count(fn, primitive, A, B, C, D) == before
    assert count(share(fn), primitive, A, B, C, D) == after
    np.testing.assert_allclose(share(fn)(A, B, C, D), fn(A, B, C, D), rtol=1e-5, atol=1e-6)
    weigh = jnp.cos(jnp.arange(fn(A, B, C, D).size)).reshape(fn(A, B, C, D).shape)
    for i in range(4):
        plain, shared = (jax.grad(lambda *x, f=f: jnp.sum(weigh * f(*x)), i)(A, B, C, D) for f in (fn, share(fn)))
        np.testing.assert_allclose(shared, plain, rtol=1e-5, atol=1e-6)


def _with_readers(x, y):
    return x + y, jnp.sin(x), jnp.cos(y)


def _with_results(x, y):
    return x + y, x, y


APART = {
    "squares": lambda a, b, c, d: a * a + b * b,
    "different factors": lambda a, b, c, d: a * b + c * d,
    "different numbers": lambda a, b, c, d: 2.0 * a + 3.0 * b,
    "different layers": lambda a, b, c, d: a @ W + b @ V,
    "a layer on either side": lambda a, b, c, d: a.T @ b + b.T @ a,
    "slices of different places": lambda a, b, c, d: a[:2] + b[2:4],
    "a sum with itself": lambda a, b, c, d: a + a,
    "what is read elsewhere": lambda a, b, c, d: _with_readers(a * b, a * c),
    "what is a result": lambda a, b, c, d: _with_results(a * b, a * c),
    "signs alone": lambda a, b, c, d: -a + -b,
    "shapes alone": lambda a, b, c, d: a.reshape(-1) + b.reshape(-1),
    "one number for all points": lambda a, b, c, d: a * b + a[0, 0] + b[0, 0],
    "what is not linear": lambda a, b, c, d: jnp.sin(a) + jnp.sin(b),
}


@pytest.mark.parametrize("name", APART)
def test_all_other_sums_keep_their_bits(name):
    fn = APART[name]
    plain, shared = (jax.make_jaxpr(f)(A, B, C, D).jaxpr for f in (fn, share(fn)))
    assert sorted(e.primitive.name for e in shared.eqns) == sorted(e.primitive.name for e in plain.eqns)
    for x, y in zip(jax.tree.leaves(fn(A, B, C, D)), jax.tree.leaves(share(fn)(A, B, C, D)), strict=True):
        np.testing.assert_array_equal(x, y)


STEPS = st.lists(st.tuples(st.sampled_from("+*@n"), st.integers(0, 99), st.integers(0, 99)), min_size=3, max_size=25)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.integers(1, 3))
def test_random_polynomials_keep_their_values_and_cost_no_more(steps, results):
    square = np.random.default_rng(9).standard_normal((2, 4, 4)) / 4

    def fn(*args):
        values = list(args)
        for operation, i, j in steps:
            # Mostly what was made last, so that sums have terms that nothing else reads.
            x, y = values[-1 - i % min(len(values), 4)], values[-1 - j % min(len(values), 6)]
            match operation:
                case "+":
                    made = x + y
                case "*":
                    made = x * y
                case "@":
                    made = x @ square[j % 2]
                case _:
                    made = -x
            values.append(made)
        return values[-results:]

    with jax.enable_x64(True):
        args = [np.asarray(x, np.float64) / 2 for x in (A, B, C, D)]
        for plain, shared in zip(fn(*args), share(fn)(*args), strict=True):
            np.testing.assert_allclose(shared, plain, rtol=1e-11, atol=1e-11 * max(1.0, np.max(np.abs(plain))))
        for name in ("mul", "dot_general", "neg"):
            assert count(share(fn), name, *args) <= count(fn, name, *args)


def test_long_sums_are_looked_at_once(monkeypatch):
    calls = []
    places = factoring._places
    monkeypatch.setattr(factoring, "_places", lambda step: calls.append(step) or places(step))

    def fn(x):
        total = x
        for i in range(200):
            total = total + jnp.sin(x + i)
        return total

    jax.make_jaxpr(share(fn))(A)
    assert len(calls) < 1000


def test_products_are_found_below_any_number_of_signs(monkeypatch):
    """Neither by recursion nor by beginning anew at each."""
    calls = []
    places = factoring._places
    monkeypatch.setattr(factoring, "_places", lambda step: calls.append(step) or places(step))

    def fn(a, b, c):
        x, y = a * b, a * c
        for _ in range(1500):
            x, y = -x, -y
        return x + y

    assert count(share(fn), "neg", A, B, C) == 1500
    assert count(share(fn), "mul", A, B, C) == 1
    assert len(calls) < 10_000


def test_a_divergence_written_term_by_term_takes_one_stream_as_the_laplacian_does():
    """k Δu + ∇k·∇u, for a network of two hidden layers: value, two first derivatives and one second through each."""
    points = np.random.default_rng(0).random((30, 2))
    x, y, _ = jno.domain.from_array({"interior": points}).variable("interior")
    net = eqx.nn.MLP(2, 1, 32, 2, jnp.tanh, key=jax.random.key(0))
    u = jno.nn.wrap(net).optimizer(optax.sgd(1e-3))(x, y)
    k = 1 + x * x + y
    by_terms = (k * u.d(x)).d(x) + (k * u.d(y)).d(y)
    by_hand = k * u.laplacian(x, y) + 2 * x * u.d(x) + u.d(y)
    crux = jno.core([by_terms.mse, by_hand.mse])
    np.testing.assert_allclose(*crux.eval([by_terms, by_hand]), rtol=1e-4, atol=1e-6)
    flops = [jno.core([term.mse]).explain().step.flops for term in (by_terms, by_hand)]
    assert flops[0] < 1.1 * flops[1]
