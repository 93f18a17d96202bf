"""The functions that a file may name: mathematics of public namespaces, which neither read nor write nor call anything else.

A file names them by namespace and public name (`jax.numpy.sin`). Functions of jax.numpy and of NumPy that touch files or
foreign memory, or that make functions, are not among them.
"""

import builtins
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax.nn
import jax.nn.initializers
import jax.numpy
import jax.random
import jax.scipy.fft
import jax.scipy.integrate
import jax.scipy.interpolate
import jax.scipy.linalg
import jax.scipy.ndimage
import jax.scipy.signal
import jax.scipy.special
import jax.scipy.stats
import numpy as np

_WHOLE = (
    "jax.numpy",
    "jax.numpy.fft",
    "jax.numpy.linalg",
    "jax.nn",
    "jax.nn.initializers",
    "jax.lax",
    "jax.lax.linalg",
    "jax.random",
    "jax.scipy.fft",
    "jax.scipy.integrate",
    "jax.scipy.interpolate",
    "jax.scipy.linalg",
    "jax.scipy.ndimage",
    "jax.scipy.signal",
    "jax.scipy.special",
)
_EXCLUDED = {
    "jax.numpy": (
        "array_repr",
        "array_str",
        "from_dlpack",
        "frombuffer",
        "fromfile",
        "fromfunction",
        "frompyfunc",
        "fromstring",
        "get_printoptions",
        "load",
        "printoptions",
        "save",
        "savez",
        "set_printoptions",
        "vectorize",
    ),
    "jax.lax": ("after_all", "composite", "create_token", "dce_sink", "infeed", "outfeed", "precv", "psend", "stage"),
}
# These belong to jno: the kernels of its losses and of its array functions.
_OWN = {
    "jno_core._graph.reductions": ("mean_absolute", "mean_square"),
    "jno._losses": (
        "_alignment",
        "_cauchy",
        "_cosine",
        "_huber",
        "_largest",
        "_log_cosh",
        "_mape",
        "_nmse",
        "_quantile",
        "_relative_l1",
        "_relative_l2",
        "_root_mean_square",
        "_smooth_l1",
    ),
    "jno.numpy": ("_join_last", "_symmetric_part"),
}
_BUILTINS = ("abs", "bool", "complex", "float", "int", "len", "max", "min", "round", "sum")
_OF_NUMPY = {
    "numpy": (
        "all",
        "allclose",
        "amax",
        "amin",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "asarray",
        "around",
        "atleast_1d",
        "average",
        "clip",
        "concatenate",
        "copy",
        "count_nonzero",
        "cov",
        "cumsum",
        "diff",
        "dot",
        "expand_dims",
        "histogram",
        "imag",
        "interp",
        "linspace",
        "max",
        "mean",
        "median",
        "min",
        "nan_to_num",
        "nanmax",
        "nanmean",
        "nanmedian",
        "nanmin",
        "nanstd",
        "nansum",
        "ndim",
        "percentile",
        "prod",
        "ptp",
        "quantile",
        "ravel",
        "real",
        "reshape",
        "round",
        "shape",
        "size",
        "sort",
        "squeeze",
        "stack",
        "std",
        "sum",
        "swapaxes",
        "take",
        "trace",
        "transpose",
        "trapezoid",
        "unique",
        "var",
        "where",
    ),
    "numpy.linalg": ("cond", "det", "eigvals", "eigvalsh", "inv", "matrix_rank", "norm", "slogdet", "svd"),
}


def trusted_function(name: str) -> Callable[..., Any] | None:
    """The function that a file means by a name, or `None` if the name is none of a trusted function."""
    found = _by_name()
    if name not in found and name.split(":")[0] in _OWN:
        # The face may have been imported since; what is in the table stays.
        return dict(_own()).get(name)
    return found.get(name)


def trusted_name(fn: Any) -> str | None:
    """The name of a trusted function, or `None` if it is none."""
    for name, known in _own():
        if known is fn:
            return name
    return _by_identity().get(id(fn))


@functools.cache
def _by_name() -> dict[str, Callable[..., Any]]:
    return dict(_members())


@functools.cache
def _by_identity() -> dict[int, str]:
    found: dict[int, str] = {}
    for name, fn in _by_name().items():
        found.setdefault(id(fn), name)
    return found


def _members() -> Iterator[tuple[str, Callable[..., Any]]]:
    for path in (*_WHOLE, *_distributions()):
        # Not by getattr, which may import more.
        for name, member in vars(sys.modules[path]).items():
            if name.startswith("_") or name in _EXCLUDED.get(path, ()):
                continue
            if callable(member) and not isinstance(member, type | types.ModuleType):
                yield f"{path}.{name}", member
    for path, names in _OF_NUMPY.items():
        yield from ((f"{path}.{name}", getattr(sys.modules[path], name)) for name in names)
    yield from ((f"numpy.{name}", member) for name, member in vars(np).items() if isinstance(member, np.ufunc))
    yield from ((f"builtins.{name}", getattr(builtins, name)) for name in _BUILTINS)


def _own() -> Iterator[tuple[str, Callable[..., Any]]]:
    for path, names in _OWN.items():
        if path in sys.modules:
            yield from ((f"{path}:{name}", getattr(sys.modules[path], name)) for name in names)


def _distributions() -> list[str]:
    """The modules of `jax.scipy.stats`: one for each distribution."""
    stats = jax.scipy.stats
    return [f"jax.scipy.stats.{n}" for n in dir(stats) if f"jax.scipy.stats.{n}" in sys.modules and n[0] != "_"]
