"""Messages: what the terminal shows, what a log file has, absl's flags."""

import logging as python_logging
import re

import pytest
from absl import flags
from absl import logging

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.errors import UserError


@process.unchanged()
def command(*arguments):
    """Runs a command that logs a message of each kind."""
    cli.parser("told", "", []).parse_args(arguments)
    messages.info("one\nline")
    messages.warning("careful")
    logging.info("of another package")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([], ["one\\nline", "careful"]),
        (["--verbosity=-1"], ["careful"]),
        (["-v", "-2"], []),
        (["-v", "0"], ["one\\nline", "careful", "of another package"]),
        (["--log_dir=.", "--logtostderr"], ["one\\nline", "careful"]),
        (["--log_dir=.", "--alsologtostderr"], ["one\\nline", "careful"]),
        (["--log_dir=.", "--stderrthreshold=warning"], ["careful"]),
        (["--log_dir=."], []),
    ],
)
def test_the_terminal(given, shown, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command(*given)
    lines = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^I\d{4} .*\] ", "", line) for line in lines] == shown
    has_file = "--log_dir=." in given and "--logtostderr" not in given
    assert bool([*tmp_path.iterdir()]) == has_file


def test_a_log_file_says_when_and_where(tmp_path):
    command(f"--log_dir={tmp_path}")
    text = (tmp_path / "tf_i2i.told.INFO").read_text()
    first, second, *_ = text.splitlines()
    assert re.fullmatch(r"I\d{4} .* test_messages\.py:\d+\] one\\nline", first)
    assert re.fullmatch(r"W\d{4} .* test_messages\.py:\d+\] careful", second)


def test_a_log_file_has_the_error_of_the_command(tmp_path):
    @process.unchanged()
    def fails():
        cli.parser("told", "", []).parse_args([f"--log_dir={tmp_path}"])
        raise UserError("`x` must be 1")

    with pytest.raises(UserError):
        fails()
    assert "] `x` must be 1" in (tmp_path / "tf_i2i.told.INFO").read_text()


def test_flags_of_logging_are_as_before(tmp_path):
    def found():
        return (
            {name: flags.FLAGS[name].value for name in messages.FLAGS},
            logging.get_absl_handler().python_handler.stream,
            [*logging.get_absl_logger().handlers],
        )

    before = found()
    command("-v", "-2", f"--log_dir={tmp_path}")
    assert found() == before


def test_wrong_flags_of_logging_are_refused(tmp_path, refuses):
    for name, value in (
        ("--verbosity", "loud"),
        ("--stderrthreshold", "loud"),
        ("--log_dir", tmp_path / "nowhere"),
    ):
        with refuses(name):
            command(f"{name}={value}")


def test_a_program_of_absl_prints_each_message_once(monkeypatch, capsys):
    handler = logging.get_absl_handler()
    monkeypatch.setattr(python_logging.root, "handlers", [handler])
    command()
    assert capsys.readouterr().err == "one\\nline\ncareful\n"
