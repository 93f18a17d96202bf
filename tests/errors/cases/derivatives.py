"""Derivatives, schemes, parameter Jacobians and integrals."""

import jax
import numpy as np
from world import Handled, Refused

import jno
import jno.numpy as jnn
from jno_core.errors import JnoError, JnoTypeError, JnoValueError, PluginCapabilityError, PluginNotFoundError

FD = "finite_difference"


def _vector_laplacian(w):
    v = w.network("v", 2)(w.x, w.y)
    values = w.crux().eval([v.laplacian(w.x, w.y), v[..., 1:2].laplacian(w.x, w.y)])
    assert values[0].shape == (1, 9, 2)
    np.testing.assert_allclose(values[0][..., 1:2], values[1], rtol=1e-5)


def _all_coordinates(w):
    both = w.crux().eval([w.u.laplacian(), w.u.laplacian(w.x, w.y)])
    np.testing.assert_allclose(*both, rtol=1e-5)


def _second_time_derivative(w):
    x, t = w.timed.variable("interior")
    u = jnn.sin(2.0 * t) * x
    values = jno.core([u.mse]).eval([u.d2(t), u.d(t).d(t), -4.0 * u])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(values[0], values[2], rtol=1e-4, atol=1e-5)


def _mask_is_used_once(w):
    part = w.u.grad(w.net.mask(w.mask()))
    assert part.aval.shape == (9, 6)
    assert w.u.grad(w.net).aval.shape == (9, 13)


def _parameter_jacobian(w):
    k = jnn.parameter((2,), name="k")
    assert (k[0] * w.x + k[1]).grad(k).aval.shape == (9, 2)


def _two_integrals(w):
    """jNO merged all integrals of one constraint into the first."""
    x = w.x
    one, two = w.crux().eval([(0 * x + 1.0).integrate(), (0 * x + 2.0).integrate()])
    np.testing.assert_allclose([one[0], two[0]], [1.0, 2.0], rtol=1e-5)


def _side_integral(w):
    x, y, _ = w.domain.variable("left")
    np.testing.assert_allclose(w.crux().eval((y + 0 * x).integrate()), 0.5, rtol=1e-5)


CASES = {
    "a derivative in coordinates of another point set": Refused(
        lambda w: w.u.d(w.boundary[0]),
        JnoValueError,
        ("does not depend on x", "'boundary'", "'interior'"),
        ("differentiate in the variables that u was built from",),
    ),
    "coordinates of two point sets in one operator": Refused(
        lambda w: w.u.laplacian(w.x, w.boundary[1]),
        JnoValueError,
        ("'interior'", "'boundary'"),
        ("from one domain.variable(...) call",),
    ),
    "a derivative in a string": Refused(
        lambda w: w.u.d("x"), JnoTypeError, ("got 'x'",), ("domain.variable(...)",)
    ),
    "a derivative of a loss": Refused(lambda w: w.u.mse.d(w.x), JnoValueError, ("mse(u(x, y))",), ("u.d(x).mse",)),
    "a time derivative on a steady domain": Refused(
        lambda w: w.u.d(w.interior[2]), JnoValueError, ("steady",), ("time=(0.0, 1.0, 11)",)
    ),
    "a misspelt scheme": Refused(
        lambda w: w.u.d(w.x, scheme="finite_diference"),
        PluginNotFoundError,
        ("'finite_diference'",),
        ("Did you mean 'finite_difference'?",),
    ),
    "a misspelt variant, `finite_difference:cotagent`": Refused(
        lambda w: w.u.laplacian(w.x, w.y, scheme=f"{FD}:cotagent"),
        PluginCapabilityError,
        ("'cotagent'",),
        ("Did you mean 'cotangent'?",),
    ),
    "a scheme of a package that is not installed": Refused(
        lambda w: w.u.d(w.x, scheme="spectral"),
        PluginNotFoundError,
        ("'spectral'", "not installed"),
        ("pip install jno-plugin-spectral",),
    ),
    "a scheme that is a number": Refused(
        lambda w: w.u.d(w.x, scheme=3), JnoTypeError, ("got 3",), ("'family[:variant]'",)
    ),
    "the cotangent scheme on a line": Refused(
        lambda w: jno.core([_on_a_line(w).mse]), PluginCapabilityError, ("cotangent",), ("2",)
    ),
    "finite differences on points without a mesh": Refused(
        lambda w: jno.core([_on_points(w).mse]), PluginCapabilityError, (FD,), ("compute_mesh_connectivity=True",)
    ),
    "automatic over finite differences": Refused(
        lambda w: jno.core([w.u.d(w.x, scheme=FD).d(w.y).mse]), JnoError, ("finite_difference",), ("scheme",)
    ),
    "`divergence` of one field in two variables": Refused(
        lambda w: jnn.divergence([w.u], [w.x, w.y]), JnoValueError, ("1 fields", "2 variables"), ("divergence([u, v], [x, y])",)
    ),
    "a parameter Jacobian in another network": Refused(
        lambda w: w.u.grad(w.network()), JnoValueError, ("does not contain v",), ("a network that it is built from",)
    ),
    "a mask of another network": Refused(
        lambda w: w.net.mask({"a": True}), JnoValueError, (".layers[0].weight (module)", "['a'] (mask)"), ("eqx.tree_at",)
    ),
    "a mask that selects nothing": Refused(
        lambda w: w.net.mask(jax.tree.map(lambda _: False, w.net.module)),
        JnoValueError,
        ("selects no floating-point parameter",),
        ("True by eqx.tree_at",),
    ),
    "an integral without a point set": Refused(
        lambda w: (jnn.parameter((1,)) ** 2).integrate(), JnoError, ("integra",), ("variable",)
    ),
    "an integral over points without a mesh": Refused(
        lambda w: jno.core([_points(w).integrate() ** 2]), JnoError, ("mesh",), ("mesh",)
    ),
    "an integral of a vector": Refused(
        lambda w: w.network("v", 2)(w.x, w.y).integrate(), JnoValueError, ("(9, 2)",), ("component",)
    ),
    "`integrate(t)` on a steady domain": Refused(
        lambda w: w.u.integrate(w.interior[2]), JnoValueError, ("steady",), ("time=",)
    ),
    "`integrate(t)` where one time step is seen": Refused(
        lambda w: _time_integral(w).solve(1), JnoValueError, ("time",), ("min_consecutive",)
    ),
    "a Laplacian of a vector": Handled(_vector_laplacian, "taken of each component, `(N, C)`"),
    "`u.laplacian()`": Handled(_all_coordinates, "taken in all coordinates of the point set"),
    "`u.d2(t)`": Handled(_second_time_derivative, "equals `u.d(t).d(t)`"),
    "`u.grad(net.mask(m))`, then `u.grad(net)`": Handled(_mask_is_used_once, "the mask holds for its own call only"),
    "a Jacobian in a parameter": Handled(_parameter_jacobian, "`(N, P)`"),
    "two integrals in one problem": Handled(_two_integrals, "each has its own value"),
    "an integral over one side": Handled(_side_integral, "exact, with the corner nodes"),
}


def _on_a_line(w):
    x, _ = jno.domain.line(mesh_size=0.25).variable("interior")
    return (x**2).d2(x, scheme=f"{FD}:cotangent")


def _points(w):
    return jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]}).variable("interior")[0] ** 2


def _on_points(w):
    x = jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]}).variable("interior")[0]
    return (x**2).d(x, scheme=FD)


def _time_integral(w):
    import optax

    x, t = w.timed.variable("interior")
    w.net.optimizer(optax.adam(1e-3))
    return jno.core([w.net(x, t).integrate(t).mse])
