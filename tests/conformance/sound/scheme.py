"""A sound scheme."""

from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp

from jno_core import AbstractScheme, DerivativeRequest, DifferentiationModes, Field, Support
from jno_core.errors import PluginCapabilityError


@final
class Directional(AbstractScheme):
    """Derivatives up to second order by nested directional derivatives (Griewank and Walther 2008, ch. 3)."""

    variants: ClassVar[tuple[str, ...]] = ("nested",)
    variant: str | None = eqx.field(default=None, static=True)

    @classmethod
    def from_variant(cls, variant: str | None, modes: DifferentiationModes) -> "Directional":
        del modes
        if variant is not None and variant not in cls.variants:
            raise PluginCapabilityError(f"Unknown variant {variant!r}; the variants are {cls.variants}.")
        return cls(variant)

    def supports(self, request: DerivativeRequest, where: Support) -> str | None:
        del where
        return None if request.order <= 2 else f"its order is {request.order}, and this scheme serves up to 2"

    def merges(self, request: DerivativeRequest) -> bool:
        return request.order <= 2

    def default_params(self, request: DerivativeRequest, where: Support, key=None):
        del request, where, key
        return {}

    def prepare(self, requests: tuple[DerivativeRequest, ...], where: Support):
        del requests, where

    def apply(self, requests, field: Field, where: Support, params, prepared):
        del params, prepared
        return tuple(_derivative(request, field, where) for request in requests)


def _derivative(request, field, where):
    axes = request.axes
    match request.kind:
        case "value":
            return field.values()
        case "partial":
            return _partial(field, where, axes)
        case "gradient":
            return _bare(jnp.stack([_partial(field, where, (i,)) for i in axes], axis=-1))
        case "laplacian":
            return sum(_partial(field, where, (i, i)) for i in axes)
        case _:
            rows = [jnp.stack([_partial(field, where, (i, j)) for j in axes], axis=-1) for i in axes]
            return _bare(jnp.stack(rows, axis=-2), 2)


def _partial(field, where, axes):
    def at(*columns):
        return field.at(columns, field.aligned)

    for axis in axes:
        at = _along(at, axis)
    return at(*where.columns)


def _along(at, axis):
    def derivative(*columns):
        direction = tuple(jnp.full_like(column, i == axis) for i, column in enumerate(columns))
        return jax.jvp(at, columns, direction)[1]

    return derivative


def _bare(values, trailing=1):
    return values[:, 0] if values.ndim == trailing + 2 and values.shape[1] == 1 else values
