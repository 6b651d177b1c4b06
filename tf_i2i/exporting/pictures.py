"""Translation from uint8 images to uint8 images, as exported files do it."""

import numpy as np

from tf_i2i import tiles
from tf_i2i.errors import UserError
from tf_i2i.images import check_finite
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import size_text

# Names of the inputs of all exported files, in this order. In SavedModels and
# TFLite files, the output of a translation is named `IMAGE`, too.
IMAGE, STYLE = "image", "style"
# Name of the signature of a file that translates in one direction.
TRANSLATE = "translate"


def photo_to_photo(model, direction):
    """Returns a model's translation as a function of uint8 images.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, style=None)`. `images` are uint8
        `[N, height, width, 3]`, of a size that the model takes. The function
        returns uint8 images of the same shape. Outside of graphs, it raises a
        `UserError` if a translation is not finite.
    """
    import tensorflow as tf

    def translate(images, style=None):
        made = model.translate(to_float(images), direction, style)
        if tf.executing_eagerly():
            check_finite(made)
        return to_uint8(made)

    return translate


def unit_to_unit(model, direction):
    """Returns a model's translation as a function of images in [0, 1].

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, style=None)`. `images` are float32
        `[N, height, width, 3]` in [0, 1], of a size that the model takes. The
        function returns float32 images in [0, 1] of the same shape.
    """
    import tensorflow as tf

    def translate(images, style=None):
        made = model.translate(2.0 * images - 1.0, direction, style)
        return tf.clip_by_value(0.5 * made + 0.5, 0.0, 1.0)

    return translate


def level_to_level(model, direction):
    """Returns a model's translation as a function of images in [0, 255].

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, style=None)`. `images` are float32
        `[N, height, width, 3]` in [0, 255], of a size that the model takes.
        The function returns float32 images `[N, 3, height, width]`, whose
        values are whole numbers in [0, 255].
    """
    import tensorflow as tf

    def translate(images, style=None):
        made = model.translate(images / 127.5 - 1.0, direction, style)
        made = tf.round(tf.clip_by_value(127.5 * made + 127.5, 0.0, 255.0))
        return tf.transpose(made, [0, 3, 1, 2], name="translation")

    return translate


class Translation:
    """`photo_to_photo` as a compiled graph, for images of any size.

    The graph contains the weights that the model has when the object is made;
    see `methods.frozen`.

    A call translates at most `tile` x `tile` pixels at once, so that the memory
    does not grow with the images. Larger images are translated in tiles; see
    `tf_i2i.tiles`. All tiles of an image are normalized by the means of the
    whole image, which are computed from the image in reduced size; see
    `layers.image_means`.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        tile: side of the largest tile, in pixels.

    Attributes:
        seam: the largest difference of neighbouring tiles so far, in levels of
            255; see `tiles.translate_in_tiles`.

    Raises:
        UserError: `tile` is too small.
    """

    def __init__(self, model, direction, tile=tiles.SIDE):
        from tf_i2i.layers import given_means
        from tf_i2i.layers import recorded_means
        from tf_i2i.methods.frozen import frozen

        tiles.check_side(tile)
        self.tile = tile
        # Images of a fixed size are never cut into tiles.
        self.multiple = 1 if model.fixed_size else model.size_multiple
        self.seam = 0.0

        def translate(images, style):
            return model.translate(to_float(images), direction, style)

        def measure(image, style):
            with recorded_means() as means:
                translate(image, style)
            return means

        def translate_tile(image, style, means):
            with given_means(means):
                return translate(image, style)

        compiled = frozen(model)
        self._translate = compiled(translate)
        self._measure = compiled(measure)
        self._translate_tile = compiled(translate_tile)

    def __call__(self, images, styles):
        """Returns translations, a uint8 array of the shape of `images`.

        Args:
            images: uint8 `[N, height, width, 3]`, of a size that the model
                takes.
            styles: [None] for no style, or an array that contains one style
                for all images or N styles, one for each image.

        Raises:
            UserError: a translation is not finite.
        """
        import tensorflow as tf

        count = len(images)
        _, height, width, _ = images.shape
        large = tiles.is_large((height, width), self.tile)
        call = self._in_tiles if large else self._at_once
        most = max(1, self.tile**2 // (height * width))
        given = None
        if styles[0] is not None:
            given = np.repeat(styles, count // len(styles), 0)
        made = []
        for i in range(0, count, most):
            part = slice(i, i + most)
            style = None if given is None else tf.constant(given[part])
            made.append(call(images[part], style))
        return np.concatenate(made)

    def _at_once(self, images, style):
        return _finished(self._translate(images, style))

    def _in_tiles(self, images, style):
        """Returns the translation of a batch of one large image."""
        small = tiles.shrunken(images[0], self.tile, self.multiple)
        means = self._measure(small[None], style)

        def translate_fn(tile):
            return _finished(self._translate_tile(tile[None], style, means))[0]

        picture, seam = tiles.translate_in_tiles(
            images[0], translate_fn, self.tile, self.multiple
        )
        self.seam = max(self.seam, seam)
        return picture[None]


def _finished(images):
    """Returns translations, a float tensor, as a uint8 array."""
    check_finite(images)
    return to_uint8(images.numpy())


def specs(dtype, shape, style_shape):
    """Returns the `TensorSpec`s of `image` and, if there are styles, `style`.

    Args:
        dtype: data type of the images.
        shape: shape of a batch of images; None for each dimension that may
            vary.
        style_shape: shape of the style of one image; None for no styles.
    """
    import tensorflow as tf

    given = [tf.TensorSpec(shape, dtype, IMAGE)]
    if style_shape:
        style = (shape[0], *style_shape)
        given.append(tf.TensorSpec(style, tf.float32, STYLE))
    return given


def one_size(model, direction, size=None, batch=1, made_by=photo_to_photo):
    """Returns a translation of images of one size, to be exported.

    The function is traced under `layers.portable`, so that it contains only
    operations that other runtimes support.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        size: size of the images; see `tf_i2i.sizes`. None for the model's own
            size.
        batch: number of images per call; None if it may vary.
        made_by: `photo_to_photo`, `unit_to_unit` or `level_to_level`, the
            function that returns the translation.

    Returns:
        `(function, specs)`: a `tf.function`, and the list of the
        `TensorSpec`s of its inputs.

    Raises:
        UserError: `size` is not a multiple of `size_multiple`, or the model has
            a fixed size and `size` differs from it.
    """
    import tensorflow as tf

    from tf_i2i.layers import portable

    size = model.size if size is None else size
    _check_size(model, size)
    style = style_shape(model, direction)
    dtype = tf.uint8 if made_by is photo_to_photo else tf.float32
    inputs = specs(dtype, (batch, *image_shape(size)), style)
    translate = made_by(model, direction)

    @tf.function(input_signature=inputs, autograph=False)
    def function(images, style=None):
        with portable():
            return translate(images, style)

    return function, inputs


def freeze(function):
    """Returns the only trace of a `tf.function`, with constant weights.

    Args:
        function: `tf.function` with an input signature.
    """
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(
        function.get_concrete_function()
    )


def _check_size(model, size):
    if model.fixed_size and size != model.size:
        raise UserError(
            f"`size` must be {model.size}: a {type(model).__name__} "
            f"translates images of its own size only. Received: size={size}"
        )
    multiple = model.size_multiple
    if any(side < multiple or side % multiple for side in height_width(size)):
        raise UserError(
            f"`size` must be a multiple of {multiple}. "
            f"Received: size={size_text(size)}"
        )
