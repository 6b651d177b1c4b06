"""Exports a trained run to a .tflite file that takes and returns uint8 images.

python tools/export_tflite.py --run_dir=runs/mine --output=face.tflite
python tools/export_tflite.py --run_dir=runs/mine --output=b.tflite \
    --direction=b_to_a --precision=int8
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import export

main = functools.partial(export.main, names=("tflite",))

if __name__ == "__main__":
    cli.run(main)
