"""Random order without a table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from jno_core._train.shuffle import drawn, permuted

SIZES = (1, 2, 3, 5, 16, 17, 100, 1000)


@pytest.mark.parametrize("n", SIZES)
def test_it_is_a_permutation_of_every_size(n):
    order = jax.jit(permuted, static_argnums=1)(jax.random.key(n), n, jnp.arange(n))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_all_permutations_are_about_equally_likely():
    made = jax.jit(jax.vmap(lambda key: permuted(key, 4, jnp.arange(4))))(jax.random.split(jax.random.key(0), 24_000))
    _, counts = np.unique(np.asarray(made), axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-4


def test_every_entry_is_about_equally_likely_everywhere():
    n, count = 50, 20_000
    made = jax.jit(jax.vmap(lambda key: permuted(key, n, jnp.arange(n))))(jax.random.split(jax.random.key(1), count))
    table = np.stack([np.bincount(column, minlength=n) for column in np.asarray(made).T])
    assert stats.chisquare(table, axis=1).pvalue.min() > 1e-5
    # Neighbours are independent: differences of two entries take each value equally often.
    differences = np.bincount((made[:, 1] - made[:, 0]) % n, minlength=n)[1:]
    assert stats.chisquare(differences).pvalue > 1e-4


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 50))
def test_draws_of_a_pass_are_disjoint_and_passes_differ(n, size, first):
    size = min(size, n)
    per_pass = n // size
    start = first * per_pass
    draws = [np.asarray(drawn(jax.random.key(3), n, size, jnp.asarray(start + i))) for i in range(per_pass)]
    seen = np.concatenate(draws)
    assert len(np.unique(seen)) == per_pass * size
    assert seen.min() >= 0
    assert seen.max() < n
