"""`Statistics`: what it reports equals what was recorded; files round-trip, and no damage to one passes unseen."""

import dataclasses
import hashlib
import html
import json
import os
import subprocess
import sys
import textwrap

import hypothesis.extra.numpy as hnp
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings, strategies as st

from jno_core._train.statistics import RunLog, Statistics, Track
from jno_core.errors import JnoFileNotFoundError, JnoImportError, JnoKeyError, JnoTypeError, JnoValueError


def make_log(first_epoch=0, k=5, terms=("pde.mse", "bc.mse"), tracks=None, **changes):
    losses = np.linspace(1.0, 0.1, k)[:, None] * np.arange(1, len(terms) + 1)
    fields = {
        "first_epoch": first_epoch,
        "terms": terms,
        "total_loss": losses.mean(axis=1),
        "losses": losses,
        "tracks": {"error": Track(np.arange(first_epoch, first_epoch + k, 2), np.ones((k + 1) // 2) / 3)}
        if tracks is None
        else tracks,
        "seconds": np.linspace(0.002, 0.01, k) if k else np.zeros(0),
        "compile_seconds": 1.5,
        "training_time": 0.01,
        "trainable_params": 100,
        "frozen_params": 20,
        "stopped": None,
    }
    return RunLog(**(fields | changes))


EMPTY = make_log(k=0, tracks={})
HISTORY = Statistics([make_log(), make_log(first_epoch=5, k=3, stopped="the loss is small")])


def assert_same(a, b):
    assert len(a.logs) == len(b.logs)
    for one, other in zip(a.logs, b.logs, strict=True):
        for field in dataclasses.fields(RunLog):
            x, y = getattr(one, field.name), getattr(other, field.name)
            if field.name == "tracks":
                assert list(x) == list(y)
                for name in x:
                    assert_same_array(x[name].epochs, y[name].epochs)
                    assert_same_array(x[name].values, y[name].values)
            elif isinstance(x, np.ndarray):
                assert_same_array(x, y)
            else:
                assert repr(x) == repr(y)


def assert_same_array(x, y):
    assert x.dtype == y.dtype
    assert x.shape == y.shape
    assert x.tobytes() == y.tobytes()


# --- members


def test_losses_of_all_runs_are_in_a_row():
    expected = np.concatenate([1.5 * np.linspace(1.0, 0.1, 5), 1.5 * np.linspace(1.0, 0.1, 3)])
    np.testing.assert_allclose(HISTORY.total_loss_history, expected)
    np.testing.assert_array_equal(HISTORY.epochs, np.arange(8))
    assert HISTORY.total_loss == expected[-1]
    assert isinstance(HISTORY.total_loss, float)


@pytest.mark.parametrize("history", [Statistics(), Statistics([EMPTY])])
def test_an_empty_history_has_no_loss(history):
    assert history.total_loss is None
    assert history.total_loss_history.shape == (0,)
    assert history.epochs.shape == (0,)
    assert history.track_names == ()


def test_training_logs_hold_one_dictionary_per_run():
    first, second = HISTORY.training_logs
    assert set(first) == {
        "epoch",
        "total_loss",
        "losses",
        "timestamps",
        "training_time",
        "stopped",
        "compile_time",
        "steps_per_second",
        "trainable_params",
        "frozen_params",
        "total_params",
        "lora_params",
        "device",
        "versions",
        "track_stats",
    }
    np.testing.assert_array_equal(second["epoch"], [5, 6, 7])
    assert first["losses"].shape == (5, 2)
    assert first["total_params"] == 120
    assert first["compile_time"] == 1.5
    np.testing.assert_array_equal(first["track_stats"]["error"]["epochs"], [0, 2, 4])
    assert "track_stats" not in Statistics([make_log(tracks={})]).training_logs[0]


def test_tracks_join_the_runs():
    track = HISTORY.tracks("error")
    np.testing.assert_array_equal(track.epochs, [0, 2, 4, 5, 7])
    np.testing.assert_allclose(track.values, np.full(5, 1 / 3))
    with pytest.raises(JnoKeyError, match=r"no tracker 'eror'; recorded are: error"):
        HISTORY.tracks("eror")


def test_a_tracker_that_recorded_nothing_yet_joins_one_that_did():
    nothing, something = Track(np.zeros(0), np.zeros(0)), Track(np.array([3]), np.ones((1, 4)))
    history = Statistics([make_log(tracks={"J": nothing}), make_log(tracks={"J": something}), make_log(tracks={})])
    assert history.tracks("J").values.shape == (1, 4)
    assert Statistics([make_log(tracks={"J": nothing})]).tracks("J").values.shape == (0,)


def test_with_run_leaves_the_history_as_it_is():
    longer = HISTORY.with_run(make_log(first_epoch=8))
    assert (len(HISTORY.logs), len(longer.logs)) == (2, 3)
    assert longer.epochs[-1] == 12


def test_nothing_can_be_changed():
    source = np.ones(5)
    log = make_log(total_loss=source)
    source[0] = 7.0
    assert log.total_loss[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        log.total_loss[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        log.tracks["error"].values[0] = 2.0
    with pytest.raises(TypeError):
        log.tracks["error"] = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        HISTORY.logs = ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": np.zeros((5, 3))}, r"'losses' has shape \(5, 3\); expected \(5, 2\)"),
        ({"seconds": np.zeros(4)}, r"'seconds' has shape \(4,\); expected \(5,\)"),
        ({"total_loss": np.zeros((5, 1))}, r"'total_loss' has shape \(5, 1\); expected \(5,\)"),
        ({"total_loss": np.float64(1.0)}, r"'total_loss' has shape \(\); expected \('k',\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(JnoValueError, match=message):
        make_log(**changes)


def test_tracks_that_do_not_fit_are_refused():
    with pytest.raises(JnoValueError, match=r"'epochs' has shape \(2,\); expected \(3,\)"):
        Track(np.arange(2), np.zeros((3, 1)))
    with pytest.raises(JnoTypeError, match=r"'values' must hold numbers"):
        Track(np.arange(1), np.array(["a"]))


def test_arrays_of_jax_are_taken_and_bfloat16_widened():
    log = make_log(total_loss=jnp.ones(5), losses=jnp.ones((5, 2), jnp.bfloat16))
    assert log.total_loss.dtype == np.float32
    assert log.losses.dtype == np.float32
    assert isinstance(log.losses, np.ndarray)


# --- words


def test_the_summary_tells_the_run(capsys):
    history = HISTORY.with_run(EMPTY)
    assert history.summary() is history
    text = capsys.readouterr().out
    for part in [
        "Run 1: 5 epochs, 0 to 4",
        "Run 2: 3 epochs, 5 to 7",
        "Run 3: no epoch",
        "0.15 (first 1.5, best 0.15 at epoch 4)",
        "pde.mse",
        "0.2",
        "0.3333 at epoch 4 (3 values)",
        "0.01 s, 2 ms per step, 500 steps/s",
        "compilation    1.5 s",
        "100 trainable, 20 frozen",
        "the loss is small",
    ]:
        assert part in text
    assert "bc.mse" in text


def test_the_summary_survives_losses_that_are_not_finite(capsys):
    Statistics([make_log(total_loss=np.full(5, np.nan))]).summary()
    assert "nan (first nan, best none)" in capsys.readouterr().out
    Statistics([make_log(total_loss=np.array([np.inf, 2.0, 1.0, 3.0, np.nan]))]).summary()
    assert "best 1 at epoch 2" in capsys.readouterr().out


def test_the_summary_of_nothing(capsys):
    Statistics().summary()
    assert capsys.readouterr().out == "No training recorded.\n"


def test_the_table_is_escaped():
    table = Statistics([make_log(stopped="<b>&")])._repr_html_()
    assert html.escape("<b>&") in table
    assert "<b>" not in table
    assert table.count("<tr>") == 2
    assert "No training" in Statistics()._repr_html_()
    assert repr(HISTORY) == f"Statistics(runs=2, epochs=8, total_loss={HISTORY.total_loss})"


# --- figures


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_the_figure_shows_losses_trackers_and_times():
    losses, progress, trackers, times = HISTORY.figure().axes
    assert losses.get_yscale() == "log"
    assert set(lines_of(losses)) == {" pde.mse", " bc.mse", " total"}
    np.testing.assert_allclose(lines_of(losses)[" total"].get_ydata(), HISTORY.total_loss_history)
    np.testing.assert_array_equal(lines_of(losses)[" total"].get_xdata(), np.arange(8))
    assert set(lines_of(progress)) == {" pde.mse", " bc.mse"}
    np.testing.assert_allclose(lines_of(progress)[" bc.mse"].get_ydata()[:5], np.linspace(1.0, 0.1, 5))
    np.testing.assert_array_equal(trackers.get_lines()[0].get_xdata(), [0, 2, 4])
    np.testing.assert_allclose(times.get_lines()[0].get_ydata()[:5], np.full(5, 2.0))
    assert times.get_ylabel() == "ms"


def test_one_term_needs_no_total():
    (losses, _) = Statistics([make_log(terms=("pde",), tracks={})]).figure().axes
    assert set(lines_of(losses)) == {" pde"}


def test_terms_are_matched_by_name_over_runs():
    history = Statistics([make_log(terms=("a", "b"), tracks={}), make_log(first_epoch=5, terms=("b", "c"), tracks={})])
    curves = lines_of(history.figure().axes[0])
    np.testing.assert_array_equal(np.isnan(curves[" a"].get_ydata()), [False] * 5 + [True] * 5)
    assert not np.isnan(curves[" b"].get_ydata()).any()


@pytest.mark.parametrize(
    "values",
    [
        np.ones((3, 4)),
        np.ones((3, 50)),
        np.ones((3, 2), complex),
        np.array([True, False, True]),
        np.full(3, np.nan),
        np.zeros((3, 0)),
    ],
)
def test_any_tracker_can_be_drawn(values, tmp_path):
    Statistics([make_log(tracks={"t": Track(np.arange(3), values)})]).plot(tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 0


@pytest.mark.parametrize("loss", [0.0, -1.0, np.nan, np.inf])
def test_losses_without_a_logarithm_can_be_drawn(loss, tmp_path):
    log = make_log(total_loss=np.full(5, loss), losses=np.full((5, 2), loss), terms=("_hidden", "$x^{"))
    figure = Statistics([log]).figure()
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == [" _hidden", r" \$x^{", " total"]
    Statistics([log]).plot(tmp_path / "out.png")


def test_plot_makes_folders_and_returns_the_history(tmp_path):
    path = tmp_path / "runs" / "deep" / "loss.svg"
    assert HISTORY.plot(path) is HISTORY
    assert b"<svg" in path.read_bytes()
    assert HISTORY.plot() is HISTORY
    for empty in (Statistics(), Statistics([EMPTY])):
        assert empty.figure().axes == []
        assert empty.plot(str(tmp_path / "empty.png")) is empty
        assert (tmp_path / "empty.png").exists()


def test_long_histories_are_thinned_but_span_all_epochs():
    k = 100_001
    log = make_log(k=k, terms=("a",), tracks={}, losses=np.ones((k, 1)), total_loss=np.ones(k), seconds=np.arange(k))
    x = Statistics([log]).figure().axes[0].get_lines()[0].get_xdata()
    assert 10_000 < len(x) <= 20_000
    assert x[-1] > k - 10


def run_python(code, *args):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_matplotlib_is_imported_on_use_only_and_its_absence_is_explained(tmp_path, monkeypatch):
    assert run_python("import sys; import jno_core._train.statistics; print('matplotlib' in sys.modules)") == "False\n"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(JnoImportError, match=r'pip install "jno-core\[plot\]"'):
        HISTORY.plot(tmp_path / "x.png")


def test_plotting_leaves_pyplot_alone(tmp_path):
    HISTORY.save(tmp_path / "h")
    code = """
        import sys
        from jno_core._train.statistics import Statistics
        Statistics.load(sys.argv[1]).plot(sys.argv[1] + ".png")
        print("matplotlib.pyplot" in sys.modules)
    """
    assert run_python(code, str(tmp_path / "h")) == "False\n"


# --- files

FLOATS = st.floats(width=64)
NUMBERS = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_, np.complex64])


@st.composite
def tracks(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    dtype = draw(st.one_of(NUMBERS, st.just(np.complex128)))
    return Track(draw(hnp.arrays(np.int64, shape[:1])), draw(hnp.arrays(dtype, shape)))


@st.composite
def logs(draw):
    k = draw(st.integers(0, 4))
    terms = tuple(draw(st.lists(st.text(max_size=5), max_size=3)))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    return RunLog(
        first_epoch=draw(st.integers(0, 10**12)),
        terms=terms,
        total_loss=draw(hnp.arrays(dtype, k)),
        losses=draw(hnp.arrays(dtype, (k, len(terms)))),
        tracks=draw(st.dictionaries(st.text(max_size=5), tracks(), max_size=2)),
        seconds=draw(hnp.arrays(np.float64, k)),
        compile_seconds=draw(FLOATS),
        training_time=draw(FLOATS),
        trainable_params=draw(st.integers(0, 10**12)),
        frozen_params=draw(st.integers(0, 10**12)),
        stopped=draw(st.none() | st.text(max_size=10)),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(logs(), max_size=3))
def test_files_round_trip_bit_for_bit(tmp_path_factory, runs):
    path = tmp_path_factory.mktemp("files") / "history"
    history = Statistics(runs)
    history.save(path)
    assert_same(Statistics.load(path), history)


def test_signed_zeros_and_infinities_of_complex_values_survive(tmp_path):
    values = np.array([complex(-0.0, np.inf), complex(np.nan, -0.0), complex(np.inf, np.nan)])
    history = Statistics([make_log(tracks={"z": Track(np.arange(3), values)})])
    history.save(tmp_path / "h")
    assert_same(Statistics.load(tmp_path / "h"), history)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "history.safetensors"
    tracks = {"grüße": Track(np.arange(2), np.array([1 + 2j, 3.0])), "J": Track(np.arange(1), np.ones((1, 3)))}
    Statistics([make_log(k=3, tracks=tracks, stopped="Ω \x01")]).save(path)
    return path


def test_a_flipped_bit_of_any_byte_is_caught(saved):
    content = bytearray(saved.read_bytes())
    for position in range(len(content)):
        # Every bit comes about once in eight bytes.
        bit = 1 << (5 * position + position // 8) % 8
        content[position] ^= bit
        saved.write_bytes(content)
        with pytest.raises(JnoValueError, match=r"history\.safetensors"):
            Statistics.load(saved)
        content[position] ^= bit
    saved.write_bytes(content)
    assert len(Statistics.load(saved).logs) == 1


def test_every_truncation_is_caught(saved):
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        with pytest.raises(JnoValueError, match="damaged"):
            Statistics.load(saved)
    saved.write_bytes(content + b"x")
    with pytest.raises(JnoValueError, match="damaged"):
        Statistics.load(saved)


def rewrite(path, change):
    """Write the container again after `change(manifest, arrays)`, with a right checksum of the manifest."""
    arrays = safetensors.numpy.load(path.read_bytes())
    with safetensors.safe_open(path, framework="np") as container:
        manifest = json.loads(container.metadata()["manifest"].partition("\n")[2])
    change(manifest, arrays)
    text = json.dumps(manifest)
    metadata = {"manifest": f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"}
    path.write_bytes(safetensors.numpy.save(arrays, metadata=metadata))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, a: a.pop("runs/0/losses"), "'runs/0/losses' is missing"),
        (lambda m, a: a.update(more=np.zeros(1)), "'more' does not belong"),
        (lambda m, a: a.update({"runs/0/seconds": np.zeros(3)}), "'runs/0/seconds' does not match its checksum"),
        (lambda m, a: a.update({"runs/0/tracks/0/values": np.zeros((2, 2), np.float16)}), "'runs/0/tracks/0/values'"),
        (lambda m, a: a.update({"runs/0/tracks/0/values": np.zeros((2, 2), np.int64)}), "'runs/0/tracks/0/values'"),
        (lambda m, a: m["content"]["runs"][0].pop("stopped"), "'manifest' does not describe"),
        (lambda m, a: m.pop("arrays"), "'manifest' is incomplete"),
        (lambda m, a: m.update(version=2), "format version 2; this jno reads versions up to 1"),
        (lambda m, a: m.update(kind="problem"), "holds a 'problem'; expected a 'training history'"),
    ],
)
def test_the_damaged_part_is_named(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(JnoValueError, match=message) as caught:
        Statistics.load(saved)
    assert str(saved) in str(caught.value)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors.numpy.save({"w": np.zeros(3)}))
    with pytest.raises(JnoValueError, match="was not written by jno"):
        Statistics.load(path)
    path.write_bytes(b"\x80\x04\x95not a pickle either")
    with pytest.raises(JnoValueError, match="damaged"):
        Statistics.load(path)
    with pytest.raises(JnoFileNotFoundError, match="nowhere"):
        Statistics.load(tmp_path / "nowhere")


def test_saving_replaces_the_file_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "new" / "history"
    HISTORY.save(str(path))
    before = path.read_bytes()
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OSError("disk is full")

        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk is full"):
            Statistics([make_log(k=1)]).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["history"]
    Statistics([make_log(k=1)]).save(path)
    assert len(Statistics.load(path).epochs) == 1
    assert os.listdir(path.parent) == ["history"]


def test_loading_executes_nothing(saved):
    code = """
        import sys
        from jno_core._train.statistics import Statistics
        events = []
        sys.addaudithook(lambda name, args: events.append(name))
        Statistics.load(sys.argv[1])
        seen = set(events)
        forbidden = {"pickle.find_class", "exec", "compile", "import", "marshal.loads", "os.system"}
        print(sorted(forbidden.intersection(events)))
        exec("pass")
        print("exec" in events)
    """
    assert run_python(code, str(saved)) == "[]\nTrue\n"
