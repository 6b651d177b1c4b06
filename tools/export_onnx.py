"""Exports a trained run as ONNX with uint8 images (needs the extra `onnx`).

python tools/export_onnx.py --run_dir=runs/mine --output=face.onnx
python tools/export_onnx.py --run_dir=runs/mine --output=b.onnx --size=64
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import export

if __name__ == "__main__":
    cli.run(functools.partial(export.main, formats=("onnx",)))
