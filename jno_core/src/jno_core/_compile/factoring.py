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
    """The value of number `output` is the sum of those of `terms`, of one shape and dtype."""

    terms: tuple[int, ...]
    output: int


Action: TypeAlias = Step | Sum


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
        """Replace a sum, if some of its terms have something in common."""
        # Each sum, then its products, then the sums that these need: turned round, all comes after what it reads.
        made: list[Action] = []
        pending = [(root, self._made_by[root].inputs)]
        while pending:
            output, terms = pending.pop()
            flat, inner = self._flattened(terms)
            groups, rest = self._grouped(flat)
            if output == root and not groups:
                # Nor have parts of it.
                self._settled |= inner
                return
            products = [self._product(members) for members in groups]
            pending += [(total, others) for total, others, _ in products]
            steps = [step for *_, step in products]
            made += [Sum((*rest, *(step.outputs[0] for step in steps)), output), *steps]
            self._dropped |= inner | {step.outputs[0] for members in groups for step, _ in members}
        self._replaced[root] = made[::-1]

    def _product(self, members: list[tuple[Step, int]]) -> tuple[int, tuple[int, ...], Step]:
        """The number of a new sum, its terms, and the one step that reads it in place of these."""
        template, place = members[0]
        total, product = self._new(), self._new()
        inputs = tuple(total if i == place else n for i, n in enumerate(template.inputs))
        others = tuple(step.inputs[i] for step, i in members)
        return total, others, Step(template.equation, template.parent, inputs, (product,))

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

    def _grouped(self, terms: list[int]) -> tuple[list[list[tuple[Step, int]]], list[int]]:
        """Groups of terms that become one, each with its step and the place of the operand to be summed; and the others."""
        keys: dict[Hashable, list[tuple[Step, int]]] = {}
        for step in filter(None, map(self._own, terms)):
            for key, place in _places(step):
                keys.setdefault(key, []).append((step, place))
        groups, taken = [], set()
        for members in sorted(keys.values(), key=len, reverse=True):
            free = [(step, place) for step, place in members if step.outputs[0] not in taken]
            if len(free) > 1 and self._saves(free):
                groups.append(free)
                taken.update(step.outputs[0] for step, _ in free)
        return groups, [term for term in terms if term not in taken]

    def _saves(self, members: list[tuple[Step, int]]) -> bool:
        """Whether a product is saved: here, or by the sum of what is reshaped, sliced, ... here, which costs nothing itself."""
        if members[0][0].equation.primitive.name in _PRODUCTS:
            return True
        below, _ = self._flattened(step.inputs[place] for step, place in members)
        groups, _ = self._grouped(below)
        return bool(groups)

    def _own(self, number: int) -> Step | None:
        """The step that makes a value which is read once."""
        return self._made_by.get(number) if self._uses[number] == 1 else None

    def _new(self) -> int:
        self._count -= 1
        return self._count


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
