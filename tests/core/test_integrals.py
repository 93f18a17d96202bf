"""Integrals over regions, for each point of another point set, and over time."""

import itertools
import math

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import jno
from jno import np as jnn
from jno_core import Mesh
from jno_core._domain.quadrature import simplex_rule
from jno_core.errors import JnoTypeError, JnoValueError


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def value(expression, domain):
    return np.asarray(jno.core([jnn.parameter(()).mse], domain=domain).eval(expression))


def square(h=0.1, **options):
    return jno.domain.rect(mesh_size=h, **options)


def plate():
    hole = [(0.3, 0.3), (0.7, 0.35), (0.6, 0.6)]
    return jno.domain.rectangle_with_holes((1.5, 1), holes=[hole], mesh_size=0.25)


# Measures and polynomials.


@pytest.mark.parametrize("order", [None, 0, 1, 3])
def test_one_integrates_to_the_measure(order):
    cases = [
        (jno.domain.line(mesh_size=0.1), 1.0, 2.0),
        (square(), 1.0, 4.0),
        (jno.domain.cube(mesh_size=0.5), 1.0, 6.0),
        (plate(), None, None),
    ]
    for domain, volume, surface in cases:
        mesh = domain.mesh
        volume = np.sum(mesh.cell_measures()) if volume is None else volume
        surface = np.sum(mesh.facet_measures("boundary")) if surface is None else surface
        x, xb = domain.variable("interior")[0], domain.variable("boundary")[0]
        found = [(0 * x + 1).integrate(order=order), (0 * xb + 1).integrate(order=order)]
        np.testing.assert_allclose(np.ravel(value(found[0], domain)), volume, rtol=1e-12)
        np.testing.assert_allclose(np.ravel(value(found[1], domain)), surface, rtol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("order", [0, 1, 2, 5, 9])
def test_gauss_rules_are_exact_up_to_their_order(dimension, order):
    barycentric, weights = simplex_rule(dimension, order)
    assert np.all(weights > 0)
    assert np.all(barycentric > 0)
    for powers in itertools.product(range(order + 1), repeat=dimension):
        if sum(powers) <= order:
            exact = math.prod(map(math.factorial, (*powers, dimension))) / math.factorial(dimension + sum(powers))
            found = weights @ np.prod(barycentric[:, 1:] ** np.array(powers), axis=1)
            np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_order_four_integrates_the_fourth_power_exactly_and_the_vertex_rule_to_second_order():
    errors = []
    for h in (0.2, 0.1):
        domain = square(h)
        x = domain.variable("interior")[0]
        np.testing.assert_allclose(value((x**4).integrate(order=4), domain), [1 / 5], rtol=1e-13)
        errors.append(abs(value((x**4).integrate(), domain)[0] - 1 / 5))
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_the_region_is_that_of_the_tag_whatever_was_sampled():
    domain = square()
    for tag, exact in (("interior", 0.5), ("boundary", 2.0), ("left", 0.0), ("right", 1.0), ("top", 0.5)):
        everywhere, few = domain.variable(tag)[0], domain.variable(tag, sample=3)[0]
        np.testing.assert_allclose(value(everywhere.integrate(), domain), [exact], atol=1e-12)
        np.testing.assert_allclose(value(few.integrate(), domain), [exact], atol=1e-12)


def test_sub_regions_and_interfaces():
    """Two triangles: one is a sub-region, and their common edge is an interface."""
    points = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
    mesh = Mesh(
        points,
        np.array([[0, 1, 2], [0, 2, 3]]),
        {"boundary": np.array([[0, 1], [1, 2], [2, 3], [3, 0]]), "interface": np.array([[0, 2]])},
        {"lower": np.array([0])},
    )
    domain = jno.domain(mesh)
    found = [(0 * domain.variable(tag)[0] + 1).integrate() for tag in ("lower", "interface", "interior")]
    for node, exact in zip(found, (1.0, 5**0.5, 2.0), strict=True):
        np.testing.assert_allclose(np.ravel(value(node, domain)), [exact], rtol=1e-14)


@pytest.mark.parametrize("order", [None, 2])
@pytest.mark.parametrize("make", [lambda: plate(), lambda: jno.domain.l_shape(mesh_size=0.2)])
def test_the_divergence_theorem_holds_to_round_off(make, order):
    domain = make()
    x, y, _ = domain.variable("interior")
    xb, yb, _, nx, ny = domain.variable("boundary", normals=True, split=True)
    flux = (2 * xb + yb + 1) * nx + (3 * yb - xb) * ny
    boundary = value(flux.integrate(order=order), domain)
    inside = value((0 * x + 0 * y + 5).integrate(order=order), domain)
    np.testing.assert_allclose(boundary, inside, atol=1e-12)


def test_inward_normals_turn_the_flux_around():
    domain = square()
    outward, inward = (
        domain.variable("boundary", normals=True, split=True, reverse_normals=reverse) for reverse in (False, True)
    )
    flux = [value((x * nx + y * ny).integrate(), domain) for x, y, _, nx, ny in (outward, inward)]
    np.testing.assert_allclose(flux[0], [2.0])
    np.testing.assert_allclose(flux[1], [-2.0])


# Kernels.


def test_a_kernel_on_the_line():
    domain = jno.domain.line(mesh_size=0.01)
    x, s = domain.variable("interior")[0], domain.variable("interior")[0]
    node = jnn.exp(x * s).integrate(x)
    assert node.aval.shape == (101, 1)
    found, points = value(node, domain)[0, :, 0], domain.points(x)[:, 0]
    np.testing.assert_allclose(found[:3], [1.0, 1.0050, 1.0101], atol=1e-4)
    exact = np.where(points == 0, 1, np.expm1(points) / np.where(points == 0, 1, points))
    np.testing.assert_allclose(found, exact, atol=3e-5)
    np.testing.assert_allclose(value(jnn.exp(x * s).integrate(x, order=12), domain)[0, :, 0], exact, rtol=1e-13)


def test_all_variables_of_the_outer_call_are_outer():
    domain = square(0.2)
    x, y, _ = domain.variable("interior")
    s, t, _ = domain.variable("interior")
    points = domain.points(x)
    for var in (x, y, (x, y)):
        found = value((x * s + y * t).integrate(var), domain)[0, :, 0]
        np.testing.assert_allclose(found, points.sum(axis=1) / 2, atol=1e-14)


def test_a_kernel_may_contain_networks_and_derivatives_of_the_inner_variables():
    """The integral of k(x, s) u'(s) ds for u = sin, by its derivative in s."""
    domain = jno.domain.line(mesh_size=0.1)
    x, s = domain.variable("interior")[0], domain.variable("interior")[0]
    found = value((x * jnn.sin(s).d(s)).integrate(x, order=14), domain)[0, :, 0]
    np.testing.assert_allclose(found, domain.points(x)[:, 0] * np.sin(1.0), rtol=1e-12, atol=1e-15)


# Time.


def test_time_and_space_time():
    domain = jno.domain.line(mesh_size=0.1, time=(0.0, 2.0, 5))
    x, t = domain.variable("interior")
    over_time = value((x * t).integrate(t), domain)
    np.testing.assert_allclose(over_time[0, :, 0], 2 * domain.points(x)[:, 0], rtol=1e-14)
    both = value((x * t).integrate().integrate(t), domain)
    assert both.shape == (1,)
    np.testing.assert_allclose(both, [1.0], rtol=1e-14)
    np.testing.assert_allclose(value((x * t).integrate(t).integrate(), domain).ravel()[0], 1.0, rtol=1e-14)


# In problems.


@pytest.mark.parametrize("chunk", [None, 40])
def test_an_integral_trains(chunk):
    """The least of ∫ u² / 2 - u is at u = 1."""
    domain = square()
    x, y, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, key=jax.random.key(0))).optimizer(optax.adam(2e-2))
    u = net(x, y)
    crux = jno.core([(u**2 / 2 - u).integrate()])
    crux.solve(400, chunk=chunk)
    np.testing.assert_allclose(crux.eval(u), 1.0, atol=0.1)
    np.testing.assert_allclose(crux.eval((u**2 / 2 - u).integrate()), [-0.5], atol=1e-2)


def test_an_integral_belongs_to_the_domain_of_evaluation():
    coarse, fine = square(0.5), square(0.05)
    x = coarse.variable("interior")[0]
    problem = jno.core([jnn.parameter(()).mse], domain=coarse)
    node = (x**2).integrate()
    assert abs(problem.eval(node)[0] - 1 / 3) > 1e-2
    assert abs(problem.eval(node, domain=fine)[0] - 1 / 3) < 1e-3


def test_printed():
    domain = square()
    x = domain.variable("interior")[0]
    s = domain.variable("interior")[0]
    assert repr((x**2).integrate()) == "integral(w * x**2)"
    assert repr((x * s).integrate(x)) == "∫ (x * x) dinterior"


# What cannot be integrated.


def test_bad_integrals():
    domain, cloud = square(), jno.domain.from_array({"interior": np.zeros((3, 2))})
    bare = square(compute_mesh_connectivity=False)
    x, y, t = domain.variable("interior")
    s = domain.variable("interior")[0]
    few = domain.variable("interior", sample=3)[0]
    data = domain.variable("data", np.ones((3, 1)), per="point", at=few)
    cases = [
        (lambda: jnn.concat([x, y]).integrate(), JnoValueError, "Only a scalar field"),
        (lambda: (x * s).integrate(), JnoValueError, "Integrate over one of them with integrate"),
        (lambda: x.integrate(x), JnoValueError, "no point set besides that of the outer"),
        (lambda: jnn.parameter((1,)).integrate(), JnoValueError, "no region to integrate over"),
        (lambda: x.integrate(t), JnoValueError, "The domain is steady"),
        (lambda: x.integrate("x"), JnoTypeError, "takes a coordinate"),
        (lambda: x.integrate(order=-1), JnoValueError, "order must be None"),
        (lambda: x.integrate(order=2.0), JnoValueError, "order must be None"),
        (lambda: cloud.variable("interior")[0].integrate(), JnoValueError, "needs a mesh"),
        (lambda: bare.variable("interior", sample=(5, "uniform"))[0].integrate(), JnoValueError, "needs a mesh"),
        (lambda: (few * data).integrate(), JnoValueError, "needs them at the points of its rule"),
    ]
    for make, error, message in cases:
        with pytest.raises(error, match=message):
            make()
