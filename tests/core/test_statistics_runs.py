"""What a run records besides its losses: devices, versions, speed; histories as tables; pictures of many terms; old files."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core._train.recording import Recorder
from jno_core._train.statistics import RunLog, Statistics, Track
from jno_core.errors import JnoImportError

GOLDEN = Path(__file__).parent / "golden"


def make_log(first_epoch=0, k=6, n=2, tracks=None, **changes):
    losses = np.geomspace(1.0, 0.1, k)[:, None] * np.arange(1, n + 1)
    fields = {
        "first_epoch": first_epoch,
        "terms": tuple(f"term {i}" for i in range(n)),
        "total_loss": losses.mean(axis=1),
        "losses": losses,
        "tracks": tracks or {},
        "seconds": np.linspace(0.1, 0.6, k),
        "compile_seconds": 1.5,
        "training_time": 0.6,
        "trainable_params": 100,
        "frozen_params": 20,
        "stopped": None,
    }
    return RunLog(**(fields | changes))


# --- provenance


def trained():
    domain = jno.domain.line(mesh_size=0.25)
    x, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 3, 1, jnp.tanh, key=jax.random.key(0)), name="u")
    net.optimizer(optax.adam).scale(jno.LearningRateSchedule.constant(1e-3))
    return jno.core([net(x).d(x, scheme="finite_difference").mse, (net(x) - 1).mse])


def test_a_run_tells_where_and_by_what_it_was_computed():
    crux = trained()
    crux.solve(3)
    (log,) = crux.solve(2).logs[-1:]
    device = jax.devices()[0]
    assert (log.platform, log.device_kind, log.device_count) == (device.platform, device.device_kind, 1)
    assert log.versions["jax"] == jax.__version__
    assert log.versions["jno-core"] == jno.__version__
    used = {"jno-plugin-fd", "jno-plugin-geometry", "jno-plugin-balancers"}
    assert set(log.versions) == {"jno-core", "jax", *used}
    np.testing.assert_allclose(log.steps_per_second, 2 / log.training_time)


def test_callbacks_are_among_the_versions():
    class Home:
        pass

    recorder = Recorder(trained().problem, 0, callbacks=[Home(), jno.callbacks.early_stopping()], devices=jax.devices())
    log = recorder.log(0.0, 1, 0, None)
    assert "jno-plugin-callbacks" in log.versions
    assert log.device_count == len(jax.devices())
    assert log.steps_per_second is None


def test_the_summary_tells_device_versions_and_adapters(capsys):
    log = make_log(
        platform="gpu",
        device_kind="H100",
        device_count=4,
        versions={"jno-core": "0.1.0", "jax": "0.10.2"},
        lora_params=7,
    )
    Statistics([log]).summary()
    text = capsys.readouterr().out
    for part in [
        "4 x gpu, H100",
        "jno-core 0.1.0, jax 0.10.2",
        "100 trainable (7 of adapters), 20 frozen",
        "10 steps/s",
    ]:
        assert part in text
    entry = Statistics([log]).training_logs[0]
    assert entry["device"] == {"platform": "gpu", "kind": "H100", "count": 4}
    assert (entry["lora_params"], entry["steps_per_second"]) == (7, 10.0)


def test_provenance_round_trips(tmp_path):
    log = make_log(platform="cpu", device_kind="cpu", device_count=2, versions={"jax": "1"}, lora_params=3)
    Statistics([log]).save(tmp_path / "h")
    (loaded,) = Statistics.load(tmp_path / "h").logs
    fields = ("platform", "device_kind", "device_count", "lora_params")
    assert [getattr(loaded, f) for f in fields] == ["cpu", "cpu", 2, 3]
    assert dict(loaded.versions) == {"jax": "1"}
    with pytest.raises(TypeError):
        loaded.versions["jax"] = "2"


def test_a_file_of_the_first_version_loads():
    """Written before devices, versions and adapters were recorded."""
    history = Statistics.load(GOLDEN / "statistics_v1.safetensors")
    first, second = history.logs
    assert first.terms == ("pde.mse", "bc.mse")
    np.testing.assert_allclose(first.total_loss, 1.5 * np.linspace(1.0, 0.1, 5))
    assert first.losses.dtype == np.float32
    np.testing.assert_array_equal(history.tracks("error").values, [0, 1 + 0.5j, 2 + 1j, 0, 1 + 0.5j])
    assert (second.first_epoch, second.stopped) == (5, "the loss is small")
    assert (first.platform, first.device_kind, first.device_count, first.lora_params) == ("", "", 0, 0)
    assert dict(first.versions) == {}


# --- tables


def test_a_history_as_a_table():
    tracks = {
        "error": Track(np.array([0, 3]), np.array([[0.5], [0.25]])),
        "J": Track(np.array([0]), np.ones((1, 4))),
        "epoch": Track(np.array([1]), np.array([7])),
        "none yet": Track(np.zeros(0), np.zeros(0)),
    }
    table = Statistics([make_log(tracks=tracks), make_log(first_epoch=6, k=2, n=3)]).to_dataframe()
    expected = ["run", "epoch", "seconds", "total_loss", "term 0", "term 1", "error", "epoch (tracker)", "term 2"]
    assert list(table.columns) == expected
    np.testing.assert_array_equal(table["epoch"], np.arange(8))
    np.testing.assert_array_equal(table["run"], [1] * 6 + [2] * 2)
    np.testing.assert_allclose(table["term 1"], [*2 * np.geomspace(1.0, 0.1, 6), 2.0, 0.2])
    np.testing.assert_array_equal(table["error"], [0.5, np.nan, np.nan, 0.25] + [np.nan] * 4)
    np.testing.assert_array_equal(table["epoch (tracker)"].dropna(), [7])
    assert table["term 2"].isna().sum() == 6


def test_a_history_of_nothing_as_a_table():
    assert len(Statistics().to_dataframe()) == 0
    empty = make_log(k=0, training_time=0.0, total_loss=np.zeros(0), losses=np.zeros((0, 2)), seconds=np.zeros(0))
    assert "term 0" in Statistics([empty]).to_dataframe().columns
    assert len(Statistics([empty, make_log()]).to_dataframe()) == 6


def test_pandas_is_asked_for_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JnoImportError, match="pip install pandas"):
        Statistics([make_log()]).to_dataframe()


# --- pictures of many terms


def test_of_many_terms_the_largest_have_a_colour_and_all_a_row(tmp_path):
    history = Statistics([make_log(n=30, k=2000, seconds=np.arange(2000.0)), make_log(first_epoch=2000, n=30)])
    losses, heat, _, times = history.plot(tmp_path / "many.png").figure().axes
    labels = [text.get_text().strip() for text in losses.get_legend().get_texts()]
    assert labels == ["22 smaller terms", *(f"term {i}" for i in range(22, 30)), "total"]
    colors = {line.get_color() for line in losses.get_lines() if not line.get_label().startswith("_")}
    assert len(colors) == 10
    assert [text.get_text() for text in heat.get_yticklabels()] == [f"term {i}" for i in range(30)]
    (image,) = heat.get_images()
    assert image.get_array().shape[0] == 30
    assert image.get_array().shape[1] <= 500
    np.testing.assert_allclose(image.get_array()[:, 0], 0.0)
    np.testing.assert_allclose(np.asarray(image.get_array())[:, -1], -1.0)
    assert times.get_title() == "time per step"


@pytest.mark.parametrize("loss", [0.0, -1.0, np.nan, np.inf])
def test_many_terms_without_a_logarithm_can_be_drawn(loss, tmp_path):
    log = make_log(n=12, total_loss=np.full(6, loss), losses=np.full((6, 12), loss))
    Statistics([log]).plot(tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 0


def test_long_names_keep_both_ends():
    terms = (f"mse({'u + ' * 20}a)", f"mse({'u + ' * 20}b)")
    (losses, *_) = Statistics([make_log(terms=terms)]).figure().axes
    first, second, _ = (text.get_text() for text in losses.get_legend().get_texts())
    assert first != second
    assert len(first) <= 34
