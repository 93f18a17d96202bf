"""Evaluating expressions: one rule per node class, equal structure computed once.

A scope holds the coordinates, parameters and weights under which expressions are evaluated. A scheme that differentiates
a target opens a nested scope with other coordinates; what does not depend on them is taken from the scope around it.
"""

import dataclasses
import functools
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from jno_core._compile.data import Instance
from jno_core._compile.plan import VALUE, GroupKey, Plan, opened
from jno_core._compile.program import Program
from jno_core._custom_types import Columns, PRNGKey, PyTree
from jno_core._graph import (
    AbstractDerivative,
    Balance,
    Collocation,
    Model,
    NetworkGradient,
    Noise,
    Placeholder,
    TensorTag,
    Variable,
    walk,
)
from jno_core._graph.operator_params import OperatorParams
from jno_core._interfaces import DerivativeRequest, Field, MeshLocation, Support
from jno_core.pointwise import rowwise

# Beyond the stream numbers of nodes, which count up from zero.
_SCHEME_STREAM = 2**30


@final
class Scope:
    """Where expressions have values. Lives during one trace; never kept."""

    def __init__(
        self,
        program: Program,
        roots: tuple[Placeholder, ...],
        instance: Instance,
        modules: dict[Model, PyTree],
        weights: dict[Balance, jax.Array],
        key: PRNGKey | None,
        outer: tuple["Scope", str] | None = None,
        known: dict[Placeholder, Any] | None = None,
    ) -> None:
        self.program, self.instance, self.modules, self.weights, self.key = program, instance, modules, weights, key
        self.roots = roots
        self._outer = outer
        self._memo: dict[int, Any] = {program.interner.number(n): value for n, value in (known or {}).items()}
        self._effective: dict[Model, PyTree] = {}
        self._groups: dict[GroupKey, tuple[Any, ...]] = {}
        self.plan: Plan = program.plan(roots)

    def evaluate(self, root: Placeholder) -> Any:
        """The value of an expression for this instance, time and these parameters."""
        number = self.program.interner.number
        stack = [root]
        while stack:
            node = stack[-1]
            n = number(node)
            if n in self._memo:
                stack.pop()
                continue
            if self._outer is not None and self._outer[1] not in self.program.depends(node):
                self._memo[n] = self._outer[0].evaluate(node)
                continue
            if n in self.plan.value_of:
                self._memo[n] = self._group_value(self.plan.value_of[n], node)
                continue
            missing = [child for child in opened(node) if number(child) not in self._memo]
            if missing:
                stack.extend(missing)
                continue
            self._memo[n] = evaluate_node(node, self)
        return self._memo[number(root)]

    def value(self, node: Placeholder) -> Any:
        """The value of a child that has been evaluated already."""
        return self._memo[self.program.interner.number(node)]

    def values(self, nodes: tuple[Placeholder, ...]) -> tuple[Any, ...]:
        """The values of children that have been evaluated already."""
        return tuple(self.value(node) for node in nodes)

    def moved(
        self,
        target: Placeholder,
        collocation: str,
        columns: Columns,
        aligned: PyTree,
        location: MeshLocation | None = None,
    ) -> Any:
        """The target with the points of one point set, and everything aligned with them, replaced.

        `location` tells which mesh nodes the new points are; without it a mesh-based scheme has nothing to work on there.
        """
        instance = eqx.tree_at(
            lambda i: (i.columns[collocation], i.aligned[collocation]), self.instance, (tuple(columns), aligned)
        )
        instance = dataclasses.replace(instance, locations={**self.instance.locations, collocation: location})
        nested = Scope(self.program, (target,), instance, self.modules, self.weights, self.key, (self, collocation))
        return nested._plain_value(target)

    def with_module(self, target: Placeholder, model: Model, module: PyTree) -> Any:
        """The target with other stored parameters in one model."""
        modules = {**self.modules, model: module}
        return Scope(self.program, (target,), self.instance, modules, self.weights, self.key).evaluate(target)

    def row_jacobians(self, node: NetworkGradient, vector: jax.Array) -> jax.Array | None:
        """The parameter Jacobian point by point in reverse mode, `None` unless the target is pointwise on one point set.

        It costs about as much as a few evaluations, where forward mode takes one evaluation per parameter.
        """
        names = self.program.depends(node.target)
        if len(names) != 1:
            return None
        [name] = names
        columns, aligned = self.instance.columns[name], self.instance.aligned[name]
        stored = self.modules[node.model]

        def rows(p: jax.Array, columns: Columns, aligned: PyTree) -> jax.Array:
            modules = {**self.modules, node.model: node.selection.insert(stored, p)}
            scope = Scope(self.program, (node.target,), self.instance, modules, self.weights, self.key)
            return scope.moved(node.target, name, columns, aligned, self.instance.locations[name])

        if rowwise(lambda columns, aligned: rows(vector, columns, aligned), columns, aligned) is None:
            return None

        def row(p: jax.Array, columns: Columns, aligned: PyTree) -> jax.Array:
            single, beside = jax.tree.map(lambda x: x[None], (columns, aligned))
            return rows(p, single, beside)[0]

        return jax.vmap(jax.jacrev(row), in_axes=(None, 0, 0))(vector, columns, aligned)

    def demand(self, node: AbstractDerivative) -> Any:
        """The value of a derivative node: the sum of its requests to its group."""
        demand = self.plan.demands.get(self.program.interner.number(node))
        if demand is None:
            # A nested scope may ask for a derivative that this scope's own roots do not contain.
            return self._aside((node,)).demand(node)
        results = self.results(demand.group, demand.target)
        requests = self.plan.groups[demand.group]
        parts = [results[requests.index(request)] for request in demand.requests]
        return functools.reduce(jnp.add, parts)

    def results(self, group: GroupKey, target: Placeholder) -> tuple[Any, ...]:
        """The derivatives of one group of the plan, in the order of its requests; the scheme is called once."""
        if group not in self._groups:
            self._groups[group] = self._apply_scheme(group, target)
        return self._groups[group]

    def stream(self, node: Placeholder) -> PRNGKey | None:
        """The key of a node that draws random numbers, `None` when the scope has no key."""
        if self.key is None:
            return None
        return jax.random.fold_in(self.key, self.program.stream(node))

    def effective(self, model: Model) -> PyTree:
        """What is called for a model: constrained and unwrapped, once per scope."""
        if model not in self._effective:
            self._effective[model] = model.effective(self.modules[model])
        return self._effective[model]

    def _aside(self, roots: tuple[Placeholder, ...]) -> "Scope":
        return Scope(self.program, roots, self.instance, self.modules, self.weights, self.key, self._outer)

    def _group_value(self, group: GroupKey, node: Placeholder) -> Any:
        return self.results(group, node)[self.plan.groups[group].index(VALUE)]

    def _plain_value(self, target: Placeholder) -> Any:
        for child in opened(target):
            self.evaluate(child)
        return evaluate_node(target, self)

    def _apply_scheme(self, group: GroupKey, target: Placeholder) -> tuple[Any, ...]:
        collocation, requests = group.collocation, self.plan.groups[group]
        scheme, where = self.program.scheme(group.scheme), self.support(collocation)
        for request in requests:
            group.scheme.check(request, where, f"of {target!r}")
        self._settle(target, collocation.name)
        field = self.field(group, target)
        return scheme.apply(requests, field, where, *self._prepared(group, requests))

    def _prepared(self, group: GroupKey, requests: tuple[DerivativeRequest, ...]) -> tuple[tuple[PyTree, ...], PyTree]:
        """The parameters of each request, and what the scheme has prepared."""
        operator = self.program.operator(group.collocation, group.scheme)
        prepared = self.instance.operators.get(operator.name)
        given = self.plan.params.get(group)
        if given is not None:
            return (self._given(given),) * len(requests), None if prepared is None else prepared.data
        if prepared is None:
            return ({},) * len(requests), None
        return tuple(prepared.params[operator.requests.index(request)] for request in requests), prepared.data

    def _given(self, params: OperatorParams) -> PyTree:
        leaves = [
            self.evaluate(leaf)
            if isinstance(leaf, Placeholder)
            else self.instance.operators[self.program.array_name(leaf)]
            for leaf in params.leaves
        ]
        return jax.tree.unflatten(params.structure, leaves)

    def field(self, group: GroupKey, target: Placeholder) -> Field:
        """The target of a group as schemes see it."""
        name = group.collocation.name
        return Field(
            at=lambda columns, aligned, location=None: self.moved(target, name, columns, aligned, location),
            values=lambda: self._aside((target,))._plain_value(target),
            aligned=self._read_by(target, group.collocation),
            name=repr(target),
            key=None if self.key is None else jax.random.fold_in(self.key, _SCHEME_STREAM + group.target),
        )

    def _read_by(self, target: Placeholder, collocation: Collocation) -> dict[str, Any]:
        """The point-aligned arrays of a point set that a target reads."""
        read: set[str] = set()
        for node in walk.nodes([target]):
            if isinstance(node, Variable) and node.axis in ("normal", "weight"):
                read.add(f"{node.axis}s")
            elif isinstance(node, TensorTag) and node.collocation is collocation:
                read.add(f"tensor {node.tag}")
            elif isinstance(node, Noise):
                read.add(f"noise {self.program.stream(node)}")
        return {name: array for name, array in self.instance.aligned[collocation.name].items() if name in read}

    def _settle(self, target: Placeholder, collocation: str) -> None:
        """Evaluate what does not vary with the points here, so that the scheme's own trace finds it done."""
        seen: set[Placeholder] = set()
        stack = [target]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if collocation in self.program.depends(node):
                stack.extend(opened(node))
            else:
                self.evaluate(node)

    def support(self, collocation: Collocation) -> Support:
        """The point set as schemes see it."""
        return Support(
            self.instance.columns[collocation.name],
            collocation.names,
            len(collocation.coordinates),
            collocation.tag,
            self.instance.locations[collocation.name],
        )


@functools.singledispatch
def evaluate_node(node: Placeholder, scope: Scope) -> Any:
    """The value of a node whose opened children have been evaluated. The rules are in `rules`."""
    raise TypeError(f"There is no lowering rule for {type(node).__name__}.")
