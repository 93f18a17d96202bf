"""What the user asks of `solve`, checked before anything is compiled."""

import dataclasses
from typing import Any, final

from jno_core._train import arguments
from jno_core._train.updates import checked_substeps


@final
@dataclasses.dataclass(frozen=True)
class StepOptions:
    """The options that a compiled step depends on; see `Core.solve`."""

    batchsize: int | None = None
    accumulation_steps: int = 1
    offload_data: bool = False
    checkpoint_gradients: bool = False
    min_consecutive: int | None = 1
    substeps: tuple[tuple[tuple[int, ...], int], ...] | None = None
    chunk: int | str | None = "auto"

    @classmethod
    def from_user(cls, constraints: int, substeps: Any, **given: Any) -> "StepOptions":
        """Raises `JnoTypeError` and `JnoValueError` for what cannot be, and for what needs a batch and has none."""
        options = cls(substeps=checked_substeps(substeps, constraints), **given)
        arguments.check_chunk(options.chunk)
        arguments.check_flags(offload_data=options.offload_data, checkpoint_gradients=options.checkpoint_gradients)
        arguments.check_batches(options.batchsize, options.accumulation_steps, options.offload_data)
        arguments.check_window(options.min_consecutive)
        return options

    def window(self, times: int) -> int:
        """The number of consecutive time steps that a constraint sees."""
        return times if self.min_consecutive is None else min(self.min_consecutive, times)
