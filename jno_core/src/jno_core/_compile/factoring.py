"""The distributive law, applied to the steps of a function: a·x + a·y becomes a·(x + y).

A divergence written term by term, `(k * u.d(x)).d(x) + (k * u.d(y)).d(y)`, carries u_xx and u_yy through the network apart,
and a reverse pass through each, where their sum is all that is wanted. The terms of a sum that are products with a common
factor become one product with the sum of the others, and an operation that is linear in its one operand is done after the
sum; then the same for the new sums. So from k·u_xx + k·u_yy one stream goes down through all layers, as by hand.

Only terms that nothing else reads are taken together, and only where a product is saved. Sums without such terms stay as
they are, bit for bit; the others are equal to rounding.
"""

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias, final

import jax.extend.core as jex

from jno_core._compile.structural_key import literal_key, parameters_key

_SUMS = frozenset({"add", "add_any"})
_PRODUCTS = frozenset({"mul", "dot_general"})
_LINEAR = frozenset({"neg", "reshape", "squeeze", "broadcast_in_dim", "slice", "transpose"})


@final
@dataclasses.dataclass(frozen=True)
class Step:
    """An equation to bind: `inputs` number the distinct variables it reads, `outputs` its results."""

    equation: jex.JaxprEqn
    parent: jex.Jaxpr
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@final
@dataclasses.dataclass(frozen=True)
class Sum:
    """The value of number `output` is the sum of those of `inputs`, of one shape and dtype."""

    inputs: tuple[int, ...]
    output: int

    @property
    def outputs(self) -> tuple[int, ...]:
        """As of a step."""
        return (self.output,)


Action: TypeAlias = Step | Sum


@final
@dataclasses.dataclass(frozen=True)
class _Merged:
    """One step that reads `total`, the sum of `operands`, in place of the steps that make the values `replaced`."""

    replaced: tuple[int, ...]
    total: int
    operands: tuple[int, ...]
    step: Step

    @property
    def is_product(self) -> bool:
        return self.step.equation.primitive.name in _PRODUCTS


@final
@dataclasses.dataclass(frozen=True)
class _Explored:
    """A sum: its terms, the sums that are written out in them, and which terms can be merged."""

    output: int
    terms: list[int]
    inner: set[int]
    merged: list[_Merged]


def factored(steps: Sequence[Step], outputs: Iterable[int]) -> list[Action]:
    """The same values, with sums rewritten; in the order of evaluation. New values have negative numbers."""
    return _Factoring(steps, outputs).actions()


@final
class _Factoring:
    """Follows each sum from its result to its terms."""

    def __init__(self, steps: Sequence[Step], outputs: Iterable[int]) -> None:
        self._steps = steps
        self._made_by = {s.outputs[0]: s for s in steps if len(s.outputs) == 1 and not s.equation.effects}
        self._uses = Counter(number for s in steps for number in s.inputs)
        self._uses.update(outputs)
        self._replaced: dict[int, list[Action]] = {}
        self._dropped: set[int] = set()
        self._settled: set[int] = set()
        self._count = 0

    def actions(self) -> list[Action]:
        """See `factored`."""
        for step in reversed(self._steps):
            (root, *_) = step.outputs or (0,)
            if _is_sum(step) and root not in self._dropped and root not in self._settled:
                self._rewrite(root)
        found: list[Action] = []
        for step in self._steps:
            (root, *_) = step.outputs or (0,)
            if root in self._replaced:
                found.extend(self._replaced[root])
            elif root not in self._dropped:
                found.append(step)
        return found

    def _rewrite(self, root: int) -> None:
        """Replace a sum, if that saves a product."""
        found = self._explored(root)
        saving = _saving(found)
        if root not in saving:
            # Nor have parts of it.
            self._settled |= found[0].inner
            return
        # Each sum, then its products, then the sums that these need: turned round, all comes after what it reads.
        made: list[Action] = []
        needed = {root}
        for explored in found:
            if explored.output not in needed:
                continue
            merged = [m for m in explored.merged if m.is_product or m.total in saving]
            gone = {number for m in merged for number in m.replaced}
            rest = [term for term in explored.terms if term not in gone]
            made += [Sum((*rest, *(m.step.outputs[0] for m in merged)), explored.output), *(m.step for m in merged)]
            needed.update(m.total for m in merged)
            self._dropped |= explored.inner | gone
        self._replaced[root] = made[::-1]

    def _explored(self, root: int) -> list[_Explored]:
        """A sum, and below it all the sums that there would be if whatever has something in common were merged."""
        found, pending = [], [(root, self._made_by[root].inputs)]
        for output, terms in pending:
            flat, inner = self._flattened(terms)
            merged = [self._merged(members) for members in self._grouped(flat)]
            found.append(_Explored(output, flat, inner, merged))
            pending.extend((m.total, m.operands) for m in merged)
        return found

    def _merged(self, members: list[tuple[Step, int]]) -> _Merged:
        template, place = members[0]
        total, product = self._new(), self._new()
        inputs = tuple(total if i == place else n for i, n in enumerate(template.inputs))
        return _Merged(
            tuple(step.outputs[0] for step, _ in members),
            total,
            tuple(step.inputs[i] for step, i in members),
            Step(template.equation, template.parent, inputs, (product,)),
        )

    def _flattened(self, terms: Iterable[int]) -> tuple[list[int], set[int]]:
        """The terms of sums among the terms that nothing else reads, and those sums."""
        flat, inner, stack = [], set(), list(reversed(tuple(terms)))
        while stack:
            term = stack.pop()
            step = self._own(term)
            if step is not None and _is_sum(step):
                inner.add(term)
                stack.extend(reversed(step.inputs))
            else:
                flat.append(term)
        return flat, inner

    def _grouped(self, terms: list[int]) -> list[list[tuple[Step, int]]]:
        """Groups of terms that can become one, each with its step and the place of the operand to be summed."""
        keys: dict[Hashable, list[tuple[Step, int]]] = {}
        for step in filter(None, map(self._own, terms)):
            for key, place in _places(step):
                keys.setdefault(key, []).append((step, place))
        groups, taken = [], set()
        for members in sorted(keys.values(), key=len, reverse=True):
            free = [(step, place) for step, place in members if step.outputs[0] not in taken]
            if len(free) > 1:
                groups.append(free)
                taken.update(step.outputs[0] for step, _ in free)
        return groups

    def _own(self, number: int) -> Step | None:
        """The step that makes a value which is read once."""
        return self._made_by.get(number) if self._uses[number] == 1 else None

    def _new(self) -> int:
        self._count -= 1
        return self._count


def _saving(found: list[_Explored]) -> set[int]:
    """The sums in or below which a product is saved. To reshape, slice, ... the sum of operands saves nothing itself."""
    saving: set[int] = set()
    for explored in reversed(found):
        if any(m.is_product or m.total in saving for m in explored.merged):
            saving.add(explored.output)
    return saving


def _is_sum(step: Step) -> bool:
    return step.equation.primitive.name in _SUMS and len(step.inputs) == 2


def _places(step: Step) -> Iterable[tuple[Hashable, int]]:
    """The operands in which a step is linear, each by its place, with all else that the step depends on."""
    equation, name = step.equation, step.equation.primitive.name
    literals = tuple(literal_key(x) for x in equation.invars if isinstance(x, jex.Literal))
    is_product = name in _PRODUCTS and len(equation.invars) == 2 and len(step.inputs) + len(literals) == 2
    if not is_product and not (name in _LINEAR and len(step.inputs) == 1):
        return
    variables = [x for x in equation.invars if not isinstance(x, jex.Literal)]
    for place, variable in enumerate(variables):
        aval: Any = variable.aval
        others = step.inputs[:place] + step.inputs[place + 1 :]
        if place and name == "mul" and others == step.inputs[1:]:
            return  # A square, which is linear in its operand once.
        # Which operand it is matters to a contraction, not to a product of entries.
        where = place if name == "dot_general" else None
        kind = (equation.primitive, equation.ctx, parameters_key(equation, step.parent))
        yield (*kind, literals, where, others, aval.shape, aval.dtype), place
