"""Staged evaluation: what the parts of the points have in common, and what the steps have, is computed once.

A loss that is taken part by part computes for every part what follows from the parameters alone: the branch network of a
DeepONet, the weights that an adapter adds up, norms of weights, and the reverse passes of all that. And it computes in
every step what follows from the points alone: Fourier features that do not train, source terms, coefficients. XLA moves
such work out of a loop, but neither reverse passes nor anything out of two nested loops, of steps and of parts.

What is kept are results of costly operations; sums and products of them are computed again, unless keeping what is made of
them takes less memory.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from enum import IntFlag
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
from jaxtyping import Array

from jno_core._compile.factoring import Action, Sum
from jno_core._compile.hash_consing import Traced, is_repeatable
from jno_core._compile.working_set import bytes_of
from jno_core._custom_types import PyTree

MOST_BYTES = 64 * 2**20
"""What is kept of all points from step to step takes at most this, else it is computed again."""

_CHEAP_NAMES = """
    abs add add_any and broadcast_in_dim clamp concatenate convert_element_type copy copy_p div eq expand_dims ge gt imag
    integer_pow iota le lt max min mul ne neg not or pad real reshape rev select_n sign slice split square squeeze
    stop_gradient sub transpose xor
"""
_CHEAP = frozenset(_CHEAP_NAMES.split())
"""Primitives that take no longer than to read what they return."""


@final
class Source(IntFlag):
    """What a value follows from, besides what never changes."""

    NOTHING = 0
    PARAMETERS = 1
    POINTS = 2
    STEP = 4
    ALL = 7


class Kept(NamedTuple):
    """Values that are kept: of the parameters, and of one part of the points."""

    of_parameters: list[Array]
    of_points: list[Array]


@final
class Staged:
    """A function of the parameters and of one part of the points, in three stages.

    `of_parameters(params)` and `of_points(part)` are what it keeps of each, and `fn(params, part, fixed)` is
    `staged(params, part, Kept(...))`. All three are traceable, and differentiable in the parameters.

    **Arguments:**

    - `fn`: traced once, at these arguments. What it closes over may change from step to step.
    - `fixed`: what stays the same from step to step if the points do.
    - `parts`: how many parts of the points are the same in every step; zero if they change, and nothing of them is kept.
    """

    def __init__(self, fn: Callable[..., Any], params: PyTree, part: PyTree, fixed: PyTree, parts: int) -> None:
        self._traced = Traced(fn, params, part, fixed)
        own, others = len(_arrays(params)), len(_arrays(fixed))
        inputs = self._traced.inputs
        end = len(inputs) - others
        self._params, self._part, self._fixed = inputs[:own], inputs[own:end], inputs[end:]
        sizes = _sizes(self._traced.actions)
        sources = self._sources(steady=parts > 0)
        self._of_parameters = self._worth_keeping(sizes, sources, Source.PARAMETERS, Source.POINTS)
        self._of_points = self._worth_keeping(sizes, sources, Source.POINTS, Source.PARAMETERS | Source.STEP)
        if parts * sum(sizes[number] for number in self._of_points) > MOST_BYTES:
            self._of_points = []

    def of_parameters(self, params: PyTree) -> list[Array]:
        """What all parts have in common."""
        values = self._evaluated(self._of_parameters, self._params, _arrays(params))
        return [values[number] for number in self._of_parameters]

    def of_points(self, part: PyTree) -> list[Array]:
        """What all steps have in common, for one part of the points."""
        values = self._evaluated(self._of_points, self._part, _arrays(part))
        return [values[number] for number in self._of_points]

    def __call__(self, params: PyTree, part: PyTree, kept: Kept) -> Any:
        """The function's result."""
        numbers = [*self._params, *self._part, *self._of_parameters, *self._of_points]
        given = [*_arrays(params), *_arrays(part), *kept.of_parameters, *kept.of_points]
        return self._traced.result(self._evaluated(self._traced.outputs, numbers, given, effects=True))

    def _evaluated(
        self, wanted: Sequence[int], numbers: Sequence[int], given: Sequence[Any], effects: bool = False
    ) -> dict[int, Any]:
        """The wanted values and what they need, given some others; with all effects of the function or without."""
        values = {**self._traced.known, **dict(zip(numbers, given, strict=True))}
        live, needed = {*wanted} - values.keys(), []
        for action in reversed(self._traced.actions):
            if not live.isdisjoint(action.outputs) or (effects and _has_effects(action)):
                live.update(number for number in action.inputs if number not in values)
                needed.append(action)
        return self._traced.evaluate(reversed(needed), values)

    def _sources(self, steady: bool) -> dict[int, Source]:
        """What each value follows from."""
        always = Source.NOTHING if steady else Source.STEP
        closed_over = (n for n, value in self._traced.known.items() if isinstance(value, jax.core.Tracer))
        sources = dict.fromkeys(closed_over, Source.STEP)
        sources |= dict.fromkeys(self._params, Source.PARAMETERS)
        sources |= dict.fromkeys(self._part, Source.POINTS | always) | dict.fromkeys(self._fixed, always)
        for action in self._traced.actions:
            found = (sources.get(number, Source.NOTHING) for number in action.inputs)
            source = functools.reduce(operator.or_, found, Source.NOTHING if _is_repeatable(action) else Source.ALL)
            sources |= dict.fromkeys(action.outputs, source)
        return sources

    def _worth_keeping(
        self, sizes: dict[int, int], sources: dict[int, Source], of: Source, without: Source
    ) -> list[int]:
        """The values that follow from `of` and not from `without`, by which all costly work that does so is spared."""
        own = {number for number, source in sources.items() if source & of and not source & without}
        # The last costly operations before each value.
        costly: dict[int, frozenset[int]] = {}
        read = [number for number in self._traced.outputs if number in own]
        for action in self._traced.actions:
            inputs = [number for number in action.inputs if number in own]
            for output in action.outputs:
                if output not in own:
                    read += inputs
                elif _is_costly(action) and output in sizes:
                    costly[output] = frozenset((output,))
                else:
                    costly[output] = frozenset(n for number in inputs for n in costly.get(number, ()))
        kept: dict[int, None] = {}
        for number in dict.fromkeys(read):
            sources_of = costly.get(number, frozenset())
            smaller = number in sizes and sizes[number] < sum(sizes[n] for n in sources_of)
            kept |= dict.fromkeys([number] if smaller else sorted(sources_of))
        return list(kept)


def _sizes(actions: Iterable[Action]) -> dict[int, int]:
    """The bytes of all values that are made of real or complex numbers."""
    sizes: dict[int, int] = {}
    for action in actions:
        if isinstance(action, Sum):
            # Terms that are arguments have no size here, and nothing to be kept of them.
            known = [sizes[number] for number in action.inputs if number in sizes]
            if known:
                sizes[action.output] = known[0]
            continue
        for number, variable in zip(action.outputs, action.equation.outvars, strict=True):
            aval: Any = variable.aval
            if jnp.issubdtype(aval.dtype, jnp.inexact):
                sizes[number] = bytes_of(aval)
    return sizes


def _is_costly(action: Action) -> bool:
    return not isinstance(action, Sum) and action.equation.primitive.name not in _CHEAP


def _is_repeatable(action: Action) -> bool:
    return isinstance(action, Sum) or is_repeatable(action.equation)


def _has_effects(action: Action) -> bool:
    return not isinstance(action, Sum) and bool(action.equation.effects)


def _arrays(tree: PyTree) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]
