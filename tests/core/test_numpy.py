"""`jno.numpy`: every function of `jax.numpy`, in the graph and outside."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
from jno_core._graph import BinaryOp, FunctionCall, Jacobian, Literal
from jno_core.errors import JnoError, JnoTypeError, JnoValueError

OWN = {"concat", "concatenate"}
NAMESPACES = {"": jnp, "linalg": jnp.linalg, "fft": jnp.fft}
FUNCTIONS = [
    (namespace, name)
    for namespace, module in NAMESPACES.items()
    for name in dir(module)
    if not name.startswith("_") and callable(getattr(module, name)) and not isinstance(getattr(module, name), type)
]


def member(namespace, name):
    return getattr(getattr(jno.np, namespace) if namespace else jno.np, name)


# What is there.


@pytest.mark.parametrize(("namespace", "name"), FUNCTIONS)
def test_every_function_is_reachable_and_documented(namespace, name):
    ours, theirs = member(namespace, name), getattr(NAMESPACES[namespace], name)
    assert callable(ours)
    assert ours.__name__ == name or name in OWN
    text = inspect.getdoc(ours)
    if name not in OWN:
        assert text.endswith("With an expression as argument it makes a node of the graph.")
        assert (inspect.getdoc(theirs) or "") in text
    assert name in dir(getattr(jno.np, namespace) if namespace else jno.np)


def test_there_are_hundreds_of_them():
    assert len(FUNCTIONS) > 350


def test_signatures_are_those_of_jax():
    for name in ("sum", "where", "clip", "einsum", "stack"):
        assert inspect.signature(getattr(jno.np, name)) == inspect.signature(getattr(jnp, name))


def test_constants_and_types_are_themselves():
    for name in ("pi", "e", "inf", "float32", "int32", "bool_", "newaxis", "ndarray"):
        assert getattr(jno.np, name) is getattr(jnp, name)
    assert jno.np.π == jnp.pi
    assert np.isnan(jno.np.nan)


def test_missing_names_are_named():
    for namespace, path in ((jno.np, "jno.numpy"), (jno.np.linalg, r"jno\.numpy\.linalg")):
        for name in ("sinn", "_private"):
            with pytest.raises(AttributeError, match=f"{path} has no '{name}'"):
                getattr(namespace, name)


def test_jno_np_is_jno_numpy():
    import jno.numpy as jnn

    assert jno.np is jnn is jno.numpy
    assert {"grad", "laplacian", "parameter", "tracker", "function", "concat", "sin", "linalg"} <= set(dir(jnn))


# In the graph.


def test_several_results_keep_their_arrangement(problem):
    decomposition = jno.np.linalg.svd(problem.m)
    assert type(decomposition) is type(jnp.linalg.svd(jnp.eye(2)))
    assert all(isinstance(part, FunctionCall) for part in decomposition)
    assert repr(decomposition.S) == "svd[1](m)"
    assert [part.aval.shape for part in jno.np.split(problem.v, 3, axis=1)] == [(5, 1)] * 3


def test_derivatives_go_through(problem):
    x, y = problem.x, problem.y
    node = jno.np.where(x > 10, 0.0, jno.np.hypot(x, y) * jno.np.exp(-x)).d(x)
    a, b = (np.asarray(v, np.float64) for v in problem.arrays[:2])
    r = np.hypot(a, b)
    np.testing.assert_allclose(problem.crux.eval(node)[0], (a / r - r) * np.exp(-a), rtol=1e-5, atol=1e-6)


def test_equal_calls_are_equal_nodes(problem):
    x, v, one = problem.x, problem.v, jnp.ones((2, 5))
    for make in (
        lambda: jno.np.clip(v, max=x),
        lambda: jno.np.sum(v, axis=[0, 1]),
        lambda: jno.np.select([v > 0], [v]),
        lambda: jno.np.dot(one, v),
        lambda: jno.np.linalg.svd(v)[1],
    ):
        assert make().key() == make().key()
        hash(make().key())
    assert jno.np.sum(v, axis=0).key() != jno.np.sum(v, axis=1).key()
    assert jno.np.linalg.svd(v)[1].key() != jno.np.linalg.svd(v)[0].key()
    assert jno.np.clip(v, min=x).key() != jno.np.clip(v, max=x).key()


def test_a_node_does_not_change_with_the_callers_list(problem):
    x, y = problem.x, problem.y
    items = [x, y]
    node = jno.np.hstack(items)
    items.append(x)
    assert node.aval.shape == (5, 2)
    assert problem.crux.eval(node).shape == (1, 5, 2)


# NumPy itself on expressions.


def test_numpy_arrays_beside_expressions_give_one_node(problem):
    x = problem.x
    for node in (
        np.ones(3) * x,
        jnp.ones(3) * x,
        x * np.ones(3),
        np.float32(2) * x,
        np.add(np.ones(3), x),
        np.ones(3) < x,
    ):
        assert isinstance(node, BinaryOp)
        assert {type(node.left), type(node.right)} == {Literal, type(x)}
    np.testing.assert_allclose(
        problem.crux.eval(np.arange(3.0) ** x)[0], np.arange(3.0) ** problem.arrays[0], rtol=1e-6
    )
    np.testing.assert_allclose(
        problem.crux.eval(np.ones((2, 5)) @ x)[0], np.ones((2, 5)) @ problem.arrays[0], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["sin", "exp", "sqrt", "arctan2", "logical_and"])
def test_numpy_functions_name_their_replacement(problem, name):
    arguments = (problem.x,) * getattr(np, name).nin
    with pytest.raises(JnoTypeError, match=rf"numpy\.{name} cannot be traced; use jno\.numpy\.{name}"):
        getattr(np, name)(*arguments)


def test_expressions_do_not_become_arrays(problem):
    for convert in (np.asarray, np.mean, jnp.asarray, jnp.sin, float, list, bool, len):
        with pytest.raises(TypeError):
            convert(problem.x)
    with pytest.raises(JnoTypeError):
        np.add.reduce(problem.x)


# Mistakes.

MISTAKES = {
    "unknown keyword": (lambda p: jno.np.sin(p.x, axis=0), JnoTypeError),
    "too few arguments": (lambda p: jno.np.dot(p.x), JnoTypeError),
    "lengths that do not fit": (lambda p: jno.np.dot(p.v, p.v), JnoError),
    "axis out of range": (lambda p: jno.np.sum(p.v, axis=2), JnoValueError),
    "impossible reshape": (lambda p: jno.np.reshape(p.v, (2, 2)), JnoError),
    "values known only at run time": (lambda p: jno.np.unique(p.v), JnoTypeError),
    "a network": (lambda p: jno.np.sin(jno.nn.wrap(lambda x: x, name="f")), JnoTypeError),
    "a network in a list": (lambda p: jno.np.stack([p.x, jno.nn.wrap(lambda x: x, name="f")]), JnoTypeError),
    "a network by keyword": (lambda p: jno.np.clip(p.x, max=jno.nn.wrap(lambda x: x, name="f")), JnoTypeError),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_reported_where_they_are_made(problem, name):
    make, error = MISTAKES[name]
    with pytest.raises(error):
        make(problem)


# What jno adds.


def test_concat_joins_the_last_axis(problem):
    x, v, m = problem.x, problem.v, problem.m
    a, b, c = problem.arrays[0], problem.arrays[2], problem.arrays[3]
    flat = jno.np.sum(v, axis=1)
    cases = [
        ([x, v], np.concatenate([a, b], -1)),
        ([x, 2.0], np.concatenate([a, np.full((5, 1), 2.0)], -1)),
        ([v, np.ones((1, 2))], np.concatenate([b, np.ones((5, 2))], -1)),
        ([flat, x], np.concatenate([b.sum(1)[:, None], a], -1)),
        ([flat, flat], np.stack([b.sum(1)] * 2, -1)),
        ([x.mean, v.mean], np.array([a.mean(), b.mean()])),
        ([m[None], np.ones((2, 1, 1))], np.concatenate([np.stack([c, c]), np.ones((2, 3, 1))], -1)),
    ]
    for items, expected in cases:
        node = jno.np.concat(items)
        assert node.aval.shape == expected.shape
        np.testing.assert_allclose(problem.crux.eval(node)[0], expected, rtol=1e-6)
    assert jno.np.concatenate is jno.np.concat


def test_concat_of_arrays(problem):
    a, b = np.ones((2, 3)), np.zeros((2, 3))
    assert jno.np.concat([a, b]).shape == (2, 6)
    assert jno.np.concatenate([a, b], axis=0).shape == (4, 3)
    assert isinstance(jno.np.concat([a, b]), jax.Array)


def test_concat_refuses(problem):
    x, v = problem.x, problem.v
    for items, axis, text in (
        ([x, v], 0, "axis=0"),
        ([], -1, "at least one"),
        ([v, np.ones((4, 1))], -1, r"\(5, 3\).*\(4, 1\)"),
    ):
        with pytest.raises(JnoValueError, match=text):
            jno.np.concat(items, axis=axis)
    with pytest.raises(JnoTypeError):
        jno.np.concat([x, "v"])


def test_differential_operators(problem):
    x, y = problem.x, problem.y
    a, b = (np.asarray(v, np.float64)[:, 0] for v in problem.arrays[:2])
    fx, fy = x**2 * y, jno.np.sin(x) * y
    field = jno.np.concat([fx, fy])
    jacobian = np.stack([np.stack([2 * a * b, a**2], -1), np.stack([np.cos(a) * b, np.sin(a)], -1)], axis=1)
    cases = [
        (jno.np.grad(fx, x), 2 * (a * b)[:, None]),
        (jno.np.grad(fx, [x, y]), jacobian[:, 0]),
        (jno.np.jacobian(field, [x, y]), jacobian),
        (jno.np.laplacian(fy, [x, y]), (-np.sin(a) * b)[:, None]),
        (jno.np.laplacian(fy), (-np.sin(a) * b)[:, None]),
        (jno.np.hessian(fx, [x, y]), np.stack([np.stack([2 * b, 2 * a], -1), np.stack([2 * a, 0 * a], -1)], 1)),
        (jno.np.divergence([fx, fy], [x, y]), (2 * a * b + np.sin(a))[:, None]),
        (jno.np.curl_2d(fx, fy, x, y), (np.cos(a) * b - a**2)[:, None]),
        (jno.np.symgrad(field, [x, y]), (jacobian + jacobian.swapaxes(1, 2)) / 2),
    ]
    for node, expected in cases:
        assert node.aval.shape == expected.shape
        np.testing.assert_allclose(problem.crux.eval(node)[0], expected, rtol=1e-4, atol=1e-6)
    assert jno.np.laplace is jno.np.laplacian
    assert jno.np.div is jno.np.divergence


def test_curl_in_space():
    points = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    domain = jno.domain.from_array({"interior": points})
    x, y, z, _ = domain.variable("interior")
    node = jno.np.curl_3d(y * z, x**2, x * y * z, x, y, z)
    a, b, c = points.T
    np.testing.assert_allclose(
        jno.core([node.mse], domain=domain).eval(node)[0],
        np.stack([a * c, b - b * c, 2 * a - c], -1),
        rtol=1e-4,
        atol=1e-6,
    )


def test_differential_operators_refuse(problem):
    x, y = problem.x, problem.y
    for call, error in (
        (lambda: jno.np.grad(x * y, []), JnoValueError),
        (lambda: jno.np.jacobian(x * y, []), JnoValueError),
        (lambda: jno.np.divergence([x], [x, y]), JnoValueError),
        (lambda: jno.np.divergence([], []), JnoValueError),
        (lambda: jno.np.grad(1.0, x), JnoTypeError),
        (lambda: jno.np.laplacian(x * y, [x, 2.0]), JnoTypeError),
    ):
        with pytest.raises(error):
            call()


def test_function_passes_what_is_no_expression_as_it_is(problem):
    x = problem.x
    node = jno.np.function(lambda a, scale, mode: scale * a if mode == "up" else a, [x, 3.0, "up"], name="scaled")
    np.testing.assert_allclose(problem.crux.eval(node)[0], 3 * problem.arrays[0], rtol=1e-6)
    assert isinstance(jno.np.function(jnp.sin, x), FunctionCall)
    for fn, args in ((lambda a: a, [x, x]), (lambda a, b: a, [x]), (3.0, [x]), (lambda a: (a, a), [x])):
        with pytest.raises(JnoTypeError):
            jno.np.function(fn, args)


def test_function_receives_the_key_of_the_step(problem):
    node = jno.np.function(lambda a, key: a if key is None else a + jax.random.normal(key, a.shape), [problem.x])
    np.testing.assert_allclose(problem.crux.eval(node)[0], problem.arrays[0])
    one, same, other = (problem.crux.eval(node, key=jax.random.key(k)) for k in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-2


def test_grad_takes_a_scheme(problem):
    node = jno.np.grad(problem.x**2, problem.x, scheme="automatic_differentiation:forward")
    assert isinstance(node, Jacobian)
    assert str(node.scheme) == "automatic_differentiation:forward"
