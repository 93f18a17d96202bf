"""Evaluating an expression on other points: `u(x_b, y_b)`."""

from typing import Any

from jno_core._graph import derivative, walk
from jno_core._graph.function import as_node
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.variable import Collocation, TensorTag, Variable
from jno_core.errors import JnoTypeError, JnoValueError


def rebind(expression: Placeholder, arguments: tuple[Any, ...]) -> Placeholder:
    """`expression` with its variables replaced by `arguments`, in the order of first appearance.

    Raises `JnoTypeError` when there are more arguments than variables, and `JnoValueError` when a variable of
    differentiation would be replaced by something that is not a coordinate, or when the expression reads an array that is
    given on the points it would leave.
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
    left = _left_behind(variables, new)
    for node in walk.nodes([expression]):
        if isinstance(node, TensorTag) and node.collocation in left:
            raise JnoValueError(
                f"{expression!r} reads {node.tag!r}, which has values on the points of {node.collocation.name!r} only. Attach "
                "an array to the new points and write the expression with it."
            )
        if isinstance(node, derivative.AbstractDerivative):
            for variable in node.variables:
                replacement = new.get(variable.key(), variable)
                if not isinstance(replacement, Variable):
                    raise JnoValueError(
                        f"{expression!r} is differentiated in {variable.symbol}, so {variable.symbol} can only be replaced "
                        f"by a coordinate, got {replacement!r}. Substitute before differentiating."
                    )
    return walk.transform(expression, lambda node: new.get(node.key()) if isinstance(node, Variable) else None)


def _left_behind(variables: list[Variable], new: dict[Any, Placeholder]) -> set[Collocation]:
    """The point sets of variables that are replaced by expressions on other point sets."""
    left = set()
    for variable in variables:
        read = walk.collocations([new[variable.key()]]) if variable.key() in new else ()
        if read and variable.collocation not in read:
            left.add(variable.collocation)
    return left
