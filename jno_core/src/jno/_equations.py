"""Residuals of well-known equations. Fields and coordinates are expressions; `scheme=None` is the project's default scheme."""

from collections.abc import Sequence
from typing import Any

from jno import numpy as jnn
from jno_core.errors import JnoValueError


def poisson(u: Any, forcing: Any = 0, *x: Any, diffusion: Any = 1, scheme: Any = None) -> Any:
    """-diffusion Δu - forcing."""
    return -diffusion * _laplacian(u, x, scheme) - forcing


def helmholtz(u: Any, forcing: Any = 0, *x: Any, wave_number: Any = 1, scheme: Any = None) -> Any:
    """-Δu - wave_number² u - forcing."""
    return -_laplacian(u, x, scheme) - wave_number**2 * u - forcing


def heat(u: Any, t: Any, *x: Any, diffusivity: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """u_t - diffusivity Δu - source."""
    return u.d(t, scheme) - diffusivity * _laplacian(u, x, scheme) - source


def diffusion(u: Any, *x: Any, t: Any = None, diffusivity: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """u_t - diffusivity Δu - source; without u_t when `t` is None."""
    return _rate(u, t, scheme) - diffusivity * _laplacian(u, x, scheme) - source


def advection(u: Any, velocity: Sequence[Any], *x: Any, t: Any = None, source: Any = 0, scheme: Any = None) -> Any:
    """u_t + velocity · ∇u - source."""
    return _rate(u, t, scheme) + _transport(u, velocity, x, scheme) - source


def advection_diffusion_reaction(
    u: Any,
    velocity: Sequence[Any],
    *x: Any,
    t: Any = None,
    diffusivity: Any = 1,
    reaction_coeff: Any = 0,
    source: Any = 0,
    scheme: Any = None,
) -> Any:
    """u_t + velocity · ∇u - diffusivity Δu + reaction_coeff u - source."""
    moved = _rate(u, t, scheme) + _transport(u, velocity, x, scheme)
    return moved - diffusivity * _laplacian(u, x, scheme) + reaction_coeff * u - source


def wave(u: Any, t: Any, *x: Any, speed: Any = 1, source: Any = 0, scheme: Any = None) -> Any:
    """u_tt - speed² Δu - source."""
    return u.d(t, scheme).d(t, scheme) - speed**2 * _laplacian(u, x, scheme) - source


def burgers_1d(u: Any, x: Any, t: Any, viscosity: Any = 0.01 / jnn.pi, forcing: Any = 0, scheme: Any = None) -> Any:
    """u_t + u u_x - viscosity u_xx - forcing."""
    return u.d(t, scheme) + u * u.d(x, scheme) - viscosity * u.d2(x, scheme) - forcing


def burgers_inviscid_1d(u: Any, x: Any, t: Any, forcing: Any = 0, scheme: Any = None) -> Any:
    """u_t + (u²/2)_x - forcing, the conservation form."""
    return u.d(t, scheme) + (u * u / 2).d(x, scheme) - forcing


def biharmonic(u: Any, forcing: Any = 0, *x: Any, stiffness: Any = 1, scheme: Any = None) -> Any:
    """stiffness ΔΔu - forcing."""
    return stiffness * _laplacian(_laplacian(u, x, scheme), x, scheme) - forcing


def allen_cahn(u: Any, t: Any, *x: Any, epsilon: Any = 1e-2, source: Any = 0, scheme: Any = None) -> Any:
    """u_t - epsilon² Δu + u³ - u - source."""
    return u.d(t, scheme) - epsilon**2 * _laplacian(u, x, scheme) + u**3 - u - source


def fisher_kpp(
    u: Any, t: Any, *x: Any, diffusivity: Any = 1, growth_rate: Any = 1, source: Any = 0, scheme: Any = None
) -> Any:
    """u_t - diffusivity Δu - growth_rate u (1 - u) - source."""
    return u.d(t, scheme) - diffusivity * _laplacian(u, x, scheme) - growth_rate * u * (1 - u) - source


def cahn_hilliard(
    u: Any, t: Any, *x: Any, epsilon: Any = 1e-2, mobility: Any = 1, source: Any = 0, scheme: Any = None
) -> Any:
    """u_t - mobility Δ(-epsilon² Δu + u³ - u) - source."""
    potential = -(epsilon**2) * _laplacian(u, x, scheme) + u**3 - u
    return u.d(t, scheme) - mobility * _laplacian(potential, x, scheme) - source


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
    """Momentum in x and y, then continuity.

    density (w_t + u w_x + v w_y) + grad p - viscosity Δw - forcing for w = u, v; u_x + v_y - continuity_source.
    """

    def momentum(w: Any, along: Any, forcing: Any) -> Any:
        inertia = _rate(w, t, scheme) + u * w.d(x, scheme) + v * w.d(y, scheme)
        return density * inertia + p.d(along, scheme) - viscosity * _laplacian(w, (x, y), scheme) - forcing

    continuity = u.d(x, scheme) + v.d(y, scheme) - continuity_source
    return momentum(u, x, forcing_x), momentum(v, y, forcing_y), continuity


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
) -> tuple[Any, ...]:
    """Faraday (3), Ampère (3), Gauss for E and for B: B_t + curl E; E_t - c² curl B + J/ε; div E - ρ/ε; div B, c² = 1/(ε μ)."""

    def curl(f: Any, g: Any, h: Any) -> tuple[Any, Any, Any]:
        return (
            h.d(y, scheme) - g.d(z, scheme),
            f.d(z, scheme) - h.d(x, scheme),
            g.d(x, scheme) - f.d(y, scheme),
        )

    c2 = 1 / (permittivity * permeability)
    currents = (current_x, current_y, current_z)
    faraday = [b.d(t, scheme) + c for b, c in zip((bx, by, bz), curl(ex, ey, ez), strict=True)]
    ampere = [
        e.d(t, scheme) - c2 * c + j / permittivity
        for e, c, j in zip((ex, ey, ez), curl(bx, by, bz), currents, strict=True)
    ]
    gauss = jnn.divergence([ex, ey, ez], [x, y, z], scheme) - charge_density / permittivity
    return (*faraday, *ampere, gauss, jnn.divergence([bx, by, bz], [x, y, z], scheme))


def continuity(fields: Sequence[Any], *x: Any, source: Any = 0, scheme: Any = None) -> Any:
    """div(fields) - source."""
    return jnn.divergence(fields, x, scheme) - source


def _laplacian(u: Any, x: tuple[Any, ...], scheme: Any) -> Any:
    _require_space(x)
    return u.laplacian(*x, scheme=scheme)


def _rate(u: Any, t: Any, scheme: Any) -> Any:
    return 0 if t is None else u.d(t, scheme)


def _transport(u: Any, velocity: Sequence[Any], x: tuple[Any, ...], scheme: Any) -> Any:
    _require_space(x)
    if not isinstance(velocity, list | tuple) or len(velocity) != len(x):
        raise JnoValueError(
            f"velocity must be a list with one component per space coordinate ({len(x)}), got {velocity!r}."
        )
    return sum(v * u.d(c, scheme) for v, c in zip(velocity, x, strict=True))


def _require_space(x: tuple[Any, ...]) -> None:
    if not x:
        raise JnoValueError("The equation needs at least one space coordinate, as in jno.fn.poisson(u, forcing, x, y).")
