"""Exports a trained run as a SavedModel for both directions.

python tools/export_saved_model.py --run_dir=runs/mine --output=export/
python tools/export_saved_model.py --run_dir=runs/mine --output=serving/1
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import export

if __name__ == "__main__":
    cli.run(functools.partial(export.main, formats=("saved_model",)))
