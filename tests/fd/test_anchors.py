"""Values of the mesh rules that are known in closed form."""

import jax
import numpy as np
import pytest

import jno
from jno import np as jnn
from jno_core import Mesh
from jno_core.errors import JnoValueError, PluginCapabilityError
from jno_core.testing._point_sets import cube_mesh
from jno_plugin_fd import FiniteDifference

RULES = ("area_weighted", "uniform", "inverse_distance", "lsq")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def line(*points):
    points = np.array(points)
    cells = np.stack([np.arange(len(points) - 1), np.arange(1, len(points))], axis=1)
    return jno.domain(Mesh(points[:, None], cells, {"boundary": np.array([[0], [len(points) - 1]])}))


def values(expression, domain):
    return np.asarray(jno.core([jnn.parameter(()).mse], domain=domain).eval(expression))[0]


@pytest.mark.parametrize(
    ("rule", "exact"),
    [
        ("area_weighted", [0.1, 0.3, 0.7, 1.3, 1.6]),
        ("uniform", [0.1, 0.25, 0.65, 1.25, 1.6]),
        ("inverse_distance", [0.1, 0.2, 0.6, 1.2, 1.6]),
        ("lsq", [0.1, 0.3, 0.7, 1.3, 1.6]),
    ],
)
def test_a_square_on_an_irregular_line(rule, exact):
    domain = line(0.0, 0.1, 0.3, 0.6, 1.0)
    x, _ = domain.variable("interior")
    np.testing.assert_allclose(values((x**2).d(x, scheme=f"finite_difference:{rule}"), domain)[:, 0], exact, rtol=1e-9)


def test_the_plain_laplacian_on_an_irregular_line():
    domain = line(0.0, 0.1, 0.3, 0.6, 1.0)
    x, _ = domain.variable("interior")
    found = values((x**2).laplacian(x, scheme="finite_difference"), domain)[:, 0]
    np.testing.assert_allclose(found, [2, 2, 2, 1.2857143, 0.75], rtol=1e-7)


@pytest.mark.parametrize(("rule", "exact"), [("cotangent", 4.0), ("area_weighted", 20 / 9), ("lsq", 4 / 3)])
def test_the_centre_of_nine_nodes(rule, exact):
    domain = jno.domain(cube_mesh(2, 2))
    x, y, _ = domain.variable("interior")
    found = values((x**2 + y**2).laplacian(x, y, scheme=f"finite_difference:{rule}"), domain)[:, 0]
    centre = np.argmin(np.abs(domain.mesh.points - 0.5).sum(axis=1))
    np.testing.assert_allclose(found[centre], exact, rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_affine_functions_have_exact_gradients_at_every_node(rule, dimension):
    make = {1: jno.domain.line, 2: jno.domain.rect, 3: jno.domain.cube}[dimension]
    domain = make(mesh_size=0.26)
    *space, _ = domain.variable("interior")
    u = sum(a * x for a, x in zip((2.0, 3.0, -1.0), space, strict=False)) + 1
    found = values(jnn.grad(u, list(space), scheme=f"finite_difference:{rule}"), domain)
    np.testing.assert_allclose(found, np.broadcast_to([2.0, 3.0, -1.0][:dimension], found.shape), atol=1e-12)


def test_points_that_are_no_nodes_get_interpolated_derivatives():
    domain = jno.domain.rect(mesh_size=0.05)
    x, y, _ = domain.variable("interior", sample=(40, "uniform"))
    found = values(jnn.sin(x * y).d(x, scheme="finite_difference:quadratic"), domain)[:, 0]
    px, py = domain.points(x).T
    np.testing.assert_allclose(found, py * np.cos(px * py), atol=2e-3)
    linear = values((2 * x + 3 * y).grad(x, y, scheme="finite_difference"), domain)
    np.testing.assert_allclose(linear, np.broadcast_to([2.0, 3.0], linear.shape), atol=1e-12)


def test_samples_of_a_curved_boundary_belong_to_the_nearest_cell():
    domain = jno.domain.disk(mesh_size=0.1)
    x, y, _ = domain.variable("boundary", sample=(50, "uniform"))
    found = values((x**2 + 3 * y).grad(x, y, scheme="finite_difference:quadratic"), domain)
    exact = np.stack([2 * domain.points(x)[:, 0], np.full(50, 3.0)], axis=1)
    np.testing.assert_allclose(found, exact, atol=2e-2)


def test_some_of_the_nodes_have_the_values_of_all():
    domain = jno.domain.rect(mesh_size=0.2)
    few, everything = domain.variable("interior", sample=7), domain.variable("interior")
    found, whole = (
        values(jnn.exp(v[0] * v[1]).laplacian(v[0], v[1], scheme="finite_difference"), domain)
        for v in (few, everything)
    )
    nodes = [np.flatnonzero(np.all(domain.mesh.points == p, axis=1))[0] for p in domain.points(few[0])]
    np.testing.assert_allclose(found, whole[nodes], rtol=1e-12)


def test_normal_derivatives_on_the_boundary():
    domain = jno.domain.rect(mesh_size=0.1)
    x, y, _ = domain.variable("right")
    n = domain.variable("right", normals=True)
    xn, yn, _, *_ = domain.variable("right", normals=True, split=True)
    del x, y, n
    flux = (xn**2 + yn).d(xn, scheme="finite_difference:quadratic")
    np.testing.assert_allclose(values(flux, domain), 2.0, rtol=1e-10)


def test_a_vector_field_is_taken_per_component():
    domain = jno.domain.rect(mesh_size=0.2)
    x, y, _ = domain.variable("interior")
    parts = [jnn.sin(x) * y, x * y**2]
    for operator in ("laplacian", "hessian", "grad"):
        whole = values(getattr(jnn.concat(parts), operator)(x, y, scheme="finite_difference"), domain)
        for c, part in enumerate(parts):
            alone = values(getattr(part, operator)(x, y, scheme="finite_difference"), domain)
            np.testing.assert_allclose(whole[:, c], alone[:, 0] if operator == "laplacian" else alone, rtol=1e-12)


def test_a_hessian_is_symmetric_and_its_trace_is_the_laplacian():
    domain = jno.domain.cube(mesh_size=0.34)
    x, y, z, _ = domain.variable("interior")
    u = jnn.sin(x * y) + z**2 * x
    for scheme in ("finite_difference", "finite_difference:quadratic"):
        h = values(u.hessian(x, y, z, scheme=scheme), domain)
        np.testing.assert_allclose(h, np.swapaxes(h, -1, -2), atol=1e-12)
        laplacian = values(u.laplacian(x, y, z, scheme=scheme), domain)[:, 0]
        np.testing.assert_allclose(np.trace(h, axis1=1, axis2=2), laplacian, atol=1e-10)


def test_chained_differences_are_differences_of_differences():
    domain = jno.domain.rect(mesh_size=0.2)
    x, y, _ = domain.variable("interior")
    u, s = jnn.sin(3 * x) * y, "finite_difference:uniform"
    chained, direct = values(u.d(x, scheme=s).d(x, scheme=s), domain), values(u.d2(x, scheme=s), domain)
    np.testing.assert_allclose(chained, direct, rtol=1e-12)
    few = domain.variable("interior", sample=5)
    moved = values((jnn.sin(3 * few[0]) * few[1]).d(few[0], scheme=s).d(few[0], scheme=s), domain)
    nodes = [np.flatnonzero(np.all(domain.mesh.points == p, axis=1))[0] for p in domain.points(few[0])]
    np.testing.assert_allclose(moved, direct[nodes], rtol=1e-12)


def test_automatic_derivatives_of_differences_in_space_are_refused_and_in_time_exact():
    domain = jno.domain.rect(mesh_size=0.25, time=(0.0, 1.0, 3))
    x, y, t = domain.variable("interior")
    u = jnn.sin(x * y) * t**2
    laplacian = u.laplacian(x, y, scheme="finite_difference")
    crux = jno.core([jnn.parameter(()).mse], domain=domain)
    with pytest.raises(PluginCapabilityError, match="no derivative can be taken of a finite difference"):
        crux.eval(laplacian.d(x))
    rate, once = crux.eval([laplacian.d(t), (jnn.sin(x * y) * 2 * t).laplacian(x, y, scheme="finite_difference")])
    np.testing.assert_allclose(rate, once, rtol=1e-9, atol=1e-12)


def test_weights_can_be_seen_replaced_shared_and_must_fit():
    domain = jno.domain.rect(mesh_size=0.25)
    x, y, _ = domain.variable("interior")
    u = x**2 * y
    node = u.d(x, scheme="finite_difference")
    weights = node.default_params()["weights"]
    assert weights.dtype == np.float64
    doubled = u.d(x, scheme="finite_difference", params={"weights": 2 * weights})
    np.testing.assert_allclose(values(doubled, domain), 2 * values(node, domain), rtol=1e-12)
    trained = jnn.parameter(weights.shape, name="stencil")
    shared = u.d(x, scheme="finite_difference", params={"weights": trained})
    np.testing.assert_allclose(values(shared, domain), 0.0)
    for wrong, message in (
        ({"weights": weights[:, :-1]}, "leaves of shape"),
        ({"kernel": weights}, "the structure"),
    ):
        with pytest.raises(JnoValueError, match=message):
            u.d(x, scheme="finite_difference", params=wrong)
    with pytest.raises(JnoValueError, match="has no parameters"):
        u.d(x, params={"weights": weights})


@pytest.mark.parametrize("bad", [{"accuracy": 3}, {"accuracy": True}, {"periodic": 1}, {"variant": "middle"}])
def test_bad_options(bad):
    with pytest.raises(PluginCapabilityError):
        FiniteDifference(**bad)
