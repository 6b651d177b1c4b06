"""Parts that all commands share: flags, one-line errors, imports.

TensorFlow is imported in such a way that it prints nothing.
"""

import argparse
import contextlib
import errno
import importlib
import os
import re
import sys
from pathlib import Path

from absl import flags
from absl.flags import argparse_flags

from tf_i2i import backend
from tf_i2i import configs
from tf_i2i import hub
from tf_i2i import messages
from tf_i2i import models
from tf_i2i import paths
from tf_i2i import process
from tf_i2i import streams
from tf_i2i.consent import FLAG
from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.sizes import shortest

# Numbers of the errors for a full disk, for an exhausted disk quota, and for a
# file that is too large. Writing to an open file raises them without the name
# of the file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Parser(argparse_flags.ArgumentParser):
    """A parser of a command's own flags and of the flags of `absl.logging`.

    `--help` does not list the flags of `absl.logging`. `--helpfull` lists them.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs, inherited_absl_flags=messages.FLAGS)

    def error(self, message):
        # Every `UserError` has the name of the argument in backticks.
        found = re.fullmatch("argument ([^ /:]+).*?: (must be .*)", message)
        if found:
            raise UserError(f"`{found[1]}` {found[2]}")
        message = _quote_flag(message)
        raise UserError(f"{message}. See: python -m {self.prog} --help")

    def parse_args(self, args=None, namespace=None):
        # Functions of the package name their argument in error messages, for
        # example `size`. If the user gave it by a flag, the message must name
        # the flag.
        process.on_error(self._name_flag)
        try:
            parsed = super().parse_args(args, namespace)
        except (flags.Error, ValueError) as error:
            raise _absl_error(error) from error
        messages.begin(self.prog)
        return parsed

    def _name_flag(self, error):
        """Changes an error's argument `size` to `--size`, if that is a flag."""
        if not isinstance(error, UserError):
            return
        flag = f"--{error.argument}"
        if flag in self._option_string_actions:
            error.rename(flag)


def _absl_error(error):
    """Returns a `UserError` for an error of `absl.flags`.

    The error is about the file of `--flagfile`, or about a flag of
    `absl.logging`.
    """
    if isinstance(error, (flags.CantOpenFlagFileError, UnicodeDecodeError)):
        return UserError(
            "`--flagfile` must be a text file with one flag in each line. "
            f"Received: {error}"
        )
    return UserError(_quote_flag(str(error)))


def _quote_flag(text):
    """Returns an error message with backticks around the first flag in it."""
    return re.sub(r"(--\w+)", r"`\1`", text, count=1)


class _SearchFolder(argparse.Action):
    """Action of `--gin_search_path`; .gin files are also searched there."""

    def __call__(self, parser, namespace, values, option_string=None):
        configs.search_in(values)


class _Model(argparse.Action):
    """Action of `--model`; stores the folder of the model."""

    def __call__(self, parser, namespace, values, option_string=None):
        at_hub = values.startswith(hub.PREFIX)
        find = hub.download if at_hub else models.find_model
        setattr(namespace, self.dest, find(values))


def read_path(text):
    """Checks a path to read; the `type` of flags that take such a path.

    Args:
        text: value of the flag: a path, or a text that the command interprets
            in another way, such as a glob pattern or the name of a config. A
            text is accepted if nothing exists at its path.

    Returns:
        `text` with `~` replaced by the home folder.

    Raises:
        argparse.ArgumentTypeError: what exists at the path cannot be read.
    """
    return _checked_path(text, paths.unreadable)


def read_folder(text):
    """Checks a folder to read; the `type` of flags that take such a folder.

    Args, Returns: see `read_path`.

    Raises:
        argparse.ArgumentTypeError: there is no folder that can be read.
    """
    path = read_path(text)
    if not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"must be a folder. Received: {path}")
    return path


def image_size(text):
    """Returns the size of images in a flag, such as 64 or 48x64.

    Used as the `type` of a flag. The result is an integer for squares, or a
    pair (height, width).
    """
    try:
        sides = [int(side) for side in text.split("x")]
        return shortest(sides if len(sides) > 1 else sides[0])
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be the side of squares, or HEIGHTxWIDTH: {text!r}"
        ) from error


def write_path(text):
    """Checks a path to write; the `type` of flags that take such a path.

    Args, Returns: see `read_path`.

    Raises:
        argparse.ArgumentTypeError: nothing can be written at the path.
    """
    return _checked_path(text, paths.unwritable)


def _checked_path(text, fault):
    if not text:
        raise argparse.ArgumentTypeError("must be a path. Received: no text")
    path = paths.expand(text)
    if why := fault(path):
        raise argparse.ArgumentTypeError(why)
    return path


def parser(verb, description, examples):
    """Returns an argument parser whose help ends with example commands.

    The parser raises its errors as `UserError`.

    Args:
        verb: name of the command, which is a module of `tf_i2i`.
        description: one or two sentences that say what the command does.
        examples: list of complete command lines.
    """
    made = _Parser(
        prog=f"tf_i2i.{verb}",
        description=description,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--flagfile",
        metavar="FILE",
        help="text file with further flags, one in each line; may be repeated",
    )
    return made


def run(main):
    """Runs a command with the arguments of the command line.

    A `UserError` is printed in one line, and the process exits with status 2.
    An error of the operating system about a file or folder is handled in the
    same way. After Ctrl-C the exit status is 130.

    Args:
        main: function of the command, which takes a list of arguments.
    """
    finish = streams.protect()
    try:
        main(sys.argv[1:])
    except UserError as error:
        _exit_with(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The program that read the output has ended. The streams that `protect`
        # installs ignore this error, but in notebooks `protect` leaves the
        # streams unchanged.
        return
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            _exit_with(
                "`disk` must have room for the files that the command writes. "
                f"Received: {reason(error)}"
            )
        if error.filename is None:
            raise
        _exit_with(
            f"`{error.filename}` must be a file or folder that can be used. "
            f"Received: {reason(error)}"
        )
    if fault := finish():
        _exit_with(
            "`stdout` must be a file that can be written. "
            f"Received: {reason(fault)}"
        )


def _exit_with(error):
    """Prints an error in one line, and ends the process with status 2."""
    line = printable(" ".join(str(error).split()))
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)


def add_run_flags(add, required=True):
    """Adds the flags that name a trained run: `--run_dir` and `--model`.

    `--model` sets `run_dir` to the folder of a shipped model, or of a model
    that is downloaded from the Hugging Face hub.

    Args:
        add: method `add_argument` of a parser.
        required: whether one of the two flags must be given.
    """
    group = add.__self__.add_mutually_exclusive_group(required=required)
    group.add_argument(
        "--run_dir", type=read_path, help="folder of a trained run"
    )
    group.add_argument(
        "--model",
        dest="run_dir",
        action=_Model,
        metavar="NAME",
        help="name of a trained model of the package (python -m "
        "tf_i2i.models lists them), or hf:OWNER/NAME[@REVISION] for a model at "
        "the Hugging Face hub",
    )
    add_trust_flag(add)


def add_trust_flag(add):
    """Adds the flag by which the user trusts a run's configuration.

    `--allow_imports` is an earlier name of the flag.
    """
    add(
        FLAG,
        "--allow_imports",
        action="store_true",
        dest="trust_config",
        help="trust the run's config.gin like a program: it may import code, "
        "load networks from files and download data",
    )


def add_gin_flags(add, of_files, of_bindings):
    """Adds `--gin_file`, `--gin_search_path` and `--gin_param`.

    Each flag may be repeated.

    Args:
        add: method `add_argument` of a parser.
        of_files: help text of `--gin_file`.
        of_bindings: help text of `--gin_param`.
    """
    add(
        "--gin_file",
        action="append",
        default=[],
        type=read_path,
        metavar="FILE",
        help=of_files,
    )
    add(
        "--gin_search_path",
        action=_SearchFolder,
        type=read_folder,
        metavar="FOLDER",
        help="folder of .gin files for --gin_file and for include; may be "
        "repeated",
    )
    add_binding_flag(add, of_bindings)


def add_binding_flag(add, text):
    """Adds `--gin_param`, which may be repeated.

    The flag may also be written `--gin_bindings`, as in other programs that use
    gin.

    Args:
        add: method `add_argument` of a parser.
        text: help text.
    """
    add(
        "--gin_param",
        "--gin_bindings",
        action="append",
        default=[],
        metavar="BINDING",
        help=text,
    )


def add_port_flag(add):
    """Adds `--port` of a server."""
    add(
        "--port",
        type=int,
        default=8000,
        help="port of the server, 0 for any free port (default: 8000)",
    )


def add_input_flag(add):
    """Adds `--input`, which `files.find_inputs` interprets.

    Args:
        add: method `add_argument` of a parser.
    """
    add(
        "--input",
        type=read_path,
        required=True,
        nargs="+",
        help="images, folders of images, or quoted patterns; or the word "
        "sample for four portraits that come with the package",
    )


def add_direction_flag(add, text="direction of translation (default: a_to_b)"):
    """Adds `--direction`; `domains.find_direction` interprets its value.

    Args:
        add: method `add_argument` of a parser.
        text: help text.
    """
    add(
        "--direction",
        default="a_to_b",
        metavar="a_to_b|b_to_a",
        help=f"{text}; the run's own names of its domains are accepted too, "
        "as in selfie_to_anime",
    )


def check_run_dir(path, flag="run_dir"):
    """Raises an error if a folder is not a run directory.

    Commands call this before they import TensorFlow, so that an error is
    reported immediately.

    Args:
        path: folder of the run.
        flag: name of the flag, for the error message.

    Raises:
        UserError: the folder has no config.gin.
    """
    if not _is_run(path):
        raise UserError(
            f"`--{flag}` must be the folder of a run, with a config.gin. "
            f"Received: {path}"
        )


def _is_run(path):
    return (Path(path) / "config.gin").is_file()


def find_run(value, flag):
    """Returns the folder of a run or of a shipped model.

    Args:
        value: folder of a run, or name of a shipped model.
        flag: name of the flag, for the error message.

    Raises:
        UserError: `value` is neither the folder of a run nor the name of a
            shipped model.
    """
    shipped = models.shipped_models()
    if value in shipped:
        return shipped[value]
    if not _is_run(value):
        raise UserError(
            f"`--{flag}` must be the folder of a run, with a config.gin, or "
            f"one of {', '.join(shipped)}. Received: {value}"
        )
    return Path(value)


def import_tensorflow(training=False):
    """Imports TensorFlow without its messages on stderr, and returns it.

    Commands call this after they have checked their flags, because the import
    takes seconds.

    Args:
        training: whether the command trains; if so, `share_cores` is called.

    Raises:
        UserError: Keras is set to another backend, or TensorFlow is not
            installed.
    """
    backend.check_backend()
    backend.find_keras_home()
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
        # Devices are initialized here, because their messages are discarded
        # here. If TF_CONFIG is set, devices are initialized later, because the
        # workers must be connected first.
        if "TF_CONFIG" not in os.environ:
            tensorflow.config.list_logical_devices()
        backend.reset_keras()
    return tensorflow


def share_cores():
    """Makes TensorFlow run two operations at a time, on half the cores each.

    A training step has enough independent operations to keep both halves busy.
    On two cores this saves a seventh of the time of a step, compared with
    TensorFlow's default. The last bits of the trained weights depend on this
    setting. Therefore all commands that train call this function, so that they
    give the same weights on one machine. TensorFlow's environment variables for
    threads are not changed if the user has set them.
    """
    half = max(1, (os.cpu_count() or 1) // 2)
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(half))


@contextlib.contextmanager
def silent_stderr():
    """Discards everything written to stderr, also by C++ code."""
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
