"""Packs a trained run into a folder small enough to be committed.

    python tools/pack_model.py --run_dir=runs/twingan --output=models/mine
    python -m tf_i2i.translate --run_dir=models/mine --input=me.jpg --output=.

The folder contains the averaged weights of the translators in float16,
metrics.jsonl, and config.gin without the paths of the training data. Commands
that read a trained run accept the packed folder as `--run_dir`.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i.disk import format_bytes
from tf_i2i.disk import size_on_disk


def main(argv):
    parser = cli.parser(
        "tools.pack_model",
        "Packs a trained run into a small folder.",
        [
            "python tools/pack_model.py --run_dir=runs/mine --output=mine/",
            "python -m tf_i2i.translate --run_dir=mine/ --input=me.jpg "
            "--output=translated/",
        ],
    )
    cli.add_run_flags(parser.add_argument)
    parser.add_argument("--output", required=True, help="folder to write")
    flags = parser.parse_args(argv)
    cli.check_run_dir(flags.run_dir)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator
    from tf_i2i.training.packed import PACKED
    from tf_i2i.training.packed import pack_run

    run = load_translator(flags.run_dir, flags.trust_config)
    output = Path(flags.output)
    output.mkdir(parents=True, exist_ok=True)
    pack_run(run, output)
    shutil.copy(run.run_dir / "metrics.jsonl", output)
    size = format_bytes(size_on_disk(output / PACKED))
    print(f"{output}: {size} of weights")


if __name__ == "__main__":
    cli.run(main)
