"""What several tests of the core start from."""

import jax
import numpy as np
import pytest

import jno


@pytest.fixture
def x64():
    """Double precision."""
    with jax.enable_x64(True):
        yield


class Arrays:
    """Coordinates `x`, `y` `(5, 1)`, a vector field `v` `(5, 3)`, matrices `m`, `s` `(3, 3)`, `s` positive definite."""

    def __init__(self):
        rng = np.random.default_rng(1)
        points, vectors = rng.uniform(0.1, 0.9, (5, 2)), rng.uniform(-2, 2, (5, 3))
        matrix = rng.uniform(-1, 1, (3, 3))
        domain = jno.domain.from_array({"interior": points})
        self.x, self.y, _ = domain.variable("interior")
        self.v = domain.variable("v", vectors.astype(np.float32), per="point", at=self.x)
        self.m = domain.variable("m", matrix.astype(np.float32), per="shared")
        self.s = domain.variable("s", (matrix @ matrix.T + np.eye(3)).astype(np.float32), per="shared")
        self.nodes = (self.x, self.y, self.v, self.m, self.s)
        self.crux = jno.core([self.x.mse], domain=domain)
        self.arrays = tuple(node[0] for node in self.crux.eval(list(self.nodes)))


@pytest.fixture(scope="module")
def problem():
    """A small problem that reads these arrays."""
    return Arrays()
