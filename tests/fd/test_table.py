"""Every scheme string with every operator in every dimension: what is allowed is right, everything else is refused by name."""

import jax
import numpy as np
import pytest

import jno
from jno import np as jnn
from jno_core.errors import PluginCapabilityError
from jno_core.testing._point_sets import cube_mesh

AD = "automatic_differentiation"
FD = "finite_difference"
OPERATORS = ("gradient", "laplacian", "hessian", "time")
ALLOWED = {
    AD: ("gradient", "laplacian", "hessian", "time"),
    f"{AD}:forward": ("gradient", "laplacian", "hessian", "time"),
    f"{AD}:reverse": ("gradient", "laplacian", "hessian", "time"),
    **dict.fromkeys(
        (f"{AD}:{mode}" for mode in ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")),
        ("laplacian", "hessian"),
    ),
    FD: ("gradient", "laplacian", "hessian", "time"),
    **dict.fromkeys((f"{FD}:{rule}" for rule in ("lsq", "uniform", "inverse_distance")), ("gradient", "laplacian")),
    f"{FD}:cotangent": ("laplacian",),
}
"""The restored table, with the two same-mode compositions that the API page adds. Cotangent: in 2-D only."""


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def domain_of(dimension, fine):
    intervals = {1: 16, 2: 12, 3: 8}[dimension] * (1 + fine)
    return jno.domain(cube_mesh(dimension, intervals), time=(0.0, 1.0, 3))


def problem(dimension, operator, scheme, fine=False):
    """The error of an operator on u = sin(x + y/2 - z) exp(-t), the largest at nodes away from the boundary."""
    domain = domain_of(dimension, fine)
    *space, t = domain.variable("interior")
    slopes = (1.0, 0.5, -1.0)[:dimension]
    phase = sum(a * x for a, x in zip(slopes, space, strict=True))
    u, du = jnn.sin(phase) * jnn.exp(-t), jnn.cos(phase) * jnn.exp(-t)
    if operator == "gradient":
        found, exact = jnn.grad(u, list(space), scheme=scheme), jnn.concat([a * du for a in slopes])
    elif operator == "laplacian":
        found, exact = jnn.laplacian(u, list(space), scheme=scheme), -sum(a * a for a in slopes) * u
    elif operator == "hessian":
        found = jnn.hessian(u, list(space), scheme=scheme)
        exact = jnn.function(lambda v, s=slopes: -np.outer(s, s) * v[:, :, None], [u])
    else:
        found, exact = u.d(t, scheme=scheme), -u
    crux = jno.core([jnn.parameter(()).mse], domain=domain)
    a, b = crux.eval([found, exact])
    points = domain.points(space[0])
    inside = np.all((points > 0.24) & (points < 0.76), axis=1)
    return np.max(np.abs(np.asarray(a) - np.asarray(b))[:, :, inside])


def is_allowed(scheme, operator, dimension):
    return operator in ALLOWED[scheme] and not (scheme.endswith("cotangent") and dimension != 2)


CASES = [(s, o, d) for s in ALLOWED for o in OPERATORS for d in (1, 2, 3)]


@pytest.mark.parametrize(("scheme", "operator", "dimension"), [c for c in CASES if is_allowed(*c)])
def test_allowed(scheme, operator, dimension):
    """AD is exact; differences in time to 1e-6; differences in space converge: at second order inside of uniform meshes."""
    coarse = problem(dimension, operator, scheme)
    if scheme.startswith(AD):
        assert coarse < 1e-12
    elif operator == "time":
        assert coarse < 1e-6
    else:
        fine = problem(dimension, operator, scheme, fine=True)
        assert 1.7 < np.log2(coarse / fine) < 2.3


@pytest.mark.parametrize(("scheme", "operator", "dimension"), [c for c in CASES if not is_allowed(*c)])
def test_not_allowed(scheme, operator, dimension):
    with pytest.raises(PluginCapabilityError) as caught:
        problem(dimension, operator, scheme)
    message = str(caught.value)
    assert repr(scheme) in message
    assert {"time": "partial"}.get(operator, operator) in message or "partial" in message


@pytest.mark.parametrize("scheme", [f"{FD}:least_squares", f"{FD}:area_weighted", f"{FD} : lsq"])
def test_other_spellings(scheme):
    assert problem(2, "gradient", scheme) < 5e-3


def test_an_unknown_variant_fails_on_the_line_that_names_it():
    x, _ = jno.domain.line(mesh_size=0.1).variable("interior")
    with pytest.raises(PluginCapabilityError, match="Did you mean 'uniform'"):
        x.d(x, scheme=f"{FD}:unifrom")


def test_without_connectivity_the_message_says_what_to_set():
    domain = jno.domain.rect(mesh_size=0.2, compute_mesh_connectivity=False)
    x, y, _ = domain.variable("interior", sample=(20, "uniform"))
    crux = jno.core([(x * y).mse])
    with pytest.raises(PluginCapabilityError, match="compute_mesh_connectivity=True"):
        crux.eval((x * y).d(x, scheme=f"{FD}:lsq"))


def test_cotangent_wants_all_variables():
    domain = jno.domain.rect(mesh_size=0.2)
    x, y, _ = domain.variable("interior")
    crux = jno.core([(x * y).mse])
    with pytest.raises(PluginCapabilityError, match="whole Laplacian"):
        crux.eval((x * y).laplacian(x, scheme=f"{FD}:cotangent"))
