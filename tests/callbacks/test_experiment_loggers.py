"""Weights & Biases, MLflow and Aim, held against small modules with the signatures of the real ones that record calls."""

import logging
import sys
import threading
import types

import numpy as np
import pytest

import jno
from jno_core.errors import JnoWarning
from jno_plugin_callbacks import Aim, MlFlow, Wandb, _mlflow


def install(monkeypatch, name, **members):
    module = types.ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class WandbRun:
    def __init__(self, options):
        self.options = options
        self.axes, self.rows, self.exit_codes = [], [], []

    def define_metric(self, name, step_metric=None, step_sync=None, hidden=None, summary=None, overwrite=None):
        self.axes.append((name, step_metric))

    def log(self, data, step=None, commit=None):
        assert step is None
        self.rows.append(data)

    def finish(self, exit_code=None):
        self.exit_codes.append(exit_code)


@pytest.fixture
def wandb(monkeypatch):
    def init(entity=None, project=None, dir=None, id=None, name=None, notes=None, tags=None, config=None, mode=None):
        module.started.append(WandbRun({"project": project, "dir": dir, "mode": mode}))
        return module.started[-1]

    module = install(monkeypatch, "wandb", init=init, run=None, started=[])
    return module


def test_wandb(wandb, run_info, metrics_of, tmp_path, log):
    run = run_info(tmp_path, trackers=("error",))
    log(Wandb(every=5, project="p"), run, metrics_of(0, 8, error=[(0, np.asarray(0.5))]))
    (session,) = wandb.started
    assert session.options == {"project": "p", "dir": str(tmp_path), "mode": None}
    assert session.axes == [("epoch", None), ("*", "epoch")]
    assert session.rows == [
        {"epoch": 0, "total_loss": 0.0, "loss/pde": 0.0, "loss/bc": 0.0, "tracker/error": 0.5},
        {"epoch": 5, "total_loss": 5.0, "loss/pde": 2.5, "loss/bc": 10.0, "tracker/error": 0.5},
    ]
    assert all(type(value) is float for row in session.rows for name, value in row.items() if name != "epoch")
    assert session.exit_codes == [0]


def test_wandb_without_a_run_folder_puts_files_where_it_likes(wandb, run_info, log):
    log(Wandb(options={"mode": "offline"}), run_info())
    assert wandb.started[0].options == {"project": None, "dir": None, "mode": "offline"}


def test_wandb_is_told_of_a_failure(wandb, run_info, log):
    log(Wandb(), run_info(), failed=True)
    assert wandb.started[0].exit_codes == [1]


def test_wandb_uses_a_run_that_is_open_and_leaves_it_so(wandb, run_info, metrics_of, log):
    wandb.run = WandbRun({})
    log(Wandb(), run_info(), metrics_of(0, 1))
    assert (wandb.started, len(wandb.run.rows), wandb.run.exit_codes) == ([], 1, [])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder for runs, and the logger `jno` as it was at the end."""
    monkeypatch.delenv("JNO_LOG_DIR", raising=False)
    logger = logging.getLogger("jno")
    handlers, level = list(logger.handlers), logger.level
    yield tmp_path / "run"
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_after_setup_with_wandb_each_run_is_recorded_once(wandb, problem, project):
    jno.setup(project, wandb=True)
    problem().solve(3)
    problem().solve(3, callbacks=["wandb"])
    problem().solve(3, callbacks=[Wandb(every=1)])
    assert [len(session.rows) for session in wandb.started] == [1, 1, 3]
    assert all(session.options["dir"] == str(project) for session in wandb.started)
    jno.setup(project)
    problem().solve(3)
    assert len(wandb.started) == 3


class MlFlowClient:
    def __init__(self, tracking_uri=None, registry_uri=None):
        self.made.append(self)
        self.uri = tracking_uri
        self.batches, self.ended, self.runs = [], [], []

    def get_experiment_by_name(self, name):
        return types.SimpleNamespace(experiment_id="7") if name == "known" else None

    def create_experiment(self, name, artifact_location=None, tags=None):
        return f"new {name}"

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        self.runs.append((experiment_id, run_name))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="42"))

    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):
        assert 0 < len(metrics) <= 1000
        assert all(abs(m.timestamp - metrics[0].timestamp) < 1000 and m.timestamp > 1e12 for m in metrics)
        self.batches.append((run_id, [(m.key, m.value, m.step) for m in metrics]))

    def set_terminated(self, run_id, status=None, end_time=None):
        self.ended.append((run_id, status))


class Metric:
    def __init__(self, key, value, timestamp, step, model_id=None):
        self.key, self.value, self.timestamp, self.step = key, value, timestamp, step


@pytest.fixture
def mlflow(monkeypatch):
    monkeypatch.setattr(MlFlowClient, "made", [], raising=False)
    module = install(monkeypatch, "mlflow", MlflowClient=MlFlowClient, active_run=lambda: None)
    install(monkeypatch, "mlflow.entities", Metric=Metric)
    return module


@pytest.mark.parametrize(("experiment", "place"), [("known", "7"), ("unknown", "new unknown")])
def test_mlflow(experiment, place, mlflow, run_info, metrics_of, log):
    log(MlFlow(experiment, "first", "sqlite:///x.db", every=5), run_info(), metrics_of(0, 8))
    (client,) = mlflow.MlflowClient.made
    assert (client.uri, client.runs, client.ended) == ("sqlite:///x.db", [(place, "first")], [("42", "FINISHED")])
    epochs = [
        [("total_loss", 0.0, 0), ("loss/pde", 0.0, 0), ("loss/bc", 0.0, 0)],
        [("total_loss", 5.0, 5), ("loss/pde", 2.5, 5), ("loss/bc", 10.0, 5)],
    ]
    assert client.batches == [("42", [metric for epoch in epochs for metric in epoch])]


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_mlflow_gets_each_metric_once_in_batches_that_it_allows(
    seconds, mlflow, run_info, metrics_of, log, monkeypatch
):
    monkeypatch.setattr(_mlflow, "_SECONDS", seconds)
    log(MlFlow(every=1), run_info(), *(metrics_of(first, 100) for first in range(0, 1000, 100)))
    batches = mlflow.MlflowClient.made[0].batches
    assert [step for _, batch in batches for _, _, step in batch] == [step for step in range(1000) for _ in range(3)]
    assert seconds == 0.0 or [len(batch) for _, batch in batches] == [1000, 1000, 1000]


def test_mlflow_is_not_waited_for_but_at_the_end(mlflow, run_info, metrics_of, log, monkeypatch):
    """A run makes its steps while the server is busy; what comes meanwhile goes out together."""
    monkeypatch.setattr(_mlflow, "_SECONDS", 0.0)
    answers, log_batch = threading.Event(), MlFlowClient.log_batch

    def slow(client, *arguments, **options):
        assert answers.wait(10)
        log_batch(client, *arguments, **options)

    monkeypatch.setattr(MlFlowClient, "log_batch", slow)
    logger = MlFlow(every=1)
    logger.on_fit_start(run_info())
    for epoch in range(5):
        logger.on_chunk_end(metrics_of(epoch, 1))
    (client,) = mlflow.MlflowClient.made
    assert client.batches == []
    answers.set()
    logger.on_fit_end()
    assert [[step for _, _, step in batch] for _, batch in client.batches] == [
        [0] * 3,
        [step for step in range(1, 5) for _ in range(3)],
    ]
    assert client.ended == [("42", "FINISHED")]


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_an_error_of_mlflow_s_server_is_told_once_and_ends_the_record(
    seconds, mlflow, run_info, metrics_of, log, monkeypatch
):
    monkeypatch.setattr(_mlflow, "_SECONDS", seconds)

    def unreachable(client, *arguments, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(MlFlowClient, "log_batch", unreachable)
    with pytest.warns(JnoWarning, match=r"'mlflow' has failed.*ConnectionError: no route to host") as told:
        log(MlFlow(every=1), run_info(), *(metrics_of(epoch, 1) for epoch in range(5)))
    assert len(told) == 1
    assert mlflow.MlflowClient.made[0].ended == [("42", "FINISHED")]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("jno-mlflow")]


def test_mlflow_is_told_of_a_failure(mlflow, run_info, log):
    log(MlFlow(), run_info(), failed=True)
    assert mlflow.MlflowClient.made[0].ended == [("42", "FAILED")]


def test_mlflow_uses_a_run_that_is_open_and_leaves_it_so(mlflow, run_info, metrics_of, log):
    mlflow.active_run = lambda: types.SimpleNamespace(info=types.SimpleNamespace(run_id="open"))
    log(MlFlow(), run_info(), metrics_of(0, 1))
    (client,) = mlflow.MlflowClient.made
    assert ([run for run, _ in client.batches], client.runs, client.ended) == (["open"], [], [])


def test_mlflow_gets_names_that_it_allows_and_that_differ(mlflow, run_info, metrics_of, log):
    log(MlFlow(), run_info(terms=("mse(Δu)", "mse(∇u)")), metrics_of(0, 1))
    ((_, metrics),) = mlflow.MlflowClient.made[0].batches
    assert [key for key, _, _ in metrics] == ["total_loss", "loss/mse__u_ 1", "loss/mse__u_ 2"]


class AimRun:
    made = ()

    def __init__(
        self,
        run_hash=None,
        *,
        repo=None,
        read_only=False,
        experiment=None,
        force_resume=False,
        system_tracking_interval=10,
        log_system_params=False,
        capture_terminal_logs=True,
    ):
        type(self).made = (*self.made, self)
        self.options = (repo, experiment, system_tracking_interval, capture_terminal_logs)
        self.rows, self.is_closed = [], False

    def track(self, value, name=None, step=None, epoch=None, *, context=None):
        self.rows.append((name, value, step))

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("failed", [False, True])
def test_aim(failed, run_info, metrics_of, tmp_path, monkeypatch, log):
    monkeypatch.setattr(AimRun, "made", ())
    install(monkeypatch, "aim", Run=AimRun)
    log(Aim(tmp_path / "new", every=5, experiment="e"), run_info(), metrics_of(0, 8), failed=failed)
    (session,) = AimRun.made
    assert session.options == (str(tmp_path / "new"), "e", None, False)
    assert (tmp_path / "new").is_dir()
    assert session.rows == [
        ("total_loss", 0.0, 0),
        ("loss/pde", 0.0, 0),
        ("loss/bc", 0.0, 0),
        ("total_loss", 5.0, 5),
        ("loss/pde", 2.5, 5),
        ("loss/bc", 10.0, 5),
    ]
    assert session.is_closed


@pytest.mark.parametrize("name", ["wandb", "mlflow", "aim"])
def test_in_a_run(name, problem, tmp_path, monkeypatch, request):
    """The numbers of the run are those without the logger."""
    if name == "aim":
        install(monkeypatch, "aim", Run=AimRun)
        monkeypatch.setattr(AimRun, "made", ())
        logger = Aim(tmp_path, every=10)
    else:
        request.getfixturevalue(name)
        logger = {"wandb": Wandb, "mlflow": MlFlow}[name](every=10)
    plain = problem().solve(25).total_loss_history
    np.testing.assert_array_equal(problem().solve(25, callbacks=[logger]).total_loss_history, plain)
    sent = {
        "wandb": lambda: [row["total_loss"] for row in sys.modules["wandb"].started[0].rows],
        "mlflow": lambda: [
            value for _, batch in MlFlowClient.made[0].batches for key, value, _ in batch if key == "total_loss"
        ],
        "aim": lambda: [value for key, value, _ in AimRun.made[0].rows if key == "total_loss"],
    }[name]()
    np.testing.assert_array_equal(np.array(sent, np.float32), plain[::10])
