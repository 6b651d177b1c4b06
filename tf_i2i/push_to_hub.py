"""python -m tf_i2i.push_to_hub: uploads a trained run to the Hugging Face hub.

    python -m tf_i2i.push_to_hub --run_dir=runs/mine --repo=OWNER/NAME

The repository gets the averaged weights of the translators in float16,
config.gin without the paths of the training data, and a model card. The card is
the README.md in the run directory, if there is one.
"""

import tempfile
from pathlib import Path

from tf_i2i import cli
from tf_i2i import extras
from tf_i2i import hub
from tf_i2i import models
from tf_i2i import process
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import named
from tf_i2i.sizes import height_width
from tf_i2i.training import settings


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, or a failed upload.
    """
    flags = _parser().parse_args(argv)
    hub.check_repository(flags.repo)
    cli.check_run_dir(flags.run_dir)
    extras.require("hub", "huggingface_hub")
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator
    from tf_i2i.training.packed import pack_run

    run = load_translator(flags.run_dir, flags.trust_config)
    run.check_trained()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack_run(run, folder)
        card = _card(run, flags.repo, flags.licence)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if licence := models.licence(run.run_dir):
            (folder / "LICENSE").write_text(licence, encoding="utf-8")
        address = hub.upload(folder, flags.repo, flags.public)
    print(f"Uploaded: {address}")
    print(
        "Next:     python -m tf_i2i.translate "
        f"--model={hub.PREFIX}{flags.repo} "
        "--input=me.jpg --output=translated/"
    )


def _card(run, repository, licence):
    """Returns the text of the model card, with its front matter.

    Args:
        run: `TrainedRun`.
        repository: "OWNER/NAME".
        licence: identifier of the licence; None if it is not known.
    """
    readme = run.run_dir / "README.md"
    own = readme.read_text("utf-8") if readme.is_file() else ""
    if own.startswith("---\n"):
        return own
    method = type(run.model).__name__
    matter = hub.front_matter([method.lower()], licence)
    return f"{matter}\n{own or _facts(run, method, repository)}"


def _facts(run, method, repository):
    """Returns a model card for a run whose author did not write one."""
    domains = settings.domain_names(run.run_dir)
    ways = [way for way in DIRECTIONS if way in run.model.directions]
    names = " and ".join(f"`{named(way, domains)}`" for way in ways)
    height, width = height_width(run.model.size)
    return f"""# {repository.partition("/")[2]}

A translator of images that was trained with `tf_i2i` by the method {method}. It
translates {names}, on images of {height} x {width} pixels, and was shown
{run.images_shown} images of each domain. `config.gin` contains all settings of
the training.

```
python -m tf_i2i.translate --model={hub.PREFIX}{repository} \\
    --input=me.jpg --output=translated/
```

The author has not described the training images, the scores or the limits of
this model.
"""


def _parser():
    parser = cli.parser(
        "push_to_hub",
        "Uploads the translators of a trained run to the Hugging Face hub, "
        f"where --model={hub.PREFIX}OWNER/NAME finds them.",
        [
            "python -m tf_i2i.push_to_hub --run_dir=runs/mine "
            "--repo=OWNER/NAME",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    add(
        "--repo",
        required=True,
        metavar="OWNER/NAME",
        help="repository at the hub, which is made if it is missing",
    )
    add(
        "--public",
        action="store_true",
        help="let everybody read a repository that is made (default: only its "
        "owner)",
    )
    add(
        "--licence",
        metavar="NAME",
        help="licence of the weights in the model card, such as apache-2.0 "
        "(default: none is named)",
    )
    return parser


if __name__ == "__main__":
    cli.run(main)
