"""Packs a trained run into a folder small enough to be committed.

    python tools/pack_model.py --run_dir=runs/twingan --output=models/mine
    python -m tf_i2i.translate --run_dir=models/mine --input=me.jpg --output=.

Averaged weights of the translators in float16, config.gin and metrics.jsonl;
the verbs that come after training take the folder as a run directory.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tf_i2i import cli


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run_dir", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)
    cli.import_tensorflow()
    from tf_i2i.training.checkpoints import PACKED
    from tf_i2i.training.checkpoints import pack_translator
    from tf_i2i.training.run import load_translator

    model, run = load_translator(args.run_dir)
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    pack_translator(model, output / PACKED)
    for name in ("config.gin", "metrics.jsonl"):
        shutil.copy(run.run_dir / name, output / name)
    size = (output / PACKED).stat().st_size
    print(f"{output}: {size / 1e6:.2f} MB of weights")


if __name__ == "__main__":
    cli.run(main)
