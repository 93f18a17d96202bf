"""Functions as files hold them: by name, with compiled forms for evaluation where the function itself is not at hand."""

import dataclasses
from collections.abc import Sequence
from typing import Any, final

import jax
import jax.export
import numpy as np
from jaxtyping import Array

from jno_core.errors import JnoValueError


@final
@dataclasses.dataclass(frozen=True)
class Argument:
    """An array that a function is called with; `points` is the length of its first axis if that runs over points."""

    shape: tuple[int, ...]
    dtype: Any
    points: int | None = None


@final
@dataclasses.dataclass(frozen=True, eq=False)
class CompiledForm:
    """A function for arguments of certain shapes. Arguments that are not arrays are part of it: `static`, see `split`."""

    static: Any
    exported: jax.export.Exported
    content: np.ndarray

    def fits(self, static: Any, arrays: Sequence[Any]) -> bool:
        """Whether it is for these arguments."""
        avals = self.exported.in_avals
        return (
            len(arrays) == len(avals)
            and static == self.static
            and all(
                array.dtype == aval.dtype
                and len(array.shape) == len(aval.shape)
                and all(isinstance(n, int) <= (n == m) for n, m in zip(aval.shape, array.shape, strict=True))
                for array, aval in zip(arrays, avals, strict=True)
            )
        )


@final
@dataclasses.dataclass(frozen=True, eq=False)
class StoredFunction:
    """A function that a file holds in compiled forms only: it evaluates, and has no derivatives."""

    name: str
    forms: tuple[CompiledForm, ...]

    @property
    def __name__(self) -> str:
        return self.name.rpartition(":")[2].rpartition(".")[2]

    def __call__(self, *args: Any, **options: Any) -> Array:
        return _evaluate(self.name, self.forms, args, options)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class StoredRandomFunction:
    """A `StoredFunction` of a function that draws random numbers: it has the value that it has without a key."""

    name: str
    forms: tuple[CompiledForm, ...]

    @property
    def __name__(self) -> str:
        return self.name.rpartition(":")[2].rpartition(".")[2]

    def __call__(self, *args: Any, key: Any = None, **options: Any) -> Array:
        if key is not None:
            raise JnoValueError(
                f"The function {self.name!r} draws random numbers, and the file holds its value without a key only. "
                f"{passing(self.name)}"
            )
        return _evaluate(self.name, self.forms, args, options)


def split(value: Any) -> tuple[Any, list[Any]]:
    """A nest of lists, tuples and dictionaries with `...` in the place of its arrays, and these arrays."""
    if isinstance(value, jax.Array | np.ndarray | np.generic | Argument):
        return ..., [value]
    if type(value) in (list, tuple):
        parts = [split(item) for item in value]
        return type(value)(static for static, _ in parts), [array for _, arrays in parts for array in arrays]
    if type(value) is dict:
        keys, (static, arrays) = list(value), split(list(value.values()))
        return dict(zip(keys, static, strict=True)), arrays
    return value, []


def joined(static: Any, arrays: list[Any]) -> Any:
    """The inverse of `split`; takes the arrays out of the list."""
    if static is ...:
        return arrays.pop(0)
    if type(static) in (list, tuple):
        return type(static)(joined(item, arrays) for item in static)
    if type(static) is dict:
        return {key: joined(item, arrays) for key, item in static.items()}
    return static


def _evaluate(name: str, forms: tuple[CompiledForm, ...], args: tuple[Any, ...], options: dict[str, Any]) -> Array:
    static, arrays = split((args, options))
    form = next((form for form in forms if form.fits(static, arrays)), None)
    if form is None:
        shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
        known = "; ".join(", ".join(str(aval.shape) for aval in form.exported.in_avals) for form in forms)
        raise JnoValueError(
            f"The function {name!r} is not in the file for arguments of shape {shapes}"
            f"{f', only for {known}' if known else ''}. {passing(name)}"
        )
    # What is exported has no rule for vmap.
    run = jax.custom_batching.sequential_vmap(form.exported.call)

    @jax.custom_jvp
    def evaluated(*arrays: Array) -> Array:
        return run(*arrays)

    @evaluated.defjvp
    def differentiated(primals: Any, tangents: Any) -> Any:
        del primals, tangents
        raise JnoValueError(
            f"The function {name!r} is in the file in compiled form, which has no derivatives: it can be evaluated, but not "
            f"differentiated or trained through. {passing(name)}"
        )

    return evaluated(*arrays)


def passing(name: str) -> str:
    """How a user passes a function to `jno.load`, as a sentence."""
    short = name.rpartition(":")[2].rpartition(".")[2]
    given = f"({short},)" if short.isidentifier() else "(f,)"
    return f"Pass the function itself: jno.load(path, functions={given}), or by name: functions={{{name!r}: f}}."
