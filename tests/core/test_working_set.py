"""How much memory a function keeps busy: the estimate beside what XLA sets aside."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from jno_core._compile.hash_consing import share
from jno_core._compile.working_set import stored_bytes

N = 3000


def test_entrywise_work_stores_nothing():
    def fn(x):
        for _ in range(50):
            x = jnp.tanh(x) * x + 1
        return x.reshape(-1, 2)

    assert stored_bytes(jax.make_jaxpr(fn)(jnp.ones((N, 4))).jaxpr) == 0


def test_each_value_counts_once():
    """What a product reads and what it makes, not the inputs of the function."""
    W = jnp.ones((4, 7))

    def fn(x):
        y = jnp.sin(x)
        return y @ W, y @ W[:, :3], x @ W

    # The slice of the weights, sin(x), and three products.
    assert stored_bytes(jax.make_jaxpr(fn)(jnp.ones((N, 4))).jaxpr) == 4 * (4 * 3 + N * (4 + 7 + 3 + 7))


class Gated(eqx.Module):
    layers: list

    def __init__(self):
        self.layers = [eqx.nn.Linear(i, o, key=jax.random.key(i)) for i, o in ((2, 32), (32, 32), (32, 32), (32, 1))]

    def __call__(self, x):
        first, *hidden, last = self.layers
        u = x = jnp.tanh(first(x))
        for layer in hidden:
            z = jnp.tanh(layer(x))
            x = (1 - z) * u + z * x
        return last(x)


@pytest.mark.parametrize(
    "net",
    [eqx.nn.MLP(2, 1, 32, 3, jnp.tanh, key=jax.random.key(0)), Gated()],
    ids=["multilayer perceptron", "gated"],
)
def test_the_estimate_is_of_the_size_that_xla_sets_aside_for_a_step(net):
    """With the first and second derivatives, and the gradient of the loss."""
    points = jax.random.uniform(jax.random.key(1), (N, 2))
    parameters, static = eqx.partition(net, eqx.is_array)
    e = jnp.eye(2)

    def residuals(parameters, X):
        u = jax.vmap(eqx.combine(parameters, static))

        def along(i):
            def first(Y):
                return jax.jvp(u, (Y,), (jnp.broadcast_to(e[i], Y.shape),))[1]

            return jax.jvp(first, (X,), (jnp.broadcast_to(e[i], X.shape),))[1]

        return along(0) + along(1) + u(X)

    def loss(parameters, X):
        return jnp.mean(residuals(parameters, X) ** 2)

    estimate = stored_bytes(jax.make_jaxpr(share(residuals))(parameters, points).jaxpr)
    compiled = jax.jit(jax.grad(loss)).lower(parameters, points).compile()
    assert 0.4 < estimate / compiled.memory_analysis().temp_size_in_bytes < 1.5
