"""python -m tf_i2i.models: lists the translators that come with the package.

python -m tf_i2i.models
python -m tf_i2i.translate --model=twingan-toy --input=me.jpg --output=.
"""

from tf_i2i import cli
from tf_i2i import models
from tf_i2i import process


@process.unchanged()
def main(argv):
    """Prints the name, the title and the folder of each model."""
    _parser().parse_args(argv)
    for name, folder in models.shipped_models().items():
        print(f"{name:16} {models.title(folder):32} {folder}")


def _parser():
    return cli.parser(
        "models",
        "Lists the translators that come with the package: name, title, and "
        "the folder, in which README.md is the model card.",
        [
            "python -m tf_i2i.models",
            "python -m tf_i2i.translate --model=twingan-toy --input=me.jpg "
            "--output=translated/",
        ],
    )


if __name__ == "__main__":
    cli.run(main)
