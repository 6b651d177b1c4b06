"""Detects the faces in photos, aligns them and crops them to one size.

python tools/prepare_faces.py --input=raw/ --output=photos/
python tools/prepare_faces.py --input=pets/ --output=cats/ --kind=cats
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import prepare_faces

if __name__ == "__main__":
    cli.run(prepare_faces.main)
