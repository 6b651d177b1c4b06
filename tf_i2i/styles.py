"""What `translate --style=...` asks for: one style, or several in a row."""

from pathlib import Path

import numpy as np

from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import style_shape

SAMPLE = "sample"


def images_of(text):
    """Paths of the reference images that `--style` names; maybe none."""
    if text in (None, SAMPLE):
        return []
    if Path(text).exists():
        return [Path(text)]  # A comma may be part of its name.
    return [Path(part) for part in text.split(",") if part]


def count_styles(style, samples, interpolate):
    """How many styles each input is given; 1 without any.

    Args:
        style, samples, interpolate: of the flags of those names, or None.

    Raises:
        UserError: flags that mean nothing together, or an image that cannot
            be read.
    """
    references = images_of(style)
    if samples is not None and (style != SAMPLE or samples < 1):
        raise UserError(
            "`--samples` must be at least 1, with --style=sample. Received: "
            f"--samples={samples}, --style={style}"
        )
    if interpolate is not None and (len(references) != 2 or interpolate < 2):
        raise UserError(
            "`--interpolate` must be at least 2, with two images, "
            "--style=IMAGE1,IMAGE2. Received: "
            f"--interpolate={interpolate}, --style={style}"
        )
    for path in references:
        read_image(path)
    return interpolate or samples or max(1, len(references))


def styles_for(model, direction, style, count, seed=0):
    """The styles that `--style` asks for.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        style: "sample", or paths of images with commas between them.
        count: as of `count_styles`.
        seed: of "sample".

    Returns:
        `(styles, references)`: `[count, *style_shape]`, and uint8 images
        `[M, size, size, 3]` that they were read in, M = 0 for "sample".

    Raises:
        UserError: the model has no styles for that direction.
    """
    if style_shape(model, direction) is None:
        raise UserError(
            f"`--style`: the {type(model).__name__} of this run was trained "
            f"without styles for {direction}; leave it out. Received: {style}"
        )
    if style == SAMPLE:
        nothing = np.zeros((0, model.size, model.size, 3), np.uint8)
        return np.asarray(model.sample_style(count, seed)), nothing
    references = np.stack(
        [fit_image(read_image(path), model.size) for path in images_of(style)]
    )
    styles = model.encode_style(to_float(references), direction)
    if count > len(references):
        styles = model.blend_styles(styles[:1], styles[1:], count)
    return np.asarray(styles), references


def style_grid(translate_fn, images, styles, references):
    """Each image under each style: a picture as the figures of the papers.

    Args:
        translate_fn: function of uint8 `[N, S, S, 3]` and of N styles to
            uint8 of the same shape.
        images: uint8 `[N, S, S, 3]`.
        styles: `[K, ...]`.
        references: uint8 `[M, S, S, 3]`, which stand above the first and the
            last of the K columns, or, as many, above each; none for M = 0.

    Returns:
        uint8 `[H, W, 3]`: a row for each image, itself first.
    """
    rows = [
        np.concatenate(
            [
                [image],
                translate_fn(np.repeat(image[None], len(styles), 0), styles),
            ]
        )
        for image in images
    ]
    if len(references):
        head = np.full_like(rows[0], 255)
        places = np.linspace(1, len(styles), len(references)).astype(int)
        head[places] = references
        rows.insert(0, head)
    return grid(rows)
