"""What `sample=` in `variable(...)` means."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, Self, TypeAlias, final, get_args

import numpy as np

from jno_core._graph.arity import accepts
from jno_core._registry.spelling import nearest
from jno_core.errors import JnoTypeError, JnoValueError

Sequence: TypeAlias = Literal["uniform", "sobol", "halton", "latin_hypercube"]


@final
@dataclasses.dataclass(frozen=True)
class SampleRequest:
    """How many points to draw, and how: `n=None` for all.

    - `sequence`: anywhere in the region, at random or by a sequence that fills it evenly; `None` for given points or nodes.
    - `sampler(points, n)`: returns the indices of given points or nodes.
    """

    n: int | None
    sequence: Sequence | None
    sampler: Callable[[np.ndarray, int], Any] | None
    exclude_boundary: bool

    @classmethod
    def from_user(cls, sample: Any, exclude_boundary: bool) -> Self:
        """What `sample=` means.

        Raises `JnoTypeError` for another form and `JnoValueError` for a count < 1 or an unknown sequence.
        """
        if sample is None or isinstance(sample, int | np.integer):
            sample = (sample, None)
        if not isinstance(sample, tuple | list) or len(sample) != 2:
            raise JnoTypeError(f"sample must be a count or (count, sampler), as in sample=(500, None); got {sample!r}.")
        n, sampler = sample
        if n is not None and (isinstance(n, bool) or not isinstance(n, int | np.integer)):
            raise JnoTypeError(f"The count in sample=(count, sampler) must be an integer or None, got {n!r}.")
        if n is not None and n < 1:
            raise JnoValueError(f"sample needs at least one point, got {n}.")
        if not (sampler is None or isinstance(sampler, str) or callable(sampler)):
            raise JnoTypeError(
                f"The sampler must be None, one of {list(get_args(Sequence))} or a callable (points, n) -> indices, got "
                f"{sampler!r}."
            )
        if isinstance(sampler, str) and sampler not in get_args(Sequence):
            near = nearest(sampler, get_args(Sequence))
            hint = f" Did you mean {near!r}?" if near else ""
            raise JnoValueError(f"The sampler {sampler!r} is unknown; there are {list(get_args(Sequence))}.{hint}")
        if callable(sampler) and not accepts(sampler, 2):
            raise JnoTypeError(f"A sampler takes (points, n) and returns n indices; {sampler!r} takes other arguments.")
        if n is None and sampler is not None:
            raise JnoValueError("A sampler needs a count: sample=(n, sampler).")
        count = None if n is None else int(n)
        if isinstance(sampler, str):
            return cls(count, sampler, None, exclude_boundary)  # pyright: ignore[reportArgumentType]
        return cls(count, None, sampler, exclude_boundary)

    @property
    def is_bare_count(self) -> bool:
        """Whether nothing but a count is asked for."""
        return self.n is not None and self.sequence is None and self.sampler is None and not self.exclude_boundary

    @property
    def count(self) -> int:
        """The number of points, where one is needed."""
        if self.n is None:
            raise JnoValueError("This needs a count of points: sample=n or sample=(n, sampler).")
        return self.n
