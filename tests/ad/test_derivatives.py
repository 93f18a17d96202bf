"""Every request, string, dimension and target shape against derivatives that SymPy takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import DerivativeRequest as Request, Field, Support
from jno_plugin_ad import AutomaticDifferentiation

pytestmark = pytest.mark.usefixtures("unoptimised")

SECOND = ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")
VARIANTS = (None, "forward", "reverse", *SECOND)
PRECISIONS = pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"])

COMPONENTS = {
    "x": ("sin(2*x)*exp(x)/4", "x**3 - x", "log(1 + x)"),
    "xy": ("sin(2*x)*exp(y)/4", "x**3*y - y**2", "log(1 + x*y)"),
    "xyz": ("sin(2*x)*exp(y)*z/4", "x**3*y - y**2*z**2", "log(1 + x*y*z)"),
    "xt": ("exp(-t)*sin(2*x)/2", "x**2*t**3", "1/(1 + x + t**2)"),
    "xyt": ("exp(-t)*sin(2*x)*y/2", "x**2*t**3*y", "1/(1 + x*y + t**2)"),
}


def requests_of(variant, d):
    every = tuple(range(d))
    first = [Request("gradient", every), *(Request("partial", (i,)) for i in every)]
    second = [
        Request("laplacian", every),
        Request("laplacian", (d - 1,)),
        Request("hessian", every),
        Request("hessian", every[::-1]),
        Request("partial", (0, 0)),
        Request("partial", (d - 1, 0)),
    ]
    return (Request("value"), *(() if variant in SECOND else first), *second)


@PRECISIONS
@pytest.mark.parametrize(
    ("names", "shape"),
    [("x", "(n,1)"), ("xy", "(n,)"), ("xyz", "(n,3)"), ("xt", "(n,3)"), ("xyt", "(n,1)")],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_requests_in_all_dimensions(symbolic, apply, variant, names, shape, x64, tolerance):
    components = COMPONENTS[names][: 3 if shape == "(n,3)" else 1]
    requests = requests_of(variant, len(names))
    with jax.enable_x64(x64):
        case = symbolic(names, *components, flat=shape == "(n,)")
        field, support = case.field(), case.support()
        results = jax.jit(lambda: apply(variant, requests, field, support))()
    for request, result in zip(requests, results, strict=True):
        exact = case.exact(request)
        assert result.shape == exact.shape, request
        assert result.dtype == (jnp.float64 if x64 else jnp.float32)
        np.testing.assert_allclose(result, exact, rtol=tolerance, atol=tolerance, err_msg=str(request))


@PRECISIONS
@pytest.mark.parametrize("variant", [None, "forward", "reverse"])
@pytest.mark.parametrize("axes", [(0, 0, 0), (2, 1, 0), (1, 1, 0, 0), (2, 1, 2, 0)])
def test_third_and_fourth_order_partials(symbolic, apply, variant, axes, x64, tolerance):
    request = Request("partial", axes)
    with jax.enable_x64(x64):
        case = symbolic("xyz", "sin(x + 2*y)*exp(z/2)/8", "x**4*y**2*z**2/4")
        field, support = case.field(), case.support()
        (result,) = jax.jit(lambda: apply(variant, [request], field, support))()
    np.testing.assert_allclose(result, case.exact(request), rtol=tolerance, atol=tolerance)


def test_a_target_that_ignores_a_coordinate_has_zero_derivatives_there(symbolic, apply):
    case = symbolic("xt", "x**2")
    requests = [Request("partial", (1,)), Request("partial", (1, 1)), Request("gradient", (0, 1))]
    for variant in (None, "forward", "reverse"):
        first, second, gradient = apply(variant, requests, case.field(), case.support())
        assert not np.any(first)
        assert not np.any(second)
        np.testing.assert_allclose(gradient, case.exact(requests[2]), rtol=1e-6)


def test_repeated_and_reordered_requests_keep_their_places(symbolic, apply):
    case = symbolic("xy", "x**2*y**3")
    requests = [Request("partial", (1, 0)), Request("value"), Request("partial", (0, 1)), Request("partial", (1, 0))]
    for variant in VARIANTS:
        results = jax.jit(lambda v=variant: apply(v, requests, case.field(), case.support()))()
        for request, result in zip(requests, results, strict=True):
            np.testing.assert_allclose(result, case.exact(request), rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_aligned_arrays_belong_to_their_points(apply, variant):
    n = 6
    x = jnp.linspace(0.0, 1.0, n)[:, None]
    aligned = {"a": jnp.arange(1.0, n + 1), "b": jnp.arange(2.0 * n).reshape(n, 2)}

    def at(columns, aligned):
        return aligned["a"][:, None] * columns[0] ** 3 + columns[0] ** 2 * aligned["b"][:, :1] + aligned["b"][:, 1:]

    field = Field(at=at, values=lambda: at((x,), aligned), aligned=aligned, name="u")
    a, b = aligned["a"][:, None], aligned["b"][:, :1]
    value, second = apply(variant, [Request("value"), Request("laplacian", (0,))], field, Support((x,), ("x",), 1, "i"))
    np.testing.assert_allclose(value, a * x**3 + b * x**2 + aligned["b"][:, 1:], rtol=1e-6)
    np.testing.assert_allclose(second, 6 * a * x + 2 * b, rtol=1e-6)


@pytest.mark.parametrize("variant", [None, "forward", "reverse"])
def test_maps_over_instances_and_differentiates_in_parameters(variant):
    """`vmap` over a batch of point sets and a gradient through `apply`, against the closed form."""
    requests = (Request("laplacian", (0, 1)),)
    scheme = AutomaticDifferentiation(variant=variant)

    def residual(a, columns):
        field = Field(at=lambda c, aligned: jnp.sin(a * c[0]) * c[1] ** 2, values=lambda: a, aligned=None, name="u")
        return scheme.apply(requests, field, Support(columns, ("x", "y"), 2, "i"), {}, None)[0]

    points = jax.random.uniform(jax.random.key(0), (2, 4, 5, 1))
    columns = (points[0], points[1])
    a = jnp.asarray(1.5)
    mapped = jax.vmap(residual, in_axes=(None, 0))(a, columns)
    x, y = columns
    np.testing.assert_allclose(mapped, jnp.sin(a * x) * (2 - a**2 * y**2), rtol=1e-4, atol=1e-5)
    slope = jax.grad(lambda a: jax.vmap(residual, in_axes=(None, 0))(a, columns).sum())(a)
    exact = jnp.sum(x * jnp.cos(a * x) * (2 - a**2 * y**2) - 2 * a * y**2 * jnp.sin(a * x))
    np.testing.assert_allclose(slope, exact, rtol=1e-4)
