"""Gradient and Laplacian of nodal values by finite differences, beside sparse matrices, jNO 0.2.3 and jaxdf.

    python -m benchmarks.finite_differences [--rows area_weighted-1e4 grid-512] [--peers jNO] [--rounds 15]

README.md has the commands that create the peers' environments. Everybody has the same values in single precision, and the
results are compared before the rounds.
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
from benchmarks.measure import DisagreementError, Timing, interleaved
from benchmarks.peers import SCRIPTS, Peer
from benchmarks.problems import chosen
from jno_core import DerivativeRequest, Field, Mesh, MeshLocation, Support
from jno_plugin_fd import FiniteDifference
from jno_plugin_fd._stencils import Stencil

Derivatives: TypeAlias = Callable[[], tuple[Any, Any]]
"""The gradient `(n, d)` and the Laplacian `(n,)` of the problem's values; waits until the device is done."""


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
    def requests(self) -> tuple[DerivativeRequest, DerivativeRequest]:
        """What is measured."""
        axes = tuple(range(len(self.shape)))
        return DerivativeRequest("gradient", axes), DerivativeRequest("laplacian", axes)


ROWS = (
    *(
        Row(f"{variant}-{size}", variant, (side, side))
        for variant in ("area_weighted", "quadratic")
        for size, side in (("1e4", 101), ("1e5", 317), ("1e6", 1001))
    ),
    Row("grid-128", "central", (128, 128)),
    Row("grid-512", "central", (512, 512)),
    Row("grid-64-3d", "central", (64, 64, 64)),
)
ACCURACY = 8


class Peers(NamedTuple):
    """A peer, and the rows that it has."""

    script: str
    python: str
    packages: tuple[str, ...]
    takes: Callable[[Row], bool]


PEERS = {
    "jNO": Peers(
        "run_fd_jno_0_2_3.py",
        ".bench-venv/bin/python",
        ("jax-neural-operators", "jax"),
        lambda row: row.variant == "area_weighted",
    ),
    "jaxdf": Peers("run_fd_jaxdf.py", ".bench-jaxdf-venv/bin/python", ("jaxdf", "jax"), lambda row: row.on_grid),
}


class Weights(NamedTuple):
    """What the scheme makes of a point set, once."""

    params: tuple[Any, ...]
    prepared: Any


def support(row: Row) -> Support:
    """A square in triangles whose inner nodes are moved by up to a fifth of the spacing, or a grid of spacing 1."""
    points = np.stack(np.meshgrid(*map(np.arange, row.shape), indexing="ij"), axis=-1).astype(np.float64)
    if row.on_grid:
        return _support(points.reshape(-1, len(row.shape)), None)
    points[1:-1, 1:-1] += np.random.default_rng(0).uniform(-0.2, 0.2, points[1:-1, 1:-1].shape)
    nodes = np.arange(points[..., 0].size).reshape(row.shape)
    a, b, c, d = (part.ravel() for part in (nodes[:-1, :-1], nodes[1:, :-1], nodes[1:, 1:], nodes[:-1, 1:]))
    cells = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    mesh = Mesh.from_cells(points.reshape(-1, 2), cells)
    return _support(mesh.points, MeshLocation(mesh, np.arange(len(mesh.points))))


def _support(points: np.ndarray, location: MeshLocation | None) -> Support:
    columns: Any = tuple(np.split(points, points.shape[1], axis=1))
    return Support(columns, ("x", "y", "z")[: len(columns)], len(columns), "interior", location)


def scheme_of(row: Row) -> FiniteDifference:
    """The scheme under test."""
    return FiniteDifference(row.variant, accuracy=ACCURACY if row.on_grid else 2, periodic=row.on_grid)


def weights_of(row: Row, where: Support) -> Weights:
    """What the core asks of a scheme before anything is compiled."""
    scheme = scheme_of(row)
    return Weights(
        tuple(scheme.default_params(request, where) for request in row.requests), scheme.prepare(row.requests, where)
    )


def by_jno(row: Row, where: Support, weights: Weights, values: np.ndarray) -> Derivatives:
    """The scheme through its public contract; weights and tables are arguments of the compiled function."""
    scheme = scheme_of(row)

    @jax.jit
    def derivatives(values: jax.Array, params: tuple[Any, ...], prepared: Any) -> tuple[jax.Array, ...]:
        field = Field(at=lambda *_: values, values=lambda: values, aligned=())
        return scheme.apply(row.requests, field, where, params, prepared)

    arguments = jax.tree.map(jnp.asarray, (values[:, None], *weights))

    def timed() -> tuple[Any, Any]:
        gradient, laplacian = jax.block_until_ready(derivatives(*arguments))
        return gradient, laplacian

    return timed


def by_scipy(row: Row, where: Support, weights: Weights, values: np.ndarray) -> Derivatives:
    """Products with sparse matrices of the same weights: of each first derivative, and of the Laplacian if it has its own."""
    first, second = _grid_matrices(row, weights) if row.on_grid else _mesh_matrices(row, weights)

    def timed() -> tuple[Any, Any]:
        gradient = [matrix @ values for matrix in first]
        if second is not None:
            return gradient, second @ values
        return gradient, sum(matrix @ part for matrix, part in zip(first, gradient, strict=True))

    return timed
