"""Where the curves of a run are shown: TensorBoard, Weights & Biases, MLflow.

`train.loggers` names the loggers of a run. The horizontal axis of every curve
is the number of images of each domain that were shown. A resumed run continues
its own run at Weights & Biases and MLflow. The file loggers.json in the run
directory contains the identifiers of these runs.
"""

import contextlib
import json
import os
import re
import time
import uuid
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_i2i import messages
from tf_i2i.backend import tensorflow_writing
from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import optional
from tf_i2i.extras import require
from tf_i2i.foreign_files import read_json
from tf_i2i.training.settings import bindings_of

# Name of the project at Weights & Biases, and of the experiment at MLflow, if
# the user names none.
PROJECT = "tf_i2i"
# Largest number of parameters that MLflow accepts in one call, and largest
# number of characters that it accepts in the value of a parameter.
_MLFLOW_PARAMETERS = 100
_MLFLOW_CHARACTERS = 6000


class Logger:
    """The interface of loggers. Only the chief process of a run uses them.

    Args:
        run_dir: folder of the run, a `Path`.

    Attributes:
        package: module that must be installed, which is also the name of the
            extra that installs it. None if it is installed anyway.
    """

    package: str | None = None

    def __init__(self, run_dir):
        self.run_dir = run_dir

    def open(self, config):
        """Begins to log, or continues after the run was stopped.

        Args:
            config: text of the run's config.gin.
        """
        raise NotImplementedError

    def scalars(self, values, images_shown):
        """Adds a point to some curves.

        Args:
            values: dictionary from the names of the curves to numbers.
            images_shown: position on the horizontal axis.
        """
        raise NotImplementedError

    def image(self, name, picture, images_shown):
        """Adds an image.

        Args:
            name: name of the image.
            picture: uint8 `[H, W, 3]`.
            images_shown: number of images of each domain shown before.
        """
        raise NotImplementedError

    def close(self):
        """Writes or sends what is still in memory."""
        raise NotImplementedError


class TensorBoard(Logger):
    """Event files in the folder `events` of the run directory.

    All methods raise an `OSError` with this folder as its `filename` if a
    file cannot be written.
    """

    def __init__(self, run_dir):
        super().__init__(run_dir)
        self.events = run_dir / "events"
        self._writer = tf.summary.create_noop_writer()

    def open(self, config):
        with tensorflow_writing(self.events):
            self._writer = tf.summary.create_file_writer(
                os.fsencode(self.events)
            )
            with self._writer.as_default(step=0):
                tf.summary.text("config", "```\n" + config + "\n```")

    def scalars(self, values, images_shown):
        with self._summaries(images_shown):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def image(self, name, picture, images_shown):
        with self._summaries(images_shown):
            tf.summary.image(name, picture[None])

    def close(self):
        with tensorflow_writing(self.events):
            self._writer.close()

    @contextlib.contextmanager
    def _summaries(self, images_shown):
        """Context in which `tf.summary` writes to the run's events."""
        with (
            tensorflow_writing(self.events),
            self._writer.as_default(step=images_shown),
        ):
            yield


class WeightsAndBiases(Logger):
    """A run of Weights & Biases, whose files are in the folder `wandb`.

    The environment variables of the package `wandb` apply: WANDB_PROJECT,
    WANDB_ENTITY, WANDB_API_KEY, and WANDB_MODE=offline for a machine without a
    network.
    """

    package = "wandb"

    def open(self, config):
        wandb = optional("wandb", self.package)
        identifier = _saved(self.run_dir, self.package) or uuid.uuid4().hex
        _save(self.run_dir, self.package, identifier)
        with _failures_of(self.package, wandb.errors.Error):
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=printable(self.run_dir.name),
                id=identifier,
                dir=str(self.run_dir),
                resume="allow",
                # The program logs its own values, and nothing of the user's
                # terminal or source code.
                settings=wandb.Settings(console="off", save_code=False),
            )
        self._run.config.update(bindings_of(config), allow_val_change=True)
        # A resumed run repeats some steps. The package ignores values of
        # earlier steps, unless a logged value is used as the horizontal axis.
        self._run.define_metric("images_shown")
        self._run.define_metric("*", step_metric="images_shown")

    def scalars(self, values, images_shown):
        self._run.log(values | {"images_shown": images_shown})

    def image(self, name, picture, images_shown):
        wandb = optional("wandb", self.package)
        self.scalars({name: wandb.Image(picture)}, images_shown)

    def close(self):
        self._run.finish()


class MLflow(Logger):
    """A run of MLflow at the address in MLFLOW_TRACKING_URI.

    Without this environment variable, MLflow writes to the current folder.
    MLFLOW_EXPERIMENT_NAME names the experiment. If the server cannot be reached
    during the training, a warning is printed once, and the training goes on.
    """

    package = "mlflow"

    def open(self, config):
        mlflow = optional("mlflow", self.package)
        self._error = mlflow.exceptions.MlflowException
        self._warned = False
        with _failures_of(self.package, self._error):
            self._client = mlflow.MlflowClient()
            self._run = _saved(self.run_dir, self.package)
            if self._run:
                self._client.update_run(self._run, status="RUNNING")
            else:
                self._run = self._create()
                _save(self.run_dir, self.package, self._run)
                self._log_parameters(mlflow.entities.Param, config)
            self._client.log_text(self._run, config, "config.gin")

    def scalars(self, values, images_shown):
        metric = optional("mlflow.entities", self.package).Metric
        now = int(1000 * time.time())
        points = [
            metric(name, float(value), now, images_shown)
            for name, value in values.items()
        ]
        with self._tolerant():
            self._client.log_batch(self._run, metrics=points)

    def image(self, name, picture, images_shown):
        with self._tolerant():
            self._client.log_image(
                self._run, np.asarray(picture), key=name, step=images_shown
            )

    def close(self):
        with self._tolerant():
            self._client.set_terminated(self._run)

    def _create(self):
        """Returns the identifier of a new run."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = (
            found.experiment_id
            if found
            else self._client.create_experiment(name)
        )
        run = self._client.create_run(
            experiment, run_name=printable(self.run_dir.name)
        )
        return run.info.run_id

    def _log_parameters(self, parameter, config):
        """Logs the settings of config.gin, which can be written only once."""
        found = [
            parameter(re.sub(r"[^\w./ -]", "_", name), text)
            for name, value in bindings_of(config).items()
            if (text := value[:_MLFLOW_CHARACTERS])
        ]
        for i in range(0, len(found), _MLFLOW_PARAMETERS):
            part = found[i : i + _MLFLOW_PARAMETERS]
            self._client.log_batch(self._run, params=part)

    @contextlib.contextmanager
    def _tolerant(self):
        """Context that turns errors of MLflow into a single warning."""
        try:
            yield
        except self._error as error:
            if not self._warned:
                messages.warning(
                    "MLflow did not accept the curves of this run, and the "
                    f"training goes on: {error}"
                )
            self._warned = True


LOGGERS: dict[str, type[Logger]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


def make_loggers(names, run_dir):
    """Returns the loggers of a run, which are not yet open.

    Args:
        names: some of the keys of `LOGGERS`.
        run_dir: folder of the run.

    Raises:
        UserError: a package is not installed.
    """
    made = [LOGGERS[name](Path(run_dir)) for name in names]
    for logger in made:
        if logger.package:
            require(logger.package, logger.package)
    return made


def _saved(run_dir, package):
    """Returns the identifier of the run at a service, or None.

    Raises:
        UserError: the file is not one that `_save` wrote.
    """
    path = run_dir / "loggers.json"
    if not os.path.lexists(path):
        return None
    try:
        identifier = _read(path).get(package)
    except (ValueError, AttributeError) as error:
        raise _unreadable(path) from error
    if identifier is None or re.fullmatch(r"\w{1,64}", str(identifier)):
        return identifier
    raise _unreadable(path)


def _read(path):
    return read_json(path, limit=10**4)


def _unreadable(path):
    return UserError(
        "`run_dir` must have a loggers.json with the identifiers of the run "
        "at Weights & Biases or MLflow. Without the file, new runs are begun "
        f"there. Received: {path}"
    )


def _save(run_dir, package, identifier):
    """Adds the identifier of the run at a service to loggers.json.

    Raises:
        OSError: the file cannot be written; its path is in the error.
    """
    path = run_dir / "loggers.json"
    before = _read(path) if path.exists() else {}
    content = json.dumps(before | {package: identifier}, indent=1)
    with writing(path):
        write_whole(path, [content.encode()])


@contextlib.contextmanager
def _failures_of(package, error):
    """Context that turns errors of a package into a `UserError`."""
    try:
        yield
    except error as failure:
        raise UserError(
            "`train.loggers` must name services that can be reached. "
            f"Received: {package} ({' '.join(str(failure).split())[:200]})"
        ) from failure
