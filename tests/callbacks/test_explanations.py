"""The values of the measurements, against `jax.jacobian` and `jax.hessian` of the same losses written by hand."""

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import linalg

from jno_core.errors import JnoValueError
from jno_plugin_callbacks import (
    CosineSimilarity,
    GradientAlignment,
    GradientNorms,
    HessianSpectrum,
    LossLandscape,
    NtkSpectrum,
    ResidualStatistics,
)
from jno_plugin_callbacks._hessian_spectrum import _largest
from jno_plugin_callbacks._loss_landscape import _direction
from jno_plugin_callbacks._ntk_spectrum import _picks

POINTS = np.random.default_rng(0).random((24, 2))
EDGE = POINTS[:5] * [1.0, 0.0]


class ByHand:
    """The losses of `problem` as functions of a vector, at the weights that a core has now."""

    def __init__(self, core):
        (model,) = core.problem.models.values()
        arrays, static = eqx.partition(model.module, eqx.is_inexact_array)
        self.vector, unravel = jax.flatten_util.ravel_pytree(arrays)
        self.net = lambda vector, x: jax.vmap(eqx.combine(unravel(vector), static))(jnp.asarray(x, jnp.float32))[:, 0]

    def residuals(self, vector):
        return {
            "pde": self.net(vector, POINTS) - jnp.asarray(POINTS[:, 0] * POINTS[:, 1]),
            "bc": self.net(vector, EDGE),
        }

    def losses(self, vector):
        return jnp.stack([jnp.mean(r**2) for r in self.residuals(vector).values()])

    def gradients(self):
        return np.asarray(jax.jit(jax.jacobian(self.losses))(self.vector), np.float64)

    def jacobian(self, *terms):
        rows = jax.jit(jax.jacobian(self.residuals))(self.vector)
        return np.concatenate([np.asarray(rows[term], np.float64) for term in terms])

    def hessian(self):
        return np.asarray(jax.jit(jax.hessian(lambda v: jnp.mean(self.losses(v))))(self.vector), np.float64)


@pytest.fixture(scope="module")
def explained(problem):
    """All measurements at the end of a short run, and the same losses by hand."""
    probes = {
        "norms": GradientNorms(every=2),
        "cosines": CosineSimilarity(),
        "alignment": GradientAlignment(),
        "residuals": ResidualStatistics(),
        "ntk": NtkSpectrum(n_points=100),
        "ntk_bc": NtkSpectrum(n_points=100, terms=["bc"]),
        "hessian": HessianSpectrum(k=4),
        "landscape": LossLandscape(n_grid=5, span=0.5),
    }
    core = problem(width=8)
    core.solve(5, callbacks=list(probes.values()))
    return probes, ByHand(core)


def test_the_run_does_not_notice(explained, problem):
    probes, by_hand = explained
    core = problem(width=8)
    start = ByHand(core)
    history = core.solve(5).total_loss_history
    np.testing.assert_array_equal(ByHand(core).vector, by_hand.vector)
    assert history[0] == pytest.approx(float(jnp.mean(start.losses(start.vector))), rel=1e-5)
    assert probes["norms"].epochs.tolist() == [0, 2, 4, 5]
    assert probes["cosines"].epochs.tolist() == [0, 5]


def test_gradient_norms(explained):
    probes, by_hand = explained
    np.testing.assert_allclose(probes["norms"].norms[-1], np.linalg.norm(by_hand.gradients(), axis=1), rtol=1e-4)


def test_cosines(explained):
    probes, by_hand = explained
    g, h = by_hand.gradients()
    cosine = g @ h / np.linalg.norm(g) / np.linalg.norm(h)
    np.testing.assert_allclose(probes["cosines"].similarity[-1], [[1, cosine], [cosine, 1]], atol=1e-5)


def test_alignment(explained):
    probes, by_hand = explained
    gradients = by_hand.gradients()
    mean = np.mean(gradients / np.linalg.norm(gradients, axis=1, keepdims=True), axis=0)
    assert probes["alignment"].alignment[-1] == pytest.approx(2 * mean @ mean - 1, abs=1e-5)
    # Of two terms it is the cosine.
    np.testing.assert_allclose(probes["alignment"].alignment, probes["cosines"].similarity[:, 0, 1], atol=1e-6)


def test_residual_statistics(explained):
    probes, by_hand = explained
    found = probes["residuals"]
    for i, residual in enumerate(by_hand.residuals(by_hand.vector).values()):
        r = np.asarray(residual, np.float64)
        assert found.means[-1, i] == pytest.approx(r.mean(), abs=1e-6)
        assert found.stds[-1, i] == pytest.approx(r.std(), rel=1e-4)
        assert found.maxes[-1, i] == pytest.approx(np.abs(r).max(), rel=1e-4)
        assert found.p99[-1, i] == pytest.approx(np.quantile(np.abs(r), 0.99), rel=1e-4)


@pytest.mark.parametrize(("name", "terms"), [("ntk", ("pde", "bc")), ("ntk_bc", ("bc",))])
def test_tangent_kernel(name, terms, explained):
    probes, by_hand = explained
    jacobian = by_hand.jacobian(*terms)
    eigenvalues = np.linalg.eigvalsh(jacobian @ jacobian.T)[::-1]
    found = probes[name]
    assert found.eigenvalues[-1].shape == eigenvalues.shape
    np.testing.assert_allclose(found.eigenvalues[-1], eigenvalues, rtol=1e-3, atol=1e-6 * eigenvalues[0])
    assert found.trace[-1] == pytest.approx(np.trace(jacobian @ jacobian.T), rel=1e-4)


@pytest.mark.parametrize(("smallest", "condition"), [(1.0, 16.0), (0.0, 1 / np.finfo(np.float32).eps)])
def test_condition(smallest, condition, run_info, state_at):
    class View:
        def residuals(self, params, state):
            return {"pde": params["net"] * jnp.array([4.0, smallest, 2.0])}

    probe = NtkSpectrum()
    probe.on_fit_start(run_info(terms=("pde",), view=View()), state_at(0))
    np.testing.assert_allclose(probe.eigenvalues, [[16.0, 4.0, smallest**2]], rtol=1e-5)
    np.testing.assert_allclose(probe.condition, [condition], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 7, 12, 29, 100])
def test_residuals_are_picked_evenly(count):
    sizes = {"pde": 24, "bc": 5}
    picks = _picks(sizes, count)
    chosen = {name: len(pick) for name, pick in picks.items()}
    assert sum(chosen.values()) == min(count, 29)
    assert chosen["bc"] == min(5, (count + 1) // 2)
    for name, pick in picks.items():
        assert len(set(pick.tolist())) == len(pick)
        assert all(0 <= i < sizes[name] for i in pick)
        np.testing.assert_array_equal(pick, _picks(sizes, count)[name])


def test_hessian(explained):
    probes, by_hand = explained
    eigenvalues = np.linalg.eigvalsh(by_hand.hessian())[::-1]
    assert len(eigenvalues) > 20, "the iteration is tested, not the dense case"
    np.testing.assert_allclose(probes["hessian"].eigenvalues[-1], eigenvalues[:4], rtol=1e-3)
    assert probes["hessian"].sharpness[-1] == probes["hessian"].eigenvalues[-1, 0]


@pytest.mark.parametrize(("size", "k"), [(1, 3), (8, 3), (60, 3), (60, 10)])
def test_largest_eigenvalues(size, k):
    random = np.random.default_rng(1)
    basis, _ = np.linalg.qr(random.standard_normal((size, size)))
    values = np.linspace(-3.0, 2.0, size)
    matrix = basis * values @ basis.T
    found = _largest(lambda v: matrix @ v, size, k)
    np.testing.assert_allclose(found, values[::-1][:k], atol=1e-3)


def test_an_iteration_that_does_not_converge_is_told_by_nan(monkeypatch):
    def given_up(*args, **kwargs):
        raise linalg.ArpackNoConvergence("no", np.array([2.0]), None)

    monkeypatch.setattr(linalg, "eigsh", given_up)
    np.testing.assert_array_equal(_largest(lambda v: v, 60, 3), [2.0, np.nan, np.nan])


def test_landscape(explained):
    probes, by_hand = explained
    landscape = probes["landscape"]
    np.testing.assert_allclose(landscape.alphas, [-0.5, -0.25, 0.0, 0.25, 0.5])
    at_the_centre = float(jnp.mean(by_hand.losses(by_hand.vector)))
    assert landscape.landscapes[-1, 2, 2] == pytest.approx(at_the_centre, rel=1e-4)


def test_landscape_elsewhere(run_info, state_at):
    class View:
        def losses(self, params, state):
            w = params["net"]["w"]
            return jnp.stack([jnp.sum(w**2), jnp.sum(params["net"]["b"] ** 4), 3 * jnp.sum(params["other"])])

    key = jax.random.key(1)
    params = {"net": {"w": jax.random.normal(key, (3, 2)), "b": jnp.array([1.0, 2.0])}, "other": jnp.array([1.0])}
    probe = LossLandscape(n_grid=3, span=2.0, seed=5, parameters=["net"])
    probe.on_fit_start(run_info(terms=("a", "b", "c"), view=View()), state_at(0, params))
    directions = [_direction({"net": params["net"]}, k)["net"] for k in jax.random.split(jax.random.key(5))]
    for i, alpha in enumerate(probe.alphas):
        for j, beta in enumerate(probe.alphas):
            w, b = (params["net"][n] + alpha * directions[0][n] + beta * directions[1][n] for n in ("w", "b"))
            expected = np.mean([np.sum(w**2), np.sum(b**4), 3.0])
            assert probe.landscapes[0, i, j] == pytest.approx(expected, rel=1e-5)


def test_directions_have_the_norms_of_the_filters():
    key = jax.random.key(0)
    kernel = jax.random.normal(key, (4, 3, 5, 5)) * jnp.arange(4.0)[:, None, None, None]
    params = {"conv": kernel, "bias": jnp.array([0.0, 3.0, 4.0]), "zero": jnp.zeros(3), "scale": jnp.asarray(-2.0)}
    drawn = _direction(params, jax.random.key(1))
    norms = [np.linalg.norm(np.reshape(x, (4, -1)), axis=1) for x in (drawn["conv"], kernel)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert np.linalg.norm(drawn["bias"]) == pytest.approx(5.0)
    assert np.linalg.norm(drawn["zero"]) == 0
    assert abs(float(drawn["scale"])) == pytest.approx(2.0)
    other = _direction(params, jax.random.key(2))
    assert not np.allclose(other["conv"], drawn["conv"])


@pytest.mark.parametrize("arguments", [{"n_grid": 4}, {"n_grid": 0}, {"span": 0.0}, {"span": float("inf")}])
def test_bad_landscapes(arguments):
    with pytest.raises(JnoValueError, match=next(iter(arguments))):
        LossLandscape(**arguments)


def test_gradients_in_some_parameters_only(run_info, state_at):
    class View:
        def losses(self, params, state):
            return jnp.stack([jnp.sum(params["u"] ** 2) + jnp.sum(params["v"]), 5 * params["v"][0]])

    probe = GradientNorms(parameters=["v"])
    probe.on_fit_start(run_info(view=View()), state_at(0, {"u": jnp.ones(7), "v": jnp.ones(4)}))
    np.testing.assert_allclose(probe.norms, [[2.0, 5.0]], rtol=1e-6)


def test_complex_residuals(run_info, state_at):
    class View:
        def residuals(self, params, state):
            w = params["net"]
            return {"pde": (w * (1 + 2j))[None, :, None], "bc": w[None, :, None]}

    run = run_info(view=View())
    state = state_at(0, {"net": jnp.array([3.0, 4.0])})
    statistics = ResidualStatistics()
    statistics.on_fit_start(run, state)
    np.testing.assert_allclose(statistics.maxes[0], [4 * np.sqrt(5), 4.0], rtol=1e-6)
    np.testing.assert_allclose(statistics.means[0], [3.5 * np.sqrt(5), 3.5], rtol=1e-6)
    kernel = NtkSpectrum(terms=["pde"])
    kernel.on_fit_start(run, state)
    # J has the rows (1, 0), (0, 1) of real parts and (2, 0), (0, 2) of imaginary ones.
    np.testing.assert_allclose(kernel.eigenvalues[0], [5.0, 5.0, 0.0, 0.0], atol=1e-5)


def test_an_unknown_term(run_info, state_at):
    with pytest.raises(JnoValueError, match="knows no term 'wall'; the terms are 'pde', 'bc'"):
        NtkSpectrum(terms=["wall"]).on_fit_start(run_info(), state_at(0))
