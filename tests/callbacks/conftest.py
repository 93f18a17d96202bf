"""What the tests of callbacks share: a run as its hooks see it, and a small problem to train."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import Metrics, RunInfo, TrainState


def _run(directory=None, first_epoch=0, epochs=100, terms=("pde", "bc"), trackers=(), writes=True, view=None):
    return RunInfo(first_epoch, epochs, terms, trackers, 3, directory, writes, view)


def _state(epoch=0, params=None, rate=1.0):
    params = {"net": jnp.ones(3)} if params is None else params
    return TrainState(params, {}, {}, jax.random.key(0), jnp.asarray(epoch), jnp.asarray(rate))


def _metrics(first_epoch, epochs, **records):
    """The total of epoch e is e, the losses are e / 2 and 2 e."""
    total = np.arange(first_epoch, first_epoch + epochs, dtype=np.float32)
    newest = {name: rows[-1][1] for name, rows in records.items() if rows}
    return Metrics(first_epoch, total, np.column_stack([total / 2, 2 * total]), 0.1, newest, records)


def _log(logger, run, *chunks, failed=False):
    """A run as a logger sees it."""
    logger.on_fit_start(run)
    for chunk in chunks:
        logger.on_chunk_end(chunk)
    if failed:
        logger.on_fit_error()
    else:
        logger.on_fit_end()


@pytest.fixture(scope="session")
def run_info():
    return _run


@pytest.fixture(scope="session")
def state_at():
    return _state


@pytest.fixture(scope="session")
def metrics_of():
    return _metrics


@pytest.fixture(scope="session")
def log():
    return _log


@pytest.fixture(scope="session")
def problem():
    """Makes a core of two terms, `pde` and `bc`; the same weights and points each time."""

    def make(width=4, extra=()):
        points = np.random.default_rng(0).random((24, 2))
        domain = jno.domain.from_array({"interior": points, "edge": points[:5] * [1.0, 0.0]})
        x, y, _ = domain.variable("interior")
        a, b, _ = domain.variable("edge")
        net = jno.nn.wrap(eqx.nn.MLP(2, 1, width, 1, activation=jnp.tanh, key=jax.random.key(0)))
        net.optimizer(optax.adam(1e-2))
        losses = [(net(x, y) - x * y).mse.name("pde"), net(a, b).mse.name("bc")]
        return jno.core([*losses, *(tracker(net(x, y)) for tracker in extra)])

    return make
