"""The total loss of a problem and its gradient.

Reductions over many points are taken part by part (`chunks`), and the gradient of each part is added up while its
activations are in the cache: one pass over the points, whose memory does not grow with them. That needs the total loss as
a function of the reductions, L(s), and its derivatives c = dL/ds *before* the pass. Where c depends on the reductions
themselves (a loss such as `pde.mse ** 0.5`, or a balancer's weights), a forward pass finds them first; but where no part waits
for another, the total loss is then differentiated with the reductions in it, as all activations are there at once anyway.

Instances may be taken in equal parts too (`accumulation`): the total loss is a mean over instances, so the parts' gradients
average to that of all.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core._compile import Chunk, sampled_values, share
from jno_core._custom_types import PyTree, Scalar
from jno_core._graph import Balance, Model, Placeholder
from jno_core._graph.balanced import scaled
from jno_core._interfaces import UpdateView
from jno_core._pointwise.axis import followers, is_among
from jno_core._train.groups import ParameterGroup, join
from jno_core._train.moment import LossForm, Moment, Parameters, Sums
from jno_core._train.part_sums import PartSums, added
from jno_core._train.problem import Problem
from jno_core._train.rematerialisation import rematerialised


class Measured(NamedTuple):
    """What one evaluation of the losses gives besides their total: each loss, tracked values, balancers' new states."""

    losses: Float[Array, " k"]
    tracked: tuple[Array, ...]
    balances: dict[str, PyTree]


@final
class Objective:
    """Losses of a problem as functions of the parameters. Holds no arrays; every method is pure and traceable.

    - `terms`: the numbers of the constraints whose mean is the total loss.
    - `balances`: the balancers that advance with it, by name.
    - `inner`: expressions whose values are recorded on the way.
    """

    def __init__(
        self,
        problem: Problem,
        groups: tuple[ParameterGroup, ...],
        static: PyTree,
        inner: tuple[Placeholder, ...],
        form: LossForm,
        terms: tuple[int, ...],
        balances: dict[str, Balance],
    ) -> None:
        self.problem = problem
        self.form = form
        self.terms, self.balances = terms, balances
        self._constraints = tuple(problem.constraints[i] for i in terms)
        self._groups, self._static, self._inner = groups, static, inner
        self._divided = tuple(PartSums(problem.program, self.modules, divided, form) for divided in form.divided)

    def total(self, params: Parameters, moment: Moment) -> Scalar:
        """The total loss: the mean over constraints of their means over instances and time steps."""
        return self._shared(params, self.sums(params, moment), moment)[0]

    def value_and_gradient(self, params: Parameters, moment: Moment) -> tuple[Scalar, Measured, Parameters]:
        """The total loss, what was measured on the way, and the gradient in all parameters."""
        passed: dict[PartSums, list[Array]] = {}
        gradients: list[Parameters] = []
        if self._divided:
            slopes, depend = self._slopes(params, moment)
            in_turn = [i for i, part in enumerate(self._divided) if not (depend and part.divided.at_once)]
            found = slopes(self.sums(params, moment) if depend else None) if in_turn else ()
            for i in in_turn:
                sums, gradient = self._divided[i].passed(found[i], params, moment.chunks[i], moment)
                passed[self._divided[i]] = sums
                gradients.append(gradient)

        def total(params: Parameters) -> tuple[Scalar, Measured]:
            sums = [passed[p] if p in passed else p.beside(params, c, moment) for p, c in self._parts(moment)]
            return self._shared(params, tuple(sums), moment)

        (value, measured), direct = jax.value_and_grad(total, has_aux=True)(params)
        return value, measured, functools.reduce(added, gradients, direct)

    def sums(self, params: Parameters, moment: Moment) -> Sums:
        """The reductions over divided point sets; their derivatives compute each part again that waits for another."""
        return tuple(part.summed(params, chunks, moment) for part, chunks in self._parts(moment))

    def values(self, roots: tuple[Placeholder, ...], params: Parameters, moment: Moment) -> list[Array]:
        """Expressions as the step sees them, for every instance (and time step); nothing advances."""
        return share(self._values)(roots, params, self.sums(params, moment), moment)

    def losses(self, params: Parameters, moment: Moment) -> Float[Array, " k"]:
        """Each constraint's loss."""
        return self._shared(params, self.sums(params, moment), moment)[1].losses

    def means(self, balance: Balance, params: Parameters, sums: Sums, moment: Moment) -> Float[Array, " n"]:
        """The raw losses that a balancer weighs."""
        values = self._evaluated(balance.losses, params, sums, moment, {})
        return jnp.stack([jnp.mean(v) for v in values])

    def modules(self, params: Parameters, rest: PyTree) -> dict[Model, PyTree]:
        """The stored parameters of every model."""
        joined = join(self._groups, params, eqx.combine(rest, self._static))
        return {model: joined[name] for name, model in self.problem.models.items()}

    def _parts(self, moment: Moment) -> Iterator[tuple[PartSums, Chunk]]:
        return zip(self._divided, moment.chunks, strict=True)

    def _values(self, roots: tuple[Placeholder, ...], params: Parameters, sums: Sums, moment: Moment) -> list[Array]:
        states = self._advanced(params, sums, moment)
        return self._evaluated(roots, params, sums, moment, self._weights(states, moment))

    def _shared(self, params: Parameters, sums: Sums, moment: Moment) -> tuple[Scalar, Measured]:
        return (self._given_each if self.form.rematerialised else share(self._given))(params, sums, moment)

    def _given(self, params: Parameters, sums: Sums, moment: Moment) -> tuple[Scalar, Measured]:
        """The total loss as a function of the parameters and of the reductions over divided point sets."""
        states = self._advanced(params, sums, moment)
        roots = (*self._constraints, *self._inner)
        values = self._evaluated(roots, params, sums, moment, self._weights(states, moment))
        return _measured(values, len(self._constraints), states)

    def _given_each(self, params: Parameters, sums: Sums, moment: Moment) -> tuple[Scalar, Measured]:
        """The same, of which reverse mode keeps nothing but the losses: it evaluates each constraint again."""
        states = share(self._advanced)(params, sums, moment)
        weights = self._weights(states, moment)

        def value(root: Placeholder) -> Array:
            def alone(x: tuple[Parameters, Sums]) -> Array:
                return share(lambda p, s: self._evaluated((root,), p, s, moment, weights)[0])(*x)

            return rematerialised(alone, (params, sums), moment.step >= 0)

        values = [value(root) for root in (*self._constraints, *self._inner)]
        return _measured(values, len(self._constraints), states)

    def _slopes(self, params: Parameters, moment: Moment) -> tuple[Callable[[Sums | None], Sums], bool]:
        """The derivatives of the total loss in the reductions, as a function of these, and whether it depends on them."""

        def slopes(sums: Sums) -> Sums:
            return jax.grad(lambda s: self._given(params, s, moment)[0])(sums)

        zeros = tuple(part.zeros(params, chunks, moment) for part, chunks in self._parts(moment))
        closed, structure = jax.make_jaxpr(slopes, return_shape=True)(zeros)

        def evaluated(sums: Sums | None) -> Sums:
            leaves = jex.jaxpr_as_fun(closed)(*jax.tree.leaves(zeros if sums is None else sums))
            return jax.lax.stop_gradient(jax.tree.unflatten(jax.tree.structure(structure), leaves))

        of_sums = followers(closed.jaxpr, closed.jaxpr.invars)
        return evaluated, any(is_among(atom, of_sums) for atom in closed.jaxpr.outvars)

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
            for divided, values in zip(self.form.divided, sums, strict=True)
            for pair in zip(divided.reductions, values, strict=True)
        ]
        program, window = self.problem.program, self.form.window
        return sampled_values(program, roots, moment.data, modules, weights, moment.keys, window, known)

    def _weights(self, states: dict[str, PyTree], moment: Moment) -> dict[Balance, Array]:
        known = {**moment.plugins, **states}
        return {b: known[name][1] for name, b in self.problem.balances.items()}

    def _advanced(self, params: Parameters, sums: Sums, moment: Moment) -> dict[str, PyTree]:
        """Balancers' states and weights after this step, by name; constants of differentiation."""
        if moment.advanced is not None:
            return moment.advanced
        params, sums = jax.lax.stop_gradient((params, sums))

        def means(balance: Balance, at: Parameters | None = None) -> Float[Array, " n"]:
            if at is None:
                return self.means(balance, params, sums, moment)
            return self.means(balance, at, self.sums(at, moment), moment)

        return self.advanced(means, params, moment)

    def advanced(
        self, means: Callable[..., Float[Array, " n"]], params: Parameters, moment: Moment
    ) -> dict[str, PyTree]:
        """Balancers' states and weights after this step, from `means(balance)` and `means(balance, parameters)`."""
        states: dict[str, PyTree] = {}
        for i, (name, balance) in enumerate(self.problem.balances.items()):
            if name not in self.balances:
                continue
            key = jax.random.fold_in(moment.key, _BALANCE_STREAM - i)
            view = UpdateView(moment.step, key, params, functools.partial(means, balance))
            weights, state = balance.rule.update(moment.plugins[name][0], scaled(balance, means(balance)), view)
            states[name] = jax.lax.stop_gradient((state, weights))
        return states


# Far from the keys of instances and of noise, which count up from zero.
_BALANCE_STREAM = 2**31 - 2


def _measured(values: list[Array], k: int, states: dict[str, PyTree]) -> tuple[Scalar, Measured]:
    """The first `k` values are losses, the others are recorded."""
    losses = jnp.stack([jnp.mean(v) for v in values[:k]])
    return jnp.mean(losses), Measured(losses, tuple(jax.lax.stop_gradient(v) for v in values[k:]), states)
