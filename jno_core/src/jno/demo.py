"""`jno demo`: the Poisson equation on a plate with a round hole, checked against finite elements computed on the spot.

    -Δu = 1 on the plate, u = 0 on its rim and on the rim of the hole

The network is multiplied by a function that vanishes on both rims, so the boundary condition holds exactly. It is trained at
random points and compared with linear finite elements (SciPy) on a fine mesh.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import foundax
import jax
import numpy as np
import optax
import scipy.sparse as sparse
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from scipy.sparse.linalg import spsolve
from shapely import Point

import jno

CENTRE, RADIUS = (0.7, 0.5), 0.2


def plate(mesh_size: float) -> Any:
    """The plate `[0, 2] x [0, 1]` with a round hole."""
    hole = Point(CENTRE).buffer(RADIUS, quad_segs=24)
    return jno.domain.polygon([(0, 0), (2, 0), (2, 1), (0, 1)], holes=[hole], mesh_size=mesh_size)


def finite_elements(mesh: Any) -> np.ndarray:
    """The values `(n,)` at the mesh nodes of the linear finite-element solution of -Δu = 1, u = 0 on the boundary."""
    corners = mesh.points[mesh.cells]
    area = mesh.cell_measures()
    # The gradient of a corner's hat function is the opposite edge, turned by 90 degrees, over twice the area.
    edge = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]
    gradient = np.stack([-edge[..., 1], edge[..., 0]], axis=-1) / (2 * area[:, None, None])
    local = np.einsum("mid,mjd,m->mij", gradient, gradient, area)
    n = len(mesh.points)
    rows, columns = np.repeat(mesh.cells, 3, axis=1).ravel(), np.tile(mesh.cells, (1, 3)).ravel()
    stiffness = sparse.csr_matrix((local.ravel(), (rows, columns)), shape=(n, n))
    load = np.zeros(n)
    np.add.at(load, mesh.cells, np.repeat(area[:, None] / 3, 3, axis=1))
    inside = np.setdiff1d(np.arange(n), mesh.nodes("boundary"))
    values = np.zeros(n)
    values[inside] = np.asarray(spsolve(stiffness[inside][:, inside].tocsc(), load[inside]))
    return values


def main(arguments: Sequence[str] | None = None) -> None:
    """Solve, compare, draw."""
    parser = argparse.ArgumentParser(prog="jno demo", description="Poisson's equation on a plate with a hole.")
    parser.add_argument("--out", default="runs/demo", help="folder for the pictures")
    parser.add_argument("--epochs", type=int, default=3000, help="number of training steps")
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    domain = plate(mesh_size=0.05)
    x, y, _ = domain.variable("interior", sample=(1500, "uniform"))

    rate = optax.cosine_decay_schedule(1e-2, max(options.epochs, 1), alpha=1e-2)
    net = jno.nn.wrap(foundax.mlp(2, hidden_dims=32, num_layers=3, key=jax.random.PRNGKey(jno.get_seed())), name="net")
    net.optimizer(optax.adam(rate))
    rim = x * (2 - x) * y * (1 - y) * ((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 - RADIUS**2)
    u = rim * net(x, y)
    pde = -u.laplacian(x, y) - 1.0

    crux = jno.core([pde.mse.name("pde")])
    history = crux.solve(options.epochs, callbacks=["progress"])

    fine = plate(mesh_size=0.02)
    reference = finite_elements(fine.mesh)
    fine.variable("interior")
    solution = np.asarray(crux.eval(u, domain=fine)).ravel()
    error = np.linalg.norm(solution - reference) / np.linalg.norm(reference)

    folder = Path(options.out)
    domain.plot(folder / "domain.png")
    history.plot(folder / "losses.png")
    draw_field(fine.mesh, solution, "u by the network", folder / "solution.png")
    draw_field(fine.mesh, solution - reference, "difference from finite elements", folder / "error.png")
    print(f"Pictures of the domain, the losses, the solution and the error are in {folder}/.")
    print(f"{time.perf_counter() - start:.0f} s in all. {len(reference)} finite-element nodes to compare with.")
    print(f"Relative L2 error: {error:.3e}")


def draw_field(mesh: Any, values: np.ndarray, title: str, path: Path) -> None:
    """A filled contour plot of nodal values."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    contours = axes.tricontourf(Triangulation(mesh.points[:, 0], mesh.points[:, 1], mesh.cells), values, levels=24)
    figure.colorbar(contours, ax=axes, shrink=0.8)
    axes.set_aspect("equal")
    axes.set_title(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(sys.argv[1:])
