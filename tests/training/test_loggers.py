"""The loggers of a run, and how they go on after the run was stopped."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tf_i2i.errors import UserError
from tf_i2i.training import loggers
from tf_i2i.training.metrics_log import MetricsLog
from tf_i2i.training.run_config import RunConfig

CONFIG = "train.seed = 3\nCycleGAN.width = 8\n"


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.gin").write_text(CONFIG)
    return folder


def trained(run_dir, name, *steps):
    """Logs as a run does that is at each of the steps in turn."""
    state = SimpleNamespace(step=0, images_shown=0)
    log = MetricsLog(run_dir, ("selfie", "anime"), state, loggers=(name,))
    log.open()
    for state.step in steps:
        state.images_shown = 2 * state.step
        log.record({}, {"validation_a_to_b/score": state.step / 2})
    log.show("samples", np.full((4, 6, 3), 9, np.uint8))
    log.close()


def test_wandb_offline_and_resumed(run_dir, monkeypatch):
    wandb = pytest.importorskip(
        "wandb", reason="the extra `wandb` is not installed"
    )
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    trained(run_dir, "wandb", 1, 2)
    trained(run_dir, "wandb", 2, 3)
    wandb.teardown()  # Waits for the process that writes the files.
    identifier = json.loads((run_dir / "loggers.json").read_text())["wandb"]
    files = [*(run_dir / "wandb").glob("offline-run-*/*.wandb")]
    assert [f.name for f in files] == 2 * [f"run-{identifier}.wandb"]
    for file in files:
        content = file.read_bytes()
        assert b"validation_selfie_to_anime/score" in content
        assert b"images_shown" in content
        assert b"CycleGAN.width" in content


def test_mlflow_in_a_folder_and_resumed(run_dir, tmp_path, monkeypatch):
    mlflow = pytest.importorskip(
        "mlflow", reason="the extra `mlflow` is not installed"
    )
    # By default, MLflow refuses to write to a folder.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "server").as_uri())
    trained(run_dir, "mlflow", 1, 2)
    trained(run_dir, "mlflow", 2, 3)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(loggers.PROJECT)
    (run,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(
        run.info.run_id, "validation_selfie_to_anime/score"
    )
    assert sorted((point.step, point.value) for point in points) == [
        (2, 0.5),
        (4, 1.0),
        (4, 1.0),
        (6, 1.5),
    ]
    assert run.info.status == "FINISHED"
    assert run.data.params == {"train.seed": "3", "CycleGAN.width": "8"}
    assert any("samples" in f.path for f in _files(client, run.info.run_id))


def _files(client, run, folder=None):
    """Yields the files that MLflow stores with a run."""
    for entry in client.list_artifacts(run, folder):
        if entry.is_dir:
            yield from _files(client, run, entry.path)
        else:
            yield entry


def test_mlflow_without_its_server(run_dir, monkeypatch, refuses):
    mlflow = pytest.importorskip(
        "mlflow", reason="the extra `mlflow` is not installed"
    )
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with refuses("loggers"):
        trained(run_dir, "mlflow", 1)


def test_no_logger(run_dir):
    state = SimpleNamespace(step=1, images_shown=2)
    log = MetricsLog(run_dir, ("a", "b"), state, loggers=())
    log.open()
    log.record({"phase": "8px"}, {"losses/gan_a": 0.5})
    log.close()
    names = {path.name for path in run_dir.iterdir()}
    assert names == {"config.gin", "metrics.jsonl"}


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_a_missing_package(package, run_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"tf-i2i\[{package}\]"):
        MetricsLog(run_dir, ("a", "b"), None, loggers=(package,))


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"wandb": "../x"}', '{"wandb": 3.5}']
)
def test_a_foreign_identifier(content, run_dir, refuses):
    (run_dir / "loggers.json").write_text(content)
    with refuses("run_dir"):
        loggers._saved(run_dir, "wandb")


def test_an_unknown_logger(refuses):
    with refuses("loggers"):
        RunConfig(loggers=("tensorboard", "paper"))
