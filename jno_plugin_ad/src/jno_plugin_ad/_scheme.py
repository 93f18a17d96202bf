"""Automatic differentiation as a differentiation scheme."""

import difflib
import functools
from collections import Counter
from typing import ClassVar, final

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from jno_core import (
    AbstractExplaining,
    AbstractScheme,
    AbstractSumming,
    DerivativeRequest,
    DifferentiationModes,
    Field,
    SchemeExplanation,
    Support,
)
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad._composition import compose
from jno_plugin_ad._derivatives import Draw, Traced, propagate, trace
from jno_plugin_ad._planner import (
    Route,
    Streams,
    assemble,
    described,
    in_order,
    indices_of,
    partials_of,
    random_routes,
    routes,
    streams_of,
)
from jno_plugin_ad._propagation import VALUE

_FAMILY = "automatic_differentiation"
_FIRST = ("forward", "reverse")
_SECOND = {
    "fwd-over-rev": ("forward", "reverse"),
    "fwd-over-fwd": ("forward", "forward"),
    "rev-over-rev": ("reverse", "reverse"),
    "rev-over-fwd": ("reverse", "forward"),
}


@final
class AutomaticDifferentiation(AbstractScheme, AbstractExplaining, AbstractSumming):
    """Derivatives by automatic differentiation: exact to round-off, on any points, in space and time.

    - `variant`: `None` (the default) for the planner, or one of these.

      - `"taylor"`: each partial derivative is propagated by itself. Never wins by much; for comparison.
      - `"forward-laplacian"`: value, first derivatives and Laplacians are propagated, one array for each axis. What the
        planner does for a Laplacian below 128 axes.
      - `"stochastic"`: a Laplacian is estimated along `samples` random directions, first derivatives are exact. Wins in
        training from about 50 axes on.
      - `"forward"`, `"reverse"`: `jax.jacfwd` or `jax.jacrev`, m times for order m, one point at a time. For targets that
        mix points.
      - `"fwd-over-rev"`, `"fwd-over-fwd"`, `"rev-over-rev"`, `"rev-over-fwd"`: that composition, the outer mode first, one
        point at a time; second order only.

    - `modes`: with `variant=None`, `modes.first` and `modes.second` replace the planner for requests of first and
      second order. Ignored when a variant is given. By default the planner serves everything.
    - `samples`: random directions at each point, for `"stochastic"`. The variance falls as 1/samples.
    - `stream`: estimates with different streams are independent of each other.

    The planner evaluates all points at once and takes all requests of a set together in one forward propagation through
    the target's jaxpr: the value, the first derivatives and, for a Laplacian, only their sum of second ones; for a chain of
    Laplacians only those sums that its product and chain rules need, fewer than its partial derivatives. From 128 axes
    on the first derivatives are stacked; a gradient alone of many axes is taken in reverse mode. It needs a target whose
    row i depends on point i only, which it verifies on the target's jaxpr before it differentiates; it refuses a target
    that mixes points (batch normalisation, attention over points). An explicit variant of `jax.jacfwd` and `jax.jacrev`
    differentiates the target restricted to one point, whatever the target does with several.

    The value of the target is always that on all points, for every variant.

    `"stochastic"` is unbiased for the Laplacian, and so for every loss that is linear in it. The mean of the *square* of a
    residual with an estimate in it exceeds that of the exact residual by the variance of the estimate; the product of two
    residuals with different `stream` does not. Without a random key (in `eval`) the Laplacian is exact.

    Raises `PluginCapabilityError` for an unknown variant or mode; in `apply`, for a request that `supports` refuses and
    for a target that the planner cannot treat.

    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, 2008, chapters 3 (forward and reverse mode)
    and 13 (higher derivatives).
    """

    variant: str | None = eqx.field(default=None, static=True)
    modes: DifferentiationModes = eqx.field(default=DifferentiationModes(), static=True)
    samples: int = eqx.field(default=1, static=True)
    stream: int = eqx.field(default=0, static=True)

    variants: ClassVar[tuple[str, ...]] = ("taylor", "forward-laplacian", "stochastic", *_FIRST, *_SECOND)

    def __check_init__(self) -> None:
        _check_known("variant", self.variant, self.variants)
        _check_known("first-order mode", self.modes.first, _FIRST)
        _check_known("second-order mode", self.modes.second, tuple(_SECOND))
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise PluginCapabilityError(f"samples must be an integer >= 1, got {self.samples!r}.")

    @classmethod
    def from_variant(cls, variant: str | None, modes: DifferentiationModes) -> "AutomaticDifferentiation":
        """The scheme itself with these two fields."""
        return cls(variant=variant, modes=modes)

    def supports(self, request: DerivativeRequest, where: Support) -> str | None:
        """Refuses axes without a column, and orders that a variant does not serve."""
        count = len(where.columns)
        if outside := [axis for axis in request.axes if not 0 <= axis < count]:
            return f"axis {outside[0]} of the {request.kind} is not among the {count} coordinates {where.names}"
        if self._serves(request):
            return None
        if self.variant in _SECOND:
            served = ", ".join(repr(f"{_FAMILY}:{mode}") for mode in _FIRST)
            return (
                f"'{_FAMILY}:{self.variant}' composes two derivatives, so it serves second order only, and not a "
                f"{request.kind} of order {request.order}, which {served} and plain '{_FAMILY}' serve"
            )
        return (
            f"'{_FAMILY}:{self.variant}' serves values, first derivatives, Laplacians and second derivatives in one "
            f"coordinate, and not a {request.kind} in {request.axes}, which plain '{_FAMILY}' serves"
        )

    def _serves(self, request: DerivativeRequest) -> bool:
        if self.variant in _SECOND:
            return request.order in (0, 2)
        if self.variant in ("forward-laplacian", "stochastic"):
            pure = request.kind == "partial" and request.order == 2 and len(set(request.axes)) == 1
            return request.order < 2 or request.kind == "laplacian" or pure
        return True

    def merges(self, request: DerivativeRequest) -> bool:
        """Always, but for what a variant does not serve."""
        return self._serves(request)

    def sums(self, request: DerivativeRequest) -> bool:
        """Always, but for what a variant does not serve."""
        return self._serves(request)

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
        params: tuple[dict[str, Array], ...],
        prepared: None,
    ) -> tuple[Float[Array, "n *s"], ...]:
        """Requests that the same modes serve are evaluated together."""
        del params, prepared
        results: dict[DerivativeRequest, Array] = {}
        value = None
        for modes, members in self._groups(requests, field, where).items():
            if modes is None:
                traced = trace(field, where, members)
                streams, chosen = self._plan(members, traced, field)
                draw = None if field.key is None else Draw(self.samples, jax.random.fold_in(field.key, self.stream))
                derivatives = propagate(traced, chosen, draw)
                value = derivatives[VALUE]
            else:
                streams = partials_of(members)
                indices = {index for request in members for index in indices_of(request)}
                derivatives = compose(field, where.columns, modes, indices)
            results.update({request: assemble(request, streams[request], derivatives) for request in members})
        if any(request.order == 0 for request in requests):
            value = field.values() if value is None else value
            results.update({request: value for request in requests if request.order == 0})
        return tuple(results[request] for request in requests)

    def explain(self, requests: tuple[DerivativeRequest, ...], field: Field, where: Support) -> SchemeExplanation:
        """The routes with their streams, or the composition; and the primitives without a rule."""
        passes: list[str] = []
        fallbacks: Counter[str] = Counter()
        for modes, members in self._groups(requests, field, where).items():
            if modes is None:
                traced = trace(field, where, members)
                _, chosen = self._plan(members, traced, field)
                draw = None if field.key is None else Draw(self.samples, field.key)
                jax.eval_shape(functools.partial(propagate, traced, chosen, draw, fallbacks))
                passes.extend(described(route, where.names) for route in chosen)
            else:
                passes.append(" over ".join(f"jac{mode[:3]}" for mode in modes).replace("jacfor", "jacfwd"))
        return SchemeExplanation(tuple(passes), tuple(sorted(fallbacks)))

    def _groups(
        self, requests: tuple[DerivativeRequest, ...], field: Field, where: Support
    ) -> dict[tuple[str, ...] | None, list[DerivativeRequest]]:
        """The derivatives among the requests, by the modes that serve them."""
        groups: dict[tuple[str, ...] | None, list[DerivativeRequest]] = {}
        for request in requests:
            if reason := self.supports(request, where):
                raise PluginCapabilityError(f"No {request.kind} of {field.name!r} can be taken: {reason}.")
            if request.order:
                groups.setdefault(self._modes(request.order), []).append(request)
        return groups

    def _plan(
        self, members: list[DerivativeRequest], traced: Traced, field: Field
    ) -> tuple[Streams, tuple[Route, ...]]:
        streams = partials_of(members) if self.variant == "taylor" else streams_of(members)
        wanted = {stream for parts in streams.values() for stream in parts}
        if self.variant in ("taylor", "forward-laplacian"):
            return streams, (Route("listed", in_order(wanted)),)
        if self.variant == "stochastic" and field.key is not None:
            return streams, random_routes(wanted, traced.components())
        return streams, routes(wanted, traced.components())

    def _modes(self, order: int) -> tuple[str, ...] | None:
        """One mode for each order, outermost first; `None` for what is propagated."""
        if self.variant in _SECOND:
            return _SECOND[self.variant]
        if self.variant in _FIRST:
            return (self.variant,) * order
        if self.variant is None and order == 1 and self.modes.first is not None:
            return (self.modes.first,)
        if self.variant is None and order == 2 and self.modes.second is not None:
            return _SECOND[self.modes.second]
        return None


def _check_known(what: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is None or name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(repr(k) for k in known)
    raise PluginCapabilityError(f"'{_FAMILY}' has no {what} {name!r}.{hint} Choose one of {listed}.")
