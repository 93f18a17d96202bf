"""Checks of learning-rate schedules."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core._interfaces import AbstractSchedule
from jno_core.testing._check import require
from jno_core.testing._classes import MethodSuite
from jno_core.testing._precision import double_precision

_STEPS = 30
_LATE = 2**31 - 2


class ScheduleSuite(MethodSuite):
    """Checks of a schedule along histories of losses. Inherit from it to state arguments, or to add checks.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    """

    plugin: ClassVar[type[AbstractSchedule]]

    def test_state(self) -> None:
        """The state is a tree of arrays whose shapes and dtypes do not change, whatever the losses' dtype."""
        schedule = self.make()
        state = schedule.init()
        require(
            all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state)),
            f"The state holds something besides arrays: {state}",
        )
        for dtype in ("bfloat16", "float32"):
            losses = jnp.ones(3, dtype)
            _, after = jax.eval_shape(schedule.rate, state, jnp.asarray(0), losses)
            before = jax.eval_shape(lambda s: s, state)
            require(before == after, f"A step changes the state's structure, from {before} to {after}.")

    def test_rate(self) -> None:
        """One finite number in every step, not negative, whether the losses fall, grow, jump or vanish."""
        for name, losses in _histories().items():
            rates = self._run(losses)
            require(rates.shape == (_STEPS,), f"A rate has shape {rates.shape[1:]}; expected one number.")
            _require_rates(rates, f"With losses that {name}")

    def test_late_step(self) -> None:
        """The rate is still finite and not negative at the last step that an integer of 32 bits can count."""
        schedule = self.make()
        rate, _ = schedule.rate(schedule.init(), jnp.asarray(_LATE), jnp.ones(2))
        _require_rates(np.asarray(rate)[None], f"At step {_LATE}")

    def test_pure(self) -> None:
        """The same state, step and losses give the same rate: nothing is remembered outside of the state."""
        schedule, losses = self.make(), jnp.asarray(_histories()["grow"])
        _, state = schedule.rate(schedule.init(), jnp.asarray(0), losses[0])
        first, second = (schedule.rate(state, jnp.asarray(1), losses[1]) for _ in range(2))
        equal = jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), first, second))
        require(equal, "Two steps from the same state differ; keep everything that is remembered in the state.")

    def test_jit(self) -> None:
        """Compiled into a loop, it gives what it gives step by step."""
        with double_precision():
            schedule, losses = self.make(), _histories()["jump"]
            state, rates = schedule.init(), []
            for step, row in enumerate(losses):
                rate, state = schedule.rate(state, jnp.asarray(step), jnp.asarray(row))
                rates.append(np.asarray(rate))
            compiled = self._run(losses)
        wrong = np.abs(compiled - np.stack(rates)).max()
        require(wrong <= 1e-9, f"The rates of a compiled loop differ by {wrong:.3g} from those of single steps.")

    def test_dtype(self) -> None:
        """The rate is a floating-point array, whether or not 64-bit types are on."""
        for enabled in (False, True):
            with double_precision(enabled):
                schedule = self.make()
                rate, _ = schedule.rate(schedule.init(), jnp.asarray(0), jnp.ones(2))
                require(
                    isinstance(rate, jax.Array) and jnp.issubdtype(rate.dtype, jnp.floating),
                    f"The rate is {rate!r}; expected a floating-point array, as jnp.asarray gives.",
                )

    def _run(self, losses: Float[np.ndarray, "steps n"]) -> Float[np.ndarray, " steps"]:
        """The rates along a history, in one compiled loop."""
        schedule = self.make()

        def step(state: Any, now: tuple[Array, Array]) -> tuple[Any, Array]:
            rate, state = schedule.rate(state, *now)
            return state, rate

        history = (jnp.arange(len(losses)), jnp.asarray(losses))
        return np.asarray(jax.lax.scan(step, schedule.init(), history)[1])


def _histories() -> dict[str, Float[np.ndarray, "steps n"]]:
    """Losses of two terms, by what they do."""
    steps = np.arange(_STEPS)[:, None] * np.array([1.0, 0.5])
    vanishing = np.exp(-steps)
    vanishing[_STEPS // 2 :] = 0
    return {
        "fall": np.exp(-0.3 * steps),
        "grow": 1e-3 * np.exp(0.3 * steps),
        "stay": np.ones_like(steps),
        "jump": 10.0 ** (6 * np.sin(7 * steps)),
        "vanish": vanishing,
    }


def _require_rates(rates: Float[np.ndarray, " steps"], when: str) -> None:
    require(np.all(np.isfinite(rates)), f"{when} a rate is not finite: {rates[~np.isfinite(rates)]}")
    require(np.all(rates >= 0), f"{when} a rate is negative, down to {rates.min():.3g}.")
