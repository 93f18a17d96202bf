"""From requests to streams, from streams to the ways of propagating them, and from the streams back to results."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, final

import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core import DerivativeRequest
from jno_plugin_ad._propagation import MultiIndex, Stream, basis_of, combined, order_of, partial

Columns: TypeAlias = tuple[Float[Array, "n 1"], ...]
Derivatives: TypeAlias = Mapping[Stream, Float[Array, "n *c"]]

Method = Literal["listed", "stacked", "reverse", "stochastic"]

MANY_AXES = 128
"""From so many axes on, a Laplacian's tangents are stacked: one array for each is faster, and takes longer to compile."""

AXES_PER_COMPONENT = 4
"""From so many axes for each component of the target on, a gradient alone is cheaper in reverse mode."""


@final
class Route(NamedTuple):
    """Streams that one pass over the target gives."""

    method: Method
    streams: tuple[Stream, ...]


Streams: TypeAlias = dict[DerivativeRequest, tuple[Stream, ...]]


def partials_of(requests: Iterable[DerivativeRequest]) -> Streams:
    """The partial derivatives whose values make each request."""
    return {request: tuple(partial(*index) for index in indices_of(request)) for request in requests}


def streams_of(requests: Iterable[DerivativeRequest]) -> Streams:
    """The streams whose values make each request, all of them as few as possible together.

    A sum is one stream, and so is a Laplacian but for those axes whose second derivative is asked for by itself: it is taken
    from there.
    """
    requests = tuple(requests)
    single = {index for request in requests if request.kind != "laplacian" for index in indices_of(request)}
    streams: Streams = {}
    for request in requests:
        indices = indices_of(request)
        if request.kind == "laplacian":
            apart = [index for index in indices if index in single]
            together = [index for index in indices if index not in single]
            streams[request] = (*(partial(*i) for i in apart), *([combined(together)] if together else []))
        elif request.kind == "sum":
            streams[request] = (combined(indices),)
        else:
            streams[request] = tuple(partial(*index) for index in indices)
    return streams


def in_order(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """Each once, the lowest order first."""
    return tuple(sorted(set(streams), key=lambda stream: (order_of(stream), stream)))


def routes(wanted: Iterable[Stream], components: int) -> tuple[Route, ...]:
    """How to propagate what is wanted of a target with so many components, each stream on one route."""
    streams = in_order(wanted)
    if not streams:
        return ()
    firsts = [s for s in streams if order_of(s) == 1]
    if len(firsts) == len(streams) and len(firsts) > AXES_PER_COMPONENT * components:
        return (Route("reverse", streams),)
    found, rest = [], list(streams)
    for wide in (s for s in streams if order_of(s) == 2 and len(s) >= MANY_AXES):
        axes = {index[0] for _, index in wide}
        along = [s for s in rest if order_of(s) == 1 and s[0][1][0] in axes]
        rest = [s for s in rest if s != wide and s not in along]
        found.append(Route("stacked", (*along, wide)))
    return (*found, *([Route("listed", tuple(rest))] if rest else []))


def random_routes(wanted: Iterable[Stream], components: int) -> tuple[Route, ...]:
    """The same with Laplacians estimated."""
    streams = set(wanted)
    seconds = sorted(s for s in streams if order_of(s) == 2)
    return (*routes(streams - set(seconds), components), *(Route("stochastic", (s,)) for s in seconds))


def described(route: Route, names: tuple[str, ...]) -> str:
    """A route in words, with the coordinates by name."""
    words: dict[Method, str] = {
        "listed": "one forward propagation",
        "stacked": "one forward propagation, directions stacked,",
        "reverse": "one reverse pass per component",
        "stochastic": "one forward propagation along random directions",
    }

    def symbol(stream: Stream) -> str:
        terms = [f"{'' if n == 1 else f'{n} '}d_{''.join(names[axis] for axis in index)}" for n, index in stream]
        shown = " + ".join([*terms[:3], *(["..."] if len(terms) > 3 else [])])
        return shown if len(terms) == 1 else f"({shown})"

    carried = ""
    if route.method == "listed" and order_of(route.streams[-1]) > 2:
        carried = f", {len(basis_of(route.streams).streams)} derivatives carried"
    return f"{words[route.method]} of {', '.join(map(symbol, route.streams))}{carried}"


def assemble(request: DerivativeRequest, streams: tuple[Stream, ...], derivatives: Derivatives) -> Float[Array, "n *s"]:
    """The result of one request, in the shape that `DerivativeRequest` states."""
    parts = [derivatives[stream] for stream in streams]
    if request.kind in ("value", "partial"):
        return parts[0]
    if request.kind in ("laplacian", "sum"):
        return sum(parts[1:], start=parts[0])
    entries = jnp.stack([_without_unit_component(part) for part in parts], axis=-1)
    if request.kind == "gradient":
        return entries
    k = len(request.axes)
    return entries.reshape(*entries.shape[:-1], k, k)


def indices_of(request: DerivativeRequest) -> tuple[MultiIndex, ...]:
    """The partial derivatives that a request is made of, in the order of its entries."""
    axes = request.axes
    match request.kind:
        case "value":
            return ((),)
        case "partial":
            return (tuple(sorted(axes)),)
        case "gradient":
            return tuple((i,) for i in axes)
        case "laplacian":
            return tuple((i, i) for i in axes)
        case "sum":
            return request.terms
        case "hessian":
            return tuple((min(i, j), max(i, j)) for i in axes for j in axes)


def _without_unit_component(value: Float[Array, "n *c"]) -> Float[Array, "n *c"]:
    return value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value
