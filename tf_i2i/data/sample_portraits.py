"""The portraits that come with the package, and a source of views of them.

The portraits are four photographs of people who do not exist (CC0, see
NOTICE). Some models were trained on images that are not in the package. For
these models, commands that need images use the views, for example to check an
export.
"""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from tf_i2i.data.items import Item
from tf_i2i.data.items import Source
from tf_i2i.data.reading import fit_image
from tf_i2i.sizes import height_width

FOLDER = Path(__file__).parent / "portraits"
# Number of views in each split.
_COUNTS = {"test": 16, "val": 8, "train": 40}
# The shortest side of a view's crop, as a share of the portrait's side.
_LEAST = 0.85


class PortraitsSource:
    """A source of crops of the sample portraits, half of them mirrored.

    Both domains have the same images. All splits show the same four people.
    Therefore the source is not suitable for scores.
    """

    name = "sample portraits"
    notes = ()

    def __len__(self):
        return sum(_COUNTS.values())

    def key(self):
        """Returns a text with the counts and a hash of the portraits."""
        digest = hashlib.sha256()
        for path in portraits():
            digest.update(path.read_bytes())
        return f"portraits {_COUNTS} {_LEAST} {digest.hexdigest()}"

    def items(self, size, fit):
        """Yields an `Item` for each view; a rectangle is cut from a square."""
        side = max(height_width(size))
        images = [Image.open(path).convert("RGB") for path in portraits()]
        rng = np.random.default_rng(0)
        for split, count in _COUNTS.items():
            for i in range(count):
                name = f"{split}{i:02d}"
                view = _view(images[i % len(images)], rng, side)
                yield Item(name, fit_image(view, size, fit), split, name)


def portraits():
    """Returns the paths of the portraits, in the order of their names."""
    return sorted(FOLDER.glob("*.jpg"))


def _view(image, rng, size):
    side = image.width * rng.uniform(_LEAST, 1.0)
    left, top = rng.uniform(0.0, image.width - side, 2)
    box = (left, top, left + side, top + side)
    view = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box))
    return view[:, ::-1] if rng.uniform() < 0.5 else view


SOURCE = Source(
    form="portraits",
    prefix="portraits",
    locate=lambda value: value,
    open=lambda _, __: PortraitsSource(),
    help="Views of the four portraits that come with the package.",
)
