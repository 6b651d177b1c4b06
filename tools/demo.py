"""Serves a page that runs an exported .tflite in the browser.

python tools/demo.py --model=face.tflite
python tools/demo.py --model=face.tflite --model=back.tflite --port=8000
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tf_i2i import cli
from tf_i2i import demo

if __name__ == "__main__":
    cli.run(demo.main)
