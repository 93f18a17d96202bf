"""The record of one `solve` call. Letters in shapes: `k` epochs, `n` loss terms, `r` recorded values of a tracker."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int, Num

from jno_core.errors import JnoTypeError, JnoValueError

_SCALARS = {
    "first_epoch": int,
    "compile_seconds": float,
    "training_time": float,
    "trainable_params": int,
    "frozen_params": int,
    "lora_params": int,
    "device_count": int,
}


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """What one tracker recorded.

    - `epochs`: when, `(r,)`.
    - `values`: what, `(r, ...)`; row i belongs to `epochs[i]`.
    """

    epochs: Int[np.ndarray, " r"]
    values: Num[np.ndarray, "r ..."]

    def __post_init__(self) -> None:
        epochs = _freeze_array("epochs", self.epochs, np.int64)
        values = _freeze_array("values", self.values)
        _check_shape("epochs", epochs, (len(values) if values.ndim else None,))
        object.__setattr__(self, "epochs", epochs)
        object.__setattr__(self, "values", values)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class RunLog:
    """What one `solve` call recorded, as read-only arrays.

    - `first_epoch`: row i of the arrays belongs to epoch `first_epoch + i`.
    - `terms`: names of the loss terms.
    - `total_loss`, `losses`: the total loss and each term's, `(k,)` and `(k, n)`.
    - `tracks`: by the trackers' names.
    - `seconds`: training time from the start of the run to the end of each epoch, `(k,)`. Epochs that ran fused into
      one device loop share its time evenly.
    - `compile_seconds`, `training_time`: seconds spent on compilation and on steps.
    - `trainable_params`, `frozen_params`: numbers of scalars; `lora_params`: how many of the trainable ones are adapters'.
    - `stopped`: why the run ended early, `None` if it did not.
    - `platform`, `device_kind`, `device_count`: where it ran, such as `"cpu"`, `"cpu"` and 1; empty and 0 if unknown.
    - `versions`: of jno-core, JAX and the plugins that the problem used, by distribution.
    """

    first_epoch: int
    terms: tuple[str, ...]
    total_loss: Float[np.ndarray, " k"]
    losses: Float[np.ndarray, "k n"]
    tracks: Mapping[str, Track]
    seconds: Float[np.ndarray, " k"]
    compile_seconds: float
    training_time: float
    trainable_params: int
    frozen_params: int
    stopped: str | None
    lora_params: int = 0
    platform: str = ""
    device_kind: str = ""
    device_count: int = 0
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        total = _freeze_array("total_loss", self.total_loss)
        k = len(total) if total.ndim else None
        arrays = {"losses": (k, len(self.terms)), "seconds": (k,)}
        _check_shape("total_loss", total, (k,))
        object.__setattr__(self, "total_loss", total)
        for name, shape in arrays.items():
            array = _freeze_array(name, getattr(self, name))
            _check_shape(name, array, shape)
            object.__setattr__(self, name, array)
        for name, kind in _SCALARS.items():
            object.__setattr__(self, name, kind(getattr(self, name)))
        object.__setattr__(self, "terms", tuple(self.terms))
        for name in ("tracks", "versions"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def epochs(self) -> Int[np.ndarray, " k"]:
        """The number of each epoch."""
        return np.arange(self.first_epoch, self.first_epoch + len(self.total_loss))

    @property
    def steps_per_second(self) -> float | None:
        """Steps per second of training, without compilation; `None` if no step was made."""
        return len(self.total_loss) / self.training_time if len(self.total_loss) and self.training_time else None


def _freeze_array(name: str, value: Any, dtype: Any = None) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind == "V" and array.dtype.fields is None:
        # bfloat16 and the 8-bit floats are foreign to NumPy, whose functions partly refuse them.
        array = array.astype(np.float32)
    if array.dtype.kind not in "biufc":
        raise JnoTypeError(f"The run log's {name!r} must hold numbers; got an array of type {array.dtype}.")
    array = array.astype(dtype or array.dtype)
    array.flags.writeable = False
    return array


def _check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    if array.shape != shape:
        expected = tuple("k" if size is None else size for size in shape)
        raise JnoValueError(f"The run log's {name!r} has shape {array.shape}; expected {expected}.")
