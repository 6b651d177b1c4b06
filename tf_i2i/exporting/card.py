"""Facts that exported files contain, and the model cards beside them."""

import re
from pathlib import Path

import tf_i2i
from tf_i2i.sizes import height_width


def facts(model, directions, names, run_dir, float_io=False):
    """Returns the facts that are written into an exported file.

    The name of the model is the title of the README.md in the run's folder. The
    author and the licence are the first paragraphs of its sections `## Author`
    and `## Licence`. Facts that are missing there are left out.

    Args:
        model: `UnpairedTranslator`.
        directions: the exported directions, "a_to_b" or "b_to_a" or both.
        names: the directions with the run's own names of its domains, such as
            "selfie_to_anime".
        run_dir: folder of the run.
        float_io: whether the images are float32 in [0, 1] instead of uint8.

    Returns:
        Dictionary from the name of each fact to its text.
    """
    values = "float32 RGB in [0, 1]" if float_io else "uint8 RGB in [0, 255]"
    readme = _readme(run_dir)
    # The number is 0 for a packed model whose weights come from elsewhere.
    shown = int(model.images_shown)
    own = {
        "name": _first(r"# (.+)", readme),
        "version": f"after {shown} training images" if shown else "",
        "author": _first(r"## Author\n+((?:.+\n?)+)", readme),
        "licence": _first(r"## Licence\n+((?:.+\n?)+)", readme),
        # If the domains have no names of their own, the fact `direction` is
        # sufficient.
        "domains": ", ".join(names) if [*names] != [*directions] else "",
    }
    return {key: text for key, text in own.items() if text} | {
        "method": type(model).__name__,
        "direction": ", ".join(directions),
        "image": f"{values}; the file includes the normalization",
        "own_size": _pixels(model.size),
        "written_by": f"tf_i2i {tf_i2i.__version__}",
    }


def sizes(model, size, resized):
    """Returns the text that says which sizes of images an export takes.

    Args:
        model: `UnpairedTranslator`.
        size: size of the images that the export was made for; None if the
            export takes all sizes that the model takes.
        resized: another size at which the export was found to work, or None.
    """
    multiples = f"multiples of {model.size_multiple} pixels"
    if model.fixed_size:
        return f"{_pixels(model.size)} only"
    if size is None:
        return multiples
    if resized is None:
        return f"{_pixels(size)} only"
    return (
        f"{_pixels(size)}; can be resized to other {multiples} (tested: "
        f"{_pixels(resized)})"
    )


def _pixels(size):
    return "{} x {} pixels".format(*height_width(size))


def card(texts, run_dir):
    """Returns the text of the MODEL_CARD.md of an export.

    The text contains a table of the facts and, below it, the README.md of the
    run's folder, if there is one.

    Args:
        texts: result of `facts`.
        run_dir: folder of the run.
    """
    rows = [f"| {name} | {text} |" for name, text in texts.items()]
    table = "\n".join(["# Exported model", "", "| | |", "| --- | --- |", *rows])
    readme = _readme(run_dir)
    return f"{table}\n\n{readme}" if readme else f"{table}\n"


def _readme(run_dir):
    """Returns the README.md of a run's folder, or "" if there is none."""
    path = Path(run_dir) / "README.md"
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def _first(pattern, readme):
    """Returns the group of the first match at the start of a line, or ""."""
    found = re.search(f"^{pattern}", readme, re.M)
    return " ".join(found[1].split()) if found else ""
