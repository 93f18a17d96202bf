"""Derivative nodes: what is differentiated, in which coordinates, by which scheme."""

import abc
import dataclasses
from collections.abc import Hashable
from typing import Any, final

import jax

from jno_core._custom_types import PyTree
from jno_core._graph import walk
from jno_core._graph.function import as_node
from jno_core._graph.operator_params import OperatorParams
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.scheme_choice import SchemeChoice, choose_scheme
from jno_core._graph.variable import Collocation, Variable
from jno_core._interfaces import DerivativeRequest, RequestKind
from jno_core.errors import JnoTypeError, JnoValueError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class AbstractDerivative(Placeholder):
    """A derivative of `target` in coordinates of one point set.

    The scheme is fixed when the node is built; changing a project default later never alters it.
    """

    target: Placeholder
    variables: tuple[Variable, ...]
    scheme: SchemeChoice
    params: OperatorParams | None

    def children(self) -> tuple[Placeholder, ...]:
        return (self.target, *self.variables, *(() if self.params is None else self.params.nodes()))

    def rebuild(self, children: tuple[Placeholder, ...]) -> Placeholder:
        k = 1 + len(self.variables)
        params = None if self.params is None else self.params.with_nodes(children[k:])
        return dataclasses.replace(self, target=children[0], variables=children[1:k], params=params)

    def default_params(self) -> PyTree:
        """What the scheme uses unless `params=` is given, such as the weights of a stencil: a PyTree, `{}` if nothing.

        Raises `PluginCapabilityError` where the scheme cannot take this derivative.
        """
        where = self.collocation.domain.support(self.collocation)
        self.scheme.check(self.request, where, f"of {self.target!r}")
        return self.scheme.resolve().default_params(self.request, where)

    def _own_key(self) -> Hashable:
        return self.scheme, None if self.params is None else self.params.key()

    @property
    def collocation(self) -> Collocation:
        """The point set of the variables."""
        return self.variables[0].collocation

    @property
    @abc.abstractmethod
    def request(self) -> DerivativeRequest:
        """What the scheme is asked for."""

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(v.column for v in self.variables)


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Jacobian(AbstractDerivative):
    """First derivatives. `stacked` tells the gradient `(N, k)`, `(N, C, k)` from the partial derivative `(N, C)`."""

    stacked: bool = False

    def key(self) -> Hashable:
        return self._own_key(), self.stacked

    @property
    def request(self) -> DerivativeRequest:
        return DerivativeRequest("gradient" if self.stacked else "partial", self._axes)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        shape, dtype = _field_of(self)
        if not self.stacked:
            return jax.ShapeDtypeStruct(shape, dtype)
        return jax.ShapeDtypeStruct((*_components(shape), len(self.variables)), dtype)


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Hessian(AbstractDerivative):
    """Second derivatives: the matrix `(N, k, k)`, `(N, C, k, k)`, or with `trace` the Laplacian in the target's shape."""

    trace: bool = False

    def key(self) -> Hashable:
        return self._own_key(), self.trace

    @property
    def request(self) -> DerivativeRequest:
        if self.trace and len(self.variables) == 1:
            return DerivativeRequest("partial", self._axes * 2)
        return DerivativeRequest("laplacian" if self.trace else "hessian", self._axes)

    def abstract_value(self) -> jax.ShapeDtypeStruct:
        shape, dtype = _field_of(self)
        if self.trace:
            return jax.ShapeDtypeStruct(shape, dtype)
        k = len(self.variables)
        return jax.ShapeDtypeStruct((*_components(shape), k, k), dtype)


def differentiate(
    target: Placeholder, kind: RequestKind, variables: tuple[Any, ...], scheme: Any, params: Any
) -> Placeholder:
    """The node for a derivative of `kind`; see the methods of `Calculus`.

    Raises `JnoTypeError` for what is no coordinate, and `JnoValueError` for coordinates that do not belong together, on
    which the target does not depend, or of a domain without time, and for parameters that do not fit the scheme's.
    """
    target = as_node(target)
    if len(variables) == 1 and isinstance(variables[0], tuple | list):
        variables = tuple(variables[0])
    if kind == "laplacian" and not variables:
        variables = _space_variables(target)
    if not variables:
        raise JnoValueError(f"The {kind} of {target!r} needs at least one coordinate, as in u.{_method(kind)}(x, y).")
    for variable in variables:
        if not isinstance(variable, Variable):
            raise JnoTypeError(
                f"The {kind} of {target!r} is taken in coordinates that domain.variable(...) made, got {variable!r}."
            )
    choice = choose_scheme(scheme)
    if kind == "partial" and variables[0].axis == "normal":
        return _normal_derivative(target, variables[0], scheme, params)
    given = None if params is None else OperatorParams.from_user(params)
    if kind in ("partial", "gradient"):
        node: AbstractDerivative = Jacobian(target, variables, choice, given, stacked=kind == "gradient")
    else:
        node = Hessian(target, variables, choice, given, trace=kind == "laplacian")
    if given is not None:
        given.check(node.default_params(), f"the {kind} by {str(choice)!r}")
    return node


def _check_variables(target: Placeholder, kind: str, variables: tuple[Variable, ...]) -> None:
    collocation = variables[0].collocation
    for variable in variables:
        if variable.axis == "normal" or variable.dim[1] - variable.dim[0] != 1:
            raise JnoValueError(
                f"The {kind} is taken in single coordinates, got {variable!r} of shape {variable.aval.shape}."
            )
        if variable.collocation is not collocation:
            raise JnoValueError(
                f"The {kind} of {target!r} mixes coordinates of two point sets, {collocation.name!r} and "
                f"{variable.collocation.name!r}. Take all of them from one domain.variable(...) call."
            )
        if variable.axis == "time" and collocation.steady:
            raise JnoValueError(
                f"{target!r} cannot be differentiated in time: the domain is steady. Give it a time axis, as in "
                "jno.domain.line(time=(0.0, 1.0, 11))."
            )
    if len({v.column for v in variables}) < len(variables):
        raise JnoValueError(f"The {kind} of {target!r} names a coordinate twice: {[v.symbol for v in variables]}.")
    known = walk.collocations([target])
    if collocation not in known:
        names = ", ".join(repr(c.name) for c in known) or "no point set"
        raise JnoValueError(
            f"{target!r} does not depend on {variables[0].symbol} of the point set {collocation.name!r}: it reads {names}. "
            "Every domain.variable(...) call makes its own point set; differentiate in the variables that u was built from."
        )


def _space_variables(target: Placeholder) -> tuple[Variable, ...]:
    known = walk.collocations([target])
    if len(known) != 1:
        raise JnoValueError(
            f"laplacian() without variables needs an expression on one point set, {target!r} reads {len(known)}. "
            "Name the coordinates: u.laplacian(x, y)."
        )
    return tuple(Variable(known[0], "space", (i, i + 1)) for i in range(len(known[0].coordinates)))


def _normal_derivative(target: Placeholder, normal: Variable, scheme: Any, params: Any) -> Placeholder:
    d = len(normal.collocation.coordinates)
    if params is not None:
        raise JnoValueError(
            "The normal derivative is made of partial derivatives; give params= to u.d(x), u.d(y), ... instead."
        )
    if normal.dim != (0, d):
        raise JnoValueError(
            f"The normal derivative needs the whole normal, got its component {normal!r}; take n "
            "from domain.variable(tag, normals=True), or multiply u.d(x) by the component."
        )
    parts = [
        differentiate(target, "partial", (Variable(normal.collocation, "space", (i, i + 1)),), scheme, None)
        * Variable(normal.collocation, "normal", (i, i + 1))
        for i in range(d)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _field_of(node: AbstractDerivative) -> tuple[tuple[int, ...], Any]:
    _check_variables(node.target, node.request.kind, node.variables)
    aval, n = node.target.aval, node.collocation.size
    if aval.ndim not in (1, 2) or aval.shape[0] != n:
        raise JnoValueError(
            f"Only a field can be differentiated in coordinates: a value at each of the {n} points of "
            f"{node.collocation.name!r}, of shape ({n}, C). {node.target!r} has shape {aval.shape}. "
            "Differentiate first and reduce then, as in u.d(x).mse."
        )
    return aval.shape, aval.dtype


def _components(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:1] if len(shape) == 1 or shape[1] == 1 else shape


def _method(kind: str) -> str:
    return {"partial": "d", "gradient": "grad", "laplacian": "laplacian", "hessian": "hessian"}[kind]
