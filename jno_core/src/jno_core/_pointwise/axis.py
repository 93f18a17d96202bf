"""Where the points stand in an intermediate value: the domain of the pointwise check."""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias, final

import jax.extend.core as jex
import jax.extend.source_info_util


@final
class PointAxis(NamedTuple):
    """Row i of the points lies along `axis`, and nowhere else.

    The axis may have absorbed its neighbours in a reshape: it then stands for the axes `(outer, points, inner)` in
    row-major order, where `inner` follows from its size. Otherwise `outer` and `inner` are one.
    """

    axis: int
    points: int
    outer: int = 1

    def moved(self, by: int) -> "PointAxis":
        """The same, `by` axes further to the right."""
        return self._replace(axis=self.axis + by)


@final
@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Why rows of a value cannot be told to belong to single points, and the remedy, both as sentences.

    `line` is the user's line where it happens, empty inside of JAX's own jitted functions.
    """

    what: str
    line: str
    remedy: str

    def called_from(self, line: str) -> "Obstacle":
        """The same, located at the caller if nothing closer is known."""
        return self if self.line else dataclasses.replace(self, line=line)


Position: TypeAlias = PointAxis | Obstacle | None
"""Of one value: where its points stand, why they cannot be followed, or `None` if it does not depend on them."""


def mixing(eqn: jex.JaxprEqn, how: str = "mixes the points in") -> Obstacle:
    """The obstacle of an equation that works across the points."""
    return Obstacle(
        f"{how} `{eqn.primitive.name}`",
        line_of(eqn),
        "Make it pointwise, or have the network called with one point at a time: jno.nn.wrap(..., pointwise='map').",
    )


def shape_of(atom: jex.Var | jex.Literal) -> tuple[int, ...]:
    """The shape of an operand or result."""
    aval: Any = atom.aval
    return aval.shape


def is_among(atom: jex.Var | jex.Literal, variables: set[jex.Var]) -> bool:
    """Whether an operand is one of these variables; literals, which have no hash, are none."""
    return not isinstance(atom, jex.Literal) and atom in variables


def followers(jaxpr: jex.Jaxpr, inputs: Iterable[jex.Var]) -> set[jex.Var]:
    """These inputs of a jaxpr, and every variable that is computed from any of them."""
    found = set(inputs)
    for equation in jaxpr.eqns:
        if any(is_among(atom, found) for atom in equation.invars):
            found.update(equation.outvars)
    return found


def line_of(eqn: jex.JaxprEqn) -> str:
    """The user's line that an equation stems from; empty inside of JAX's own jitted functions."""
    return jax.extend.source_info_util.summarize(eqn.source_info)


def joined(eqn: jex.JaxprEqn, a: Position, b: Position) -> Position:
    """The position of a value that is `a` in one case and `b` in another."""
    if a is None or b is None or a == b:
        return b if a is None else a
    return next((p for p in (a, b) if isinstance(p, Obstacle)), mixing(eqn))
