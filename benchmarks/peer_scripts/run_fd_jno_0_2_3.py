# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""Finite differences on a mesh by jNO 0.2.3's static operators, compiled, with the mesh as an argument."""

import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from jno import DifferentialOperators


@jax.jit
def derivatives(values, points, cells):
    gradient = [DifferentialOperators.compute_fd_gradient_2d_simple(values, points, cells, axis) for axis in (0, 1)]
    return jnp.stack(gradient, axis=1), DifferentialOperators.compute_fd_laplacian_2d_simple(
        values, points, cells, (0, 1)
    )


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
problem = np.load(sys.argv[1])
arguments = [jnp.asarray(problem[name]) for name in ("values", "points", "cells")]
for found, exact in zip(derivatives(*arguments), (problem["gradient"], problem["laplacian"][:, 0]), strict=True):
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3 * np.max(np.abs(exact)))
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        jax.block_until_ready(derivatives(*arguments))
    print((time.perf_counter() - start) / int(line), file=answers, flush=True)
