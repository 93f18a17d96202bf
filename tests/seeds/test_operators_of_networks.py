"""The operators on networks with fixed weights: against Jacobians and Hessians nested point by point in double precision."""

import functools

import equinox as eqx
import foundax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jno
import jno.numpy as jnn

AD = "automatic_differentiation"
FIRST = [AD, f"{AD}:forward", f"{AD}:reverse"]
SECOND = [f"{AD}:{v}" for v in ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")]
TIMES = (0.0, 0.75, 4)
POINTS = np.random.default_rng(0).integers(-64, 65, (10, 3)) / 64


def network(kind, d, components):
    """Random weights that single precision holds exactly, so that both precisions see the same function."""
    if kind == "batched":
        net = foundax.mlp(d, output_dim=components, hidden_dims=8, num_layers=2, key=jax.random.PRNGKey(3))
    else:
        net = eqx.nn.MLP(d, components, 8, 2, jnp.tanh, key=jax.random.key(3))
    arrays, static = eqx.partition(net, eqx.is_inexact_array)
    rng = np.random.default_rng(d)
    arrays = jax.tree.map(lambda a: jnp.asarray(rng.integers(-64, 65, a.shape) / 128, a.dtype), arrays)
    return eqx.combine(arrays, static)


def at_one_point(net, kind):
    """The network as a function of one point `(d,)`, in double precision."""
    arrays, static = eqx.partition(net, eqx.is_inexact_array)
    net = eqx.combine(jax.tree.map(lambda a: a.astype(jnp.float64), arrays), static)
    return net if kind == "mapped" else lambda p: net(p[None])[0]


@functools.cache
def exact_derivatives(kind, d, components, timed):
    """Jacobian, Hessian and its Jacobian, `(..., C, d, ...)`, at all times (if any) and points."""
    points = POINTS[:, : d - timed]
    if timed:
        times = np.broadcast_to(np.linspace(*TIMES)[:, None, None], (TIMES[2], len(points), 1))
        points = np.concatenate([np.broadcast_to(points, (TIMES[2], *points.shape)), times], axis=-1)
    with jax.enable_x64(True):
        f = at_one_point(network(kind, d, components), kind)
        derivatives = jax.jit(jax.vmap(lambda p: (jax.jacfwd(f)(p), jax.hessian(f)(p), jax.jacfwd(jax.hessian(f))(p))))
        flat = derivatives(jnp.asarray(points.reshape(-1, d)))
        return tuple(np.asarray(v).reshape(*points.shape[:-1], *v.shape[1:]) for v in flat)


def squeezed(derivatives, components, axis):
    """Without the axis of the components if there is a single one."""
    return np.squeeze(derivatives, axis) if components == 1 else derivatives


CASES = [("mapped", 2, 3, 0), ("batched", 3, 1, 1)]


@pytest.mark.parametrize(("kind", "d", "components", "timed"), CASES)
@pytest.mark.parametrize(
    ("scheme", "x64", "tolerance"), [(AD, False, 1e-5), *((scheme, True, 1e-10) for scheme in (*FIRST, *SECOND))]
)
def test_every_operator_of_a_network(scheme, kind, d, components, timed, x64, tolerance):
    J, H, T = exact_derivatives(kind, d, components, timed)
    first = scheme if scheme in FIRST else AD
    with jax.enable_x64(x64):
        domain = jno.domain.from_array({"interior": POINTS[:, : d - timed]}, time=TIMES if timed else None)
        variables = domain.variable("interior")[:d]
        u = jno.nn.wrap(network(kind, d, components))(*variables)
        pairs = [
            (jnn.laplacian(u, list(variables), scheme=scheme), np.trace(H, axis1=-2, axis2=-1)),
            (jnn.hessian(u, list(variables), scheme=scheme), squeezed(H, components, -3)),
            (u.d(variables[-1], scheme=first).d2(variables[0], scheme=scheme), T[..., -1, 0, 0]),
        ]
        if scheme in FIRST:
            pairs += [
                (jnn.jacobian(u, list(variables), scheme=scheme), squeezed(J, components, -2)),
                (u.d(variables[-1], scheme=scheme).d(variables[0], scheme=scheme), H[..., -1, 0]),
            ]
        values = jno.core([], domain=domain).eval([node for node, _ in pairs])
    for (node, exact), value in zip(pairs, values, strict=True):
        assert value.shape == (1, *exact.shape), node
        np.testing.assert_allclose(value[0], exact, rtol=tolerance, atol=tolerance, err_msg=repr(node))
