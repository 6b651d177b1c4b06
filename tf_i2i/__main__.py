"""python -m tf_i2i: lists the verbs, runs one of them, or tells the version.

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
    """Runs a verb, or prints the list of verbs.

    Args:
        argv: command line, without the program; None for the process's own.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in VERBS:
        sys.argv = [f"tf_i2i.{argv[0]}", *argv[1:]]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    cli.run(_print_help)


def _print_help(argv):
    """Prints the help or the version; refuses an unknown verb."""
    parser = argparse.ArgumentParser(
        prog="tf_i2i",
        description="Unpaired image-to-image translation. "
        "python -m tf_i2i VERB --help shows the flags of each.",
        epilog="verbs:\n"
        + "\n".join(f"  {name:14} {does}" for name, does in VERBS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"tf_i2i {tf_i2i.__version__}"
    )
    parser.add_argument("verb", nargs="?", help="one of those below")
    flags, _ = parser.parse_known_args(argv)
    if flags.verb:
        raise UserError(
            f"`verb` must be one of {', '.join(VERBS)}. Received: {flags.verb}"
        )
    parser.print_help()


if __name__ == "__main__":
    main()
