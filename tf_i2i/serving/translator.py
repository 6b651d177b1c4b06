"""Translation of single images in batches, for the server."""

from typing import NamedTuple

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.exporting.pictures import Translation
from tf_i2i.geometry import Filters
from tf_i2i.geometry import InputSize
from tf_i2i.geometry import Prepared
from tf_i2i.geometry import prepare
from tf_i2i.geometry import restored
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import image_shape

SIZES = ("model", "input")


class Options(NamedTuple):
    """The settings of a request.

    Attributes:
        direction: "a_to_b" or "b_to_a".
        size: one of `SIZES`, with the same meaning as in `translate --size`.
        seed: seed of a random style; None for no style.
    """

    direction: str
    size: str = "model"
    seed: int | None = None


class Item(NamedTuple):
    """One image that waits for its translation.

    Attributes:
        prepared: the image in a size that the model takes.
        style: style of the translation, or None.
    """

    prepared: Prepared
    style: np.ndarray | None


class Translator:
    """The translations of a run, for images of any size.

    Args:
        model: `UnpairedTranslator`.
        label_maps: names of the domains whose images are label maps.
    """

    def __init__(self, model, label_maps=()):
        self._model = model
        self._size = InputSize.of(model)
        self.directions = tuple(model.directions)
        self._filters = {
            way: Filters.of(label_maps, way) for way in self.directions
        }
        self._translate_fns = {
            way: Translation(model, way) for way in self.directions
        }

    @property
    def styled_directions(self):
        """The directions that take a style."""
        model = self._model
        return tuple(w for w in self.directions if style_shape(model, w))

    def prepare(self, image, options):
        """Returns `(key, item)` of an image for `Batcher.submit`.

        Args:
            image: uint8 `[height, width, 3]`.
            options: `Options`.

        Raises:
            UserError: a seed was given for a direction without styles.
        """
        way = options.direction
        style = None
        if options.seed is not None:
            if way not in self.styled_directions:
                raise UserError(
                    "`seed` must be left out, because the direction has no "
                    f"styles. Received: seed={options.seed}"
                )
            style = np.asarray(self._model.sample_style(1, options.seed))[0]
        prepared = prepare(
            image,
            self._size,
            options.size == "input",
            self._filters[way].source,
        )
        key = (way, prepared.pixels.shape, style is not None)
        return key, Item(prepared, style)

    def translate(self, key, items):
        """Returns the translations of items with one key.

        Args:
            key: result of `prepare`.
            items: list of `Item`.

        Returns:
            List of uint8 `[height, width, 3]`. `finish` scales these images to
            their final sizes.
        """
        way, _, styled = key
        images = np.stack([item.prepared.pixels for item in items])
        styles = np.stack([item.style for item in items]) if styled else [None]
        return list(np.asarray(self._translate_fns[way](images, styles)))

    def finish(self, translated, item, options):
        """Returns a translation, scaled to the size that the options select.

        Args:
            translated: element of the result of `translate`.
            item: the `Item` that was translated.
            options: `Options` of the request.
        """
        filters = self._filters[options.direction]
        return restored(translated, item.prepared, filters.target)

    def warm_up(self):
        """Traces the graphs, so that no request has to wait for tracing."""
        grey = np.full(image_shape(self._model.size), 128, np.uint8)
        for way in self.directions:
            key, item = self.prepare(grey, Options(way))
            for count in (1, 2):
                self.translate(key, [item] * count)
