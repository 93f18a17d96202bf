"""Expressions that are watched while training."""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, final

import jax

from jno_core._graph.arity import accepts
from jno_core._graph.placeholder import Placeholder
from jno_core.errors import JnoTypeError, JnoValueError


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tracker(Placeholder):
    """An expression that is evaluated and recorded every `interval` epochs, and never trained on.

    It is given to `jno.core` beside the constraints. The value recorded at epoch `e` (`e % interval == 0`) is the one at
    the weights with which epoch `e` starts. `reduce` maps the recorded host array to what is stored, for instance
    `np.linalg.norm`.

    Raises `JnoValueError` unless `interval` is an integer >= 1.
    """

    expr: Placeholder
    interval: int = 1
    reduce: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.expr, Placeholder):
            raise JnoTypeError(f"tracker(expr) needs an expression such as u.mean, got {self.expr!r}.")
        if self.reduce is not None and not (callable(self.reduce) and accepts(self.reduce, 1)):
            raise JnoTypeError(
                f"A tracker's reduce must be a function of the recorded array such as np.linalg.norm, got {self.reduce!r}."
            )
        super().__post_init__()

    def children(self) -> tuple[Placeholder, ...]:
        return (self.expr,)

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        return dataclasses.replace(self, expr=children[0])

    def key(self) -> Hashable:
        return self.interval, self.reduce

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        if isinstance(self.interval, bool) or not isinstance(self.interval, int) or self.interval < 1:
            raise JnoValueError(f"A tracker's interval must be an integer >= 1 (epochs), got {self.interval!r}.")
        return self.expr.aval
