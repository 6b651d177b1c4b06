"""Translation of pictures by an exported .tflite file."""

import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from PIL import ImageOps


class Translator:
    """Translates pictures by a .tflite file with the signature `translate`.

    If the model takes styles, the file of styles that `export` wrote beside it
    must be there, too.

    Args:
        path: `Path` of the .tflite file.
    """

    def __init__(self, path):
        # A runner is valid only as long as its interpreter.
        self._interpreter = Interpreter(str(path))
        self._runner = self._interpreter.get_signature_runner("translate")
        inputs = self._runner.get_input_details()
        _, height, width, _ = inputs["image"]["shape"]
        self._size = int(width), int(height)
        self._styles = []
        if "style" in inputs:
            described = json.loads(Path(f"{path}.style.json").read_text())
            self._styles = described["samples"]

    @property
    def styles(self):
        """Number of styles to choose from; 0 if the model takes none."""
        return len(self._styles)

    def __call__(self, picture, style=0):
        """Returns the translation of a picture.

        Args:
            picture: `PIL.Image.Image`. The largest square in its middle is
                scaled to the size of the model.
            style: number of the style, from 0; without effect if the model
                takes none.

        Returns:
            uint8 `[height, width, 3]`.
        """
        fitted = ImageOps.fit(
            ImageOps.exif_transpose(picture).convert("RGB"),
            self._size,
            Image.Resampling.BICUBIC,
        )
        inputs = {"image": np.asarray(fitted)[None]}
        if self._styles:
            inputs["style"] = np.asarray([self._styles[int(style)]], np.float32)
        return self._runner(**inputs)["image"][0]
