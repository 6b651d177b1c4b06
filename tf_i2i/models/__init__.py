"""Trained translators that come with the package.

`python -m tf_i2i.models` lists them. Each translator is a folder that
the commands accept like a run: `--model=twingan-toy`. This module does not
import TensorFlow.
"""

from pathlib import Path

from tf_i2i.errors import UserError

_FOLDER = Path(__file__).parent


def shipped_models():
    """Returns a dictionary from the names of the models to their folders.

    The model in the folder `twingan_toy` is named "twingan-toy".
    """
    found = sorted(_FOLDER.glob("*/config.gin"))
    return {path.parent.name.replace("_", "-"): path.parent for path in found}


def find_model(name):
    """Returns the folder of a shipped model.

    Raises:
        UserError: there is no model of that name; the message lists all.
    """
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    raise UserError(
        f"`--model` must be one of {', '.join(shipped)}, or hf:OWNER/NAME. "
        f"Received: {name}"
    )


def name_of(folder):
    """Returns the name of the shipped model in a folder, or None."""
    for name, path in shipped_models().items():
        if path.resolve() == Path(folder).resolve():
            return name
    return None


def licence(folder):
    """Returns the text of the licence of a run's weights, or None.

    Args:
        folder: folder of the run. The result is the text of the file LICENSE in
            this folder or, for a shipped model, the licence of all shipped
            models.
    """
    own = Path(folder) / "LICENSE"
    path = _FOLDER / "LICENSE" if name_of(folder) else own
    return path.read_text("utf-8", "replace") if path.is_file() else None


def title(folder):
    """Returns the first line of a model's card, which says what it is."""
    text = (folder / "README.md").read_text("utf-8")
    return text.partition("\n")[0].lstrip("# ")
