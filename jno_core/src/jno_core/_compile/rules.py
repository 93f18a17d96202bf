"""The value of each kind of node, given those of its children: one rule per class."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jno_core._compile.data import Instance
from jno_core._compile.scope import Scope, evaluate_node
from jno_core._custom_types import Columns, PyTree
from jno_core._graph import (
    OPERATORS,
    AbstractDerivative,
    BalancedWeight,
    BinaryOp,
    FunctionCall,
    Index,
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
)


@evaluate_node.register
def _(node: Literal, scope: Scope) -> Any:
    del scope
    return node.value if isinstance(node.value, bool | int | float | complex) else jnp.asarray(node.value)


@evaluate_node.register
def _(node: Variable, scope: Scope) -> Any:
    name = node.collocation.name
    if node.axis == "normal":
        return scope.instance.aligned[name]["normals"][:, node.dim[0] : node.dim[1]]
    if node.axis == "weight":
        return scope.instance.aligned[name]["weights"]
    return scope.instance.columns[name][node.column]


@evaluate_node.register
def _(node: TensorTag, scope: Scope) -> Any:
    if node.collocation is not None:
        return scope.instance.aligned[node.collocation.name][f"tensor {node.tag}"]
    return scope.instance.tensors[node.tag]


@evaluate_node.register
def _(node: BinaryOp, scope: Scope) -> Any:
    return OPERATORS[node.op](*scope.values(node.children()))


@evaluate_node.register
def _(node: Index, scope: Scope) -> Any:
    return scope.value(node.target)[node.index]


@evaluate_node.register
def _(node: FunctionCall, scope: Scope) -> Any:
    options = dict(node.options)
    if node.takes_key:
        options["key"] = scope.stream(node)
    return node.fn(*node.fill(scope.values(node.children())), **options)


@evaluate_node.register
def _(node: ModelCall, scope: Scope) -> Any:
    return node.evaluate(scope.effective(node.model), scope.values(node.args), scope.stream(node))


@evaluate_node.register
def _(node: AbstractDerivative, scope: Scope) -> Any:
    return scope.demand(node)


@evaluate_node.register
def _(node: Tracker, scope: Scope) -> Any:
    return scope.value(node.expr)


@evaluate_node.register
def _(node: Noise, scope: Scope) -> Any:
    return scope.instance.aligned[scope.program.home(node).name][f"noise {scope.program.stream(node)}"]


@evaluate_node.register
def _(node: BalancedWeight, scope: Scope) -> Any:
    return jax.lax.stop_gradient(scope.weights[node.balance][node.position])


@evaluate_node.register
def _(node: KernelIntegral, scope: Scope) -> Any:
    name = node.outer.name
    columns, aligned = scope.instance.columns[name], scope.instance.aligned[name]
    values = jax.vmap(lambda row, beside: _at_pair(scope, node, row, beside))(columns, aligned)
    return values.reshape(values.shape[0], -1) @ scope.value(node.weight)


@evaluate_node.register
def _(node: TimeIntegral, scope: Scope) -> Any:
    times = jnp.asarray(node.time.domain.times, scope.value(node.time).dtype)
    values = jax.vmap(lambda time: _at_time(scope, node, time))(times)
    return jnp.trapezoid(values, times, axis=0)


@evaluate_node.register
def _(node: NetworkGradient, scope: Scope) -> Any:
    stored = scope.modules[node.model]
    vector = node.selection.vector(stored)

    def value(p: jax.Array) -> jax.Array:
        return scope.with_module(node.target, node.model, node.selection.insert(stored, p))

    if node.target.aval.ndim == 0:
        return jax.grad(value)(vector)
    jacobian = scope.row_jacobians(node, vector)
    if jacobian is None:
        jacobian = jax.jacfwd(value)(vector)
    return jacobian[:, 0] if node.target.aval.ndim == 2 and node.target.aval.shape[1] == 1 else jacobian


def _at_pair(scope: Scope, node: KernelIntegral, row: Columns, aligned: PyTree) -> Any:
    """The integrand of a kernel at one outer point, of which the columns hold one row, and all points of the rule."""
    rule, dummy, outer = node.weight.collocation.name, node.dummy.name, node.outer.name
    instance = scope.instance
    n = instance.columns[rule][0].shape[0]
    columns, beside = jax.tree.map(lambda x: jnp.broadcast_to(x[None], (n, *x.shape)), (row, aligned))
    moved = dataclasses.replace(
        instance,
        columns={**instance.columns, dummy: instance.columns[rule], outer: columns},
        aligned={**instance.aligned, dummy: instance.aligned[rule], outer: beside},
        locations={**instance.locations, dummy: instance.locations[rule], outer: None},
    )
    return _within(scope, moved, node.integrand)


def _at_time(scope: Scope, node: TimeIntegral, time: Any) -> Any:
    """The integrand with the time of every point set that has more than one replaced."""
    moving = {c.name for c in scope.program.collocations if c.domain is node.time.domain and c.times > 1}
    columns = {
        name: (*c[:-1], jnp.full_like(c[-1], time)) if name in moving else c
        for name, c in scope.instance.columns.items()
    }
    return _within(scope, dataclasses.replace(scope.instance, columns=columns), node.integrand)


def _within(scope: Scope, instance: Instance, root: Placeholder) -> Any:
    return Scope(scope.program, (root,), instance, scope.modules, scope.weights, scope.key).evaluate(root)
