"""The total loss of a problem and its gradient.

Reductions over many points are taken part by part (`chunks`), and the gradient of each part is added up while its
activations are in the cache: one pass over the points, whose memory does not grow with them. That needs the total loss as
a function of the reductions, L(s), and its derivatives c = dL/ds *before* the pass. Where c depends on the reductions
themselves (a loss such as `pde.mse ** 0.5`, or a balancer's weights), a forward pass finds them first.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, final

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._compile import Chunk, ChunkedSet, chunk_sums, chunks_of, sampled_values, share
from jno_core._custom_types import PRNGKey, PyTree, Scalar
from jno_core._graph import Balance, Model, Placeholder
from jno_core._graph.balanced import scaled
from jno_core._interfaces import DomainData, UpdateView
from jno_core._train.groups import ParameterGroup, join
from jno_core._train.problem import Problem

Parameters: TypeAlias = dict[str, PyTree]
Sums: TypeAlias = tuple[list[Array], ...]
"""For each divided point set, its reductions for every instance: `(B,)` each."""


class Measured(NamedTuple):
    """What one evaluation of the losses gives besides their total: each loss, tracked values, balancers' new states."""

    losses: Float[Array, " k"]
    tracked: tuple[Array, ...]
    balances: dict[str, PyTree]


class Moment(NamedTuple):
    """What the losses depend on besides the parameters that train: all of it at one step."""

    rest: PyTree
    data: DomainData
    plugins: dict[str, PyTree]
    key: PRNGKey
    step: Any


@final
class Objective:
    """The losses of a problem as functions of the parameters. Holds no arrays; every method is pure and traceable."""

    def __init__(
        self,
        problem: Problem,
        groups: tuple[ParameterGroup, ...],
        static: PyTree,
        inner: tuple[Placeholder, ...],
        divided: tuple[ChunkedSet, ...],
    ) -> None:
        self.problem = problem
        self.divided = divided
        self._groups, self._static, self._inner = groups, static, inner

    def undivided(self) -> "Objective":
        """The same losses, taken on all points at once."""
        return Objective(self.problem, self._groups, self._static, self._inner, ())

    def total(self, params: Parameters, moment: Moment) -> Scalar:
        """The total loss: the mean over constraints of their means over instances."""
        return share(self._given)(params, self._sums(params, moment), moment)[0]

    def value_and_gradient(self, params: Parameters, moment: Moment) -> tuple[Scalar, Measured, Parameters]:
        """The total loss, what was measured on the way, and the gradient in all parameters."""
        given = share(self._given)
        sums: Sums = ()
        parts: list[Parameters] = []
        if self.divided:
            slopes = self._slopes(params, moment)
            done = [self._passed(d, slope, params, moment) for d, slope in zip(self.divided, slopes, strict=True)]
            sums = tuple(s for s, _ in done)
            parts = [gradient for _, gradient in done]
        (total, measured), direct = jax.value_and_grad(given, has_aux=True)(params, sums, moment)
        return total, measured, functools.reduce(lambda a, b: jax.tree.map(jnp.add, a, b), parts, direct)

    def values(self, roots: tuple[Placeholder, ...], params: Parameters, moment: Moment) -> list[Array]:
        """Expressions as the step sees them, for every instance; nothing advances."""
        return share(self._values)(roots, params, self._sums(params, moment), moment)

    def _values(self, roots: tuple[Placeholder, ...], params: Parameters, sums: Sums, moment: Moment) -> list[Array]:
        states = self._advanced(params, sums, moment)
        return self._evaluated(roots, params, sums, moment, self._weights(states))

    def _given(self, params: Parameters, sums: Sums, moment: Moment) -> tuple[Scalar, Measured]:
        """The total loss as a function of the parameters and of the reductions over divided point sets."""
        states = self._advanced(params, sums, moment)
        roots = (*self.problem.constraints, *self._inner)
        values = self._evaluated(roots, params, sums, moment, self._weights(states))
        k = len(self.problem.constraints)
        losses = jnp.stack([jnp.mean(v) for v in values[:k]])
        tracked = tuple(jax.lax.stop_gradient(v) for v in values[k:])
        return jnp.mean(losses), Measured(losses, tracked, states)

    def _slopes(self, params: Parameters, moment: Moment) -> Sums:
        """The derivatives of the total loss in the reductions."""

        def slopes(sums: Sums) -> Sums:
            return jax.grad(lambda s: self._given(params, s, moment)[0])(sums)

        shapes = jax.eval_shape(lambda: self._sums(params, moment))
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        closed, structure = jax.make_jaxpr(slopes, return_shape=True)(zeros)
        needed = _depends(closed.jaxpr)
        leaves = jex.jaxpr_as_fun(closed)(*jax.tree.leaves(self._sums(params, moment) if needed else zeros))
        return jax.lax.stop_gradient(jax.tree.unflatten(jax.tree.structure(structure), leaves))

    def _passed(
        self, divided: ChunkedSet, slopes: list[Array], params: Parameters, moment: Moment
    ) -> tuple[list[Array], Parameters]:
        """One pass over the parts of a point set: its reductions, and their gradient weighted by the slopes."""

        def weighted(params: Parameters, chunk: Chunk) -> tuple[Scalar, list[Array]]:
            sums = share(self._part)(divided, params, chunk, moment)
            # The slope in a complex number z is dL/d(Re z) - i dL/d(Im z), so L changes by the real part of c dz.
            terms = (jnp.sum(jnp.real(c * s)) for c, s in zip(slopes, sums, strict=True))
            return sum(terms, start=jnp.asarray(0.0)), sums

        def add(carry: PyTree, chunk: Chunk) -> tuple[PyTree, None]:
            (_, sums), gradient = jax.value_and_grad(weighted, has_aux=True)(params, chunk)
            return jax.tree.map(jnp.add, carry, (sums, gradient)), None

        # In half precision, the gradients of small parts would vanish beside the sum so far.
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32)), (slopes, params))
        sums, gradient = jax.lax.scan(add, zeros, chunks_of(moment.data, divided))[0]
        return sums, jax.tree.map(lambda g, p: g.astype(p.dtype), gradient, params)

    def _sums(self, params: Parameters, moment: Moment) -> Sums:
        """The reductions over divided point sets; their derivatives compute each part again."""
        found = []
        for divided in self.divided:

            @jax.checkpoint
            def part(params: Parameters, chunk: Chunk, divided: ChunkedSet = divided) -> list[Array]:
                return share(self._part)(divided, params, chunk, moment)

            def add(carry: list[Array], chunk: Chunk, part: Callable[..., list[Array]] = part) -> Any:
                return jax.tree.map(jnp.add, carry, part(params, chunk)), None

            chunks = chunks_of(moment.data, divided)
            first = jax.tree.map(lambda x: x[0], chunks)
            shapes = jax.eval_shape(lambda chunk, part=part: part(params, chunk), first)
            zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
            found.append(jax.lax.scan(add, zeros, chunks)[0])
        return tuple(found)

    def _part(self, divided: ChunkedSet, params: Parameters, chunk: Chunk, moment: Moment) -> list[Array]:
        modules = self.modules(params, moment.rest)
        return chunk_sums(self.problem.program, divided, moment.data, chunk, modules, moment.key)

    def _evaluated(
        self,
        roots: tuple[Placeholder, ...],
        params: Parameters,
        sums: Sums,
        moment: Moment,
        weights: dict[Balance, Array],
    ) -> list[Array]:
        modules = self.modules(params, moment.rest)
        known = [
            pair
            for divided, values in zip(self.divided, sums, strict=True)
            for pair in zip(divided.reductions, values, strict=True)
        ]
        return sampled_values(self.problem.program, roots, moment.data, modules, weights, moment.key, known)

    def modules(self, params: Parameters, rest: PyTree) -> dict[Model, PyTree]:
        """The stored parameters of every model."""
        joined = join(self._groups, params, eqx.combine(rest, self._static))
        return {model: joined[name] for name, model in self.problem.models.items()}

    def _weights(self, states: dict[str, PyTree]) -> dict[Balance, Array]:
        return {b: states[name][1] for name, b in self.problem.balances.items()}

    def _advanced(self, params: Parameters, sums: Sums, moment: Moment) -> dict[str, PyTree]:
        """Balancers' states and weights after this step, by name; constants of differentiation."""
        params, sums = jax.lax.stop_gradient((params, sums))
        states: dict[str, PyTree] = {}
        for i, (name, balance) in enumerate(self.problem.balances.items()):

            def means(params: Parameters, sums: Sums, balance: Balance = balance) -> Float[Array, " n"]:
                values = self._evaluated(balance.losses, params, sums, moment, {})
                return jnp.stack([jnp.mean(v) for v in values])

            def raw(params: Parameters, means: Any = means) -> Float[Array, " n"]:
                return means(params, self._sums(params, moment))

            view = UpdateView(moment.step, jax.random.fold_in(moment.key, _BALANCE_STREAM - i), params, raw)
            rule = balance.rule
            weights, state = rule.update(moment.plugins[name][0], scaled(balance, means(params, sums)), view)
            states[name] = jax.lax.stop_gradient((state, weights))
        return states


# Far from the keys of instances and of noise, which count up from zero.
_BALANCE_STREAM = 2**31 - 2


def _depends(jaxpr: jex.Jaxpr) -> bool:
    """Whether any output of a jaxpr reads any of its inputs."""
    reached: set[jex.Var] = set(jaxpr.invars)
    for equation in jaxpr.eqns:
        if any(not isinstance(atom, jex.Literal) and atom in reached for atom in equation.invars):
            reached.update(equation.outvars)
    return any(not isinstance(atom, jex.Literal) and atom in reached for atom in jaxpr.outvars)
