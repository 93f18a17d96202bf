"""How many parts of the points should stand side by side in a program, estimated from the jaxpr of what they evaluate.

On a processor, XLA divides an operation on all points among the cores only if it is large; the cores then wait for each
other before the next. Operations that need not wait for each other run at once. So parts of the points that stand side by
side help where nothing is divided anyway, and where each part is still large enough to be divided. In between they take
away what XLA divides, and give back less. They do not help where operations are so many, or so large, that they keep all
cores busy as they are.
"""

import math
from typing import Any, NamedTuple, final

import jax
import jax.extend.core as jex

from jno_core._compile.working_set import bytes_of
from jno_core._pointwise.axis import followers

ABREAST = 3
"""How many parts stand side by side on a processor at most, as measured on two and on four cores; on one they take no longer,
but to compile. It does not follow the cores, so that all machines add up the parts of a small problem in the same order."""

FEWEST = 160
"""Parts of fewer points side by side take longer than all points together."""

DIVIDED = 256 * 2**10
"""From so many bytes of their result on, XLA divides loops over entries among the cores."""

OCCUPIED = 32 * 2**10
"""So many bytes of the widest result for each core keep all cores busy where there are many contractions: parts one after
another are slow with fewer."""

BUSY = 2**16
"""So many multiplications for each point that need not wait for each other, as in wide networks, keep all cores busy without
parts side by side."""

MANY = 10
"""So do so many contractions of all points that need not wait for each other, as with many axes."""


@final
class Work(NamedTuple):
    """What there is to do for each point.

    - `at_once`: the multiplications of contractions that need not wait for each other, on average.
    - `contractions`: how many these are that follow from the points, on average; those of weights alone do not count.
    - `widest`: the bytes of the largest result of a contraction.
    - `loops`: whether there are contractions in loops, such as over layers. Loops run one after another.
    """

    at_once: float
    contractions: float
    widest: float
    loops: bool = False

    @property
    def alone(self) -> bool:
        """Whether parts side by side have nothing to win: all cores are busy as it is, or the parts would wait in a loop."""
        return self.loops or self.at_once >= BUSY or self.contractions >= MANY


def work_of(jaxpr: jex.Jaxpr, points: int) -> Work:
    """The contractions of a function of so many points, which are its inputs. Those within loops are not counted."""
    of_points = followers(jaxpr, jaxpr.invars)
    longest: dict[jex.Var, int] = {}
    total, contractions, widest = 0, 0, 0
    for equation in jaxpr.eqns:
        own = _multiplications(equation)
        if own:
            total += own
            contractions += equation.outvars[0] in of_points
            widest = max(widest, bytes_of(equation.outvars[0].aval))
        read = (longest.get(v, 0) for v in equation.invars if not isinstance(v, jex.Literal))
        longest |= dict.fromkeys(equation.outvars, max(read, default=0) + (own > 0))
    chain = max([1, *longest.values()])
    loops = any(_contracts(equation) for equation in jaxpr.eqns if equation.primitive.name in ("scan", "while"))
    return Work(total / points / chain, contractions / chain, widest / points, loops)


def abreast(points: int, work: Work, most: int) -> int:
    """How many parts, `most` at most, so many points should be divided into."""
    if most == 1 or work.alone:
        return 1
    if points * work.widest < DIVIDED:
        return most if points >= most * FEWEST else 1
    return max(1, min(most, int(points * work.widest) // DIVIDED))


def points_abreast(work: Work, most: int) -> float:
    """How many points `most` parts side by side should have together at least where there are more than are taken at once."""
    return 0 if most == 1 or work.alone else most * DIVIDED / max(1, work.widest)


def points_in_turn(work: Work, cores: int) -> float:
    """How many points should be taken at once at least where there are more."""
    return cores * OCCUPIED / work.widest if work.contractions >= MANY else 0


def most_abreast() -> int:
    """How many parts may stand side by side on the devices at hand. An accelerator is busy with one."""
    return 1 if jax.local_devices()[0].memory_stats() else ABREAST


def _contracts(equation: jex.JaxprEqn) -> bool:
    """Whether there is a contraction in an equation."""
    within = (inner for body in jex.jaxprs_in_params(equation.params) for inner in body.eqns)
    return _multiplications(equation) > 0 or any(map(_contracts, within))


def _multiplications(equation: jex.JaxprEqn) -> int:
    """How many multiplications a contraction takes, and 0 for all else."""
    avals: list[Any] = [v.aval for v in (*equation.outvars, *equation.invars)]
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return avals[0].size * math.prod(avals[1].shape[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        outputs = equation.params["dimension_numbers"].rhs_spec[0]
        return avals[0].size * avals[2].size // avals[2].shape[outputs]
    return 0
