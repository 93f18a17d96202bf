"""Running a check with JAX's 64-bit types on or off, and without the optimizations of its compiler."""

import contextlib
from collections.abc import Iterator

import jax


def double_precision(enabled: bool = True) -> contextlib.AbstractContextManager[None]:
    """64-bit types inside of the `with` block as stated, afterwards as before."""
    return _configured("jax_enable_x64", enabled)


@contextlib.contextmanager
def unoptimised() -> Iterator[None]:
    """Programs that run once inside of the `with` block: optimising them would cost more than it saves.

    They are forgotten at its end: JAX would go on using them, and their results differ in the last bits from those of the
    same programs optimised, in this process or in another.
    """
    with _configured("jax_disable_most_optimizations", True):
        try:
            yield
        finally:
            jax.clear_caches()


@contextlib.contextmanager
def _configured(name: str, value: bool) -> Iterator[None]:
    before = jax.config.read(name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)
