"""Domains of polygons with regions, as users write them."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import shapely
from shapely.geometry import Point, box

import jno
from jno_core import AbstractResampler, hookimpl
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginCapabilityError


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


class Fresh(AbstractResampler):
    """All points from the pool, after every epoch."""

    number: int = 0
    every: int = 1
    start: int = 0

    def init(self):
        return ()

    def select(self, state, view, key):
        n = len(view.points)
        return n + jax.random.choice(key, len(view.pool), (n,), replace=False), state


REGIONS = {"a": [(0, 0), (1, 0), (1, 1), (0, 1)], "b": [(1, 0), (2, 0), (2, 1), (1, 1)]}


def test_strategies_by_region():
    one, two, three = (Fresh(number) for number in range(3))
    domain = jno.domain.csg.from_polygons(REGIONS, resampling_strategies={"b": one, "*": two}, time=(0.0, 1.0, 3))
    domain.region("core", box(0.2, 0.2, 0.4, 0.4)).region("east", "interior_b")
    wanted = {"interior": two, "interior_a": two, "interior_b": one, "core": two, "east": one}
    for tag in (*wanted, "boundary", "interface_a_b", "boundary_b_0", "initial"):
        domain.variable(tag, (5, None))
    x, *_ = domain.variable("interior_b", (5, None), resampling_strategy=three)
    domain.variable("left", (5, None), resampling_strategy=three)
    domain.variable("k", np.ones((5, 1)), per="point", at=domain.variable("right", (5, None))[0])
    assert dict(domain.resamplers) == {**wanted, x.collocation.name: three, "left": three}
    # Set operations keep them, of two the left one; without "*" the other regions have none.
    other = jno.domain.csg(box(0, 2, 1, 3), name="c", resampling_strategies={"c": three})
    both = other | jno.domain.csg.from_regions(
        {"b": box(1, 0, 2, 1), "c": box(0, 2, 1, 3)}, resampling_strategies={"c": one}
    )
    for tag in ("interior", "interior_b", "interior_c"):
        both.variable(tag, (5, None))
    assert dict(both.resamplers) == {"interior_c": three}
    assert both.geometry.resampler("interior_c") is three
    with pytest.raises(JnoKeyError, match="no tag 'nothing'"):
        both.geometry.resampler("nothing")


def test_points_of_a_region_are_renewed_in_it():
    domain = jno.domain.csg.from_polygons(REGIONS, resampling_strategies={"b": Fresh()})
    xa, ya, _ = domain.variable("interior_a", (20, None))
    xb, yb, _ = domain.variable("interior_b", (20, None))
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
    seen = []

    class Sees:
        @hookimpl
        def on_points_change(self, region, points):
            seen.append((region, points))

    jno.core([net(xa, ya).mse, net(xb, yb).mse]).solve(3, callbacks=[Sees()])
    assert [region for region, _ in seen] == ["interior_b"] * len(seen)
    assert len(seen) >= 2
    points = np.concatenate([np.concatenate([p[0] for _, p in seen]), domain.points(xb)])
    assert len(np.unique(points, axis=0)) == 20 * (len(seen) + 1)
    assert np.all((points[:, 0] >= 1) & (points[:, 0] <= 2))


@pytest.mark.parametrize(
    ("given", "error", "texts"),
    [
        ({"resampling_strategies": {"c": Fresh()}}, JnoValueError, ["'c'", r"\['a', 'b'\]", r"'\*'", "variable"]),
        ({"resampling_strategies": {"left": Fresh()}}, JnoValueError, ["'left'", "boundaries", "variable"]),
        ({"resampling_strategies": [Fresh()]}, JnoTypeError, ["resampling_strategies must map names of regions"]),
        ({"resampling_strategies": {"a": "rad"}}, JnoTypeError, ["'a'", "AbstractResampler", "jno.sampler", "'rad'"]),
        ({"resampling_strategy": Fresh}, JnoTypeError, ["'\\*'", "AbstractResampler", "Pass an object"]),
        ({"resampling_strategy": Fresh(), "resampling_strategies": {"*": Fresh()}}, JnoValueError, ["give one"]),
        ({"sampler": np.ones, "samplers": {"*": np.ones}}, JnoValueError, ["samplers", "sampler=", "give one"]),
    ],
)
def test_strategies_that_are_none_are_refused(given, error, texts):
    with pytest.raises(error) as caught:
        jno.domain.csg.from_polygons(REGIONS, **given)
    for text in texts:
        assert re.search(text, str(caught.value))


def test_every_argument_by_its_name():
    rule, drawn = Fresh(), []

    def middle(geometry, n):
        drawn.append(n)
        return np.tile(np.array(geometry.centroid.coords), (n, 1))

    for make, regions in (
        (jno.domain.csg.from_polygons, REGIONS),
        (jno.domain.csg.from_regions, {name: shapely.Polygon(ring) for name, ring in REGIONS.items()}),
    ):
        domain = make(
            regions,
            time=(0.0, 1.0, 3),
            compute_mesh_connectivity=False,
            mesh_size=None,
            sampler=middle,
            samplers={"a": middle},
            resampling_strategy=rule,
            resampling_strategies={"a": rule},
        )
        assert domain.mesh is None
        np.testing.assert_allclose(domain.times, [0, 0.5, 1])
        x, *_ = domain.variable("interior_a", sample=(4, None))
        np.testing.assert_allclose(domain.points(x), np.full((4, 2), 0.5))
    assert drawn == [4, 4]
    assert domain.region(name="core", where=box(0.4, 0.4, 0.6, 0.6), kind="interior") is domain
    domain.add_boundary_segments(tag="low", segments=[[(0, 0), (2, 0)]], normal_geometry=["a", "b"])
    for tag in ("left", "right"):
        domain.variable(tag, sample=(8, None), normals=True)
    assert domain.build_mesh(
        mesh_size=0.5, algorithm=6, region_mesh_sizes={"a": 0.4}, sizes={"b": 0.5}, interpolate=False
    )
    assert len(domain.points(domain.variable("low", sample=(None, None))[0])) >= 5
    assert len(domain.draw_candidates(tag="boundary_a")[1]) == 1000
    [first, *_] = domain.compute_enclosure_view_factor(tags=["left", "right"], opaque_tags=["top"], medium_tags=None)
    assert [node.tag for node in first] == ["v_left__left", "f_left__left"]


def test_a_mesh_leaves_the_ways_of_sampling_alone():
    """A count is drawn anywhere, by the region's own sampler if it has one; nodes are taken where no count is given."""
    centre = np.array([[0.5, 0.5]])
    domain = jno.domain.csg(
        {"a": REGIONS["a"], "b": REGIONS["b"]}, samplers={"a": lambda g, n: np.repeat(centre, n, axis=0)}
    )
    domain.build_mesh(0.5)
    nodes = domain.mesh_connectivity["points"]
    drawn = domain.points(domain.variable("interior_b", 400)[0])
    assert len(drawn) == 400 > len(nodes)
    assert not np.any(np.all(np.isclose(drawn[:, None], nodes), axis=2))
    np.testing.assert_array_equal(domain.points(domain.variable("interior_a", 7)[0]), np.repeat(centre, 7, axis=0))
    taken = domain.points(domain.variable("interior_b")[0])
    assert np.all(np.any(np.all(np.isclose(taken[:, None], nodes), axis=2), axis=1))
    inside = domain.points(domain.variable("interior", 1, exclude_boundary=True)[0])
    assert np.all(np.any(np.all(np.isclose(inside[:, None], nodes), axis=2), axis=1))


def test_polygons_without_a_name():
    """`jno.domain(...)` takes what `jno.domain.csg(...)` takes."""
    ring = REGIONS["b"]
    for source in (np.array(ring), shapely.Polygon(ring), {"polygon": ring}, ring):
        domain = jno.domain(source)
        assert {"interior", "boundary", "interior_polygon", "boundary_polygon_3", "left", "top"} <= set(domain.tags)
        assert domain.geometry.measure("interior_polygon") == pytest.approx(1)
    assert np.sum(jno.domain(ring, mesh_size=0.5).mesh_connectivity["nodal_volumes"]) == pytest.approx(1)
    with pytest.raises(JnoTypeError, match="takes time and compute_mesh_connectivity"):
        jno.domain(domain, mesh_size=0.1)


def test_a_stack_has_no_mesh():
    domain = jno.domain.stack(2 * jno.domain(box(0, 0, 1, 1)))
    x, y, _ = domain.variable("interior")
    assert x.aval.shape == (256, 1)
    assert domain.variable("boundary")[0].aval.shape == (64, 1)
    assert domain.mesh is None
    with pytest.raises(JnoValueError, match="needs a mesh"):
        (x * y).integrate()
    slope = (x * y).d(x, scheme="finite_difference:area_weighted")
    with pytest.raises(PluginCapabilityError, match=r"area_weighted.*works on the nodes of a mesh"):
        jno.core([slope.mse]).eval(slope)


def test_what_is_refused():
    for wrong in (5, None, lambda geometry: geometry):
        with pytest.raises(JnoTypeError, match="takes a geometry, a Mesh, a path, polygons or a Domain"):
            jno.domain(wrong)
    with pytest.raises(JnoTypeError, match="arguments are"):
        jno.domain.csg(box(0, 0, 1, 1), mesh_sizes=0.1)
    with pytest.raises(AttributeError, match="from_nothing"):
        _ = jno.domain.csg.from_nothing
