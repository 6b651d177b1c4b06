"""What an exported file says about itself."""

import json
from pathlib import Path

import tf_i2i
from tf_i2i.sizes import height_width


def facts(model, direction, name):
    """Returns what is written into an exported file, as texts by name.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        name: the direction with the run's own names of its domains, such as
            "selfie_to_anime".
    """
    return {
        "method": type(model).__name__,
        "direction": direction,
        "domains": name,
        "image": "uint8 RGB in [0, 255]; the file includes the normalization",
        "own_size": "{} x {} pixels".format(*height_width(model.size)),
        "sizes": _sizes(model),
        "written_by": f"tf_i2i {tf_i2i.__version__}",
    }


def _sizes(model):
    if model.fixed_size:
        return "own_size only"
    return f"multiples of {model.size_multiple} pixels, chosen at export"


def as_json(texts):
    """Returns the result of `facts` as one line of JSON."""
    return json.dumps(texts)


def card(texts, run_dir):
    """Returns the text of the MODEL_CARD.md of an export.

    It contains a table of the facts. After it follows the README.md of the
    run's folder, which every shipped model has.

    Args:
        texts: result of `facts`.
        run_dir: folder of the run.
    """
    rows = [f"| {name} | {text} |" for name, text in texts.items()]
    table = "\n".join(["# Exported model", "", "| | |", "| --- | --- |", *rows])
    readme = Path(run_dir) / "README.md"
    if not readme.is_file():
        return f"{table}\n"
    return f"{table}\n\n{readme.read_text('utf-8', 'replace')}"
