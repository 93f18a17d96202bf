"""Derivatives as a list of arrays: the algebra for any set of streams of any order.

Separate arrays let XLA fuse the elementwise work of each derivative, and it never materialises a stack of them.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_plugin_ad._propagation.algebra import AbstractAlgebra, Axes, Tower
from jno_plugin_ad._propagation.basis import Count, basis_of
from jno_plugin_ad._propagation.streams import Stream, order_of


@final
class ListedJet(NamedTuple):
    """A value and those of its derivatives that are not known to be zero.

    Each has the value's shape, but for axes of length 1 along which it is everywhere the same.
    """

    value: Array
    streams: dict[Stream, Array]


@final
class ListedAlgebra(AbstractAlgebra[ListedJet]):
    """Carries `streams`, one array each: as few as the wanted ones need, from which `derivative` takes them."""

    def __init__(self, wanted: Iterable[Stream]) -> None:
        self._basis = basis_of(tuple(wanted))
        self.streams = self._basis.streams

    def seed(self, value: Array, tangents: dict[int, Array]) -> ListedJet:
        """An input whose derivative along axis i is `tangents[i]`, which may be broadcast, and which has no higher ones."""
        streams = {}
        for stream in (s for s in self.streams if order_of(s) == 1):
            terms = [_scaled(count, tangents[axis]) for count, (axis,) in stream if axis in tangents]
            if terms:
                streams[stream] = functools.reduce(operator.add, terms)
        return ListedJet(value, streams)

    def derivative(self, jet: ListedJet, wanted: Stream) -> Array:
        """One of the wanted streams, with zeros if it was left out."""
        terms = [_scaled(count, jet.streams[s]) for count, s in self._basis.coordinates(wanted) if s in jet.streams]
        found = functools.reduce(operator.add, terms) if terms else jnp.zeros((), jet.value.dtype)
        return jnp.broadcast_to(found, jet.value.shape)

    def constant(self, value: Array) -> ListedJet:
        """A jet without streams."""
        return ListedJet(value, {})

    def value(self, jet: ListedJet) -> Array:
        """The value itself."""
        return jet.value

    def varies(self, jet: ListedJet) -> bool:
        """Whether there is any stream."""
        return bool(jet.streams)

    def filled(self, jet: ListedJet) -> ListedJet:
        """The same with every stream."""
        return ListedJet(jet.value, {s: _stream_of(jet, s) for s in self.streams})

    def linear(
        self, fn: Callable[..., Sequence[Array]], operands: Sequence[ListedJet], apart: Axes = ()
    ) -> list[ListedJet]:
        """Each stream passes by itself; a zero is filled in only beside one that is not."""
        values = fn(*(jet.value for jet in operands))
        passed = {}
        for stream in self.streams:
            present = [jet.streams[stream] for jet in operands if stream in jet.streams]
            if present:
                same = [axis for axis in apart if all(x.shape[axis] == 1 for x in present)]
                passed[stream] = fn(*(_stream_of(jet, stream, same) for jet in operands))
        return [ListedJet(v, {s: arrays[i] for s, arrays in passed.items()}) for i, v in enumerate(values)]

    def bilinear(
        self,
        product: Callable[[Array, Array], Array],
        a: ListedJet,
        b: ListedJet,
        apart: tuple[Axes, Axes] = ((), ()),
    ) -> ListedJet:
        """Leibniz' rule."""
        first = {s: _kept(a, s, apart[0]) for s in a.streams}
        second = {s: _kept(b, s, apart[1]) for s in b.streams}
        streams = {}
        for stream in self.streams:
            terms = []
            if stream in first:
                terms.append(product(first[stream], b.value))
            if stream in second:
                terms.append(product(a.value, second[stream]))
            for count, left, right in self._basis.products[stream]:
                if left in first and right in second:
                    terms.append(_scaled(count, product(first[left], second[right])))
            if terms:
                streams[stream] = functools.reduce(operator.add, terms)
        return ListedJet(product(a.value, b.value), streams)

    def chain(self, tower: Tower, operand: ListedJet) -> ListedJet:
        """The formula of Faà di Bruno."""
        inner: dict[Stream, dict[int, Array]] = {}
        for stream in self.streams:
            factors = {1: operand.streams[stream]} if stream in operand.streams else {}
            for k, terms in self._basis.chains[stream]:
                present = [
                    _scaled(count, functools.reduce(operator.mul, [operand.streams[s] for s in product]))
                    for count, product in terms
                    if all(s in operand.streams for s in product)
                ]
                if present:
                    factors[k] = functools.reduce(operator.add, present)
            inner[stream] = factors
        highest = max((k for factors in inner.values() for k in factors), default=0)
        value, *derivatives = tower(operand.value, highest)
        streams = {}
        for stream, factors in inner.items():
            terms = [derivatives[k - 1] * x for k, x in factors.items() if derivatives[k - 1] is not None]
            if terms:
                streams[stream] = functools.reduce(operator.add, terms)
        return ListedJet(value, streams)

    def generic(self, fn: Callable[..., Sequence[Array]], operands: Sequence[ListedJet]) -> list[ListedJet]:
        """The formula of Faà di Bruno with derivatives along given arrays, by nested `jax.jvp`."""
        values = fn(*(jet.value for jet in operands))
        streams: list[dict[Stream, Array]] = [{} for _ in values]
        for stream in self.streams:
            terms = [(1, (stream,)), *(term for _, terms in self._basis.chains[stream] for term in terms)]
            parts = [
                [_scaled(count, x) for x in _along(fn, operands, directions)]
                for count, directions in terms
                if all(any(s in jet.streams for jet in operands) for s in directions)
            ]
            for i, column in enumerate(zip(*parts, strict=True)):
                streams[i][stream] = functools.reduce(operator.add, column)
        return [ListedJet(v, s) for v, s in zip(values, streams, strict=True)]


def _stream_of(jet: ListedJet, stream: Stream, same: Axes = ()) -> Array:
    """A stream in the value's shape, zeros if it was left out; with length 1 along the axes where it is the `same`."""
    value = jnp.asarray(jet.value)
    shape = [1 if axis in same else size for axis, size in enumerate(value.shape)]
    return jnp.broadcast_to(jet.streams.get(stream, jnp.zeros((), value.dtype)), shape)


def _kept(jet: ListedJet, stream: Stream, apart: Axes) -> Array:
    """A stream that is there, with length 1 only along axes that are kept apart."""
    return _stream_of(jet, stream, [axis for axis in apart if jet.streams[stream].shape[axis] == 1])


def _scaled(count: Count, x: Array) -> Array:
    return x if count == 1 else count * x


def _along(
    fn: Callable[..., Sequence[Array]], operands: Sequence[ListedJet], directions: Sequence[Stream]
) -> Sequence[Array]:
    """The derivative of `fn` along some streams of its operands, which are held fixed."""
    differentiated = fn
    for stream in directions:
        tangents = tuple(_stream_of(jet, stream) for jet in operands)
        differentiated = functools.partial(_differentiated, differentiated, tangents)
    return differentiated(*(jet.value for jet in operands))


def _differentiated(fn: Callable[..., Sequence[Array]], tangents: tuple[Array, ...], *values: Array) -> Sequence[Array]:
    return jax.jvp(fn, values, tangents)[1]
