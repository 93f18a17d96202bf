"""Random polynomial fields and random request sets, against exact derivatives of the coefficients."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings, strategies as st

from jno_core import DerivativeRequest as Request, Field, Support
from jno_plugin_ad import AutomaticDifferentiation

COORDINATES = 3
POWERS = st.tuples(*[st.integers(0, 3)] * COORDINATES)
POLYNOMIALS = st.dictionaries(POWERS, st.integers(-3, 3), min_size=1, max_size=4)
SOME_AXES = st.lists(st.integers(0, COORDINATES - 1), min_size=1, max_size=COORDINATES, unique=True).map(tuple)
REQUESTS = st.one_of(
    st.just(Request("value")),
    st.lists(st.integers(0, COORDINATES - 1), min_size=1, max_size=3).map(lambda axes: Request("partial", tuple(axes))),
    *(st.builds(Request, st.just(kind), SOME_AXES) for kind in ("gradient", "laplacian", "hessian")),
)
POINTS = np.random.default_rng(0).uniform(-1, 1, (5, COORDINATES))


def differentiated(polynomial, axis):
    """The derivative, as {powers: coefficient}."""
    result = {}
    for powers, coefficient in polynomial.items():
        if powers[axis]:
            lower = tuple(p - (i == axis) for i, p in enumerate(powers))
            result[lower] = result.get(lower, 0) + coefficient * powers[axis]
    return result


def evaluated(polynomial, points):
    return sum((c * np.prod(points ** np.array(p), axis=1) for p, c in polynomial.items()), np.zeros(len(points)))


def exact(components, request, points):
    def partial(axes):
        values = []
        for polynomial in components:
            for axis in axes:
                polynomial = differentiated(polynomial, axis)
            values.append(evaluated(polynomial, points))
        return np.stack(values, axis=1)

    axes = request.axes
    if request.kind in ("value", "partial"):
        return partial(axes)
    if request.kind == "laplacian":
        return sum(partial((i, i)) for i in axes)
    if request.kind == "gradient":
        result = np.stack([partial((i,)) for i in axes], axis=-1)
    else:
        result = np.stack([np.stack([partial((i, j)) for j in axes], axis=-1) for i in axes], axis=-2)
    return result[:, 0] if len(components) == 1 else result


TARGETS = st.lists(POLYNOMIALS, min_size=1, max_size=2)


@settings(deadline=None, max_examples=15)
@given(TARGETS, st.lists(REQUESTS, min_size=1, max_size=5))
def test_random_sets_of_requests(components, requests):
    check(None, components, requests)


@settings(deadline=None, max_examples=8)
@given(st.sampled_from(["forward", "reverse"]), TARGETS, REQUESTS)
def test_random_requests_of_explicit_modes(variant, components, request_):
    check(variant, components, [request_])


def check(variant, components, requests):
    with jax.enable_x64(True):
        columns = tuple(jnp.asarray(POINTS[:, i : i + 1]) for i in range(COORDINATES))

        def at(columns, aligned):
            del aligned
            terms = [
                sum(c * columns[0] ** p[0] * columns[1] ** p[1] * columns[2] ** p[2] for p, c in polynomial.items())
                for polynomial in components
            ]
            return jnp.concatenate(terms, axis=1)

        field = Field(at=at, values=lambda: at(columns, None), aligned=None, name="u")
        support = Support(columns, ("x", "y", "t"), 2, "interior")
        results = AutomaticDifferentiation(variant=variant).apply(tuple(requests), field, support, {}, None)
    for request, result in zip(requests, results, strict=True):
        np.testing.assert_allclose(result, exact(components, request, POINTS), rtol=1e-11, atol=1e-11, strict=True)
