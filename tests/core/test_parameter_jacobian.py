"""`u.grad(net)`: the Jacobian in the parameters of a network, against JAX alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from jax.flatten_util import ravel_pytree

import jno
from jno_core.errors import JnoIndexError, JnoTypeError, JnoValueError

POINTS = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(np.float32)
SCALAR = eqx.nn.MLP(2, 1, 4, 2, jnp.tanh, key=jax.random.key(0))
VECTOR = eqx.nn.MLP(2, 3, 4, 1, jnp.tanh, key=jax.random.key(1))


class Problem:
    """Plane points, a network and its values as functions of the flat parameters."""

    def __init__(self, module, points=POINTS, instances=1):
        self.points = points
        self.domain = instances * jno.domain.from_array({"interior": points})
        self.x, self.y, self.t = self.domain.variable("interior")
        self.net = jno.nn.wrap(module, name="u")
        self.u = self.net(self.x, self.y)
        self.theta, self._unravel = ravel_pytree(eqx.filter(module, eqx.is_inexact_array))
        self._static = eqx.filter(module, eqx.is_inexact_array, inverse=True)

    def module(self, theta):
        return eqx.combine(self._unravel(theta), self._static)

    def jacobian(self, f):
        """`d f(module) / d theta` by JAX."""
        return jax.jit(jax.jacobian(lambda theta: f(self.module(theta))))(self.theta)

    def mask(self, *selects):
        nothing = jax.tree.map(lambda _: False, self.net.module)
        for select in selects:
            nothing = eqx.tree_at(select, nothing, True)
        return nothing

    def eval(self, nodes, **options):
        return jno.core([], domain=self.domain).eval(nodes, **options)


@pytest.fixture(scope="module")
def scalar():
    return Problem(SCALAR)


@pytest.fixture(scope="module")
def vector():
    return Problem(VECTOR)


def check(problem, *cases):
    """That nodes have a shape and the values of the Jacobian of `f(module)`: triples of node, `f` and shape."""
    values = problem.eval([*(node for node, _, _ in cases), problem.x])
    exact = problem.jacobian(lambda module: [f(module) for _, f, _ in cases])
    for (node, _, shape), value, expected in zip(cases, values[:-1], exact, strict=True):
        assert node.aval.shape == shape
        assert value.shape == (1, *shape)
        np.testing.assert_allclose(value[0], expected.reshape(shape), rtol=2e-4, atol=2e-5, err_msg=repr(node))


# Shapes (ruling R3) and values.


def test_a_scalar_field(scalar):
    p = scalar.theta.size
    field, flat = scalar.u.grad(scalar.net), scalar.u[..., 0].grad(scalar.net)
    check(scalar, *((node, lambda m: jax.vmap(m)(POINTS)[:, 0], (5, p)) for node in (field, flat)))


def test_a_vector_field(vector):
    check(vector, (vector.u.grad(vector.net), lambda m: jax.vmap(m)(POINTS), (5, 3, vector.theta.size)))


def test_a_scalar(vector):
    p = vector.theta.size
    check(
        vector,
        (vector.u.mse.grad(vector.net), lambda m: jnp.mean(jax.vmap(m)(POINTS) ** 2), (p,)),
        (vector.u.max.grad(vector.net), lambda m: jnp.max(jax.vmap(m)(POINTS)), (p,)),
    )


def test_one_point_is_not_taken_for_components():
    for module, c in ((SCALAR, 1), (VECTOR, 3)):
        problem = Problem(module, POINTS[:1])
        shape = (1, problem.theta.size) if c == 1 else (1, 3, problem.theta.size)
        check(problem, (problem.u.grad(problem.net), lambda m, q=problem.points: jax.vmap(m)(q), shape))


def test_derivatives_in_coordinates(scalar):
    x, y, p = scalar.x, scalar.y, scalar.theta.size

    def each(f):
        return lambda m: jax.vmap(f(lambda q: m(q)[0]))(jnp.asarray(POINTS))

    laplacian = each(lambda u: lambda q: jnp.trace(jax.hessian(u)(q)))
    residual = (scalar.u.laplacian(x, y) + jno.np.sin(x)).mse
    check(
        scalar,
        (scalar.u.d(y).grad(scalar.net), each(lambda u: lambda q: jax.grad(u)(q)[1]), (5, p)),
        (scalar.u.laplacian(x, y).grad(scalar.net), laplacian, (5, p)),
        (scalar.u.grad(x, y).grad(scalar.net), each(jax.grad), (5, 2, p)),
        (residual.grad(scalar.net), lambda m: jnp.mean((laplacian(m) + jnp.sin(POINTS[:, 0])) ** 2), (p,)),
    )


def test_points_that_see_each_other(vector):
    def f(m):
        value = jax.vmap(m)(POINTS)
        return value * value.mean()

    p = vector.theta.size
    check(
        vector,
        ((vector.u * vector.u.mean).grad(vector.net), f, (5, 3, p)),
        (vector.u[::-1].grad(vector.net), lambda m: jax.vmap(m)(POINTS)[::-1], (5, 3, p)),
        (vector.u[1:3, :2].grad(vector.net), lambda m: jax.vmap(m)(POINTS)[1:3, :2], (2, 2, p)),
    )


def test_the_jacobian_is_differentiated_in_coordinates_and_parameters(scalar):
    x, p = scalar.x, scalar.theta.size
    slope = lambda m: jax.vmap(lambda q: jax.grad(lambda s: m(s)[0])(q)[0])(jnp.asarray(POINTS))  # noqa: E731
    check(scalar, (scalar.u.grad(scalar.net).d(x), slope, (5, p)))
    gram = scalar.u.grad(scalar.net)

    def energy(theta):
        j = jax.jacobian(lambda t: jax.vmap(scalar.module(t))(POINTS)[:, 0])(theta)
        return jnp.mean((j @ j.T) ** 2)

    value = scalar.eval((gram @ gram.T).mse.grad(scalar.net))
    np.testing.assert_allclose(value[0], jax.jit(jax.grad(energy))(scalar.theta), rtol=2e-4, atol=2e-4)


def test_every_instance_and_time_has_its_own():
    domain = 3 * jno.domain.from_array({"interior": POINTS}, time=(0.0, 1.0, 2))
    x, y, t = domain.variable("interior")
    k = domain.variable("k", np.array([1.0, 2.0, 3.0], np.float32), per="instance")
    net = jno.nn.wrap(SCALAR)
    crux = jno.core([], domain=domain)
    field, loss = crux.eval([(k * net(x, y) * (1 + t)).grad(net), (k * net(x, y)).mse.grad(net)])
    theta, unravel = ravel_pytree(eqx.filter(SCALAR, eqx.is_inexact_array))
    static = eqx.filter(SCALAR, eqx.is_inexact_array, inverse=True)
    exact = jax.jacobian(lambda p: jax.vmap(eqx.combine(unravel(p), static))(POINTS)[:, 0])(theta)
    assert field.shape == (3, 2, 5, theta.size)
    for b, factor in enumerate((1, 2, 3)):
        for i, time in enumerate((0.0, 1.0)):
            np.testing.assert_allclose(field[b, i], factor * (1 + time) * exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(loss[1], 4 * loss[0], rtol=1e-5)


# The order of the parameters, and masks.


def test_columns_come_leaf_by_leaf_and_row_by_row():
    class Affine(eqx.Module):
        table: dict
        first: jax.Array

        def __call__(self, q):
            return (self.first @ q + self.table["b"])[:1] + self.table["a"]

    problem = Problem(Affine({"b": jnp.zeros(2), "a": jnp.zeros(1)}, jnp.zeros((2, 2))))
    one, zero = np.ones((5, 1)), np.zeros((5, 1))
    expected = np.concatenate([one, one, zero, POINTS, zero, zero], axis=1)
    np.testing.assert_allclose(problem.eval(problem.u.grad(problem.net))[0], expected, rtol=1e-6)


LEAVES = [
    lambda m: m.layers[0].weight,
    lambda m: m.layers[0].bias,
    lambda m: m.layers[1].weight,
    lambda m: m.layers[1].bias,
    lambda m: m.layers[2].weight,
    lambda m: m.layers[2].bias,
]


def test_a_mask_selects_columns(scalar):
    full = scalar.eval(scalar.u.grad(scalar.net))[0]
    sizes = [select(SCALAR).size for select in LEAVES]
    ends = np.cumsum(sizes)

    @settings(deadline=None, max_examples=8)
    @given(st.sets(st.integers(0, 5), min_size=1))
    def check_mask(chosen):
        node = scalar.u.grad(scalar.net.mask(scalar.mask(*(LEAVES[i] for i in sorted(chosen, reverse=True)))))
        columns = np.concatenate([np.arange(ends[i] - sizes[i], ends[i]) for i in sorted(chosen)])
        assert node.aval.shape == (5, len(columns))
        np.testing.assert_allclose(scalar.eval(node)[0], full[:, columns], rtol=1e-5, atol=1e-6)

    check_mask()


def test_a_mask_holds_for_one_derivative_only():
    problem = Problem(SCALAR)
    u, net, mask = problem.u, problem.net, problem.mask(LEAVES[-1])
    masked, full, again = u.grad(net.mask(mask)), u.grad(net), u.grad(net.mask(None))
    assert [n.aval.shape[1] for n in (masked, full, again)] == [1, problem.theta.size, problem.theta.size]
    both = problem.eval([masked, full])
    np.testing.assert_array_equal(both[0][0], both[1][0][:, -1:])


def test_two_masks_in_one_expression_keep_their_own_columns(scalar):
    first, last = (scalar.net.mask(scalar.mask(leaf)) for leaf in (LEAVES[1], LEAVES[3]))
    residual = scalar.u.mse
    dot, one, two = scalar.eval(
        [jno.np.dot(residual.grad(first), residual.grad(last)), residual.grad(first), residual.grad(last)]
    )
    np.testing.assert_allclose(dot[0], np.dot(one[0], two[0]), rtol=1e-5)
    assert not np.allclose(one, two)


def test_frozen_parameters_are_left_out_unless_named():
    problem = Problem(SCALAR)
    problem.net.mask(problem.mask(LEAVES[0])).freeze()
    full = problem.eval(problem.u.grad(problem.net.mask(None)))
    free = problem.eval(problem.u.grad(problem.net))
    np.testing.assert_array_equal(free, full[..., LEAVES[0](SCALAR).size :])
    problem.net.freeze()
    with pytest.raises(JnoValueError, match=r"mask\(None\)"):
        problem.u.grad(problem.net)
    assert problem.u.grad(problem.net.mask(None)).aval.shape == full.shape[1:]


def test_integers_are_no_parameters():
    class Scaled(eqx.Module):
        power: jax.Array
        weight: jax.Array

        def __call__(self, q):
            return self.weight * q[:1] ** self.power

    problem = Problem(Scaled(jnp.array(3), jnp.array([2.0])))
    value = problem.eval(problem.u.grad(problem.net))
    np.testing.assert_allclose(value[0], POINTS[:, :1] ** 3, rtol=1e-5)


def test_trainable_parameters_and_the_chain_rule_of_constraints():
    problem = Problem(SCALAR)
    a = jno.np.parameter((2, 1), name="a").initialize(0.5)
    b = jno.np.parameter((1,), name="b").initialize(0.3).constrain(jnp.exp)
    node = jno.np.concat([problem.x, problem.y]) @ a + b * problem.x
    in_a, in_b, alone = problem.eval([node.grad(a), node.grad(b), a.T.grad(a)])
    np.testing.assert_allclose(in_a[0], POINTS, rtol=1e-6)
    np.testing.assert_allclose(in_b[0], np.exp(0.3) * POINTS[:, :1], rtol=1e-5)
    np.testing.assert_array_equal(alone, np.eye(2)[None])


def test_weights_are_the_current_ones():
    problem = Problem(SCALAR)
    problem.net.optimizer(optax.adam(1e-2))
    node = problem.u.grad(problem.net)
    crux = jno.core([(problem.u - problem.x).mse], domain=problem.domain)
    before = crux.eval(node)
    crux.solve(20)
    after = crux.eval(node)
    exact = jax.jacobian(
        lambda m: jax.vmap(eqx.combine(m, eqx.filter(SCALAR, eqx.is_array, inverse=True)))(POINTS)[:, 0]
    )(eqx.filter(problem.net.module, eqx.is_array))
    columns = np.concatenate([np.reshape(leaf, (5, -1)) for leaf in jax.tree.leaves(exact)], axis=1)
    np.testing.assert_allclose(after[0], columns, rtol=1e-4, atol=1e-5)
    assert not np.allclose(before, after)


# Indices (ruling R5), kernels, and what is refused.


def test_a_bare_integer_selects_the_instance(scalar):
    jacobian = scalar.u.grad(scalar.net)
    assert jacobian[0] is jacobian
    assert jacobian[-1] is jacobian
    assert jacobian[np.int64(0)] is jacobian
    assert (jacobian[0] @ jacobian[0].T).aval.shape == (5, 5)
    assert jacobian[0:1].aval.shape == (1, scalar.theta.size)
    assert jacobian[0, :].aval.shape == (scalar.theta.size,)
    assert jacobian.name("J")[0].aval.shape == jacobian.aval.shape
    with pytest.raises(JnoIndexError, match=r"J\[1:2\]"):
        jacobian[1]


def test_the_tangent_kernel_is_symmetric_and_positive(scalar):
    jacobian = scalar.u.grad(scalar.net)
    [rows] = scalar.eval([jacobian])
    assert rows.shape == (5, scalar.theta.size)
    kernel = np.asarray(scalar.eval(jacobian @ jacobian.T)[0])
    np.testing.assert_allclose(kernel, rows @ rows.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kernel, kernel.T, rtol=1e-5)
    assert np.linalg.eigvalsh(kernel.astype(float)).min() > -1e-5


def test_what_has_no_parameter_jacobian(scalar):
    stranger = jno.nn.wrap(SCALAR, name="v")
    for call, error, text in (
        (lambda: scalar.x.grad(scalar.net), JnoValueError, "does not contain u"),
        (lambda: scalar.u.grad(stranger), JnoValueError, "does not contain v"),
        (lambda: scalar.u.hessian(scalar.x, scalar.y).grad(scalar.net), JnoValueError, r"\(5, 2, 2\)"),
        (lambda: scalar.u.grad(scalar.net.module), JnoTypeError, None),
        (lambda: scalar.u.grad(scalar.net, scalar.x), JnoTypeError, None),
    ):
        with pytest.raises(error, match=text):
            call()
