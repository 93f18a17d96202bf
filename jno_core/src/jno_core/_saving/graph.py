"""Rules for the nodes of the graph, and for what they share: point sets, balancers, parameters of operators, models' parts."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax

from jno_core._graph import (
    Balance,
    BalancedWeight,
    BinaryOp,
    Collocation,
    FunctionCall,
    Hessian,
    Index,
    Jacobian,
    KernelIntegral,
    Literal,
    ModelCall,
    NetworkGradient,
    Noise,
    Placeholder,
    TensorTag,
    TimeIntegral,
    Tracker,
    Variable,
    walk,
)
from jno_core._graph.modules import PlainCallable, per_point
from jno_core._graph.operator_params import OperatorParams
from jno_core._graph.parameters import Selection
from jno_core._graph.scheme_choice import SchemeChoice
from jno_core._interfaces import DifferentiationModes
from jno_core._registry import registry
from jno_core._saving.fields import by_fields, described_fields
from jno_core._saving.functions import add_form, is_function
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.stored import Argument
from jno_core._saving.writer import Writer
from jno_core.errors import JnoTypeError, JnoValueError

NODES: Mapping[type[Placeholder], tuple[str, ...]] = MappingProxyType(
    {
        BalancedWeight: ("balance", "position"),
        BinaryOp: ("op", "left", "right"),
        FunctionCall: ("fn", "args", "function_name", "options", "reduces_axis"),
        Hessian: ("target", "variables", "scheme", "params", "trace"),
        Index: ("target", "index"),
        Jacobian: ("target", "variables", "scheme", "params", "stacked"),
        KernelIntegral: ("integrand", "weight", "dummy", "outer"),
        Literal: ("value",),
        ModelCall: ("model", "args", "convention"),
        NetworkGradient: ("target", "model", "selection"),
        Noise: ("distribution", "low", "high", "ndim"),
        TensorTag: ("tag", "domain", "layout", "shape", "dtype", "collocation"),
        TimeIntegral: ("integrand", "time"),
        Tracker: ("expr", "interval", "reduce"),
        Variable: ("collocation", "axis", "dim"),
    }
)
"""What a file holds of each type of nodes: all fields besides the label and what follows from them."""

_BY_NAME = {cls.__name__: cls for cls in NODES}


def describe_node(writer: Writer, node: Placeholder) -> dict[str, Any]:
    """The type, the label and the fields of a node, whose children have been described."""
    if type(node) not in NODES:
        raise JnoTypeError(f"Nodes of type {type(node).__name__} cannot be stored; jno knows no description of them.")
    place = f"graph/{len(writer.nodes)}"
    fields = {name: writer.describe(getattr(node, name), f"{place}/{name}") for name in NODES[type(node)]}
    if isinstance(node, FunctionCall):
        _add_call(writer, node)
    if isinstance(node, ModelCall):
        _add_model_call(writer, node)
    label = {} if node.label is None else {"label": node.label}
    return {"type": type(node).__name__, **label, "fields": fields}


def rebuild_node(reader: Reader, data: Any) -> Placeholder:
    """The node of a description."""
    if data["type"] not in _BY_NAME:
        raise JnoValueError(f"There is no node type {data['type']!r} in this jno.")
    cls = _BY_NAME[data["type"]]
    if set(data["fields"]) != set(NODES[cls]):
        raise JnoValueError(f"A node {data['type']!r} has the fields {NODES[cls]}, got {tuple(data['fields'])}.")
    fields = {name: reader.rebuild(data["fields"][name]) for name in NODES[cls]}
    label = data.get("label")
    if not isinstance(label, str | None):
        raise JnoValueError(f"The label of a node is a string, got {label!r}.")
    return cls(**fields, label=label)


def _add_call(writer: Writer, node: FunctionCall) -> None:
    if is_function(node.fn):
        args = node.fill(tuple(_operand(child) for child in node.children()))
        add_form(writer, node.fn, args, dict(node.options), node.takes_key)


def _add_model_call(writer: Writer, node: ModelCall) -> None:
    """For functions without parameters that stand for networks: `jno.nn.wrap(function)`."""
    fn = node.model.module.fn if isinstance(node.model.module, PlainCallable) else None
    if not is_function(fn):
        return
    args = [_argument(child) for child in node.args]
    if node.convention in ("mapped", "joined"):
        rows = per_point(node.args)
        args = [Argument(a.shape[1:] if row else a.shape, a.dtype) for a, row in zip(args, rows, strict=True)]
    if node.convention == "joined":
        args = [Argument((sum(math.prod(a.shape) for a in args),), args[0].dtype)]
    if node.convention == "single":
        args = [dataclasses.replace(a, shape=(1, *a.shape[1:])) if a.points else a for a in args]
    add_form(writer, fn, tuple(args), {}, False)


def _operand(child: Placeholder) -> Any:
    # Python numbers reach the function as they are.
    if isinstance(child, Literal) and isinstance(child.value, bool | int | float | complex):
        return child.value
    return _argument(child)


def _argument(child: Placeholder) -> Argument:
    shape = child.aval.shape
    sizes = {collocation.size for collocation in walk.collocations([child])}
    return Argument(shape, child.aval.dtype, shape[0] if shape and shape[0] in sizes else None)


def _describe_choice(writer: Writer, value: SchemeChoice, where: str) -> dict[str, Any]:
    if value.instance is None:
        writer.plugins[registry.find("scheme", value.family)] = None
    return described_fields(writer, value, where, ("family", "variant", "modes", "instance"))


def _rebuild_choice(reader: Reader, data: Any) -> SchemeChoice:
    choice = SchemeChoice(**{name: reader.rebuild(data[name]) for name in ("family", "variant", "modes", "instance")})
    if choice.instance is None:
        registry.find("scheme", choice.family)
    return choice


def _describe_params(writer: Writer, value: OperatorParams, where: str) -> Any:
    return writer.describe(jax.tree.unflatten(value.structure, value.leaves), where)


def _rebuild_params(reader: Reader, data: Any) -> OperatorParams:
    leaves, structure = jax.tree.flatten(reader.rebuild(data), is_leaf=lambda x: isinstance(x, Placeholder))
    return OperatorParams(structure, tuple(leaves))


GRAPH_RULES = (
    Rule(
        "node",
        lambda v: isinstance(v, Placeholder),
        lambda writer, value, where: writer.node(value),
        lambda reader, number: reader.node(number),
    ),
    by_fields(
        "point set",
        Collocation,
        (
            "name",
            "tag",
            "kind",
            "size",
            "coordinates",
            "times",
            "steady",
            "domain",
            "inward",
            "rule",
            "time_value",
        ),
        shared=True,
    ),
    by_fields("balance", Balance, ("name", "rule", "losses", "mode", "eps"), shared=True),
    by_fields("selection", Selection, ("leaves",)),
    by_fields("modes", DifferentiationModes, ("first", "second")),
    Rule("scheme", lambda v: type(v) is SchemeChoice, _describe_choice, _rebuild_choice),
    Rule("params", lambda v: type(v) is OperatorParams, _describe_params, _rebuild_params, shared=True),
)
