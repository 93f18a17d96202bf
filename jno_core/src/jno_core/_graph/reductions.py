"""Reductions of an expression to one number per instance. They are properties, as in `residual.mse`."""

import abc
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact


def mean_square(x: Inexact[Array, "..."]) -> Float[Array, ""]:
    """The mean of `|x|^2` over all entries; the modulus for complex values."""
    return jnp.mean(jnp.square(jnp.abs(x)) if jnp.iscomplexobj(x) else jnp.square(x))


def mean_absolute(x: Inexact[Array, "..."]) -> Float[Array, ""]:
    """The mean of `|x|` over all entries."""
    return jnp.mean(jnp.abs(x))


class Reductions(abc.ABC):
    """Properties that reduce all entries of one instance to a scalar `()`."""

    @abc.abstractmethod
    def _apply(self, fn: Any, name: str, *others: Any, **options: Any) -> Any: ...

    @property
    def mse(self) -> Any:
        """Mean of squares."""
        return self._apply(mean_square, "mse")

    @property
    def mae(self) -> Any:
        """Mean of absolute values."""
        return self._apply(mean_absolute, "mae")

    @property
    def mean(self) -> Any:
        """Mean."""
        return self._apply(jnp.mean, "mean")

    @property
    def sum(self) -> Any:
        """Sum."""
        return self._apply(jnp.sum, "sum")

    @property
    def min(self) -> Any:
        """Smallest entry."""
        return self._apply(jnp.min, "min")

    @property
    def max(self) -> Any:
        """Largest entry."""
        return self._apply(jnp.max, "max")

    @property
    def std(self) -> Any:
        """Population standard deviation."""
        return self._apply(jnp.std, "std")
