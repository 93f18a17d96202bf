"""Differences on the nodes of a simplicial mesh.

The field is evaluated at all nodes; a derivative is a weighted sum over the nodes around each. Points that are not nodes
get the derivative by linear interpolation within their cell.
"""

import functools
import itertools
from typing import Any, Literal, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from jno_core import DerivativeRequest, Field, Mesh, MeshLocation, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_fd._method import AbstractMethod, Requests, Weights, beyond_second, joined_matrix
from jno_plugin_fd._stencils import (
    Stencil,
    cotangent_stencil,
    gradient_stencil,
    interpolation,
    polynomial_stencil,
)
from jno_plugin_fd._sums import divergence, stacked_sums, weighted_sum, weighted_sums

MeshRule: TypeAlias = Literal["area_weighted", "lsq", "uniform", "inverse_distance", "cotangent", "quadratic"]

MESH_RULES: tuple[MeshRule, ...] = ("area_weighted", "lsq", "uniform", "inverse_distance", "cotangent", "quadratic")

# How far a sample may lie outside of the mesh, as a share of the longest edge.
_OUTSIDE = 0.1

# Rows of a table that are transposed at once.
_BLOCK = 4096

_WITHOUT_MESH = (
    "it works on the nodes of a mesh, and these points are none. Build the domain with compute_mesh_connectivity=True "
    "(given points and stacked domains have no mesh); and no derivative can be taken of a finite difference at other "
    "points, as automatic differentiation would"
)


@final
class MeshDifferences(AbstractMethod):
    """The rules on a mesh: means of the cells' gradients, the cotangent Laplacian, or fitted polynomials."""

    def __init__(self, rule: MeshRule) -> None:
        self._rule: MeshRule = rule

    def refusal(self, request: DerivativeRequest, where: Support) -> str | None:
        """Needs a mesh; each rule has its own table of derivatives."""
        if where.location is None:
            return _WITHOUT_MESH
        if beyond_second(request):
            return "it has first derivatives, second ones in one coordinate, Laplacians and Hessians; chain others: u.d(x).d(y)"
        if request.kind == "hessian" and self._rule not in ("area_weighted", "quadratic"):
            return f"there is no Hessian by the rule {self._rule!r}; 'finite_difference' and ':quadratic' have one"
        if self._rule == "cotangent":
            if where.space != 2:
                return f"the cotangent rule exists in 2-D only, and this is {where.space}-D"
            if request.kind != "laplacian" or len(request.axes) != 2:
                return "the cotangent rule gives the whole Laplacian in x and y only, no other derivative"
        return None

    def params(self, request: DerivativeRequest, where: Support) -> Weights:
        """`{"weights": ...}`: `(k, K, n)` for k coordinates, sums of K values at n nodes; `(K, n)` if all are added up."""
        mesh = _mesh_of(where)
        if self._rule == "cotangent":
            return {"weights": _slots_first(_laplacian(mesh).weights[0])}
        if self._rule != "quadratic":
            return {"weights": _slots_first(_gradient(mesh, self._rule).weights[_chosen(request, where)])}
        first, second = (_slots_first(stencil.weights) for stencil in _polynomial(mesh))
        if request.order == 1:
            every = request.axes == tuple(range(where.space))
            return {"weights": first if every else first[list(request.axes)]}
        entries = [second[_entry(i, j, where.space)] for i, j in _second_axes(request)]
        return {"weights": np.stack(entries) if request.kind == "hessian" else sum(entries[1:], entries[0].copy())}

    def prepare(self, requests: Requests, where: Support) -> Any:
        """`neighbours`, the nodes of each sum, `(K, n)`; and how the points get values of nodes."""
        mesh = _mesh_of(where)
        if self._rule == "quadratic":
            stencil = _polynomial(mesh)[0]
        elif self._rule == "cotangent":
            stencil = _laplacian(mesh)
        else:
            stencil = _gradient(mesh, self._rule)
        return {"neighbours": _table(stencil.neighbours, mesh), "transfer": _transfer(mesh, where)}

    def apply(
        self, requests: Requests, field: Field, where: Support, params: tuple[Weights, ...], prepared: Any
    ) -> list[Float[Array, "n *s"]]:
        """All from one evaluation of the field at the nodes."""
        values, table = _nodal_values(field, where), prepared["neighbours"]
        weights = [own["weights"].astype(values.dtype) for own in params]
        one = _direct if self._rule in ("cotangent", "quadratic") else _composed
        found = [one(r, values, own, table) for r, own in zip(requests, weights, strict=True)]
        return [_at_points(result, where, prepared["transfer"]) for result in found]


def _composed(
    request: DerivativeRequest, values: Float[Array, "n *c"], weights: Float[Array, "a k n"], table: UInt[Array, "k n"]
) -> Float[Array, "n *s"]:
    """Second derivatives are gradients of gradients."""
    if request.order == 1:
        single = request.kind == "partial"
        return weighted_sum(values, weights[0], table) if single else weighted_sums(values, weights, table)
    gradient = stacked_sums(values, weights, table)
    if request.kind != "hessian":
        return divergence(gradient, weights, table)
    return joined_matrix(lambda i, j: weighted_sum(gradient[i], weights[j], table), len(weights))


def _direct(
    request: DerivativeRequest, values: Float[Array, "n *c"], weights: Float[Array, "..."], table: UInt[Array, "k n"]
) -> Float[Array, "n *s"]:
    """Every derivative has weights of its own. Gathering for several at once is slower: the values do not stay in the cache."""
    if weights.ndim == 2:
        return weighted_sum(values, weights, table)
    if request.kind == "partial":
        return weighted_sum(values, weights[0], table)
    found = weighted_sums(values, weights, table)
    k = len(request.axes)
    return found.reshape(*found.shape[:-1], k, k) if request.kind == "hessian" else found


def _second_axes(request: DerivativeRequest) -> list[tuple[int, int]]:
    axes = request.axes
    if request.kind == "hessian":
        return [(i, j) for i, j in itertools.product(axes, repeat=2)]
    return [(axes[0], axes[0])] if request.kind == "partial" else [(i, i) for i in axes]


def _entry(i: int, j: int, d: int) -> int:
    """The place of a second derivative in the order xx, xy, xz, yy, yz, zz."""
    i, j = min(i, j), max(i, j)
    return i * d - i * (i - 1) // 2 + (j - i)


def _chosen(request: DerivativeRequest, where: Support) -> list[int]:
    return list(dict.fromkeys(axis for axis in request.axes if axis < where.space))


def _mesh_of(where: Support) -> Mesh:
    if where.location is None:
        raise PluginCapabilityError(f"'finite_difference' cannot be prepared: {_WITHOUT_MESH}.")
    return where.location.mesh


def _is_every_node(location: MeshLocation) -> bool:
    n = len(location.mesh.points)
    return location.nodes is not None and len(location.nodes) == n and bool(np.all(location.nodes == np.arange(n)))


def _nodal_values(field: Field, where: Support) -> Float[Array, "n *c"]:
    location = where.location
    if location is None:
        raise PluginCapabilityError(f"'finite_difference' cannot take a derivative of {field.name}: {_WITHOUT_MESH}.")
    if _is_every_node(location):
        return field.values()
    if jax.tree.leaves(field.aligned):
        raise PluginCapabilityError(
            f"'finite_difference' needs the values of {field.name} at all nodes of the mesh, and it reads an array that is "
            f"given on the points of {where.tag!r} only. Take variables on all nodes: domain.variable('interior')."
        )
    mesh, time = location.mesh, where.columns[-1]
    columns = [jnp.asarray(mesh.points[:, i : i + 1], time.dtype) for i in range(where.space)]
    if len(where.columns) > where.space:
        columns.append(jnp.broadcast_to(time[:1], (len(mesh.points), 1)))
    return field.at(tuple(columns), field.aligned, MeshLocation(mesh, np.arange(len(mesh.points))))


def _transfer(mesh: Mesh, where: Support) -> dict[str, np.ndarray]:
    location = where.location
    if location is None or _is_every_node(location):
        return {}
    if location.nodes is not None:
        return {"nodes": np.asarray(location.nodes, np.uint32)}
    points = np.concatenate([np.asarray(c, np.float64) for c in where.columns[: where.space]], axis=1)
    # Samples of a curved boundary lie outside of its polygon, by much less than a cell.
    edges = mesh.points[mesh.cells[:, 1:]] - mesh.points[mesh.cells[:, :1]]
    near = _OUTSIDE * np.max(np.linalg.norm(edges, axis=-1)) / np.max(np.abs(mesh.points))
    corners, weights = interpolation(mesh, points, tolerance=float(near))
    return {"corners": _table(corners, mesh), "weights": _slots_first(weights)}


def _table(nodes: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Slots first, in the shortest integers that name every node: the tables are much of what is read."""
    return _slots_first(nodes).astype(np.uint16 if len(mesh.points) < 2**16 else np.uint32)


def _slots_first(table: np.ndarray) -> np.ndarray:
    """The last two axes exchanged; where this is not how they lie in memory, a copy, in blocks that stay in the cache."""
    swapped = np.swapaxes(table, -1, -2)
    if swapped.flags.c_contiguous:
        # Parameters may be the very arrays that are kept for a mesh: at a million nodes a copy takes a second.
        swapped.flags.writeable = False
        return swapped
    result = np.empty((*table.shape[:-2], table.shape[-1], table.shape[-2]), table.dtype)
    for start in range(0, table.shape[-2], _BLOCK):
        block = slice(start, start + _BLOCK)
        result[..., block] = np.swapaxes(table[..., block, :], -1, -2)
    return result


def _at_points(nodal: Float[Array, "n *s"], where: Support, transfer: dict[str, Array]) -> Float[Array, "m *s"]:
    if where.location is None or _is_every_node(where.location):
        return nodal
    if "nodes" in transfer:
        return nodal[transfer["nodes"]]
    return weighted_sum(nodal, transfer["weights"].astype(nodal.dtype), transfer["corners"])


# Stencils belong to a mesh, which is compared by identity; a few are kept, so that operators on one mesh share them.
@functools.lru_cache(maxsize=8)
def _gradient(mesh: Mesh, rule: Any) -> Stencil:
    return gradient_stencil(mesh, rule)


@functools.lru_cache(maxsize=4)
def _polynomial(mesh: Mesh) -> tuple[Stencil, Stencil]:
    return polynomial_stencil(mesh.points, mesh.cells)


@functools.lru_cache(maxsize=4)
def _laplacian(mesh: Mesh) -> Stencil:
    return cotangent_stencil(mesh.points, mesh.cells)[0]
