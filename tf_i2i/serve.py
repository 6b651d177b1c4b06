"""python -m tf_i2i.serve: translates images that programs send over HTTP.

    python -m tf_i2i.serve --run_dir=runs/mine
    curl -X POST -T me.jpg -H 'Content-Type: image/jpeg' \
        'http://127.0.0.1:8000/v1/translate?size=input' > translated.png

Only programs on this machine can reach the server, unless `--host` names an
address of the network. Requests that arrive at the same time are translated
together. `/openapi.json` describes the interface.
"""

from tf_i2i import cli
from tf_i2i import process
from tf_i2i.domains import find_direction
from tf_i2i.errors import UserError
from tf_i2i.extras import require
from tf_i2i.serving import app as serving
from tf_i2i.serving.reading import Limits
from tf_i2i.training import settings


@process.unchanged()
def main(argv):
    """Runs the command, which serves until Ctrl-C.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, no extra `serve`, or a port
            that is in use.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    names = settings.domain_names(flags.run_dir)
    direction = find_direction(flags.direction, names)
    _check_numbers(flags)
    require(serving.EXTRA, *serving.MODULES)
    with serving.listen(flags.host, flags.port) as listening:
        translator = _load(flags, direction)
        limits = Limits(
            flags.max_bytes, flags.max_pixels, flags.queue, flags.timeout
        )
        app = serving.build(translator, direction, limits, flags.batch_size)
        host, port = listening.getsockname()[:2]
        print(
            f"Send images to http://{host}:{port}/v1/translate; Ctrl-C stops "
            "the server.",
            flush=True,
        )
        with process.serving():
            serving.server(app, listening).run(sockets=[listening])


def _load(flags, direction):
    """Returns the `Translator` of the run, whose graphs have been traced."""
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator
    from tf_i2i.serving.translator import Translator

    run = load_translator(flags.run_dir, flags.trust_config)
    run.check_trained()
    run.model.check_direction(direction)
    translator = Translator(run.model, run.config.label_maps)
    translator.warm_up()
    return translator


def _check_numbers(flags):
    for name in ("batch_size", "queue", "max_bytes", "max_pixels", "timeout"):
        value = getattr(flags, name)
        if not value > 0:
            raise UserError(f"`--{name}` must be above 0. Received: {value}")


def _parser():
    limits = Limits()
    parser = cli.parser(
        "serve",
        "Translates images that programs send over HTTP. It needs "
        "pip install 'tf-i2i[serve]'.",
        [
            "python -m tf_i2i.serve --run_dir=runs/mine",
            "python -m tf_i2i.serve --model=face-avatar --port=8080 "
            "--batch_size=16",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    cli.add_direction_flag(
        add, "direction of requests that name none (default: a_to_b)"
    )
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen to; 0.0.0.0 for all addresses of this "
        "machine, which other machines can reach (default: 127.0.0.1)",
    )
    cli.add_port_flag(add)
    add(
        "--batch_size",
        type=int,
        default=8,
        help="largest number of images that are translated together "
        "(default: 8)",
    )
    add(
        "--queue",
        type=int,
        default=limits.queue,
        help="largest number of requests in progress; further ones are "
        f"answered with the status 429 (default: {limits.queue})",
    )
    add(
        "--max_bytes",
        type=int,
        default=limits.bytes,
        help=f"largest size of an image file (default: {limits.bytes})",
    )
    add(
        "--max_pixels",
        type=int,
        default=limits.pixels,
        help=f"largest number of pixels of an image (default: {limits.pixels})",
    )
    add(
        "--timeout",
        type=float,
        default=limits.seconds,
        help="seconds in which the body of a request must arrive "
        f"(default: {limits.seconds})",
    )
    return parser


if __name__ == "__main__":
    cli.run(main)
