"""Smooth distances and the ansatz functions that are made from them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError
from jno_plugin_geometry import (
    Annulus,
    Ball,
    Box,
    Cone,
    Cylinder,
    Disk,
    Ellipse,
    Line,
    LShape,
    Polygon,
    Rectangle,
    Torus,
)

pytestmark = pytest.mark.usefixtures("unoptimised")

SHAPES = {
    "line": Line((-1.0, 2.0)),
    "two intervals": Line((0.0, 1.0)) | Line((2.0, 2.5)),
    "plate with three holes": Rectangle((0, 2), (0, 1))
    - Disk((0.4, 0.5), 0.2).named("a")
    - Disk((1.0, 0.6), 0.15).named("b")
    - Ellipse((1.6, 0.5), (0.2, 0.3), 0.4).named("c"),
    "L": LShape(),
    "annulus": Annulus(),
    "ellipse": Ellipse((0.3, 0.1), (2.0, 0.5), 0.7),
    "lens": Disk((0.0, 0.0), 1.0) & Disk((1.0, 0.0), 1.0),
    "polygon": Polygon([(0, 0), (1.2, 0.1), (0.6, 0.5), (1.0, 1.0), (0.1, 0.9)]),
    "turned": (Rectangle() | Disk((1.0, 0.5), 0.3)).rotate(0.3).mirror((1.0, 2.0)).translate(3.0, 1.0),
    "box minus two balls": Box() - Ball((0.3, 0.3, 0.3), 0.2).named("a") - Ball((1.0, 1.0, 1.0), 0.3).named("b"),
    "cylinder and cone": Cylinder(height=1.0) | Cone((0.0, 0.0, 1.0), 1.0, 0.5),
    "torus": Torus().rotate(0.5, (1.0, 1.0, 0.0)).scale(2.0),
    "half ring": Disk((1.0, 0.0), 0.3).revolve(np.pi),
    "three quarters": (Rectangle((0.5, 1.0), (0.0, 0.4))).revolve(1.5 * np.pi),
}


def mlp(inputs, width, depth):
    return jno.nn.wrap(eqx.nn.MLP(inputs, 1, width, depth, jnp.tanh, key=jax.random.key(0)))


@pytest.fixture(params=[False, True], ids=["single", "double"])
def double(request):
    with jax.enable_x64(request.param):
        yield request.param


def drawn(shape, tag, n, dtype):
    return jnp.asarray(shape.sample(tag, n, np.random.default_rng(0)).points, dtype)


@pytest.mark.parametrize("name", SHAPES)
def test_zero_on_every_part_and_positive_inside(name, double):
    shape, dtype = SHAPES[name], jnp.float64 if double else jnp.float32
    size = float(np.ptp(shape.bounds(), axis=0).max())
    inside = shape.sample("interior", 3000, np.random.default_rng(1)).points
    far = inside[shape.signed_distance(inside) < -0.02 * size]
    tags = [tag for tag, kind in shape.tags().items() if kind == "boundary"]
    on, off = jnp.stack([drawn(shape, tag, 1000, dtype) for tag in tags]), jnp.asarray(far, dtype)
    functions = [(shape.smooth_distance(tag), shape.bubble(tag)) for tag in tags]
    # One program: that all parts are made from the same surfaces saves half of the time that compiling takes.
    everywhere = jax.jit(lambda points: [(distance(points), bubble(points)) for distance, bubble in functions])
    found = everywhere(jnp.concatenate([*on, off]))
    for i, (distance, bubble) in enumerate(found):
        part, rest = slice(1000 * i, 1000 * (i + 1)), slice(1000 * len(tags), None)
        assert jnp.max(distance[part]) < (1e-12 if double else 1e-6) * size
        assert jnp.min(distance[rest]) > 1e-3 * size
        assert jnp.max(bubble[part]) < (1e-12 if double else 5e-6)
        assert jnp.min(bubble[rest]) > 1e-4
        assert jnp.max(bubble[rest]) < 1.1


@pytest.mark.parametrize("name", SHAPES)
def test_the_normal_derivative_is_one_and_gradients_are_finite(name):
    shape = SHAPES[name]
    # Second derivatives of many faces take long to compile.
    twice = shape.dimension < 3 or name == "torus"
    with jax.enable_x64(True):
        distance = shape.smooth_distance("boundary")
        gradient = jax.grad(lambda p: distance(p[None])[0])
        oblique = jnp.array([1.0, 0.7, -0.4])[: shape.dimension]

        @jax.jit
        @jax.vmap
        def derivatives(p):
            """The gradient, and the product of all second derivatives with an oblique direction."""
            return jax.jvp(gradient, (p,), (oblique,)) if twice else gradient(p)

        size = float(np.ptp(shape.bounds(), axis=0).max())
        found = shape.sample("boundary", 400, np.random.default_rng(2))
        inside = shape.sample("interior", 400, np.random.default_rng(3)).points
        near = found.points - 1e-5 * size * found.normals
        points = np.stack([near, found.points, found.points + 0.1 * size, inside])
        derived = derivatives(jnp.asarray(points.reshape(-1, shape.dimension)))
        assert jax.tree.all(jax.tree.map(lambda d: jnp.all(jnp.isfinite(d)), derived))
        slopes = -jnp.sum((derived[0] if twice else derived)[:400] * found.normals, axis=1)
        # Close to edges the distance to the other face counts too.
        assert jnp.mean(jnp.abs(slopes - 1) < 1e-3) > 0.9


def test_bubbles_are_smooth_at_convex_corners():
    """The Laplacian of a distance grows as 1 / r towards the corner; that of a bubble stays bounded."""
    with jax.enable_x64(True):
        corner = jnp.array([[1e-2, 1e-2], [1e-3, 1e-3], [1e-4, 1e-4]])

        def laplacian(f):
            return jax.jit(jax.vmap(lambda p: jnp.trace(jax.hessian(lambda q: f(q[None])[0])(p))))(corner)

        square = Rectangle()
        assert jnp.max(jnp.abs(laplacian(square.bubble("boundary")))) < 10
        assert jnp.max(jnp.abs(laplacian(square.smooth_distance("boundary")))) > 1000


def test_a_part_is_zero_there_only():
    plate = SHAPES["plate with three holes"]
    with jax.enable_x64(True):
        for tag in ("left", "a", "c"):
            other = jax.jit(plate.smooth_distance(tag))
            for elsewhere in {"left", "right", "a", "b", "c"} - {tag}:
                assert jnp.min(other(drawn(plate, elsewhere, 300, jnp.float64))) > 0.05


def test_the_same_part_gives_the_same_function():
    plate = SHAPES["annulus"]
    assert plate.smooth_distance("inner") is plate.smooth_distance("inner")
    x, y, _ = jno.domain(plate).variable("interior", (10, "uniform"))
    u = mlp(2, 8, 1)(x, y)
    first, second = jno.fn.hard_dirichlet(u), jno.fn.hard_dirichlet(u)
    domain = x.domain
    values = jno.core([first.mse], domain=domain).eval([first, second])
    np.testing.assert_array_equal(*values)


def problem(shape, tag="boundary", n=500):
    domain = jno.domain(shape, compute_mesh_connectivity=False)
    *x, _ = domain.variable(tag, (n, "uniform"))
    return domain, x, mlp(len(x), 16, 2)(*x)


@pytest.mark.parametrize("name", ["plate with three holes", "L", "box minus two balls", "line"])
def test_dirichlet_values_are_exact(name, double):
    domain, x, net = problem(SHAPES[name], n=10_000)
    g = jno.np.sin(3 * x[0]) + x[-1]
    u = jno.fn.hard_dirichlet(net, g)
    error = jno.core([net.mse], domain=domain).eval(u - g)
    assert np.max(np.abs(error)) < (1e-12 if double else 1e-6)


def test_values_by_tag():
    with jax.enable_x64(True):
        for tag, value in (("left", 1.0), ("right", -2.0), ("a", 0.5)):
            domain, x, net = problem(SHAPES["plate with three holes"], tag)
            u = jno.fn.hard_dirichlet(net, {"left": 1.0, "right": -2.0, "a": 0.5 + 0 * x[0]})
            np.testing.assert_allclose(jno.core([net.mse], domain=domain).eval(u), value, atol=1e-10)
        domain, x, net = problem(SHAPES["plate with three holes"], "top")
        values = jno.core([net.mse], domain=domain).eval([jno.fn.hard_dirichlet(net, 3.0, ["left", "right"]), net])
        assert np.std(values[0]) > 1e-3


@pytest.mark.parametrize("name", ["annulus", "ellipse", "plate with three holes", "torus"])
def test_normal_derivatives_are_exact(name):
    """From inside: on the boundary itself the distance has a kink."""
    with jax.enable_x64(True):
        shape = SHAPES[name]
        found = shape.sample("boundary", 300, np.random.default_rng(0))
        domain = jno.domain.from_array({"near": found.points - 1e-7 * found.normals})
        *x, _ = domain.variable("near")
        n = domain.variable("n", found.normals, per="point", at=x[0])
        net = mlp(len(x), 16, 2)(*x)
        a, h = 2.0, jno.np.cos(x[0])
        neumann, robin = jno.fn.hard_neumann(net, h, shape), jno.fn.hard_robin(net, a, h, shape)

        def slope(u):
            return sum((u.d(xi) * n[:, i : i + 1] for i, xi in enumerate(x)), start=0.0 * x[0])

        first, second = jno.core([net.mse], domain=domain).eval([slope(neumann) - h, slope(robin) + a * robin - h])
        # Not within a hair of the plate's corners, where there is no normal.
        assert np.quantile(np.abs(first), 0.97) < 1e-4
        assert np.quantile(np.abs(second), 0.97) < 1e-4


def test_periodic_features():
    with jax.enable_x64(True):
        domain = jno.domain.line((0.0, 2.0), mesh_size=1.0)
        x, _ = domain.variable("interior")
        u = mlp(6, 16, 2)(jno.fn.periodic(x, 2.0, harmonics=3))
        values, slopes, curvature = jno.core([x.mse], domain=domain).eval([u, u.d(x), u.d2(x)])
        for f in (values, slopes, curvature):
            np.testing.assert_allclose(np.squeeze(f)[0], np.squeeze(f)[-1], rtol=1e-9)
    for arguments in ((x, 0.0), (x, 1.0, 0)):
        with pytest.raises(JnoValueError):
            jno.fn.periodic(*arguments)


def test_conditions_that_cannot_be():
    domain, _, net = problem(SHAPES["annulus"], "interior")
    with pytest.raises(JnoTypeError, match="expression"):
        jno.fn.hard_dirichlet(3.0)
    with pytest.raises(JnoValueError, match="one point set"):
        jno.fn.hard_dirichlet(net + domain.variable("interior", (500, "uniform"))[0])
    with pytest.raises(JnoTypeError, match="where"):
        jno.fn.hard_dirichlet(net, 0.0, 3)
    with pytest.raises(KeyError, match="'left'"):
        jno.fn.hard_dirichlet(net, 0.0, "left")
    cloud = jno.domain.from_array({"interior": np.random.default_rng(0).random((5, 2))})
    y = cloud.variable("interior")[0]
    with pytest.raises(PluginCapabilityError, match="distances"):
        jno.fn.hard_dirichlet(y)
    # A shape may be given instead.
    assert jno.fn.hard_dirichlet(y, 0.0, SHAPES["annulus"]).aval.shape == (5, 1)


def test_training_with_a_hard_condition():
    """Poisson's equation on a plate with holes, without a boundary loss; the solution is manufactured."""
    plate = Rectangle((0, 1), (0, 1)) - Disk((0.3, 0.3), 0.15).named("a") - Disk((0.7, 0.65), 0.2).named("b")
    domain = jno.domain(plate, compute_mesh_connectivity=False)
    x, y, _ = domain.variable("interior", (600, "sobol"))
    exact = jno.np.sin(2 * x) * jno.np.exp(y)
    net = mlp(2, 32, 3)
    u = jno.fn.hard_dirichlet(net(x, y), exact)
    net.optimizer(optax.adam(2e-3))
    crux = jno.core([(u.laplacian(x, y) - exact.laplacian(x, y)).mse], domain=domain)
    before = crux.eval((u - exact).mse)
    crux.solve(400)
    after = crux.eval((u - exact).mse)
    assert np.mean(after) < np.mean(before) / 50
