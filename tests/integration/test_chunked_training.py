"""Training with the points taken part by part, or in parts side by side, equals training with all points, to rounding."""

import contextlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core._compile import concurrency, part_sizes
from jno_core._train.options import StepOptions
from jno_core.errors import NonFiniteLossWarning

pytestmark = pytest.mark.usefixtures("unoptimised")

N = 23
"""A prime, so that no part size divides it."""


class Problem:
    """A plane problem: points inside and on the boundary, a small network, a residual."""

    def __init__(self, instances=1, optimizer=None, time=None, points=N, dtype=None):
        rng = np.random.default_rng(3)
        domain = jno.domain.from_array(
            {"interior": rng.random((points, 2)), "boundary": rng.random((11, 2))}, time=time
        )
        self.domain = domain if instances == 1 else instances * domain
        self.x, self.y, self.t = self.domain.variable("interior")
        self.xb, self.yb, _ = self.domain.variable("boundary")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(1)), name="u")
        self.net.optimizer(optax.sgd(1e-2) if optimizer is None else optimizer)
        if dtype is not None:
            self.net.dtype(dtype)
        self.u, self.ub = self.net(self.x, self.y), self.net(self.xb, self.yb)
        self.r = self.u.laplacian(self.x, self.y) + self.u - jno.np.sin(3 * self.x) * self.y


def divided(crux, chunk):
    """The number of reductions that a problem takes part by part."""
    return sum(len(d.reductions) for d in crux._trainer.prepared(StepOptions(chunk=chunk)).divided)


def trained(losses, chunk, epochs=3, **options):
    """What a run recorded and where it ended, and how many reductions it took part by part."""
    problem = Problem(**options)
    crux = jno.core(losses(problem), domain=problem.domain)
    log = crux.solve(epochs, chunk=chunk).training_logs[0]
    found = {
        "losses": log["losses"],
        "total": log["total_loss"],
        "tracked": {name: stats["values"] for name, stats in log.get("track_stats", {}).items()},
        "weights": [model.module for model in crux.problem.models.values()],
    }
    return eqx.filter(found, eqx.is_array_like), divided(crux, chunk)


@contextlib.contextmanager
def side_by_side(together=None):
    """Three parts side by side wherever that is possible: of all points, or of so many at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_sizes, "WORKING_SET", 2**40 if together is None else 0)
        patch.setattr(part_sizes, "SMALLEST", together or 1)
        patch.setattr(concurrency, "FEWEST", 1)
        yield


def check(losses, reductions, chunks=(5,), x64=True, rtol=1e-10, atol=1e-12, **options):
    """That runs in parts of these sizes equal the run on all points, and that so many reductions were divided."""

    def equal(parts):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a, rtol=rtol, atol=atol), whole, parts)

    with jax.enable_x64(x64):
        whole, none = trained(losses, None, **options)
        assert none == 0
        for chunk in chunks:
            parts, some = trained(losses, chunk, **options)
            assert some == reductions
            equal(parts)
        if reductions and "auto" not in chunks:
            with side_by_side(together=6):
                parts, some = trained(losses, "auto", **options)
                assert some == reductions
                equal(parts)
            with side_by_side():
                equal(trained(losses, "auto", **options)[0])


def test_every_size_of_a_part_gives_the_same_training():
    check(lambda p: [p.r.mse], 1, chunks=(1, 7, 22))
    check(lambda p: [p.r.mse], 0, chunks=(N,))


def test_sums_over_one_of_two_point_sets():
    check(
        lambda p: [p.r.mse, p.r.mae, p.u.mean, (p.u * p.x).sum, jno.np.mean(p.r + p.y), p.ub.mse, (p.ub - p.xb).mae], 7
    )


def test_losses_that_are_not_affine_in_the_reductions():
    check(lambda p: [jno.np.sqrt(p.r.mse), p.r.mse**0.5 * p.u.mae, jno.np.log(1 + p.u.mse) / (1 + p.ub.mse)], 4, (4,))


def test_losses_with_parts_that_need_all_points():
    check(
        lambda p: [
            p.r.mse * p.u.max - p.r.min,
            p.u.std + p.r.mean * p.u.mean,
            (p.r - p.r.mean).mse,
            (p.u[1:] - p.u[:-1]).mse,
            (p.u[:5] - p.ub[:5]).mae,
            (p.ub * p.u.mean).mse,
        ],
        3,
    )


def test_balanced_losses():
    def losses(p):
        raw = [p.r.mse, jno.np.sqrt(p.ub.mse)]
        weights = jno.fn.adaptive.relobralo(raw, expected_rho=0.5)
        return [weights[0] * raw[0], weights[1] * raw[1], *(w.tracker() for w in weights)]

    check(losses, 2, epochs=5)


def test_trackers_of_every_interval():
    def losses(p):
        tracked = [p.r.mse.tracker(), p.u.mean.tracker(2), p.u.tracker(), p.r.std.tracker(3), (p.u.mse**0.5).tracker()]
        return [p.r.mse, *tracked]

    check(losses, 2, epochs=5)


def test_several_instances_and_attached_arrays():
    def losses(p):
        rng = np.random.default_rng(0)
        measured = p.domain.variable("m", rng.random((N, 1)), per="point", at=p.x)
        own = p.domain.variable("o", rng.random((3, N, 2)), per="instance_point", at=p.x)
        k = p.domain.variable("k", rng.random((3, 1)), per="instance")
        s = p.domain.variable("s", rng.random((1,)), per="shared")
        plain = [(p.u - measured).mse, (k * p.r - own[:, :1]).mae, (s * p.u * own).mean + k.mse]
        return [*plain, jno.np.sqrt((k * p.r).mse) * p.u.mae, (k * p.u).max * (k * p.ub).mse]

    check(losses, 6, instances=3)


def test_times_are_drawn_alike_for_all_parts():
    def losses(p):
        u = p.net(p.x, p.t)
        return [(u.d(p.t) - p.t * u.d2(p.x)).mse, jno.np.exp(p.t.mean) * u.mse]

    check(losses, 3, epochs=6, instances=2, time=(0.0, 1.0, 7))


def test_noise_is_that_of_the_whole_point_set():
    noise = jno.noise.gaussian(0.3)
    check(lambda p: [(p.u + noise).mse, p.r.mse, ((p.u + noise) ** 2).mean.tracker()], 1)


def test_hard_constraints_and_parameters():
    def losses(p):
        u = p.x * (1 - p.x) * p.net(p.x, p.y)
        a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(1e-1))
        b = jno.np.parameter((2,), name="b").initialize(0.3).optimizer(optax.adam(1e-2))
        residual = jno.np.exp(a) * u.laplacian(p.x, p.y) - u + b[0] * p.y
        return [residual.mse, (b[1] * u.d(p.y) - p.x).mae + a.mse, a.tracker()]

    check(losses, 2)


def test_losses_of_the_jacobian_in_the_parameters():
    check(lambda p: [p.u.grad(p.net).mse, (p.u.d(p.x).grad(p.net)).mean, p.u.mse.grad(p.net).mse], 2)


def test_complex_residuals_and_counts_of_points():
    def losses(p):
        z = p.u + 1j * p.u * p.x
        moduli = [(z * z).mse, z.mae, jno.np.abs(z.mean), 1 / (1 + jno.np.abs(z.sum)), jno.np.real(z * z).sum]
        return [*moduli, jno.np.where(p.x > 0.4, p.u, 0).sum / (p.x > 0.4).sum, (p.u > 0).mean + p.u.mae]

    check(losses, 8)


def test_constants_and_functions_that_count_the_points():
    weights = np.random.default_rng(5).random((N, 1))

    def ramp(u):
        return u * jnp.linspace(0, 1, u.shape[0])[:, None]

    def trapezoid(u):
        return u * jnp.ones_like(u).at[0].set(0.5).at[-1].set(0.5)

    def plain(u):
        return jnp.concatenate([jnp.zeros_like(u), 2 * jnp.ones((u.shape[0], 3)) @ jnp.ones((3, 2)) * u], axis=1)

    apply: Any = jno.fn
    check(lambda p: [*(apply(f, [p.u]).mse for f in (ramp, trapezoid, plain)), (p.r * weights).mse], 1, (1,))


def test_line_searches():
    check(lambda p: [(p.u.d(p.x) - p.y).mse, jno.np.sqrt(p.ub.mse)], 2, optimizer=optax.lbfgs())


def test_half_precision_loses_nothing_in_many_small_parts():
    # Added up in bfloat16, 3000 parts would stop to count after some 256 of them.
    check(
        lambda p: [(p.u - p.x).mse, jno.np.sqrt(p.u.mse)],
        2,
        chunks=(1,),
        x64=False,
        rtol=2e-2,
        atol=4e-3,
        dtype=jnp.bfloat16,
        points=3000,
        optimizer=optax.sgd(1e-1),
    )


@pytest.mark.parametrize(
    ("chunk", "setting", "parts"),
    [
        (20, contextlib.nullcontext(), 20),
        ("auto", side_by_side(together=60), 21),
        ("auto", side_by_side(), 3),
    ],
    ids=["in turn", "side by side in turn", "side by side"],
)
def test_parts_draw_their_own_dropout_and_both_passes_the_same(chunk, setting, parts):
    class Drop(eqx.Module):
        dropout: eqx.nn.Dropout = eqx.nn.Dropout(0.5)

        def __call__(self, x, *, key=None):
            return self.dropout(jnp.ones_like(x), key=key)

    x, _, _ = jno.domain.from_array({"interior": np.random.default_rng(0).random((400, 2))}).variable("interior")
    a = jno.np.parameter((1,), name="a").initialize(3.0).optimizer(optax.sgd(1e-1))
    crux = jno.core([jno.np.sqrt((a * jno.nn.wrap(Drop())(x)).mse)])
    with setting:
        [loss] = crux.solve(1, chunk=chunk).total_loss_history
        assert [d.parts for d in crux._trainer.prepared(StepOptions(chunk=chunk)).divided] == [parts]
    # L = |a| sqrt(mean d^2), so dL/da = L/a only if the slopes belong to the values that they are multiplied with.
    np.testing.assert_allclose(crux.eval(a), 3 - 0.1 * loss / 3, rtol=1e-6)
    # The entries are 0 and 2. If many parts dropped the same rows, their number would be a multiple of that of the parts.
    kept = 400 * (loss / 3) ** 2 / 4
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-3)
    assert 150 < kept < 250
    assert parts == 3 or np.round(kept) % parts != 0


def test_runs_continue_whatever_the_parts_were():
    whole, parts = (jno.core([p.r.mse, jno.np.sqrt(p.ub.mse)]) for p in (Problem(), Problem()))
    history = whole.solve(8, chunk=None)
    for chunk in (5, 5, None, 7):
        parts.solve(2, chunk=chunk)
    np.testing.assert_allclose(parts.statistics.total_loss_history, history.total_loss_history, rtol=1e-4)
    compile_times = [log["compile_time"] > 0 for log in parts.statistics.training_logs]
    assert compile_times == [True, False, True, True]


def test_auto_divides_a_large_point_set(monkeypatch):
    monkeypatch.setattr("jno_core._compile.part_sizes.WORKING_SET", 2**18)
    monkeypatch.setattr("jno_core._compile.part_sizes.cores", lambda: 1)
    check(lambda p: [p.r.mse, p.u.max, p.ub.mse], 1, ("auto",), x64=False, rtol=1e-4, atol=1e-6, points=20_000)


def test_one_point_that_is_not_finite_stops_the_run():
    p = Problem()
    a = jno.np.parameter((1,), name="a").initialize(1.5).optimizer(optax.sgd(0.1))
    crux = jno.core([jno.np.log(a - p.x).mean.name("logarithm"), (0 * a * p.y).mse])
    with pytest.warns(NonFiniteLossWarning, match=r"'logarithm' = .* at epoch \d+"):
        crux.solve(500, chunk=5)
    assert np.all(np.isfinite(crux.eval(a)))
