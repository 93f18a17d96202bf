"""Domains of polygons with regions, as users write them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import shapely
from shapely.geometry import Point, box

import jno
from jno_core.errors import JnoNotImplementedError, JnoTypeError, JnoValueError


def values(domain, *expressions):
    found = jno.core([domain_loss(domain)], domain=domain).eval(list(expressions))
    return [np.squeeze(v) for v in found]


def domain_loss(domain):
    return domain.variable("interior", (3, None))[0].mse


def test_a_stack_of_two_geometries():
    first, second = jno.domain(box(0, 0, 1, 1)), jno.domain(Point(0.5, 0.5).buffer(0.5))
    domain = jno.domain.stack(10 * first, 5 * second, n_interior=64, n_boundary=16)
    x, y, _ = domain.variable("interior")
    xb, yb, _ = domain.variable("boundary")
    assert domain.instances == 15
    assert x.aval.shape == y.aval.shape == (64, 1)
    points, edge = domain.points(x), domain.points(xb)
    assert points.shape == (15, 64, 2)
    assert edge.shape == (15, 16, 2)
    disk = np.linalg.norm(edge[10:] - 0.5, axis=2)
    np.testing.assert_allclose(disk, 0.5, rtol=2e-3)
    assert np.all(np.min(np.minimum(edge[:10], 1 - edge[:10]), axis=2) < 1e-6)
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
    crux = jno.core([net(x, y).laplacian(x, y).mse, net(xb, yb).mse], domain=domain)
    assert np.isfinite(crux.solve(3).total_loss_history).all()


def test_regions_by_name():
    domain = jno.domain.csg.from_polygons(
        {"plate": [(0, 0), (2, 0), (2, 1), (0, 1)], "Gas": [(0, 1), (2, 1), (2, 2), (0, 2)]}, mesh_size=0.2
    )
    assert {"interior_plate", "interior_Gas", "interface_plate_Gas", "interface_Gas_plate", "left", "top"} <= set(
        domain.tags
    )
    plate = domain.variable("interior_plate", (200, "uniform"))
    assert np.all(domain.points(plate[0])[:, 1] <= 1)
    wall = domain.variable("interface_plate_Gas", normals=True)
    [normal] = values(domain, wall)
    np.testing.assert_allclose(normal, np.tile([0.0, 1.0], (len(normal), 1)), atol=1e-6)
    # The interface has the length 2, and each region its area.
    a, b = domain.variable("interface_plate_Gas"), domain.variable("interior_plate")
    length, area = values(domain, (0 * a[0] + 1).integrate(), (0 * b[0] + 1).integrate())
    np.testing.assert_allclose([length, area], [2, 2], rtol=1e-6)


def test_set_operations_of_domains():
    plate = jno.domain.csg(box(0, 0, 2, 1), name="plate") - jno.domain.csg(Point(1, 0.5).buffer(0.2, 64), name="hole")
    assert plate.mesh is None
    with pytest.raises(JnoValueError, match="count"):
        plate.variable("interior")
    points = plate.points(plate.variable("interior", (500, None))[0])
    assert np.all(np.linalg.norm(points - [1, 0.5], axis=1) > 0.19)
    plate.region("inlet", lambda x, y: x < 1e-9).build_mesh(0.1, region_mesh_sizes={"hole": 0.03})
    assert len(plate.points(plate.variable("inlet")[0])) >= 10
    around = plate.variable("boundary_hole")
    np.testing.assert_allclose(np.linalg.norm(plate.points(around[0]) - [1, 0.5], axis=1), 0.2, atol=1e-3)
    x, *_ = plate.variable("interior")
    area = values(plate, (0 * x + 1).integrate())[0]
    np.testing.assert_allclose(area, 2 - Point(1, 0.5).buffer(0.2, 64).area, rtol=1e-5)
    with pytest.raises(JnoValueError, match="times"):
        _ = plate | jno.domain.csg(box(0, 0, 1, 1), time=(0.0, 1.0, 3))


def test_boundary_segments():
    domain = jno.domain.csg(box(0, 0, 1, 1))
    assert domain.add_boundary_segments("heater", [[(0.2, 0.0), (0.6, 0.0)]]) is domain
    x, *_ = domain.variable("heater", (50, None))
    points = domain.points(x)
    assert np.all((points[:, 0] >= 0.2) & (points[:, 0] <= 0.6) & (points[:, 1] == 0))


def test_view_factors_of_two_plates_across_a_gas():
    regions = {"lower": box(0, -0.2, 1, 0), "gas": box(0, 0, 1, 1), "upper": box(0, 1, 1, 1.2)}
    domain = jno.domain.csg.from_regions(regions)
    for tag in ("interface_lower_gas", "interface_upper_gas"):
        domain.variable(tag, (200, None), normals=True)
    pairs = domain.compute_enclosure_view_factor(["interface_lower_gas", "interface_upper_gas"])
    assert len(pairs) == 4
    (_, own), (seen, across), *_ = pairs
    assert across.tag == "f_interface_lower_gas__interface_upper_gas"
    own, seen, across = values(domain, own, seen, across)
    assert not own.any()
    assert np.all(seen == 1)
    # Crossed strings: sqrt(2) - 1.
    np.testing.assert_allclose(np.mean(np.sum(across, axis=1)), np.sqrt(2) - 1, rtol=0.05)


def test_a_wall_hides_what_is_behind_it():
    regions = {"gas": shapely.difference(box(0, 0, 1, 1), box(0.3, 0.4, 0.7, 0.6)), "block": box(0.3, 0.4, 0.7, 0.6)}
    domain = jno.domain.csg.from_regions(regions)
    for tag in ("bottom", "top"):
        domain.variable(tag, (100, None), normals=True)
    pairs = domain.compute_enclosure_view_factor(["bottom", "top"], medium_tags=["gas"])
    seen = values(domain, pairs[1][0])[0]
    assert 0.2 < np.mean(seen) < 0.9
    with pytest.raises(JnoValueError, match="Draw the points"):
        jno.domain.csg(box(0, 0, 1, 1)).compute_enclosure_view_factor(["left"])
    with pytest.raises(JnoValueError, match="boundary tags"):
        domain.compute_enclosure_view_factor(["interior"])
    with pytest.raises(JnoValueError, match="one instance"):
        (2 * domain).compute_enclosure_view_factor(["left"])


def test_hard_conditions_on_polygons():
    with jax.enable_x64(True):
        domain = jno.domain.csg(box(0, 0, 2, 1)) - jno.domain.csg(Point(1, 0.5).buffer(0.2), name="hole")
        x, y, _ = domain.variable("boundary", (5000, None))
        net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(0)))(x, y)
        error = values(domain, jno.fn.hard_dirichlet(net, x * y) - x * y)[0]
        assert np.max(np.abs(error)) < 1e-12


def test_samplers_and_times():
    def left_half(geometry, n):
        del geometry
        return np.random.default_rng(0).random((n, 2)) * [0.5, 1.0]

    domain = jno.domain.csg(box(0, 0, 1, 1), sampler=left_half, time=(0.0, 1.0, 4))
    x, _, t = domain.variable("interior", (100, None))
    assert domain.points(x)[:, 0].max() <= 0.5
    assert t.collocation.times == 4


def test_what_is_refused():
    with pytest.raises(JnoTypeError):
        jno.domain(5)
    with pytest.raises(JnoNotImplementedError):
        jno.domain.csg(box(0, 0, 1, 1), resampling_strategy=object())
    with pytest.raises(JnoTypeError, match="arguments are"):
        jno.domain.csg(box(0, 0, 1, 1), mesh_sizes=0.1)
    with pytest.raises(AttributeError, match="from_nothing"):
        _ = jno.domain.csg.from_nothing
