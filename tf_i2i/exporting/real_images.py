"""Real images of a run, for checking and calibrating its exports."""

import functools
from itertools import islice
from pathlib import Path

import numpy as np

from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import report_frames
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.exporting import litert
from tf_i2i.exporting import placement
from tf_i2i.exporting.parity import parity
from tf_i2i.exporting.pictures import photo_to_photo
from tf_i2i.exporting.styles import describe_styles
from tf_i2i.files import find_inputs
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import height_width

PARITY_IMAGES = 16
CALIBRATION_IMAGES = 100
STYLE_IMAGES = 10


class OwnImages:
    """The images that a run was trained and tested on.

    Args:
        run: `runs.TrainedRun`.
    """

    def __init__(self, run):
        self._run = run

    def images(self, domain, split, count):
        """Returns images; see `runs.TrainedRun.images`.

        Raises:
            UserError: the images are not on this machine.
        """
        try:
            return self._run.images(domain, split, count)
        except UserError as error:
            raise UserError(
                "`--images` must name a folder of images, because the run's "
                f"own images cannot be read. Received: no --images ({error})"
            ) from error


class GivenImages:
    """Images of a folder, which are used instead of a run's own images.

    Args:
        folder: value of `--images`: a folder, or another value that
            `files.find_inputs` takes. If the folder has the subfolders `a` and
            `b`, these have the images of the two domains. Otherwise, its
            images are used for both domains.
        size: size to which the images are cropped and scaled.
    """

    def __init__(self, folder, size):
        self._folder, self._size = Path(folder), size

    def images(self, domain, split, count):
        """Returns at most `count` images, uint8 `[N, height, width, 3]`.

        Args:
            domain: "a" or "b".
            split: ignored.
            count: largest number of images.
        """
        own = self._folder / domain
        folder = own if own.is_dir() else self._folder
        found = find_inputs([str(folder)], output=None)
        paths = list(islice(found, count))
        report_frames(paths)
        return np.stack([read_fitted(path, self._size) for path in paths])


class RealImages:
    """Real images of a run and, for directions with styles, their styles.

    Args:
        model: the `UnpairedTranslator` of the run.
        run: `OwnImages` or `GivenImages`.
        size: size of the images; None for the model's own size.
    """

    def __init__(self, model, run, size=None):
        self._model, self._run = model, run
        self._size = model.size if size is None else size

    def _images(self, domain, split, count):
        """Returns at most `count` images, uint8 `[N, height, width, 3]`."""
        images = self._run.images(domain, split, count)
        shape = height_width(self._size)
        if images.shape[1:3] == shape:
            return images
        import tensorflow as tf

        scaled = tf.image.resize(images, shape, "bicubic")
        return np.uint8(np.clip(np.rint(scaled), 0, 255))

    def _styles(self, direction, split, count):
        """Returns the styles of images of the target domain.

        Returns:
            float32 `[count, *style_shape]`. Styles are repeated if there are
            fewer than `count` images. If the model cannot compute the styles of
            images, styles are sampled. None for a direction without styles.
        """
        if not style_shape(self._model, direction):
            return None
        if not encodes_styles(self._model, direction):
            return np.asarray(self._model.sample_style(count, 0))
        references = self._run.images(ends(direction)[1], split, count)
        style = self._model.encode_style(to_float(references), direction)
        return np.resize(style, (count, *style.shape[1:]))

    def resized(self, size):
        """Returns the same images in another size, as `RealImages`."""
        return RealImages(self._model, self._run, size)

    def parity(self, direction, function, count=PARITY_IMAGES):
        """Returns the result of `parity` of the model and an export.

        The images are test images of the source domain. Their styles, if the
        direction has any, are those of test images of the target domain.
        `GivenImages` has no splits. Then the first images of the folder are
        used.

        Args:
            direction: "a_to_b" or "b_to_a".
            function: exported function `(images, style=None)`.
            count: largest number of images.
        """
        reference = photo_to_photo(self._model, direction)
        images = self._images(ends(direction)[0], "test", count)
        style = self._styles(direction, "test", len(images))
        if style is not None:
            reference = functools.partial(reference, style=style)
            function = functools.partial(function, style=style)
        return parity(reference, function, images)

    def calibration(self, direction):
        """Returns training images as calibration examples for `export_tflite`.

        `GivenImages` has no splits. Then the first images of the folder are
        used.

        Args:
            direction: "a_to_b" or "b_to_a".
        """
        images = self._images(ends(direction)[0], "train", CALIBRATION_IMAGES)
        style = self._styles(direction, "train", len(images))
        return litert.examples(images, style)

    def style_sidecars(self, directions):
        """Returns the texts of files that describe styles.

        Args:
            directions: "a_to_b" or "b_to_a" or both.

        Returns:
            Dictionary with the key "style.json" if there is one direction.
            If there are two, the key begins with the direction, as in
            "a_to_b.style.json". Directions without styles are left out.
        """
        texts = {}
        for direction in directions:
            if not style_shape(self._model, direction):
                continue
            images = self._run.images(ends(direction)[1], "train", STYLE_IMAGES)
            name = f"{direction}." if len(directions) > 1 else ""
            text = describe_styles(self._model, direction, images)
            texts[f"{name}{placement.STYLE}"] = text
        return texts
