"""Training with the points taken part by part equals training with all points at once, to rounding."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno

N = 23
"""A prime, so that no part size divides it."""


class Problem:
    """A steady plane problem: points inside and on the boundary, a small network, an unknown parameter."""

    def __init__(self, instances=1, optimizer=None, points=N):
        rng = np.random.default_rng(3)
        inside, boundary = rng.random((points, 2)), rng.random((11, 2))
        domain = jno.domain.from_array({"interior": inside, "boundary": boundary})
        self.domain = domain if instances == 1 else instances * domain
        self.x, self.y, _ = self.domain.variable("interior")
        self.xb, self.yb, _ = self.domain.variable("boundary")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(1)), name="u")
        self.net.optimizer(optax.adam(1e-2) if optimizer is None else optimizer)
        self.u, self.ub = self.net(self.x, self.y), self.net(self.xb, self.yb)
        self.r = self.u.laplacian(self.x, self.y) + self.u - jno.np.sin(3 * self.x) * self.y


def trained(losses, chunk, epochs=3, **options):
    """What a run recorded and where it ended, and how many reductions it took part by part."""
    problem = Problem(**options)
    crux = jno.core(losses(problem), domain=problem.domain)
    log = crux.solve(epochs, chunk=chunk).training_logs[0]
    divided = crux._prepare(chunk)._stepper._objective.divided
    found = {
        "losses": log["losses"],
        "total": log["total_loss"],
        "tracked": {name: stats["values"] for name, stats in log.get("track_stats", {}).items()},
        "weights": [model.module for model in crux.problem.models.values()],
    }
    return eqx.filter(found, eqx.is_array_like), sum(len(d.reductions) for d in divided)


def check(losses, reductions, chunks=(5,), **options):
    """That runs in parts of these sizes equal the run on all points, and that so many reductions were divided."""
    with jax.enable_x64(True):
        whole, none = trained(losses, None, **options)
        assert none == 0
        for chunk in chunks:
            parts, divided = trained(losses, chunk, **options)
            assert divided == reductions
            jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12), whole, parts)


def test_every_size_of_a_part_gives_the_same_training():
    check(lambda p: [p.r.mse], 1, chunks=(1, 2, 7, 8, 11))


def test_reductions_that_are_sums_are_divided():
    check(lambda p: [p.r.mse, p.r.mae, p.u.mean, (p.u * p.x).sum, jno.np.mean(p.r + p.y), p.ub.mse], 5)


def test_other_reductions_are_left_whole():
    check(lambda p: [p.r.max, -p.r.min, p.u.std, jno.np.max(jno.np.abs(p.u)), jno.np.sum(p.r, axis=0).mse], 0)


def test_small_parts_divide_several_point_sets():
    check(lambda p: [p.r.mse, 10 * p.ub.mse, p.u.mean, (p.ub - p.xb).mae], 4, chunks=(3, 4))


def test_losses_that_are_not_affine_in_the_reductions():
    check(lambda p: [jno.np.sqrt(p.r.mse), p.r.mse**0.5 * p.u.mae, jno.np.log(1 + p.u.mse) / (1 + p.ub.mse)], 4, (4,))


def test_a_loss_of_reductions_and_of_a_whole_field():
    check(lambda p: [p.r.mse * p.u.max, p.u.std + p.r.mean * p.u.mean], 3)


def test_two_point_sets_in_one_residual_are_left_whole():
    check(lambda p: [(p.u[:5] - p.ub[:5]).mse, (p.u.mean - p.ub).mse], 1, (4,))
    check(lambda p: [(p.ub * p.u.mean).mse], 1)


def test_what_couples_points_is_left_whole():
    check(lambda p: [(p.r - p.r.mean).mse, (p.u / p.u.max).mse, (p.u[1:] - p.u[:-1]).mse, jno.np.sort(p.u).mean], 0)


def test_a_coupled_loss_uses_a_reduction_that_is_divided_elsewhere():
    check(lambda p: [(p.r - p.r.mean).mse, p.r.mean, p.u.mse], 2)


@pytest.mark.parametrize("expected_rho", [0.5, 1.0])
def test_balanced_losses(expected_rho):
    def losses(p):
        raw = [p.r.mse, jno.np.sqrt(p.ub.mse)]
        weights = jno.fn.adaptive.relobralo(raw, expected_rho=expected_rho)
        return [weights[0] * raw[0], weights[1] * raw[1], *(w.tracker() for w in weights)]

    check(losses, 2, epochs=5)


def test_trackers_of_every_interval():
    check(
        lambda p: [
            p.r.mse,
            p.r.mse.tracker().name("a"),
            p.u.mean.tracker(2).name("b"),
            p.u.tracker().name("c"),
            p.r.std.tracker(3).name("d"),
            jno.np.sqrt(p.u.mse).tracker().name("e"),
        ],
        2,
        epochs=5,
    )
