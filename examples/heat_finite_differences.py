"""The heat equation on a plate with holes, with derivatives by finite differences on the mesh.

u_t = Δu + f on the unit square without two disks, for 0 <= t <= 1/2; u is given on all rims. In space the Laplacian is a
difference of the network's values at the mesh nodes; in time a difference at moved times, or automatic differentiation. The
initial condition is built in: u = u(0) + t N. The exact solution is exp(-t) sin(πx) sin(πy).

    python examples/heat_finite_differences.py            # differences in space and time
    python examples/heat_finite_differences.py mixed      # fitted polynomials in space, automatic in time
"""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from shapely.geometry import Point

import jno

π = jno.np.pi
SCHEMES = {
    "differences": ("finite_difference", "finite_difference"),
    "mixed": ("finite_difference:quadratic", "automatic_differentiation"),
}


def plate(mesh_size: float):
    """The unit square without two disks, with eleven time steps."""
    holes = [Point(0.35, 0.4).buffer(0.15), Point(0.7, 0.7).buffer(0.1)]
    return jno.domain.rectangle_with_holes((1, 1), holes=holes, mesh_size=mesh_size, time=(0.0, 0.5, 11))


def exact(x, y, t):
    """The solution."""
    return jno.np.exp(-t) * jno.np.sin(π * x) * jno.np.sin(π * y)


def main(kind: str = "differences", epochs: int = 4_000, mesh_size: float = 0.07) -> float:
    """Solve, and return the relative L2 error over all times."""
    space, time = SCHEMES[kind]
    domain = plate(mesh_size)
    # Beside the boundary the plain Laplacian is one-sided and does not converge; those nodes have boundary conditions.
    x, y, t = domain.variable("interior", exclude_boundary=kind == "differences")
    xb, yb, tb = domain.variable("boundary")
    net = jno.nn.wrap(eqx.nn.MLP(3, 1, 32, 3, jnp.tanh, key=jax.random.key(0)), name="N")
    net.optimizer(optax.adam(optax.cosine_decay_schedule(1e-2, epochs)))

    u = exact(x, y, 0 * t) + t * net(x, y, t)
    ub = exact(xb, yb, 0 * tb) + tb * net(xb, yb, tb)
    f = (2 * π**2 - 1) * exact(x, y, t)
    heat = u.d(t, scheme=time) - u.laplacian(x, y, scheme=space) - f
    rim = ub - exact(xb, yb, tb)

    crux = jno.core([heat.mse.name("heat"), 1000 * rim.mse.name("rim")])
    crux.solve(epochs)
    found, truth = crux.eval([u, exact(x, y, t)])
    error = float(jnp.linalg.norm(found - truth) / jnp.linalg.norm(truth))
    print(f"relative L2 error {error:.2e}")
    return error


if __name__ == "__main__":
    main(*sys.argv[1:2])
