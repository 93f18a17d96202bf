"""Finite differences of arrays on a mesh, outside of any problem: `DifferentialOperators`.

For expressions use `u.d(x, scheme="finite_difference")` and its like; this is the same numbers for arrays. The scheme
`finite_difference` must be installed. Cells may have any orientation; flat ones are skipped.
"""

from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from jno_core import DerivativeRequest, DifferentiationModes, Field, Mesh, MeshLocation, Support
from jno_core._registry import registry
from jno_core.errors import JnoValueError

_GRADIENTS = {
    "area_weighted": None,
    "uniform": "uniform",
    "inverse_distance": "inverse_distance",
    "least_squares": "lsq",
}
_LAPLACIANS = {"gradient_of_gradient": None, "lsq_of_gradient": "lsq", "cotangent": "cotangent"}
_FAMILIES = ("automatic_differentiation", "finite_difference")


@final
class DifferentialOperators:
    """A namespace of functions of nodal values `u_values (N,)`, `points (N, d)` and cells `(M, d + 1)`; results are `(N,)`.

    `method` of a gradient is `"area_weighted"`, `"uniform"`, `"inverse_distance"` or `"least_squares"`; of a Laplacian
    `"gradient_of_gradient"`, `"lsq_of_gradient"` or, in 2-D, `"cotangent"`. `dim` counts the coordinates from 0. Hessians take
    `var_dims`, a list of `(i, dim_i, j, dim_j)` for the entries of a k x k matrix, row by row, and give `(N, k, k)`.

    All raise `JnoValueError` for an unknown method, naming the known ones, and for arrays that are no mesh.
    """

    @staticmethod
    def compute_fd_gradient_1d_simple(
        u_values: ArrayLike, points: ArrayLike, lines: ArrayLike, method: str = "area_weighted"
    ) -> Float[Array, " n"]:
        """The derivative on a mesh of segments; `points` may be `(N,)`."""
        return _gradient(u_values, points, lines, 0, method)

    @staticmethod
    def compute_fd_laplacian_1d_simple(
        u_values: ArrayLike, points: ArrayLike, lines: ArrayLike, method: str = "gradient_of_gradient"
    ) -> Float[Array, " n"]:
        """The second derivative on a mesh of segments."""
        return _laplacian(u_values, points, lines, (0,), method)

    @staticmethod
    def compute_fd_hessian_1d_simple(
        u_values: ArrayLike, points: ArrayLike, lines: ArrayLike, var_dims: list[Any] | None = None
    ) -> Float[Array, "n 1 1"]:
        """The second derivative on a mesh of segments, as a matrix."""
        return _hessian(u_values, points, lines, var_dims or [(0, 0, 0, 0)])

    @staticmethod
    def compute_fd_gradient_2d_simple(
        u_values: ArrayLike, points: ArrayLike, triangles: ArrayLike, dim: int, method: str = "area_weighted"
    ) -> Float[Array, " n"]:
        """The partial derivative in coordinate `dim` on a mesh of triangles."""
        return _gradient(u_values, points, triangles, dim, method)

    @staticmethod
    def compute_gradient_2d_lsq(
        u_values: ArrayLike, points: ArrayLike, triangles: ArrayLike, dim: int
    ) -> Float[Array, " n"]:
        """The same by least squares."""
        return _gradient(u_values, points, triangles, dim, "least_squares")

    @staticmethod
    def compute_fd_laplacian_2d_simple(
        u_values: ArrayLike,
        points: ArrayLike,
        triangles: ArrayLike,
        dims: tuple[int, ...],
        method: str = "gradient_of_gradient",
    ) -> Float[Array, " n"]:
        """The sum of second derivatives in the coordinates `dims` on a mesh of triangles."""
        return _laplacian(u_values, points, triangles, tuple(dims), method)

    @staticmethod
    def compute_laplacian_2d_cotangent(
        u_values: ArrayLike, points: ArrayLike, triangles: ArrayLike
    ) -> Float[Array, " n"]:
        """The Laplacian by cotangent weights on a mesh of triangles."""
        return _laplacian(u_values, points, triangles, (0, 1), "cotangent")

    @staticmethod
    def compute_fd_hessian_2d_simple(
        u_values: ArrayLike, points: ArrayLike, triangles: ArrayLike, var_dims: list[Any]
    ) -> Float[Array, "n k k"]:
        """Second derivatives on a mesh of triangles."""
        return _hessian(u_values, points, triangles, var_dims)

    @staticmethod
    def compute_fd_gradient_3d_simple(
        u_values: ArrayLike, points: ArrayLike, tetrahedra: ArrayLike, dim: int, method: str = "area_weighted"
    ) -> Float[Array, " n"]:
        """The partial derivative in coordinate `dim` on a mesh of tetrahedra."""
        return _gradient(u_values, points, tetrahedra, dim, method)

    @staticmethod
    def compute_gradient_3d_lsq(
        u_values: ArrayLike, points: ArrayLike, tetrahedra: ArrayLike, dim: int
    ) -> Float[Array, " n"]:
        """The same by least squares."""
        return _gradient(u_values, points, tetrahedra, dim, "least_squares")

    @staticmethod
    def compute_fd_laplacian_3d_simple(
        u_values: ArrayLike,
        points: ArrayLike,
        tetrahedra: ArrayLike,
        dims: tuple[int, ...],
        method: str = "gradient_of_gradient",
    ) -> Float[Array, " n"]:
        """The sum of second derivatives in the coordinates `dims` on a mesh of tetrahedra."""
        return _laplacian(u_values, points, tetrahedra, tuple(dims), method)

    @staticmethod
    def compute_fd_hessian_3d_simple(
        u_values: ArrayLike, points: ArrayLike, tetrahedra: ArrayLike, var_dims: list[Any]
    ) -> Float[Array, "n k k"]:
        """Second derivatives on a mesh of tetrahedra."""
        return _hessian(u_values, points, tetrahedra, var_dims)

    @staticmethod
    def parse_fd_scheme(scheme: str) -> tuple[str, str | None, str | None]:
        """The family of a scheme string, its method for gradients and its method for Laplacians; `None` for automatic
        differentiation.
        """
        family, _, variant = (part.strip() for part in scheme.partition(":"))
        if family not in _FAMILIES:
            raise JnoValueError(f"{scheme!r} is of none of the families {', '.join(map(repr, _FAMILIES))}.")
        if family == "automatic_differentiation":
            return family, None, None
        methods = {
            "": ("area_weighted", "gradient_of_gradient"),
            "area_weighted": ("area_weighted", "gradient_of_gradient"),
            "lsq": ("least_squares", "lsq_of_gradient"),
            "least_squares": ("least_squares", "lsq_of_gradient"),
            "cotangent": ("area_weighted", "cotangent"),
            "uniform": ("uniform", "gradient_of_gradient"),
            "inverse_distance": ("inverse_distance", "gradient_of_gradient"),
        }
        if variant not in methods:
            raise JnoValueError(f"{scheme!r} has no methods on arrays; known are {', '.join(map(repr, methods))}.")
        return family, *methods[variant]


def _gradient(u: ArrayLike, points: ArrayLike, cells: ArrayLike, dim: int, method: str) -> Array:
    return _derivative(u, points, cells, DerivativeRequest("partial", (dim,)), _known(method, _GRADIENTS))[:, 0]


def _laplacian(u: ArrayLike, points: ArrayLike, cells: ArrayLike, dims: tuple[int, ...], method: str) -> Array:
    return _derivative(u, points, cells, DerivativeRequest("laplacian", dims), _known(method, _LAPLACIANS))[:, 0]


def _hessian(u: ArrayLike, points: ArrayLike, cells: ArrayLike, var_dims: list[Any]) -> Array:
    k = round(len(var_dims) ** 0.5)
    if k * k != len(var_dims):
        raise JnoValueError(f"var_dims must name the entries of a square matrix, got {len(var_dims)} of them.")
    axes = tuple(sorted({dim for _, a, _, b in var_dims for dim in (a, b)}))
    matrix = _derivative(u, points, cells, DerivativeRequest("hessian", axes), None)
    chosen = [matrix[:, axes.index(a), axes.index(b)] for _, a, _, b in var_dims]
    return jnp.stack(chosen, axis=-1).reshape(-1, k, k)


def _known(method: str, methods: dict[str, str | None]) -> str | None:
    if method not in methods:
        raise JnoValueError(f"There is no method {method!r}; choose one of {', '.join(map(repr, methods))}.")
    return methods[method]


def _derivative(
    u: ArrayLike, points: ArrayLike, cells: ArrayLike, request: DerivativeRequest, variant: str | None
) -> Array:
    """By the installed scheme, on all nodes."""
    coordinates = np.asarray(points, np.float64)
    mesh = Mesh.from_cells(coordinates[:, None] if coordinates.ndim == 1 else coordinates, np.asarray(cells))
    values = jnp.asarray(u)
    dtype = values.dtype if jnp.issubdtype(values.dtype, jnp.floating) else None
    values = values.astype(dtype)[:, None]
    nodes: Int[np.ndarray, " n"] = np.arange(len(mesh.points))
    columns = tuple(jnp.asarray(c, values.dtype)[:, None] for c in mesh.points.T)
    where = Support(columns, ("x", "y", "z")[: mesh.dimension], mesh.dimension, "mesh", MeshLocation(mesh, nodes))
    scheme = registry.get("scheme", "finite_difference").from_variant(variant, DifferentiationModes())
    reason = scheme.supports(request, where)
    if reason is not None:
        raise JnoValueError(f"The {request.kind} cannot be taken: {reason}.")
    field = Field(at=lambda *_: values, values=lambda: values, aligned={}, name="u_values")
    params = (scheme.default_params(request, where),)
    return scheme.apply((request,), field, where, params, scheme.prepare((request,), where))[0]
