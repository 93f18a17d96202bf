# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""What the versions of jNO have in common."""

import time
from collections.abc import Callable

import foundax
import jax
import numpy as np
from jno.utils.adaptive.callbacks import Callback
from protocol import Size

import jno


class Clock(Callback):
    """When each step ended; looking at the loss waits for the device."""

    def __init__(self, first: int, last: int) -> None:
        self.times = dict.fromkeys((first, last), 0.0)

    def on_epoch_end(self, *, epoch: int, total_loss: jax.Array, **_: object) -> bool:
        if epoch in self.times:
            total_loss.block_until_ready()
            self.times[epoch] = time.perf_counter()
        return False


def build(
    size: Size, optimized: Callable[[object], None], core: Callable[[list, object], object]
) -> Callable[[int], float]:
    """The problem as a function that times a step.

    `optimized` gives a network Adam with the rate 1e-3; `core` makes a problem of losses and their domain.
    """
    rng = np.random.default_rng(0)
    sets = {"interior": rng.random((size.points, size.axes)).astype(np.float32)}
    if size.boundary:
        B = rng.random((size.boundary, size.axes)).astype(np.float32)
        B[np.arange(size.boundary), rng.integers(0, size.axes, size.boundary)] = rng.integers(0, 2, size.boundary)
        sets["boundary"] = B
    domain = jno.domain.from_array(sets)
    x = domain.variable("interior")[: size.axes]
    net = jno.nn.wrap(foundax.mlp(size.axes, hidden_dims=size.width, num_layers=size.depth, key=jax.random.PRNGKey(0)))
    optimized(net)
    losses = [(net(*x).laplacian(*x) + 1).mse]
    if size.boundary:
        losses.append(net(*domain.variable("boundary")[: size.axes]).mse)
    crux = core(losses, domain)

    def timed(steps: int) -> float:
        # Every call compiles anew, so the clock runs between two steps of one call.
        clock = Clock(1, 1 + steps)
        crux.solve(2 + steps, callbacks=[clock])
        return (clock.times[1 + steps] - clock.times[1]) / steps

    return timed
