"""Label maps: images in which each colour stands for a class."""

import csv

import numpy as np

from tf_i2i.data.unpaired import images_at
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_text

MOST = 256  # Largest number of colours of a palette.
_LOOKED_AT = 200  # Number of images from which the palette is read.


def colours_of(store):
    """Returns the palette of a domain of label maps.

    Args:
        store: `Store` of the domain.

    Returns:
        int64 `[K, 3]` in [0, 255]: the colours of the first training images,
        sorted by red, green and blue.

    Raises:
        UserError: there are too many colours to stand for classes.
    """
    rows = store.split("train")[:_LOOKED_AT]
    images = images_at(store, rows, store.images.shape[1])
    levels = images.reshape(-1, 3).astype(np.int64)
    numbers = np.unique(levels @ (65536, 256, 1))
    if len(numbers) > MOST:
        raise UserError(
            "`train.label_maps` must name domains whose images have at most "
            f"{MOST} different colours. JPEG and resizing mix colours, so save "
            f"label maps as PNG. Received: {len(numbers)} colours in "
            f"{len(rows)} images, the first of which is "
            f"{printable(store.names[rows[0]])}"
        )
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], 1)


def read_palette(path, argument="palette"):
    """Reads the colours of classes from a CSV file.

    Args:
        path: path of the file, which has a header and the columns r, g and b.
        argument: name of the argument in error messages.

    Returns:
        int64 `[K, 3]`, the colours, in [0, 255].

    Raises:
        UserError: the file or a column is missing, or a value is not an
            integer.
    """
    try:
        with open_text(path) as file:
            rows = list(csv.DictReader(file))
        colours = [[int(row[channel]) for channel in "rgb"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"`{argument}` must be a CSV file with the columns r, g and b. "
            f"Received: {path} ({error!r})"
        ) from error
    return np.array(colours, np.int64).reshape(-1, 3)
