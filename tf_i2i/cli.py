"""What the verbs share: flags, one-line errors, a quiet TensorFlow."""

import argparse
import contextlib
import importlib
import os
import re
import sys
from pathlib import Path

from tf_i2i import models
from tf_i2i.errors import UserError
from tf_i2i.errors import printable


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        # The flag in backticks, as in every `UserError`.
        message = re.sub(r"(--\w+)", r"`\1`", message, count=1)
        raise UserError(f"{message}. See: python -m {self.prog} --help")


class _Model(argparse.Action):
    """Takes the name of a shipped model for its folder."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, models.find_model(values))


def parser(verb, description, examples):
    """An argument parser whose help ends with real command lines.

    Args:
        verb: name of the module below `tf_i2i`.
        description: one or two sentences.
        examples: command lines.
    """
    return _Parser(
        prog=f"tf_i2i.{verb}",
        description=description,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run(main):
    """Runs a verb and exits: 0, or 2 after a user's mistake, in one line."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        line = printable(" ".join(str(error).split()))
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_run_flags(add, required=True):
    """The flags by which a verb finds a trained run.

    Args:
        add: `add_argument` of a parser; `--model` ends up in `run_dir` too.
        required: whether one of them must be given.
    """
    group = add.__self__.add_mutually_exclusive_group(required=required)
    group.add_argument("--run_dir", help="folder of a trained run")
    group.add_argument(
        "--model",
        dest="run_dir",
        action=_Model,
        metavar="NAME",
        help="a trained model of the package; python -m tf_i2i.models lists "
        "them",
    )
    add_allow_imports(add)


def add_allow_imports(add):
    """The flag for a run whose configuration is code."""
    add(
        "--allow_imports",
        action="store_true",
        help="trust a run's own config.gin that imports code",
    )


def add_gin_flags(add, of_files, of_bindings):
    """The flags of a configuration, each of which may be repeated.

    Args:
        add: `add_argument` of a parser.
        of_files, of_bindings: their help.
    """
    for flag, metavar, text in (
        ("--gin_file", "FILE", of_files),
        ("--gin_param", "BINDING", of_bindings),
    ):
        add(flag, action="append", default=[], metavar=metavar, help=text)


def add_direction_flag(add, text="which way (default: a_to_b)"):
    """The flag of a direction; `domains.find_direction` reads it.

    Args:
        add: `add_argument` of a parser.
        text: its help.
    """
    add(
        "--direction",
        default="a_to_b",
        metavar="a_to_b|b_to_a",
        help=f"{text}; a run's own names of its domains go too: "
        "selfie_to_anime",
    )


def check_run_dir(path, flag="run_dir"):
    """Refuses what cannot be a run, before TensorFlow is imported."""
    if not (Path(path) / "config.gin").is_file():
        raise UserError(
            f"`--{flag}` must be the folder of a run, with a config.gin. "
            f"Received: {path}"
        )


def find_run(value, flag):
    """The folder of a run that a flag names, or of a shipped model.

    Raises:
        UserError: it is neither.
    """
    if value in models.shipped_models():
        return models.find_model(value)
    check_run_dir(value, flag)
    return Path(value)


def import_tensorflow(training=False):
    """Imports TensorFlow without its lines on stderr.

    Verbs call this after they have checked their flags: the import takes
    seconds.

    Args:
        training: whether training is to come: see `share_cores`.

    Raises:
        UserError: if Keras is set to another backend, or TensorFlow is not
            installed.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(
            "`KERAS_BACKEND` must be tensorflow, or not set. "
            f"Received: KERAS_BACKEND={backend}"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if training:
        share_cores()
    with silent_stderr():
        try:
            tensorflow = importlib.import_module("tensorflow")
        except ImportError as error:
            raise UserError(
                "TensorFlow 2.21 or newer is needed: pip install tensorflow. "
                f"Received: {error}"
            ) from error
        if "TF_CONFIG" not in os.environ:  # Else workers are joined first.
            tensorflow.config.list_logical_devices()
    return tensorflow


def share_cores():
    """Has TensorFlow run two operations at a time, on half the cores each.

    A training step has independent operations enough for it; on two cores
    it is a seventh faster. The last bits of weights depend on this, so that
    a run keeps it. TensorFlow's own variables come first.
    """
    half = max(1, (os.cpu_count() or 1) // 2)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(half))


@contextlib.contextmanager
def silent_stderr():
    """Sends stderr to nowhere, C++ below Python's sys.stderr included."""
    sys.stderr.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
