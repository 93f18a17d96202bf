"""Checks of callbacks."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from jno_core._domain import DomainFactory
from jno_core._graph import Model
from jno_core._interfaces import Metrics, RunInfo, TrainState
from jno_core._train import Core
from jno_core._train.run_hooks import RunHooks
from jno_core.errors import JnoImportError, PluginTypeError
from jno_core.hooks import hookimpl
from jno_core.testing._check import require
from jno_core.testing._classes import ClassSuite, missing_arguments

_EPOCHS = 20


class CallbackSuite(ClassSuite):
    """Checks of a callback: it fits the hooks of a run, and the run does not depend on it.

    - `plugin`: the class. The instance is `plugin(**arguments)`.
    """

    plugin: ClassVar[type]

    def make(self) -> Any:
        """The callback under test, registered on a run's hooks; skips what `test_constructor` or `test_hooks` reports."""
        if missing_arguments(self.plugin, self.arguments):
            pytest.skip("cannot be constructed; see constructor")
        callback = self.plugin(**self.arguments)
        try:
            RunHooks([callback])
        except PluginTypeError:
            pytest.skip("does not fit the hooks of a run; see hooks")
        return callback

    def test_constructor(self) -> None:
        """It can be constructed without arguments, as `callbacks=["name"]` does."""
        missing = missing_arguments(self.plugin, {})
        require(not missing, f"{self.plugin.__qualname__} needs {', '.join(missing)}; every argument needs a default.")
        self.plugin()

    def test_hooks(self) -> None:
        """Its hooks and their arguments are those of a run."""
        if missing_arguments(self.plugin, self.arguments):
            pytest.skip("cannot be constructed; see constructor")
        try:
            RunHooks([self.plugin(**self.arguments)])
        except PluginTypeError as error:
            raise AssertionError(str(error)) from error

    def test_run(self) -> None:
        """A run has the same losses and ends at the same weights, to the last bit, with it and without it."""
        plain_losses, plain_weights = _train([])
        callback = self.make()
        try:
            losses, weights = _train([callback])
        except JnoImportError as error:
            pytest.skip(str(error))
        require(
            np.array_equal(losses, plain_losses[: len(losses)]),
            "The losses of a run differ with the callback switched on.",
        )
        if len(losses) < len(plain_losses):
            pytest.skip("the callback ends the run early, so only its losses were compared")
        equal = all(np.array_equal(a, b) for a, b in zip(weights, plain_weights, strict=True))
        require(equal, "The weights after a run differ with the callback switched on.")

    def test_failure(self) -> None:
        """It takes part in a run that fails, without hiding the error."""
        seen = _Witness()
        _train([seen])
        hooks = RunHooks([self.make()])
        try:
            hooks.on_fit_start(seen.run, seen.state)
        except JnoImportError as error:
            pytest.skip(str(error))
        hooks.on_chunk_end(seen.run, seen.step, seen.metrics, seen.state)
        hooks.should_stop(seen.step, seen.metrics)
        hooks.on_fit_error(FloatingPointError("a failure made by the conformance kit"), seen.state)


@final
class _Witness:
    """Keeps what a run tells its callbacks."""

    run: RunInfo
    step: int
    metrics: Metrics
    state: TrainState

    @hookimpl
    def on_chunk_end(self, run: RunInfo, step: int, metrics: Metrics, state: TrainState) -> None:
        """Keeps the newest."""
        self.run, self.step, self.metrics, self.state = run, step, metrics, state


def _train(callbacks: Sequence[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The losses and the final weights of a small run, the same for the same callbacks."""
    points = np.random.default_rng(0).random((16, 2))
    x, y, _ = DomainFactory().from_array({"interior": points}).variable("interior")
    net = Model(eqx.nn.MLP(2, 1, 8, 1, key=jax.random.key(0)))
    net.optimizer(optax.adam(1e-2))
    statistics = Core([(net(x, y) - x * y).mse]).solve(_EPOCHS, callbacks=list(callbacks))
    weights = jax.tree.leaves(eqx.filter(net.module, eqx.is_array))
    return np.asarray(statistics.total_loss_history), [np.asarray(leaf) for leaf in weights]
