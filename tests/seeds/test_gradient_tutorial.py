"""The tutorial on gradients and sensitivity, at a tenth of its size: its script, and the variant that its text describes.

The script's own size is that of the acceptance run; here are the shapes, the epochs and the values that it relies on.
"""

import types

import equinox as eqx
import foundax
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno

EPOCHS, INTERVAL = 400, 100
COLUMNS = (1 * 32 + 32) + 2 * (32 * 32 + 32) + (32 + 1)


def poisson(hard):
    """The network, the field, the residual and the output mask of -u'' = sin(pi x), with `hard` or learned zero ends."""
    domain = jno.domain.line(mesh_size=0.02)
    x, _ = domain.variable("interior")
    xb, _ = domain.variable("boundary")
    schedule = optax.exponential_decay(1e-3, 10, 0.5, end_value=1e-5)
    module = foundax.mlp(in_features=1, hidden_dims=32, num_layers=3, key=jax.random.PRNGKey(0))
    net = jno.nn.wrap(module).optimizer(optax.adam(schedule))
    u = net(x) * x * (1 - x) if hard else net(x)
    all_false = jax.tree_util.tree_map(lambda _: False, net.params)
    return types.SimpleNamespace(
        x=x,
        net=net,
        u=u,
        exact=jno.np.sin(jno.np.pi * x) / jno.np.pi**2,
        pde=-u.d2(x) - jno.np.sin(jno.np.pi * x),
        ub=net(xb),
        mask=eqx.tree_at(lambda m: m.output_layer.weight, all_false, True),
    )


@eqx.filter_jit
def gradients(module, points):
    """The gradients of both losses in the output weights, and the Jacobian in all parameters, by plain JAX."""
    params, static = eqx.partition(module, eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(params)

    def u(p, x):
        return eqx.combine(unravel(p), static)(x[None, None])[0, 0]

    def pde_loss(p):
        residuals = jax.vmap(lambda x: -jax.hessian(u, argnums=1)(p, x) - jnp.sin(jnp.pi * x))(points)
        return jnp.mean(residuals**2)

    def bc_loss(p):
        return (u(p, jnp.array(0.0)) ** 2 + u(p, jnp.array(1.0)) ** 2) / 2

    J = jax.vmap(jax.grad(u), (None, 0))(flat, points)
    # The single bias of the output stands behind its weights.
    return jax.grad(pde_loss)(flat)[-33:-1], jax.grad(bc_loss)(flat)[-33:-1], J


def by_hand(module, points):
    """`gradients` in double precision."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64) if eqx.is_inexact_array(a) else a, module)
        return tuple(np.asarray(g) for g in gradients(wide, jnp.asarray(points)))


@pytest.fixture(scope="module")
def script():
    """The tutorial's script, with one epoch more after the evaluation."""
    p = poisson(hard=False)
    J1, J2 = p.pde.mse.grad(p.net.mask(p.mask)), p.ub.mse.grad(p.net.mask(p.mask))
    cos_tracker = jno.np.dot(J1, J2).tracker(INTERVAL)
    crux = jno.core([p.pde.mse, p.ub.mse, cos_tracker])
    before = p.net.module
    [at_start] = crux.eval([cos_tracker])
    crux.solve(EPOCHS)
    module = p.net.module
    values = [
        np.asarray(v) for v in crux.eval([p.u, p.exact, p.x, jno.np.dot(J1, J2), J1, J2, p.u.grad(p.net.mask(None))])
    ]
    [g_pde] = crux.eval([J1])
    [g_bc] = crux.eval([J2])
    [J_full] = crux.eval([p.u.grad(p.net.mask(None))])
    history = crux.solve(1)
    return types.SimpleNamespace(
        before=before,
        module=module,
        at_start=np.asarray(at_start),
        values=values,
        g_pde=np.asarray(g_pde),
        g_bc=np.asarray(g_bc),
        J_full=np.asarray(J_full),
        history=history,
        points=values[2][0, :, 0],
    )


def test_shapes_are_those_of_the_tutorial(script):
    """One element unpacks to one instance; the layers are 1-32-32-32-1; the mesh gives all its 51 nodes."""
    assert (script.g_pde.shape, script.g_bc.shape) == ((32,), (32,))
    assert COLUMNS == 2209
    assert script.J_full.shape == (51, COLUMNS)
    assert [v.shape for v in script.values] == [(1, 51, 1)] * 3 + [(1,), (1, 32), (1, 32), (1, 51, COLUMNS)]
    for bare, listed in zip((script.g_pde, script.g_bc, script.J_full), script.values[4:], strict=True):
        np.testing.assert_allclose(bare, listed[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.sort(script.points), np.linspace(0, 1, 51), atol=1e-6)


def test_gradients_of_the_losses_and_the_full_jacobian_are_those_of_plain_jax(script):
    g_pde, g_bc, J = by_hand(script.module, script.points)
    np.testing.assert_allclose(script.g_pde, g_pde, rtol=1e-3, atol=1e-5 * np.abs(g_pde).max())
    np.testing.assert_allclose(script.g_bc, g_bc, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(script.J_full, J, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(script.values[1], np.sin(np.pi * script.values[2]) / np.pi**2, atol=1e-6)


def test_the_tracker_has_a_row_at_every_multiple_of_its_interval(script):
    [name] = script.history.track_names
    assert "tracker" in name or "dot" in name
    first, second = (log["track_stats"][name] for log in script.history.training_logs)
    np.testing.assert_array_equal(first["epochs"], np.arange(0, EPOCHS, INTERVAL))
    np.testing.assert_array_equal(second["epochs"], [EPOCHS])
    np.testing.assert_array_equal(script.history.tracks(name).epochs, np.arange(0, EPOCHS + 1, INTERVAL))


def test_the_tracker_is_what_eval_gives_at_the_same_weights(script):
    [name] = script.history.track_names
    rows = script.history.tracks(name).values
    np.testing.assert_allclose(rows[0], script.at_start, rtol=1e-4)
    np.testing.assert_allclose(rows[-1], script.values[3][0], rtol=1e-4)
    np.testing.assert_allclose(rows[-1], script.g_pde @ script.g_bc, rtol=1e-4)
    for row, module in ((rows[0], script.before), (rows[-1], script.module)):
        g_pde, g_bc, _ = by_hand(module, script.points)
        np.testing.assert_allclose(row, g_pde @ g_bc, rtol=1e-3)


def test_the_kernel_is_positive_and_its_rank_is_between_one_and_the_number_of_points(script):
    """Its trace is the sum of squares of the Jacobian, whose eigenvalues it holds."""
    J = script.J_full.astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(J @ J.T)
    assert eigenvalues.min() > -1e-6 * eigenvalues.max()
    np.testing.assert_allclose(eigenvalues.sum(), np.sum(J**2), rtol=1e-10)
    np.testing.assert_allclose(eigenvalues.max(), np.linalg.norm(J, 2) ** 2, rtol=1e-6)
    eff_rank = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    assert 1 <= eff_rank <= 51
    cosine = script.g_pde @ script.g_bc / (np.linalg.norm(script.g_pde) * np.linalg.norm(script.g_bc))
    assert -1 <= cosine <= 1


def test_histories_hold_both_losses_of_every_epoch(script):
    losses = np.concatenate([log["losses"] for log in script.history.training_logs])
    assert losses.shape == (EPOCHS + 1, 2)
    np.testing.assert_allclose(script.history.total_loss_history, losses.mean(axis=1), rtol=1e-6)
    # The tutorial's rate falls to 1e-5 within seventy epochs, so that the loss still falls, but slowly.
    assert losses[-1].mean() < 0.9 * losses[0].mean()


def halves(J):
    """The cosine of the angle between the mean rows of both halves of a Jacobian."""
    middle = J.shape[0] // 2
    left, right = J[:middle].mean(axis=0), J[middle:].mean(axis=0)
    return jnp.dot(left, right) / (jnp.linalg.norm(left) * jnp.linalg.norm(right) + 1e-12)


def test_the_text_with_hard_ends_finds_the_solution_while_it_watches_both_halves():
    """u = net(x) x (1 - x): exact at the ends; the watched cosine is that of the Jacobian that `eval` gives."""
    p = poisson(hard=True)
    p.net.optimizer(optax.adam(3e-3))
    J = p.u.grad(p.net.mask(p.mask))
    crux = jno.core([p.pde.mse, jno.np.function(halves, [J]).tracker(200).name("cosine")])
    crux.solve(600)
    u, exact, x = (np.asarray(v)[0] for v in crux.eval([p.u, p.exact, p.x]))
    assert np.linalg.norm(u - exact) < 5e-3 * np.linalg.norm(exact)
    np.testing.assert_array_equal(u[(x == 0) | (x == 1)], 0)
    [J_sparse] = crux.eval([J])
    [J_full] = crux.eval([p.u.grad(p.net)])
    assert (J_sparse.shape, J_full.shape) == ((51, 32), (51, COLUMNS))
    np.testing.assert_allclose(J_full[:, -33:-1], J_sparse, rtol=1e-4, atol=1e-7)
    cosine = crux.solve(1).tracks("cosine")
    np.testing.assert_array_equal(cosine.epochs, [0, 200, 400, 600])
    np.testing.assert_allclose(cosine.values[-1], halves(np.asarray(J_sparse, np.float64)), rtol=1e-4)
    assert np.all(np.abs(cosine.values) <= 1 + 1e-6)
