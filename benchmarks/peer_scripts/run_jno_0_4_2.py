# type: ignore
# (Runs in the peers' environment, whose packages are not in ours.)
"""jNO 0.4.2."""

import optax
from jno_problem import build
from protocol import serve

import jno


def optimized(net: object) -> None:
    net.optimizer(optax.adam(1e-3))


serve(lambda size: build(size, optimized, lambda losses, _: jno.core(losses)))
