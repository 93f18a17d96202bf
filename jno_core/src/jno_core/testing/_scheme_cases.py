"""What schemes are asked on each point set, and the answers."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jno_core._interfaces import AbstractScheme, DerivativeRequest, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_core.testing._manufactured import Waves, exact, field_of
from jno_core.testing._point_sets import Layout, point_set

_DIMENSIONS = ((1, False), (2, False), (3, False), (1, True), (2, True))

Requests = tuple[DerivativeRequest, ...]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A manufactured solution on a point set, and the requests that the scheme serves there.

    - `components`: the target's components; `flat` drops the component axis of a single one.
    """

    scheme: AbstractScheme
    layout: Layout
    space: int
    time: bool
    components: tuple[Waves, ...]
    requests: Requests
    level: int = 0
    flat: bool = False

    def __str__(self) -> str:
        return f"{self.space}-D{' and time' if self.time else ''} on a {self.layout}"

    def support(self) -> tuple[np.ndarray, Support]:
        """The points in float64 and the support at them."""
        return point_set(self.layout, self.space, time=self.time, level=self.level)

    def field(self, where: Support, parameters: Sequence[Any] | None = None) -> Field:
        """The target, with parameters of its own if given."""
        parameters = [wave.parameters() for wave in self.components] if parameters is None else parameters
        return field_of(self.components, parameters, where.columns, flat=self.flat)

    def answer(self) -> tuple[Array, ...]:
        """What the scheme gives."""
        where = self.support()[1]
        return apply(self.scheme, self.requests, self.field(where), where)

    def expected(self) -> tuple[np.ndarray, ...]:
        """What is right, in float64."""
        points = self.support()[0]
        return tuple(exact(request, self.components, points, flat=self.flat) for request in self.requests)

    def errors(self) -> list[float]:
        """The relative root-mean-square error of each request; fails on a wrong shape."""
        pairs = zip(self.requests, self.answer(), self.expected(), strict=True)
        return [_error(f"{request} in {self}", got, expected) for request, got, expected in pairs]


def apply(
    scheme: AbstractScheme, requests: Requests, field: Field, where: Support, prepared: Any = None
) -> tuple[Array, ...]:
    """The scheme's answer with its default parameters; it is prepared for the requests unless `prepared` is given."""
    prepared = scheme.prepare(requests, where) if prepared is None else prepared
    params = tuple(jax.tree.map(jnp.asarray, scheme.default_params(request, where)) for request in requests)
    return scheme.apply(requests, field, where, params, prepared)


def cases(scheme: AbstractScheme, layouts: Sequence[Layout]) -> Iterator[Case]:
    """The cases in which the scheme serves something, easy ones first."""
    for layout in layouts:
        for space, time in _DIMENSIONS:
            where = point_set(layout, space, time=time, level=0)[1]
            requests = tuple(r for r in catalogue(where) if scheme.supports(r, where) is None)
            if any(r.order for r in requests) and _is_prepared(scheme, requests, where):
                waves = Waves.draw(space + time, periodic=layout == "periodic")
                yield Case(scheme, layout, space, time, (waves,), requests)


def catalogue(where: Support) -> Requests:
    """What every scheme is asked on a point set."""
    everything, space = tuple(range(len(where.columns))), tuple(range(where.space))
    partials = [(i,) for i in everything] + [(i, i) for i in everything] + [(0, 0, 0), (0, 0, 0, 0)]
    if len(everything) > 1:
        partials += [(0, 1), (0, 0, 1)]
    return (
        DerivativeRequest("value"),
        *(DerivativeRequest("partial", axes) for axes in partials),
        DerivativeRequest("gradient", everything),
        DerivativeRequest("laplacian", space),
        DerivativeRequest("hessian", space),
    )


def _is_prepared(scheme: AbstractScheme, requests: Requests, where: Support) -> bool:
    # What the columns hold is known to a scheme only when it is prepared.
    try:
        scheme.prepare(requests, where)
    except PluginCapabilityError:
        return False
    return True


def _error(what: str, got: Array, expected: np.ndarray) -> float:
    if got.shape != expected.shape:
        raise AssertionError(f"The shape of the {what} is {got.shape}, expected {expected.shape}.")
    return float(np.sqrt(np.mean((np.asarray(got) - expected) ** 2) / np.mean(expected**2)))
