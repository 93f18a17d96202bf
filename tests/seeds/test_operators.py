"""The page of differential operators, its automatic half, on fields given by formulas: every operator against SymPy.

All coordinates are multiples of 1/64, so that single precision holds them exactly and only the operators err.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import jno
import jno.numpy as jnn
from jno_core.errors import JnoValueError, PluginCapabilityError

AD = "automatic_differentiation"
SECOND_ONLY = [f"{AD}:{v}" for v in ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")]
BOTH_ORDERS = [AD, f"{AD}:forward", f"{AD}:reverse"]
SCHEMES = BOTH_ORDERS + SECOND_ONLY
PRECISIONS = pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"])
TIMES = (0.25, 1.0, 4)
FIELDS = {
    "x": ("sin(2*x)*exp(-x)", "x**4 - log(1 + x)"),
    "xy": ("sin(2*x)*cos(y)", "x**3*y - log(1 + x*y)"),
    "xyz": ("sin(x)*cos(y)*exp(-z)", "x**2*y*z - z**3"),
    "xt": ("exp(-t)*sin(2*x)", "1/(1 + x + t)"),
    "xyt": ("exp(-t)*sin(x)*cos(y)", "1/(1 + x*y + t)"),
    "xyzt": ("exp(-t)*sin(x)*cos(y)*z", "x**2*t**2*y*z"),
}
TRACED = {name: getattr(jnn, name) for name in ("sin", "cos", "exp", "log")}


class Points:
    """A point cloud in the named coordinates, with its variables and exact values on it."""

    def __init__(self, names, n=12):
        self.names = tuple(names)
        self.space = tuple(c for c in self.names if c != "t")
        points = np.random.default_rng(len(names)).integers(8, 57, (n, len(self.space))) / 64
        timed = "t" in self.names
        domain = jno.domain.from_array({"interior": points}, time=TIMES if timed else None)
        *space, time = domain.variable("interior")
        self.variables = (*space, time) if timed else tuple(space)
        self.crux = jno.core([], domain=domain)
        self._times = np.linspace(*TIMES) if timed else None
        self._points = points

    def field(self, *expressions):
        """The expressions as a traced field of as many components."""
        parts = [sympy.lambdify(self.names, e, modules=[TRACED])(*self.variables) for e in expressions]
        return parts[0] if len(parts) == 1 else jnn.concat(parts)

    def exact(self, expression):
        """A SymPy expression in float64: `(N,)`, with time `(T, N)`."""
        columns = list(self._points.T)
        if self._times is not None:
            columns.append(self._times[:, None])
        shape = np.broadcast_shapes(*(np.shape(c) for c in columns))
        values = sympy.lambdify(self.names, expression, modules="numpy")(*columns)
        return np.broadcast_to(values, shape).astype(np.float64)

    def exactly(self, entries):
        """An object array of expressions as values, its axes after those of time and points, the instance first."""
        entries = np.asarray(entries, dtype=object)
        values = np.stack([self.exact(e) for e in entries.ravel()], axis=-1)
        return values.reshape(1, *values.shape[:-1], *entries.shape)

    def check(self, pairs, tolerance, dtype):
        """`pairs` of a traced expression and the object array of its components, all in one evaluation."""
        values = self.crux.eval([node for node, _ in pairs])
        values = [values] if len(pairs) == 1 else values
        for (node, entries), value in zip(pairs, values, strict=True):
            exact = self.exactly(entries)
            assert value.dtype == dtype, node
            assert value.shape == exact.shape, node
            np.testing.assert_allclose(value, exact, rtol=tolerance, atol=tolerance, err_msg=repr(node))


def dtype_of(x64):
    return jnp.float64 if x64 else jnp.float32


def operators(names, u, exprs, variables, scheme):
    """Pairs of operator and exact entries for one target; first-order ones where the scheme has them."""
    symbols = sympy.symbols(tuple(names))
    exprs = [sympy.sympify(e) for e in exprs]
    scalar = len(exprs) == 1

    def components(f):
        return [f(e) for e in exprs]

    def tensor(f):
        return f(exprs[0]) if scalar else [f(e) for e in exprs]

    def gradient(e):
        return [sympy.diff(e, s) for s in symbols]

    def hessian(e):
        return sympy.hessian(e, symbols).tolist()

    listed = list(variables)
    pairs = [
        (jnn.laplacian(u, listed, scheme=scheme), components(lambda e: sum(sympy.diff(e, s, 2) for s in symbols))),
        (jnn.hessian(u, listed, scheme=scheme), tensor(hessian)),
        (u.d2(variables[-1], scheme=scheme), components(lambda e: sympy.diff(e, symbols[-1], 2))),
    ]
    if scheme not in SECOND_ONLY:
        pairs += [
            (jnn.grad(u, v, scheme=scheme), components(lambda e, s=s: sympy.diff(e, s)))
            for v, s in zip(variables, symbols, strict=True)
        ]
        pairs += [(jnn.jacobian(u, listed, scheme=scheme), tensor(gradient))]
    return pairs


# The plain string everywhere; the named compositions on a scalar in 1-D, a vector in 3-D and both in 2-D. With time they
# are tested below.
CASES = [
    *itertools.product([AD], FIELDS, [(1, 2)]),
    *itertools.product(SCHEMES[1:], ["x"], [(1,)]),
    *itertools.product(SCHEMES[1:], ["xy"], [(1, 2)]),
    *itertools.product(SCHEMES[1:], ["xyz"], [(2,)]),
]


@PRECISIONS
@pytest.mark.parametrize(("scheme", "names", "components"), CASES)
def test_every_operator_of_scalar_and_vector_fields(scheme, names, components, x64, tolerance):
    with jax.enable_x64(x64):
        points = Points(names)
        pairs = []
        for c in components:
            exprs = FIELDS[names][:c]
            pairs += operators(names, points.field(*exprs), exprs, points.variables, scheme)
        points.check(pairs, tolerance, dtype_of(x64))


@PRECISIONS
@pytest.mark.parametrize("scheme", SCHEMES)
def test_chained_and_mixed_derivatives(scheme, x64, tolerance):
    """Derivatives of derivatives and of products; strings for second order act on first derivatives of the default."""
    x, y = sympy.symbols("x y")
    e = sympy.sympify("sin(2*x)*cos(y) + x**3*y**2")
    first = AD if scheme in SECOND_ONLY else scheme
    with jax.enable_x64(x64):
        points = Points("xy")
        X, Y = points.variables
        u = points.field(e)
        u_x, lap = u.d(X, scheme=first), u.laplacian(X, Y, scheme=scheme)
        lap_e = sympy.diff(e, x, 2) + sympy.diff(e, y, 2)
        pairs = [
            (u_x.d(Y, scheme=first), [sympy.diff(e, x, y)]),
            (u.d(Y, scheme=first).d(X, scheme=first), [sympy.diff(e, x, y)]),
            (u_x.d2(Y, scheme=scheme), [sympy.diff(e, x, y, 2)]),
            (u_x.hessian(X, Y, scheme=scheme), sympy.hessian(sympy.diff(e, x), (x, y)).tolist()),
            (lap.d(Y, scheme=first), [sympy.diff(lap_e, y)]),
            ((u * u_x).d(Y, scheme=first), [sympy.diff(e * sympy.diff(e, x), y)]),
        ]
        points.check(pairs, tolerance, dtype_of(x64))


@PRECISIONS
@pytest.mark.parametrize("scheme", SCHEMES)
def test_time_and_space_derivatives_mix(scheme, x64, tolerance):
    x, t = sympy.symbols("x t")
    exprs = [sympy.sympify(e) for e in ("exp(-t)*sin(2*x)", "x**3*t**3")]
    first = AD if scheme in SECOND_ONLY else scheme
    with jax.enable_x64(x64):
        points = Points("xt")
        X, T = points.variables
        u = points.field(*exprs)
        pairs = [
            (u.d(T, scheme=first).d(X, scheme=first), [sympy.diff(e, x, t) for e in exprs]),
            (u.d(T, scheme=first).d(T, scheme=first), [sympy.diff(e, t, 2) for e in exprs]),
            (u.d2(T, scheme=scheme), [sympy.diff(e, t, 2) for e in exprs]),
            (u.d(T, scheme=first).d2(X, scheme=scheme), [sympy.diff(e, t, x, 2) for e in exprs]),
            # Without variables the Laplacian is that of space alone.
            (u.laplacian(scheme=scheme), [sympy.diff(e, x, 2) for e in exprs]),
        ]
        points.check(pairs, tolerance, dtype_of(x64))


@PRECISIONS
def test_fourth_order_and_coefficients_inside(x64, tolerance):
    x, y = sympy.symbols("x y")
    e = sympy.sympify("sin(x)*cos(y) + x**3*y**2")
    with jax.enable_x64(x64):
        points = Points("xy")
        X, Y = points.variables
        u = points.field(e)
        lap_e = sympy.diff(e, x, 2) + sympy.diff(e, y, 2)
        pairs = [
            (u.laplacian(X, Y).laplacian(X, Y), [sympy.diff(lap_e, x, 2) + sympy.diff(lap_e, y, 2)]),
            (jnn.exp(-u).d2(Y), [sympy.diff(sympy.exp(-e), y, 2)]),
            (((1 + X**2) * u.d(X)).d(X), [sympy.diff((1 + x**2) * sympy.diff(e, x), x)]),
        ]
        points.check(pairs, tolerance, dtype_of(x64))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_without_a_component_axis(scheme):
    """A component taken by an index is `(N,)`, and so are its derivatives in one coordinate."""
    x, y = sympy.symbols("x y")
    e = sympy.sympify("x**3*y**2 + y")
    with jax.enable_x64(True):
        points = Points("xy")
        X, Y = points.variables
        u = points.field(e, "x - y")[..., 0]
        pairs = [
            (u, e),
            (u.laplacian(X, Y, scheme=scheme), sympy.diff(e, x, 2) + sympy.diff(e, y, 2)),
            (u.hessian(X, Y, scheme=scheme), sympy.hessian(e, (x, y)).tolist()),
            (u.hessian(Y, scheme=scheme), [[sympy.diff(e, y, 2)]]),
        ]
        if scheme not in SECOND_ONLY:
            pairs += [
                (u.d(Y, scheme=scheme), sympy.diff(e, y)),
                (jnn.jacobian(u, [X, Y], scheme=scheme), [sympy.diff(e, x), sympy.diff(e, y)]),
            ]
        points.check(pairs, 1e-10, jnp.float64)


@PRECISIONS
def test_divergence_and_curls(x64, tolerance):
    with jax.enable_x64(x64):
        plane = Points("xy")
        x, y = sympy.symbols("x y")
        f = [sympy.sympify(e) for e in ("x**2*sin(y)", "exp(-x)*y**3")]
        (X, Y), F = plane.variables, [plane.field(e) for e in f]
        div, curl = sympy.diff(f[0], x) + sympy.diff(f[1], y), sympy.diff(f[1], x) - sympy.diff(f[0], y)
        pairs = [(jnn.divergence(F, [X, Y]), [div]), (jnn.curl_2d(*F, X, Y), [curl])]
        plane.check(pairs, tolerance, dtype_of(x64))

        space = Points("xyz")
        x, y, z = sympy.symbols("x y z")
        f = [sympy.sympify(e) for e in ("y*z*cos(x)", "x*z**2", "exp(-z)*x*y**2")]
        V, F = space.variables, [space.field(e) for e in f]
        curl = [
            sympy.diff(f[2], y) - sympy.diff(f[1], z),
            sympy.diff(f[0], z) - sympy.diff(f[2], x),
            sympy.diff(f[1], x) - sympy.diff(f[0], y),
        ]
        curl_node = jnn.curl_3d(*F, *V)
        div_of_curl = jnn.divergence([curl_node[..., i : i + 1] for i in range(3)], list(V))
        pairs = [
            (jnn.divergence(F, list(V)), [sum(sympy.diff(e, s) for e, s in zip(f, (x, y, z), strict=True))]),
            (curl_node, curl),
            (div_of_curl, [sympy.Integer(0)]),
        ]
        space.check(pairs, tolerance, dtype_of(x64))


def test_aliases_and_methods_are_the_free_functions():
    """Two spellings of one derivative are one node of the compiled problem, so their values agree in every bit."""
    points = Points("xy")
    X, Y = points.variables
    u = points.field("sin(2*x)*cos(y)")
    spellings = [
        (jnn.grad(u, X), u.d(X), u.diff(X)),
        (jnn.grad(u, [X, Y]), jnn.jacobian(u, [X, Y]), u.grad(X, Y)),
        (jnn.laplacian(u, [X, Y]), jnn.laplace(u, [X, Y]), u.laplacian(X, Y), u.laplacian()),
        (u.d2(X), u.dd(X), jnn.laplacian(u, [X])),
        (jnn.hessian(u, [X, Y]), u.hessian(X, Y)),
        (jno.np.grad(u, Y), jno.numpy.grad(u, Y)),
    ]
    values = iter(points.crux.eval(list(itertools.chain(*spellings))))
    for group in spellings:
        first, *others = (next(values) for _ in group)
        for other in others:
            np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("scheme", SECOND_ONLY)
def test_a_composition_of_two_modes_has_no_first_derivative(scheme):
    points = Points("xy")
    X, Y = points.variables
    u = points.field("x*y")
    for derivative in (lambda: jnn.grad(u, X, scheme=scheme), lambda: jnn.jacobian(u, [X, Y], scheme=scheme)):
        with pytest.raises(PluginCapabilityError, match=scheme.partition(":")[2]):
            points.crux.eval(derivative())


def test_what_cannot_be_differentiated_says_so():
    points = Points("xy")
    X, Y = points.variables
    u = points.field("x*y")
    with pytest.raises(JnoValueError, match="at least one coordinate"):
        jnn.grad(u, [])
    with pytest.raises(JnoValueError, match="one field per variable"):
        jnn.divergence([u], [X, Y])
    with pytest.raises(PluginCapabilityError, match="Did you mean 'forward'"):
        jnn.grad(u, X, scheme=f"{AD}:forwards")
