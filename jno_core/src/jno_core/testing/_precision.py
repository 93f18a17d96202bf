"""Running a check with JAX's 64-bit types on or off, and without the optimizations of its compiler."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def double_precision(enabled: bool = True) -> Iterator[None]:
    """64-bit types inside of the `with` block as stated, afterwards as before."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", enabled)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@contextlib.contextmanager
def unoptimised() -> Iterator[None]:
    """Programs that run once inside of the `with` block: optimising them would cost more than it saves."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
