"""Checks of loss balancers."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from jno_core._interfaces import AbstractBalancer, UpdateView
from jno_core.testing._check import require
from jno_core.testing._classes import MethodSuite
from jno_core.testing._precision import double_precision

_STEPS = 20
_FLOOR = 1e-12
_PARAMETERS = 3


class BalancerSuite(MethodSuite):
    """Checks of a balancer along a path of parameters. Inherit from it to state what holds, or to add checks.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    - `random`: whether the weights are drawn term by term, so that permuting the terms does not permute them.
    """

    plugin: ClassVar[type[AbstractBalancer]]
    random: ClassVar[bool] = False

    def test_state(self) -> None:
        """The state is a tree of arrays whose shapes and dtypes do not change."""
        for n in (1, 4):
            losses = _losses(_rows(n))
            state = self.make().init(n)
            leaves = jax.tree.leaves(state)
            require(all(isinstance(x, jax.Array) for x in leaves), f"The state holds something besides arrays: {state}")
            view = _view(0, jnp.ones(_PARAMETERS), losses)
            _, after = jax.eval_shape(
                lambda s, make=self.make, v=losses, w=view: make().update(s, v(w.params), w), state
            )
            before = jax.eval_shape(lambda s: s, state)
            require(before == after, f"An update changes the state's structure, from {before} to {after}.")

    def test_weights(self) -> None:
        """One finite weight for each term, not negative, also for losses that differ by many orders of magnitude."""
        for n, spread in ((1, 0), (2, 0), (5, 0), (5, 6)):
            weights = self._run(_losses(_rows(n) * np.logspace(-spread, spread, n)[:, None]), n)
            require(
                weights.shape == (_STEPS, n), f"There are weights {weights.shape[1:]} for {n} terms; expected {(n,)}."
            )
            _require_weights(weights, f"For {n} terms spread over {4 * spread} orders of magnitude")

    def test_zero_term(self) -> None:
        """A term that is or becomes zero leaves the weights finite and the others with some weight."""
        rows = _rows(4)
        rows[1] = 0
        # The path brings this parameter to zero exactly, so this term vanishes half way.
        rows[2] = [0, 0, 1]
        weights = self._run(_losses(rows, offset=np.array([1.0, 0, 0, 1.0])), 4)
        _require_weights(weights, "With terms at zero")
        others = weights[:, [0, 3]]
        require(np.all(others.max(axis=1) > 0), "Terms at zero take all the weight from the others.")

    def test_equivariant(self) -> None:
        """Permuting the terms permutes the weights."""
        if self.random:
            pytest.skip("declared random")
        order = [2, 0, 3, 1]
        with double_precision():
            weights, permuted = self._run(_losses(_rows(4)), 4), self._run(_losses(_rows(4)[order]), 4)
        wrong = np.abs(permuted - weights[:, order]).max()
        require(wrong <= 1e-9, f"Permuting the terms does not permute the weights; they differ by {wrong:.3g}.")

    def test_pure(self) -> None:
        """The same state and losses give the same weights: nothing is remembered outside of the state."""
        balancer = self.make()
        losses = _losses(_rows(4))
        state, view = balancer.init(4), _view(0, jnp.ones(_PARAMETERS), losses)
        _, state = balancer.update(state, losses(view.params), view)
        view = _view(1, 0.5 * jnp.ones(_PARAMETERS), losses)
        first, second = (balancer.update(state, losses(view.params), view) for _ in range(2))
        equal = jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), first, second))
        require(equal, "Two updates from the same state differ; keep everything that is remembered in the state.")

    def test_jit(self) -> None:
        """Compiled into a loop, it gives what it gives step by step."""
        with double_precision():
            balancer, losses = self.make(), _losses(_rows(4))
            state, weights = balancer.init(4), []
            for step, params in enumerate(_path()):
                current, state = _update(balancer, state, jnp.asarray(step), jnp.asarray(params), losses)
                weights.append(current)
            compiled = self._run(losses, 4)
        wrong = np.abs(compiled - np.stack(weights)).max()
        require(wrong <= 1e-9, f"The weights of a compiled loop differ by {wrong:.3g} from those of single steps.")

    def test_dtype(self) -> None:
        """The weights have the dtype of the losses, whether or not 64-bit types are on."""
        for enabled, dtype in ((False, "float32"), (True, "float32"), (True, "float64")):
            with double_precision(enabled):
                losses = _losses(_rows(4))
                state = self.make().init(4)
                view = _view(0, jnp.ones(_PARAMETERS, dtype), losses)
                weights, _ = self.make().update(state, losses(view.params), view)
                switched = "on" if enabled else "off"
                require(
                    weights.dtype == dtype, f"Weights of {dtype} losses are {weights.dtype}, 64-bit types {switched}."
                )

    def _run(self, losses: Callable[[Array], Array], n: int) -> Float[np.ndarray, "steps n"]:
        """The weights along the path, in one compiled loop."""
        balancer = self.make()

        def step(state: Any, where: tuple[Array, Array]) -> tuple[Any, Array]:
            weights, state = _update(balancer, state, *where, losses)
            return state, weights

        return np.asarray(jax.lax.scan(step, balancer.init(n), (jnp.arange(_STEPS), jnp.asarray(_path())))[1])


def _rows(n: int) -> Float[np.ndarray, "n p"]:
    return np.random.default_rng(n).uniform(0.5, 2, (n, _PARAMETERS))


def _path() -> Float[np.ndarray, "steps p"]:
    """Parameters that shrink; the last one reaches zero after half of the steps and stays there."""
    steps = np.arange(_STEPS)[:, None] / _STEPS
    path = np.array([1.0, 0.7, 0.8]) * (1 - 0.9 * steps)
    path[_STEPS // 2 :, -1] = 0
    return path


def _losses(rows: Float[np.ndarray, "n p"], offset: Any = 0.1) -> Callable[[Array], Array]:
    """The squares of linear forms in the parameters, in their dtype."""
    return lambda params: (jnp.asarray(rows, params.dtype) @ params + jnp.asarray(offset, params.dtype)) ** 2


def _view(step: Any, params: Array, losses: Callable[[Array], Array]) -> UpdateView:
    return UpdateView(jnp.asarray(step), jax.random.fold_in(jax.random.key(0), step), params, losses)


def _update(
    balancer: AbstractBalancer, state: Any, step: Array, params: Array, losses: Callable[[Array], Array]
) -> tuple[Array, Any]:
    current = jax.lax.stop_gradient(jnp.maximum(losses(params), _FLOOR))
    return balancer.update(state, current, _view(step, params, losses))


def _require_weights(weights: Float[np.ndarray, "steps n"], when: str) -> None:
    require(
        np.all(np.isfinite(weights)), f"{when} a weight is not finite: {weights[~np.isfinite(weights).all(axis=1)]}"
    )
    require(np.all(weights >= 0), f"{when} a weight is negative, down to {weights.min():.3g}.")
