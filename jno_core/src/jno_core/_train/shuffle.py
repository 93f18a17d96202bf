"""Random order without a table: any entry of a random permutation, computed by itself.

Batches are drawn without replacement, pass after pass over all points or instances, as a shuffled data loader does. Storing
or sorting a permutation would cost as much as a small step for every step, and its table would have to live in checkpoints
and on each host. Instead a Feistel network over the grid a x b that is just larger than n maps positions to entries: each
round adds a hash of one coordinate to the other, which can be undone, so the map is one-to-one on the grid; entries beyond
n are mapped again until they fall below it (cycle walking; Black and Rogaway, "Ciphers with arbitrary finite domains",
2002).
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt

from jno_core._custom_types import PRNGKey

_ROUNDS = 8


def permuted(key: PRNGKey, n: int, positions: Int[Array, " k"]) -> Int[Array, " k"]:
    """The entries of a random permutation of `0 ... n - 1` at some positions, in O(k). The key chooses the permutation."""
    a = max(1, math.isqrt(n - 1) + 1)
    b = -(-n // a)
    keys = jax.random.bits(key, (_ROUNDS,), jnp.uint32)

    def once(x: UInt[Array, " k"]) -> UInt[Array, " k"]:
        left, right = x // b, x % b
        for i in range(0, _ROUNDS, 2):
            left = (left + _mixed(right, keys[i]) % a) % a
            right = (right + _mixed(left, keys[i + 1]) % b) % b
        return left * b + right

    def walked(x: UInt[Array, " k"]) -> UInt[Array, " k"]:
        return jnp.where(x < n, x, once(x))

    first = once(positions.astype(jnp.uint32))
    return jax.lax.while_loop(lambda x: jnp.any(x >= n), walked, first).astype(positions.dtype)


def drawn(key: PRNGKey, n: int, size: int, number: Int[Array, ""]) -> Int[Array, " size"]:
    """The indices of draw `number`: `size` of `n` without replacement, each index once at most in a pass of `n // size` draws."""
    per_pass = n // size
    order = jax.random.fold_in(key, number // per_pass)
    return permuted(order, n, (number % per_pass) * size + jnp.arange(size))


def _mixed(x: UInt[Array, " k"], key: UInt[Array, ""]) -> UInt[Array, " k"]:
    """A hash of 32 bits: the finaliser of MurmurHash3 (Appleby, 2011)."""
    x = x ^ key
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
