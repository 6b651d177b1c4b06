"""A translator that was exported: the teacher of a distillation."""

from pathlib import Path

from tf_i2i.errors import UserError


def exported(folder=None):
    """Loads a SavedModel that `python -m tf_i2i.export` wrote.

    Args:
        folder: of the SavedModel.

    Returns:
        Function `(images, direction)`: images `[N, S, S, 3]`, float in
        [-1, 1], to their translations. Where there is no such folder it
        raises a `UserError` when it is called: a student that has learned
        needs its teacher no more.
    """
    import tensorflow as tf

    if not folder or not (Path(folder) / "saved_model.pb").is_file():

        def missing(images, direction):
            raise UserError(
                "`exported.folder` must be a SavedModel that python -m "
                f"tf_i2i.export wrote. Received: {folder}"
            )

        return missing

    loaded = tf.saved_model.load(str(folder))

    def translate(images, direction):
        signature = loaded.signatures[f"{direction}_float"]
        return signature(images=tf.cast(images, tf.float32))["images"]

    return translate
