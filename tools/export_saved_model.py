"""Exports a trained run as a SavedModel, in both directions.

python tools/export_saved_model.py --run_dir=runs/mine --output=export/
python tools/export_saved_model.py --run_dir=runs/mine --output=serving/1
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import export

main = functools.partial(export.main, names=("saved_model",))

if __name__ == "__main__":
    cli.run(main)
