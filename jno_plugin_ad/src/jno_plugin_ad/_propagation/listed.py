"""Derivatives as a list of arrays: the algebra for any set of streams of any order.

Separate arrays let XLA fuse the elementwise work of each derivative, and it never materialises a stack of them.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jno_plugin_ad._propagation.algebra import AbstractAlgebra, Tower
from jno_plugin_ad._propagation.streams import MultiIndex, Stream, chain_terms, closure, partial, product_terms


@final
class ListedJet(NamedTuple):
    """A value and those of its derivatives that are not known to be zero, each of the value's shape."""

    value: Array
    streams: dict[Stream, Array]


@final
class ListedAlgebra(AbstractAlgebra[ListedJet]):
    """Carries `streams`, one array each: the wanted ones and the lower derivatives that they need."""

    def __init__(self, wanted: Iterable[Stream]) -> None:
        self.streams = closure(wanted)

    def seed(self, value: Array, tangents: dict[int, Array]) -> ListedJet:
        """An input whose derivative along axis i is `tangents[i]`, and which has no higher ones."""
        firsts = {partial(axis): tangent for axis, tangent in tangents.items()}
        return ListedJet(value, {stream: firsts[stream] for stream in self.streams if stream in firsts})

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

    def linear(self, fn: Callable[..., Sequence[Array]], operands: Sequence[ListedJet]) -> list[ListedJet]:
        """Each stream passes by itself; a zero is filled in only beside one that is not."""
        values = fn(*(jet.value for jet in operands))
        passed = {
            stream: fn(*(_stream_of(jet, stream) for jet in operands))
            for stream in self.streams
            if any(stream in jet.streams for jet in operands)
        }
        return [ListedJet(v, {s: arrays[i] for s, arrays in passed.items()}) for i, v in enumerate(values)]

    def bilinear(self, product: Callable[[Array, Array], Array], a: ListedJet, b: ListedJet) -> ListedJet:
        """Leibniz' rule."""
        streams = {}
        for stream in self.streams:
            terms = []
            if stream in a.streams:
                terms.append(product(a.streams[stream], b.value))
            if stream in b.streams:
                terms.append(product(a.value, b.streams[stream]))
            for count, left, right in product_terms(stream):
                if left in a.streams and right in b.streams:
                    terms.append(_scaled(count, product(a.streams[left], b.streams[right])))
            if terms:
                streams[stream] = functools.reduce(operator.add, terms)
        return ListedJet(product(a.value, b.value), streams)

    def chain(self, tower: Tower, operand: ListedJet) -> ListedJet:
        """The formula of Faà di Bruno."""
        inner: dict[Stream, dict[int, Array]] = {}
        for stream in self.streams:
            factors = {1: operand.streams[stream]} if stream in operand.streams else {}
            for k, terms in chain_terms(stream):
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
        """Each partial derivative by nested `jax.jvp`, once for each time it differentiates."""
        values = fn(*(jet.value for jet in operands))
        streams: list[dict[Stream, Array]] = [{} for _ in values]
        for stream in self.streams:
            for i, tangent in enumerate(_derivative(fn, operands, stream)):
                streams[i][stream] = tangent
        return [ListedJet(v, s) for v, s in zip(values, streams, strict=True)]


def _stream_of(jet: ListedJet, stream: Stream) -> Array:
    return jet.streams[stream] if stream in jet.streams else jnp.zeros_like(jet.value)


def _scaled(count: int, x: Array) -> Array:
    return x if count == 1 else count * x


def _derivative(fn: Callable[..., Sequence[Array]], operands: Sequence[ListedJet], stream: Stream) -> Sequence[Array]:
    """One stream of the results of `fn`: the linear part at once, the nonlinear parts index by index."""
    parts: list[Sequence[Any]] = []
    if any(stream in jet.streams for jet in operands):
        values = tuple(jet.value for jet in operands)
        parts.append(jax.jvp(fn, values, tuple(_stream_of(jet, stream) for jet in operands))[1])
    for coefficient, index in stream:
        if len(index) > 1:
            mixed = _mixed(fn, _levels(operands, index))
            parts.append([_scaled(coefficient, x) for x in mixed])
    return [functools.reduce(operator.add, column) for column in zip(*parts, strict=True)]


def _levels(operands: Sequence[ListedJet], index: MultiIndex) -> list[tuple[Array, ...]]:
    """The operands' derivatives along every subset of the positions of `index`, by bit mask; zero along all of them."""
    levels = []
    for mask in range(2 ** len(index)):
        chosen = tuple(axis for position, axis in enumerate(index) if mask >> position & 1)
        if not chosen:
            levels.append(tuple(jet.value for jet in operands))
        elif len(chosen) == len(index):
            levels.append(tuple(jnp.zeros_like(jet.value) for jet in operands))
        else:
            levels.append(tuple(_stream_of(jet, partial(*chosen)) for jet in operands))
    return levels


def _mixed(fn: Callable[..., Sequence[Array]], levels: Sequence[tuple[Array, ...]]) -> Sequence[Array]:
    """The mixed derivative of `fn` at `levels[0]` whose inner derivatives are the other levels.

    The upper half of the levels is the derivative of the lower half along the last position.
    """
    if len(levels) == 1:
        return fn(*levels[0])
    half = len(levels) // 2
    return jax.jvp(lambda *lower: _mixed(fn, lower), tuple(levels[:half]), tuple(levels[half:]))[1]
