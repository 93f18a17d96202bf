"""Residuals of known partial differential equations, as expressions that are zero where the equation holds.

For all of them: `x` are space coordinates, at least one, and `t` is the time; both come from the `domain.variable(...)` call
that `u` was built from. Coefficients, sources and velocities are numbers or expressions; coefficients stand in front of the
derivative as written, so one that varies in space is not differentiated. `scheme` chooses how derivatives are taken, `None`
the project's default. The result has the shape of `u`; a vector field is treated per component.

Raises `JnoValueError` without a space variable, when the time stands in the place of one, or for a number of components that
does not fit the number of variables; `JnoTypeError` for what is no coordinate or no expression.
"""

import math
from collections.abc import Sequence
from typing import Any

from jno.numpy import curl_2d, divergence, grad, laplacian
from jno_core._graph import Variable, as_node
from jno_core.errors import JnoTypeError, JnoValueError


def poisson(u: Any, forcing: Any = 0, *x: Any, diffusion: Any = 1, scheme: Any = None) -> Any:
    """Poisson's equation, `-diffusion Δu - forcing`. The forcing comes before the variables: `poisson(u, f, x, y)`."""
    _check_forcing_first("poisson", forcing, x)
    return _minus(-_times(diffusion, _laplacian("poisson", u, x, scheme)), forcing)


def helmholtz(u: Any, forcing: Any = 0, *x: Any, wave_number: Any = 1, scheme: Any = None) -> Any:
    """The Helmholtz equation, `-Δu - wave_number² u - forcing`. The forcing comes before the variables."""
    _check_forcing_first("helmholtz", forcing, x)
    return _minus(-_laplacian("helmholtz", u, x, scheme) - _times(wave_number**2, u), forcing)


def biharmonic(u: Any, forcing: Any = 0, *x: Any, stiffness: Any = 1, scheme: Any = None) -> Any:
    """The biharmonic equation of a thin plate, `stiffness ΔΔu - forcing`. The forcing comes before the variables."""
    _check_forcing_first("biharmonic", forcing, x)
    return _minus(_times(stiffness, laplacian(_laplacian("biharmonic", u, x, scheme), x, scheme)), forcing)


def heat(u: Any, t: Any, *x: Any, diffusivity: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """The heat equation, `u_t - diffusivity Δu - source`."""
    diffused = _times(diffusivity, _laplacian("heat", u, x, scheme, t))
    return _minus(grad(u, t, scheme) - diffused, source)


def diffusion(u: Any, *x: Any, t: Any = None, diffusivity: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """The diffusion equation, `u_t - diffusivity Δu - source`; steady, without `u_t`, when `t` is `None`."""
    diffused = _times(diffusivity, _laplacian("diffusion", u, x, scheme, t))
    return _minus(_rate(u, t, scheme, -diffused), source)


def advection(u: Any, velocity: Any, *x: Any, t: Any = None, source: Any = 0, scheme: Any = None) -> Any:
    """The advection equation, `u_t + velocity·∇u - source`; steady when `t` is `None`.

    `velocity` has one component per variable: a sequence, a vector expression `(N, d)`, or one value in one dimension.
    """
    return _minus(_rate(u, t, scheme, _carried("advection", u, velocity, x, scheme, t)), source)


def advection_diffusion_reaction(
    u: Any,
    velocity: Any,
    *x: Any,
    t: Any = None,
    diffusivity: Any = 1,
    reaction_coeff: Any = 0,
    source: Any = 0,
    scheme: Any = None,
) -> Any:
    """Transport with decay, `u_t + velocity·∇u - diffusivity Δu + reaction_coeff u - source`; steady when `t` is `None`.

    `velocity` as in `advection`.
    """
    carried = _carried("advection_diffusion_reaction", u, velocity, x, scheme, t)
    balance = _rate(u, t, scheme, carried) - _times(diffusivity, laplacian(u, x, scheme))
    return _minus(_plus(balance, 0 if _is(reaction_coeff, 0) else _times(reaction_coeff, u)), source)


def wave(u: Any, t: Any, *x: Any, speed: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """The wave equation, `u_tt - speed² Δu - source`."""
    spread = _times(speed**2, _laplacian("wave", u, x, scheme, t))
    return _minus(grad(grad(u, t, scheme), t, scheme) - spread, source)


def burgers_1d(u: Any, x: Any, t: Any, viscosity: Any = 0.01 / math.pi, forcing: Any = 0, scheme: Any = None) -> Any:
    """The viscous Burgers equation, `u_t + u u_x - viscosity u_xx - forcing`.

    The default viscosity is that of the benchmark in Raissi, Perdikaris and Karniadakis, J. Comput. Phys. 378 (2019) 686.
    """
    diffused = _times(viscosity, _laplacian("burgers_1d", u, (x,), scheme, t))
    return _minus(grad(u, t, scheme) + u * grad(u, x, scheme) - diffused, forcing)


def burgers_inviscid_1d(u: Any, x: Any, t: Any, forcing: Any = 0, scheme: Any = None) -> Any:
    """The inviscid Burgers equation in conservation form, `u_t + (u² / 2)_x - forcing`."""
    _check_space("burgers_inviscid_1d", (x,), t)
    return _minus(grad(u, t, scheme) + grad(u**2 / 2, x, scheme), forcing)


def allen_cahn(u: Any, t: Any, *x: Any, epsilon: Any = 1e-2, source: Any = 0, scheme: Any = None) -> Any:
    """The Allen-Cahn equation, `u_t - epsilon² Δu + u³ - u - source`.

    Source: Allen and Cahn, Acta Metall. 27 (1979) 1085.
    """
    diffused = _times(epsilon**2, _laplacian("allen_cahn", u, x, scheme, t))
    return _minus(grad(u, t, scheme) - diffused + u**3 - u, source)


def fisher_kpp(
    u: Any, t: Any, *x: Any, diffusivity: Any = 1, growth_rate: Any = 1, source: Any = 0, scheme: Any = None
) -> Any:
    """The Fisher-KPP equation of a spreading population, `u_t - diffusivity Δu - growth_rate u (1 - u) - source`.

    Source: Fisher, Ann. Eugen. 7 (1937) 355; Kolmogorov, Petrovsky and Piskunov, Bull. Univ. Moscow A 1 (1937) 1.
    """
    diffused = _times(diffusivity, _laplacian("fisher_kpp", u, x, scheme, t))
    return _minus(grad(u, t, scheme) - diffused - _times(growth_rate, u * (1 - u)), source)


def cahn_hilliard(
    u: Any, t: Any, *x: Any, epsilon: Any = 1e-2, mobility: Any = 1, source: Any = 0, scheme: Any = None
) -> Any:
    """The Cahn-Hilliard equation of phase separation, `u_t - mobility Δ(-epsilon² Δu + u³ - u) - source`.

    Source: Cahn and Hilliard, J. Chem. Phys. 28 (1958) 258.
    """
    potential = u**3 - u - _times(epsilon**2, _laplacian("cahn_hilliard", u, x, scheme, t))
    return _minus(grad(u, t, scheme) - _times(mobility, laplacian(potential, x, scheme)), source)


def navier_stokes_incompressible_2d(
    u: Any,
    v: Any,
    p: Any,
    x: Any,
    y: Any,
    t: Any = None,
    density: Any = 1,
    viscosity: Any = 1e-2,
    forcing_x: Any = 0,
    forcing_y: Any = 0,
    continuity_source: Any = 0,
    scheme: Any = None,
) -> tuple[Any, Any, Any]:
    """The incompressible Navier-Stokes equations in the plane: momentum in x, in y, and continuity.

    - `density (u_t + u u_x + v u_y) + p_x - viscosity Δu - forcing_x`
    - `density (v_t + u v_x + v v_y) + p_y - viscosity Δv - forcing_y`
    - `u_x + v_y - continuity_source`

    `viscosity` is the dynamic one. Steady when `t` is `None`.
    """
    _check_space("navier_stokes_incompressible_2d", (x, y), t)

    def momentum(w: Any, along: Any, force: Any) -> Any:
        inertia = _rate(w, t, scheme, u * grad(w, x, scheme) + v * grad(w, y, scheme))
        stress = grad(p, along, scheme) - _times(viscosity, laplacian(w, (x, y), scheme))
        return _minus(_times(density, inertia) + stress, force)

    mass = _minus(divergence([u, v], [x, y], scheme), continuity_source)
    return momentum(u, x, forcing_x), momentum(v, y, forcing_y), mass


def maxwell_3d(
    ex: Any,
    ey: Any,
    ez: Any,
    bx: Any,
    by: Any,
    bz: Any,
    x: Any,
    y: Any,
    z: Any,
    t: Any,
    current_x: Any = 0,
    current_y: Any = 0,
    current_z: Any = 0,
    charge_density: Any = 0,
    permittivity: Any = 1,
    permeability: Any = 1,
    scheme: Any = None,
) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any]:
    """Maxwell's equations of the electric field E and the magnetic flux density B, eight residuals in this order:

    - Faraday's law, three components: `B_t + curl E`
    - Ampère's law, three components: `E_t - c² curl B + J / permittivity` with `c² = 1 / (permittivity permeability)`
    - Gauss's law: `div E - charge_density / permittivity`
    - no magnetic charges: `div B`
    """
    _check_space("maxwell_3d", (x, y, z), t)

    def curl(fx: Any, fy: Any, fz: Any) -> tuple[Any, Any, Any]:
        return curl_2d(fy, fz, y, z, scheme), curl_2d(fz, fx, z, x, scheme), curl_2d(fx, fy, x, y, scheme)

    speed_squared = 1 / (permittivity * permeability)
    current = (current_x, current_y, current_z)
    faraday = [grad(b, t, scheme) + c for b, c in zip((bx, by, bz), curl(ex, ey, ez), strict=True)]
    ampere = [
        _plus(grad(e, t, scheme) - _times(speed_squared, c), j / permittivity)
        for e, c, j in zip((ex, ey, ez), curl(bx, by, bz), current, strict=True)
    ]
    gauss = _minus(divergence([ex, ey, ez], [x, y, z], scheme), charge_density / permittivity)
    return (*faraday, *ampere, gauss, divergence([bx, by, bz], [x, y, z], scheme))


def continuity(fields: Any, *x: Any, source: Any = 0, scheme: Any = None) -> Any:
    """The steady continuity equation, `div fields - source`, `(N, 1)`.

    `fields` has one component per variable: a sequence of expressions, or a vector expression `(N, d)`.
    """
    _check_space("continuity", x, None)
    return _minus(divergence(_components("continuity", fields, x), x, scheme), source)


def _laplacian(equation: str, u: Any, x: Sequence[Any], scheme: Any, t: Any = None) -> Any:
    _check_space(equation, x, t)
    return laplacian(u, x, scheme)


def _carried(equation: str, u: Any, velocity: Any, x: Sequence[Any], scheme: Any, t: Any) -> Any:
    _check_space(equation, x, t)
    parts = [_times(v, grad(u, xi, scheme)) for v, xi in zip(_components(equation, velocity, x), x, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _rate(u: Any, t: Any, scheme: Any, rest: Any) -> Any:
    return rest if t is None else grad(u, t, scheme) + rest


def _components(equation: str, vector: Any, x: Sequence[Any]) -> list[Any]:
    if isinstance(vector, list | tuple):
        parts = list(vector)
    else:
        vector = as_node(vector)
        n = vector.aval.shape[-1] if vector.aval.ndim else 1
        parts = [vector] if n == 1 else [vector[..., i : i + 1] for i in range(n)]
    if len(parts) != len(x):
        raise JnoValueError(
            f"{equation} needs one component per space variable, got {len(parts)} components and {len(x)} variables."
        )
    return parts


def _check_space(equation: str, x: Sequence[Any], t: Any) -> None:
    if not x:
        raise JnoValueError(f"{equation} needs at least one space variable, got none. Pass them one by one: x, y.")
    for variable in x:
        if not isinstance(variable, Variable):
            raise JnoTypeError(
                f"{equation} takes its space variables one by one, as domain.variable(...) made them; got {variable!r}."
            )
        if variable.axis != "space" or variable is t:
            raise JnoValueError(
                f"{equation} got {variable!r} as a space variable. Look at the order of the arguments: "
                "help(jno.fn." + equation + ")."
            )


def _check_forcing_first(equation: str, forcing: Any, x: Sequence[Any]) -> None:
    if isinstance(forcing, Variable) and forcing.axis == "space" and not any(forcing is variable for variable in x):
        raise JnoValueError(
            f"{equation} takes the forcing before the variables, {equation}(u, forcing, x, y), and got the variable "
            f"{forcing!r} as the forcing. Pass 0 if there is none; if it is meant, write 1 * {forcing!r}."
        )


def _is(value: Any, number: int) -> bool:
    return isinstance(value, int | float) and value == number


def _times(coefficient: Any, term: Any) -> Any:
    return term if _is(coefficient, 1) else coefficient * term


def _plus(residual: Any, term: Any) -> Any:
    return residual if _is(term, 0) else residual + term


def _minus(residual: Any, source: Any) -> Any:
    return residual if _is(source, 0) else residual - source
