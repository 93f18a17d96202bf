"""Evaluating an expression on other points: `u(x_b, y_b)`."""

from typing import Any

from jno_core._graph import derivative, walk
from jno_core._graph.function import as_node
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import Variable
from jno_core.errors import JnoTypeError, JnoValueError


def rebind(expression: Placeholder, arguments: tuple[Any, ...]) -> Placeholder:
    """`expression` with its variables replaced by `arguments`, in the order of first appearance.

    Raises `JnoTypeError` when there are more arguments than variables, and `JnoValueError` when a variable of
    differentiation would be replaced by something that is not a coordinate.
    """
    found: dict[Any, Variable] = {}
    for node in walk.nodes([expression]):
        if isinstance(node, Variable):
            found.setdefault(node.key(), node)
    variables = list(found.values())
    if len(arguments) > len(variables):
        names = ", ".join(v.symbol for v in variables) or "none"
        raise JnoTypeError(f"{expression!r} has {len(variables)} variables ({names}), got {len(arguments)} arguments.")
    new = {v.key(): as_node(a) for v, a in zip(variables, arguments, strict=False)}
    for node in walk.nodes([expression]):
        if isinstance(node, derivative.AbstractDerivative):
            for variable in node.variables:
                replacement = new.get(variable.key(), variable)
                if not isinstance(replacement, Variable):
                    raise JnoValueError(
                        f"{expression!r} is differentiated in {variable.symbol}, so {variable.symbol} can only be replaced "
                        f"by a coordinate, got {replacement!r}. Substitute before differentiating."
                    )
    return walk.transform(expression, lambda node: new.get(node.key()) if isinstance(node, Variable) else None)
