"""Differences in problems: parts of the points, instances, time, other domains, and what the compiled step holds."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno import np as jnn
from jno_core import DerivativeRequest, Field, Mesh, MeshLocation, Support
from jno_core.errors import JnoValueError
from jno_plugin_fd import FiniteDifference

FD = "finite_difference"


def network(inputs=2):
    return jno.nn.wrap(eqx.nn.MLP(inputs, 1, 8, 2, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))


def test_a_loss_with_differences_is_left_whole_beside_one_that_is_divided():
    histories = []
    for chunk in (None, 30):
        domain = jno.domain.rect(mesh_size=0.1)
        x, y, _ = domain.variable("interior")
        u = network()(x, y)
        crux = jno.core([(u.laplacian(x, y, scheme=FD) + 1).mse, u.d(x).mse])
        assert [len(d.reductions) for d in crux.explain(chunk=chunk).divided] == ([] if chunk is None else [1])
        histories.append(crux.solve(5, chunk=chunk).total_loss_history)
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_instances_share_the_weights_and_have_their_own_coefficients():
    domain = 3 * jno.domain.line(mesh_size=0.1)
    x, _ = domain.variable("interior")
    k = domain.variable("k", np.array([[1.0], [2.0], [4.0]]), per="instance")
    found = jno.core([x.mse]).eval((k * x**2).d(x, scheme=FD))
    assert found.shape == (3, 11, 1)
    np.testing.assert_allclose(found[2], 4 * found[0], rtol=1e-5)


def test_all_times_are_evaluated_and_time_derivatives_stand_beside_differences():
    domain = jno.domain.line(mesh_size=0.1, time=(0.0, 1.0, 3))
    x, t = domain.variable("interior")
    u = x * t**2
    rate, slope = jno.core([u.mse]).eval([u.d(t, scheme=FD), u.d(x, scheme=FD)])
    times = np.array([0.0, 0.5, 1.0])[None, :, None, None]
    points = domain.points(x)[None, None]
    np.testing.assert_allclose(rate, 2 * points * times, atol=2e-3)
    np.testing.assert_allclose(slope, np.broadcast_to(times**2, slope.shape), atol=1e-5)


def test_evaluation_on_a_finer_mesh_has_weights_of_that_mesh():
    coarse, fine = jno.domain.rect(mesh_size=0.2), jno.domain.rect(mesh_size=0.05)
    x, y, _ = coarse.variable("interior")
    node, exact = jnn.sin(3 * x).d(x, scheme=FD), jnn.sin(3 * x).d(x)
    crux = jno.core([(x * y).mse])
    errors = [np.abs(np.subtract(*crux.eval([node, exact], domain=d))).mean() for d in (coarse, fine)]
    assert errors[1] < errors[0] / 4
    weights = jnn.sin(x).d(x, scheme=FD).default_params()
    with pytest.raises(JnoValueError, match="leaves of shape"):
        crux.eval(jnn.sin(x).d(x, scheme=FD, params=weights), domain=fine)


def test_weights_are_data_of_the_step_and_not_constants_of_it():
    domain = jno.domain.rect(mesh_size=0.05)
    x, y, _ = domain.variable("interior")
    crux = jno.core([(network()(x, y).laplacian(x, y, scheme=FD) + 1).mse])
    crux.solve(2)
    compiled = crux._trainer._compiled
    state = crux._trainer.initial_state(compiled)
    jaxpr = jax.make_jaxpr(compiled._stepper.step)(state, compiled._rest, compiled._data)
    assert all(np.size(constant) < 100 for constant in jaxpr.consts)
    executable = compiled._executable
    crux.solve(2)
    assert crux._trainer._compiled._executable is executable


def test_an_explanation_names_the_rule():
    domain = jno.domain.rect(mesh_size=0.25, time=(0.0, 1.0, 3))
    x, y, t = domain.variable("interior")
    u = network(3)(x, y, t)
    (group,) = jno.core([u.mse]).explain(u.laplacian(x, y, scheme=FD) + u.d(t, scheme=FD)).groups
    assert group.passes == ("differences in space by the rule area_weighted", "the field at moved times")


def test_vector_operators_take_a_scheme():
    domain = jno.domain.cube(mesh_size=0.34)
    x, y, z, _ = domain.variable("interior")
    fields = [2 * y + z, 3 * z - x, x + 4 * y]
    crux = jno.core([x.mse])
    divergence, curl, plane, sym = crux.eval([
        jnn.divergence([2 * x, 3 * y, -z], [x, y, z], scheme=FD),
        jnn.curl_3d(*fields, x, y, z, scheme=FD),
        jnn.curl_2d(fields[0], fields[1], x, y, scheme=FD),
        jnn.symgrad(jnn.concat(fields), [x, y, z], scheme=FD),
    ])  # fmt: skip
    np.testing.assert_allclose(divergence, 4.0, atol=1e-4)
    np.testing.assert_allclose(curl, np.broadcast_to([1.0, 0.0, -3.0], curl.shape), atol=1e-4)
    np.testing.assert_allclose(plane, -3.0, atol=1e-4)
    expected = [[0, 0.5, 1], [0.5, 0, 3.5], [1, 3.5, 0]]
    np.testing.assert_allclose(sym, np.broadcast_to(expected, sym.shape), atol=1e-4)


def test_the_biharmonic_operator():
    domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((20, 2))})
    x, y, _ = domain.variable("interior")
    found, exact = jno.core([x.mse]).eval([jnn.biharmonic(jnn.sin(x) * y**2, [x, y]), jnn.sin(x) * (y**2 - 4)])
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [2**16 - 1, 2**16])
def test_tables_of_short_integers_name_every_node(n):
    """Also where the number of nodes is the first that does not fit."""
    line = Mesh.from_cells(np.arange(n, dtype=float)[:, None], np.stack([np.arange(n - 1), np.arange(1, n)], axis=1))
    columns = (jnp.arange(n, dtype=jnp.float32)[:, None],)
    where = Support(columns, ("x",), 1, "interior", MeshLocation(line, np.arange(n)))
    scheme, request = FiniteDifference(), DerivativeRequest("laplacian", (0,))
    params, tables = (scheme.default_params(request, where),), scheme.prepare((request,), where)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def second(values, params, tables):
        field = Field(at=lambda *_: values, values=lambda: values, aligned=())
        found = scheme.apply((request,), field, where, params, tables)[0][3:-3]
        return jnp.sum(found**2), found

    coordinates = np.arange(n) - n / 2
    (_, found), slope = second(jnp.asarray(np.square(coordinates), jnp.float32)[:, None], params, tables)
    np.testing.assert_allclose(found[np.abs(coordinates[3:-3]) < 100], 2.0, atol=1e-3)
    # Constants have no derivative, so what reaches the values sums up to nothing.
    assert abs(float(jnp.sum(slope))) < 1e-2
