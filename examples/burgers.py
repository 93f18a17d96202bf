"""The viscous Burgers equation, whose solution steepens into a thin inner layer at x = 0.

    u_t + u u_x = ν u_xx,   x in (-1, 1), t in (0, 1),   u(x, 0) = -sin(πx),   u(±1, t) = 0,   ν = 0.01/π

Time is a second coordinate. The ansatz u = -sin(πx) exp(-3t) + t (1 - x²) net(x, t) satisfies the initial and the boundary
conditions exactly, and the initial profile fades from it. The reference is the formula of Cole and Hopf (Basdevant et al.,
Computers & Fluids 14, 1986), by quadrature.
"""

import foundax
import jax
import numpy as np
import optax
from scipy.stats import qmc

import jno

π = jno.np.pi
ν = 0.01 / π


def cole_hopf(x: np.ndarray, t: np.ndarray, nodes: int = 200) -> np.ndarray:
    """The exact solution `(n,)` at the points `(n,)` for t > 0.

    u = -∫ sin(π(x - η)) F(x - η) G(η) dη / ∫ F(x - η) G(η) dη with F(y) = exp(-cos(πy) / 2πν) and G the heat kernel of
    variance 2νt; η = √(4νt) z turns both into Gauss-Hermite quadrature.
    """
    z, weight = np.polynomial.hermite.hermgauss(nodes)
    y = x[:, None] - np.sqrt(4 * ν * t)[:, None] * z
    # F grows like exp(1 / 2πν) = exp(50); the constant in the exponent cancels in the quotient.
    F = weight * np.exp(-(1 + np.cos(π * y)) / (2 * π * ν))
    return -np.sum(np.sin(π * y) * F, axis=1) / np.sum(F, axis=1)


def crowded(n: int, seed: int) -> np.ndarray:
    """Evenly spread points (x, t), `(n, 2)`, more of them near x = 0 where the layer forms."""
    s, t = qmc.Sobol(2, rng=seed).random(n).T
    return np.stack([(2 * s - 1) * np.abs(2 * s - 1), t], axis=1)


def main(epochs: int = 10_000, seed: int = 0) -> float:
    """The relative L2 error over space and time after `epochs` steps of training."""
    domain = jno.domain.from_array({"interior": crowded(2048, seed)})
    x, t, _ = domain.variable("interior")

    net = jno.nn.wrap(foundax.mlp(2, hidden_dims=24, num_layers=4, key=jax.random.PRNGKey(seed)))
    net.optimizer(optax.adam(optax.cosine_decay_schedule(5e-3, epochs, alpha=1e-3)))

    u = -jno.np.sin(π * x) * jno.np.exp(-3 * t) + t * (1 - x**2) * net(x, t)
    pde = u.d(t) + u * u.d(x) - ν * u.d2(x)
    # Early errors are carried along, so early times count more; in the layer the large residual must not drown the rest.
    weighted = jno.np.exp(-2 * t) * pde / (1 + 0.1 * jno.np.abs(u.d(x)))

    crux = jno.core([weighted.mse.name("pde")])
    crux.solve(epochs)

    # Cell centres in time, because the reference divides by it.
    xs, ts = (g.ravel() for g in np.meshgrid(np.linspace(-1, 1, 401), (np.arange(100) + 0.5) / 100))
    grid = jno.domain.from_array({"interior": np.stack([xs, ts], axis=1)})
    found, true = np.ravel(crux.eval(u, domain=grid)), cole_hopf(xs, ts)
    error = float(np.linalg.norm(found - true) / np.linalg.norm(true))
    print(f"Burgers: relative L2 error {error:.2e}")
    return error


if __name__ == "__main__":
    main()
