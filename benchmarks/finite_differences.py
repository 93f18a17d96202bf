"""Gradient and Laplacian of nodal values by finite differences, beside sparse matrices, jNO 0.2.3 and jaxdf.

    python -m benchmarks.finite_differences [--rows area_weighted-1e4 grid-512] [--peers jaxdf] [--rounds 15]

README.md has the commands that create the peers' environments. Everybody has the same values in single precision, and the
results are compared before the rounds.

`jno` is the time in a compiled loop over values that differ, as the steps of a training are one. `jno, a call` is that of one
call from Python, and holds the tenth of a millisecond that JAX takes to start a program on several threads; the peers on JAX
are called like that.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sparse

from benchmarks import report
from benchmarks.measure import Timing, interleaved
from benchmarks.peers import SCRIPTS, Peer
from jno_core import DerivativeRequest, Field, Mesh, MeshLocation, Support
from jno_plugin_fd import FiniteDifference
from jno_plugin_fd._stencils import Stencil

Derivatives: TypeAlias = Callable[[], tuple[Any, Any]]
"""The gradient `(n, d)` and the Laplacian `(n, 1)` of the problem's values; waits until the device is done."""

ACCURACY = 8


class Row(NamedTuple):
    """A variant of the scheme on so many nodes along each axis."""

    name: str
    variant: str
    shape: tuple[int, ...]

    @property
    def on_grid(self) -> bool:
        """Whether the nodes are a periodic grid; else they are those of a mesh."""
        return self.variant == "central"

    @property
    def scheme(self) -> FiniteDifference:
        """The scheme that is measured."""
        return FiniteDifference(self.variant, ACCURACY if self.on_grid else 2, periodic=self.on_grid)

    @property
    def requests(self) -> tuple[DerivativeRequest, DerivativeRequest]:
        """The derivatives that are measured."""
        axes = tuple(range(len(self.shape)))
        return DerivativeRequest("gradient", axes), DerivativeRequest("laplacian", axes)


MESHES = {"1e4": (101, 101), "1e5": (317, 317), "1e6": (1001, 1001)}
GRIDS = {"128": (128, 128), "512": (512, 512), "64-3d": (64, 64, 64)}
ROWS = {
    row.name: row
    for row in (
        *(Row(f"{rule}-{size}", rule, MESHES[size]) for rule in ("area_weighted", "quadratic") for size in MESHES),
        *(Row(f"grid-{size}", "central", GRIDS[size]) for size in GRIDS),
    )
}


class Other(NamedTuple):
    """A peer: its script, the option that names its environment, its packages, and the variant that it has."""

    script: str
    option: str
    packages: tuple[str, ...]
    variant: str


PEERS = {
    "jNO 0.2.3": Other("run_fd_jno_0_2_3.py", "python", ("jax-neural-operators", "jax"), "area_weighted"),
    "jaxdf": Other("run_fd_jaxdf.py", "jaxdf_python", ("jaxdf", "jax"), "central"),
}


class Prepared(NamedTuple):
    """What a scheme makes of a point set once: the parameters of each derivative, and the tables."""

    params: tuple[Any, ...]
    tables: Any


def support(shape: tuple[int, ...], on_grid: bool) -> Support:
    """A grid of spacing 1, or a square in triangles with its inner nodes moved by up to a fifth of that."""
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(np.float64)
    location = None
    if not on_grid:
        points[1:-1, 1:-1] += np.random.default_rng(0).uniform(-0.2, 0.2, points[1:-1, 1:-1].shape)
        nodes = np.arange(np.prod(shape)).reshape(shape)
        a, b, c, d = (part.ravel() for part in (nodes[:-1, :-1], nodes[1:, :-1], nodes[1:, 1:], nodes[:-1, 1:]))
        cells = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
        location = MeshLocation(Mesh.from_cells(points.reshape(-1, 2), cells), nodes.ravel())
    columns: Any = tuple(points.reshape(-1, len(shape), 1).swapaxes(0, 1))
    return Support(columns, ("x", "y", "z")[: len(shape)], len(shape), "interior", location)


def wave(where: Support, shape: tuple[int, ...]) -> np.ndarray:
    """Values `(n, 1)` of waves about 16 nodes long, periodic on the grid."""
    phases = [2 * np.pi * round(n / 16) / n * np.asarray(x) for x, n in zip(where.columns, shape, strict=True)]
    return np.prod([np.sin(phase + i) for i, phase in enumerate(phases)], axis=0).astype(np.float32)


def prepared(row: Row, where: Support) -> Prepared:
    """What the core asks of a scheme before anything is compiled."""
    params = tuple(row.scheme.default_params(request, where) for request in row.requests)
    return Prepared(params, row.scheme.prepare(row.requests, where))


def by_jno(row: Row, where: Support, given: Prepared, values: np.ndarray) -> tuple[Derivatives, Callable[[int], float]]:
    """The scheme through its public contract, a call and the seconds of a pass through a loop of so many.

    Weights and tables are arguments of the compiled functions.
    """

    def derivatives(values: jax.Array, params: tuple[Any, ...], tables: Any) -> tuple[jax.Array, ...]:
        field = Field(at=lambda *_: values, values=lambda: values, aligned=())
        return row.scheme.apply(row.requests, field, where, params, tables)

    @jax.jit
    def loop(
        passes: jax.Array, nothing: jax.Array, values: jax.Array, params: tuple[Any, ...], tables: Any
    ) -> jax.Array:
        def again(_: jax.Array, changed: jax.Array) -> jax.Array:
            gradient, laplacian = derivatives(changed, params, tables)
            # Each pass needs all that the one before has found.
            found = sum(jnp.unstack(gradient.reshape(len(values), -1), axis=1), laplacian[:, 0])
            return values + nothing * found[:, None]

        return jax.lax.fori_loop(0, passes, again, values)

    call = jax.jit(derivatives)
    arguments = jax.tree.map(jnp.asarray, (values, *given))
    nothing = jnp.zeros((), values.dtype)

    def per_pass(passes: int) -> float:
        start = time.perf_counter()
        jax.block_until_ready(loop(jnp.asarray(passes), nothing, *arguments))
        return (time.perf_counter() - start) / passes

    per_pass(1)
    return lambda: jax.block_until_ready(call(*arguments)), per_pass


def by_scipy(row: Row, given: Prepared, values: np.ndarray) -> Derivatives:
    """Products with sparse matrices of the same weights; where the scheme takes gradients of gradients, so does it here."""
    first, second = _grid_matrices(row, given) if row.on_grid else _mesh_matrices(given)
    flat = values[:, 0]

    def derivatives() -> tuple[Any, Any]:
        gradient = [matrix @ flat for matrix in first]
        if second is None:
            return gradient, sum(matrix @ part for matrix, part in zip(first, gradient, strict=True))
        return gradient, second @ flat

    return derivatives


def _mesh_matrices(given: Prepared) -> tuple[list[Any], Any]:
    gradient, laplacian = (np.asarray(own["weights"]) for own in given.params)
    table = given.tables["mesh"]["neighbours"]
    first = _lean(*Stencil(table.T, gradient.swapaxes(1, 2)).matrices())
    return first, None if laplacian.ndim == 3 else _lean(*Stencil(table.T, laplacian.T[None]).matrices())[0]


def _grid_matrices(row: Row, given: Prepared) -> tuple[list[Any], Any]:
    gradient, laplacian = ([_along(row.shape, i, w["interior"]) for i, w in enumerate(own)] for own in given.params)
    return _lean(*gradient), _lean(sum(laplacian[1:], laplacian[0]))[0]


def _along(shape: tuple[int, ...], axis: int, kernel: np.ndarray) -> Any:
    """The matrix of a central kernel along one axis of a periodic grid."""
    n, half = shape[axis], len(kernel) // 2
    # Entries beyond the ends of the axis come back at the other one.
    reach: Any = [o + lap for o in range(-half, half + 1) for lap in (-n, 0, n) if abs(o + lap) < n]
    line = sparse.diags_array([kernel[(o + half) % n] for o in reach], offsets=reach, shape=(n, n))
    before, after = (sparse.eye_array(int(np.prod(part))) for part in (shape[:axis], shape[axis + 1 :]))
    return sparse.csr_array(sparse.kron(sparse.kron(before, line), after))


def _lean(*matrices: Any) -> list[Any]:
    """As fast as they can be: single precision, short indices, no stored zeros."""
    found = [sparse.csr_array(matrix.astype(np.float32)) for matrix in matrices]
    for matrix in found:
        matrix.eliminate_zeros()
        matrix.sort_indices()
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return found


def per_call(derivatives: Derivatives, calls: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        derivatives()
    return (time.perf_counter() - start) / calls


@contextmanager
def running(python: str, script: str, problem: str) -> Iterator[Peer]:
    """A peer's process for one problem, ended at the end."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"JAX_PLATFORMS": jax.default_backend()}
    pipe = subprocess.PIPE
    command = [python, str(SCRIPTS / script), problem]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        yield Peer(process)


def measured(row: Row, pythons: dict[str, str], rounds: int, round_seconds: float) -> report.Line:
    """One line of the table: milliseconds per call."""
    where = support(row.shape, row.on_grid)
    values = wave(where, row.shape)
    began = time.perf_counter()
    given = prepared(row, where)
    set_up = time.perf_counter() - began
    (ours, per_pass), theirs = by_jno(row, where, given, values), by_scipy(row, given, values)
    gradient, laplacian = theirs()
    expected = {"gradient": np.stack(gradient, axis=1), "laplacian": laplacian[:, None]}
    for found, (name, exact) in zip(ours(), expected.items(), strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3 * np.max(np.abs(exact)), err_msg=name)
    timers: dict[str, Callable[[int], float]] = {
        "jno": per_pass,
        "jno, a call": lambda calls: per_call(ours, calls),
        "scipy": lambda calls: per_call(theirs, calls),
    }
    with ExitStack() as stack:
        problem = str(Path(stack.enter_context(TemporaryDirectory())) / "problem.npz")
        mesh = (
            {} if where.location is None else {"points": where.location.mesh.points, "cells": where.location.mesh.cells}
        )
        np.savez(problem, values=values[:, 0], shape=row.shape, **mesh, **expected)
        for name, python in pythons.items():
            if PEERS[name].variant == row.variant:
                timers[name] = stack.enter_context(running(python, PEERS[name].script, problem)).step
        rough = {name: min(timer(1), timer(3)) for name, timer in timers.items()}
        calls = {name: max(1, round(round_seconds / took)) for name, took in rough.items()}
        times = interleaved({name: lambda n=name: timers[n](calls[n]) for name in timers}, rounds)
    timings = {name: Timing(tuple(1e3 * t for t in ts)) for name, ts in times.items()}
    remark = f"set-up {set_up:.3g} s, {1e6 * set_up / len(values):.2f} µs per node"
    timings["jno"] = timings["jno"]._replace(seconds_to_first_step=set_up, remark=remark)
    return report.Line(row.name, f"{row.variant}, {'x'.join(map(str, row.shape))}", timings)


def main() -> None:
    """Measure the chosen rows, and report after each, so that an interrupted run leaves what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS), metavar="ROW", help=", ".join(ROWS)
    )
    parser.add_argument("--peers", nargs="*", choices=tuple(PEERS), default=tuple(PEERS))
    parser.add_argument("--python", default=".bench-venv/bin/python", help="of jNO's environment")
    parser.add_argument("--jaxdf-python", default=".bench-jaxdf-venv/bin/python", help="of jaxdf's environment")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--round-seconds", type=float, default=0.5, help="how long each contestant runs in a round")
    parser.add_argument("--out", default="benchmarks/results/finite_differences", help="path without ending")
    given = parser.parse_args()
    pythons = {name: str(getattr(given, PEERS[name].option)) for name in given.peers}
    for python in pythons.values():
        if not Path(python).exists():
            raise SystemExit(f"There is no {python}; benchmarks/README.md has the command that creates it.")
    settings = {"rounds": given.rounds, **{name: _versions(pythons[name], PEERS[name].packages) for name in pythons}}
    ratios = [("jno", "scipy"), *(("jno, a call", name) for name in ("scipy", *pythons))]
    # The first set-up would pay for what is loaded and compiled once.
    for row in ROWS.values():
        small = row._replace(shape=(12,) * len(row.shape))
        prepared(small, support(small.shape, row.on_grid))
    lines = []
    for name in given.rows:
        lines.append(measured(ROWS[name], pythons, given.rounds, given.round_seconds))
        report.write(given.out, "Finite differences", lines, ratios, settings)


def _versions(python: str, packages: Sequence[str]) -> str:
    code = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {packages}), sep=', ')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
