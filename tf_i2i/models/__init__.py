"""Trained translators that come with the package; no TensorFlow.

`python -m tf_i2i.models` lists them. Each is a folder that the verbs take as
a run: `--model=twingan-toy`.
"""

from pathlib import Path

from tf_i2i.errors import UserError

_FOLDER = Path(__file__).parent


def shipped_models():
    """Names of the shipped models -> folders, e.g. "twingan-toy"."""
    found = sorted(_FOLDER.glob("*/config.gin"))
    return {f"{path.parent.name}-toy": path.parent for path in found}


def find_model(name):
    """The folder of a shipped model.

    Raises:
        UserError: there is none of that name; lists those that there are.
    """
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    raise UserError(
        f"`--model` must be one of {', '.join(shipped)}. Received: {name}"
    )


def name_of(folder):
    """The name of a shipped model by its folder; None for any other."""
    for name, path in shipped_models().items():
        if path.resolve() == Path(folder).resolve():
            return name
    return None


def title(folder):
    """The first line of a model's card: what it is."""
    return (folder / "README.md").read_text().partition("\n")[0].lstrip("# ")
