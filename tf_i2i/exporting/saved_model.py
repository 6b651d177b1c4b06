"""SavedModels: all that a model can be asked, as named signatures."""

import functools

from tf_i2i.domains import DIRECTIONS
from tf_i2i.exporting.pictures import photo_to_photo
from tf_i2i.exporting.pictures import specs
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import style_shape


def export_saved_model(model, path, direction="a_to_b"):
    """Writes a SavedModel that needs TensorFlow, and no tf_i2i, to load.

    Signatures `a_to_b` and `b_to_a` (uint8 [0, 255]), `a_to_b_float` and
    `b_to_a_float` ([-1, 1]) take `images`, `[N, height, width, 3]` with sides
    that are multiples of `size_multiple` (or are both `size` for a model of
    fixed size), and return `images`.
    `translate` and `serving_default` are the uint8 one of `direction`. Where
    both domains share an encoder, `encode_a` and `encode_b` return
    `embedding`, float32 `[N, D]`, of uint8 `images` of the model's own size.

    Where a direction has a style, its own take `style`, `[N, *style_shape]`,
    too, and there are, for `a_to_b` as an example, `encode_style_a_to_b`,
    which returns `style` of uint8 `images` in B, and `sample_a_to_b`, which
    takes uint8 `images` and `seed`, int32, and returns `images`, all in the
    style that the seed draws. `encode_style` and `sample` are those of
    `direction`.

    Args:
        model: `UnpairedTranslator`.
        path: folder to write.
        direction: of the names that state none.
    """
    import tensorflow as tf

    calls: dict = {}
    for way in model.directions:
        calls |= _translations(model, way)
        if style_shape(model, way):
            calls |= _styles(model, way)
    for domain in "ab" if isinstance(model, Embedding) else "":
        calls[f"encode_{domain}"] = _signature(
            model,
            functools.partial(_embedding, model, domain),
            specs(tf.uint8, (None, model.size, model.size, 3), None),
            "embedding",
        )
    module = tf.Module()
    # Only what is called goes along: no critics, averages or optimizers.
    module.translators = list(
        {
            id(variable): variable
            for call in calls.values()
            for variable in call.graph.variables
        }.values()
    )
    default = {"serving_default": direction, "translate": direction}
    default |= {
        name: f"{name}_{direction}"
        for name in ("encode_style", "sample")
        if f"{name}_{direction}" in calls
    }
    calls |= {name: calls[full] for name, full in default.items()}
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


def _image_shape(model):
    """Shape of a batch of images; None for what a caller may choose."""
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

    return {
        f"encode_style_{way}": _signature(model, encode, images, "style"),
        f"sample_{way}": _signature(
            model, sample, [*images, tf.TensorSpec((), tf.int32, "seed")]
        ),
    }


def _embedding(model, domain, images):
    return model.embed(to_float(images), domain)


def _signature(model, function, inputs, output="images"):
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
    """Functions `(images, style=None)` of a SavedModel, by direction."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def translation(direction):
        # The signature holds its model weakly.
        def translate(images, style=None):
            arguments = {"images": tf.constant(images)}
            if style is not None:
                arguments["style"] = tf.constant(style)
            return loaded.signatures[direction](**arguments)["images"]

        return translate

    known = (way for way in DIRECTIONS if way in loaded.signatures)
    return {direction: translation(direction) for direction in known}
