"""How many contractions do not wait for each other, counted by hand."""

import jax
import jax.numpy as jnp
import pytest

from jno_core._compile.independence import independent_contractions

W = jnp.ones((4, 4))


def chain(x):
    return jnp.tanh(jnp.tanh(x @ W) @ W) @ W


def five_and_one(x):
    return sum(jnp.sin((k * x) @ W) for k in range(1, 6)) @ W


def convolved(x):
    return jax.lax.conv_general_dilated(x[None], W[None], (1,), "SAME")


CASES = {
    "nothing": (lambda x: x, 0),
    "no contraction": (lambda x: jnp.sin(x) + 1, 0),
    "a chain": (chain, 1),
    "three chains": (lambda x: chain(x) + chain(2 * x) * chain(3 * x), 3),
    "five, then one": (five_and_one, 3),
    "two convolutions": (lambda x: convolved(x) + convolved(2 * x), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_contractions_are_counted_by_the_longest_chain_of_them(name):
    fn, expected = CASES[name]
    assert independent_contractions(jax.make_jaxpr(fn)(jnp.ones((4, 4))).jaxpr) == expected
