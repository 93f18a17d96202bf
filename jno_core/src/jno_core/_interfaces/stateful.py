"""Contracts of values that carry a state through training: loss balancers and learning-rate schedules."""

import abc
from collections.abc import Callable
from typing import final

import equinox as eqx
from jaxtyping import Array, Float, Int

from jno_core._custom_types import PRNGKey, PyTree, Scalar


@final
class UpdateView(eqx.Module):
    """What a balancer may look at during one optimizer step. Closures that are not called cost nothing.

    - `step`: completed optimizer steps, an integer array.
    - `key`: a PRNG key of this step, different for each balancer.
    - `params`: the trainable parameters at which the losses were evaluated.
    - `losses_fn(params) -> (n,)`: the raw losses as a differentiable function, for gradient-based balancers.
    """

    step: Int[Array, ""]
    key: PRNGKey
    params: PyTree
    losses_fn: Callable[[PyTree], Float[Array, " n"]] = eqx.field(static=True)


class AbstractBalancer(eqx.Module):
    """A rule that weighs `n` losses against each other while training.

    The core advances the state exactly once per optimizer step, keeps it in the training state (so that checkpoints
    and resume see it), and treats the weights as constants of differentiation. The constructor takes options as
    keywords only.
    """

    @abc.abstractmethod
    def init(self, n: int) -> PyTree:
        """The state before the first step: a PyTree of arrays with fixed shapes and dtypes."""

    @abc.abstractmethod
    def update(self, state: PyTree, losses: Float[Array, " n"], view: UpdateView) -> tuple[Float[Array, " n"], PyTree]:
        """The weights for this step, finite and not negative, and the new state. Pure and traceable.

        `losses` are the current values of the raw losses, at least `1e-12` each and without gradient.
        """


class AbstractSchedule(eqx.Module):
    """A learning rate that may depend on the step and on the losses."""

    @abc.abstractmethod
    def init(self) -> PyTree:
        """The state before the first step: a PyTree of arrays."""

    @abc.abstractmethod
    def rate(self, state: PyTree, step: Int[Array, ""], losses: Float[Array, " n"]) -> tuple[Scalar, PyTree]:
        """The rate for this step and the new state; called once per optimizer step with that step's losses."""
