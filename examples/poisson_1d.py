"""Poisson's equation on an interval.

    -u'' = f on (-1, 1),   u(-1) = u(1) = 0,   with the exact solution u = sin(πx) + sin(3πx)/2

The network is multiplied by 1 - x², so the boundary conditions hold exactly and only the equation is trained.
"""

import foundax
import jax
import numpy as np
import optax

import jno

π = jno.np.pi


def main(epochs: int = 3000, seed: int = 0) -> float:
    """The relative L2 error after `epochs` steps of training."""
    domain = jno.domain.line((-1, 1), mesh_size=0.01)
    x, _ = domain.variable("interior")

    net = jno.nn.wrap(foundax.mlp(1, hidden_dims=32, num_layers=2, key=jax.random.PRNGKey(seed)))
    net.optimizer(optax.adam(optax.cosine_decay_schedule(1e-2, epochs, alpha=1e-3)))

    u = (1 - x**2) * net(x)
    f = π**2 * jno.np.sin(π * x) + 4.5 * π**2 * jno.np.sin(3 * π * x)
    pde = -u.d2(x) - f

    crux = jno.core([pde.mse.name("pde")])
    crux.solve(epochs)

    exact = jno.np.sin(π * x) + 0.5 * jno.np.sin(3 * π * x)
    found, true = crux.eval([u, exact], domain=jno.domain.line((-1, 1), mesh_size=0.001))
    error = float(np.linalg.norm(found - true) / np.linalg.norm(true))
    print(f"Poisson in 1-D: relative L2 error {error:.2e}")
    return error


if __name__ == "__main__":
    main()
