"""Bytes in, bytes out: what every exported file computes."""

from tf_i2i.errors import UserError
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import style_shape


def photo_to_photo(model, direction):
    """A model's translation from bytes to bytes.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, style=None)` of uint8 `[N, height, width, 3]`,
        sides multiples of `size_multiple`, to uint8 of the same shape.
    """

    def translate(images, style=None):
        return to_uint8(model.translate(to_float(images), direction, style))

    return translate


def compile_translation(model, direction):
    """`photo_to_photo` as one graph for all image sizes.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, styles)` of uint8 `[N, height, width, 3]` and of a
        list: [None] for no style, one style for all images, or N styles. It
        returns a uint8 tensor of the shape of `images`.
    """
    import tensorflow as tf

    translate = photo_to_photo(model, direction)

    @tf.function(autograph=False, reduce_retracing=True)
    def call(images, styles):
        if styles is None:
            return translate(images)
        times = tf.shape(images)[0] // tf.shape(styles)[0]
        return translate(images, tf.repeat(styles, times, 0))

    def translated(images, styles):
        styles = None if styles[0] is None else tf.constant(styles)
        return call(tf.constant(images), styles)

    return translated


def specs(dtype, shape, style_shape):
    """`TensorSpec`s of `images`, and of `style` where there is one.

    Args:
        dtype: of the images.
        shape: of the images; None for what is left open.
        style_shape: of one image's style, or None.
    """
    import tensorflow as tf

    given = [tf.TensorSpec(shape, dtype, "images")]
    if style_shape:
        style = (shape[0], *style_shape)
        given.append(tf.TensorSpec(style, tf.float32, "style"))
    return given


def one_size(model, direction, size=None, batch=1):
    """`photo_to_photo` for pictures of one size, by `layers.portable`.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        size: side of the pictures in pixels; None for the model's.
        batch: pictures a call, or None for any number.

    Returns:
        `(function, specs)`: a `tf.function` and the list of its inputs'
        `TensorSpec`s.

    Raises:
        UserError: `size` is no multiple of `size_multiple`, or the model
            takes no other size than its own.
    """
    import tensorflow as tf

    from tf_i2i.layers import portable

    size = size or model.size
    _check_size(model, size)
    style = style_shape(model, direction)
    inputs = specs(tf.uint8, (batch, size, size, 3), style)
    translate = photo_to_photo(model, direction)

    @tf.function(input_signature=inputs, autograph=False)
    def function(images, style=None):
        with portable():
            return translate(images, style)

    return function, inputs


def _check_size(model, size):
    if model.fixed_size and size != model.size:
        raise UserError(
            f"`size` must be {model.size}: a {type(model).__name__} "
            f"translates pictures of its own size only. Received: size={size}"
        )
    if size < model.size_multiple or size % model.size_multiple:
        raise UserError(
            f"`size` must be a multiple of {model.size_multiple}. "
            f"Received: size={size}"
        )
