"""Translation of image files: whole images, faces, or grids of styles."""

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
    """Translates image files; images of the same padded shape share batches.

    Args:
        translate_fn: function that maps uint8 `[N, h, w, 3]` to uint8 of the
            same shape; h and w are a size that the model takes.
        outputs: dictionary from input paths to output paths.
        input_size: `InputSize` of the model.
        batch_size: largest number of images per call of `translate_fn`.
        restore: whether the results are scaled back to the inputs' sizes.
        filters: `Filters` that inputs and results are scaled with.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: a result cannot be written.
    """
    skipped = []
    # One incomplete batch is kept in memory for each padded shape. The number
    # of shapes is small, because the padded sides are multiples of
    # `input_size.multiple` and the aspect ratio is limited.
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
    """Translates and saves one batch.

    Args:
        translate_fn: translation of a batch; see `translate_files`.
        batch: list of pairs (`Prepared`, output path) of one padded shape.
        filters: `Filters` that results are scaled with.
        bar: progress bar, which is advanced by the size of the batch.
    """
    images = np.stack([prepared.pixels for prepared, _ in batch])
    translated = np.asarray(translate_fn(images))
    for image, (prepared, target) in zip(translated, batch, strict=True):
        save_image(finish(image, prepared, filters.target), target)
    bar.update(len(batch))


def translate_to_grid(
    styled_fn, outputs, size, given, references, filters=PICTURES
):
    """Translates image files in several styles and writes them as one grid.

    Args:
        styled_fn: function that takes uint8 images `[N, size, size, 3]` and N
            styles, and returns uint8 images of the same shape.
        outputs: dictionary from input paths to the path of the grid.
        size: side of the cells of the grid, in pixels.
        given: the styles to translate in, `[K, *style_shape]`, from
            `styles.styles_for`.
        references: reference images of the styles, from
            `styles.styles_for`.
        filters: `Filters` that inputs are scaled with.

    Returns:
        List of `BadImage`, one for each file that was left out.

    Raises:
        UserError: the grid cannot be written.
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
    """Translates the faces in image files and pastes them back in place.

    Args:
        translate_fn: function of uint8 `[N, size, size, 3]` to uint8 of the
            same shape.
        outputs: dictionary from input paths to output paths.
        size: side of the aligned faces, in pixels.
        find: function from `faces.detect.detector` that takes a photo and
            returns a list of its faces, the largest first.
        margin: margin around each face; see `faces.align.crop`.
        batch_size: largest number of faces per call of `translate_fn`.

    Returns:
        `(skipped, faceless)`: list of `BadImage`, one for each file that was
        left out; and list of the paths of images without a face, of which the
        central square was translated.

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
        # The largest face is pasted last, because it is probably in front of
        # the other faces.
        for (face, around), picture in reversed(
            list(zip(found, np.concatenate(translated), strict=True))
        ):
            paste(photo, picture, face, around)
        save_image(photo, target)
    return skipped, faceless
