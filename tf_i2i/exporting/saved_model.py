"""Export to SavedModel, with a named signature for each use of a model."""

import functools

from tf_i2i.backend import tensorflow_writing
from tf_i2i.domains import DIRECTIONS
from tf_i2i.exporting.pictures import IMAGE
from tf_i2i.exporting.pictures import STYLE
from tf_i2i.exporting.pictures import TRANSLATE
from tf_i2i.exporting.pictures import photo_to_photo
from tf_i2i.exporting.pictures import specs
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape

# Name of encoded images. TensorFlow Serving takes tensors whose names end in
# "_bytes" for binary data.
_BYTES = "image_bytes"


def export_saved_model(model, path, direction="a_to_b"):
    """Writes a SavedModel that can be loaded with TensorFlow alone.

    Every model has the following signatures for each of its directions. The
    names below are those for `a_to_b`.

    - `a_to_b` takes `image`, uint8, and returns the translated `image`,
      uint8.
    - `a_to_b_float` does the same with float32 images in [-1, 1].
    - `a_to_b_bytes` takes `image_bytes`, JPEG, PNG, GIF or BMP files as strings
      `[N]`, crops their central squares, scales them to the model's own size,
      and returns the translations as PNG files, `image_bytes`, strings `[N]`.
      TensorFlow Serving's REST interface encodes inputs and outputs in Base64
      if their names end in `_bytes`. The orientation in EXIF data is ignored.

    Each `image` is a batch of the shape `[N, height, width, 3]`. Height and
    width must be multiples of `size_multiple`. For a model of fixed size they
    must be its `size`.

    If the direction has styles, all three signatures also take `style`, float32
    `[N, *style_shape]`, and there are two more:

    - `encode_style_a_to_b` takes a uint8 `image` of domain B and returns its
      `style`. This signature is missing if the model cannot compute the styles
      of images.
    - `sample_a_to_b` takes a uint8 `image` and an int32 `seed`, samples one
      style with that seed, and returns the `image` translated in that style.

    If both domains share an encoder, `encode_a` and `encode_b` take a uint8
    `image` of the model's own size and return `embedding`, float32 `[N, D]`.

    The signatures of the argument `direction` also have names without a
    direction. `translate` and `serving_default` are its uint8 translation,
    and `translate_bytes` is its translation of files. `encode_style` and
    `sample` are its signatures of styles.

    Args:
        model: `UnpairedTranslator`.
        path: folder to write.
        direction: "a_to_b" or "b_to_a"; the direction of the signatures that
            have no direction in their names.
    """
    import tensorflow as tf

    calls: dict = {}
    for way in model.directions:
        calls |= _translations(model, way)
        calls[f"{way}_bytes"] = _files(model, way, calls[way])
        if style_shape(model, way):
            calls |= _styles(model, way)
    for domain in "ab" if isinstance(model, Embedding) else "":
        calls[f"encode_{domain}"] = _signature(
            model,
            functools.partial(_embedding, model, domain),
            specs(tf.uint8, (None, *image_shape(model.size)), None),
            "embedding",
        )
    module = tf.Module()
    # Only the variables that the signatures use are saved. These do not
    # include critics, averages of the weights and optimizers.
    module.translators = list(
        {
            id(variable): variable
            for call in calls.values()
            for variable in call.graph.variables
        }.values()
    )
    default = {"serving_default": direction, TRANSLATE: direction}
    default[f"{TRANSLATE}_bytes"] = f"{direction}_bytes"
    default |= {
        name: f"{name}_{direction}"
        for name in ("encode_style", "sample")
        if f"{name}_{direction}" in calls
    }
    calls |= {name: calls[full] for name, full in default.items()}
    with tensorflow_writing(path):
        tf.saved_model.save(module, str(path), signatures=calls)


def _translations(model, way):
    import tensorflow as tf

    shape, style = _image_shape(model), style_shape(model, way)

    def floats(images, style=None):
        return model.translate(images, way, style)

    return {
        way: _signature(
            model, photo_to_photo(model, way), specs(tf.uint8, shape, style)
        ),
        f"{way}_float": _signature(
            model, floats, specs(tf.float32, shape, style)
        ),
    }


def _files(model, way, call):
    """Returns the signature that translates encoded images.

    Args:
        model: `UnpairedTranslator`.
        way: "a_to_b" or "b_to_a".
        call: the signature that translates uint8 images. The new signature
            calls it. This saves the time of tracing the model again.
    """
    import tensorflow as tf

    given = [tf.TensorSpec((None,), tf.string, _BYTES)]
    if style := style_shape(model, way):
        given.append(tf.TensorSpec((None, *style), tf.float32, STYLE))
    shape = image_shape(model.size)

    def translate(contents, style=None):
        images = tf.map_fn(
            lambda content: _central_part(content, model.size),
            contents,
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )
        rest = {} if style is None else {STYLE: style}
        made = call(**{IMAGE: images}, **rest)[IMAGE]
        files = tf.map_fn(tf.io.encode_png, made, fn_output_signature=tf.string)
        return {_BYTES: files}

    return tf.function(
        translate, input_signature=given, autograph=False
    ).get_concrete_function()


def _central_part(content, size):
    """Returns the largest central part of an encoded image, in a graph.

    Args:
        content: string tensor, the content of an image file.
        size: size of the result. The part has the aspect ratio of this size.

    Returns:
        uint8 `[height, width, 3]`.
    """
    import tensorflow as tf

    image = tf.io.decode_image(content, 3, expand_animations=False)
    shape = tf.shape(image)[:2]
    wanted = tf.constant(height_width(size), tf.float32)
    scale = tf.reduce_min(tf.cast(shape, tf.float32) / wanted)
    kept = tf.cast(tf.round(scale * wanted), tf.int32)
    height, width = tf.unstack(tf.clip_by_value(kept, 1, shape))
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    part = image[top : top + height, left : left + width]
    # The filter is the same as for images that are read from files.
    scaled = tf.image.resize(
        part, height_width(size), "bicubic", antialias=True
    )
    return tf.cast(tf.round(tf.clip_by_value(scaled, 0.0, 255.0)), tf.uint8)


def _image_shape(model):
    """Returns the shape of a batch of images; None for varying dimensions."""
    side = model.size if model.fixed_size else None
    return None, side, side, 3


def _styles(model, way):
    import tensorflow as tf

    images = specs(tf.uint8, _image_shape(model), None)

    def encode(images):
        return model.encode_style(to_float(images), way)

    def sample(images, seed):
        style = model.sample_style(1, seed)
        style = tf.repeat(style, tf.shape(images)[0], 0)
        return photo_to_photo(model, way)(images, style)

    made = {
        f"sample_{way}": _signature(
            model, sample, [*images, tf.TensorSpec((), tf.int32, "seed")]
        )
    }
    if encodes_styles(model, way):
        made[f"encode_style_{way}"] = _signature(model, encode, images, "style")
    return made


def _embedding(model, domain, images):
    return model.embed(to_float(images), domain)


def _signature(model, function, inputs, output=IMAGE):
    import tensorflow as tf

    def call(images, *more):
        rest = tf.shape(images)[1:3] % model.size_multiple
        aligned = tf.debugging.assert_equal(
            rest,
            tf.zeros_like(rest),
            f"Height and width must be multiples of {model.size_multiple}.",
        )
        with tf.control_dependencies([aligned]):
            return {output: function(tf.identity(images), *more)}

    traced = tf.function(call, input_signature=inputs, autograph=False)
    return traced.get_concrete_function()


def load_saved_model(path):
    """Returns the translations of a SavedModel.

    Args:
        path: folder of the SavedModel.

    Returns:
        Dictionary from each direction to its translation, a function
        `(images, style=None)` of uint8 images.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def translation(direction):
        # The function refers to `loaded`, so that the model stays in memory. A
        # signature has only a weak reference to its model.
        def translate(images, style=None):
            arguments = {IMAGE: tf.constant(images)}
            if style is not None:
                arguments[STYLE] = tf.constant(style)
            return loaded.signatures[direction](**arguments)[IMAGE]

        return translate

    known = (way for way in DIRECTIONS if way in loaded.signatures)
    return {direction: translation(direction) for direction in known}
