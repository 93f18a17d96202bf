"""The rows of the tables: equations as a user of jno writes them, and the same in terms of the network's derivatives."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

import jno
from benchmarks.by_hand import Derivatives, Task
from benchmarks.measure import Contestant, start
from benchmarks.networks import KINDS, Network

ν = 0.01
OPTIMIZER = optax.adam(1e-3)


class Schemes(NamedTuple):
    """How first derivatives and those of higher order are taken."""

    first: str = "automatic_differentiation"
    higher: str = "automatic_differentiation"


PLANNED = Schemes()
"""jno's own choice."""


def _scheme(first: str, higher: str | None = None) -> Schemes:
    return Schemes(f"automatic_differentiation:{first}", f"automatic_differentiation:{higher or first}")


EXPLICIT: dict[str, Schemes] = {
    "taylor": _scheme("taylor"),
    "forward-laplacian": _scheme("forward-laplacian"),
    "forward": _scheme("forward"),
    "reverse": _scheme("reverse"),
    "fwd-over-rev": _scheme("reverse", "fwd-over-rev"),
    "fwd-over-fwd": _scheme("forward", "fwd-over-fwd"),
    "rev-over-fwd": _scheme("forward", "rev-over-fwd"),
    "rev-over-rev": _scheme("reverse", "rev-over-rev"),
}
"""The modes that a user can name instead of leaving the choice to the planner."""

Equation = Callable[[Any, Sequence[Any], Any, Schemes], Sequence[Any]]
"""From the network's output, the coordinates, the unknown coefficient and the schemes: what should vanish."""

Residual = Callable[[Derivatives, Sequence[Array], Array], Sequence[Array]]
"""The same from the network's derivatives."""


class Row(NamedTuple):
    """One problem at one size.

    - `axes`: how many coordinates there are, `summed` those whose second derivatives the operator sums (all if empty).
    - `points`, `boundary`: numbers of points; on the boundary the network should vanish.
    - `kind`, `width`, `depth`: of the network, and its hidden layers.
    - `inverse`: whether there is an unknown coefficient.
    """

    name: str
    title: str
    axes: int
    points: int
    equation: Equation
    residual: Residual
    operator: str = "laplacian"
    summed: tuple[int, ...] = ()
    outputs: int = 1
    kind: str = "mlp"
    width: int = 64
    depth: int = 4
    boundary: int = 0
    inverse: bool = False

    @property
    def network(self) -> str:
        """The network in words, such as `4x64` or `fourier 4x64`."""
        size = f"{self.depth}x{self.width}"
        return size if self.kind == "mlp" else f"{self.kind} {size}"

    def with_network(self, words: str) -> "Row":
        """The same with the network of these words.

        Raises `SystemExit` naming what there is.
        """
        found = re.fullmatch(rf"(?:({'|'.join(KINDS)}) )?(\d+)x(\d+)", words)
        if found is None:
            raise SystemExit(
                f"There is no network {words!r}; there are 4x64 and the like, also after {', '.join(KINDS)}."
            )
        kind, depth, width = found.groups()
        return self._replace(kind=kind or "mlp", depth=int(depth), width=int(width))


def task(row: Row) -> Task:
    """What a hand-written contestant is given."""
    net = _network(row)
    return Task(
        row.residual,
        row.operator,
        row.summed or tuple(range(row.axes)),
        *point_sets(row),
        net.by_hand,
        net.weights,
        jnp.ones(1 if row.inverse else 0),
    )


def core(row: Row, schemes: Schemes = PLANNED) -> Any:
    """The problem in jno, ready to be solved."""
    X, B = point_sets(row)
    domain = jno.domain.from_array({"interior": X, **({"boundary": B} if row.boundary else {})})
    x = domain.variable("interior")[: row.axes]
    network = _network(row)
    net = jno.nn.wrap(network.module).optimizer(OPTIMIZER)
    if fixed := network.fixed(network.module):
        nothing = jax.tree.map(lambda _: False, network.module)
        net.mask(eqx.tree_at(network.fixed, nothing, [True] * len(fixed))).freeze()
    a = jno.np.parameter((1,), name="a").initialize(jnp.ones(1)).optimizer(OPTIMIZER) if row.inverse else None
    residuals = list(row.equation(net(*x), x, a, schemes))
    if row.boundary:
        residuals.append(net(*domain.variable("boundary")[: row.axes]))
    return jno.core([r.mse for r in residuals])


def by_jno(row: Row, name: str = "jno", schemes: Schemes = PLANNED, chunk: int | str | None = "auto") -> Contestant:
    """`crux.solve`, the public entry, as a contestant."""
    began = time.perf_counter()
    crux = core(row, schemes)

    def train(steps: int) -> float:
        return float(crux.solve(steps, chunk=chunk).total_loss_history[-1])

    return start(name, train, began)


def point_sets(row: Row) -> tuple[Array, Array]:
    """Points inside the unit cube and on its faces, `(points, axes)` and `(boundary, axes)`."""
    inside, outside, face = jax.random.split(jax.random.key(1), 3)
    B = jax.random.uniform(outside, (row.boundary, row.axes))
    # Each point is moved onto one face: an axis, and one of its two ends.
    chosen = jax.random.randint(face, (row.boundary,), 0, 2 * row.axes)
    B = B.at[jnp.arange(row.boundary), chosen // 2].set(chosen % 2)
    return jax.random.uniform(inside, (row.points, row.axes)), B


def _network(row: Row) -> Network:
    return KINDS[row.kind](row.axes, row.outputs, row.depth, row.width)


def _poisson(name: str, axes: int, points: int, **size: Any) -> Row:
    return Row(
        name,
        f"Poisson, d = {axes}",
        axes,
        points,
        lambda u, x, _, how: [u.laplacian(*x, scheme=how.higher) + 1],
        lambda D, x, a: [D.operator + 1],
        **size,
    )


def _burgers(u: Any, xt: Sequence[Any], _: Any, how: Schemes) -> Sequence[Any]:
    x, t = xt
    return [u.d(t, scheme=how.first) + u * u.d(x, scheme=how.first) - ν * u.d2(x, scheme=how.higher)]


def _navier_stokes(w: Any, xy: Sequence[Any], _: Any, how: Schemes) -> Sequence[Any]:
    x, y = xy
    u, v, p = (w[..., i] for i in range(3))

    def momentum(f: Any) -> Any:
        carried = u * f.d(x, scheme=how.first) + v * f.d(y, scheme=how.first)
        return carried - ν * f.laplacian(x, y, scheme=how.higher)

    return [
        momentum(u) + p.d(x, scheme=how.first),
        momentum(v) + p.d(y, scheme=how.first),
        u.d(x, scheme=how.first) + v.d(y, scheme=how.first),
    ]


def _navier_stokes_residual(D: Derivatives, _: Sequence[Array], __: Array) -> Sequence[Array]:
    w, (wx, wy), lap = D
    momentum = w[:, :1] * wx[:, :2] + w[:, 1:2] * wy[:, :2] - ν * lap[:, :2]
    return [momentum[:, 0] + wx[:, 2], momentum[:, 1] + wy[:, 2], wx[:, 0] + wy[:, 1]]


def _chained(u: Any, xy: Sequence[Any], _: Any, how: Schemes) -> Sequence[Any]:
    x, y = xy
    k = 1 + x * x + y
    fluxes = [(k * u.d(z, scheme=how.first)).d(z, scheme=how.first) for z in (x, y)]
    return [fluxes[0] + fluxes[1] + 1]


def _chained_residual(D: Derivatives, xy: Sequence[Array], _: Array) -> Sequence[Array]:
    x, y = xy
    return [(1 + x * x + y) * D.operator + 2 * x * D.first[0] + D.first[1] + 1]


def _ansatz_residual(D: Derivatives, xy: Sequence[Array], _: Array) -> Sequence[Array]:
    x = xy[0]
    return [x * (1 - x) * D.operator + 2 * (1 - 2 * x) * D.first[0] - 2 * D.value + 1]


EQUATIONS = (
    _poisson("poisson-1d", 1, 10_000),
    _poisson("poisson-2d", 2, 10_000),
    _poisson("poisson-3d", 3, 10_000),
    _poisson("laplacian-10d", 10, 10_000),
    _poisson("laplacian-50d", 50, 500),
    _poisson("laplacian-100d", 100, 250),
    Row(
        "burgers",
        "u_t + u u_x - ν u_xx in space-time",
        2,
        10_000,
        _burgers,
        lambda D, x, a: [D.first[1] + D.value * D.first[0] - ν * D.operator],
        summed=(0,),
    ),
    Row(
        "heat",
        "u_t - Δu in two axes and time",
        3,
        10_000,
        lambda u, x, _, how: [u.d(x[2], scheme=how.first) - u.laplacian(*x[:2], scheme=how.higher)],
        lambda D, x, a: [D.first[2] - D.operator],
        summed=(0, 1),
    ),
    Row(
        "allen-cahn",
        "u_t - ν u_xx + 5 (u³ - u) in space-time",
        2,
        10_000,
        lambda u, x, _, how: [u.d(x[1], scheme=how.first) - ν * u.d2(x[0], scheme=how.higher) + 5 * (u**3 - u)],
        lambda D, x, a: [D.first[1] - ν * D.operator + 5 * (D.value**3 - D.value)],
        summed=(0,),
    ),
    Row(
        "helmholtz",
        "Δu + 16 u, d = 2",
        2,
        10_000,
        lambda u, x, _, how: [u.laplacian(*x, scheme=how.higher) + 16 * u - 1],
        lambda D, x, a: [D.operator + 16 * D.value - 1],
    ),
    Row(
        "navier-stokes",
        "steady Navier-Stokes, three outputs",
        2,
        10_000,
        _navier_stokes,
        _navier_stokes_residual,
        outputs=3,
    ),
    Row(
        "biharmonic",
        "ΔΔu, d = 2",
        2,
        1_000,
        lambda u, x, _, how: [u.laplacian(*x, scheme=how.higher).laplacian(*x, scheme=how.higher) - 1],
        lambda D, x, a: [D.operator - 1],
        operator="biharmonic",
    ),
    Row(
        "ansatz",
        "Δ(net x (1 - x)), d = 2",
        2,
        10_000,
        lambda u, x, _, how: [(u * x[0] * (1 - x[0])).laplacian(*x, scheme=how.higher) + 1],
        _ansatz_residual,
    ),
    Row("chained", "div(k grad u), each (k u_x)_x", 2, 10_000, _chained, _chained_residual),
    Row(
        "inverse",
        "a Δu + 1 with a to be found, d = 2",
        2,
        10_000,
        lambda u, x, a, how: [a * u.laplacian(*x, scheme=how.higher) + 1],
        lambda D, x, a: [a * D.operator + 1],
        inverse=True,
    ),
)
"""One gradient step each."""


def _of_poisson(words: str, points: int) -> Row:
    row = EQUATIONS[1].with_network(words)._replace(points=points)
    return row._replace(name=f"{row.name}-{words.replace(' ', '-')}-{points}")


DERIVATIVES = (
    *EQUATIONS,
    *(_of_poisson("4x64", points) for points in (1_000, 100_000)),
    *(_of_poisson("3x32", points) for points in (1_000, 10_000, 100_000)),
    _of_poisson("4x128", 10_000),
    *(_of_poisson(f"{kind} 4x64", 10_000) for kind in KINDS if kind != "mlp"),
)
"""All equations with one network, then one equation with other networks and at other sizes."""

TRAINING = (
    _poisson("small-100", 2, 100, width=32, depth=3),
    _poisson("small-1000", 2, 1_000, width=32, depth=3),
    _poisson("plate", 2, 2_500, boundary=400),
    _poisson("cube", 3, 10_000),
)
"""A thousand steps each, end to end."""


def chosen(rows: Sequence[Row], names: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows of these names, all if there are none.

    Raises `SystemExit` naming what there is.
    """
    known = {row.name: row for row in rows}
    if unknown := [name for name in names or () if name not in known]:
        raise SystemExit(f"There is no row {unknown[0]!r}; there are {', '.join(known)}.")
    return tuple(known[name] for name in names or known)
