"""Poisson's equation on a plate with three holes, whose boundary values hold by construction.

-Δu = f on the rectangle (0, 2) x (0, 1) without three disks, u = g on all rims. The ansatz g + b N takes the values g wherever
the bubble b is zero, which is on all of the boundary, so that there is no boundary loss and nothing to balance. The plate is
made of simpler shapes; points fill it evenly, and no mesh is needed. Adam comes first, then L-BFGS.

    python examples/poisson_hard_boundary.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import jno
from jno_plugin_geometry import Disk, Rectangle

HOLES = [((0.5, 0.5), 0.15), ((1.1, 0.65), 0.1), ((1.5, 0.35), 0.15)]


def plate():
    """The shape; each hole is a part of the boundary by name."""
    shape = Rectangle((0, 2), (0, 1))
    for i, (center, radius) in enumerate(HOLES):
        shape = shape - Disk(center, radius).named(f"hole {i}")
    return shape


def boundary_values(x, y):
    """What u is on the rims, by a formula that is defined everywhere."""
    return jno.np.sin(3 * x) * jno.np.cos(2 * y)


def exact(x, y):
    """The solution: the boundary values and something that is zero on all rims."""
    rest = x * (2 - x) * y * (1 - y)
    for (a, b), radius in HOLES:
        rest = rest * (1 - radius**2 / ((x - a) ** 2 + (y - b) ** 2))
    return boundary_values(x, y) + rest


def main(epochs: int = 4_000) -> float:
    """Solve, and return the relative L2 error. The last quarter of the epochs is by L-BFGS."""
    polish = epochs // 4
    domain = jno.domain(plate(), compute_mesh_connectivity=False)
    x, y, _ = domain.variable("interior", (2_000, "sobol"))
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 40, 3, jnp.tanh, key=jax.random.key(0)), name="N")
    u = jno.fn.hard_dirichlet(net(x, y), boundary_values(x, y))
    crux = jno.core([(u.laplacian(x, y) - exact(x, y).laplacian(x, y)).mse.name("poisson")])

    net.optimizer(optax.adam(optax.cosine_decay_schedule(1e-2, max(epochs - polish, 1))))
    crux.solve(epochs - polish)
    net.optimizer(optax.lbfgs())
    crux.solve(polish)

    fresh = jno.domain(plate(), compute_mesh_connectivity=False)
    fresh.variable("interior", (5_000, "uniform"))
    found, truth = crux.eval([u, exact(x, y)], domain=fresh)
    error = float(jnp.linalg.norm(found - truth) / jnp.linalg.norm(truth))
    print(f"relative L2 error {error:.2e}")
    return error


if __name__ == "__main__":
    main()
