"""The fewest streams that carry what is wanted through products and chains.

To carry a stream W of order m, one needs of each factor of a product the *contractions* of W: for every partial derivative of
the one factor, the sum of partial derivatives that W puts beside it. For the Laplacian of the Laplacian in the plane,
d_x stands beside 4 (d_xxx + d_xyy), and never beside d_xxx alone. A contraction of a contraction is a contraction of W, and
every slot of every term of the chain rule is filled from them, so at each order a basis of what they span is enough.

In a reduced echelon basis each stream has one partial derivative, its pivot, that occurs in no other stream. The coordinates
of a sum of partial derivatives are therefore its coefficients at the pivots, and a rule written in partial derivatives is
written in streams by leaving out all terms but those of pivots. All of it is exact, in rational numbers.

No linear way of carrying W gets by with fewer: the rank of W as a matrix, lower derivatives of the one factor against those of
the other, bounds the number of streams of each order from below, and also the number of directions along which one could take
univariate Taylor series instead. Of Δ² in d axes these are d, d (d + 1)/2, d and 1 streams of the orders one to four, and at
least d (d + 1)/2 directions.

Source: A. Iarrobino and V. Kanev, Power Sums, Gorenstein Algebras, and Determinantal Loci, 1999, chapter 1 (contractions,
ranks of catalecticant matrices, sums of powers).
"""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TypeAlias, final

from jno_plugin_ad._propagation.streams import (
    MultiIndex,
    Stream,
    chain_terms,
    order_of,
    product_terms,
)

Row: TypeAlias = dict[MultiIndex, Fraction]
Count: TypeAlias = int | float
"""A whole number wherever the coefficient is one."""

Term: TypeAlias = tuple[Count, tuple[Stream, ...]]
"""A coefficient and the streams in a product."""


@final
class Basis:
    """Streams of every order, lowest first, that carry the wanted ones.

    - `streams`: the streams themselves; partial derivatives where the wanted ones need each by itself.
    - `products`: what a stream of `a b` holds besides `a' b + a b'`: coefficients, a stream of a and a stream of b.
    - `chains`: what a stream of `f(u)` holds besides `f'(u) u'`, by order of the derivative of `f`: coefficients with the
      streams of u in the product.
    """

    def __init__(self, wanted: Iterable[Stream]) -> None:
        spans: dict[int, set[Stream]] = {}
        for stream in wanted:
            if order_of(stream):
                for needed in (stream, *_contractions(stream)):
                    spans.setdefault(order_of(needed), set()).add(needed)
        self._pivots = {pivot: stream for span in spans.values() for pivot, stream in _echelon(span).items()}
        self._counts = {pivot: _count_of(pivot, stream) for pivot, stream in self._pivots.items()}
        self.streams = tuple(sorted(self._pivots.values(), key=lambda stream: (order_of(stream), stream)))
        self.products = {stream: self._products_of(stream) for stream in self.streams}
        self.chains = {stream: self._chains_of(stream) for stream in self.streams}

    def coordinates(self, wanted: Stream) -> tuple[tuple[Count, Stream], ...]:
        """A wanted stream as a sum of multiples of the basis."""
        return tuple((count, factors[0]) for count, factors in self._expressed((c, (i,)) for c, i in wanted))

    def _products_of(self, stream: Stream) -> tuple[tuple[Count, Stream, Stream], ...]:
        expressed = self._expressed((count, (left, right)) for count, left, right in product_terms(stream))
        return tuple((count, left, right) for count, (left, right) in expressed)

    def _chains_of(self, stream: Stream) -> tuple[tuple[int, tuple[Term, ...]], ...]:
        return tuple((k, self._expressed(terms)) for k, terms in chain_terms(stream))

    def _expressed(self, terms: Iterable[tuple[int, tuple[MultiIndex, ...]]]) -> tuple[Term, ...]:
        """Products of partial derivatives as products of streams."""
        return tuple(
            (
                _simple(Fraction(count, math.prod(self._counts[index] for index in factors))),
                tuple(self._pivots[index] for index in factors),
            )
            for count, factors in terms
            if all(index in self._pivots for index in factors)
        )


@functools.cache
def basis_of(wanted: tuple[Stream, ...]) -> Basis:
    """The basis for these streams, made once."""
    return Basis(wanted)


def _contractions(stream: Stream) -> set[Stream]:
    """The sums of partial derivatives of lower order that stand beside each partial derivative of the other factor."""
    beside: dict[MultiIndex, Counter[MultiIndex]] = {}
    for count, index in stream:
        positions = range(len(index))
        for length in range(1, len(index)):
            for chosen in itertools.combinations(positions, length):
                left = tuple(index[i] for i in chosen)
                beside.setdefault(left, Counter())[tuple(index[i] for i in positions if i not in chosen)] += count
    return {_whole({i: Fraction(c) for i, c in row.items()}) for row in beside.values()}


def _echelon(span: Iterable[Stream]) -> dict[MultiIndex, Stream]:
    """A basis of the span, each stream by its pivot: a partial derivative that occurs in no other stream.

    What is needed by itself stays by itself. The pivot of a sum has the least coefficient, which keeps the coordinates
    whole numbers where that is possible.
    """
    ordered = sorted(span, key=lambda stream: (len(stream), stream))
    rows: dict[MultiIndex, Row] = {stream[0][1]: {stream[0][1]: Fraction(1)} for stream in ordered if len(stream) == 1}
    sums: list[MultiIndex] = []
    for stream in ordered[len(rows) :]:
        row = _reduced({index: Fraction(count) for count, index in stream}, rows)
        if row:
            pivot = min(row, key=lambda index: (abs(row[index]), index))
            row = {index: c / row[pivot] for index, c in row.items()}
            rows.update({other: _reduced(rows[other], {pivot: row}) for other in sums if pivot in rows[other]})
            rows[pivot] = row
            sums.append(pivot)
    return {pivot: _whole(row) for pivot, row in rows.items()}


def _reduced(row: Row, rows: Mapping[MultiIndex, Row]) -> Row:
    """The row with zeros at the pivots of the others. Their rows have zeros at each other's pivots already."""
    result = dict(row)
    for pivot in [index for index in row if index in rows]:
        factor = row[pivot]
        for index, c in rows[pivot].items():
            result[index] = result.get(index, Fraction(0)) - factor * c
    return {index: c for index, c in result.items() if c}


def _whole(row: Row) -> Stream:
    """The multiple with the smallest whole coefficients, the first of which is positive."""
    scale = Fraction(math.lcm(*(c.denominator for c in row.values())), math.gcd(*(c.numerator for c in row.values())))
    ordered = sorted(row.items())
    sign = 1 if ordered[0][1] > 0 else -1
    return tuple((int(sign * scale * c), index) for index, c in ordered)


def _count_of(pivot: MultiIndex, stream: Stream) -> int:
    return next(count for count, index in stream if index == pivot)


def _simple(count: Fraction) -> Count:
    return count.numerator if count.denominator == 1 else float(count)
