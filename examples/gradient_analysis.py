"""Do the equation and the boundary pull the weights in the same direction? Loss gradients and the neural tangent kernel.

    -u'' = f on (0, 1),   u(0) = 0,   u(1) = 1,   with the exact solution u = x + sin(3πx)/2

Two losses share one network. While it trains, the norms of their gradients and the cosine of the angle between them are
tracked: where it is negative, a gradient step for one loss raises the other. At a minimum of their weighted sum the two
gradients cancel, so that conflict in the end is the sign of a compromise; conflict early on slows the training down.

The neural tangent kernel K = J Jᵀ, with J the Jacobian of u in the parameters, says what a small step of gradient descent
changes: where u itself is fitted, an error in the shape of an eigenvector decays at a rate proportional to its eigenvalue
(Jacot, Gabriel and Hongler, NeurIPS 2018). The effective rank (tr K)² / ‖K‖² says how many shapes take part.
"""

import sys
from typing import Any, NamedTuple

import foundax
import jax
import numpy as np
import optax
from matplotlib.figure import Figure

import jno

π = jno.np.pi


class Analysis(NamedTuple):
    """What `main` found, at k epochs of which the last is the end of training, and at N points."""

    error: float  # relative L2 error
    epochs: np.ndarray  # (k,)
    cosines: np.ndarray  # (k,), of the gradients of the two losses
    norms: np.ndarray  # (k, 2), of the gradients: equation, boundary
    ranks: np.ndarray  # (k,), effective ranks of K
    kernels: np.ndarray  # (2, N, N): K before and after training
    spectra: np.ndarray  # (2, N): their eigenvalues, largest first; below 1e-7 of that they are round-off
    network: Any  # as trained


def main(epochs: int = 5000, seed: int = 0, plot: str | None = None) -> Analysis:
    """The analysis of `epochs` steps of training, drawn to the file `plot` if one is given."""
    domain = jno.domain.line(mesh_size=0.02)
    x, _ = domain.variable("interior")
    xb, _ = domain.variable("boundary")

    net = jno.nn.wrap(foundax.mlp(1, hidden_dims=32, num_layers=2, key=jax.random.PRNGKey(seed)))
    net.optimizer(optax.adam(optax.cosine_decay_schedule(1e-2, epochs, alpha=1e-3)))

    u = net(x)
    pde = -u.d2(x) - 4.5 * π**2 * jno.np.sin(3 * π * x)
    bc = net(xb) - xb  # u(0) = 0, u(1) = 1

    g_pde, g_bc = pde.mse.grad(net), bc.mse.grad(net)  # (P,)
    n_pde, n_bc = jno.np.norm(g_pde), jno.np.norm(g_bc)
    cosine = jno.np.dot(g_pde, g_bc) / (n_pde * n_bc)
    J = u.grad(net)  # (N, P)
    K = J @ J.T
    rank = jno.np.trace(K) ** 2 / (K * K).sum

    watched = {"cosine": cosine, "|g_pde|": n_pde, "|g_bc|": n_bc, "rank": rank}
    crux = jno.core([pde.mse, 100 * bc.mse, *(e.tracker(50).name(name) for name, e in watched.items())])
    [before] = crux.eval([K])
    history = crux.solve(epochs)
    [after] = crux.eval([K])
    last = crux.eval(list(watched.values()))

    exact = x + 0.5 * jno.np.sin(3 * π * x)
    found, true = crux.eval([u, exact], domain=jno.domain.line(mesh_size=0.001))
    kernels = np.stack([before, after])
    cosines, *norms, ranks = (np.append(history.tracks(n).values, v) for n, v in zip(watched, last, strict=True))
    analysis = Analysis(
        error=float(np.linalg.norm(found - true) / np.linalg.norm(true)),
        epochs=np.append(history.tracks("cosine").epochs, epochs),
        cosines=cosines,
        norms=np.stack(norms, axis=1),
        ranks=ranks,
        kernels=kernels,
        spectra=np.linalg.eigvalsh(kernels.astype(np.float64))[:, ::-1],
        network=net.module,
    )
    report(analysis)
    if plot is not None:
        draw(analysis, plot)
    return analysis


def report(a: Analysis) -> None:
    """A table of what was tracked, and the largest eigenvalues before and after."""
    print("epoch   cosine   |g_pde|    |g_bc|   rank of K")
    for i in range(0, len(a.epochs), max(len(a.epochs) // 10, 1)):
        pde, bc = a.norms[i]
        print(f"{a.epochs[i]:5d}   {a.cosines[i]:+.3f}   {pde:.1e}   {bc:.1e}   {a.ranks[i]:.2f}")
    for when, λ in zip(("before", "after"), a.spectra, strict=True):
        print(f"Eigenvalues of K {when} training: " + ", ".join(f"{value:.1e}" for value in λ[:6]) + ", ...")
    conflict = np.mean(a.cosines < 0)
    print(f"The losses are in conflict {conflict:.0%} of the time; mean cosine {np.mean(a.cosines):+.2f}")
    print(f"Gradient analysis: relative L2 error {a.error:.2e}")


def draw(a: Analysis, path: str) -> None:
    """The cosines and the spectra."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(a.epochs, a.cosines)
    left.axhline(0, color="gray", linewidth=0.8)
    left.set(xlabel="epoch", ylabel="cosine of the loss gradients", ylim=(-1, 1))
    for when, λ in zip(("before", "after"), a.spectra, strict=True):
        right.semilogy(np.arange(1, 21), np.maximum(λ[:20], 1e-6), "o-", label=f"{when} training")
    right.set(xlabel="index", ylabel="eigenvalue of K", title="Neural tangent kernel")
    right.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(plot=sys.argv[1] if len(sys.argv) > 1 else None)
