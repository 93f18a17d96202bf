"""What the losses of a problem depend on at one step, and how they are evaluated."""

import dataclasses
from typing import Any, NamedTuple, TypeAlias, final

from jaxtyping import Array

from jno_core._compile import Chunk, ChunkedSet
from jno_core._custom_types import PRNGKey, PyTree
from jno_core._interfaces import DomainData

Parameters: TypeAlias = dict[str, PyTree]
Sums: TypeAlias = tuple[list[Array], ...]
"""For each divided point set, its reductions for every instance (and time step): `(B,)` or `(B, window)` each."""


class Moment(NamedTuple):
    """What the losses depend on besides the parameters that train: all of it at one step.

    - `rest`: what the networks hold besides them.
    - `data`, `chunks`: what is read whole, and the parts of each divided point set.
    - `plugins`: balancers' states before this step, or `advanced`: after it, where something else has advanced them.
    - `key`, `keys`: of the step, and of each instance, `(B,)`.
    - `step`: completed steps.
    """

    rest: PyTree
    data: DomainData
    chunks: tuple[Chunk, ...]
    plugins: dict[str, PyTree]
    key: PRNGKey
    keys: PRNGKey
    step: Any
    advanced: dict[str, PyTree] | None = None


@final
@dataclasses.dataclass(frozen=True)
class LossForm:
    """How losses are evaluated.

    - `divided`: point sets that are taken part by part.
    - `window`: how many consecutive time steps each instance sees.
    - `rematerialised`: whether each constraint's forward pass is computed again for its gradient, to save memory.
    - `steady`: the divided point sets that every step takes whole, at the same points.
    """

    divided: tuple[ChunkedSet, ...]
    window: int = 1
    rematerialised: bool = False
    steady: frozenset[str] = frozenset()
