"""The styles that `translate --style` selects."""

import os
from pathlib import Path

import numpy as np

from tf_i2i.data.reading import check_image
from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import report_frames
from tf_i2i.errors import UserError
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import encodes_styles
from tf_i2i.methods.capabilities import style_shape
from tf_i2i.paths import expand
from tf_i2i.paths import user_path
from tf_i2i.sizes import image_shape

SAMPLE = "sample"


def images_of(text):
    """Returns the paths of the reference images in the value of `--style`.

    Args:
        text: value of `--style`, or None.

    Returns:
        List of paths; empty for None and for "sample".

    Raises:
        UserError: there is no path in the text, or what exists at a path
            cannot be read.
    """
    if text in (None, SAMPLE):
        return []
    # The whole text may be the path of a file whose name contains a comma.
    whole = os.path.exists(expand(text))
    parts = [text] if whole else text.split(",")
    paths = [Path(user_path(part, "--style")) for part in parts if part]
    if not paths:
        raise UserError(
            f"`--style` must be {SAMPLE}, or the path of an image. "
            f"Received: {text!r}"
        )
    return paths


def count_styles(style, samples, interpolate):
    """Returns the number of styles that each input is translated in.

    Args:
        style: value of `--style`, or None.
        samples: value of `--samples`, or None.
        interpolate: value of `--interpolate`, or None.

    Returns:
        The number of styles; 1 if `style` is None.

    Raises:
        UserError: the flags contradict each other, or a reference image
            cannot be read.
    """
    references = images_of(style)
    if samples is not None and (style != SAMPLE or samples < 1):
        raise UserError(
            "`--samples` must be at least 1 and come with --style=sample. "
            "Received: "
            f"--samples={samples}, --style={style}"
        )
    two = style == SAMPLE or len(references) == 2
    if interpolate is not None and (not two or interpolate < 2):
        raise UserError(
            "`--interpolate` must be at least 2 and come with two reference "
            "images, --style=IMAGE1,IMAGE2, or with --style=sample. Received: "
            f"--interpolate={interpolate}, --style={style}"
        )
    if interpolate is not None and samples is not None:
        raise UserError(
            "`--samples` must be left out with --interpolate, which samples "
            f"two styles. Received: --samples={samples}"
        )
    for path in references:
        check_image(path)
    return interpolate or samples or max(1, len(references))


def styles_for(model, direction, style, count, seed=0, interpolate=False):
    """Returns the styles that `--style` selects.

    Args:
        model: `UnpairedTranslator`.
        direction: "a_to_b" or "b_to_a".
        style: "sample", or paths of reference images, separated by commas.
        count: number of styles, from `count_styles`.
        seed: seed of the random styles of "sample", an integer.
        interpolate: whether to interpolate between two sampled styles or
            between two reference images.

    Returns:
        `(styles, references)`: the styles, `[count, *style_shape]`, and the
        reference images that they were encoded from, uint8
        `[M, height, width, 3]`; M = 0 for "sample".

    Raises:
        UserError: the model has no styles for that direction, or cannot
            compute the styles of images.
    """
    if style_shape(model, direction) is None:
        raise UserError(
            f"`--style` must be left out: the {type(model).__name__} of this "
            f"run was trained without styles for {direction}. Received: {style}"
        )
    if style != SAMPLE and not encodes_styles(model, direction):
        raise UserError(
            f"`--style` must be {SAMPLE}, because this "
            f"{type(model).__name__} cannot compute the styles of images. "
            f"Received: {style}"
        )
    if style == SAMPLE:
        references = np.zeros((0, *image_shape(model.size)), np.uint8)
        styles = model.sample_style(2 if interpolate else count, seed)
    else:
        report_frames(images_of(style))
        references = np.stack(
            [read_fitted(path, model.size) for path in images_of(style)]
        )
        styles = model.encode_style(to_float(references), direction)
    if interpolate:
        styles = model.blend_styles(styles[:1], styles[1:], count)
    return np.asarray(styles), references


def style_grid(translate_fn, images, styles, references):
    """Returns a grid of each image translated in each style.

    Args:
        translate_fn: function that takes uint8 images `[N, H, W, 3]` and N
            styles, and returns uint8 images of the same shape.
        images: uint8 `[N, H, W, 3]`.
        styles: the styles to translate in, `[K, *style_shape]`.
        references: reference images, uint8 `[M, H, W, 3]`. With M = K, one
            reference is shown above each column of translations. With M = 2,
            one is shown above the first column and one above the last. With
            M = 0, none is shown.

    Returns:
        Grid, uint8 `[H, W, 3]`. Each row has one image and its K
        translations.
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
        columns = np.linspace(1, len(styles), len(references)).astype(int)
        head[columns] = references
        rows.insert(0, head)
    return grid(rows)
