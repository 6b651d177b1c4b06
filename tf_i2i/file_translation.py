"""Image files through a translator: whole images, faces, grids of styles."""

from collections import defaultdict

import numpy as np
from tqdm import tqdm

from tf_i2i import styles
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.faces import align
from tf_i2i.faces.paste import paste
from tf_i2i.files import read_input
from tf_i2i.files import save_image
from tf_i2i.geometry import PICTURES
from tf_i2i.geometry import finish
from tf_i2i.geometry import prepare


def translate_files(
    translate_fn,
    outputs,
    input_size,
    batch_size=8,
    restore=False,
    filters=PICTURES,
):
    """Translates files, images of one padded shape in one batch.

    Args:
        translate_fn, input_size, restore: as in `geometry.translate_image`.
        outputs: dictionary, input path -> output path.
        batch_size: images a call.
        filters: `Filters`.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: a result cannot be written.
    """
    skipped = []
    # Few batches wait at a time: the padded sides are multiples of
    # `input_size.multiple`, and the ratio of the sides is bounded.
    waiting: dict[tuple[int, ...], list[tuple]] = defaultdict(list)
    with tqdm(total=len(outputs), unit="image", disable=None) as bar:
        for path, target in outputs.items():
            try:
                image = read_input(path)
            except BadImage as error:
                skipped.append(error)
                bar.update()
                continue
            prepared = prepare(image, input_size, restore, filters.source)
            batch = waiting[prepared.pixels.shape]
            batch.append((prepared, target))
            if len(batch) == batch_size:
                _translate_batch(translate_fn, batch, filters, bar)
                batch.clear()
        for batch in filter(None, waiting.values()):
            _translate_batch(translate_fn, batch, filters, bar)
    return skipped


def _translate_batch(translate_fn, batch, filters, bar):
    """Translates and saves `(Prepared, path)`s of one shape."""
    images = np.stack([prepared.pixels for prepared, _ in batch])
    translated = np.asarray(translate_fn(images))
    for image, (prepared, target) in zip(translated, batch, strict=True):
        save_image(finish(image, prepared, filters.target), target)
    bar.update(len(batch))


def translate_to_grid(
    styled_fn, outputs, size, given, references, filters=PICTURES
):
    """Translates files in several styles, into one picture.

    Args:
        styled_fn: function of uint8 `[N, size, size, 3]` and of N styles.
        outputs: dictionary, input path -> the picture's path.
        size: side of the squares, pixels.
        given, references: as of `styles.styles_for`.
        filters: `Filters`.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: the picture cannot be written.
    """
    images, skipped = [], []
    for path in outputs:
        try:
            image = read_input(path)
            images.append(fit_image(image, size, resample=filters.source))
        except BadImage as error:
            skipped.append(error)
    if images:
        picture = styles.style_grid(styled_fn, images, given, references)
        save_image(picture, next(iter(outputs.values())))
    return skipped


def translate_faces(
    translate_fn, outputs, size, find, margin=align.MARGIN, batch_size=8
):
    """Translates the faces in files, and puts them back where they were.

    Args:
        translate_fn: function of uint8 `[N, size, size, 3]` to the same.
        outputs: dictionary, input path -> output path.
        size: in pixels.
        find: function of a photo to its faces, from `faces.detect`.
        margin: of the crops, as in `faces.align.crop`.
        batch_size: faces a call.

    Returns:
        List of `BadImage`, one for each file that was left out, and list of
        paths without a face, whose central square was translated.

    Raises:
        UserError: a result cannot be written.
    """
    skipped, faceless = [], []
    for path, target in tqdm(outputs.items(), unit="image", disable=None):
        try:
            photo = read_input(path)
        except BadImage as error:
            skipped.append(error)
            continue
        found = [(face, margin) for face in find(photo)]
        if not found:
            faceless.append(path)
            found = [(align.central(photo.shape), 0.0)]
        crops = np.stack([align.crop(photo, f, size, m) for f, m in found])
        translated = [
            np.asarray(translate_fn(crops[i : i + batch_size]))
            for i in range(0, len(crops), batch_size)
        ]
        # The largest, which is in front, comes last.
        for (face, around), picture in reversed(
            list(zip(found, np.concatenate(translated), strict=True))
        ):
            paste(photo, picture, face, around)
        save_image(photo, target)
    return skipped, faceless
