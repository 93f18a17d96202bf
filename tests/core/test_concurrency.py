"""What contractions there are, counted by hand, and how many parts should stand side by side."""

import jax
import jax.numpy as jnp
import pytest

from jno_core._compile.concurrency import BUSY, MANY, Work, abreast, points_abreast, points_in_turn, work_of

POINTS = 8
W = jnp.ones((4, 4))
WIDE = jnp.ones((4, 32))
FEW = Work(10_000, 3, 256)
"""Rows of 64 numbers, in few contractions."""
ALONE = (Work(BUSY, 3, 256), Work(10_000, MANY, 256), Work(10_000, 3, 256, loops=True))
"""What keeps all cores busy without parts side by side, and what would not be side by side."""


def chain(x):
    return jnp.tanh(jnp.tanh(x @ W) @ W) @ W


@jax.jit
def layer(x, w):
    return jnp.tanh(x @ w)


def five_and_one(x):
    return sum(jnp.sin((k * x) @ W) for k in range(1, 6)) @ W


def convolved(x):
    # (points, features, positions) with three taps, from one feature to two
    return jax.lax.conv_general_dilated(x[:, None], jnp.ones((2, 1, 3)), (1,), "SAME")


CASES = {
    "nothing": (lambda x: x, 0, 0, 0),
    "no contraction": (lambda x: jnp.sin(x) + 1, 0, 0, 0),
    "a chain": (chain, 16, 1, 16),
    "three chains": (lambda x: chain(x) + chain(2 * x) * chain(3 * x), 48, 3, 16),
    "five, then one": (five_and_one, 48, 3, 16),
    "wide, then narrow": (lambda x: x @ WIDE @ WIDE.T, 128, 1, 128),
    "a batch of products": (lambda x: jnp.einsum("ni,kij->nkj", x, jnp.ones((3, 4, 4))), 48, 1, 48),
    "two convolutions": (lambda x: convolved(x) + convolved(2 * x), 2 * 8 * 3, 2, 32),
    "layers in a loop": (
        lambda x: jax.lax.scan(lambda h, w: (layer(h, w), None), x @ W, jnp.stack([W, W]))[0],
        16,
        1,
        16,
        True,
    ),
    "a loop without contractions": (lambda x: jax.lax.fori_loop(0, 3, lambda _, h: jnp.sin(h), x @ W), 16, 1, 16),
    "of weights alone": (lambda x: x + W @ W @ W[0], (64 + 16) / POINTS / 2, 0, 64 / POINTS),
}


@pytest.mark.parametrize("name", CASES)
def test_contractions_are_counted_by_the_longest_chain_of_them(name):
    fn, *expected = CASES[name]
    assert work_of(jax.make_jaxpr(fn)(jnp.ones((POINTS, 4))).jaxpr, POINTS) == Work(*expected)


@pytest.mark.parametrize(
    ("points", "expected"),
    # Rows of 64 numbers: from 1,024 points on, loops over them are divided.
    [(1, 1), (479, 1), (480, 3), (1023, 3), (1024, 1), (2047, 1), (2048, 2), (3071, 2), (3072, 3), (10**6, 3)],
)
def test_parts_are_small_where_nothing_is_divided_and_else_large_enough_to_be_divided(points, expected):
    assert abreast(points, FEW, 3) == expected
    assert abreast(points, FEW, 1) == 1
    assert [abreast(points, work, 3) for work in ALONE] == [1, 1, 1]


def test_points_that_are_taken_together_are_enough_for_parts_that_are_divided():
    least = points_abreast(FEW, 3)
    assert least == 3072
    assert abreast(int(least), FEW, 3) == 3
    assert abreast(int(least) - 1, FEW, 3) == 2
    assert points_abreast(FEW, 1) == 0
    assert [points_abreast(work, 3) for work in ALONE] == [0, 0, 0]


def test_with_many_contractions_points_one_after_another_are_enough_for_all_cores():
    # Measured with 100 axes on four cores: 512 points of 64 units, 1,024 of 32; on one core 128 points.
    assert points_in_turn(Work(0, MANY, 256), 4) == 512
    assert points_in_turn(Work(0, MANY, 128), 4) == 1024
    assert points_in_turn(Work(0, MANY, 256), 1) == 128
    assert points_in_turn(FEW, 4) == 0
