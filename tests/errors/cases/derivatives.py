"""Derivatives, schemes, parameter Jacobians and integrals."""

import jax
import numpy as np
from world import Handled, Refused

import jno
import jno.numpy as jnn
from jno_core.errors import JnoTypeError, JnoValueError, PluginCapabilityError, PluginNotFoundError

FD = "finite_difference"


def _vector_laplacian(w):
    v = w.vector
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


def _on_a_line(w):
    x, _ = w.line
    return (x**2).d2(x, scheme=f"{FD}:cotangent")


def _time_integral(w):
    """jNO returned 0 where it saw a single time step."""
    x, t = w.timed.variable("interior")
    value = jno.core([(x * t).mse]).eval((x * t).integrate(t))
    np.testing.assert_allclose(np.ravel(value), np.ravel(np.linspace(0, 1, 5)) / 2, rtol=1e-5)


def _on_points(w):
    x = w.cloud
    found = jno.core([x.mse]).eval((x**2).d(x, scheme=FD))
    np.testing.assert_allclose(np.ravel(found), 2 * np.linspace(0, 1, 5), atol=1e-3)


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
    "a derivative in a string": Refused(lambda w: w.u.d("x"), JnoTypeError, ("got 'x'",), ("domain.variable(...)",)),
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
        lambda w: jno.core([_on_a_line(w).mse]).eval(_on_a_line(w)),
        PluginCapabilityError,
        ("finite_difference:cotangent", "this is 1-D"),
        ("exists in 2-D only",),
    ),
    "least squares on points without a mesh": Refused(
        lambda w: jno.core([w.cloud.mse]).eval((w.cloud**2).d(w.cloud, scheme=f"{FD}:lsq")),
        PluginCapabilityError,
        (f"{FD}:lsq",),
        ("compute_mesh_connectivity=True",),
    ),
    "a derivative by AD of one by finite differences": Refused(
        lambda w: w.crux().eval(w.u.d(w.x, scheme=FD).d(w.y)),
        PluginCapabilityError,
        ("no derivative can be taken of a finite difference at other points", "automatic differentiation"),
        ("Build the domain with compute_mesh_connectivity=True",),
    ),
    "`divergence` of one field in two variables": Refused(
        lambda w: jnn.divergence([w.u], [w.x, w.y]),
        JnoValueError,
        ("1 fields", "2 variables"),
        ("divergence([u, v], [x, y])",),
    ),
    "a parameter Jacobian in another network": Refused(
        lambda w: w.u.grad(w.network()), JnoValueError, ("does not contain v",), ("a network that it is built from",)
    ),
    "a mask of another network": Refused(
        lambda w: w.net.mask({"a": True}),
        JnoValueError,
        (".layers[0].weight (module)", "['a'] (mask)"),
        ("eqx.tree_at",),
    ),
    "a mask that selects nothing": Refused(
        lambda w: w.net.mask(jax.tree.map(lambda _: False, w.net.module)),
        JnoValueError,
        ("selects no floating-point parameter",),
        ("True by eqx.tree_at",),
    ),
    "an integral without a point set": Refused(
        lambda w: (w.k**2).integrate(), JnoValueError, ("reads no point set",), ("domain.variable(tag)",)
    ),
    "an integral over points without a mesh": Refused(
        lambda w: w.cloud.integrate(), JnoValueError, ("needs a mesh",), ("compute_mesh_connectivity=True",)
    ),
    "an integral of a vector": Refused(
        lambda w: w.vector.integrate(), JnoValueError, ("(9, 2)",), ("Integrate its components",)
    ),
    "`integrate(t)` on a steady domain": Refused(
        lambda w: w.u.integrate(w.interior[2]), JnoValueError, ("steady",), ("time=",)
    ),
    "a Laplacian of a vector": Handled(_vector_laplacian, "taken of each component, `(N, C)`"),
    "`u.laplacian()`": Handled(_all_coordinates, "taken in all coordinates of the point set"),
    "`u.d2(t)`": Handled(_second_time_derivative, "equals `u.d(t).d(t)`"),
    "`u.grad(net.mask(m))`, then `u.grad(net)`": Handled(_mask_is_used_once, "the mask holds for its own call only"),
    "a Jacobian in a parameter": Handled(_parameter_jacobian, "`(N, P)`"),
    "two integrals in one problem": Handled(_two_integrals, "each has its own value"),
    "`integrate(t)` where a step sees one time": Handled(_time_integral, "the integral over all times"),
    "`finite_difference` on points without a mesh": Handled(_on_points, "steps around each point"),
    "an integral over one side": Handled(_side_integral, "exact, with the corner nodes"),
}
