"""The contract of a differentiation scheme (`jno.schemes`)."""

import abc
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from jno_core._custom_types import Columns, PRNGKey, PyTree
from jno_core._interfaces.domain_data import PointData
from jno_core._interfaces.mesh import MeshLocation

RequestKind = Literal["value", "partial", "gradient", "laplacian", "hessian", "sum"]


@final
@dataclasses.dataclass(frozen=True)
class DerivativeRequest:
    """One derivative of one target at one point set. `axes` index `Support.columns`.

    | kind | axes | result for a target `(n, c)` (`c = 1`: scalar field) |
    |---|---|---|
    | `value` | `()` | `(n, c)`: the target itself |
    | `partial` | one entry per differentiation, so `(0, 0, 1)` is d³/dx²dy | `(n, c)` |
    | `gradient` | the coordinates, each once | `(n, k)` when `c = 1`, else `(n, c, k)` |
    | `laplacian` | the coordinates summed over | `(n, c)` |
    | `hessian` | rows and columns | `(n, k, k)` when `c = 1`, else `(n, c, k, k)` |
    | `sum` | the coordinates of all terms, each once | `(n, c)`: the sum of the partial derivatives in `terms` |

    A target of shape `(n,)` is a scalar field too: its value, partials, sums and Laplacian are `(n,)`.

    `terms`: of a `sum`, the axes of each partial derivative as for `partial`, all of one order; one that occurs twice counts
    twice. The Laplacian of the Laplacian is such a sum. Only an `AbstractSumming` scheme is asked for one.
    """

    kind: RequestKind
    axes: tuple[int, ...] = ()
    terms: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def sum_of(cls, terms: Iterable[tuple[int, ...]]) -> "DerivativeRequest":
        """The sum of these partial derivatives, whatever the order of the terms and of the axes in each."""
        ordered = tuple(sorted(tuple(sorted(axes)) for axes in terms))
        return cls("sum", tuple(sorted({axis for axes in ordered for axis in axes})), ordered)

    @property
    def order(self) -> int:
        """How often the target is differentiated."""
        if self.kind in ("partial", "sum"):
            return len(self.axes if self.kind == "partial" else self.terms[0])
        return {"value": 0, "gradient": 1, "laplacian": 2, "hessian": 2}[self.kind]


@final
@dataclasses.dataclass(frozen=True)
class DifferentiationModes:
    """The project's defaults for automatic differentiation, frozen into a node when it is built.

    `first`: `"forward"`, `"reverse"` or `None`. `second`: `"fwd-over-rev"`, `"fwd-over-fwd"`, `"rev-over-rev"`,
    `"rev-over-fwd"` or `None`. `None` leaves the choice to the scheme.
    """

    first: str | None = None
    second: str | None = None


@final
class Support(eqx.Module):
    """Where derivatives are taken: the points of one instance at one time, and what is known about them.

    - `columns`: the coordinates, one `(n, 1)` array each, space first and time last.
    - `names`: their names, such as `("x", "y", "t")`.
    - `space`: how many of them are space coordinates; the one after them, if any, is time.
    - `tag`: the name of the region in its domain.
    - `location`: the mesh under the points and the node of each, host arrays; `None` for a point cloud.
    """

    columns: Columns
    names: tuple[str, ...] = eqx.field(static=True)
    space: int = eqx.field(static=True)
    tag: str = eqx.field(static=True)
    location: MeshLocation | None = eqx.field(static=True, default=None)

    @classmethod
    def on_host(cls, points: PointData, instance: int, names: tuple[str, ...], tag: str) -> "Support":
        """The points of one instance, in host memory, at their first time."""
        space = np.asarray(points.points[instance])
        time = np.full((len(space), 1), np.asarray(points.times)[0], space.dtype)
        columns: Any = (*(space[:, i : i + 1] for i in range(space.shape[1])), time)
        return cls(columns, names, space.shape[1], tag, points.location)


@final
class Field(eqx.Module):
    """The target of a request set, offered in two ways; the one a scheme does not touch costs nothing.

    - `at(columns, aligned, location=None)`: the target as a function of the coordinates. Batched: columns `(m, 1)` give
      `(m, *c)`. `location` tells which mesh nodes those columns are; a target with a mesh-based derivative in it needs it.
      `aligned` are the point-aligned arrays that the target reads besides the coordinates, leading axis `m`; a scheme
      that evaluates at a subset of rows cuts `Field.aligned` to the same rows. Pointwise: row i of the result belongs
      to row i of the columns.
    - `values()`: the target on all points of the support, `(n, *c)`.
    - `key`: the random key of this step and target for schemes that draw, `None` where nothing is random (`eval` without
      a key): there such a scheme gives what its draws have as their mean.
    """

    at: Callable[..., Float[Array, "m *c"]] = eqx.field(static=True)
    values: Callable[[], Float[Array, "n *c"]] = eqx.field(static=True)
    aligned: PyTree
    name: str = eqx.field(static=True, default="")
    key: PRNGKey | None = None


@final
@dataclasses.dataclass(frozen=True)
class SchemeExplanation:
    """How a scheme serves a request set: `passes` over the target, and primitives that had to go a slower, general way."""

    passes: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()


class AbstractExplaining(abc.ABC):
    """A scheme that chooses its way can tell which way it chose."""

    @abc.abstractmethod
    def explain(self, requests: tuple[DerivativeRequest, ...], field: Field, where: Support) -> SchemeExplanation:
        """What `AbstractScheme.apply` does for these arguments. Shown by `crux.explain()`; may trace, computes nothing."""


class AbstractSumming(abc.ABC):
    """A scheme that takes a sum of partial derivatives with less work than its terms one by one."""

    @abc.abstractmethod
    def sums(self, request: DerivativeRequest) -> bool:
        """Whether a chain such as `u.laplacian(x, y).laplacian(x, y)` may be handed over as this one request of kind `sum`,
        instead of one request for each of its terms.
        """


class AbstractScheme(eqx.Module):
    """A way of taking derivatives. One instance stands for one family with its variant and options.

    The core collects, for each pair of target and point set, *all* derivatives that the losses and trackers need, and
    calls `apply` once with that set, so that a scheme can share work among them. Schemes are immutable and hold only
    static configuration; arrays that train arrive as `params`, arrays computed once per problem as `prepared`.
    """

    variants: ClassVar[tuple[str, ...]]
    """The variants that `from_variant` knows, in the order in which messages list them."""

    @classmethod
    @abc.abstractmethod
    def from_variant(cls, variant: str | None, modes: DifferentiationModes) -> "AbstractScheme":
        """The scheme that `"family:variant"` names; `variant` is `None` for the plain family.

        `modes` are the project's differentiation defaults; a scheme that has none deletes them.

        Raises `PluginCapabilityError` for an unknown variant, listing `variants`.
        """

    @abc.abstractmethod
    def supports(self, request: DerivativeRequest, where: Support) -> str | None:
        """`None` when the scheme can serve the request there; else the reason, as the end of a sentence.

        Called once per request while the problem is lowered, before anything is compiled. Only the static part of
        `where` may be read (`names`, `space`, `location`, shapes of the columns).
        """

    @abc.abstractmethod
    def merges(self, request: DerivativeRequest) -> bool:
        """Whether a chain such as `u.d(x).d(y)` may be handed over as this one partial request of the summed order.

        `False` when derivatives of this scheme do not compose exactly, or when it does not serve the request.
        """

    @abc.abstractmethod
    def default_params(self, request: DerivativeRequest, where: Support, key: PRNGKey | None = None) -> PyTree:
        """Parameters of one operator (stencil weights, learned corrections) that the user may inspect, override, share among
        operators or train: a PyTree of arrays, `{}` when there are none.

        Called on the host like `prepare`. Its structure and shapes must follow from the request and from `where`.
        """

    @abc.abstractmethod
    def prepare(self, requests: tuple[DerivativeRequest, ...], where: Support) -> PyTree:
        """What is computed once per problem on the host, such as the neighbours of each node: a PyTree of arrays, `None` when
        there is nothing.

        `where` holds concrete arrays, and `requests` is everything that the problem asks of this scheme there. The result
        reaches `apply` as run-time data, so that other values of the same shapes compile nothing anew.

        Raises `PluginCapabilityError` for points that do not suit the scheme.
        """

    @abc.abstractmethod
    def apply(
        self,
        requests: tuple[DerivativeRequest, ...],
        field: Field,
        where: Support,
        params: tuple[PyTree, ...],
        prepared: PyTree,
    ) -> tuple[Float[Array, "n *s"], ...]:
        """The requested derivatives, in the order of `requests`, in the shapes that `DerivativeRequest` states.

        `params` are those of each request, `prepared` what `prepare` gave for these requests and perhaps others. Pure and
        traceable: runs under `jit`, `vmap` and reverse-mode differentiation in the parameters.
        """
