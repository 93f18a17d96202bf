"""How a dissolved substance spreads, drifts and decays in a channel: three coefficients from noisy measurements.

    -a u'' + b u' + c u = f on (0, 1),   u(0) = u(1) = 0,   with unknown diffusivity a, velocity b and decay rate c

Two experiments with the known sources f = sin(πx) and f = sin(2πx) are measured at scattered places. A network for both
fields is fitted to the measurements while it and the coefficients must satisfy the equation. The measurements are the exact
solutions with a = 0.1, b = 0.5, c = 1 plus errors of standard deviation 0.0003; with these, the best unbiased estimate of c
has a standard deviation of 0.0002.
"""

from typing import NamedTuple

import foundax
import jax
import numpy as np
import optax

import jno

π = jno.np.pi
TRUE = (0.1, 0.5, 1.0)


def concentrations(x: np.ndarray) -> np.ndarray:
    """The exact solutions `(n, 2)` of both experiments at the points `(n,)`.

    A sin(ωx) + B cos(ωx) with ω = kπ satisfies the equation; two exponentials, with the roots r of -a r² + b r + c = 0 as
    their rates, make it zero at both ends.
    """
    a, b, c = TRUE
    roots = np.roots([-a, b, c])
    fields = []
    for ω in (π, 2 * π):
        p = a * ω**2 + c
        A, B = np.array([p, -b * ω]) / (p**2 + (b * ω) ** 2)
        ends = A * np.sin(ω * np.array([0, 1])) + B * np.cos(ω * np.array([0, 1]))
        weights = np.linalg.solve(np.stack([np.ones(2), np.exp(roots)]), -ends)
        fields.append(A * np.sin(ω * x) + B * np.cos(ω * x) + np.exp(np.outer(x, roots)) @ weights)
    return np.stack(fields, axis=1)


class Result(NamedTuple):
    """The coefficients a, b, c `(3,)` that were found, their largest error, and the relative L2 error of the fields."""

    found: np.ndarray
    coefficient_error: float
    field_error: float


def main(epochs: int = 20_000, seed: int = 0, noise: float = 3e-4) -> Result:
    """The coefficients after `epochs` steps of training, from measurements with errors of standard deviation `noise`."""
    rng = np.random.default_rng(seed)
    places = rng.random((1000, 1))
    channel = jno.domain.from_array({"interior": np.linspace(0, 1, 200)[:, None], "sensors": places})
    x, _ = channel.variable("interior")
    xs, _ = channel.variable("sensors")
    values = concentrations(places[:, 0]) + noise * rng.standard_normal((1000, 2))
    measured = channel.variable("measured", values, per="point", at=xs)

    rate = optax.cosine_decay_schedule(1e-2, epochs, alpha=1e-3)
    net = jno.nn.wrap(foundax.mlp(1, output_dim=2, hidden_dims=32, num_layers=2, key=jax.random.PRNGKey(seed)))
    net.optimizer(optax.adam(rate))
    a, b, c = (jno.np.parameter((1,), name=name).initialize(0.0).optimizer(optax.adam(rate)) for name in "abc")

    u = x * (1 - x) * net(x)  # both fields, (N, 2)
    f = jno.np.concatenate([jno.np.sin(π * x), jno.np.sin(2 * π * x)], axis=-1)
    pde = -a * u.d2(x) + b * u.d(x) + c * u - f
    data = u(xs) - measured

    crux = jno.core([pde.mse.name("pde"), 100 * data.mse.name("data")])
    crux.solve(epochs)

    found = np.concatenate(crux.eval([a, b, c]))
    grid = np.linspace(0, 1, 1001)
    fields, true = crux.eval(u, domain=jno.domain.from_array({"interior": grid[:, None]}))[0], concentrations(grid)
    result = Result(
        found=found,
        coefficient_error=float(np.max(np.abs(found - TRUE))),
        field_error=float(np.linalg.norm(fields - true) / np.linalg.norm(true)),
    )
    for name, value, exact in zip("abc", found, TRUE, strict=True):
        print(f"{name} = {value:.4f}, true {exact}")
    print(f"Inverse problem: largest coefficient error {result.coefficient_error:.1e}, field {result.field_error:.1e}")
    return result


if __name__ == "__main__":
    main()
