"""What to do about a loss or gradient that is not finite."""

import logging
import math
import numbers
import warnings
from collections import deque
from typing import Literal, final, get_args

import equinox as eqx
import jax

from jno_core import TrainState, hookimpl
from jno_core.errors import JnoValueError, JnoWarning, NonFiniteLossError
from jno_plugin_callbacks._needs import check_positive

NanPolicy = Literal["stop", "raise", "rollback", "ignore"]

logger = logging.getLogger("jno")


@final
class NanGuard:
    """Decides how a run goes on after a loss or gradient that is NaN or infinite. Such a step never changes the weights.

    | `policy` | what happens |
    |---|---|
    | `"stop"` | the run ends at the last good weights with a `NonFiniteLossWarning`, as without this callback |
    | `"raise"` | the run ends at the last good weights with a `NonFiniteLossError` |
    | `"rollback"` | the run goes on from an earlier state, with all further steps scaled by `factor`; at most `retries` times |
    | `"ignore"` | the step is thrown away, and another one drawn in its place; at most `retries` times for an epoch |

    - `every`: with `"rollback"`, the state at multiples of so many epochs is kept. Default 100.
    - `keep`: how many states are kept, each as large as the weights with the optimizers' states. Default 3. A second
      roll-back from the same place goes to the one before, and so on.
    - `factor`: what the rate is multiplied with at a roll-back; above 0, below 1. Default 0.5.
    - `retries`: default 3. When they are used up, the run stops as with `"stop"`, and a `JnoWarning` says so.

    A roll-back restores the weights, the optimizers and the states of balancers and schedules; the count of epochs goes
    on. To draw another step is to change the run's PRNG key: it helps where steps see batches, random times or noise, and
    not where each step sees the same. The epoch that failed is made anew, so histories hold finite numbers only.

    - `failures`: the epochs whose steps were not finite. `rollbacks`: pairs of such an epoch and that of the state restored.

    Raises `JnoValueError` for an argument outside of its range. The default policy is `"rollback"`.
    """

    def __init__(
        self,
        policy: NanPolicy = "rollback",
        every: int = 100,
        keep: int = 3,
        factor: float = 0.5,
        retries: int = 3,
    ) -> None:
        if policy not in get_args(NanPolicy):
            known = ", ".join(repr(name) for name in get_args(NanPolicy))
            raise JnoValueError(f"NanGuard knows the policies {known}, got {policy!r}.")
        check_positive("nan_guard", every=every, keep=keep, retries=retries)
        if not (isinstance(factor, numbers.Real) and 0 < factor < 1 and math.isfinite(factor)):
            raise JnoValueError(f"NanGuard needs a number between 0 and 1 as `factor`, got {factor!r}.")
        self.policy: NanPolicy = policy
        self.every = every if policy == "rollback" else None
        self.factor = factor
        self.retries = retries
        self.failures: list[int] = []
        self.rollbacks: list[tuple[int, int]] = []
        self._kept: deque[TrainState] = deque(maxlen=keep)
        self._tries = 0

    @hookimpl
    def on_fit_start(self, state: TrainState) -> None:
        """Forgets what an earlier run left behind, and keeps the first state."""
        self.failures, self.rollbacks, self._tries = [], [], 0
        self._kept.clear()
        self._keep(state)

    @hookimpl
    def on_chunk_end(self, step: int, state: TrainState) -> None:
        """Keeps the state if it is due."""
        if self.every is not None and step % self.every == 0:
            self._keep(state)

    @hookimpl
    def on_non_finite(self, step: int, reason: str, state: TrainState) -> TrainState | None:
        """Follows the policy."""
        self._tries = self._tries + 1 if step in self.failures[-1:] else 1
        self.failures.append(step)
        match self.policy:
            case "stop":
                return None
            case "raise":
                raise NonFiniteLossError(
                    f"{reason}. The weights are those before it. Lower the learning rate, or look for a division by zero, a "
                    "logarithm or a root of a negative number."
                )
            case "rollback":
                return self._earlier(step, state)
            case "ignore":
                return self._redrawn(step, state)

    @hookimpl
    def on_fit_end(self) -> None:
        """Lets go of the states."""
        self._kept.clear()

    @hookimpl
    def on_fit_error(self) -> None:
        """Lets go of the states."""
        self._kept.clear()

    def _keep(self, state: TrainState) -> None:
        if self.policy == "rollback":
            self._kept.append(state)

    def _earlier(self, step: int, state: TrainState) -> TrainState | None:
        if len(self.rollbacks) == self.retries:
            return self._give_up(step, f"after {self.retries} roll-backs")
        # The state whose own loss has failed is of no use. The oldest one stays, so that there always is one.
        while len(self._kept) > 1 and int(self._kept[-1].epoch) >= step:
            self._kept.pop()
        good = self._kept.pop() if len(self._kept) > 1 else self._kept[0]
        epoch = int(good.epoch)
        if epoch >= step:
            return self._give_up(step, "as no state before it is kept")
        rate = state.rate * self.factor
        self.rollbacks.append((step, epoch))
        logger.warning(
            "epoch %d was not finite: restored the state of epoch %d, further steps are scaled by %.3g",
            step,
            epoch,
            rate,
        )
        return eqx.tree_at(lambda s: s.rate, good, rate)

    def _redrawn(self, step: int, state: TrainState) -> TrainState | None:
        if self._tries > self.retries:
            return self._give_up(step, f"after it was drawn anew {self.retries} times")
        logger.warning("epoch %d was not finite: its step is drawn anew", step)
        return eqx.tree_at(lambda s: s.key, state, jax.random.split(state.key)[0])

    def _give_up(self, step: int, when: str) -> None:
        warnings.warn(f"The callback 'nan_guard' gives up at epoch {step}, {when}.", JnoWarning, stacklevel=2)
