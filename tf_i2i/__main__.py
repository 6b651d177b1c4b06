"""python -m tf_i2i: the verbs, and the version.

python -m tf_i2i
python -m tf_i2i --version
python -m tf_i2i translate --model=twingan-toy --input=me.jpg --output=.
"""

import argparse
import ast
import runpy
import sys
from pathlib import Path

import tf_i2i
from tf_i2i import cli
from tf_i2i.errors import UserError


def verbs():
    """Names of the verbs -> what each does, read without running them.

    A verb is a module whose documentation begins with the command that runs
    it.
    """
    folder = Path(__file__).parent
    found = {}
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/__main__.py")]):
        name = path.parent.name if path.parent != folder else path.stem
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        command, _, does = text.partition("\n")[0].partition(": ")
        if command == f"python -m tf_i2i.{name}":
            found[name] = does.rstrip(".")
    return found


def main(argv=None):
    """Runs a verb, or prints what there is.

    Args:
        argv: command line, without the program; None for the process's own.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in verbs():
        sys.argv = [f"tf_i2i.{argv[0]}", *argv[1:]]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    cli.run(_say)


def _say(argv):
    known = verbs()
    parser = argparse.ArgumentParser(
        prog="tf_i2i",
        description="Unpaired image-to-image translation. "
        "python -m tf_i2i VERB --help shows the flags of each.",
        epilog="verbs:\n"
        + "\n".join(f"  {name:14} {does}" for name, does in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"tf_i2i {tf_i2i.__version__}"
    )
    parser.add_argument("verb", nargs="?", help="one of those below")
    flags, _ = parser.parse_known_args(argv)
    if flags.verb:
        raise UserError(
            f"`verb` must be one of {', '.join(known)}. Received: {flags.verb}"
        )
    parser.print_help()


if __name__ == "__main__":
    main()
