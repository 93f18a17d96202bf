"""Grids of nodes, and differences on them."""

import numpy as np
import pytest

import jno
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_fd import FiniteDifference
from jno_plugin_geometry import RegularGrid


@pytest.mark.parametrize("shape", [(9,), (5, 7), (4, 3, 5)])
def test_nodes_in_the_order_of_the_grid(shape):
    d = len(shape)
    spacing, origin = (0.5, 0.25, 2.0)[:d], (-1.0, 3.0, 0.5)[:d]
    domain = jno.domain.grid(shape, spacing, origin)
    *x, _ = domain.variable("interior")
    points = domain.points(x[0]).reshape(*shape, d)
    for axis in range(d):
        expected = origin[axis] + spacing[axis] * np.arange(shape[axis])
        np.testing.assert_allclose(np.moveaxis(points[..., axis], axis, -1) - expected, 0, atol=1e-6)
    sides = {1: "left right", 2: "left right bottom top", 3: "left right front back bottom top"}[d].split()
    assert set(domain.tags) == {"interior", "boundary", *sides}
    for side, (axis, end) in zip(sides, [(a, e) for a in range(d) for e in (0, -1)], strict=True):
        on_side = domain.points(domain.variable(side)[0])
        assert len(on_side) == np.prod(shape) // shape[axis]
        np.testing.assert_allclose(on_side[:, axis], origin[axis] + spacing[axis] * (shape[axis] - 1) * (end == -1))


def test_differences_on_a_periodic_grid():
    n = 32
    domain = jno.domain.grid((n, n), 2 * np.pi / n, periodic=True)
    x, y, _ = domain.variable("interior")
    scheme = FiniteDifference("central", accuracy=8, periodic=domain.geometry.periodic)
    u = jno.np.sin(2 * x) * jno.np.cos(y)
    [error] = [np.squeeze(e) for e in jno.core([u.mse], domain=domain).eval([u.laplacian(x, y, scheme=scheme) + 5 * u])]
    assert np.max(np.abs(error)) < 2e-3


def test_a_grid_in_another_size():
    domain = jno.domain.grid((5, 9), (0.25, 0.25)).build_mesh(0.125)
    assert domain.geometry.shape == (9, 17)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((1, 5),), JnoValueError),
        (((4, 4, 4, 4),), JnoTypeError),
        (((4, 4), -1.0), JnoValueError),
        (((4, 4), (1.0, 1.0, 1.0)), JnoValueError),
        (((4, 4), 1.0, (0.0,)), JnoValueError),
        (((4, 4), 1.0, None, (True,)), JnoValueError),
        (("ab",), JnoTypeError),
    ],
)
def test_grids_that_cannot_be(arguments, error):
    with pytest.raises(error):
        jno.domain.grid(*arguments)


def integral(domain, tag, function, order=None):
    *x, _ = domain.variable(tag)
    value = function(*x).integrate(order=order)
    return float(np.squeeze(np.asarray(jno.core([jno.np.parameter(()).mse], domain=domain).eval(value))))


@pytest.mark.parametrize("order", [None, 2])
@pytest.mark.parametrize(
    ("shape", "periodic"),
    [((7,), True), ((5, 8), True), ((5, 8), (False, True)), ((4, 3, 5), True), ((4, 3, 5), (True, False, True))],
)
def test_a_whole_period_is_integrated(shape, periodic, order):
    d = len(shape)
    flags = (periodic,) * d if isinstance(periodic, bool) else periodic
    spacing = (0.5, 0.25, 2.0)[:d]
    domain = jno.domain.grid(shape, spacing, (-1.0, 3.0, 0.5)[:d], periodic)
    lengths = np.array([(n - 1 + p) * h for n, h, p in zip(shape, spacing, flags, strict=True)])
    volume = float(np.prod(lengths))
    assert domain.geometry.measure("interior") == pytest.approx(volume, rel=1e-12)
    assert integral(domain, "interior", lambda *x: 0 * x[0] + 1, order) == pytest.approx(volume, rel=1e-6)
    for side, axis in zip(("left", "bottom") if d == 2 else ("left", "front", "bottom"), range(d), strict=False):
        area = volume / lengths[axis]
        assert integral(domain, side, lambda *x: 0 * x[0] + 1, order) == pytest.approx(area, rel=1e-6)


def test_the_rule_on_a_circle_has_equal_weights():
    """It integrates waves exactly, which only equal weights do."""
    n, length = 8, 3.0
    domain = jno.domain.grid((n,), length / n, periodic=True)
    for k in range(1, n):
        found = integral(domain, "interior", lambda x, k=k: 1 + jno.np.cos(2 * np.pi * k * x / length))
        assert found == pytest.approx(length, abs=1e-5)
    # In the plane too, and half the circle in the one direction where the grid ends.
    plane = jno.domain.grid((8, 9), (length / 8, 1 / 8), periodic=(True, False))
    found = integral(plane, "interior", lambda x, y: y * (1 + jno.np.sin(2 * np.pi * x / length)))
    assert found == pytest.approx(length / 2, rel=1e-5)


def test_points_anywhere_are_of_the_whole_period():
    grid = RegularGrid((4, 4), 0.25, periodic=(True, False))
    points = grid.sample("interior", 2000, np.random.default_rng(0)).points
    np.testing.assert_allclose(np.max(points, axis=0), [1.0, 0.75], atol=5e-3)
    assert np.max(grid.mesh().points[:, 0]) == 0.75
    assert RegularGrid((4, 4), 0.25).covering() is None


def test_a_periodic_grid_in_another_size_has_the_same_period():
    grid = RegularGrid((4, 5), 0.25, periodic=(True, False))
    finer = grid.remeshed(0.125)
    assert finer == RegularGrid((8, 9), 0.125, periodic=(True, False))
    assert finer.measure("interior") == grid.measure("interior") == 1.0


def test_a_part_that_was_named_later_consists_of_its_facets():
    domain = jno.domain.grid((5, 5), 0.25, periodic=True).region("low", lambda x, y: y < 0.6)
    assert domain.geometry.measure("interior") == pytest.approx(1.25**2)
    found = integral(domain, "low", lambda x, y: 0 * x + 1)
    assert found == pytest.approx(np.sum(domain.mesh.facet_measures("low")), rel=1e-6)
