"""One optimizer step as a pure function, and many of them in one compiled loop."""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jno_core._compile import sampled_values, share
from jno_core._custom_types import PRNGKey, PyTree, Scalar
from jno_core._graph import Balance, Model, Placeholder
from jno_core._graph.balanced import scaled
from jno_core._interfaces import DomainData, TrainState, UpdateView
from jno_core._train.groups import ParameterGroup, join
from jno_core._train.problem import Problem


class Measured(NamedTuple):
    """What one evaluation of the losses gives besides their total: each loss, tracked values, balancers' new states."""

    losses: Float[Array, " k"]
    tracked: tuple[Array, ...]
    balances: dict[str, PyTree]


class Chunk(NamedTuple):
    """A chunk of steps as it ended: rows of the buffers beyond `done` are unused. `halted`: step `done` was not finite."""

    state: TrainState
    done: Int[Array, ""]
    halted: Bool[Array, ""]
    total: Float[Array, " cap"]
    losses: Float[Array, "cap k"]
    tracked: tuple[Array, ...]


@final
class Stepper:
    """The step of a problem with its parameter groups. Holds no arrays; every method is pure and traceable."""

    def __init__(
        self, problem: Problem, groups: tuple[ParameterGroup, ...], static: PyTree, inner: tuple[Placeholder, ...]
    ) -> None:
        self.problem = problem
        self.groups = groups
        self.inner = inner
        self._static = static

    def init(self, params: dict[str, PyTree], key: PRNGKey) -> TrainState:
        """The state before the first step."""
        opt_state = {g.name: g.optimizer.init(params[g.name]) for g in self.groups}
        plugins: dict[str, PyTree] = {}
        for name, balance in self.problem.balances.items():
            n = len(balance.losses)
            plugins[name] = (balance.rule.init(n), jnp.ones(n))
        for g in self.groups:
            if g.schedule is not None:
                plugins[f"schedule of {g.name}"] = g.schedule.init()
        return TrainState(params, opt_state, plugins, key, jnp.asarray(0))

    def total(
        self,
        params: dict[str, PyTree],
        rest: PyTree,
        data: DomainData,
        plugins: dict[str, PyTree],
        key: PRNGKey,
        step: Any,
    ) -> tuple[Scalar, Measured]:
        """The total loss: the mean over constraints of their means over instances."""
        modules = self._modules(params, rest)
        states = self._advance(params, rest, data, plugins, key, step)
        weights = {b: states[name][1] for name, b in self.problem.balances.items()}
        roots = (*self.problem.constraints, *self.inner)
        values = sampled_values(self.problem.program, roots, data, modules, weights, key)
        k = len(self.problem.constraints)
        losses = jnp.stack([jnp.mean(v) for v in values[:k]])
        tracked = tuple(jax.lax.stop_gradient(v) for v in values[k:])
        return jnp.mean(losses), Measured(losses, tracked, states)

    def shared_total(self, *arguments: Any) -> tuple[Scalar, Measured]:
        """`total` with every distinct equation of its jaxpr computed once, before anything is differentiated."""
        return share(self.total)(*arguments)

    def step(
        self, state: TrainState, rest: PyTree, data: DomainData
    ) -> tuple[TrainState, Scalar, Measured, Bool[Array, ""]]:
        """One update of every group. Where the loss or a gradient is not finite the state stays as it is."""
        key = jax.random.fold_in(state.key, state.epoch)

        def loss(params: dict[str, PyTree]) -> tuple[Scalar, Measured]:
            return self.shared_total(params, rest, data, state.plugin_state, key, state.epoch)

        (total, measured), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        params, opt_state, plugins = (
            dict(state.params),
            dict(state.opt_state),
            {**state.plugin_state, **measured.balances},
        )
        for g in self.groups:
            updates, opt_state[g.name] = g.optimizer.update(
                grads[g.name],
                state.opt_state[g.name],
                state.params[g.name],
                value=total,
                grad=grads[g.name],
                value_fn=lambda p, name=g.name: loss({**state.params, name: p})[0],
            )
            if g.schedule is not None:
                label = f"schedule of {g.name}"
                rate, plugins[label] = g.schedule.rate(state.plugin_state[label], state.epoch, measured.losses)
                updates = jax.tree.map(lambda u, r=rate: u * r.astype(u.dtype), updates)
            params[g.name] = optax.apply_updates(state.params[g.name], updates)
        finite = jnp.isfinite(total) & jnp.all(
            jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(grads)] or [jnp.asarray(True)])
        )
        new = TrainState(params, opt_state, plugins, state.key, state.epoch + 1)
        kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), _without_key(new), _without_key(state))
        return eqx.tree_at(lambda s: s.key, kept, state.key, is_leaf=lambda x: x is None), total, measured, finite

    def run(self, state: TrainState, rest: PyTree, data: DomainData, steps: Int[Array, ""], capacity: int) -> Chunk:
        """`steps` updates, at most `capacity`; the number of steps is dynamic, so one compilation serves all chunks."""
        shapes = jax.eval_shape(lambda s: self.step(s, rest, data)[1:3], state)
        total, measured = shapes

        def buffer(aval: Any) -> Array:
            return jnp.zeros((capacity, *aval.shape), aval.dtype)

        start = Chunk(
            state,
            jnp.asarray(0),
            jnp.asarray(False),
            buffer(total),
            buffer(measured.losses),
            tuple(buffer(t) for t in measured.tracked),
        )

        def body(chunk: Chunk) -> Chunk:
            new, total, measured, finite = self.step(chunk.state, rest, data)
            i = chunk.done
            return Chunk(
                new,
                i + finite.astype(i.dtype),
                ~finite,
                chunk.total.at[i].set(total),
                chunk.losses.at[i].set(measured.losses),
                tuple(b.at[i].set(v) for b, v in zip(chunk.tracked, measured.tracked, strict=True)),
            )

        return jax.lax.while_loop(lambda c: (c.done < steps) & ~c.halted, body, start)

    def track(self, state: TrainState, rest: PyTree, data: DomainData, roots: tuple[Placeholder, ...]) -> list[Array]:
        """The values of expressions as the coming step would see them; nothing advances."""
        key = jax.random.fold_in(state.key, state.epoch)
        states = self._advance(state.params, rest, data, state.plugin_state, key, state.epoch)
        weights = {b: states[name][1] for name, b in self.problem.balances.items()}
        modules = self._modules(state.params, rest)
        return share(lambda: sampled_values(self.problem.program, roots, data, modules, weights, key))()

    def _modules(self, params: dict[str, PyTree], rest: PyTree) -> dict[Model, PyTree]:
        joined = join(self.groups, params, eqx.combine(rest, self._static))
        return {model: joined[name] for name, model in self.problem.models.items()}

    def _advance(
        self,
        params: dict[str, PyTree],
        rest: PyTree,
        data: DomainData,
        plugins: dict[str, PyTree],
        key: PRNGKey,
        step: Any,
    ) -> dict[str, PyTree]:
        """Balancers' states and weights after this step, by name; constants of differentiation."""
        params = jax.lax.stop_gradient(params)
        states: dict[str, PyTree] = {}
        for i, (name, balance) in enumerate(self.problem.balances.items()):

            def raw(params: dict[str, PyTree], balance: Balance = balance) -> Float[Array, " n"]:
                modules = self._modules(params, rest)
                values = sampled_values(self.problem.program, balance.losses, data, modules, {}, key)
                return jnp.stack([jnp.mean(v) for v in values])

            view = UpdateView(step, jax.random.fold_in(key, _BALANCE_STREAM - i), params, raw)
            weights, state = balance.rule.update(plugins[name][0], scaled(balance, raw(params)), view)
            states[name] = jax.lax.stop_gradient((state, weights))
        return states


# Far from the keys of instances and of noise, which count up from zero.
_BALANCE_STREAM = 2**31 - 2


def _without_key(state: TrainState) -> TrainState:
    return eqx.tree_at(lambda s: s.key, state, None)
