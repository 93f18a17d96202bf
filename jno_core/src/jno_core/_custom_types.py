"""Type aliases that several layers share. Letters in shapes: `n` points, `d` coordinates, `c` components."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Array, Float, Int, Key

PyTree: TypeAlias = Any
PRNGKey: TypeAlias = Key[Array, ""]
Column: TypeAlias = Float[Array, "n 1"]
Columns: TypeAlias = tuple[Column, ...]
Scalar: TypeAlias = Float[Array, ""]
HostPoints: TypeAlias = Float[np.ndarray, "n d"]
HostCells: TypeAlias = Int[np.ndarray, "m k"]
Mask: TypeAlias = PyTree
Schedule: TypeAlias = Callable[..., Scalar | float]
