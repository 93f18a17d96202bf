"""Automatic differentiation as a differentiation scheme."""

import difflib
from typing import ClassVar, final

import equinox as eqx
from jaxtyping import Array, Float, Key

from jno_core import AbstractScheme, DerivativeRequest, DifferentiationModes, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad._composition import compose
from jno_plugin_ad._derivatives import propagate, trace
from jno_plugin_ad._planner import assemble, indices_of, routes, streams_of
from jno_plugin_ad._propagation import VALUE, partial

_FAMILY = "automatic_differentiation"
_FIRST = ("forward", "reverse")
_SECOND = {
    "fwd-over-rev": ("forward", "reverse"),
    "fwd-over-fwd": ("forward", "forward"),
    "rev-over-rev": ("reverse", "reverse"),
    "rev-over-fwd": ("reverse", "forward"),
}


@final
class AutomaticDifferentiation(AbstractScheme):
    """Derivatives by automatic differentiation: exact to round-off, on any points, in space and time.

    - `variant`: a composition of `jax.jacfwd` and `jax.jacrev`, taken one point at a time, or `None` (the default) for
      the planner. `"forward"` and `"reverse"` serve every order m: the same mode m times. `"fwd-over-rev"`,
      `"fwd-over-fwd"`, `"rev-over-rev"` and `"rev-over-fwd"` (the outer mode first) serve second order only.
    - `modes`: with `variant=None`, `modes.first` and `modes.second` replace the planner for requests of first and
      second order. Ignored when a variant is given. By default the planner serves everything.

    The planner evaluates all points at once and takes all requests of a set together, by forward propagation. It needs
    a target whose row i depends on point i only, which it verifies on the target's jaxpr before it differentiates; it
    refuses a target that mixes points (batch normalisation, attention over points). An explicit variant differentiates
    the target restricted to one point, whatever the target does with several.

    The value of the target is always that on all points, for every variant.

    Raises `PluginCapabilityError` for an unknown variant or mode; in `apply`, for a request that `supports` refuses and
    for a target that the planner cannot treat.

    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, 2008, chapters 3 (forward and reverse mode)
    and 13 (higher derivatives).
    """

    variant: str | None = eqx.field(default=None, static=True)
    modes: DifferentiationModes = eqx.field(default=DifferentiationModes(), static=True)

    variants: ClassVar[tuple[str, ...]] = (*_FIRST, *_SECOND)

    def __check_init__(self) -> None:
        _check_known("variant", self.variant, self.variants)
        _check_known("first-order mode", self.modes.first, _FIRST)
        _check_known("second-order mode", self.modes.second, tuple(_SECOND))

    @classmethod
    def from_variant(cls, variant: str | None, modes: DifferentiationModes) -> "AutomaticDifferentiation":
        """The scheme itself with these two fields."""
        return cls(variant=variant, modes=modes)

    def supports(self, request: DerivativeRequest, where: Support) -> str | None:
        """Refuses the second-order variants for any other order but zero, and axes without a column."""
        count = len(where.columns)
        if outside := [axis for axis in request.axes if not 0 <= axis < count]:
            return f"axis {outside[0]} of the {request.kind} is not among the {count} coordinates {where.names}"
        if self.variant in _SECOND and request.order not in (0, 2):
            served = ", ".join(repr(f"{_FAMILY}:{mode}") for mode in _FIRST)
            return (
                f"'{_FAMILY}:{self.variant}' composes two derivatives, so it serves second order only, and not a "
                f"{request.kind} of order {request.order}, which {served} and plain '{_FAMILY}' serve"
            )
        return None

    def merges(self, request: DerivativeRequest) -> bool:
        """Always, but for orders that a second-order variant does not serve."""
        return self.variant not in _SECOND or request.order in (0, 2)

    def default_params(
        self, request: DerivativeRequest, where: Support, key: Key[Array, ""] | None = None
    ) -> dict[str, Array]:
        """There are none."""
        del request, where, key
        return {}

    def prepare(self, requests: tuple[DerivativeRequest, ...], where: Support) -> None:
        """Nothing is computed in advance."""
        del requests, where

    def apply(
        self,
        requests: tuple[DerivativeRequest, ...],
        field: Field,
        where: Support,
        params: dict[str, Array],
        prepared: None,
    ) -> tuple[Float[Array, "n *s"], ...]:
        """Requests that the same modes serve are evaluated together."""
        del params, prepared
        groups: dict[tuple[str, ...] | None, list[DerivativeRequest]] = {}
        for request in requests:
            if reason := self.supports(request, where):
                raise PluginCapabilityError(f"No {request.kind} of {field.name!r} can be taken: {reason}.")
            if request.order:
                groups.setdefault(self._modes(request.order), []).append(request)
        results: dict[DerivativeRequest, Array] = {}
        value = None
        for modes, members in groups.items():
            streams = streams_of(members)
            if modes is None:
                traced = trace(field, where.columns)
                wanted = {stream for parts in streams.values() for stream in parts}
                derivatives = propagate(traced, routes(wanted, traced.components()))
                value = derivatives[VALUE]
            else:
                streams = {request: tuple(partial(*i) for i in indices_of(request)) for request in members}
                indices = {index for request in members for index in indices_of(request)}
                derivatives = compose(field, where.columns, modes, indices)
            results.update({request: assemble(request, streams[request], derivatives) for request in members})
        if any(request.order == 0 for request in requests):
            value = field.values() if value is None else value
            results.update({request: value for request in requests if request.order == 0})
        return tuple(results[request] for request in requests)

    def _modes(self, order: int) -> tuple[str, ...] | None:
        """One mode for each order, outermost first; `None` for the planner."""
        if self.variant in _SECOND:
            return _SECOND[self.variant]
        if self.variant is not None:
            return (self.variant,) * order
        if order == 1 and self.modes.first is not None:
            return (self.modes.first,)
        if order == 2 and self.modes.second is not None:
            return _SECOND[self.modes.second]
        return None


def _check_known(what: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is None or name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(repr(k) for k in known)
    raise PluginCapabilityError(f"'{_FAMILY}' has no {what} {name!r}.{hint} Choose one of {listed}.")
