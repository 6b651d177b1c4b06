"""Networks in .keras files."""

from pathlib import Path

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import LEVELS
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.keras_applications import layer_outputs
from tf_i2i.paths import user_path


def keras_file(path, taps=None):
    """Loads a saved Keras model.

    Args:
        path: path of a `.keras` file. The model must take square RGB images
            in [0, 255], `[N, H, W, 3]`. If H and W are fixed, images are
            resized to them.
        taps: names of the layers whose outputs are the feature maps; None for
            all outputs of the model with two or four dimensions.

    Returns:
        A `Features` with these feature maps; its embedding is made of all of
        them. If the model takes images of another range, see `load_features`.

    Raises:
        UserError: the file is missing or damaged, the model does not map
            images to features, or it has no layer of that name.
    """
    import keras

    path = Path(user_path(path, "kerasfile:"))
    try:
        consent.check_file(f"kerasfile:{path}", path)
        model = keras.models.load_model(path, compile=False)
    except UserError:
        raise
    except (ValueError, OSError, TypeError) as error:
        raise UserError(
            "`kerasfile:` must be followed by the path of an undamaged .keras "
            f"file. Received: {path} ({str(error).partition(chr(10))[0][:200]})"
        ) from error
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[1] != shape[2]:
        raise UserError(
            f"`{path}` must take square images [N, H, W, 3] as its only "
            f"input. Received: {shape}"
        )
    outputs = {
        name.rpartition("/")[2]: output
        for name, output in zip(model.output_names, model.outputs, strict=True)
        if len(output.shape) in (2, 4)
    }
    if not outputs:
        raise UserError(
            f"`{path}` must return features [N, h, w, C] or [N, C]. Received: "
            f"{[list(output.shape) for output in model.outputs]}"
        )
    if taps:
        outputs = layer_outputs(model, taps)
    inner = keras.Model(model.inputs, outputs)
    taps = tuple(outputs)

    def forward(images):
        import tensorflow as tf

        found = inner([(images + 1) * 127.5], training=False)
        return {n: tf.cast(tap, tf.float32) for n, tap in found.items()}

    return Features(
        name=f"kerasfile:{path.name}",
        forward=forward,
        tap_names=taps,
        weights_sha256=weights_hash(f"kerasfile:{path}", model.get_weights()),
        embedding=taps,
        input_size=shape[1],
        value_range=LEVELS,
    )
