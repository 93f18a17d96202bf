"""What a user gives for some regions of a polygon geometry: samplers, and strategies that renew points."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from jno_core import AbstractResampler
from jno_core.errors import JnoTypeError, JnoValueError

Sampler: TypeAlias = Callable[[Any, int], Any]
Given = TypeVar("Given")

# What holds for all regions that are not named.
_OTHERS = "*"


def by_tag(given: Mapping[str, Given], tag: str) -> Given | None:
    """What holds for an interior tag: that of its region, else that of all others."""
    others = given.get(_OTHERS)
    return others if tag == "interior" else given.get(tag.removeprefix("interior_"), others)


def checked_samplers(sampler: Any, samplers: Any, regions: Sequence[str]) -> dict[str, Sampler]:
    """Functions `(geometry, n) -> points` by the names of regions."""
    found = _by_region("sampler", "samplers", sampler, samplers, regions)
    for name, function in found.items():
        if not callable(function):
            raise JnoTypeError(f"The sampler of {name!r} must be a function (geometry, n) -> points, got {function!r}.")
    return found


def checked_strategies(strategy: Any, strategies: Any, regions: Sequence[str]) -> dict[str, AbstractResampler]:
    """Strategies that renew points, by the names of regions."""
    found = _by_region("resampling_strategy", "resampling_strategies", strategy, strategies, regions)
    for name, value in found.items():
        if not isinstance(value, AbstractResampler):
            raise JnoTypeError(
                f"The resampling strategy of {name!r} must be an AbstractResampler such as one of jno.sampler, got {value!r}. "
                "Pass an object of it."
            )
    return found


def _by_region(one: str, several: str, value: Any, values: Any, regions: Sequence[str]) -> dict[str, Any]:
    """One value for everything and values of regions, in one mapping."""
    if values is not None and not isinstance(values, Mapping):
        raise JnoTypeError(f"{several} must map names of regions to values, got {values!r}.")
    found = dict(values or {})
    for name in found:
        if name not in (*regions, _OTHERS):
            raise JnoValueError(
                f"{several} names the region {name!r}, but the regions are {list(regions)}, and {_OTHERS!r} is all others. "
                "It is for interiors; what boundaries need is given to variable(...)."
            )
    if value is not None and _OTHERS in found:
        raise JnoValueError(f"{several} has {_OTHERS!r} for all other regions, and so has {one}=; give one of them.")
    return found if value is None else {**found, _OTHERS: value}
