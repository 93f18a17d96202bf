"""The node protocol: immutability, children and rebuilding, structural equality, abstract values, refusals."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
from jno_core import _graph
from jno_core._graph import Placeholder, walk
from jno_core.errors import JnoError, JnoIndexError, JnoTypeError, JnoValueError


class Problem:
    """A plane point set, a second one, a network, attached arrays and a parameter."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.domain = jno.domain.from_array({"interior": rng.uniform(0.2, 0.9, (5, 2)), "other": rng.random((7, 2))})
        self.x, self.y, self.t = self.domain.variable("interior")
        self.xo, self.yo, _ = self.domain.variable("other")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 3, 4, 1, jnp.tanh, key=jax.random.key(0)), name="net")
        self.v = self.net(self.x, self.y)
        self.k = self.domain.variable("k", np.array([2.0, 3.0], np.float32), per="shared")
        self.k2 = self.domain.variable("k2", np.array([2.0, 3.0], np.float32), per="shared")
        self.p = jno.np.parameter((2,), name="p")
        self.u = jno.np.sin(self.x) * self.y
        self.weights = jno.fn.adaptive.relobralo([self.u.mse, self.v.mse])

    def mask(self, select):
        nothing = jax.tree.map(lambda _: False, self.net.module)
        return self.net.mask(eqx.tree_at(select, nothing, True))

    def eval(self, nodes):
        return jno.core([self.u.mse], domain=self.domain).eval(nodes)


@pytest.fixture(scope="module")
def problem():
    return Problem()


def kinds(p):
    """One or more nodes of every kind; two of them never mean the same."""
    x, y, u, v = p.x, p.y, p.u, p.v
    first, second = (lambda m: m.layers[0].weight), (lambda m: m.layers[1].bias)
    return [
        x, y, p.t, p.xo, p.k, p.k2, p.p, u, v,
        *(x * number for number in (0.0, -0.0, 1, 1.0, True, 2.0, 1j, np.float32(2), np.int32(2), float("nan"))),
        x + y, x - y, x * y, x / y, x**y, x // y, x % y, x > y, x >= y, x < y, x <= y, x.equal(y), x.not_equal(y), v @ v.T,
        v[0], v[0:1], v[:1, 0], v[..., 0], v[None], v[::2], v[::-1], v[-1],
        -x, abs(x), v.T, v.reshape(3, 5), v.reshape(15, 1), v.reshape((15,)), v.real, v.imag, v.stop_gradient,
        v.mse, v.mae, v.mean, v.sum, v.min, v.max, v.std,
        jno.np.sum(v, axis=0), jno.np.sum(v, axis=1), jno.np.sum(v, 0, keepdims=True), jno.np.clip(v, 0.0, 1.0),
        jno.np.clip(v, -0.0, 1.0), jno.np.clip(v, 0, 1), jno.np.stack([x, y]), jno.np.stack([y, x]),
        jno.np.stack([x, y], axis=1),
        jno.np.where(x > y, x, y), jno.np.concat([x, y]), jno.np.function(_with_key, [x]),
        u.d(x), u.d(y), u.d(x, "automatic_differentiation:forward"), u.grad(x), u.grad(x, y), u.grad(y, x),
        u.d2(x), u.laplacian(x, y), u.hessian(x, y), u.hessian(y, x), u.hessian(x), u.d(x).d(y), u.d(y).d(x), v.laplacian(),
        v.grad(p.net), v.grad(p.mask(first)), v.grad(p.mask(second)), v.mse.grad(p.net), u.d(x).mse * p.p.mse.grad(p.p),
        jno.noise.gaussian(), jno.noise.gaussian(), jno.noise.uniform(), jno.noise.laplace(2.0, 3),
        u.mse.tracker(), u.mse.tracker(2), u.mse.tracker(2, np.max), *p.weights,
    ]  # fmt: skip


def _with_key(a, key):
    return a if key is None else a + jax.random.normal(key, a.shape)


def concrete(cls):
    for sub in cls.__subclasses__():
        yield from concrete(sub)
        if not getattr(sub, "__abstractmethods__", None):
            yield sub


# The protocol.


def test_every_kind_of_node_is_among_those_tested(problem):
    present = {type(node) for root in kinds(problem) for node in walk.nodes([root])}
    # Integrals need a mesh and a time axis; see test_integrals.
    assert present == set(concrete(Placeholder)) - {_graph.KernelIntegral, _graph.TimeIntegral}
    assert {cls.__name__ for cls in present} <= set(dir(_graph))


def test_nodes_cannot_be_changed(problem):
    for root in kinds(problem):
        for field in dataclasses.fields(root):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(root, field.name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            root.anything = 1


def test_an_array_is_copied_into_the_graph(problem):
    array = np.ones((5, 1), np.float32)
    product, stacked = array * problem.x, jno.np.stack([array, problem.x])
    array[:] = 7
    product, stacked = problem.eval([product / problem.x, stacked])
    np.testing.assert_array_equal(product[0], np.ones((5, 1)))
    np.testing.assert_array_equal(stacked[0, 0], np.ones((5, 1)))


def test_rebuilding_from_the_own_children_changes_nothing(problem):
    number = walk.Interner().number
    for root in kinds(problem):
        for node in walk.nodes([root]):
            again = node.rebuild(node.children())
            assert type(again) is type(node)
            assert again.label == node.label
            assert again.aval == node.aval
            assert all(a is b for a, b in zip(again.children(), node.children(), strict=True))
            assert number(again) == number(node)


def test_rebuilding_puts_new_children_in_their_places(problem):
    for root in kinds(problem):
        if isinstance(root, _graph.AbstractDerivative) or not root.children():
            continue
        new = tuple(child.name(f"c{i}") for i, child in enumerate(root.children()))
        assert root.rebuild(new).children() == new


def test_a_derivative_is_rebuilt_with_its_variables(problem):
    x, y, u = problem.x, problem.y, problem.u
    for node in (u.d(x), u.laplacian(x, y), u.hessian(x, y), u.grad(x, y)):
        other = (x**2, *reversed(node.children()[1:]))
        assert node.rebuild(other).children() == other
        assert node.rebuild(other).request.kind == node.request.kind


def test_comparison_and_hash_are_by_identity(problem):
    a, b = problem.x + problem.y, problem.x + problem.y
    assert a == a
    assert a != b
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


# Structure.


def test_equal_structure_has_one_number(problem):
    number = walk.Interner().number
    for first, second in zip(kinds(problem), kinds(problem), strict=True):
        if not any(isinstance(n, _graph.Noise) for n in (first, second)):
            assert number(first) == number(second), (first, second)


def test_different_nodes_have_different_numbers(problem):
    number, seen = walk.Interner().number, {}
    for node in kinds(problem):
        assert seen.setdefault(number(node), node) is node, (node, seen[number(node)])
        hash(node.key())


def test_labels_do_not_count(problem):
    number = walk.Interner().number
    assert number(problem.u.name("a") + 1) == number(problem.u + 1)


def test_signed_zeros_are_told_apart(problem):
    x = problem.x
    plus, minus, clipped, other = problem.eval([x / 0.0, x / -0.0, 1 / (0.0 * x + 0.0), 1 / (-0.0 * x + -0.0)])
    assert (plus > 0).all()
    assert (minus < 0).all()
    assert (clipped > 0).all()
    assert (other < 0).all()


def test_unlike_nodes_keep_their_values_in_one_constraint(problem):
    """What jNO merged: derivatives, parameter Jacobians and noise of one expression have values of their own."""
    x, y, u, v = problem.x, problem.y, problem.u, problem.v
    first, second = problem.mask(lambda m: m.layers[0].bias), problem.mask(lambda m: m.layers[1].bias)
    nodes = [u.d(x), u.d(y), u.d2(x), u.d(x).d(y), v.mse.grad(first).sum, v.mse.grad(second).sum, u.mean, u.std]
    together = problem.eval(nodes)
    weighted = sum(10.0**i * node.mse for i, node in enumerate(nodes))
    expected = sum(10.0**i * np.mean(np.square(value)) for i, value in enumerate(together))
    np.testing.assert_allclose(problem.eval(weighted), [expected], rtol=1e-4)
    for node, value in zip(nodes[:3], together, strict=False):
        np.testing.assert_allclose(problem.eval(node), value, rtol=1e-6)


def test_equal_structure_is_evaluated_once(problem):
    calls = []

    def network(x):
        calls.append(x.shape)
        return jnp.sin(x)

    net = jno.nn.wrap(network)
    node = (net(problem.x) + net(problem.x)) * net(problem.x) + (net(problem.x) + net(problem.y)).mse
    del calls[:]
    problem.eval(node)
    assert len(calls) == 2


def test_a_deep_graph_needs_no_deep_stack(problem):
    node = problem.x
    for _ in range(1200):
        node = node + 1.0
    np.testing.assert_allclose(problem.eval(node)[0], problem.eval(problem.x)[0] + 1200, rtol=1e-6)


def test_shared_parts_cost_nothing(problem):
    node = problem.x
    for _ in range(200):
        node = node * node - 0.5 * node
    assert len(list(walk.nodes([node]))) < 1000
    assert np.isfinite(problem.eval(node)).all()


# Abstract values.


def test_shape_and_type_are_known_when_a_node_is_built(problem):
    nodes = [n for n in kinds(problem) if not isinstance(n, _graph.Noise | _graph.Tracker)]
    for node, value in zip(nodes, problem.eval(nodes), strict=True):
        batched = walk.collocations([node]) or any(isinstance(n, _graph.TensorTag) for n in walk.nodes([node]))
        assert (value.shape[1:] if batched else value.shape) == node.aval.shape, node
        assert value.dtype == node.aval.dtype, node


def test_numbers_keep_the_other_operand_s_type(problem):
    half = problem.domain.variable("half", np.ones((5, 1), np.float16), per="point", at=problem.x)
    for node in (half * 2.0, 2 * half, half**0.5, half / 3, abs(-half)):
        assert node.aval.dtype == jnp.float16
    assert (half * problem.x).aval.dtype == jnp.float32
    assert (problem.x > 0).aval.dtype == bool


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda p: p.x * p.k, (5, 2)),
        (lambda p: p.v.T @ p.x, (3, 1)),
        (lambda p: p.v @ np.ones((3, 4)), (5, 4)),
        (lambda p: np.ones((4, 5)) @ p.v, (4, 3)),
        (lambda p: p.v.reshape(3, -1), (3, 5)),
        (lambda p: p.v.reshape((15, 1)), (15, 1)),
        (lambda p: p.v.reshape([15]), (15,)),
        (lambda p: p.v[..., 1:], (5, 2)),
        (lambda p: p.v[1:3, None, -1], (2, 1)),
        (lambda p: p.v.mean, ()),
        (lambda p: p.v.grad(p.x, p.y), (5, 3, 2)),
        (lambda p: p.v.hessian(p.x, p.y), (5, 3, 2, 2)),
        (lambda p: p.v.laplacian(), (5, 3)),
        (lambda p: p.v[..., 0].d(p.x), (5,)),
        (lambda p: p.v.d(p.x).grad(p.net), (5, 3, 27)),
    ],
)
def test_shapes(problem, make, shape):
    assert make(problem).aval.shape == shape


# Names.


def test_a_name_makes_a_labelled_copy(problem):
    u = problem.u
    named = u.name("u_h")
    assert (named.label, u.label) == ("u_h", None)
    assert named is not u
    assert repr(named + 1) == "u_h + 1"
    np.testing.assert_array_equal(problem.eval(named), problem.eval(u))
    for bad in ("", None, 3):
        with pytest.raises(JnoTypeError, match="name"):
            u.name(bad)


# What is refused.


def test_points_do_not_pair_with_every_other_point(problem):
    x, flat = problem.x, problem.v[..., 0]
    for make in (lambda: flat + x, lambda: x * flat, lambda: flat > x, lambda: flat - np.ones((5, 1))):
        with pytest.raises(JnoValueError, match=r"\(5,\).*\(5, 1\)|\(5, 1\).*\(5,\)") as e:
            make()
        assert "[..., 0:1]" in str(e.value)
    assert (flat[..., None] + x).aval.shape == (5, 1)


def test_operands_that_do_not_fit_are_named(problem):
    with pytest.raises(JnoValueError, match=r"\(5, 3\).*\(7, 3\).*'interior' \(5 points\)"):
        _ = problem.x * np.ones((5, 3)) + problem.xo * np.ones((7, 3))
    with pytest.raises(JnoError, match=r"\(5, 3\)"):
        _ = problem.v @ problem.v


@pytest.mark.parametrize("bad", [None, "a", [1.0, 2.0], {}, object(), np.array(["a"]), np.array([None])])
def test_what_is_no_operand_is_named(problem, bad):
    for make in (lambda: problem.x * bad, lambda: bad * problem.x, lambda: problem.x > bad):
        with pytest.raises(JnoTypeError, match="cannot be part of an expression"):
            make()


def test_a_network_is_no_operand(problem):
    with pytest.raises(JnoTypeError, match=r"Call it on coordinates first: net\(x, y\)"):
        _ = problem.net + problem.x
    with pytest.raises(JnoTypeError, match="Call it on coordinates first"):
        _ = problem.x + problem.net


def test_truth_iteration_and_length_are_refused(problem):
    x = problem.x
    for use in (bool, list, len, float, int, lambda n: 0 < n < 1, lambda n: [*n], lambda n: not n):
        with pytest.raises(JnoTypeError):
            use(x)
    with pytest.raises(JnoTypeError, match="where"):
        _ = x if x > 0.5 else -x


def test_indices_are_checked(problem):
    v = problem.v
    for bad in (5, -6, (0, 3), (0, 0, 0), (slice(None), 7)):
        with pytest.raises(JnoIndexError, match=r"\(5, 3\)"):
            _ = v[bad]
    for bad in ("a", 1.0, [0, 1], np.array([0]), problem.x):
        with pytest.raises(JnoTypeError, match="indexed by"):
            _ = v[bad]
    assert v[np.int64(2)].aval.shape == (3,)
