"""Grids of nodes, and differences on them."""

import numpy as np
import pytest

import jno
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_fd import FiniteDifference


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
