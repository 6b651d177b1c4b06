"""python -m tf_i2i: lists the commands, runs one, or prints the version.

python -m tf_i2i
python -m tf_i2i --version
python -m tf_i2i translate --model=twingan-toy --input=me.jpg --output=.
"""

import argparse
import runpy
import sys

import tf_i2i
from tf_i2i import cli
from tf_i2i.errors import UserError
from tf_i2i.verbs import VERBS


def main(argv=None):
    """Runs a command, or prints the list of commands.

    Args:
        argv: arguments of the command line, without the program; None for
            `sys.argv`.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in VERBS:
        sys.argv = [f"tf_i2i.{argv[0]}", *argv[1:]]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    cli.run(_print_help)


def _print_help(argv):
    """Prints the help or the version; raises an error for unknown commands."""
    parser = argparse.ArgumentParser(
        prog="tf_i2i",
        description="Unpaired image-to-image translation. "
        "python -m tf_i2i COMMAND --help shows the flags of a command.",
        epilog="commands:\n"
        + "\n".join(f"  {name:17} {does}" for name, does in VERBS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"tf_i2i {tf_i2i.__version__}"
    )
    parser.add_argument("command", nargs="?", help="one of the commands below")
    flags, _ = parser.parse_known_args(argv)
    if flags.command:
        raise UserError(
            f"`command` must be one of {', '.join(VERBS)}. "
            f"Received: {flags.command}"
        )
    parser.print_help()


if __name__ == "__main__":
    main()
