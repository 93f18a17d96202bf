# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""DeepXDE with its JAX backend."""

import os
import time
from collections.abc import Callable

from protocol import Size, serve

os.environ["DDE_BACKEND"] = "jax"

import deepxde as dde


def build(size: Size) -> Callable[[int], float]:
    cube = dde.geometry.Hypercube([0.0] * size.axes, [1.0] * size.axes)

    def pde(x: object, u: object) -> object:
        return sum(dde.grad.hessian(u, x, i=i, j=i)[0] for i in range(size.axes)) + 1

    edge = [dde.icbc.DirichletBC(cube, lambda x: 0, lambda _, on_boundary: on_boundary)] if size.boundary else []
    data = dde.data.PDE(cube, pde, edge, num_domain=size.points, num_boundary=size.boundary)
    net = dde.nn.FNN([size.axes, *[size.width] * size.depth, 1], "tanh", "Glorot uniform")
    model = dde.Model(data, net)
    model.compile("adam", lr=1e-3)

    def took(steps: int) -> float:
        start = time.perf_counter()
        model.train(iterations=steps, display_every=10**9, verbose=0)
        return time.perf_counter() - start

    took(1)
    # Each call evaluates the loss once more at its beginning and its end, which cancels.
    return lambda steps: (took(1 + steps) - took(1)) / steps


serve(build)
