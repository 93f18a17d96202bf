"""One optimizer step as a pure function, and many of them in one compiled loop."""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jno_core._custom_types import PRNGKey, PyTree, Scalar
from jno_core._graph import Placeholder
from jno_core._interfaces import DomainData, TrainState
from jno_core._train.groups import ParameterGroup
from jno_core._train.objective import Measured, Moment, Objective


class Steps(NamedTuple):
    """A number of steps as it ended: rows of the buffers beyond `done` are unused. `halted`: step `done` was not finite."""

    state: TrainState
    done: Int[Array, ""]
    halted: Bool[Array, ""]
    total: Float[Array, " cap"]
    losses: Float[Array, "cap k"]
    tracked: tuple[Array, ...]


@final
class Stepper:
    """The step of a problem with its parameter groups. Holds no arrays; every method is pure and traceable."""

    def __init__(self, objective: Objective, groups: tuple[ParameterGroup, ...]) -> None:
        self._objective = objective
        self._groups = groups

    def init(self, params: dict[str, PyTree], key: PRNGKey) -> TrainState:
        """The state before the first step."""
        opt_state = {g.name: g.optimizer.init(params[g.name]) for g in self._groups}
        plugins: dict[str, PyTree] = {}
        for name, balance in self._objective.problem.balances.items():
            n = len(balance.losses)
            plugins[name] = (balance.rule.init(n), jnp.ones(n))
        for g in self._groups:
            if g.schedule is not None:
                plugins[f"schedule of {g.name}"] = g.schedule.init()
        return TrainState(params, opt_state, plugins, key, jnp.asarray(0))

    def step(
        self, state: TrainState, rest: PyTree, data: DomainData
    ) -> tuple[TrainState, Scalar, Measured, Bool[Array, ""]]:
        """One update of every group. Where the loss or a gradient is not finite the state stays as it is."""
        moment = _moment(state, rest, data)
        total, measured, grads = self._objective.value_and_gradient(state.params, moment)
        params, opt_state, plugins = (
            dict(state.params),
            dict(state.opt_state),
            {**state.plugin_state, **measured.balances},
        )
        for g in self._groups:
            updates, opt_state[g.name] = g.optimizer.update(
                grads[g.name],
                state.opt_state[g.name],
                state.params[g.name],
                value=total,
                grad=grads[g.name],
                value_fn=lambda p, name=g.name: self._objective.total({**state.params, name: p}, moment),
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

    def run(self, state: TrainState, rest: PyTree, data: DomainData, steps: Int[Array, ""], capacity: int) -> Steps:
        """`steps` updates, at most `capacity`; the number of steps is dynamic, so one compilation serves all chunks."""
        # Compiled functions are traced once, whether for their shapes or for the loop.
        step = jax.jit(self.step)
        _, total, measured, _ = jax.eval_shape(step, state, rest, data)

        def buffer(aval: Any) -> Array:
            return jnp.zeros((capacity, *aval.shape), aval.dtype)

        start = Steps(
            state,
            jnp.asarray(0),
            jnp.asarray(False),
            buffer(total),
            buffer(measured.losses),
            tuple(buffer(t) for t in measured.tracked),
        )

        def body(so_far: Steps) -> Steps:
            new, total, measured, finite = step(so_far.state, rest, data)
            i = so_far.done
            return Steps(
                new,
                i + finite.astype(i.dtype),
                ~finite,
                so_far.total.at[i].set(total),
                so_far.losses.at[i].set(measured.losses),
                tuple(b.at[i].set(v) for b, v in zip(so_far.tracked, measured.tracked, strict=True)),
            )

        return jax.lax.while_loop(lambda s: (s.done < steps) & ~s.halted, body, start)

    def track(self, state: TrainState, rest: PyTree, data: DomainData, roots: tuple[Placeholder, ...]) -> list[Array]:
        """The values of expressions as the coming step would see them; nothing advances."""
        return self._objective.values(roots, state.params, _moment(state, rest, data))


def _moment(state: TrainState, rest: PyTree, data: DomainData) -> Moment:
    return Moment(rest, data, state.plugin_state, jax.random.fold_in(state.key, state.epoch), state.epoch)


def _without_key(state: TrainState) -> TrainState:
    return eqx.tree_at(lambda s: s.key, state, None)
