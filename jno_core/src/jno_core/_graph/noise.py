"""Random terms that are drawn anew in every training step."""

import dataclasses
import math
from collections.abc import Hashable
from typing import Literal, final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._custom_types import PRNGKey
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import default_float
from jno_core.errors import JnoValueError

Distribution = Literal["gaussian", "uniform", "laplace"]


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Noise(Placeholder):
    """A random field `(N, ndim)`, independent at each point, instance and step; zero in `eval` without a key.

    `low` and `high` are the parameters of the distribution: the standard deviation in `high` for `gaussian` and
    `laplace`, the interval for `uniform`. A node used twice is one realisation. N is taken from the expression around it.
    The stream follows from the seed and the order of the noise nodes in the problem.
    """

    distribution: Distribution
    low: float
    high: float
    ndim: int = 1

    def children(self) -> tuple[Placeholder, ...]:
        return ()

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        del children
        return self

    def key(self) -> Hashable:
        return id(self)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        if isinstance(self.ndim, bool) or not isinstance(self.ndim, int) or self.ndim < 1:
            raise JnoValueError(f"Noise needs ndim >= 1 components, got {self.ndim!r}.")
        if self.distribution == "uniform" and not -math.inf < self.low <= self.high < math.inf:
            raise JnoValueError(f"Uniform noise needs finite low <= high, got low={self.low}, high={self.high}.")
        if self.distribution != "uniform" and not 0 <= self.high < math.inf:
            raise JnoValueError(f"{self.distribution.capitalize()} noise needs a finite std >= 0, got {self.high}.")
        return jax.ShapeDtypeStruct((1, self.ndim), default_float())

    def draw(self, key: PRNGKey, n: int) -> Float[Array, "n c"]:
        """A realisation at `n` points."""
        shape, dtype = (n, self.ndim), default_float()
        if self.distribution == "gaussian":
            return self.high * jax.random.normal(key, shape, dtype)
        if self.distribution == "uniform":
            return jax.random.uniform(key, shape, dtype, self.low, self.high)
        # The Laplace distribution of scale b has the standard deviation b * sqrt(2).
        return self.high / jnp.sqrt(2.0).astype(dtype) * jax.random.laplace(key, shape, dtype)
