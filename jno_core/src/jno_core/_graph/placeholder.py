"""The root of the expression graph.

Design. A node is an immutable dataclass. It declares its `children()`, how to `rebuild` itself with other children and
a structural `key()` of everything besides them; every walker (sharing, printing, rebinding, lowering) sees nodes through
that protocol only, so a new node type is one class and one lowering rule. Comparison and hash are by identity. A node
knows its abstract value `aval` (shape and dtype of one instance at one time) from the moment it is built, so that a
mistake is reported on the user's own line.
"""

import abc
import dataclasses
from collections.abc import Hashable
from typing import Any, ClassVar, Self

import jax

from jno_core._graph.arithmetic import Arithmetic
from jno_core._graph.calculus import Calculus
from jno_core._graph.reductions import Reductions
from jno_core._interfaces import RequestKind
from jno_core.errors import JnoTypeError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Placeholder(Arithmetic, Reductions, Calculus, abc.ABC):
    """A traced expression: what every operator takes and returns.

    Inside the graph an expression is one instance at one time: coordinates `(N, 1)`, a network `(N, C)`, a reduction `()`.
    """

    label: str | None = dataclasses.field(default=None, kw_only=True)
    aval: jax.ShapeDtypeStruct = dataclasses.field(init=False)

    selects_instance: ClassVar[bool] = False
    """Whether a bare integer index selects the batch element instead of a row (parameter Jacobians)."""

    def __post_init__(self) -> None:
        for child in self.children():
            if isinstance(child, tracker.Tracker):
                raise JnoTypeError(
                    f"{child!r} is a tracker: it is given to jno.core as it is, and nothing is computed from it. Track the "
                    "whole expression instead, as in residual.mse.tracker(10)."
                )
        object.__setattr__(self, "aval", self.abstract_value())

    @abc.abstractmethod
    def children(self) -> tuple["Placeholder", ...]:
        """The nodes that this node reads."""

    @abc.abstractmethod
    def rebuild(self, children: tuple["Placeholder", ...]) -> "Placeholder":
        """The same node over other children, in the order of `children()`."""

    @abc.abstractmethod
    def key(self) -> Hashable:
        """Everything that tells this node from another of its class, besides its children; labels do not count.

        Two nodes of one class with equal keys and equal children have equal values.
        """

    @abc.abstractmethod
    def abstract_value(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of the value for one instance at one time.

        Raises when the children do not fit together; the message names them.
        """

    def name(self, label: str) -> Self:
        """This expression under a name for logs, histories and printing. Returns a labelled copy."""
        if not isinstance(label, str) or not label:
            raise JnoTypeError(f"A name must be a string that is not empty, got {label!r}.")
        return dataclasses.replace(self, label=label)

    def __repr__(self) -> str:
        return printing.to_text(self)

    def _repr_html_(self) -> str:
        return printing.to_html(self)

    def _repr_latex_(self) -> str:
        return f"${printing.to_latex(self)}$"

    def __call__(self, *arguments: Any) -> "Placeholder":
        """The same expression on other points: its variables replaced, in the order of first appearance.

        `u(x_b, y_b)` rebinds `u`'s first two variables; those without an argument stay. Derivatives inside are taken on
        the new points. An argument may be an expression unless `u` is differentiated in that variable.
        """
        return rebinding.rebind(self, arguments)

    def _apply(self, fn: Any, name: str, *others: Any, **options: Any) -> "Placeholder":
        return function.FunctionCall(fn, (self, *others), name, tuple(sorted(options.items())))

    def _binary(self, symbol: str, left: Any, right: Any) -> "Placeholder":
        return function.binary(symbol, left, right)

    def _index(self, index: Any) -> "Placeholder":
        return function.index(self, index)

    def _derivative(self, kind: RequestKind, variables: tuple[Any, ...], scheme: Any, params: Any) -> "Placeholder":
        return derivative.differentiate(self, kind, variables, scheme, params)

    def _integral(self, var: Any, order: int | None) -> "Placeholder":
        return integral.integrate(self, var, order)

    def _parameter_gradient(self, model: Any) -> "Placeholder":
        return parameter_gradient.gradient(self, model)

    def _track(self, interval: int, reduce: Any) -> "Placeholder":
        return tracker.Tracker(self, interval, reduce)


# At the end, because these modules derive their nodes from Placeholder, whose methods build them.
from jno_core._graph import (  # noqa: E402
    derivative,
    function,
    integral,
    parameter_gradient,
    printing,
    rebinding,
    tracker,
)
