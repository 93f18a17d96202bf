"""How much memory a function keeps busy, estimated from its jaxpr.

XLA fuses entrywise work into loops, and what one loop hands on within itself is never stored. What is stored is what other
operations (contractions, concatenations, loops, ...) read and write. For losses of networks with all their derivatives that
is 0.8 to 0.9 of what XLA sets aside for the step with its gradient, and half of it where layers are multiplied.
"""

from typing import Any

import jax.extend.core as jex

from jno_core._pointwise.axis import is_among
from jno_core._pointwise.rules import ELEMENTWISE

# Their results have other shapes, and are not stored either.
_FUSED = ELEMENTWISE | {"broadcast_in_dim", "expand_dims", "reshape", "squeeze", "transpose"}


def stored_bytes(jaxpr: jex.Jaxpr) -> int:
    """The bytes of all computed values that operations other than entrywise ones read or write, each counted once."""
    computed = {v for equation in jaxpr.eqns for v in equation.outvars}
    others = [equation for equation in jaxpr.eqns if equation.primitive.name not in _FUSED]
    touched = (v for equation in others for v in (*equation.invars, *equation.outvars))
    stored: set[Any] = {v for v in touched if is_among(v, computed)}
    return sum(bytes_of(v.aval) for v in stored)


def bytes_of(aval: Any) -> int:
    """The bytes of an array of this abstract value."""
    return aval.size * aval.dtype.itemsize
