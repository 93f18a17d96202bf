"""The static operators on arrays: the same numbers as those of expressions, in any orientation of the cells."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
from jno import np as jnn
from jno.differential_operators import DifferentialOperators as Differences
from jno.integration_operators import IntegrationOperators
from jno.trace import Integral
from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_core.testing._point_sets import cube_mesh


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def mixed(mesh):
    """The cells, every other one turned around."""
    cells = mesh.cells.copy()
    cells[::2, [0, 1]] = cells[::2, [1, 0]]
    return cells


@pytest.mark.parametrize("method", ["area_weighted", "uniform", "inverse_distance", "least_squares"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_gradients_of_affine_values_on_cells_of_mixed_orientation(dimension, method):
    mesh = cube_mesh(dimension, 3)
    slopes = np.array([2.0, 3.0, -1.0])[:dimension]
    u, cells = mesh.points @ slopes + 1, mixed(mesh)
    for dim in range(dimension):
        if dimension == 1:
            found = Differences.compute_fd_gradient_1d_simple(u, mesh.points[:, 0], cells, method)
        elif dimension == 2:
            found = Differences.compute_fd_gradient_2d_simple(u, mesh.points, cells, dim, method)
        else:
            found = Differences.compute_fd_gradient_3d_simple(u, mesh.points, cells, dim, method)
        np.testing.assert_allclose(found, np.full(len(u), slopes[dim]), rtol=1e-11)


def test_they_are_those_of_expressions():
    mesh = cube_mesh(2, 6)
    domain = jno.domain(mesh)
    x, y, _ = domain.variable("interior")
    u = jnn.sin(3 * x) * y**2
    values = np.sin(3 * mesh.points[:, 0]) * mesh.points[:, 1] ** 2
    crux = jno.core([u.mse])
    arguments = (values, mesh.points, mesh.cells)
    pairs = [
        (Differences.compute_gradient_2d_lsq(*arguments, 1), u.d(y, scheme="finite_difference:lsq")),
        (Differences.compute_fd_laplacian_2d_simple(*arguments, (0, 1)), u.laplacian(x, y, scheme="finite_difference")),
        (Differences.compute_fd_laplacian_2d_simple(*arguments, (0,)), u.d2(x, scheme="finite_difference")),
        (
            Differences.compute_laplacian_2d_cotangent(*arguments),
            u.laplacian(x, y, scheme="finite_difference:cotangent"),
        ),
    ]
    for found, node in pairs:
        np.testing.assert_allclose(found, crux.eval(node)[0, :, 0], rtol=1e-12, atol=1e-12)
    entries = [(0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 0, 0), (1, 1, 1, 1)]
    hessian = Differences.compute_fd_hessian_2d_simple(*arguments, entries)
    np.testing.assert_allclose(
        hessian, crux.eval(u.hessian(x, y, scheme="finite_difference"))[0], rtol=1e-12, atol=1e-12
    )


def test_three_dimensions_one_and_tracing():
    mesh, line = cube_mesh(3, 3), cube_mesh(1, 8)
    values = mesh.points[:, 2] ** 2
    entry = Differences.compute_fd_hessian_3d_simple(values, mesh.points, mesh.cells, [(0, 2, 0, 2)])
    laplacian = Differences.compute_fd_laplacian_3d_simple(values, mesh.points, mesh.cells, (0, 1, 2))
    np.testing.assert_allclose(entry[:, 0, 0], laplacian, atol=1e-9)
    np.testing.assert_allclose(
        Differences.compute_gradient_3d_lsq(mesh.points[:, 2], mesh.points, mesh.cells, 0), 0, atol=1e-9
    )
    u = line.points[:, 0] ** 2
    np.testing.assert_allclose(Differences.compute_fd_laplacian_1d_simple(u, line.points, line.cells)[2:-2], 2.0)
    assert Differences.compute_fd_hessian_1d_simple(u, line.points, line.cells).shape == (9, 1, 1)

    def total(u):
        return jnp.sum(Differences.compute_fd_gradient_1d_simple(u, line.points, line.cells) ** 2)

    assert jax.jit(jax.grad(total))(jnp.asarray(u)).shape == (9,)


def test_scheme_strings():
    assert Differences.parse_fd_scheme("finite_difference") == (
        "finite_difference", "area_weighted", "gradient_of_gradient",
    )  # fmt: skip
    assert Differences.parse_fd_scheme("finite_difference:lsq")[1:] == ("least_squares", "lsq_of_gradient")
    assert Differences.parse_fd_scheme("finite_difference:cotangent")[1:] == ("area_weighted", "cotangent")
    assert Differences.parse_fd_scheme("finite_difference: uniform")[1:] == ("uniform", "gradient_of_gradient")
    assert Differences.parse_fd_scheme("automatic_differentiation:forward") == ("automatic_differentiation", None, None)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_nodal_volumes(dimension):
    mesh = cube_mesh(dimension, 4)
    name = {1: "lines", 2: "triangles", 3: "tetrahedra"}[dimension]
    volumes = IntegrationOperators.nodal_volumes({"points": mesh.points, "dimension": dimension, name: mixed(mesh)})
    np.testing.assert_allclose(volumes.sum(), 1.0)
    np.testing.assert_allclose(volumes @ mesh.points, np.full(dimension, 0.5))
    kept = np.arange(3.0)
    assert IntegrationOperators.nodal_volumes({"nodal_volumes": kept}) is kept


def test_the_node_class_of_integrals():
    domain = jno.domain.rect(mesh_size=0.25)
    x, _, _ = domain.variable("interior")
    found = jno.core([x.mse]).eval([Integral(x), x.integrate()])
    np.testing.assert_array_equal(*found)


def test_what_is_no_mesh_or_no_method():
    mesh = cube_mesh(2, 2)
    u = mesh.points[:, 0]
    cases = [
        lambda: Differences.compute_fd_gradient_2d_simple(u, mesh.points, mesh.cells, 0, "lsq"),
        lambda: Differences.compute_fd_laplacian_2d_simple(u, mesh.points, mesh.cells, (0, 1), "area_weighted"),
        lambda: Differences.compute_fd_gradient_2d_simple(u, mesh.points, mesh.cells[:, :2], 0),
        lambda: Differences.compute_fd_gradient_2d_simple(u, mesh.points, mesh.cells + 5, 0),
        lambda: Differences.compute_fd_gradient_2d_simple(u, mesh.points, mesh.cells, 2),
        lambda: Differences.compute_fd_hessian_2d_simple(u, mesh.points, mesh.cells, [(0, 0, 0, 0)] * 2),
        lambda: Differences.parse_fd_scheme("spectral"),
        lambda: Differences.parse_fd_scheme("finite_difference:central"),
        lambda: IntegrationOperators.nodal_volumes({"points": mesh.points, "dimension": 4}),
        lambda: IntegrationOperators.nodal_volumes({"points": mesh.points, "dimension": 2}),
    ]
    for case in cases:
        with pytest.raises(JnoValueError):
            case()


def test_every_public_name_is_documented():
    for owner in (Differences, IntegrationOperators):
        for name, function in inspect.getmembers(owner, inspect.isfunction):
            assert function.__doc__, name


def test_a_mesh_from_cells_has_its_boundary_and_skips_flat_cells():
    points = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0]])
    mesh = Mesh.from_cells(points, np.array([[0, 2, 1], [0, 2, 3], [0, 4, 1]]))
    assert len(mesh.cells) == 2
    assert np.all(mesh.cell_measures() == 0.5)
    assert {frozenset(f) for f in mesh.facets["boundary"].tolist()} == {
        frozenset(s) for s in ((0, 1), (1, 2), (2, 3), (3, 0))
    }
