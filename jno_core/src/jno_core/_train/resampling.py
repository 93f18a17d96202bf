"""Renewing the points of point sets between the steps of a run.

The points of a set with a strategy are part of the training state, and replace those of the domain in every step. Candidates
are drawn by a generator that follows from the state's key and the epoch, so a resumed run draws the same.
"""

import dataclasses
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core._compile import reduced
from jno_core._graph import Placeholder
from jno_core._interfaces import AbstractResampler, ResampleView, TrainState
from jno_core._train.compiled import CompiledSteps
from jno_core._train.problem import Problem
from jno_core._train.renewed_points import memory_of
from jno_core.errors import PluginTypeError


@final
class Resampling:
    """The strategies of a problem, and when they are due."""

    def __init__(self, problem: Problem, compiled: CompiledSteps) -> None:
        self._problem, self._compiled = problem, compiled

    def next_due(self, epoch: int) -> int | None:
        """The first epoch after this one at which a strategy is asked, `None` without strategies."""
        return min((_first_due(rule, epoch + 1) for rule in self._problem.resamplers.values()), default=None)

    def renewed(self, state: TrainState, epoch: int) -> tuple[TrainState, dict[str, np.ndarray]]:
        """The state, which is that of `epoch`, with new points where a strategy is due, and those by the name of their set."""
        points, plugins, told = dict(state.points), dict(state.plugin_state), {}
        for i, (name, rule) in enumerate(self._problem.resamplers.items()):
            if _first_due(rule, epoch) == epoch:
                key = jax.random.fold_in(jax.random.fold_in(state.key, _STREAM - i), epoch)
                label = memory_of(name)
                points[name], plugins[label] = self._selected(name, rule, state, plugins[label], key)
                told[name] = np.asarray(points[name]["points"])
        if not told:
            return state, told
        return self._compiled.placed(dataclasses.replace(state, points=points, plugin_state=plugins)), told

    def _selected(
        self, name: str, rule: AbstractResampler, state: TrainState, memory: Any, key: Any
    ) -> tuple[dict[str, Array], Any]:
        """New points, for each instance with points of its own."""
        old = jax.tree.map(np.asarray, state.points[name])
        collocation = next(c for c in self._problem.program.collocations if c.name == name)
        chosen = []
        for b in range(len(old["points"])):
            own = jax.random.fold_in(key, b)
            pool = collocation.domain.candidates(collocation.tag, old["points"].shape[1], _generator(own))
            both = {n: np.concatenate([old[n][b], pool[n].astype(old[n].dtype)]) for n in old}
            n = old["points"].shape[1]
            view = ResampleView(
                jnp.asarray(both["points"][:n]),
                jnp.asarray(both["points"][n:]),
                collocation.coordinates,
                int(state.epoch),
                lambda both=both, b=b: self._residuals(name, state, both, b),
            )
            index, memory = rule.select(memory, view, jax.random.fold_in(own, 1))
            where = _checked(rule, index, n, len(both["points"]))
            chosen.append({k: values[where] for k, values in both.items()})
        return {k: jnp.asarray(np.stack([c[k] for c in chosen])) for k in old}, memory

    def _residuals(
        self, name: str, state: TrainState, both: dict[str, np.ndarray], instance: int
    ) -> Float[Array, "k m"]:
        """The residuals of the instance that the points belong to; where all share them, the mean over the coming step's."""
        points = {**state.points, name: {n: jnp.asarray(x)[None] for n, x in both.items()}}
        moved = self._compiled.placed(dataclasses.replace(state, points=points))
        targets = _read_alone(self._problem, name)
        own = len(state.points[name]["points"]) > 1
        values = self._compiled.evaluated(targets, moved, instance if own else None)
        m = len(both["points"])
        rows = [jnp.mean(jnp.abs(v), axis=0 if self._compiled.window == 1 else (0, 1)) for v in values]
        return jnp.stack([jnp.mean(r.reshape(m, -1), axis=1) for r in rows]) if rows else jnp.zeros((0, m))


def _read_alone(problem: Problem, name: str) -> tuple[Placeholder, ...]:
    """What the losses that read this point set and no other reduce over its points."""
    targets = (reduced(c) for c in problem.constraints)
    return tuple(t for t in targets if problem.program.depends(t) == frozenset((name,)))


def _generator(key: Any) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())


def _checked(rule: AbstractResampler, index: Any, n: int, count: int) -> np.ndarray:
    where = np.asarray(index)
    if where.shape != (n,) or where.dtype.kind not in "iu" or where.min() < 0 or where.max() >= count:
        raise PluginTypeError(
            f"{type(rule).__name__}.select returned indices of shape {where.shape} and dtype {where.dtype}; expected "
            f"{n} integers from 0 to {count - 1}."
        )
    return where


def _first_due(rule: AbstractResampler, epoch: int) -> int:
    """The first epoch from this one on at which a rule is asked."""
    late = max(0, epoch - rule.start)
    return rule.start + -(-late // rule.every) * rule.every


# Far from the keys of steps, which count up from zero, and from those of batches.
_STREAM = 2**32 - 1024
