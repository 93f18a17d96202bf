"""The API page on networks: wrapping, optimizers by mask, freezing, precision, reparameterisation and initial weights.

Training is one or two steps of gradient descent, whose result is the weight minus the rate times a gradient of plain JAX.
"""

import equinox as eqx
import foundax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core.errors import JnoFileNotFoundError, JnoTypeError, JnoValueError, JnoWarning

POINTS = np.random.default_rng(0).integers(-64, 65, (16, 2)) / 64


class Separate(eqx.Module):
    """A network that takes its coordinates one by one and joins them itself."""

    layers: list[eqx.nn.Linear]

    def __init__(self, key):
        a, b = jax.random.split(key)
        self.layers = [eqx.nn.Linear(2, 5, key=a), eqx.nn.Linear(5, 2, key=b)]

    def __call__(self, x, y, *, key=None):
        z = jnp.concatenate([x, y], axis=-1)
        return jax.vmap(lambda p: self.layers[1](jnp.tanh(self.layers[0](p))))(z)


def variables():
    domain = jno.domain.from_array({"interior": POINTS})
    x, y, _ = domain.variable("interior")
    return domain, x, y


def problem(**settings):
    """A small network and its mean square, the loss that every test here descends."""
    _, x, y = variables()
    net = jno.nn.wrap(Separate(jax.random.key(0)), **settings)
    return net, jno.core([net(x, y).mse])


def gradient(module):
    points = jnp.asarray(POINTS, jnp.float32)
    return eqx.filter_grad(lambda m: jnp.mean(m(points[:, :1], points[:, 1:]) ** 2))(module)


def decoder(net):
    """A mask of the last layer."""
    all_false = jax.tree_util.tree_map(lambda _: False, net.module)
    return eqx.tree_at(lambda m: (m.layers[1].weight, m.layers[1].bias), all_false, (True, True))


def encoder(net):
    """A mask of the first layer."""
    return jax.tree_util.tree_map(lambda b: not b, decoder(net))


def check_step(after, before, rates):
    """One step of gradient descent, at one rate for each layer."""
    g = gradient(before)
    for layer, rate in enumerate(rates):
        for name in ("weight", "bias"):
            old, slope = getattr(before.layers[layer], name), getattr(g.layers[layer], name)
            assert np.abs(slope).max() > 1e-3
            new = getattr(after.layers[layer], name)
            np.testing.assert_allclose(new, old - rate * slope, rtol=1e-5, atol=1e-7)
            if rate == 0:
                np.testing.assert_array_equal(new, old)


def test_a_network_of_separate_arguments_is_called_on_them_in_order():
    """`uv(x, y)[..., 0]` is the first component at every point."""
    domain, x, y = variables()
    module = Separate(jax.random.key(0))
    uv = jno.nn.wrap(module)
    both, first, swapped = jno.core([], domain=domain).eval([uv(x, y), uv(x, y)[..., 0], uv(y, x)])
    a, b = jnp.asarray(POINTS[:, :1], jnp.float32), jnp.asarray(POINTS[:, 1:], jnp.float32)
    np.testing.assert_allclose(both[0], module(a, b), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(swapped[0], module(b, a), rtol=1e-5, atol=1e-6)
    assert (both.shape, first.shape) == ((1, 16, 2), (1, 16))
    np.testing.assert_array_equal(first, both[..., 0])


@pytest.mark.parametrize("wrap", [jno.nn.wrap, jno.nn], ids=["wrap", "short"])
def test_a_network_of_the_library_takes_several_coordinates(wrap):
    domain, x, y = variables()
    module = foundax.mlp(2, output_dim=1, hidden_dims=64, key=jax.random.PRNGKey(0))
    net = wrap(module, name="field")
    assert repr(net) == "field"
    value = jno.core([], domain=domain).eval(net(x, y))
    np.testing.assert_allclose(value[0], module(jnp.asarray(POINTS, jnp.float32)), rtol=1e-5, atol=1e-6)


def test_a_class_is_not_an_instance():
    with pytest.raises(JnoTypeError, match="the class Separate"):
        jno.nn.wrap(Separate)


def test_one_optimizer_trains_everything():
    net, crux = problem()
    before = net.optimizer(optax.sgd(0.1)).module
    crux.solve(1)
    check_step(net.module, before, (0.1, 0.1))


def test_masked_optimizers_make_groups_and_the_plain_one_takes_the_rest():
    net, crux = problem()
    before = net.module
    net.optimizer(optax.sgd(0.1))
    net.mask(decoder(net)).optimizer(optax.sgd(0.3))
    crux.solve(1)
    check_step(net.module, before, (0.1, 0.3))


def test_two_masked_optimizers_cover_the_network():
    net, crux = problem()
    before = net.module
    net.mask(decoder(net)).optimizer(optax.sgd(0.2))
    net.mask(encoder(net)).optimizer(optax.sgd(0.05))
    crux.solve(1)
    check_step(net.module, before, (0.05, 0.2))


def test_a_plain_optimizer_replaces_the_groups():
    net, crux = problem()
    before = net.module
    net.mask(decoder(net)).optimizer(optax.sgd(0.3))
    net.optimizer(optax.sgd(0.1))
    crux.solve(1)
    check_step(net.module, before, (0.1, 0.1))


def test_a_factory_takes_its_rate_from_the_scale_and_a_masked_scale_is_that_of_its_group():
    net, crux = problem()
    before = net.module
    net.optimizer(optax.sgd).scale(0.1)
    net.mask(decoder(net)).optimizer(optax.sgd(0.5))
    net.mask(decoder(net)).scale(lambda epoch: 0.25 / (1.0 + epoch))
    crux.solve(1)
    check_step(net.module, before, (0.1, 0.125))
    between = net.module
    crux.solve(1)
    check_step(net.module, between, (0.1, 0.0625))


def test_frozen_networks_and_frozen_parts_stay_as_they_are():
    net, crux = problem()
    before = net.optimizer(optax.sgd(0.1)).module
    net.mask(decoder(net)).freeze()
    history = crux.solve(1)
    check_step(net.module, before, (0.1, 0.0))
    counts = history.training_logs[0]
    assert (counts["trainable_params"], counts["frozen_params"]) == (15, 12)
    between = net.module
    net.freeze()
    with pytest.warns(JnoWarning, match="nothing to train"):
        crux.solve(1)
    check_step(net.module, between, (0.0, 0.0))
    net.unfreeze()
    crux.solve(1)
    check_step(net.module, between, (0.1, 0.1))


def test_the_jacobian_of_masked_parameters_by_index():
    """`eval([...])[0]` of one expression is its one instance, `(N, P)`."""
    domain, x, y = variables()
    net = jno.nn.wrap(Separate(jax.random.key(0)))
    u = net(x, y)[..., 0:1]
    J = jno.core([], domain=domain).eval([u.grad(net.mask(decoder(net)))])[0]
    hidden = jnp.tanh(jax.vmap(net.module.layers[0])(jnp.asarray(POINTS, jnp.float32)))
    exact = np.zeros((16, 12))
    exact[:, :5], exact[:, 10] = hidden, 1
    np.testing.assert_allclose(J, exact, atol=1e-6)


def test_a_model_computes_in_its_own_precision():
    """bfloat16 has eight bits: the output is near that of single precision, and is not that."""
    domain, x, y = variables()
    net = jno.nn.wrap(Separate(jax.random.key(0)))
    plain = jno.core([], domain=domain).eval(net(x, y))
    net.dtype(jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(net.module)} == {jnp.dtype(jnp.bfloat16)}
    coarse = jno.core([], domain=domain).eval(net(x, y))
    assert coarse.dtype == jnp.bfloat16
    difference = np.abs(np.asarray(coarse, np.float32) - np.asarray(plain)).max()
    assert 0 < difference < 0.03
    net.dtype(jnp.float32)
    assert jno.core([], domain=domain).eval(net(x, y)).dtype == jnp.float32


def test_constrained_parameters_are_used_transformed_and_stored_as_they_are():
    domain, x, y = variables()
    net = jno.nn.wrap(Separate(jax.random.key(0)))
    stored = net.module
    net.mask(decoder(net)).constrain(jax.nn.softplus)
    value = jno.core([], domain=domain).eval(net(x, y))[0]
    last = stored.layers[1]
    hidden = jnp.tanh(jax.vmap(stored.layers[0])(jnp.asarray(POINTS, jnp.float32)))
    exact = hidden @ jax.nn.softplus(last.weight).T + jax.nn.softplus(last.bias)
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-6)
    assert eqx.tree_equal(net.module, stored)


def test_a_positive_coefficient_is_found_through_its_constraint():
    _, x, _ = variables()
    k = jno.np.parameter((1,), name="k").initialize(jax.nn.initializers.ones).constrain(jax.nn.softplus)
    k.optimizer(optax.adam(5e-2))
    crux = jno.core([(k * x - 0.3 * x).mse])
    np.testing.assert_allclose(crux.eval(k), [np.log1p(np.e)], rtol=1e-6)
    crux.solve(600)
    np.testing.assert_allclose(crux.eval(k), [0.3], atol=1e-4)


def test_weights_come_from_files_other_networks_and_initializers(tmp_path):
    path = tmp_path / "weights.eqx"
    source = Separate(jax.random.key(7))
    eqx.tree_serialise_leaves(path, source)
    net = jno.nn.wrap(Separate(jax.random.key(0)))
    assert not eqx.tree_equal(net.module, source)
    assert eqx.tree_equal(net.initialize(str(path)).module, source)
    assert eqx.tree_equal(jno.nn.wrap(Separate(jax.random.key(0)), weight_path=str(path)).module, source)
    other = jno.nn.wrap(Separate(jax.random.key(3)))
    assert eqx.tree_equal(other.initialize(net.module).module, source)
    for leaf in jax.tree.leaves(net.initialize(jax.nn.initializers.constant(0.25)).module):
        np.testing.assert_array_equal(leaf, 0.25)
    with pytest.raises(JnoFileNotFoundError, match="missing"):
        net.initialize(str(tmp_path / "missing.eqx"))


def test_a_parameter_takes_an_initializer():
    p = jno.np.parameter((1,), key=jax.random.PRNGKey(0))
    domain, *_ = variables()
    crux = jno.core([], domain=domain)
    np.testing.assert_array_equal(crux.eval(p), [0])
    p.initialize(jax.nn.initializers.ones)
    np.testing.assert_array_equal(crux.eval(p), [1])


def test_training_needs_an_optimizer_with_a_rate():
    net, crux = problem()
    with pytest.raises(JnoValueError, match="no optimizer"):
        crux.solve(1)
    net.optimizer(optax.adam)
    with pytest.raises(JnoValueError, match="rate"):
        crux.solve(1)
