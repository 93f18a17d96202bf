"""What the measurements share: when they are made, that each is compiled once, and that the run does not notice."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import FitResult
from jno_core.errors import JnoImportError, JnoValueError
from jno_plugin_callbacks import (
    CosineSimilarity,
    GradientAlignment,
    GradientNorms,
    HessianSpectrum,
    LossLandscape,
    NtkSpectrum,
    ResidualStatistics,
)
from jno_plugin_callbacks._parameters import as_vector, compiled

PROBES = {
    GradientNorms: {},
    CosineSimilarity: {},
    GradientAlignment: {},
    ResidualStatistics: {},
    NtkSpectrum: {"n_points": 4},
    HessianSpectrum: {"k": 2},
    LossLandscape: {"n_grid": 3},
}
RESULTS = {
    GradientNorms: {"norms": (2,)},
    CosineSimilarity: {"similarity": (2, 2)},
    GradientAlignment: {"alignment": ()},
    ResidualStatistics: {"means": (2,), "stds": (2,), "maxes": (2,), "p99": (2,)},
    NtkSpectrum: {"eigenvalues": (4,), "trace": (), "condition": ()},
    HessianSpectrum: {"eigenvalues": (2,), "sharpness": ()},
    LossLandscape: {"landscapes": (3, 3)},
}


class Quadratic:
    """A view of two losses of three parameters; counts how often it is traced."""

    def __init__(self):
        self.traced = 0

    def losses(self, params, state):
        self.traced += 1
        w = params["net"]
        return jnp.stack([jnp.sum(w**4), jnp.sum((w - 2) ** 2 * jnp.arange(1.0, 4.0))])

    def residuals(self, params, state):
        self.traced += 1
        w = params["net"]
        return {"pde": w[None, :, None], "bc": (w**2)[None, :, None]}


@pytest.fixture(params=list(PROBES), ids=lambda cls: cls.__name__)
def probe(request):
    return request.param(every=20, **PROBES[request.param])


@pytest.fixture(scope="module", params=list(PROBES), ids=lambda cls: cls.__name__)
def measured(request, run_info, state_at):
    """A measurement at five epochs, and how often the losses were traced at the first and at the last of them."""
    probe, view = request.param(every=20, **PROBES[request.param]), Quadratic()
    probe.on_fit_start(run_info(view=view), state_at(7))
    first = view.traced
    for step in (15, 20, 33, 40):
        # A state that comes out of a compiled step is not weakly typed as one made by hand may be.
        probe.on_chunk_end(jax.jit(lambda s: s)(state_at(step, {"net": jnp.array([0.5, 2.0 + step, 1.0])})))
    probe.on_fit_end(FitResult(38, None, state_at(45), None))
    return probe, first, view.traced


def test_epochs_and_shapes(measured):
    probe, _, _ = measured
    assert probe.epochs.tolist() == [7, 20, 40, 45]
    assert probe.terms == ("pde", "bc")
    for name, shape in RESULTS[type(probe)].items():
        result = getattr(probe, name)
        assert result.shape == (4, *shape)
        assert np.all(np.isfinite(result))


def test_it_is_compiled_once(measured):
    _, first, last = measured
    assert last == first > 0


def test_pictures(measured, tmp_path):
    probe, _, _ = measured
    probe.plot(tmp_path / "new" / "picture.png")
    assert (tmp_path / "new" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_without_matplotlib(measured, tmp_path, monkeypatch):
    probe, _, _ = measured
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(JnoImportError, match=r"needs matplotlib.*\[plot\]"):
        probe.plot(tmp_path / "picture.png")


def test_each_epoch_is_measured_once(run_info, state_at):
    probe = ResidualStatistics(every=20)
    run = run_info(view=Quadratic())
    probe.on_fit_start(run, state_at(0))
    probe.on_chunk_end(state_at(20))
    probe.on_fit_end(FitResult(20, None, state_at(20), None))
    probe.on_fit_start(run_info(view=Quadratic(), first_epoch=20), state_at(20))
    probe.on_chunk_end(state_at(40))
    assert probe.epochs.tolist() == [0, 20, 40]


def test_another_problem_begins_a_new_series(run_info, state_at):
    probe = ResidualStatistics(every=20)
    probe.on_fit_start(run_info(view=Quadratic()), state_at(0))
    probe.on_chunk_end(state_at(20))
    probe.on_fit_start(run_info(view=Quadratic()), state_at(0))
    assert probe.epochs.tolist() == [0]


def test_values_that_are_not_finite_end_nothing(probe, run_info, state_at):
    probe.on_fit_start(run_info(view=Quadratic()), state_at(0, {"net": jnp.array([1.0, jnp.nan, 2.0])}))
    assert any(np.any(np.isnan(getattr(probe, name))) for name in RESULTS[type(probe)])


def test_chunks_end_where_it_measures(probe):
    assert probe.every == 20


def test_nothing_measured(probe, tmp_path):
    assert probe.epochs.shape == (0,)
    for name in RESULTS[type(probe)]:
        with pytest.raises(JnoValueError, match="has measured nothing yet"):
            getattr(probe, name)
    with pytest.raises(JnoValueError, match="has measured nothing yet"):
        probe.plot(tmp_path / "picture.png")


@pytest.mark.parametrize("cls", [cls for cls in PROBES if cls is not ResidualStatistics])
def test_unknown_parameters(cls, run_info, state_at):
    with pytest.raises(JnoValueError, match=r"knows no parameters 'u'; trainable are 'net'"):
        cls(parameters=["u"]).on_fit_start(run_info(view=Quadratic()), state_at(0))


@pytest.mark.parametrize("every", [0, 1.5, None])
def test_a_bad_interval(every, probe):
    with pytest.raises(JnoValueError, match="needs a positive integer as `every`"):
        type(probe)(every=every)


def test_after_a_run_that_failed_it_holds_on_to_nothing(run_info, state_at):
    probe = ResidualStatistics(every=20)
    probe.on_fit_start(run_info(view=Quadratic()), state_at(0))
    probe.on_fit_error()
    probe.on_chunk_end(state_at(20))
    assert probe.epochs.tolist() == [0]


def test_arrays_that_a_compiled_function_closes_over_are_no_constants():
    table = jnp.arange(12345.0)
    call = compiled(lambda x: jnp.sum(table) * x)
    assert float(call(jnp.asarray(2.0))) == 2 * float(jnp.sum(table))
    (jitted,) = jax.make_jaxpr(call)(jnp.asarray(2.0)).eqns
    given = [variable.aval.shape for variable in jitted.params["jaxpr"].jaxpr.invars]
    assert sorted(given) == [(), (12345,)]


def test_complex_parameters_are_pairs_of_real_ones():
    params = {"a": jnp.array([1 + 2j, 3 - 1j]), "b": jnp.array([5.0])}
    vector, back = as_vector(params)
    assert (vector.shape, vector.dtype) == ((5,), jnp.float32)
    returned = back(vector)
    assert jax.tree.structure(returned) == jax.tree.structure(params)
    for name, value in params.items():
        np.testing.assert_array_equal(returned[name], value)
        assert returned[name].dtype == value.dtype
