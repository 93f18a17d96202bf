# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""jNO 0.2.3."""

import optax
from jno_problem import build
from protocol import serve

import jno


def optimized(net: object) -> None:
    net.optimizer(optax.adam, lr=jno.LearningRateSchedule(1e-3))


serve(lambda size: build(size, optimized, jno.core))
