"""Derivatives and tracking, as methods of an expression."""

import abc
from collections.abc import Callable
from typing import Any

from jno_core._interfaces import RequestKind


class Calculus(abc.ABC):
    """Derivatives of an expression at its points.

    `scheme` is a string `"family[:variant]"` resolved through the registry, an instance of `AbstractScheme`, or `None` for
    the project's default; it is fixed when the node is built. `params` takes the place of the scheme's parameters, such as
    stencil weights, which `default_params()` of the resulting node shows: a PyTree of arrays, which are fixed, and of
    expressions such as `jno.np.parameter(...)`, which train. A scalar field is `(N, 1)`, a vector field `(N, C)`.
    """

    @abc.abstractmethod
    def _derivative(self, kind: RequestKind, variables: tuple[Any, ...], scheme: Any, params: Any) -> Any: ...

    @abc.abstractmethod
    def _integral(self, var: Any, order: int | None) -> Any: ...

    @abc.abstractmethod
    def _parameter_gradient(self, model: Any) -> Any: ...

    @abc.abstractmethod
    def _track(self, interval: int, reduce: Any) -> Any: ...

    def d(self, variable: Any, scheme: Any = None, params: Any = None) -> Any:
        """The partial derivative in one coordinate, in the shape of the expression.

        With a normal from `domain.variable(tag, normals=True)` it is the normal derivative.
        """
        return self._derivative("partial", (variable,), scheme, params)

    def diff(self, variable: Any, scheme: Any = None, params: Any = None) -> Any:
        """The same as `d`."""
        return self._derivative("partial", (variable,), scheme, params)

    def d2(self, variable: Any, scheme: Any = None, params: Any = None) -> Any:
        """The second derivative in one coordinate, in the shape of the expression."""
        return self._derivative("laplacian", (variable,), scheme, params)

    def dd(self, variable: Any, scheme: Any = None, params: Any = None) -> Any:
        """The same as `d2`."""
        return self._derivative("laplacian", (variable,), scheme, params)

    def laplacian(self, *variables: Any, scheme: Any = None, params: Any = None) -> Any:
        """The sum of second derivatives, per component; without variables over all space coordinates."""
        return self._derivative("laplacian", variables, scheme, params)

    def hessian(self, *variables: Any, scheme: Any = None, params: Any = None) -> Any:
        """The matrix of second derivatives: `(N, k, k)`, or `(N, C, k, k)` for a vector field."""
        return self._derivative("hessian", variables, scheme, params)

    def grad(self, *targets: Any, scheme: Any = None, params: Any = None) -> Any:
        """The gradient in coordinates, or the Jacobian in the parameters of a network.

        - `u.grad(x, y)`: `(N, 2)` for a scalar field, `(N, C, 2)` for a vector field.
        - `u.grad(net)` or `u.grad(net.mask(m))`: `(N, P)`, `(N, C, P)` for a vector field, `(P,)` for a scalar such as
          `pde.mse`. Parameters in PyTree order, each flattened row by row.
        """
        if len(targets) == 1 and _is_parameterised(targets[0]):
            return self._parameter_gradient(targets[0])
        return self._derivative("gradient", targets, scheme, params)

    def integrate(self, var: Any = None, *, order: int | None = None) -> Any:
        """The integral of a scalar field: over a region, over a region for each outer point, or over time.

        - `e.integrate()`: over the region whose variables `e` reads, `()` per instance. The tag's kind decides between
          volume and boundary (with the facets' own normals). A domain must have a mesh.
        - `e.integrate(x)`: `(N, 1)`. `x` belongs to the outer points; the integral is over the region of the other
          variables, which come from a `domain.variable(tag)` call of their own. For Fredholm kernels such as
          `jno.numpy.exp(x * s).integrate(x)`.
        - `e.integrate(t)`: over the domain's time steps by the trapezoidal rule, in the shape of `e`. After `integrate()`
          it gives the space-time integral.

        `order=None` is the vertex rule on the mesh nodes, whatever points `e` was sampled on; an integer chooses Gauss
        rules that are exact for polynomials of that degree in each cell or facet.

        Raises `JnoValueError` for a vector field, without a region or a mesh, or in time on a steady domain.
        """
        return self._integral(var, order)

    def tracker(self, interval: int = 1, reduce: Callable[[Any], Any] | None = None) -> Any:
        """Record this expression every `interval` epochs without training on it; see `Tracker`."""
        return self._track(interval, reduce)


class Parameterised(abc.ABC):  # noqa: B024 - a marker, which has nothing to require
    """What `u.grad(...)` takes as holding parameters: a model, a masked model or a trainable parameter."""


def _is_parameterised(target: Any) -> bool:
    return isinstance(target, Parameterised) and getattr(target, "args", ()) == ()
