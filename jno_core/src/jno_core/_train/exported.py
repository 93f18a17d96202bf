"""Exported expressions, read back: functions of arrays that need neither the problem nor the code that defined it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jno_core import containers
from jno_core._saving import stablehlo
from jno_core._train.problem_file import Path
from jno_core.errors import JnoTypeError, JnoValueError

KIND = "exported expression"
VERSION = 1


@final
@dataclasses.dataclass(frozen=True)
class Input:
    """One argument: its name, its shape, in which a name stands for any length, and its type."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str

    def checked(self, value: Any) -> Array:
        """The value as an array of this shape; `(n,)` may stand for `(n, 1)`.

        Raises `JnoValueError` for another shape or type.
        """
        array = jnp.asarray(value)
        if array.ndim == len(self.shape) - 1 and self.shape[-1:] == (1,):
            array = array[..., None]
        fits = array.ndim == len(self.shape) and all(
            isinstance(n, str) or n == m for n, m in zip(self.shape, array.shape, strict=True)
        )
        if not fits or not jnp.can_cast(array.dtype, self.dtype, casting="same_kind"):
            raise JnoValueError(
                f"The argument {self.name!r} must be {self.dtype} of shape {self._text()}, got {array.dtype} of shape "
                f"{jnp.shape(value)}."
            )
        return array.astype(self.dtype)

    def _text(self) -> str:
        return f"({', '.join(map(str, self.shape))}{',' if len(self.shape) == 1 else ''})"


@final
@dataclasses.dataclass(frozen=True)
class Parity:
    """How an exported expression compares with `crux.eval` at sample points.

    - `largest_difference`: the largest absolute difference over all entries.
    - `largest_value`: the largest modulus of `crux.eval`'s, for comparison.
    - `entries`: how many were compared.
    """

    largest_difference: float
    largest_value: float
    entries: int

    @classmethod
    def of(cls, found: Any, expected: Any) -> "Parity":
        """The comparison of two arrays of one shape; entries that are NaN in both count as equal."""
        a, b = np.asarray(found), np.asarray(expected)
        if a.shape != b.shape:
            raise JnoValueError(f"The exported expression gives the shape {a.shape}, crux.eval {b.shape}.")
        a, b = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (a, b))
        both = np.isnan(a) & np.isnan(b)
        difference = np.where(both, 0.0, np.abs(a - b))
        return cls(float(np.max(difference, initial=0.0)), float(np.max(np.abs(b[~both]), initial=0.0)), a.size)

    def __str__(self) -> str:
        return (
            f"largest difference to crux.eval {self.largest_difference:.3g} over {self.entries} entries, the largest of which "
            f"is {self.largest_value:.3g}"
        )


@final
class ExportedExpression:
    """An expression as a function of arrays, for one instance of its problem.

        field = jno.load_exported("u.jno")
        values = field(x=points[:, 0], y=points[:, 1])    # (n, C)

    - `inputs`: the arguments, by position or by name: coordinates `(n, 1)` or `(n,)`, normals `(n, d)`, attached arrays.
    - `parity`: how it compared with `crux.eval` when it was exported.
    - `expression`: how it was written.

    It can be called inside of `jax.jit`; it has no derivatives.
    """

    def __init__(
        self, inputs: tuple[Input, ...], parity: Parity, expression: str, exported: jax.export.Exported
    ) -> None:
        self.inputs, self.parity, self.expression = inputs, parity, expression
        self._run = jax.jit(exported.call)

    def __call__(self, *args: Any, **named: Any) -> Array:
        """The values at the given points.

        Raises `JnoTypeError` for arguments that are missing or too many, and `JnoValueError` for shapes that do not fit.
        """
        names = [i.name for i in self.inputs]
        given = dict(zip(names, args, strict=False)) | named
        if len(args) > len(names) or given.keys() != set(names) or set(names[: len(args)]) & named.keys():
            raise JnoTypeError(
                f"{self!r} takes the arguments {', '.join(names) or 'none'}; got {len(args)} and {list(named)}."
            )
        arrays = {i.name: i.checked(given[i.name]) for i in self.inputs}
        lengths: dict[str, int] = {}
        for i in self.inputs:
            for n, m in zip(i.shape, arrays[i.name].shape, strict=True):
                if isinstance(n, str) and lengths.setdefault(n, m) != m:
                    raise JnoValueError(f"The argument {i.name!r} has {m} points where another has {lengths[n]}.")
        return self._run(*arrays.values())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{i.name}: {i.dtype} {i._text()}" for i in self.inputs)
        return f"ExportedExpression({self.expression}; {arguments})"


def load_exported(path: Path) -> ExportedExpression:
    """Read what `crux.export` wrote. Nothing in the file is executed; the function is checked before it can run.

    Raises `JnoFileNotFoundError`, and `JnoValueError` for a file that is damaged or of another kind.
    """
    manifest, arrays = containers.read(path, KIND, VERSION)
    try:
        inputs = tuple(_input(data) for data in manifest["inputs"])
        parity = Parity(**{name: kind(manifest["parity"][name]) for name, kind in _PARITY.items()})
        expression, content = str(manifest["expression"]), arrays["stablehlo"]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise JnoValueError(f"The content of {str(path)!r} does not describe an exported expression: {e!r}.") from e
    exported = stablehlo.from_bytes(content, str(path))
    if [str(jnp.dtype(a.dtype)) for a in exported.in_avals] != [i.dtype for i in inputs]:
        raise JnoValueError(f"The function in {str(path)!r} has other arguments than its description.")
    return ExportedExpression(inputs, parity, expression, exported)


_PARITY: Mapping[str, type] = {"largest_difference": float, "largest_value": float, "entries": int}


def _input(data: Any) -> Input:
    shape = tuple(n if isinstance(n, str) else int(n) for n in data["shape"])
    return Input(str(data["name"]), shape, str(data["dtype"]))
