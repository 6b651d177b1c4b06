"""An exported translator, the teacher of a distillation."""

from pathlib import Path

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.reference import resolvable
from tf_i2i.paths import user_path
from tf_i2i.values import checked


@resolvable
@checked
def exported(folder: str | None = None):
    """Loads a SavedModel that `python -m tf_i2i.export` wrote.

    Args:
        folder: folder of the SavedModel.

    Returns:
        Function of images `[N, S, S, 3]`, float in [-1, 1], and a direction,
        "a_to_b" or "b_to_a", that returns their translations. If the folder is
        missing, or the user did not agree to load it, a `UserError` is raised
        only when the function is called, so that a trained student can be
        loaded without its teacher.
    """
    import tensorflow as tf

    folder = folder and user_path(folder, "exported.folder")
    if not folder or not (Path(folder) / "saved_model.pb").is_file():
        return _raises(
            UserError(
                "`exported.folder` must be a SavedModel that python -m "
                f"tf_i2i.export wrote. Received: {folder}"
            )
        )
    try:
        consent.check_file(f"exported.folder = {folder!r}", folder)
    except UserError as error:
        return _raises(error)
    loaded = tf.saved_model.load(str(folder))

    def translate(images, direction):
        signature = loaded.signatures[f"{direction}_float"]
        return signature(image=tf.cast(images, tf.float32))["image"]

    return translate


def tiny_translator():
    """Returns a translator that returns the negatives of images, for tests."""
    import tensorflow as tf

    return lambda images, direction: -tf.cast(images, tf.float32)


def _raises(error):
    """Returns a translator that raises an error when it is called."""

    def translate(images, direction):
        raise error

    return translate
