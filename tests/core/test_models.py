"""Networks in the graph: what can be wrapped, how it is called, types, keys and initial weights."""

import equinox as eqx
import flax.linen
import flax.nnx
import foundax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import jno
from jno_core.errors import (
    JnoFileNotFoundError,
    JnoNotImplementedError,
    JnoTypeError,
    JnoValueError,
    JnoWarning,
    PluginCapabilityError,
)

POINTS = np.random.default_rng(0).uniform(-1, 1, (6, 2)).astype(np.float32)
KEY = jax.random.key(0)


class Block(eqx.Module):
    """A network on whole blocks, with separate coordinates."""

    linear: eqx.nn.Linear

    def __call__(self, x, y):
        assert x.ndim == 2
        return jnp.tanh(jnp.concatenate([x, y], -1) @ self.linear.weight.T + self.linear.bias)


class Mean(eqx.Module):
    """A network that sees all points: it subtracts its own mean."""

    linear: eqx.nn.Linear

    def __call__(self, x, y):
        value = jnp.concatenate([x, y], -1) @ self.linear.weight.T
        return value - value.mean(axis=0)


class Points(eqx.Module):
    """A network on single points, with separate coordinates."""

    linear: eqx.nn.Linear

    def __call__(self, x, y):
        return jnp.tanh(self.linear(jnp.stack([x[0], y[0]])))


class Scalar(eqx.Module):
    """A network on single points that returns no axis."""

    weight: jax.Array

    def __call__(self, point):
        assert point.shape == (2,)
        return self.weight @ point


class Dense(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x, y):
        return flax.linen.Dense(3)(jnp.concatenate([x, y], axis=-1))


class Rngs(flax.nnx.Module):
    def __init__(self):
        self.linear = flax.nnx.Linear(2, 3, rngs=flax.nnx.Rngs(0))

    def __call__(self, x, y):
        return self.linear(jnp.concatenate([x, y], axis=-1))


def problem(points=POINTS):
    domain = jno.domain.from_array({"interior": points})
    *coordinates, _ = domain.variable("interior")
    return domain, coordinates


def values(domain, nodes, **options):
    return jno.core([], domain=domain).eval(nodes, **options)


LINEAR = eqx.nn.Linear(2, 3, key=KEY)
MLP = eqx.nn.MLP(2, 3, 8, 2, jnp.tanh, key=KEY)
X, Y = POINTS[:, :1], POINTS[:, 1:]


# What can be wrapped.


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (MLP, jax.vmap(MLP)(POINTS)),
        (LINEAR, jax.vmap(LINEAR)(POINTS)),
        (Block(LINEAR), jnp.tanh(jax.vmap(LINEAR)(POINTS))),
        (Points(LINEAR), jnp.tanh(jax.vmap(LINEAR)(POINTS))),
        (Mean(LINEAR), POINTS @ LINEAR.weight.T - (POINTS @ LINEAR.weight.T).mean(0)),
        (Scalar(jnp.array([2.0, -1.0])), 2 * X - Y),
        (lambda x, y: x**2 + jnp.sin(y), X**2 + jnp.sin(Y)),
        (lambda x, y: (x * y)[:, 0], X * Y),
        (eqx.nn.Sequential([LINEAR, eqx.nn.Lambda(jnp.tanh)]), jnp.tanh(jax.vmap(LINEAR)(POINTS))),
    ],
    ids=["MLP", "Linear", "blocks", "points", "sees all points", "scalar", "function", "flat function", "Sequential"],
)
def test_equinox_modules_and_functions(module, expected):
    domain, (x, y) = problem()
    node = jno.nn.wrap(module)(x, y)
    assert node.aval.shape == expected.shape
    np.testing.assert_allclose(values(domain, node)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_the_number_of_points_does_not_change_how_a_network_is_called(n):
    """Widths of 2, 3 and 8 in the network, and 1, 2, 3 and 8 points: no size may be mistaken for another."""
    points = np.random.default_rng(n).uniform(-1, 1, (n, 2)).astype(np.float32)
    domain, (x, y) = problem(points)
    nodes = [jno.nn.wrap(m)(x, y) for m in (MLP, LINEAR, Block(LINEAR), Points(LINEAR))]
    plain = jax.vmap(LINEAR)(points)
    right = (jax.vmap(MLP)(points), plain, jnp.tanh(plain), jnp.tanh(plain))
    for node, expected in zip(values(domain, nodes), right, strict=True):
        np.testing.assert_allclose(node[0], expected, rtol=1e-5, atol=1e-6)


def test_a_network_on_blocks_sees_one_point_at_a_time_if_asked_to():
    """Its own mean subtracted, a network of blocks is zero at every single point; its derivatives are not those of the whole."""
    module = Mean(eqx.nn.Linear(2, 2, key=KEY))
    domain = jno.domain.from_array({"interior": POINTS})
    x, y = domain.variable("interior")[:2]
    whole, single = jno.nn.wrap(module), jno.nn.wrap(module, pointwise="map")
    crux = jno.core([whole(x, y).mse], domain=domain)
    expected = POINTS @ module.linear.weight.T
    np.testing.assert_allclose(crux.eval(whole(x, y))[0], expected - expected.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(crux.eval(single(x, y))[0], 0)
    np.testing.assert_array_equal(crux.eval(single(x, y).d(x))[0], 0)
    with pytest.raises(PluginCapabilityError, match=r"jno\.nn\.wrap\(\.\.\., pointwise='map'\)"):
        crux.eval(whole(x, y).d(x))


def test_single_points_are_the_rows_of_a_network_that_does_not_mix_them():
    domain = jno.domain.from_array({"interior": POINTS})
    x, y = domain.variable("interior")[:2]
    block, points = Block(eqx.nn.Linear(2, 3, key=KEY)), Points(eqx.nn.Linear(2, 3, key=KEY))
    for module in (block, points):
        u, v = jno.nn.wrap(module)(x, y), jno.nn.wrap(module, pointwise="map")(x, y)
        a, b, c, d = jno.core([u.mse], domain=domain).eval([u, v, u.laplacian(x, y), v.laplacian(x, y)])
        np.testing.assert_allclose(a, b, rtol=1e-6)
        np.testing.assert_allclose(c, d, rtol=1e-5, atol=1e-6)
    with pytest.raises(JnoValueError, match="None or 'map'"):
        jno.nn.wrap(block, pointwise="rows")


def test_foundax_networks():
    module = foundax.mlp(in_features=2, output_dim=1, hidden_dims=16, num_layers=2, key=KEY)
    domain, (x, y) = problem()
    net = jno.nn(module, name="u")
    value, slope = values(domain, [net(x, y), net(x, y).d(y)])
    np.testing.assert_allclose(value[0], module(X, Y), rtol=1e-5, atol=1e-6)
    single = jax.grad(lambda q, p: module(p[None, None], q[None, None])[0, 0])
    np.testing.assert_allclose(slope[0, :, 0], jax.jit(jax.vmap(single))(Y[:, 0], X[:, 0]), rtol=1e-4, atol=1e-5)


def test_flax_linen_modules_are_initialised_by_their_first_call():
    domain, (x, y) = problem()
    net = jno.nn.wrap(Dense())
    node = net(x, y)
    parameters = net.module.variables["params"]["Dense_0"]
    np.testing.assert_allclose(
        values(domain, node)[0], POINTS @ parameters["kernel"] + parameters["bias"], rtol=1e-5, atol=1e-6
    )
    again = jno.nn.wrap(Dense())
    again(x, y)
    assert eqx.tree_equal(net.module.variables, again.module.variables)


def test_flax_linen_modules_bound_to_their_variables_keep_them():
    domain, (x, y) = problem()
    variables = Dense().init(jax.random.key(5), X, Y)
    node = jno.nn.wrap(Dense().bind(variables))(x, y)
    np.testing.assert_allclose(values(domain, node)[0], Dense().apply(variables, X, Y), rtol=1e-5, atol=1e-6)


def test_flax_nnx_modules():
    domain, (x, y) = problem()
    module = Rngs()
    np.testing.assert_allclose(values(domain, jno.nn.wrap(module)(x, y))[0], module(X, Y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [Dense, Rngs], ids=["Linen", "NNX"])
def test_flax_modules_train(make):
    domain, (x, y) = problem()
    net = jno.nn.wrap(make(), name="f")
    u = net(x, y)
    net.optimizer(optax.adam(1e-1))
    history = jno.core([(u - jno.np.concat([x, y, x + y])).mse], domain=domain).solve(300)
    assert history.total_loss < 1e-3


@pytest.mark.parametrize("bad", [eqx.nn.MLP, Block, 3.0, None, "net", np.ones(3)], ids=str)
def test_what_cannot_be_wrapped(bad):
    with pytest.raises(JnoTypeError):
        jno.nn.wrap(bad)
    with pytest.raises(JnoNotImplementedError, match=r"0\.4"):
        jno.nn.wrap(LINEAR, space={})


def test_parameters_that_are_not_finite_are_named():
    broken = eqx.tree_at(lambda m: m.bias, LINEAR, jnp.array([0.0, jnp.nan, 1.0]))
    with pytest.raises(JnoValueError, match=r"\.bias.*NaN"):
        jno.nn.wrap(broken)


def test_arguments_that_no_way_of_calling_fits_are_named_with_their_shapes():
    _, (x, y) = problem()
    net = jno.nn.wrap(LINEAR, name="u")
    for call in (lambda: net(x), lambda: net(x, y, x)):
        with pytest.raises(JnoTypeError, match=r"u cannot be called.*\(6, 1\)"):
            call()
    with pytest.raises(JnoTypeError, match="at least one expression"):
        net()
    with pytest.raises(JnoTypeError, match="None"):
        net(x, None)


def test_attached_arrays_are_passed_whole_to_every_point():
    """A branch network on sensors and a trunk network on points, single-point and batched, with N sensors by chance."""

    class Operator(eqx.Module):
        branch: eqx.nn.Linear
        trunk: eqx.nn.Linear

        def __call__(self, sensors, x, y):
            assert sensors.shape == (6,)
            return jnp.vdot(self.branch(sensors), self.trunk(jnp.concatenate([x, y])))[None]

    data = np.random.default_rng(1).random((3, 6)).astype(np.float32)
    for n in (6, 4, 9):
        domain = 3 * jno.domain.from_array({"interior": np.resize(POINTS, (n, 2))})
        x, y, _ = domain.variable("interior")
        sensors = domain.variable("sensors", data, per="instance")
        branch, trunk = eqx.nn.Linear(6, 4, key=KEY), eqx.nn.Linear(2, 4, key=jax.random.key(1))
        node = jno.nn.wrap(Operator(branch, trunk))(sensors, x, y)
        assert node.aval.shape == (n, 1)
        expected = jnp.einsum("bk,nk->bn", jax.vmap(branch)(data), jax.vmap(trunk)(np.resize(POINTS, (n, 2))))
        np.testing.assert_allclose(values(domain, node)[..., 0], expected, rtol=1e-4, atol=1e-5)


def test_one_network_called_twice_is_one_set_of_parameters():
    domain, (x, y) = problem()
    net = jno.nn.wrap(MLP, name="u")
    one, two = net(x, y), net(y, x)
    gradient = values(domain, (one + two).sum.grad(net))
    expected = ravel_pytree(eqx.filter_grad(lambda m: (jax.vmap(m)(POINTS) + jax.vmap(m)(POINTS[:, ::-1])).sum())(MLP))[
        0
    ]
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-4, atol=1e-4)


def test_the_wrapped_object_is_not_changed_by_training():
    domain, (x, y) = problem()
    module = eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=KEY)
    before = [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(module, eqx.is_array))]
    net = jno.nn.wrap(module, name="u").optimizer(optax.sgd(0.1))
    jno.core([(net(x, y) - x).mse], domain=domain).solve(3)
    for old, leaf in zip(before, jax.tree.leaves(eqx.filter(module, eqx.is_array)), strict=True):
        np.testing.assert_array_equal(old, leaf)
    assert net.params is net.module
    assert not eqx.tree_equal(net.module, module)


def test_names():
    assert repr(jno.nn.wrap(LINEAR, name="u")) == "u"
    assert repr(jno.nn.wrap(LINEAR)) == "Linear"
    assert repr(jno.nn.wrap(jnp.sin)) == "sin"
    with pytest.raises(JnoTypeError):
        jno.nn.wrap(LINEAR, name=3)


# Keys.


class Dropout(eqx.Module):
    linear: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __call__(self, x, y, *, key=None):
        value = jnp.concatenate([x, y], -1) @ self.linear.weight.T
        return self.dropout(value, key=key)


def test_a_key_reaches_the_module_and_is_drawn_from_the_given_one():
    domain, (x, y) = problem()
    node = jno.nn.wrap(Dropout(LINEAR, eqx.nn.Dropout(0.5)))(x, y)
    still = values(domain, node)[0]
    np.testing.assert_allclose(still, POINTS @ LINEAR.weight.T, rtol=1e-5, atol=1e-6)
    one, same, other = (np.asarray(values(domain, node, key=jax.random.key(k))[0]) for k in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one == 0).any()
    assert not np.array_equal(one == 0, other == 0)
    kept = one != 0
    np.testing.assert_allclose(one[kept], 2 * np.asarray(still)[kept], rtol=1e-5)


# Types.


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_parameters_and_computation_in_another_type(dtype):
    domain, (x, y) = problem()
    net = jno.nn.wrap(MLP, name="u").dtype(dtype)
    leaves = jax.tree.leaves(eqx.filter(net.module, eqx.is_inexact_array))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(dtype)}
    node = net(x, y)
    assert node.aval.dtype == dtype
    value = values(domain, node)
    assert value.dtype == dtype
    np.testing.assert_allclose(value[0].astype(float), jax.vmap(MLP)(POINTS), atol=2e-2)
    assert (node * x).aval.dtype == jnp.float32


def test_integers_keep_their_type():
    class Table(eqx.Module):
        index: jax.Array
        weight: jax.Array

        def __call__(self, x, y):
            return x * self.weight[self.index]

    net = jno.nn.wrap(Table(jnp.array([1, 0]), jnp.ones(2))).dtype(jnp.bfloat16)
    assert (net.module.index.dtype, net.module.weight.dtype) == (jnp.int32, jnp.bfloat16)


@pytest.mark.parametrize("bad", [jnp.int32, "float16", bool, complex, None, 16], ids=str)
def test_types_that_are_not_floating(bad):
    with pytest.raises((JnoValueError, JnoTypeError), match="dtype"):
        jno.nn.wrap(MLP).dtype(bad)


# Initial weights.


def test_initial_weights_from_a_tree_a_file_and_an_initializer(tmp_path):
    other = eqx.nn.MLP(2, 3, 8, 2, jnp.tanh, key=jax.random.key(9))
    path = tmp_path / "weights.eqx"
    eqx.tree_serialise_leaves(path, other)
    for net in (jno.nn.wrap(MLP).initialize(other), jno.nn.wrap(MLP).initialize(str(path)), jno.nn.wrap(MLP).initialize(path),
                jno.nn.wrap(MLP, weight_path=str(path))):  # fmt: skip
        assert eqx.tree_equal(net.module, other)
    with pytest.raises(JnoFileNotFoundError, match=r"nothing\.eqx"):
        jno.nn.wrap(MLP).initialize(str(tmp_path / "nothing.eqx"))
    with pytest.raises(JnoValueError, match="weights of this network"):
        jno.nn.wrap(eqx.nn.MLP(2, 3, 9, 2, key=KEY)).initialize(path)


def test_weights_in_a_file_whose_names_would_be_the_same_without_quoting(tmp_path):
    names = ("a/b", "a%2Fb", "50%", "a\n")

    class Named(eqx.Module):
        weights: dict

        def __call__(self, x):
            return sum(self.weights.values()) * x

    net = jno.nn.wrap(Named({name: jnp.full(1, float(i)) for i, name in enumerate(names)}))
    with pytest.warns(JnoWarning, match="only the weights"):
        jno.save(net, tmp_path / "net.jno")
    found = jno.nn.wrap(Named(dict.fromkeys(names, jnp.full(1, -1.0)))).initialize(tmp_path / "net.jno").module.weights
    assert {name: float(weight[0]) for name, weight in found.items()} == dict(zip(names, range(4), strict=True))


def test_an_initializer_is_applied_leaf_by_leaf_with_keys_that_follow_from_path_and_key(monkeypatch):
    initializer = jax.nn.initializers.normal(0.1)

    def drawn(module, key=None):
        return jno.nn.wrap(module).initialize(initializer, key=key).module

    assert eqx.tree_equal(drawn(MLP, KEY), drawn(MLP, KEY))
    assert not eqx.tree_equal(drawn(MLP, KEY), drawn(MLP, jax.random.key(1)))
    monkeypatch.setenv("JNO_SEED", "3")
    first = drawn(MLP)
    assert eqx.tree_equal(first, drawn(MLP))
    monkeypatch.setenv("JNO_SEED", "4")
    assert not eqx.tree_equal(first, drawn(MLP))
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(eqx.filter(first, eqx.is_inexact_array))]
    assert len({leaf[0] for leaf in leaves}) == len(leaves)
    deeper = eqx.nn.MLP(2, 3, 8, 3, jnp.tanh, key=KEY)
    np.testing.assert_array_equal(drawn(MLP, KEY).layers[0].weight, drawn(deeper, KEY).layers[0].weight)


@pytest.mark.parametrize(
    "bad",
    [
        eqx.nn.MLP(2, 3, 9, 2, key=KEY),
        eqx.nn.MLP(2, 3, 8, 1, key=KEY),
        jax.tree.map(lambda x: x.astype(jnp.float16) if eqx.is_array(x) else x, MLP),
        eqx.tree_at(lambda m: m.layers[0].bias, MLP, jnp.full(8, jnp.inf)),
        np.ones(3),
        {},
        None,
    ],
    ids=["width", "depth", "type", "infinite", "array", "dictionary", "nothing"],
)
def test_weights_that_do_not_fit(bad):
    net = jno.nn.wrap(MLP)
    with pytest.raises((JnoValueError, JnoTypeError)):
        net.initialize(bad)
    assert eqx.tree_equal(net.module, MLP)


def test_parameters_are_zero_until_they_are_initialised():
    domain, (x, y) = problem()
    p = jno.np.parameter((2, 3), name="p")
    np.testing.assert_array_equal(values(domain, p), np.zeros((2, 3)))
    for weights, expected in (
        (2.5, np.full((2, 3), 2.5)),
        (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3)),
        (jax.nn.initializers.ones, np.ones((2, 3))),
    ):
        assert p.initialize(weights) is p
        np.testing.assert_allclose(values(domain, p), expected)
    keyed = [jno.np.parameter(3, key=jax.random.key(k)).initialize(jax.nn.initializers.normal()) for k in (0, 0, 1)]
    one, same, other = values(domain, keyed)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == (3,)
    assert values(domain, (jno.np.parameter(()) + x * y)).shape == (1, 6, 1)
    with pytest.raises(JnoValueError):
        p.initialize(np.ones(2))


@pytest.mark.parametrize("shape", [0, (0,), (2, -1), 1.5, "2", True, (True,), None], ids=repr)
def test_shapes_that_no_parameter_has(shape):
    with pytest.raises((JnoValueError, JnoTypeError), match="parameter"):
        jno.np.parameter(shape)


def test_parameters_follow_the_default_float():
    with jax.enable_x64(True):
        assert jno.np.parameter((2,)).aval.dtype == jnp.float64
    assert jno.np.parameter((2,)).aval.dtype == jnp.float32
