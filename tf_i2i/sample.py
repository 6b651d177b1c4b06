"""python -m tf_i2i.sample: samples pairs of images from a model's prior.

    python -m tf_i2i.sample --run_dir=runs/unit --output=pairs.png
    python -m tf_i2i.sample --run_dir=runs/unit --count=200 --seed=1 \
        --output=pairs/

Latent codes are sampled from the prior, and each is decoded into both domains
(UNIT, Liu et al. 2017, eq. 1).
"""

from pathlib import Path

import numpy as np

from tf_i2i import cli
from tf_i2i import process
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.files import WRITABLE_SUFFIXES
from tf_i2i.files import check_outputs
from tf_i2i.files import save_image
from tf_i2i.images import check_finite
from tf_i2i.images import grid
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import Prior
from tf_i2i.training import settings

_MOST = 100_000  # Largest number of pairs.
_BATCH = 32  # Number of codes that are decoded together.


def sample_pairs(model, count, seed=0):
    """Returns pairs of images that are decoded from samples of the prior.

    Args:
        model: model of a method with the capability `Prior`.
        count: number of pairs.
        seed: integer; the same seed gives the same pairs.

    Returns:
        Dictionary from "a" and "b" to images, uint8 `[count, S, S, 3]`.
    """
    from tf_i2i.methods.frozen import frozen

    decode = frozen(model)(model.decode)
    codes = model.sample_codes(count, seed)
    parts = [decode(codes[i : i + _BATCH]) for i in range(0, count, _BATCH)]
    images = {
        domain: np.concatenate([part[domain] for part in parts])
        for domain in "ab"
    }
    for made in images.values():
        check_finite(made)
    return {domain: to_uint8(made) for domain, made in images.items()}


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or a method without a prior.
    """
    flags = _parser().parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    if not 1 <= flags.count <= _MOST:
        raise UserError(
            f"`--count` must be between 1 and {_MOST}. Received: {flags.count}"
        )
    output = Path(flags.output)
    as_grid = output.suffix.lower() in WRITABLE_SUFFIXES
    a, b = settings.domain_names(flags.run_dir)
    targets = [
        (output / f"{i:04d}_{a}.png", output / f"{i:04d}_{b}.png")
        for i in range(flags.count)
    ]
    files = [output] if as_grid else [path for pair in targets for path in pair]
    check_outputs(files, (), flags.overwrite)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    model = load_translator(flags.run_dir, flags.trust_config).model
    if not isinstance(model, Prior):
        raise UserError(
            "`--run_dir` must be a run of a method with a prior, such as "
            f"UNIT. Received: a run of {type(model).__name__}"
        )
    pairs = sample_pairs(model, flags.count, flags.seed)
    if as_grid:
        save_image(grid([pairs["a"], pairs["b"]]), output)
    else:
        for (path_a, path_b), a, b in zip(
            targets, pairs["a"], pairs["b"], strict=True
        ):
            save_image(a, path_a)
            save_image(b, path_b)
    print(f"Sampled {flags.count} pairs into {printable(flags.output)}")


def _parser():
    parser = cli.parser(
        "sample",
        "Samples latent codes from the prior of a run and decodes each into "
        "both domains. Only methods with a prior can do this (UNIT).",
        [
            "python -m tf_i2i.sample --run_dir=runs/unit --output=pairs.png",
            "python -m tf_i2i.sample --run_dir=runs/unit --count=200 --seed=1 "
            "--output=pairs/",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--output",
        type=cli.write_path,
        required=True,
        help="image file for all pairs, with A above B; or a folder, which "
        "gets two files for each pair",
    )
    add(
        "--count",
        type=int,
        default=8,
        help="number of pairs (default: 8)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of the sampled codes (default: 0)",
    )
    add("--overwrite", action="store_true", help="replace existing files")
    return parser


if __name__ == "__main__":
    cli.run(main)
