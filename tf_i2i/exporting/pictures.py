"""Translation from uint8 images to uint8 images, as exported files do it."""

from tf_i2i.errors import UserError
from tf_i2i.images import check_finite
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import size_text

# Names of the inputs of all exported files, in this order. The output of a
# translation is named `IMAGE`, too.
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


def compile_translation(model, direction):
    """Returns `photo_to_photo` as one compiled graph for images of any size.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".

    Returns:
        Function `(images, styles)`. `images` are uint8
        `[N, height, width, 3]`. `styles` is [None] for no style, or an array
        that contains one style for all images or N styles, one for each image.
        The function returns a uint8 tensor of the shape of `images`. It raises
        a `UserError` if a translation is not finite.
    """
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def call(images, styles):
        if styles is not None:
            times = tf.shape(images)[0] // tf.shape(styles)[0]
            styles = tf.repeat(styles, times, 0)
        return model.translate(to_float(images), direction, styles)

    def translate_images(images, styles):
        styles = None if styles[0] is None else tf.constant(styles)
        made = call(tf.constant(images), styles)
        check_finite(made)
        return to_uint8(made)

    return translate_images


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


def one_size(model, direction, size=None, batch=1, float_io=False):
    """Returns `photo_to_photo` for images of one size, to be exported.

    The function is traced under `layers.portable`, so that it contains only
    operations that other runtimes support.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        size: size of the images; see `tf_i2i.sizes`. None for the model's own
            size.
        batch: number of images per call; None if it may vary.
        float_io: whether to return `unit_to_unit` instead.

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
    dtype = tf.float32 if float_io else tf.uint8
    inputs = specs(dtype, (batch, *image_shape(size)), style)
    made_by = unit_to_unit if float_io else photo_to_photo
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
