"""All that a domain holds, for files: taken out and put into a new domain."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from jno_core._domain.container import Domain
from jno_core._domain.regions import Regions, TimeGrid
from jno_core._graph import Collocation, TensorTag
from jno_core._interfaces import AbstractResampler, PointData, TensorData


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """What a domain is made from: the constructor's arguments."""

    regions: Regions
    time: TimeGrid
    instances: int

    def build(self) -> Domain:
        """A domain without point sets and attached arrays."""
        return Domain(self.regions, self.time, self.instances)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
    """What was drawn and attached since: by name, in the order of the calls.

    - `drawn`, `rules`: point sets, and those of integrals.
    - `tensors`: attached arrays.
    - `resamplers`: the strategies that renew points, by the name of the point set.
    - `asked`: how often fresh candidates were drawn.
    """

    drawn: Mapping[str, tuple[Collocation, PointData]]
    rules: Mapping[str, tuple[Collocation, PointData]]
    tensors: Mapping[str, tuple[TensorTag, TensorData]]
    resamplers: Mapping[str, AbstractResampler]
    asked: int

    def fill(self, domain: Any) -> None:
        """Put it into a domain that `Frame.build` made."""
        domain._sets._drawn.update(self.drawn)
        domain._sets._rules.update(self.rules)
        domain._sets._asked = self.asked
        domain._tensors.update(self.tensors)
        domain._resamplers.update(self.resamplers)


def taken_apart(domain: Domain) -> tuple[Frame, Contents]:
    """The two halves of a domain."""
    sets = domain._sets
    return (
        Frame(sets.regions, sets.time, sets.instances),
        Contents(dict(sets.drawn), dict(sets._rules), dict(domain.attached()), dict(domain.resamplers), sets._asked),
    )
