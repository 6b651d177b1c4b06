"""Networks that are stored as a SavedModel."""

import hashlib
from pathlib import Path

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import LEVELS
from tf_i2i.features.base import Features
from tf_i2i.paths import user_path

DEFAULT_SIGNATURE = "serving_default"


def saved_model(path, signature=DEFAULT_SIGNATURE):
    """Loads a network from a SavedModel.

    Args:
        path: folder of the SavedModel.
        signature: name of the signature that is called. The signature must take
            one tensor of square RGB images in [0, 255], `[N, H, W, 3]`, float
            or uint8. If H and W are fixed, images are resized to them. There
            are no gradients through a signature that takes uint8. If the
            signature takes floats of another range, see `load_features`.

    Returns:
        A `Features` whose feature maps are all outputs of two or four
        dimensions. The embedding is the output named `embedding`, or all
        outputs if no output has this name.

    Raises:
        UserError: the folder is no SavedModel, it has no such signature, or
            the signature does not map square images to features.
    """
    import tensorflow as tf

    path = Path(user_path(path, "savedmodel:"))
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            f"`savedmodel:` must be followed by a SavedModel's folder. "
            f"Received: {path}"
        )
    consent.check_file(f"savedmodel:{path}", path)
    model = tf.saved_model.load(str(path))
    if signature not in model.signatures:
        raise UserError(
            f"`{path}` must have the requested signature; it has "
            f"{sorted(model.signatures)}. Received: {signature!r}"
        )
    function = model.signatures[signature]
    argument, spec = _only_input(path, function)
    outputs = function.structured_outputs
    taps = tuple(
        sorted(n for n, o in outputs.items() if len(o.shape) in (2, 4))
    )
    if not taps:
        raise UserError(
            f"`{path}` must give features [N, h, w, C] or [N, C]. Received: "
            f"{ {name: list(o.shape) for name, o in outputs.items()} }"
        )

    def forward(images):
        levels = (images + 1) * 127.5
        if spec.dtype == tf.uint8:
            levels = tf.round(levels)
        given = {argument: tf.cast(levels, spec.dtype)}
        # The inner function refers to `model` and not to `function`, because
        # the variables stay in memory only as long as something refers to
        # `model`.
        results = model.signatures[signature](**given)
        return {name: tf.cast(results[name], tf.float32) for name in taps}

    return Features(
        name=f"savedmodel:{path.resolve().name}",
        forward=forward,
        tap_names=taps,
        weights_sha256=_hash(path),
        embedding=("embedding",) if "embedding" in taps else taps,
        input_size=spec.shape[1],
        value_range=None if spec.dtype == tf.uint8 else LEVELS,
    )


def _only_input(path, function):
    inputs = function.structured_input_signature[1]
    (argument, spec), *others = inputs.items()
    if others or len(spec.shape) != 4 or spec.shape[1] != spec.shape[2]:
        raise UserError(
            f"`{path}` must take one batch of square images [N, H, W, 3]. "
            f"Received: { {n: list(s.shape) for n, s in inputs.items()} }"
        )
    return argument, spec


def _hash(path):
    """Returns the SHA-256 of the graph and the variables.

    The file `fingerprint.pb` is left out, because it differs between two
    SavedModels of the same network.
    """
    digest = hashlib.sha256()
    files = [path / "saved_model.pb", *sorted(path.glob("variables/*"))]
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
