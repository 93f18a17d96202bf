"""Poisson's equation on a plate with two holes, with values given on the outer rim and fluxes on the holes.

    -Δu = f on the plate,   u = 0 on its outer rim,   ∂u/∂n = g on the rims of the holes

The exact solution is u = sin(πx) sin(πy); f and g follow from it. The network is multiplied by a function that vanishes on the
outer rim, so the values hold exactly; the fluxes are a second loss.
"""

import foundax
import jax
import numpy as np
import optax
from shapely import Point

import jno

π = jno.np.pi


def plate(mesh_size: float):
    """The plate [0, 2] x [0, 1] with a square hole and a round one."""
    square = {"origin": (0.3, 0.35), "size": 0.3}
    disk = Point(1.4, 0.5).buffer(0.2)
    return jno.domain.rectangle_with_holes((2, 1), holes=[square, disk], mesh_size=mesh_size)


def exact(x, y):
    """The exact solution."""
    return jno.np.sin(π * x) * jno.np.sin(π * y)


def main(epochs: int = 3000, seed: int = 0) -> float:
    """The relative L2 error after `epochs` steps of training."""
    domain = plate(mesh_size=0.1)
    x, y, _ = domain.variable("interior", sample=(1000, "uniform"))
    xh, yh, _, nx, ny = domain.variable("hole_boundary", sample=(200, "uniform"), normals=True, split=True)

    net = jno.nn.wrap(foundax.mlp(2, hidden_dims=32, num_layers=3, key=jax.random.PRNGKey(seed)))
    net.optimizer(optax.adam(optax.cosine_decay_schedule(1e-2, epochs, alpha=1e-3)))

    u = x * (2 - x) * y * (1 - y) * net(x, y)
    pde = -u.laplacian(x, y) - 2 * π**2 * exact(x, y)

    uh = u(xh, yh)  # the same field on the rims of the holes
    g = nx * π * jno.np.cos(π * xh) * jno.np.sin(π * yh) + ny * π * jno.np.sin(π * xh) * jno.np.cos(π * yh)
    flux = nx * uh.d(xh) + ny * uh.d(yh) - g

    crux = jno.core([pde.mse.name("pde"), flux.mse.name("flux")])
    crux.solve(epochs)

    found, true = crux.eval([u, exact(x, y)], domain=plate(mesh_size=0.03))
    error = float(np.linalg.norm(found - true) / np.linalg.norm(true))
    print(f"Poisson on a plate with holes: relative L2 error {error:.2e}")
    return error


if __name__ == "__main__":
    main()
