"""Derivatives in the parameters of a network: the second half of the page of operators, against closed forms and plain JAX."""

import equinox as eqx
import foundax
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core.errors import JnoValueError

X = np.linspace(-1.0, 1.0, 9)[:, None]


def all_false(net):
    return jax.tree_util.tree_map(lambda _: False, net.module)


def problem(module, points=X):
    """A wrapped network on points, and what evaluates it."""
    domain = jno.domain.from_array({"interior": points})
    *coordinates, _ = domain.variable("interior")
    net = jno.nn.wrap(module)
    return net, net(*coordinates), jno.core([], domain=domain), coordinates


def affine(features, components):
    """`W x + b` with its weights and biases stored in this order."""
    return eqx.nn.Linear(features, components, key=jax.random.key(0))


def by_hand(module, function, points):
    """The Jacobian of `function(module, points)` in all parameters in PyTree order, row by row, `(..., P)`."""
    params, static = eqx.partition(module, eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    return jax.jit(jax.jacrev(lambda p: function(eqx.combine(unravel(p), static), points)))(flat)


def test_an_affine_function_has_its_inputs_as_parameter_jacobian():
    """d(w x + b)/d(w, b) = (x, 1), so the kernel is x x' + 1 and its other eigenvalues vanish."""
    with jax.enable_x64(True):
        net, u, crux, _ = problem(affine(1, 1))
        [J] = crux.eval([u.grad(net)])
        np.testing.assert_allclose(J, np.concatenate([X, np.ones_like(X)], axis=1), atol=1e-12)
        assert crux.eval(u.grad(net)).shape == (1, 9, 2)
        K = J @ J.T
        np.testing.assert_allclose(K, X @ X.T + 1, atol=1e-12)
        np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(K))[-2:], np.sort([np.sum(X**2), len(X)]), atol=1e-12)
        assert np.linalg.matrix_rank(K) == 2


def test_a_vector_field_has_one_row_per_component():
    """`(B, N, C, P)`: component c depends on row c of the weights and on its bias."""
    points = np.random.default_rng(1).random((7, 2))
    with jax.enable_x64(True):
        net, u, crux, _ = problem(affine(2, 3), points)
        J = crux.eval(u.grad(net))
    weights = np.einsum("cd,nj->ncdj", np.eye(3), points).reshape(7, 3, 6)
    exact = np.concatenate([weights, np.broadcast_to(np.eye(3), (7, 3, 3))], axis=-1)
    np.testing.assert_allclose(J, exact[None], atol=1e-12)


def test_factors_and_derivatives_in_coordinates_are_differentiated_through():
    """The factor x(1 - x) of a hard boundary condition multiplies every column, and u_x takes its derivative."""
    with jax.enable_x64(True):
        net, v, crux, [x] = problem(affine(1, 1))
        u = v * x * (1 - x)
        nodes = [u.grad(net), u.d(x).grad(net), u.mse.grad(net), u]
        J, J_x, J_mse, values = (np.asarray(v[0]) for v in crux.eval(nodes))
    inputs = np.concatenate([X, np.ones_like(X)], axis=1)
    np.testing.assert_allclose(J, inputs * X * (1 - X), atol=1e-12)
    np.testing.assert_allclose(J_x, np.concatenate([2 * X - 3 * X**2, 1 - 2 * X], axis=1), atol=1e-12)
    np.testing.assert_allclose(J_mse, 2 * np.mean(values * J, axis=0), atol=1e-12)


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"])
def test_a_network_against_jacobians_by_hand(x64, tolerance):
    """The full Jacobian, its masked columns, several tensors at once, and the residual of a differential equation."""
    with jax.enable_x64(x64):
        module = foundax.mlp(1, hidden_dims=6, num_layers=2, key=jax.random.PRNGKey(0))
        net, u, crux, [x] = problem(module)
        mask = eqx.tree_at(lambda m: m.output_layer.weight, all_false(net), True)
        both = eqx.tree_at(lambda m: (m.output_layer.weight, m.output_layer.bias), all_false(net), (True, True))
        nodes = [u.grad(net), u.grad(net.mask(mask)), u.grad(net.mask(both)), (-u.d2(x) - jno.np.sin(x)).grad(net)]
        J, J_weight, J_both, J_pde = (np.asarray(v[0]) for v in crux.eval(nodes))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64) if eqx.is_inexact_array(a) else a, module)

        def second(module, p):
            return jax.hessian(lambda q: module(q[None, None])[0, 0])(p)

        exact = np.asarray(by_hand(wide, lambda m, p: m(p)[:, 0], jnp.asarray(X)))
        exact_pde = np.asarray(by_hand(wide, lambda m, p: -jax.vmap(lambda q: second(m, q))(p[:, 0]), jnp.asarray(X)))
        columns = [jax.flatten_util.ravel_pytree(eqx.filter(m, eqx.is_inexact_array))[0] for m in marked(wide)]
    np.testing.assert_allclose(J, exact, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(J_pde, exact_pde, rtol=tolerance, atol=tolerance)
    weight, bias = (np.asarray(c) == 1 for c in columns)
    np.testing.assert_allclose(J_weight, exact[:, weight], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(J_both, exact[:, weight | bias], rtol=tolerance, atol=tolerance)
    assert (J_weight.shape, J_both.shape) == ((9, 6), (9, 7))


def marked(module):
    """The module with ones at the output weights, then at the output bias, and zeros elsewhere."""
    zeros = jax.tree.map(lambda a: jnp.zeros_like(a) if eqx.is_inexact_array(a) else a, module)
    for where in (lambda m: m.output_layer.weight, lambda m: m.output_layer.bias):
        yield eqx.tree_at(where, zeros, jnp.ones_like(where(module)))


def test_a_mask_holds_for_one_derivative_only():
    net, u, crux, _ = problem(foundax.mlp(1, hidden_dims=4, num_layers=2, key=jax.random.PRNGKey(0)))
    mask = eqx.tree_at(lambda m: m.output_layer.weight, all_false(net), True)
    some, every, again = crux.eval([u.grad(net.mask(mask)), u.grad(net), u.grad(net.mask(None))])
    assert (some.shape[-1], every.shape[-1]) == (4, 4 + 4 + 16 + 4 + 4 + 1)
    np.testing.assert_array_equal(every, again)
    np.testing.assert_array_equal(every[..., -5:-1], some)


def test_masks_that_select_nothing_or_do_not_fit_say_so():
    net, u, *_ = problem(foundax.mlp(1, hidden_dims=4, num_layers=2, key=jax.random.PRNGKey(0)))
    other, *_ = problem(foundax.mlp(1, hidden_dims=4, num_layers=3, key=jax.random.PRNGKey(0)))
    with pytest.raises(JnoValueError, match="select"):
        u.grad(net.mask(all_false(net)))
    with pytest.raises(JnoValueError):
        net.mask(all_false(other))
    with pytest.raises(JnoValueError, match="does not contain"):
        u.grad(other)


def test_cosine_similarity_of_two_groups_of_points():
    """Of w x + b: the groups' directions are (mean x, 1)."""
    with jax.enable_x64(True):
        net, u, crux, _ = problem(affine(1, 1))
        [J] = crux.eval([u.grad(net)])
        a, b = J[:3].mean(axis=0), J[6:].mean(axis=0)
        cosine = float(jnp.dot(a, b) / (jnp.linalg.norm(a) * jnp.linalg.norm(b)))
    m = X[:3].mean()
    np.testing.assert_allclose(cosine, (1 - m**2) / (1 + m**2), rtol=1e-12)
    assert -1 < cosine < 1


def test_a_bare_index_selects_the_instance_and_leaves_one_row_per_point():
    """In the graph an expression is one instance: `J[0] @ J[0].T` is the kernel, as is `J @ J.T`."""
    net, u, crux, _ = problem(affine(1, 1))
    J = u.grad(net)
    kernels = crux.eval([J[0] @ J[0].T, J @ J.T, jno.np.function(lambda j: j @ j.T, [J])])
    for kernel in kernels:
        np.testing.assert_allclose(kernel, (X @ X.T + 1)[None], rtol=1e-6)


def regularised(stopped):
    """Training `w x + b` with `w` in tanh, so that its kernel moves, towards a kernel that is half of the present one."""

    class Bent(eqx.Module):
        w: jax.Array

        def __call__(self, x):
            return jnp.tanh(self.w * x)

    net, u, crux, _ = problem(Bent(jnp.array(0.7)))
    net.optimizer(optax.sgd(1e-2))
    K = crux.eval(u.grad(net) @ u.grad(net).T)[0]
    J = u.grad(net).stop_gradient if stopped else u.grad(net)
    loss = (J @ J.T - 2 * K).mse
    return net, jno.core([loss.name("kernel")]), loss, K


def test_a_stopped_jacobian_is_a_constant_of_the_loss():
    net, crux, loss, K = regularised(stopped=True)
    np.testing.assert_allclose(crux.eval(loss), [np.mean(K**2)], rtol=1e-5)
    crux.solve(3)
    assert float(net.module.w) == np.float32(0.7)


def test_a_jacobian_in_the_loss_is_differentiated_again():
    """One step of gradient descent, by second derivatives in closed form: J = x sech^2(w x)."""
    net, crux, *_ = regularised(stopped=False)
    with jax.enable_x64(True):

        def value(w):
            j = X[:, 0] / jnp.cosh(w * X[:, 0]) ** 2
            return jnp.outer(j, j)

        w = float(np.float32(0.7))
        target = 2 * value(w)
        slope = float(jax.grad(lambda w: jnp.mean((value(w) - target) ** 2))(w))
    crux.solve(1)
    np.testing.assert_allclose(net.module.w, w - 1e-2 * slope, rtol=1e-6)
    assert abs(slope) > 0.01
