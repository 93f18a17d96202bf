"""The plan of what is taken part by part, its sizes, its sums, its memory; `solve(chunk=...)` against plain JAX."""

import re
import traceback
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import jno
from jno_core import AbstractScheme
from jno_core._compile import ChunkPlan, chunk_sums, chunks_of, concurrency, part_sizes, plan_chunks, rows_of
from jno_core._train.options import StepOptions
from jno_core.errors import JnoTypeError, JnoValueError
from jno_core.pointwise import rowwise

pytestmark = pytest.mark.usefixtures("unoptimised")

apply: Any = jno.fn


class Plane:
    """Points in a square with a network on them."""

    def __init__(self, points=40, module=None, instances=1):
        rng = np.random.default_rng(0)
        self.points = rng.random((points, 2)).astype(np.float32)
        domain = jno.domain.from_array({"interior": self.points, "boundary": rng.random((30, 2))})
        self.domain = domain if instances == 1 else instances * domain
        self.x, self.y, _ = self.domain.variable("interior")
        self.xb, self.yb, _ = self.domain.variable("boundary")
        module = eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(0)) if module is None else module
        self.net = jno.nn.wrap(module, name="u").optimizer(optax.sgd(1e-2))
        self.u, self.ub = self.net(self.x, self.y), self.net(self.xb, self.yb)


def plan(losses, rows: int | None = 10, abreast=1):
    """The plan of some losses, as one problem's constraints."""
    problem = jno.core(losses).problem
    modules = {model: model.module for model in problem.models.values()}
    return plan_chunks(problem.program, problem.constraints, problem.data(), modules, ChunkPlan(rows, abreast=abreast))


DIVIDED = {
    "value": lambda p: p.u,
    "coordinate": lambda p: p.x,
    "laplacian": lambda p: p.u.laplacian(p.x, p.y),
    "estimated laplacian": lambda p: p.u.laplacian(p.x, p.y, scheme="automatic_differentiation:stochastic"),
    "third derivative": lambda p: p.u.d2(p.x).d(p.y) * p.u,
    "gradient": lambda p: p.u.grad(p.x, p.y),
    "hessian": lambda p: p.u.hessian(p.x, p.y),
    "divergence": lambda p: jno.np.divergence([p.u * p.x, p.u**2], [p.x, p.y]),
    "component": lambda p: p.u.grad(p.x, p.y)[..., 0],
    "concatenation": lambda p: jno.np.concatenate([p.u, p.x], axis=-1),
    "case": lambda p: jno.np.where(p.x > 0.5, p.u, 0.0),
    "Jacobian in the parameters": lambda p: p.u.grad(p.net),
    "function": lambda p: apply(lambda u, x: jnp.sin(u) / (1 + x[:, :1] ** 2), [p.u, p.x]),
    "outer product": lambda p: p.u @ np.ones((1, 3)),
    "attached": lambda p: p.u - p.domain.variable("m", np.ones((40, 1)), per="point", at=p.x),
    "shared": lambda p: p.u - p.domain.variable("k", np.ones((1,)), per="shared"),
}


@pytest.mark.parametrize("name", DIVIDED)
def test_sums_over_pointwise_expressions_are_divided(name):
    made = DIVIDED[name](Plane())
    [divided] = plan([made.mse, made.mae, made.mean, made.sum])
    assert [r.fn for r in divided.reductions] == [made.mse.fn, made.mae.fn, jnp.mean, jnp.sum]
    assert (divided.points, divided.rows, divided.parts) == (40, 10, 4)


WHOLE = {
    "centred": lambda p: (p.u - p.u.mean).mse,
    "normalised": lambda p: (p.u / p.u.max).mean,
    "differences": lambda p: (p.u[1:] - p.u[:-1]).mse,
    "some points": lambda p: p.u[:20].mse,
    "one point": lambda p: p.u[0].mse,
    "reversed": lambda p: (p.u * p.x[::-1]).mean,
    "transposed": lambda p: p.u.T.mse,
    "products of points": lambda p: (p.u @ p.u.T).mse,
    "sorted": lambda p: jno.np.sort(p.u, axis=0).mse,
    "along the points": lambda p: jno.np.cumsum(p.u, axis=0).mean,
    "derivative of what is coupled": lambda p: (p.u * p.u.mean).d(p.x).mse,
    "derivative in all parameters": lambda p: p.u.mse.grad(p.net).mse,
    "maximum": lambda p: p.u.max,
    "minimum": lambda p: p.u.min,
    "deviation": lambda p: p.u.std,
    "along an axis": lambda p: jno.np.sum(p.u, axis=0).max,
    "noise": lambda p: (p.u + jno.noise.gaussian(0.1)).mse,
    "two point sets": lambda p: (p.u[:30] - p.ub).mse,
    "constants for each point": lambda p: (p.u * np.ones((40, 1))).mse,
    "function with constants for each point": lambda p: apply(lambda u: u + np.arange(40.0)[:, None], [p.u]).mse,
    "function that numbers its rows": lambda p: apply(lambda u: u * jnp.arange(u.shape[0])[:, None], [p.u]).mse,
    "function with another first row": lambda p: apply(lambda u: u * jnp.ones_like(u).at[0].set(0.5), [p.u]).mse,
    "function without rows": lambda p: apply(lambda u: jnp.ones((3, 2)), [p.u]).mse,
    "function of forty rows": lambda p: apply(lambda u: u.reshape(40, 1), [p.u]).mse,
}


@pytest.mark.parametrize("name", WHOLE)
def test_all_else_is_left_whole(name):
    p = Plane()
    assert plan([WHOLE[name](p)]) == ()
    # It does not keep others from being divided.
    [divided] = plan([WHOLE[name](p), p.u.mse])
    assert [r.fn for r in divided.reductions] == [p.u.mse.fn]


MODULES = {
    "relu": lambda k: eqx.nn.MLP(2, 1, 16, 2, jax.nn.relu, key=k),
    "gelu": lambda k: eqx.nn.MLP(2, 1, 16, 2, jax.nn.gelu, key=k),
    "silu": lambda k: eqx.nn.MLP(2, 3, 16, 2, jax.nn.silu, key=k),
    "as wide as there are points": lambda k: eqx.nn.MLP(2, 1, 40, 2, jnp.tanh, key=k),
    "wider by one": lambda k: eqx.nn.MLP(2, 1, 41, 2, jnp.tanh, key=k),
    "normalised, with dropout": lambda k: eqx.nn.Sequential(
        [eqx.nn.Linear(2, 8, key=k), eqx.nn.LayerNorm(8), eqx.nn.Dropout(0.1), eqx.nn.Linear(8, 1, key=k)]
    ),
}


KEY = jax.random.key(0)
DRAWN = {
    "numbers for each row": (lambda x: x + jax.random.normal(KEY, x.shape), True),
    "signs for each row": (lambda x: x * jax.random.rademacher(jax.random.fold_in(KEY, 3), x.shape), True),
    "one number for all rows": (lambda x: x + jax.random.normal(jax.random.key(0), (1, 1)), True),
    "numbers for each row, added up": (lambda x: x + jnp.cumsum(jax.random.normal(KEY, x.shape)), False),
    "rows in random order": (lambda x: jax.random.permutation(KEY, x), False),
    "a random order of numbers": (lambda x: x * jax.random.permutation(KEY, len(x))[:, None], False),
    "numbers of rows in a compiled function": (lambda x: x * jax.jit(lambda: jnp.arange(x.size)[:, None])(), False),
    "the same numbers each time": (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), False),
    "the same numbers each time, by another key": (lambda x: x + jax.random.normal(OTHER_KEY, x.shape), False),
}
OTHER_KEY = jax.random.key(1)


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_for_each_row_anew_does_not_mix_the_rows(name):
    fn, is_rowwise = DRAWN[name]
    assert (rowwise(fn, jnp.ones((9, 1)), key=KEY) is not None) == is_rowwise
    assert (rowwise(fn, jnp.ones((9, 1))) is not None) == (name == "one number for all rows")


def test_noise_that_is_the_same_each_time_stays_with_its_points():
    p = Plane()
    noise = 1 + jax.random.normal(jax.random.key(3), (len(p.points), 1))
    noisy = apply(lambda u: u * (1 + jax.random.normal(jax.random.key(3), u.shape)), [p.u])
    assert plan([noisy.mse]) == ()
    plain, slopes = jno.core([p.u.mse]).eval([p.u.grad(p.net), noisy.grad(p.net)])
    np.testing.assert_allclose(
        slopes, plain * np.reshape(noise, (1, -1, *(1,) * (plain.ndim - 2))), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", MODULES)
def test_networks_of_many_kinds_are_divided(name):
    p = Plane(module=MODULES[name](jax.random.key(1)))
    [divided] = plan([p.u.mse, p.u.laplacian(p.x, p.y).mae])
    assert len(divided.reductions) == 2


class Central(AbstractScheme):
    """Central differences; the step is prepared, one for all points or one for each."""

    variants = ()
    each: bool = eqx.field(static=True)

    @classmethod
    def from_variant(cls, variant, modes):
        raise NotImplementedError

    def supports(self, request, where):
        return None

    def merges(self, request):
        return False

    def default_params(self, request, where, key=None):
        return {}

    def prepare(self, requests, where):
        return np.full((len(where.columns[0]), 1) if self.each else (1, 1), 0.1)

    def apply(self, requests, field, where, params, prepared):
        x, *others = where.columns
        above, below = (field.at((x + h, *others), field.aligned) for h in (prepared, -prepared))
        return tuple((above - below) / (2 * prepared) for _ in requests)


def test_what_a_scheme_prepares_for_each_point_is_not_divided():
    p = Plane()
    [divided] = plan([p.u.d(p.x, scheme=Central(each=False)).mse, p.u.d(p.x, scheme=Central(each=True)).mae])
    assert [r.fn for r in divided.reductions] == [p.u.mse.fn]


def test_jacobians_in_the_parameters_keep_the_constants_of_each_point():
    p, weights = Plane(), np.arange(40.0)[:, None]
    crux = jno.core([], domain=p.domain)
    weighted, plain = crux.eval([(p.u * weights).grad(p.net), p.u.grad(p.net)])
    np.testing.assert_allclose(weighted, plain * weights, rtol=1e-5)


def test_functions_that_mix_a_block_are_left_whole():
    p = Plane(module=lambda x, y: x * y - x.mean())
    assert plan([p.u.mse]) == ()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(1, 70))
def test_parts_cover_the_points_and_are_no_larger_than_asked(points, rows):
    p = Plane(points)
    planned = plan([p.x.mse], rows)
    assert len(planned) == (rows < points)
    for divided in planned:
        assert 1 <= divided.rows <= rows
        assert (divided.parts - 1) * divided.rows < points <= divided.parts * divided.rows
        data = p.domain.data([p.x.collocation], [])
        parts = chunks_of(rows_of(data, divided), divided)
        [stacked] = parts.rows
        assert stacked.shape == (divided.parts, 1, divided.rows, 2)
        counted = np.asarray(parts.counts)
        np.testing.assert_array_equal(np.asarray(stacked)[:, 0][counted], p.points)
        assert np.all(np.isin(np.asarray(stacked)[:, 0][~counted], p.points))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 60), st.integers(1, 70), st.integers(2, 4))
def test_parts_side_by_side_cover_the_points(points, together, abreast):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_sizes, "WORKING_SET", 0)
        patch.setattr(part_sizes, "SMALLEST", together)
        patch.setattr(concurrency, "FEWEST", 1)
        p = Plane(points)
        planned = plan([p.x.mse], None, abreast)
    assert points <= together or planned or points < abreast
    for divided in planned:
        assert divided.parts % divided.abreast == 0
        assert divided.at_once == (divided.rows * divided.abreast >= points)
        assert divided.rows * divided.abreast < 1.5 * max(together, abreast) + part_sizes.EVEN * abreast
        parts = chunks_of(rows_of(p.domain.data([p.x.collocation], []), divided), divided)
        [stacked] = parts.rows
        counted = np.asarray(parts.counts)
        np.testing.assert_array_equal(np.asarray(stacked)[:, 0][counted], p.points)


def test_parts_stand_side_by_side_where_that_pays():
    least = concurrency.ABREAST * concurrency.FEWEST

    def parts(points, losses=lambda p: [p.r.mse], **options):
        p = Plane(points, **options)
        p.r = p.u.laplacian(p.x, p.y)
        return [(d.parts, d.abreast) for d in jno.core(losses(p)).explain().divided]

    assert parts(least) == [(3, 3)]
    assert parts(least - 1) == []
    # All points at once are seen anyway: what depends on them would be computed twice.
    assert parts(least, lambda p: [p.r.mse, p.r.max]) == []
    assert parts(least, lambda p: [p.r.mse, p.r.mse.tracker(2), jno.np.sqrt(p.ub.mse)]) == [(3, 3)]
    # Each part would evaluate again what an instance has at no point.
    k = np.ones((2, 1))
    assert parts(least, lambda p: [(p.domain.variable("k", k, per="instance") * p.r).mse], instances=2) == []


def test_with_many_axes_nothing_stands_side_by_side():
    def abreast(axes):
        points = np.random.default_rng(0).random((600, axes)).astype(np.float32)
        *xs, _ = jno.domain.from_array({"interior": points}).variable("interior")
        net = jno.nn.wrap(eqx.nn.MLP(axes, 1, 64, 2, jnp.tanh, key=jax.random.key(0))).optimizer(optax.sgd(1e-2))
        u = net(*xs)
        return [d.abreast for d in jno.core([u.laplacian(*xs).mse]).explain().divided]

    assert abreast(5) == [3]
    assert abreast(60) == []


@pytest.mark.parametrize(
    ("kilobytes", "cores", "rows"), [(20_000, 4, 668), (8_000, 4, 500), (2_000, 4, 250), (2_000, 1, 100)]
)
def test_with_many_axes_parts_in_turn_keep_all_cores_busy(kilobytes, cores, rows, monkeypatch):
    """At least 512 points on four cores, 128 on one, and four times the working set at most. A point takes 31 kB: 60 tangents of
    64 units as the second layer reads and makes them."""
    monkeypatch.setattr(part_sizes, "cores", lambda: cores)
    monkeypatch.setattr(part_sizes, "WORKING_SET", 1024 * kilobytes // cores)
    points = np.random.default_rng(0).random((2000, 60)).astype(np.float32)
    *xs, _ = jno.domain.from_array({"interior": points}).variable("interior")
    u = jno.nn.wrap(eqx.nn.MLP(60, 1, 64, 2, jnp.tanh, key=jax.random.key(0)))(*xs)
    [divided] = plan([u.laplacian(*xs).mse], rows=None, abreast=3)
    assert (divided.rows, divided.abreast) == (rows, 1)


@pytest.mark.parametrize(
    ("fitting", "expected"),
    [(5000, (3, 2000, 3)), (3100, (4, 1500, 2)), (1600, (4, 1500, 2)), (1400, (4, 1500, 1)), (600, (30, 200, 3))],
)
def test_parts_side_by_side_in_turn_are_divided_themselves_and_take_twice_the_working_set_at_most(
    fitting, expected, monkeypatch
):
    monkeypatch.setattr(part_sizes, "WORKING_SET", 0)
    monkeypatch.setattr(part_sizes, "SMALLEST", fitting)
    p = Plane(6000, module=width(64))
    assert [(d.parts, d.rows, d.abreast) for d in plan([p.u.mse], None, abreast=3)] == [expected]


@settings(max_examples=20, deadline=None)
@given(st.integers(480, 1000))
def test_parts_whose_size_is_chosen_have_an_even_number_of_rows(points):
    p = Plane(points)
    assert [d.rows % 2 for d in plan([p.u.mse], None, abreast=3)] == [0]


def test_what_shall_save_memory_is_taken_in_turn():
    p = Plane(2000)
    crux = jno.core([p.u.laplacian(p.x, p.y).mse])

    def abreast(**options):
        return [d.abreast for d in crux._trainer.prepared(StepOptions(**options)).divided]

    assert abreast(chunk="auto") == [3]
    assert abreast(chunk="auto", batchsize=1000) == [3]
    assert abreast(chunk=500) == [1]
    assert abreast(chunk=None) == []
    assert abreast(chunk="auto", checkpoint_gradients=True) == []
    assert abreast(chunk="auto", batchsize=1000, accumulation_steps=2) == [1]


def test_parts_add_up_to_the_reductions_of_each_instance():
    p = Plane(points=17, instances=3)
    k = p.domain.variable("k", np.array([[1.0], [2.0], [-4.0]]), per="instance")
    m = p.domain.variable("m", np.arange(3 * 17 * 2.0).reshape(3, 17, 2), per="instance_point", at=p.x)
    made = k * p.x - m
    problem = jno.core([made.mse, made.mae, made.mean, made.sum]).problem
    data = problem.data()
    [divided] = plan_chunks(problem.program, problem.constraints, data, {}, ChunkPlan(5))
    parts, total = chunks_of(rows_of(data, divided), divided), 0
    keys = jax.random.split(jax.random.key(0), 3)
    for i in range(divided.parts):
        part = jax.tree.map(lambda a, i=i: a[i], parts)
        total = total + np.stack(chunk_sums(problem.program, divided, data, part, {}, keys, 1))
    x, factors = p.points[:, :1].astype(np.float64), np.array([1.0, 2.0, -4.0])[:, None, None]
    exact = factors * x - np.arange(3 * 17 * 2.0).reshape(3, 17, 2)
    axes = (1, 2)
    expected = [np.mean(exact**2, axes), np.mean(np.abs(exact), axes), np.mean(exact, axes), np.sum(exact, axes)]
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def width(hidden):
    return eqx.nn.MLP(2, 1, hidden, 2, jnp.tanh, key=jax.random.key(0))


def auto_rows(points, hidden=64, instances=1):
    p = Plane(points, width(hidden), instances)
    k = p.domain.variable("k", np.ones((instances, 1)), per="instance")
    return [divided.rows for divided in plan([(k * p.u.laplacian(p.x, p.y)).mse], None)]


@pytest.fixture
def one_core(monkeypatch):
    """The same working set on every machine."""
    monkeypatch.setattr(part_sizes, "cores", lambda: 1)
    monkeypatch.setattr(part_sizes, "WORKING_SET", 3 * 2**20)


def test_the_working_set_grows_with_the_cores(monkeypatch):
    prime = 999_983  # No parts are even, so none are made smaller to be so.
    monkeypatch.setattr(part_sizes, "cores", lambda: 1)
    [one] = auto_rows(prime)
    monkeypatch.setattr(part_sizes, "cores", lambda: 4)
    np.testing.assert_allclose(auto_rows(prime), [4 * one], rtol=0.1)


@pytest.mark.usefixtures("one_core")
def test_auto_leaves_small_problems_whole_and_large_parts_fit_the_working_set():
    assert auto_rows(2 * part_sizes.SMALLEST) == []
    assert auto_rows(1000, hidden=8) == []
    # The value of each unit that the first layer makes, value, two first derivatives and the Laplacian that the second reads
    # and makes, and the Laplacian that the last one reads.
    least = 4 * 64 * (1 + 4 + 4 + 1)
    [rows], [narrow], [four] = auto_rows(100_000), auto_rows(100_000, hidden=16), auto_rows(100_000, instances=4)
    assert part_sizes.SMALLEST < rows <= part_sizes.working_set() / least
    assert narrow > 2 * rows
    np.testing.assert_allclose(four, rows / 4, rtol=0.1)
    [smallest] = auto_rows(1000, hidden=2000)
    assert part_sizes.SMALLEST / 2 < smallest <= part_sizes.SMALLEST


@pytest.mark.usefixtures("one_core")
def test_the_parts_of_an_estimate_are_as_large_as_it_is_cheap():
    """In sixty axes the exact Laplacian takes about sixty times the memory of an estimate along one direction."""
    points = np.random.default_rng(0).random((1000, 60)).astype(np.float32)
    *xs, _ = jno.domain.from_array({"interior": points}).variable("interior")
    u = jno.nn.wrap(eqx.nn.MLP(60, 1, 32, 2, jnp.tanh, key=jax.random.key(0)))(*xs)
    [exact] = plan([u.laplacian(*xs).mse], rows=None)
    assert exact.parts > 2
    assert plan([u.laplacian(*xs, scheme="automatic_differentiation:stochastic").mse], rows=None) == ()


@pytest.mark.usefixtures("one_core")
def test_on_an_accelerator_its_memory_is_the_bound(monkeypatch):
    class Device:
        def __init__(self, limit):
            self.limit = limit

        def memory_stats(self):
            return {"bytes_limit": self.limit}

    p = Plane(20_000, width(32))
    losses = [p.u.laplacian(p.x, p.y).mse]
    assert plan(losses, None)
    for limit, divided in ((2**35, 0), (2**26, 1)):
        with monkeypatch.context() as patch:
            patch.setattr(jax, "local_devices", lambda limit=limit: [Device(limit)])
            assert len(plan(losses, None)) == divided
            assert concurrency.most_abreast() == 1


def temporary_bytes(points, chunk, losses, optimizer):
    """What the compiled step needs besides its arguments and results."""
    p = Plane(points, width(32))
    p.net.optimizer(optimizer)
    compiled = jno.core(losses(p))._trainer.prepared(StepOptions(chunk=chunk))
    state = compiled.initial(jax.random.key(0))
    step = jax.jit(compiled._stepper.step).lower(state, compiled._rest, compiled._data).compile()
    analysis: Any = step.memory_analysis()
    return analysis.temp_size_in_bytes


def balanced(p):
    raw = [p.u.d(p.x).mse, jno.np.sqrt(p.u.mse)]
    weights = jno.fn.adaptive.relobralo(raw)
    return [weights[0] * raw[0], weights[1] * raw[1]]


LOSSES = {
    "one pass": (lambda p: [p.u.d(p.x).mse], optax.sgd(1e-2)),
    "two passes": (balanced, optax.sgd(1e-2)),
    "line search": (lambda p: [p.u.d(p.x).mse], optax.lbfgs()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_memory_of_a_step_hardly_grows_with_the_points(name):
    small, large = (temporary_bytes(n, 500, *LOSSES[name]) for n in (2000, 16_000))
    # The points themselves, two numbers each, are arranged in parts.
    assert large - small < 4 * 14_000 * 8
    if name == "one pass":
        assert temporary_bytes(16_000, None, *LOSSES[name]) > 10 * large


@pytest.mark.parametrize("chunk", [0, -1, -500])
def test_sizes_below_one_are_refused(chunk):
    p = Plane()
    with pytest.raises(
        JnoValueError, match=re.escape(f"chunk={chunk}): the least possible number of points is 1")
    ) as e:
        jno.core([p.u.mse]).solve(1, chunk=chunk)
    assert traceback.extract_tb(e.value.__traceback__)[0].filename == __file__


@pytest.mark.parametrize("chunk", [2.5, "many", True, False, "", [10], np.float64(10)])
def test_what_is_no_size_is_refused(chunk):
    p = Plane()
    crux = jno.core([p.u.mse])
    with pytest.raises(JnoTypeError, match=re.escape("solve(chunk=...) takes 'auto', None or a number of points")) as e:
        crux.solve(1, chunk=chunk)
    assert repr(chunk) in str(e.value)
    assert len(crux.statistics.training_logs) == 0


def gradient(field, axis):
    return lambda a, q: jax.grad(field, argnums=1)(a, q)[axis]


FIELDS = [
    (lambda a, x, y: a[0] * x + jno.np.sin(a[1] * y), lambda a, q: a[0] * q[0] + jnp.sin(a[1] * q[1])),
    (lambda a, x, y: jno.np.exp(a[2] * x * y) - a[0], lambda a, q: jnp.exp(a[2] * q[0] * q[1]) - a[0]),
    (lambda a, x, y: x - 0.3 * y**2 + a[1] * a[2], lambda a, q: q[0] - 0.3 * q[1] ** 2 + a[1] * a[2]),
]
FIELDS += [(lambda a, x, y, f=f: f(a, x, y).d(x), gradient(g, 0)) for f, g in FIELDS[1:2]]
COUPLINGS = [(lambda f: f, lambda f: f)] * 3 + [
    (lambda f: f - f.mean, lambda f: f - jnp.mean(f)),
    (lambda f: f * f[::-1], lambda f: f * f[::-1]),
]
REDUCTIONS = [
    (lambda f: f.mse, lambda f: jnp.mean(f**2)),
    (lambda f: f.mae, lambda f: jnp.mean(jnp.abs(f))),
    (lambda f: f.mean, jnp.mean),
    (lambda f: f.sum / 50, lambda f: jnp.sum(f) / 50),
    # Not the maximum: XLA without optimisation computes it and its arguments twice, with other last bits, and the gradient,
    # which asks where they are equal, divides by zero.
    (lambda f: jno.np.log(jno.np.exp(f).sum), lambda f: jnp.log(jnp.sum(jnp.exp(f)))),
    (lambda f: f.std, jnp.std),
]
LINKS = [
    (lambda s, t: s + 2 * t, lambda s, t: s + 2 * t),
    (lambda s, t: s * t, lambda s, t: s * t),
    (lambda s, t: jno.np.sqrt(1 + s**2) - t, lambda s, t: jnp.sqrt(1 + s**2) - t),
    (lambda s, t: jno.np.exp(-(t**2)) / (1 + s**2), lambda s, t: jnp.exp(-(t**2)) / (1 + s**2)),
]
sums = st.tuples(*(st.integers(0, len(choices) - 1) for choices in (FIELDS, COUPLINGS, REDUCTIONS)), st.integers(0, 1))
terms = st.recursive(sums, lambda part: st.tuples(st.integers(0, len(LINKS) - 1), part, part), max_leaves=4)


def built(term, side, fields):
    """A loss of a random kind: side 0 as an expression, side 1 in plain JAX. `fields(field, point set)` are values."""
    if len(term) == 3:
        link, left, right = term
        return LINKS[link][side](built(left, side, fields), built(right, side, fields))
    field, coupling, reduction, place = term
    return REDUCTIONS[reduction][side](COUPLINGS[coupling][side](fields(FIELDS[field][side], place)))


@settings(max_examples=10, deadline=None)
@given(st.lists(terms, min_size=1, max_size=3), st.integers(1, 30), st.integers(0, 99))
def test_random_losses_and_sizes_give_the_gradient_that_jax_gives(losses, chunk, seed):
    rng = np.random.default_rng(seed)
    places, start = (rng.random((29, 2)), rng.random((12, 2))), rng.uniform(-1, 1, 3)
    with jax.enable_x64(True):
        domain = jno.domain.from_array({"first": places[0], "second": places[1]})
        coordinates = [domain.variable(tag)[:2] for tag in ("first", "second")]
        a = jno.np.parameter((3,), name="a").initialize(jnp.asarray(start)).optimizer(optax.sgd(1.0))
        expressions = [built(term, 0, lambda field, place: field(a, *coordinates[place])) for term in losses]
        crux = jno.core(expressions, domain=domain)
        [loss] = crux.solve(1, chunk=chunk).total_loss_history

        def total(a):
            def values(field, place):
                return jax.vmap(lambda q: field(a, q))(jnp.asarray(places[place]))

            return jnp.mean(jnp.stack([built(term, 1, values) for term in losses]))

        value, slope = jax.value_and_grad(total)(jnp.asarray(start))
        np.testing.assert_allclose(loss, value, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(start - crux.eval(a), slope, rtol=1e-9, atol=1e-11)
