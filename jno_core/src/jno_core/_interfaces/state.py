"""The training state: the one PyTree that a run carries, and that a checkpoint stores."""

from typing import final

import equinox as eqx
from jaxtyping import Array, Float, Int

from jno_core._custom_types import PRNGKey, PyTree


@final
class TrainState(eqx.Module):
    """Everything that changes while training.

    - `params`: trainable leaves, by the name of the parameter group.
    - `opt_state`: optimizer states, by the same names; with `substeps`, by the substep's number too.
    - `plugin_state`: states of balancers, schedules and resamplers, by their names in the problem.
    - `key`: the PRNG key from which each step derives its own by its number.
    - `epoch`: completed optimizer steps, over all `solve` calls.
    - `points`: the points (and normals) of each point set that is resampled, by its name.
    - `rate`: a factor on all updates, 1 unless a callback lowered it after losses that were not finite.
    """

    params: dict[str, PyTree]
    opt_state: dict[str, PyTree]
    plugin_state: dict[str, PyTree]
    key: PRNGKey
    epoch: Int[Array, ""]
    rate: Float[Array, ""]
    points: dict[str, dict[str, Array]] = eqx.field(default_factory=dict)
