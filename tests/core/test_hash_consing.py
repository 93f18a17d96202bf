"""`share`: values and derivatives of the unshared function, each equation bound once, nothing merged that differs."""

import equinox as eqx
import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.experimental import io_callback

from jno_core._compile import hash_consing
from jno_core._compile.hash_consing import share

X = jnp.array([0.3, -0.7, 1.1])
Y = jnp.array([-0.2, 0.9, 0.4])


def count_equations(jaxpr, name):
    """How many equations of a primitive a jaxpr has, those of its sub-jaxprs included."""
    return sum(e.primitive.name == name for e in jaxpr.eqns) + sum(
        count_equations(sub, name) for sub in jex.subjaxprs(jaxpr)
    )


def counts(fn, *args, name):
    """The number of equations named `name` in `fn` and in `share(fn)`."""
    return tuple(count_equations(jax.make_jaxpr(f)(*args).jaxpr, name) for f in (fn, share(fn)))


def assert_trees_close(got, expected, rtol=1e-5, atol=1e-6):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert jax.typeof(a) == jax.typeof(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


# --- random programs


@jax.jit
def jitted(x, y):
    return jnp.where(x > y, jnp.sin(x), x * y)


@jax.custom_vjp
def doubled_gradient(x):
    return jnp.sin(x)


doubled_gradient.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (2 * jnp.cos(x) * g,))


def running(c, a):
    return jnp.sin(c + a), c


UNARY = [
    jnp.sin,
    jnp.tanh,
    jax.nn.relu,
    jax.nn.softplus,
    doubled_gradient,
    lambda x: -x,
    lambda x: x * 0.5,
    lambda x: 0.5 * x,
    lambda x: jnp.flip(x),
    lambda x: x - jnp.mean(x),
    lambda x: jnp.cumsum(x) / 3,
    lambda x: jnp.exp(jnp.tanh(x)),
    lambda x: jax.lax.stop_gradient(x) + x,
    lambda x: jax.checkpoint(jnp.sin)(x),
    lambda x: jax.lax.scan(running, 0.1, x)[1],
    lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x),
]
BINARY = [jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum, jnp.logaddexp, jnp.arctan2, jitted]

STEPS = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 30), st.integers(0, 30)),
    min_size=1,
    max_size=12,
)


def program(steps):
    """The function that applies the listed operations to the values computed so far, x and y first."""

    def run(x, y):
        values = [x, y]
        for operation, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            if operation < len(UNARY):
                values.append(UNARY[operation](a))
            else:
                values.append(BINARY[operation - len(UNARY)](a, b))
        return sum(jnp.sum(jnp.tanh(v)) for v in values[2:])

    return run


@settings(deadline=None, max_examples=30)
@given(STEPS)
def test_random_programs_keep_their_values_and_gradients(steps):
    fn = program(steps)
    # Not compiled: most operations of a program were compiled for those before it.
    expected = jax.value_and_grad(fn, argnums=(0, 1))(X, Y)
    got = jax.value_and_grad(share(fn), argnums=(0, 1))(X, Y)
    assert_trees_close(got, expected, rtol=2e-4, atol=2e-5)


@settings(deadline=None, max_examples=30)
@given(STEPS)
def test_a_program_written_twice_costs_as_much_as_once(steps):
    fn = program(steps)

    def twice(x, y):
        return fn(x, y), fn(x, y)

    once = jax.make_jaxpr(share(fn))(X, Y).jaxpr.eqns
    both = jax.make_jaxpr(share(twice))(X, Y)
    assert len(both.jaxpr.eqns) == len(once)
    assert both.jaxpr.outvars[0] is both.jaxpr.outvars[1]


# --- sharing


def summed_sines(x, sign=1.0, reverse=False):
    return jax.lax.scan(lambda c, a: (c + sign * jnp.sin(a), c), 0.0, x, reverse=reverse)[1]


def grown(x):
    return jax.lax.while_loop(lambda c: jnp.sum(c) < 9, lambda c: c + jnp.sin(c) ** 2 + 1, x)


def normal(seed):
    return jax.random.normal(jax.random.key(seed), (3,))


def second_derivative(u, x, direction):
    def first(z):
        return jax.jvp(u, (z,), (direction,))[1]

    return jax.jvp(first, (x,), (direction,))[1]


def residual(net, points):
    """The residual lap u + u, each derivative taken by itself."""

    def u(z):
        return jax.vmap(net)(z)

    e = jnp.eye(2)
    u_xx = second_derivative(u, points, jnp.broadcast_to(e[0], points.shape))
    u_yy = second_derivative(u, points, jnp.broadcast_to(e[1], points.shape))
    return jnp.mean((u_xx + u_yy + u(points)) ** 2)


POINTS = jax.random.normal(jax.random.key(3), (20, 2))


def make_net(activation):
    return eqx.nn.MLP(2, 1, width_size=8, depth=3, activation=activation, key=jax.random.key(0))


def loss_of(activation):
    params, static = eqx.partition(make_net(activation), eqx.is_array)
    return params, lambda p, z: residual(eqx.combine(p, static), z)


def test_each_hidden_layer_has_one_tanh():
    params, loss = loss_of(jnp.tanh)
    before, after = counts(loss, params, POINTS, name="tanh")
    assert after == 3
    assert before == 9


@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.softplus])
def test_each_hidden_layer_has_one_call_with_a_custom_rule(activation):
    params, loss = loss_of(activation)
    before, after = counts(loss, params, POINTS, name="custom_jvp_call")
    assert after == 3
    assert before > 3


@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.softplus, jax.nn.gelu, jnp.sin])
def test_gradients_of_a_residual_are_those_of_the_unshared_one(activation):
    params, loss = loss_of(activation)
    expected = jax.jit(jax.value_and_grad(loss))(params, POINTS)
    got = jax.jit(jax.value_and_grad(share(loss)))(params, POINTS)
    assert_trees_close(got, expected, rtol=1e-4)


def test_sharing_before_reverse_mode_saves_matrix_products():
    params, loss = loss_of(jnp.tanh)
    products = [
        count_equations(jax.make_jaxpr(jax.grad(f))(params, POINTS).jaxpr, "dot_general") for f in (loss, share(loss))
    ]
    assert products[1] <= 0.7 * products[0]


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (lambda x, y: jnp.sin(x + y) * jnp.sin(y + x), "sin"),
        (lambda x, y: jnp.sin(x * y) * jnp.sin(y * x), "sin"),
        (lambda x, y: jnp.sin(jnp.maximum(x, y)) * jnp.sin(jnp.maximum(y, x)), "sin"),
        (lambda x, y: jnp.sin(x + 1.5) * jnp.sin(1.5 + x), "sin"),
        (lambda x, y: jitted(x, y) * jitted(x, y), "sin"),
        (lambda x, y: jax.nn.silu(x) + jax.nn.sigmoid(x), "logistic"),
        (lambda x, y: jnp.sin(x + jnp.array([1.0, 2.0, 3.0])) * jnp.sin(x + jnp.array([1.0, 2.0, 3.0])), "sin"),
        (lambda x, y: jnp.sin(x + jnp.nan) * jnp.sin(x + jnp.nan), "sin"),
        (lambda x, y: summed_sines(x) * summed_sines(x), "sin"),
        (lambda x, y: grown(x) + grown(x), "sin"),
        (lambda x, y: jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x) * jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), "sin"),
        (lambda x, y: jax.checkpoint(jnp.sin)(x) * jax.checkpoint(jnp.sin)(x), "sin"),
        (lambda x, y: normal(0) * normal(0), "erf_inv"),
    ],
)
def test_equal_subexpressions_are_computed_once(fn, name):
    before, after = counts(fn, X, Y, name=name)
    assert (before, after) == (2, 1)
    np.testing.assert_allclose(share(fn)(X, Y), fn(X, Y), rtol=1e-6)


def test_unused_equations_are_dropped():
    def fn(x):
        jnp.sin(x)
        return x + 1

    assert counts(fn, X, name="sin") == (1, 0)


# --- soundness: what differs stays apart


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: (jnp.sin(x - Y), jnp.sin(Y - x)),
        lambda x: (jnp.sin(x.astype(jnp.float16)), jnp.sin(x.astype(jnp.bfloat16))),
        lambda x: (jnp.sin(x + 0.0), jnp.sin(x + (-0.0))),
        lambda x: (jnp.sin(x * 2.0), jnp.sin(x * 3.0)),
        lambda x: (jnp.sin(x + jnp.array([1.0, 2.0, 0.0])), jnp.sin(x + jnp.array([1.0, 2.0, -0.0]))),
        lambda x: (jnp.sin(jnp.sum(jnp.outer(x, x), 0)), jnp.sin(jnp.sum(jnp.outer(x, x), 1))),
        lambda x: (jnp.sin(jnp.outer(x, Y) @ x), jnp.sin(jnp.outer(x, Y).T @ x)),
        lambda x: (jnp.sin(x[:2]), jnp.sin(x[1:])),
        lambda x: (jnp.sin(jnp.cumsum(x)), jnp.sin(jax.lax.cumsum(x, reverse=True))),
        lambda x: (jnp.sin(x), jnp.sin(jax.lax.stop_gradient(x))),
        lambda x: (jnp.sin(x), jnp.sin(x.astype(jnp.int32))),
        lambda x: (jnp.sin(jnp.full(3, 1) * 0.5 * x), jnp.sin(jnp.full(3, 1.0) + x)),
        lambda x: (summed_sines(x), summed_sines(x, sign=-1.0)),
        lambda x: (summed_sines(x), summed_sines(x, reverse=True)),
        lambda x: (jnp.sin(normal(0)), jnp.sin(normal(1))),
        lambda x: (jnp.sin(jnp.zeros(3)), jnp.zeros(3, int), jnp.sin(jnp.full(3, 0.0) + x)),
    ],
)
def test_different_subexpressions_stay_apart(fn):
    assert counts(fn, X, name="sin") == (2, 2)
    assert_trees_close(share(fn)(X), fn(X))


def test_integer_and_float_literals_stay_apart():
    def fn(n):
        return n * 2, n.astype(float) * 2.0, n + 1, n + True

    assert_trees_close(share(fn)(jnp.arange(3)), fn(jnp.arange(3)))


def test_signed_zeros_survive():
    minus_zero = jnp.array(-0.0)
    got = share(lambda x: (x + 0.0, x + (-0.0)))(minus_zero)
    assert [bool(jnp.signbit(x)) for x in got] == [False, True]


def with_tangent_scale(scale, forward=jnp.sin):
    @jax.custom_jvp
    def f(x):
        return forward(x)

    @f.defjvp
    def rule(primals, tangents):
        return f(*primals), scale * tangents[0]

    return f


def with_cotangent_scale(scale):
    @jax.custom_vjp
    def f(x):
        return jnp.sin(x)

    f.defvjp(lambda x: (f(x), None), lambda _, g: (scale * g,))
    return f


def tower(depth, slope):
    """sin whose derivatives are right but for a slope in the rule of the function `depth` orders further down."""

    @jax.custom_jvp
    def f(x):
        return jnp.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        if depth == 0:
            return f(*primals), slope * tangents[0]
        return tower(depth - 1, slope)(*primals), jnp.cos(primals[0]) * tangents[0]

    return f


@pytest.mark.parametrize("make", [with_tangent_scale, with_cotangent_scale])
@pytest.mark.parametrize("scales", [(2.0, 3.0), (jnp.array(2.0), jnp.array(3.0)), (2.0, -2.0)])
def test_functions_that_differ_in_their_rule_stay_apart(make, scales):
    f, g = make(scales[0]), make(scales[1])

    def fn(x):
        return f(x) + 10 * g(x)

    np.testing.assert_allclose(jax.grad(share(fn))(0.4), jax.grad(fn)(0.4), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(share(fn))(0.4), float(scales[0] + 10 * scales[1]), rtol=1e-6)


def test_rules_are_compared_up_to_the_third_derivative():
    for depth in range(3):
        f, g = tower(depth, 2.0), tower(depth, 3.0)

        def fn(x, f=f, g=g):
            return f(x) + g(x)

        assert counts(fn, 0.4, name="custom_jvp_call") == (2, 2)


@pytest.mark.parametrize("make", [with_tangent_scale, with_cotangent_scale])
def test_one_function_with_a_rule_is_called_once(make):
    f = make(2.0)
    name = "custom_jvp_call" if make is with_tangent_scale else "custom_vjp_call"

    def fn(x):
        return jnp.exp(f(x)) + f(x) ** 2

    assert counts(fn, 0.4, name=name) == (2, 1)
    np.testing.assert_allclose(jax.grad(share(fn))(0.4), jax.grad(fn)(0.4), rtol=1e-6)


def test_a_rule_with_symbolic_zeros_is_not_merged():
    @jax.custom_jvp
    def f(x, y):
        return x * y

    def rule(primals, tangents):
        moving = [type(t) is not jax.custom_derivatives.SymbolicZero for t in tangents]
        return f(*primals), jnp.asarray(10.0 * moving[0] + moving[1])

    f.defjvp(rule, symbolic_zeros=True)

    def fn(x, y):
        return f(x, y) + f(x, y)

    assert counts(fn, 1.0, 2.0, name="custom_jvp_call") == (2, 2)
    for arg in (0, 1):
        np.testing.assert_allclose(jax.grad(share(fn), arg)(1.0, 2.0), jax.grad(fn, arg)(1.0, 2.0))


def test_a_rule_that_refuses_is_not_run_and_not_merged():
    @jax.custom_jvp
    def f(x):
        return jnp.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        raise RuntimeError("not differentiable")

    assert counts(lambda x: f(x) + f(x), 0.4, name="custom_jvp_call") == (2, 2)
    with pytest.raises(RuntimeError, match="not differentiable"):
        jax.grad(share(lambda x: f(x) + f(x)))(0.4)


def test_different_rules_inside_of_equal_loops_stay_apart():
    f, g = with_tangent_scale(2.0), with_tangent_scale(3.0)

    def looped(h):
        return lambda x: jax.lax.scan(lambda c, _: (h(c), None), x, None, length=2)[0]

    def fn(x):
        return looped(f)(x) + looped(g)(x)

    np.testing.assert_allclose(jax.grad(share(fn))(0.4), 4.0 + 9.0, rtol=1e-6)
    assert counts(lambda x: looped(f)(x) + looped(f)(x), 0.4, name="scan") == (2, 1)


# --- effects


def test_every_callback_happens_in_its_order():
    seen = []

    def note(x):
        seen.append(float(x))

    def fn(x):
        y = jnp.sin(x)
        jax.debug.callback(note, x)
        jax.debug.callback(note, x)
        jax.jit(lambda z: jax.debug.callback(note, 2 * z))(x)
        jnp.cos(x)
        return y

    before, after = counts(fn, 1.0, name="debug_callback")
    assert before == after == 3
    share(fn)(jnp.array(1.0))
    jax.effects_barrier()
    assert sorted(seen) == [1.0, 1.0, 2.0]


def test_ordered_callbacks_are_neither_merged_nor_dropped():
    log = []

    def draw():
        log.append(len(log))
        return np.float32(log[-1])

    def fn(x):
        first, second, _ = (io_callback(draw, jax.ShapeDtypeStruct((), jnp.float32), ordered=True) for _ in range(3))
        return x + 10 * first + 100 * second

    assert float(jax.jit(share(fn))(1.0)) == 1 + 0 + 100
    jax.effects_barrier()
    assert log == [0, 1, 2]


def test_mutable_references_are_read_at_their_time():
    def fn(x):
        ref = jax.new_ref(x)
        first = ref[...]
        ref[...] = 3 * first
        return first + 10 * ref[...]

    np.testing.assert_allclose(jax.jit(share(fn))(X), 31 * X, rtol=1e-6)


# --- transformations and PyTrees


def branching(x, y):
    return jnp.sum(jnp.sin(x * y) * jnp.sin(y * x) + jnp.logaddexp(x, y) ** 2 + jnp.logaddexp(x, y))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        jax.jit,
        jax.grad,
        lambda f: jax.jit(jax.hessian(f)),
        lambda f: jax.grad(lambda x, y: jnp.sum(jax.grad(f)(x, y) ** 2)),
        lambda f: jax.vmap(f, in_axes=(0, None)),
        lambda f: jax.vmap(jax.grad(f)),
        lambda f: jax.grad(lambda x, y: jnp.sum(jax.vmap(f)(x, y))),
        lambda f: lambda x, y: jax.jvp(f, (x, y), (y, x)),
        lambda f: lambda x, y: jax.linearize(f, x, y)[1](y, x),
        lambda f: jax.grad(jax.checkpoint(f)),
        lambda f: jax.grad(lambda x, y: jax.lax.map(lambda a: f(a, y), x).sum()),
    ],
)
def test_it_commutes_with_transformations(transform):
    assert_trees_close(transform(share(branching))(X, Y), transform(branching)(X, Y), rtol=1e-4)


def test_differentiation_inside_of_the_shared_function():
    def fn(x, y):
        return jax.hessian(branching)(x, y), jax.vmap(jax.grad(jnp.sin))(x)

    assert_trees_close(share(fn)(X, Y), fn(X, Y), rtol=1e-4)


def test_arrays_closed_over_are_differentiated():
    def outer(f):
        return jax.grad(lambda w: f(lambda x: jnp.sum(jnp.sin(w * x) * jnp.sin(x * w)))(X))(Y)

    np.testing.assert_allclose(outer(share), outer(lambda f: f), rtol=1e-5)


def test_named_axes_reach_the_function():
    def fn(x):
        return x / jax.lax.psum(x, "points") + jax.lax.psum(x, "points")

    got = jax.vmap(share(fn), axis_name="points")(X)
    np.testing.assert_allclose(got, X / X.sum() + X.sum(), rtol=1e-6)


def test_arbitrary_trees_go_in_and_out():
    net = make_net(jnp.tanh)

    def fn(net, data, *, power):
        out = jax.vmap(net)(data["points"]) ** power
        return {"net": net, "out": (out, 2.0, "text", None, jnp.array(3), data["key"])}

    data = {"points": POINTS, "key": jax.random.key(5)}
    got, expected = share(fn)(net, data, power=2), fn(net, data, power=2)
    assert eqx.tree_equal(got, expected, rtol=1e-6)
    assert jax.typeof(got["out"][4]) == jax.typeof(expected["out"][4])


def test_results_that_are_arguments_or_constants():
    def fn(x):
        return x, x, jnp.zeros(2), jnp.array(1.5), jax.lax.mul(2.0, 3.0)

    assert_trees_close(share(fn)(X), fn(X))
    assert_trees_close(jax.jit(share(fn))(X), fn(X))
    assert all(isinstance(x, jax.Array) for x in share(fn)(X))


def test_x64_and_weak_types_are_kept():
    with jax.enable_x64(True):
        x = jnp.array([0.1, 0.2])
        assert x.dtype == jnp.float64

        def fn(x):
            return 2 * x, jnp.sin(1.0) * x, jnp.float32(2) * x.astype(jnp.float32), jnp.asarray(1) + jnp.sin(0.5)

        assert_trees_close(share(fn)(x), fn(x), rtol=1e-14)


def test_a_jitted_function_with_shardings_keeps_them():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    inner = jax.jit(jnp.sin, in_shardings=sharding, out_shardings=sharding)
    jaxpr = jax.make_jaxpr(share(lambda x: inner(x) + inner(x)))(X)
    assert count_equations(jaxpr.jaxpr, "jit") == 1


# --- cost


def test_parameters_are_compared_a_bounded_number_of_times(monkeypatch):
    calls = []
    original = hash_consing.parameters_key

    def counted(equation, parent):
        calls.append(equation)
        return original(equation, parent)

    monkeypatch.setattr(hash_consing, "parameters_key", counted)
    x = jnp.arange(300.0)
    jax.make_jaxpr(share(lambda x: [x[i : i + 2] for i in range(290)]))(x)
    # Every slice reads the same input, and no two are equal.
    assert 290 <= len(calls) <= 2 * 290 * 2


def test_nested_calls_are_walked_once():
    fn = jnp.sin
    for _ in range(60):
        fn = jax.jit(lambda x, f=fn: f(x) + f(x))
    jaxpr = jax.make_jaxpr(share(fn))(1.0)
    assert len(jaxpr.jaxpr.eqns) == 61
