"""One epoch of updates as a pure function, and many of them in one compiled loop."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jno_core._custom_types import PRNGKey, PyTree, Scalar
from jno_core._graph import Placeholder
from jno_core._interfaces import DomainData, TrainState
from jno_core._train.accumulation import AccumulatedObjective
from jno_core._train.batches import Batches, Streamed
from jno_core._train.moment import Moment
from jno_core._train.objective import Objective
from jno_core._train.updates import Update

CAPACITY = 1024
"""The most steps in one chunk."""

LAST_LOSSES = "losses of the last epoch"
"""The entry of `plugin_state` that holds each constraint's loss as a substep saw it last."""


class Steps(NamedTuple):
    """A number of steps as it ended: rows of the buffers beyond `done` are unused.

    `halted`: a loss or a new weight of step `done` was not finite. The state is the one after that step.
    """

    state: TrainState
    done: Int[Array, ""]
    halted: Bool[Array, ""]
    total: Float[Array, " cap"]
    losses: Float[Array, "cap k"]
    tracked: tuple[Array, ...]


class Epoch(NamedTuple):
    """One epoch: the state after it, what it measured, and whether losses and new weights were finite."""

    state: TrainState
    total: Scalar
    losses: Any
    tracked: tuple[Array, ...]
    finite: Bool[Array, ""]


@final
class Stepper:
    """The step of a problem. Holds no arrays; every method is pure and traceable.

    - `updates`: with the objective of each.
    """

    def __init__(self, updates: tuple[tuple[Update, Objective], ...], batches: Batches) -> None:
        self._batches = batches
        self._problem = updates[0][1].problem
        self._updates: list[tuple[Update, Objective | AccumulatedObjective]] = [
            (update, objective if batches.parts == 1 else AccumulatedObjective(objective, batches))
            for update, objective in updates
        ]
        self._first_draws = [sum(u.repeats for u, _ in updates[:i]) for i in range(len(updates))]
        self._draws = sum(update.repeats for update, _ in updates)

    def init(self, params: dict[str, PyTree], key: PRNGKey) -> TrainState:
        """The state before the first step."""
        moved = [named for update, _ in self._updates for named in update.groups]
        opt_state = {name: g.optimizer.init(params[g.name]) for name, g in moved}
        plugins: dict[str, PyTree] = {}
        for name, balance in self._problem.balances.items():
            n = len(balance.losses)
            plugins[name] = (balance.rule.init(n), jnp.ones(n))
        for name, g in moved:
            if g.schedule is not None:
                plugins[f"schedule of {name}"] = g.schedule.init()
        if len(self._updates) > 1:
            plugins[LAST_LOSSES] = jnp.zeros(len(self._problem.constraints))
        return TrainState(params, opt_state, plugins, key, jnp.asarray(0), jnp.asarray(1.0))

    def step(self, state: TrainState, rest: PyTree, source: DomainData | Streamed) -> Epoch:
        """All updates of one epoch."""
        known = state.plugin_state.get(LAST_LOSSES)
        done = Epoch(state, jnp.asarray(0.0), known, (), jnp.asarray(True))
        for i, (update, objective) in enumerate(self._updates):

            def once(j: Any, so_far: Epoch, i: int = i, update: Update = update, objective: Any = objective) -> Epoch:
                draw = state.epoch * self._draws + (self._first_draws[i] + j)
                moment = self._moment(so_far.state, rest, source, draw)
                return _updated(update, objective, so_far, moment)

            before, done = done, once(0, done)
            tracked = done.tracked if i == 0 else before.tracked
            if update.repeats > 1:
                done = jax.lax.fori_loop(1, update.repeats, once, done)
            done = done._replace(tracked=tracked)
        new, total = done.state, done.total
        if known is not None:
            total = jnp.mean(done.losses)
            new = dataclasses.replace(new, plugin_state={**new.plugin_state, LAST_LOSSES: done.losses})
        new = dataclasses.replace(new, epoch=state.epoch + 1)
        return Epoch(new, total, done.losses, done.tracked, done.finite)

    def run(
        self, state: TrainState, rest: PyTree, source: DomainData | Streamed, steps: Int[Array, ""], capacity: int
    ) -> Steps:
        """`steps` epochs, at most `capacity`; the number of steps is dynamic, so one compilation serves all chunks."""
        # Compiled functions are traced once, whether for their shapes or for the loop.
        step: Callable[..., Epoch] = jax.jit(self.step)
        seen = jax.eval_shape(step, state, rest, source)

        def buffer(aval: Any) -> Array:
            return jnp.zeros((capacity, *aval.shape), aval.dtype)

        start = Steps(
            state,
            jnp.asarray(0),
            jnp.asarray(False),
            buffer(seen.total),
            buffer(seen.losses),
            tuple(buffer(t) for t in seen.tracked),
        )

        def body(so_far: Steps) -> Steps:
            epoch = step(so_far.state, rest, source)
            i = so_far.done
            return Steps(
                epoch.state,
                i + epoch.finite.astype(i.dtype),
                ~epoch.finite,
                so_far.total.at[i].set(epoch.total),
                so_far.losses.at[i].set(epoch.losses),
                tuple(b.at[i].set(v) for b, v in zip(so_far.tracked, epoch.tracked, strict=True)),
            )

        return jax.lax.while_loop(lambda s: (s.done < steps) & ~s.halted, body, start)

    def values(
        self,
        state: TrainState,
        rest: PyTree,
        source: DomainData | Streamed,
        roots: tuple[Placeholder, ...],
        params: dict[str, PyTree] | None = None,
    ) -> list[Array]:
        """The values of expressions as the coming step would see them; nothing advances."""
        moment = self._moment(state, rest, source, state.epoch * self._draws)
        return self._updates[0][1].values(roots, state.params if params is None else params, moment)

    def losses(
        self, state: TrainState, rest: PyTree, source: DomainData | Streamed, params: dict[str, PyTree]
    ) -> Float[Array, " k"]:
        """Each constraint's loss as the coming step would see it with other parameters; nothing advances."""
        found = jnp.zeros(len(self._problem.constraints))
        for i, (update, objective) in enumerate(self._updates):
            moment = self._moment(state, rest, source, state.epoch * self._draws + self._first_draws[i])
            found = found.at[jnp.array(update.terms)].set(objective.losses(params, moment))
        return found

    def _moment(self, state: TrainState, rest: PyTree, source: DomainData | Streamed, draw: Int[Array, ""]) -> Moment:
        key = jax.random.fold_in(state.key, draw)
        batch = self._batches.at(source, state.key, draw, state.points)
        keys = jax.random.split(key, batch.data.instances)
        return Moment(rest, batch.data, batch.chunks, state.plugin_state, key, keys, state.epoch)


def _updated(update: Update, objective: Objective | AccumulatedObjective, so_far: Epoch, moment: Moment) -> Epoch:
    """One update of some groups by some losses; the total is that of these losses."""
    state, finite = so_far.state, so_far.finite
    total, measured, grads = objective.value_and_gradient(state.params, moment)
    seen = measured.losses if so_far.losses is None else so_far.losses.at[jnp.array(update.terms)].set(measured.losses)
    params, opt_state = dict(state.params), dict(state.opt_state)
    plugins = {**state.plugin_state, **measured.balances}
    for name, g in update.groups:
        updates, opt_state[name] = g.optimizer.update(
            grads[g.name],
            state.opt_state[name],
            state.params[g.name],
            value=total,
            grad=grads[g.name],
            value_fn=lambda p, name=g.name: objective.total({**state.params, name: p}, moment),
        )
        rate = state.rate
        if g.schedule is not None:
            label = f"schedule of {name}"
            scheduled, plugins[label] = g.schedule.rate(state.plugin_state[label], state.epoch, seen)
            rate = rate * scheduled
        updates = jax.tree.map(lambda u, r=rate: u * r.astype(u.dtype), updates)
        params[g.name] = optax.apply_updates(state.params[g.name], updates)
    # A gradient that is not finite makes weights that are not, and so does a rate.
    moved = (jnp.all(jnp.isfinite(x)) for _, g in update.groups for x in jax.tree.leaves(params[g.name]))
    finite = functools.reduce(jnp.logical_and, moved, finite & jnp.isfinite(total))
    new = dataclasses.replace(state, params=params, opt_state=opt_state, plugin_state=plugins)
    return Epoch(new, total, seen, measured.tracked, finite)
