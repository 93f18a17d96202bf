"""What expressions compute, against NumPy: random trees, slices, transposes, reductions; and what is held constant."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import jno

N = 5
NUMBERS = st.integers(-8, 8).map(lambda i: i / 4)
UNARY = {
    "-": lambda n, a: -a,
    "abs": lambda n, a: abs(a),
    "sin": lambda n, a: n.sin(a),
    "exp": lambda n, a: n.exp(-a * a),
    "tanh": lambda n, a: n.tanh(a),
    "sqrt": lambda n, a: n.sqrt(1 + a * a),
    "square": lambda n, a: a**2,
    "reverse": lambda n, a: a[::-1],
    "reverse columns": lambda n, a: a[..., ::-1],
    "transposes": lambda n, a: a.T.T,
    "reshapes": lambda n, a: a.reshape(-1, N).reshape(N, -1),
    "mean": lambda n, a: a - n.mean(a),
    "maximum": lambda n, a: a / (1 + n.max(n.abs(a))),
    "gram": lambda n, a: n.cos(a @ a.T) @ a,
    "join": lambda n, a: n.concatenate([a, 2 * a], axis=-1)[..., ::2],
}  # fmt: skip
BINARY = {
    "+": lambda n, a, b: a + b,
    "-": lambda n, a, b: a - b,
    "*": lambda n, a, b: a * b,
    "/": lambda n, a, b: a / (2 + n.abs(b)),
    "**": lambda n, a, b: (1.5 + n.abs(n.sin(a))) ** n.cos(b),
    "max": lambda n, a, b: n.maximum(a, b),
    "where": lambda n, a, b: n.where(a > b, a, b),
    "outer": lambda n, a, b: n.sin(a @ a.T) @ b,
}
EXACT = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // 1.25 + b,
    "%": lambda a, b: a % -0.75 + b,
    "r//": lambda a, b: a + 7 // (b * b + 1),
    "r%": lambda a, b: a + 3.5 % (b * b + 1),
    ">": lambda a, b: 1.0 * (a > b),
    "<=": lambda a, b: 1.0 * (a <= b),
    "<": lambda a, b: b + 1.0 * (a < 0.5),
    ">=": lambda a, b: 1.0 * (a >= 0.25),
}


class Problem:
    """Two coordinates and an attached vector field `(5, 3)`, in graph and as float64 arrays of dyadic numbers."""

    def __init__(self):
        rng = np.random.default_rng(5)
        points, field = rng.integers(-8, 8, (N, 2)) / 4, rng.integers(-8, 8, (N, 3)) / 4
        self.domain = jno.domain.from_array({"interior": points})
        self.x, self.y, _ = self.domain.variable("interior")
        self.v = self.domain.variable("v", field, per="point", at=self.x)
        self.nodes = {"x": self.x, "y": self.y, "v": self.v}
        self.arrays = {"x": points[:, :1], "y": points[:, 1:], "v": field}

    def eval(self, nodes):
        return jno.core([self.x.mse], domain=self.domain).eval(nodes)


def trees(binary, unary=()):
    leaf = st.sampled_from(["x", "y", "v"])

    def grow(sub):
        operators = [st.tuples(st.sampled_from(list(binary)), sub, st.one_of(sub, NUMBERS))]
        if unary:
            operators.append(st.tuples(st.sampled_from(list(unary)), sub))
        return st.one_of(operators)

    return st.recursive(leaf, grow, max_leaves=8)


def build(tree, namespace, leaves, operators):
    """A tree of names as an expression or as an array."""
    if isinstance(tree, str):
        return leaves[tree]
    if isinstance(tree, float):
        return tree
    name, *parts = tree
    return operators[len(parts)](name, namespace, *(build(part, namespace, leaves, operators) for part in parts))


SMOOTH = {1: lambda name, n, a: UNARY[name](n, a), 2: lambda name, n, a, b: BINARY[name](n, *_alike(n, a, b))}


def _alike(n, a, b):
    """Numbers beside an array become arrays in operators that need two, in both namespaces alike."""
    return (a, b + 0 * a) if isinstance(b, float) else (a, b)


@pytest.mark.usefixtures("x64")
def test_random_trees_are_what_numpy_computes():
    problem = Problem()

    @settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
    @given(st.lists(trees(BINARY, UNARY), min_size=8, max_size=8))
    def check(batch):
        nodes = [build(tree, jno.np, problem.nodes, SMOOTH) for tree in batch]
        for tree, node, value in zip(batch, nodes, problem.eval(nodes), strict=True):
            expected = build(tree, np, problem.arrays, SMOOTH)
            assert (node.aval.shape, node.aval.dtype) == (expected.shape, expected.dtype)
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(value[0] / scale, expected / scale, rtol=1e-9, atol=1e-9, err_msg=repr(tree))

    check()


@pytest.mark.usefixtures("x64")
def test_rounding_remainders_and_comparisons_are_exact():
    problem, operators = Problem(), {2: lambda name, n, a, b: EXACT[name](a, b)}

    @settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
    @given(st.lists(trees(EXACT), min_size=8, max_size=8))
    def check(batch):
        nodes = [build(tree, jno.np, problem.nodes, operators) for tree in batch]
        for tree, value in zip(batch, problem.eval(nodes), strict=True):
            expected = build(tree, np, problem.arrays, operators)
            if np.abs(expected).max() < 2**20:
                np.testing.assert_allclose(value[0], expected, rtol=1e-12, atol=1e-12, err_msg=repr(tree))

    check()


SLICES = st.builds(slice, *[st.one_of(st.none(), st.integers(-6, 6))] * 2, st.sampled_from([None, 1, 2, -1, -2]))


@pytest.mark.usefixtures("x64")
def test_indexing_is_that_of_numpy():
    problem = Problem()
    part = st.one_of(SLICES, st.integers(-3, 2))
    tuples = [(part,), (part, part), (st.just(...), part), (part, st.none(), part)]
    index = st.one_of(part, st.just(None), st.just(...), *(st.tuples(*parts) for parts in tuples))

    @settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
    @given(st.lists(index, min_size=10, max_size=10))
    def check(batch):
        nodes = [problem.v[key] for key in batch]
        for key, node, value in zip(batch, nodes, problem.eval(nodes), strict=True):
            expected = problem.arrays["v"][key]
            assert node.aval.shape == expected.shape
            np.testing.assert_array_equal(value[0], expected, err_msg=repr(key))

    check()


@pytest.mark.usefixtures("x64")
def test_reductions_and_structure():
    problem = Problem()
    v, a = problem.v, problem.arrays["v"]
    pairs = [
        (v.mse, np.mean(a**2)), (v.mae, np.mean(abs(a))), (v.mean, a.mean()), (v.sum, a.sum()), (v.min, a.min()),
        (v.max, a.max()), (v.std, a.std()), (v.T, a.T), (v[None].T, a[None].T), (v.reshape(3, 5), a.reshape(3, 5)),
        (v @ v.T, a @ a.T), (v.T @ a, a.T @ a), (a.T @ v, a.T @ a), (v[0] @ v[1], a[0] @ a[1]), (v.equal(v[:1]), a == a[:1]),
        (v.not_equal(0.25), a != 0.25), ((v + 2j * v).mse, 5 * np.mean(a**2)), ((3 + 4j * v / v).mae, np.float64(5)),
        ((v * (1 - 2j)).real, a), ((v * (1 - 2j)).imag, -2 * a), (+v, a), (2 ** (-v), 2.0 ** (-a)),
    ]  # fmt: skip
    pairs = [(n, e) for n, e in pairs if not np.isnan(e).any()]
    values = problem.eval([node for node, _ in pairs])
    for (node, expected), value in zip(pairs, values, strict=True):
        assert node.aval.shape == expected.shape, node
        np.testing.assert_allclose(value[0], expected, rtol=1e-12, err_msg=repr(node))


def test_reductions_are_scalars_per_instance():
    domain = 3 * jno.domain.from_array({"interior": np.linspace(0, 1, 4)[:, None]})
    x, _ = domain.variable("interior")
    k = domain.variable("k", np.array([1.0, 2.0, 3.0]), per="instance")
    values = jno.core([x.mse], domain=domain).eval([(k * x).mean, x.mean, k])
    np.testing.assert_allclose(values[0], [0.5, 1.0, 1.5], rtol=1e-6)
    np.testing.assert_allclose(values[1], [0.5], rtol=1e-6)
    np.testing.assert_allclose(values[2], [1, 2, 3])


# What is held constant.


def network():
    domain = jno.domain.from_array({"interior": np.linspace(-1, 1, 7)[:, None]})
    x, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 5, 1, jnp.tanh, key=jax.random.key(0)), name="u")
    return domain, x, net


def test_stop_gradient_keeps_the_value_and_has_no_derivative():
    domain, x, net = network()
    u = net(x)
    kept, still, product, parameters = jno.core([u.mse], domain=domain).eval(
        [u.stop_gradient - u, u.stop_gradient.d(x), (x * (x**2).stop_gradient).d(x), u.stop_gradient.mse.grad(net)]
    )
    np.testing.assert_array_equal(kept, np.zeros((1, 7, 1)))
    np.testing.assert_array_equal(still, np.zeros((1, 7, 1)))
    np.testing.assert_allclose(product[0, :, 0], np.linspace(-1, 1, 7) ** 2, atol=1e-6)
    np.testing.assert_array_equal(parameters, np.zeros((1, 16)))


def test_a_stopped_factor_is_a_constant_of_the_parameter_gradient():
    domain, x, net = network()
    u = net(x)
    held = jno.core([u.mse], domain=domain).eval((u.stop_gradient * u).mean.grad(net))[0]
    points = jnp.linspace(-1, 1, 7)[:, None]

    def product(module):
        value = jax.vmap(module)(points)
        return jnp.mean(jax.lax.stop_gradient(value) * value)

    expected = jax.flatten_util.ravel_pytree(eqx.filter_grad(product)(net.module))[0]
    np.testing.assert_allclose(held, expected, rtol=1e-5, atol=1e-7)


def test_a_stopped_jacobian_trains_nothing():
    domain, x, net = network()
    net.optimizer(optax.sgd(0.1))
    u, before = net(x), jax.tree.map(np.array, eqx.filter(net.module, eqx.is_array))
    jacobian = u.grad(net).stop_gradient
    crux = jno.core([(jacobian @ jacobian.T).mse, u.d(x).stop_gradient.mse], domain=domain)
    history = crux.solve(3)
    assert history.total_loss > 0
    assert eqx.tree_equal(before, jax.tree.map(np.asarray, eqx.filter(net.module, eqx.is_array)))
    free = u.grad(net)
    assert np.abs(crux.eval((free @ free.T).mse.grad(net))).max() > 1e-3
