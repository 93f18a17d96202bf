"""Which derivatives travel together, and how they combine under products and chains.

A multi-index names one partial derivative by its axes in rising order: `(0, 0, 2)` is d³/dx²dz. A stream is a sum of
partial derivatives of one order with integer coefficients, such as the Laplacian; it is what is carried from one
intermediate value of a function to the next. Everything here is combinatorics on tuples, done once per stream.

Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, 2008, section 13.3; for the chain rule of mixed
partials M. Hardy, Combinatorics of partial derivatives, Electronic Journal of Combinatorics 13 (2006) R1.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

MultiIndex: TypeAlias = tuple[int, ...]
Stream: TypeAlias = tuple[tuple[int, MultiIndex], ...]
"""Pairs of coefficient and multi-index, sorted by multi-index."""


def combined(indices: Iterable[MultiIndex]) -> Stream:
    """The sum of the partial derivatives that `indices` name; one that occurs twice counts twice."""
    counted = Counter(tuple(sorted(index)) for index in indices)
    return tuple((count, index) for index, count in sorted(counted.items()))


def partial(*axes: int) -> Stream:
    """One partial derivative."""
    return combined([axes])


VALUE = partial()
"""The value itself."""


def order_of(stream: Stream) -> int:
    """How often a stream differentiates."""
    return len(stream[0][1])


@functools.cache
def product_terms(stream: Stream) -> tuple[tuple[int, MultiIndex, MultiIndex], ...]:
    """What the derivative of `a b` holds besides `a' b + a b'`: coefficients, a partial derivative of a and one of b."""
    terms: Counter[tuple[MultiIndex, MultiIndex]] = Counter()
    for coefficient, index in stream:
        positions = range(len(index))
        for length in range(1, len(index)):
            for left in itertools.combinations(positions, length):
                right = tuple(index[i] for i in positions if i not in left)
                terms[tuple(index[i] for i in left), right] += coefficient
    return tuple((count, a, b) for (a, b), count in sorted(terms.items()))


@functools.cache
def chain_terms(stream: Stream) -> tuple[tuple[int, tuple[tuple[int, tuple[MultiIndex, ...]], ...]], ...]:
    """What the derivative of `f(u)` holds besides `f'(u) u'`, by order of the derivative of `f`.

    For each order k from two upwards the terms that the k-th derivative of `f` multiplies: coefficients with the k
    partial derivatives of u in the product.
    """
    orders: dict[int, Counter[tuple[MultiIndex, ...]]] = {}
    for coefficient, index in stream:
        for blocks in _partitions(tuple(range(len(index)))):
            if len(blocks) > 1:
                factors = sorted(tuple(index[i] for i in block) for block in blocks)
                orders.setdefault(len(blocks), Counter())[tuple(factors)] += coefficient
    return tuple(
        (k, tuple((count, factors) for factors, count in sorted(terms.items()))) for k, terms in sorted(orders.items())
    )


def _partitions(positions: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to split positions into blocks."""
    if not positions:
        yield ()
        return
    first, rest = positions[0], positions[1:]
    for length in range(len(rest) + 1):
        for others in itertools.combinations(rest, length):
            remaining = tuple(i for i in rest if i not in others)
            for blocks in _partitions(remaining):
                yield ((first, *others), *blocks)
