"""The programs that compute translations: TensorFlow, and LiteRT in int8.

LiteRT multiplies in int8 (the precision `dynamic` of the exported files), which
is faster than TensorFlow's float32 and less exact. Therefore both engines
translate the first images of each size. If the results differ too much,
`LiteRT` raises an error, and `Auto` goes on with TensorFlow. No engine uses
LiteRT in float32, because with batches of eight images it is not faster than
TensorFlow's graph with constant weights.
"""

import os

import numpy as np

from tf_i2i import messages
from tf_i2i import tiles
from tf_i2i.errors import UserError
from tf_i2i.exporting import litert
from tf_i2i.exporting.formats import TFLITE
from tf_i2i.exporting.parity import parity
from tf_i2i.exporting.parity import violations
from tf_i2i.exporting.pictures import Translation
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import shortest

PRECISION = "dynamic"
# Largest number of images of each size on which the engines are compared.
COMPARED = 8


class LiteRT:
    """`Translation`, computed by LiteRT in int8.

    The network is converted once for each size of images, which takes seconds
    each time. TensorFlow translates images that are larger than a tile.

    Args:
        model, direction, tile: see `exporting.pictures.Translation`.
    """

    def __init__(self, model, direction, tile=tiles.SIDE):
        self._model = model
        self._direction = direction
        self._tensorflow = Translation(model, direction, tile)
        # The function that translates images of a size, `(height, width)`.
        self._programs = {}

    @property
    def seam(self):
        """See `exporting.pictures.Translation`."""
        return self._tensorflow.seam

    def __call__(self, images, styles):
        """Returns translations; see `exporting.pictures.Translation`.

        Raises:
            UserError: the translations of the first images of a size differ too
                much from TensorFlow's; or the network cannot be converted (see
                `litert.convert`).
        """
        size = images.shape[1:3]
        if tiles.is_large(size, self._tensorflow.tile):
            return self._tensorflow(images, styles)
        if size not in self._programs:
            self._programs[size] = self._checked(images, styles)
        return self._programs[size](images, self._style(styles, len(images)))

    def _style(self, styles, count):
        """Returns one style for each image; None for a model without styles."""
        shape = style_shape(self._model, self._direction)
        if not shape:
            return None
        if styles[0] is None:
            return np.zeros((count, *shape), np.float32)
        return np.repeat(styles, count // len(styles), 0)

    def _checked(self, images, styles):
        """Converts the network for images of one size, and compares it.

        Returns:
            Function of images and of the result of `_style`, which returns
            translations.

        Raises:
            UserError: the translations of the first `COMPARED` images differ
                too much from TensorFlow's; or see `litert.convert`.
        """
        program = litert.translator(
            litert.convert(
                self._model,
                self._direction,
                shortest(images.shape[1:3]),
                PRECISION,
            ),
            os.cpu_count(),
        )
        few = images[:COMPARED]
        if len(styles) > 1:
            styles = styles[:COMPARED]
        result = parity(
            lambda images: self._tensorflow(images, styles),
            lambda images: program(images, self._style(styles, len(images))),
            few,
        )
        if faults := violations(result, TFLITE.precisions[PRECISION].tolerance):
            raise UserError(
                "`--engine` must be tensorflow for this run, because its "
                "translations by LiteRT in int8 are not exact enough: over "
                f"{len(few)} images, in levels of 255, {', '.join(faults)}. "
                "Received: litert"
            )
        return program


class Auto(LiteRT):
    """`LiteRT` for image sizes at which it raises no error, else TensorFlow."""

    def _checked(self, images, styles):
        try:
            return super()._checked(images, styles)
        except UserError as error:
            height, width = images.shape[1:3]
            messages.info(
                f"TensorFlow translates images of {height} x {width} pixels, "
                f"because --engine=litert gave an error: {error}"
            )
        return lambda images, style: self._tensorflow(
            images, [None] if style is None else style
        )


ENGINES: dict[str, type[Translation] | type[LiteRT]] = {
    "tensorflow": Translation,
    "litert": LiteRT,
    "auto": Auto,
}
