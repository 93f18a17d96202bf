"""A rate that jumps at given steps."""

import itertools
from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_balancers._schedule_arguments import checked_count, checked_number
from jno_plugin_balancers._stateless import AbstractStateless


def _listed(given: Any) -> Any:
    return tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else given


@final
class PiecewiseConstant(AbstractStateless):
    """A rate that changes at given steps: `values[i]` where `i` boundaries are at or below the step.

    - `boundaries`: steps in ascending order, each the first with a new rate.
    - `values`: rates, zero or more, one more than boundaries.

    Raises `JnoTypeError` for something besides lists of numbers, and `JnoValueError` for lists that do not fit together or
    are out of order.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012.
    """

    boundaries: tuple[int, ...] = eqx.field(converter=_listed, static=True)
    values: tuple[float, ...] = eqx.field(converter=_listed, static=True)

    def __check_init__(self) -> None:
        owner = "piecewise_constant"
        for name, given in (("boundaries", self.boundaries), ("values", self.values)):
            if not isinstance(given, tuple):
                raise JnoTypeError(f"{owner} needs a list of numbers as `{name}`, got {given!r}.")
        for i, boundary in enumerate(self.boundaries):
            checked_count(owner, f"boundaries[{i}]", boundary, 0)
        for i, value in enumerate(self.values):
            checked_number(owner, f"values[{i}]", value, zero=True)
        if len(self.values) != len(self.boundaries) + 1:
            raise JnoValueError(
                f"{owner} needs one value more than boundaries, got {len(self.values)} values for {len(self.boundaries)} "
                "boundaries: the first value holds before the first boundary."
            )
        if any(a >= b for a, b in itertools.pairwise(self.boundaries)):
            raise JnoValueError(f"{owner} needs boundaries in ascending order, got {list(self.boundaries)}.")

    def at(self, step: Int[Array, ""]) -> Float[Array, ""]:
        passed = jnp.sum(step >= jnp.asarray(self.boundaries, step.dtype))
        return jnp.asarray([float(v) for v in self.values])[passed]
