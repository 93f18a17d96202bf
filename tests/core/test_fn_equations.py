"""`jno.fn`: residuals of equations against SymPy and exact solutions."""

import inspect
import math

import equinox as eqx
import jax
import numpy as np
import pytest
import sympy

import jno
from jno_core._graph import AbstractDerivative, Placeholder, walk
from jno_core.errors import JnoTypeError, JnoValueError

EQUATIONS = ("advection", "advection_diffusion_reaction", "allen_cahn", "biharmonic", "burgers_1d", "burgers_inviscid_1d",
             "cahn_hilliard", "continuity", "diffusion", "fisher_kpp", "heat", "helmholtz", "maxwell_3d",
             "navier_stokes_incompressible_2d", "poisson", "wave")  # fmt: skip
TRACED = {
    "sin": jno.np.sin,
    "cos": jno.np.cos,
    "exp": jno.np.exp,
    "tanh": jno.np.tanh,
    "sqrt": jno.np.sqrt,
    "pi": math.pi,
}
X, Y, Z, T = sympy.symbols("x y z t")


class Space:
    """Random points in `dimension` dimensions and three times, on which SymPy expressions become expressions or values."""

    def __init__(self, dimension, n=6):
        self.points = np.random.default_rng(dimension).uniform(0.2, 0.9, (n, dimension))
        self.domain = jno.domain.from_array({"interior": self.points}, time=(0.0, 1.0, 3))
        self.variables = self.domain.variable("interior")
        *self.x, self.t = self.variables
        self.symbols = (X, Y, Z)[:dimension]

    def traced(self, e):
        return sympy.lambdify((*self.symbols, T), e, modules=[TRACED])(*self.variables) + 0 * self.x[0]

    def exact(self, e):
        f = sympy.lambdify((*self.symbols, T), e, modules="numpy")
        return np.stack([f(*self.points.T, t) + np.zeros(len(self.points)) for t in (0.0, 0.5, 1.0)])[None, ..., None]

    def values(self, node):
        return jno.core([node.mse], domain=self.domain).eval(node)

    def check(self, cases, tolerance=1e-9):
        """That nodes have the values of SymPy expressions: pairs by name, evaluated and compiled together."""
        nodes = [node for node, _ in cases.values()]
        values = jno.core([nodes[0].mse], domain=self.domain).eval([*nodes, self.x[0]])
        for (name, (_, exact)), value in zip(cases.items(), values[:-1], strict=True):
            expected = self.exact(sympy.sympify(exact))
            np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance, err_msg=name)


def laplace(e, symbols):
    return sum(sympy.diff(e, s, 2) for s in symbols)


# Residuals against SymPy.


def _forced(name, coefficient, residual):
    """Cases of the helpers that take the forcing before the variables."""
    return name, lambda u, s, f: getattr(jno.fn, name)(u, f, *s.x, **coefficient), residual


def _evolving(name, options, residual):
    return name, lambda u, s, f: getattr(jno.fn, name)(u, s.t, *s.x, **options, source=f), residual


dt = lambda u: sympy.diff(u, T)  # noqa: E731
ANY_DIMENSION = [
    _forced("poisson", {"diffusion": 2.5}, lambda u, s: -2.5 * laplace(u, s)),
    _forced("poisson", {}, lambda u, s: -laplace(u, s)),
    _forced("helmholtz", {"wave_number": 3}, lambda u, s: -laplace(u, s) - 9 * u),
    _forced("helmholtz", {}, lambda u, s: -laplace(u, s) - u),
    _forced("biharmonic", {"stiffness": 0.5}, lambda u, s: laplace(laplace(u, s), s) / 2),
    _evolving("heat", {"diffusivity": 0.3}, lambda u, s: dt(u) - 0.3 * laplace(u, s)),
    _evolving("heat", {}, lambda u, s: dt(u) - laplace(u, s)),
    _evolving("wave", {"speed": 2}, lambda u, s: dt(dt(u)) - 4 * laplace(u, s)),
    _evolving("allen_cahn", {"epsilon": 0.5}, lambda u, s: dt(u) - 0.25 * laplace(u, s) + u**3 - u),
    _evolving("allen_cahn", {}, lambda u, s: dt(u) - 1e-4 * laplace(u, s) + u**3 - u),
    _evolving("fisher_kpp", {"diffusivity": 0.3, "growth_rate": 2},
              lambda u, s: dt(u) - 0.3 * laplace(u, s) - 2 * u * (1 - u)),
    _evolving("cahn_hilliard", {"epsilon": 0.5, "mobility": 2},
              lambda u, s: dt(u) - 2 * laplace(-0.25 * laplace(u, s) + u**3 - u, s)),
    _evolving("cahn_hilliard", {}, lambda u, s: dt(u) - laplace(-1e-4 * laplace(u, s) + u**3 - u, s)),
    ("diffusion", lambda u, s, f: jno.fn.diffusion(u, *s.x, t=s.t, diffusivity=0.3, source=f),
     lambda u, s: dt(u) - 0.3 * laplace(u, s)),
    ("diffusion", lambda u, s, f: jno.fn.diffusion(u, *s.x, source=f), lambda u, s: -laplace(u, s)),
    ("advection", lambda u, s, f: jno.fn.advection(u, [2, -3, s.t][: len(s.x)], *s.x, t=s.t, source=f),
     lambda u, s: dt(u) + sum(v * sympy.diff(u, x) for v, x in zip((2, -3, T), s, strict=False))),
    ("advection", lambda u, s, f: jno.fn.advection(u, jno.np.concat([s.t + 0 * s.x[0], *s.x[1:]]), *s.x, source=f),
     lambda u, s: sum(v * sympy.diff(u, x) for v, x in zip((T, *s[1:]), s, strict=True))),
    ("advection_diffusion_reaction",
     lambda u, s, f: jno.fn.advection_diffusion_reaction(
         u, np.arange(1.0, len(s.x) + 1), *s.x, t=s.t, diffusivity=0.3, reaction_coeff=4, source=f),
     lambda u, s: dt(u) + sum((i + 1) * sympy.diff(u, x) for i, x in enumerate(s)) - 0.3 * laplace(u, s) + 4 * u),
    ("advection_diffusion_reaction",
     lambda u, s, f: jno.fn.advection_diffusion_reaction(u, [1] * len(s.x), *s.x, source=f),
     lambda u, s: sum(sympy.diff(u, x) for x in s) - laplace(u, s)),
]  # fmt: skip


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_residuals_in_all_dimensions(dimension):
    space, cases = Space(dimension), {}
    u = sympy.sin(2 * X) * sympy.exp(-T / 2) * (1 + Y**3 if dimension > 1 else 1) + (Z**2 * X if dimension > 2 else 0)
    for i, (name, helper, residual) in enumerate(ANY_DIMENSION):
        expected = residual(u, space.symbols)
        cases[f"{name} {i}"] = helper(space.traced(u), space, 0), expected
        cases[f"{name} {i} with its source"] = helper(space.traced(u), space, space.traced(expected)), 0
    assert all(node.aval.shape == (6, 1) for node, _ in cases.values())
    space.check(cases, 1e-8)


@pytest.mark.usefixtures("x64")
def test_burgers_against_sympy():
    space, u = Space(1), sympy.sin(2 * X) * sympy.exp(-T) + X**2
    (x,), t, traced = space.x, space.t, space.traced(u)
    moved = dt(u) + u * sympy.diff(u, X)
    space.check(
        {
            "viscous": (jno.fn.burgers_1d(traced, x, t), moved - 0.01 / sympy.pi * laplace(u, [X])),
            "viscous, forced": (jno.fn.burgers_1d(traced, x, t, 0.3, x), moved - 0.3 * laplace(u, [X]) - X),
            "inviscid": (jno.fn.burgers_inviscid_1d(traced, x, t), moved),
            "inviscid, forced": (jno.fn.burgers_inviscid_1d(traced, x, t, t), moved - T),
        }
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_continuity_of_sequences_and_vector_fields(dimension):
    space = Space(dimension)
    fields = [sympy.sin((i + 2) * s) * X for i, s in enumerate(space.symbols)]
    expected = sum(sympy.diff(f, s) for f, s in zip(fields, space.symbols, strict=True)) - X
    parts = [space.traced(f) for f in fields]
    forms = {"sequence": parts, "vector field": jno.np.concat(parts)}
    space.check({k: (jno.fn.continuity(v, *space.x, source=space.x[0]), expected) for k, v in forms.items()})


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("steady", [False, True])
def test_navier_stokes_against_sympy(steady):
    space = Space(2)
    u, v, p = sympy.sin(2 * X) * Y * sympy.exp(-T), X**2 * sympy.cos(Y) + T, X * Y**2

    def momentum(w, along, density, viscosity):
        inertia = u * sympy.diff(w, X) + v * sympy.diff(w, Y) + (0 if steady else dt(w))
        return density * inertia + sympy.diff(p, along) - viscosity * laplace(w, (X, Y))

    mass = sympy.diff(u, X) + sympy.diff(v, Y)
    (x, y), t = space.x, (None if steady else space.t)
    traced = [space.traced(f) for f in (u, v, p)]
    plain = jno.fn.navier_stokes_incompressible_2d(*traced, x, y, t)
    expected = (momentum(u, X, 1, 0.01), momentum(v, Y, 1, 0.01), mass)
    forced = jno.fn.navier_stokes_incompressible_2d(*traced, x, y, t, 2.0, 0.3, x, y, x * y)
    expected += (momentum(u, X, 2, 0.3) - X, momentum(v, Y, 2, 0.3) - Y, mass - X * Y)
    assert (len(plain), len(forced)) == (3, 3)
    space.check({str(i): pair for i, pair in enumerate(zip((*plain, *forced), expected, strict=True))})


@pytest.mark.usefixtures("x64")
def test_maxwell_against_sympy():
    space = Space(3)
    e = sympy.Matrix([sympy.sin(Y + 2 * Z) * T, X * Z**2 + T, sympy.cos(X) * Y * Z])
    b = sympy.Matrix([Y * Z * T, sympy.sin(X * Z), X**2 * Y * T**2])

    def curl(f):
        return sympy.Matrix([f[2].diff(Y) - f[1].diff(Z), f[0].diff(Z) - f[2].diff(X), f[1].diff(X) - f[0].diff(Y)])

    def divergence(f):
        return f[0].diff(X) + f[1].diff(Y) + f[2].diff(Z)

    traced = [space.traced(f) for f in (*e, *b)]
    for options, current, charge, epsilon, mu in (
        ({}, sympy.zeros(3, 1), 0, 1, 1),
        (
            {"current_x": space.x[0], "current_y": space.x[1], "current_z": 3, "charge_density": space.t}
            | {"permittivity": 2, "permeability": 0.25},
            sympy.Matrix([X, Y, 3]), T, 2, 0.25,
        ),
    ):  # fmt: skip
        nodes = jno.fn.maxwell_3d(*traced, *space.x, space.t, **options)
        expected = (*(b.diff(T) + curl(e)), *(e.diff(T) - curl(b) / (epsilon * mu) + current / epsilon),
                    divergence(e) - charge / epsilon, divergence(b))  # fmt: skip
        assert len(nodes) == 8
        space.check({str(i): pair for i, pair in enumerate(zip(nodes, expected, strict=True))})


# Residuals of known solutions.


def _solutions():
    plane, volume, line = Space(2), Space(3), Space(1)
    (x,), t = line.x, line.t
    at, nu, c = line.traced, sympy.Rational(1, 5), sympy.Rational(3, 2)
    yield "heat kernel", line, jno.fn.heat(at(sympy.exp(-(X**2) / (4 * (T + 1))) / sympy.sqrt(T + 1)), t, x)
    yield "travelling wave", line, jno.fn.wave(at(sympy.tanh(X - c * T)), t, x, speed=1.5)
    yield "advected pulse", line, jno.fn.advection(at(sympy.exp(-((X - c * T) ** 2))), 1.5, x, t=t)
    shock = c - c * sympy.tanh(c * (X - c * T) / (2 * nu))
    yield "viscous shock", line, jno.fn.burgers_1d(at(shock), x, t, viscosity=0.2)
    yield "rarefaction", line, jno.fn.burgers_inviscid_1d(at(X / (1 + T)), x, t)
    front = (1 + sympy.exp((X - 5 * T / sympy.sqrt(6)) / sympy.sqrt(6))) ** -2
    yield "Ablowitz-Zeppetella front", line, jno.fn.fisher_kpp(at(front), t, x)
    interface = sympy.tanh(X / (sympy.sqrt(2) * sympy.Rational(1, 2)))
    yield "Allen-Cahn interface", line, jno.fn.allen_cahn(at(interface), t, x, epsilon=0.5)
    yield "Cahn-Hilliard interface", line, jno.fn.cahn_hilliard(at(interface), t, x, epsilon=0.5)
    sines = plane.traced(sympy.sin(3 * X) * sympy.cos(4 * Y))
    yield "eigenfunction", plane, jno.fn.helmholtz(sines, 0, *plane.x, wave_number=5)
    yield "biharmonic function", plane, jno.fn.biharmonic(plane.traced((X**2 + Y**2) * X), 0, *plane.x)
    decay = sympy.exp(-2 * nu * T)
    vortex = [plane.traced(f) for f in (-sympy.cos(X) * sympy.sin(Y) * decay, sympy.sin(X) * sympy.cos(Y) * decay,
                                        -(sympy.cos(2 * X) + sympy.cos(2 * Y)) * decay**2 / 4)]  # fmt: skip
    flow = jno.fn.navier_stokes_incompressible_2d(*vortex, *plane.x, plane.t, viscosity=0.2)
    for part, residual in zip(("x", "y", "mass"), flow, strict=True):
        yield f"Taylor-Green vortex, {part}", plane, residual
    light, nothing = volume.traced(sympy.cos(2 * (Z - T / 2))), volume.traced(sympy.Integer(0))
    fields = (light, nothing, nothing, nothing, 2 * light, nothing)
    for i, residual in enumerate(jno.fn.maxwell_3d(*fields, *volume.x, volume.t, permittivity=4)):
        yield f"plane electromagnetic wave, {i}", volume, residual


@pytest.mark.usefixtures("x64")
def test_known_solutions_have_no_residual():
    spaces = {}
    for name, space, residual in _solutions():
        spaces.setdefault(space, {})[name] = residual, 0
    for space, cases in spaces.items():
        space.check(cases, 1e-10)


# What the helpers have in common.


def _calls(space, **options):
    """One call of every helper on the coordinates of a three-dimensional space."""
    (x, y, z), t, u = space.x, space.t, space.traced(sympy.sin(X * Y) * Z * T)
    fn = jno.fn
    return {
        "poisson": lambda: fn.poisson(u, 1, x, y, **options),
        "helmholtz": lambda: fn.helmholtz(u, 1, x, y, **options),
        "biharmonic": lambda: fn.biharmonic(u, 1, x, y, **options),
        "heat": lambda: fn.heat(u, t, x, y, **options),
        "diffusion": lambda: fn.diffusion(u, x, y, t=t, **options),
        "advection": lambda: fn.advection(u, [1, 2], x, y, t=t, **options),
        "advection_diffusion_reaction": lambda: fn.advection_diffusion_reaction(u, [1, 2], x, y, t=t, **options),
        "wave": lambda: fn.wave(u, t, x, y, **options),
        "burgers_1d": lambda: fn.burgers_1d(u, x, t, **options),
        "burgers_inviscid_1d": lambda: fn.burgers_inviscid_1d(u, x, t, **options),
        "allen_cahn": lambda: fn.allen_cahn(u, t, x, y, **options),
        "fisher_kpp": lambda: fn.fisher_kpp(u, t, x, y, **options),
        "cahn_hilliard": lambda: fn.cahn_hilliard(u, t, x, y, **options),
        "navier_stokes_incompressible_2d": lambda: fn.navier_stokes_incompressible_2d(u, u, u, x, y, t, **options),
        "maxwell_3d": lambda: fn.maxwell_3d(u, u, u, u, u, u, x, y, z, t, **options),
        "continuity": lambda: fn.continuity([u, u], x, y, **options),
    }


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("scheme", [None, "automatic_differentiation:forward"])
def test_every_derivative_uses_the_chosen_scheme(name, scheme):
    result = _calls(Space(3), **({} if scheme is None else {"scheme": scheme}))[name]()
    roots = result if isinstance(result, tuple) else (result,)
    used = {str(node.scheme) for node in walk.nodes(roots) if isinstance(node, AbstractDerivative)}
    assert used == {scheme or "automatic_differentiation"}


def test_residuals_read_like_mathematics():
    space = Space(1)
    (x,), t = space.x, space.t
    u = jno.np.sin(x).name("u")
    assert repr(jno.fn.poisson(u, 1, x)) == "-∂²u/∂x² - 1"
    assert repr(jno.fn.heat(u, t, x)) == "∂u/∂t - ∂²u/∂x²"
    assert repr(jno.fn.burgers_1d(u, x, t, viscosity=0.1)) == "∂u/∂t + u * ∂u/∂x - 0.1 * ∂²u/∂x²"


def test_coefficients_may_be_trainable():
    line = Space(1)
    (x,), t = line.x, line.t
    a = jno.np.parameter((1,), name="a")
    node = jno.fn.heat(x**2 * t, t, x, diffusivity=a, source=a * x)
    np.testing.assert_allclose(line.values(node), line.exact(X**2), rtol=1e-5)


def test_vector_fields_are_treated_per_component():
    plane = Space(2)
    x, y = plane.x
    both = jno.fn.heat(jno.np.concat([x * y * plane.t, x**2]), plane.t, x, y)
    assert both.aval.shape == (6, 2)
    expected = np.concatenate([plane.exact(X * Y), plane.exact(sympy.Integer(-2))], axis=-1)
    np.testing.assert_allclose(plane.values(both), expected, rtol=1e-5, atol=1e-6)


def test_time_may_be_a_coordinate_of_a_space_time_domain():
    domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((6, 2))})
    x, t, _ = domain.variable("interior")
    node = jno.fn.burgers_inviscid_1d(x / (1 + t), x, t)
    np.testing.assert_allclose(jno.core([node.mse], domain=domain).eval(node), 0, atol=1e-6)


MISTAKES = {
    "poisson": lambda s: jno.fn.poisson(s.u, 1),
    "helmholtz": lambda s: jno.fn.helmholtz(s.u),
    "biharmonic": lambda s: jno.fn.biharmonic(s.u, 1),
    "heat": lambda s: jno.fn.heat(s.u, s.t),
    "diffusion": lambda s: jno.fn.diffusion(s.u, t=s.t),
    "advection": lambda s: jno.fn.advection(s.u, []),
    "advection_diffusion_reaction": lambda s: jno.fn.advection_diffusion_reaction(s.u, [1]),
    "wave": lambda s: jno.fn.wave(s.u, s.t),
    "allen_cahn": lambda s: jno.fn.allen_cahn(s.u, s.t),
    "fisher_kpp": lambda s: jno.fn.fisher_kpp(s.u, s.t),
    "cahn_hilliard": lambda s: jno.fn.cahn_hilliard(s.u, s.t),
    "continuity": lambda s: jno.fn.continuity([]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_without_a_space_variable(name):
    space = Space(2)
    space.u = space.x[0] * space.x[1]
    with pytest.raises(JnoValueError, match=f"{name} needs at least one space variable"):
        MISTAKES[name](space)


def test_as_many_components_as_variables():
    space = Space(2)
    x, y = space.x
    for wrong in ([1], [1, 2, 3], 1.0, jno.np.concat([x, y, x]), np.ones(3)):
        for helper in (jno.fn.advection, jno.fn.advection_diffusion_reaction):
            with pytest.raises(
                JnoValueError, match=r"one component per space variable, got \d components and 2 variables"
            ):
                helper(x * y, wrong, x, y)
    with pytest.raises(JnoValueError, match="one component per space variable"):
        jno.fn.continuity([x], x, y)


def test_the_order_of_the_arguments_is_checked_where_it_can_be():
    space = Space(2)
    (x, y), t, u = space.x, space.t, space.x[0] * space.t
    for helper in (jno.fn.poisson, jno.fn.helmholtz, jno.fn.biharmonic):
        with pytest.raises(JnoValueError, match="the forcing before the variables"):
            helper(u, x, y)
    assert isinstance(jno.fn.poisson(u, x, x, y), Placeholder)
    assert isinstance(jno.fn.poisson(u, t, x, y), Placeholder)
    for swapped in (
        lambda: jno.fn.heat(u, x, t),
        lambda: jno.fn.burgers_1d(u, t, x),
        lambda: jno.fn.burgers_inviscid_1d(u, t, x),
        lambda: jno.fn.navier_stokes_incompressible_2d(u, u, u, t, x, y),
        lambda: jno.fn.heat(u, y, x, y),
    ):
        with pytest.raises(JnoValueError, match=r"as a space variable.*order of the arguments.*help\(jno.fn"):
            swapped()


def test_what_is_no_coordinate_or_expression():
    (x, y), t = Space(2).x, Space(2).t
    net = jno.nn.wrap(eqx.nn.Linear(2, 1, key=jax.random.key(0)), name="u")
    for call in (
        lambda: jno.fn.poisson(x * y, 0, [x, y]),
        lambda: jno.fn.poisson(x * y, 0, x * y),
        lambda: jno.fn.poisson(net, 0, x, y),
        lambda: jno.fn.heat(x * y, 1.0, x),
        lambda: jno.fn.heat(1.0, t, x),
    ):
        with pytest.raises(JnoTypeError):
            call()


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_equation_is_documented(name):
    assert len(inspect.getdoc(getattr(jno.fn, name)).split()) > 4
