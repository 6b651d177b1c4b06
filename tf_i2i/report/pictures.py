"""Pictures of an evaluation, made from arrays.

Each function gives a pair (caption, picture) for `DirectionReport.pictures`.
"""

import numpy as np
from PIL import Image

from tf_i2i.extras import optional
from tf_i2i.images import grid

MAPPED = 200  # Vectors of a set, at most, in a map.
LEAST_SIDE, LARGEST_SIDE = 64, 128  # Of the images, about.


def examples(
    inputs, outputs, truth, values, caption, higher_is_better=False, count=4
):
    """The best, the median and the worst outputs by a number of each.

    Args:
        inputs, outputs: uint8 `[N, H, W, 3]`.
        truth: the same, or None.
        values: floats `[N]`.
        caption: what the values are.
        higher_is_better: None where neither is better; the lowest are first.
        count: images of each kind; a third of all at most, but one.

    Returns:
        A caption, and a uint8 picture `[H, W, 3]`: three blocks side by
        side; rows are inputs, outputs and truth.
    """
    values = np.asarray(values, np.float64)
    order = np.argsort(-values if higher_is_better else values, kind="stable")
    count = min(count, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    chosen = (order[:count], order[middle : middle + count], order[-count:])
    rows = {"input": inputs, "output": outputs, "truth": truth}
    rows = {name: images for name, images in rows.items() if images is not None}
    blocks = [
        grid([enlarged(images[some]) for images in rows.values()])
        for some in chosen
    ]
    ranges = "; ".join(
        " to ".join(f"{v:.3g}" for v in (values[some[0]], values[some[-1]]))
        for some in chosen
    )
    kinds, hint = {
        True: ("Best, median and worst", " (higher is better)"),
        False: ("Best, median and worst", " (lower is better)"),
        None: ("Lowest, median and highest", ""),
    }[higher_is_better]
    return (
        f"{kinds} by {caption}{hint}: {ranges}. Rows: {', '.join(rows)}.",
        side_by_side(blocks),
    )


def training_neighbours(outputs, target_train, distances, indices, count=12):
    """The outputs that are nearest to training images, and those images.

    Args:
        outputs: uint8 `[N, H, W, 3]`.
        target_train: uint8 `[M, H, W, 3]`.
        distances, indices: `[N]` each, as `metrics.nearest` gives them.
        count: outputs shown.

    Returns:
        A caption and a uint8 picture of two rows.
    """
    some = np.argsort(distances, kind="stable")[:count]
    rows = outputs[some], target_train[np.asarray(indices)[some]]
    low, high = (f"{distances[i]:.3g}" for i in (some[0], some[-1]))
    return (
        f"The outputs nearest to a training image of the target (above), "
        f"and that image (below); distances {low} to {high}.",
        grid([enlarged(images) for images in rows]),
    )


def interpolations(
    frames, caption="Between two inputs, and the translation of every step."
):
    """Rows of frames as one picture.

    Args:
        frames: list of uint8 `[steps, H, W, 3]`.
        caption: what they show.

    Returns:
        The caption and a uint8 picture.
    """
    return caption, grid([enlarged(images) for images in frames])


def embedding_map(vectors_by_name):
    """Several sets of vectors in two dimensions, by t-SNE of all together.

    van der Maaten and Hinton 2008, JMLR 9: neighbours stay neighbours; the
    sizes of gaps and groups mean nothing. CDFT (Katzir et al. 2020) shows
    translations beside real images so (Figure 9).

    Args:
        vectors_by_name: name -> floats `[N, D]`, one D for all.

    Returns:
        Name -> floats `[N, 2]`, N at most `MAPPED`, which are the first.

    Raises:
        UserError: the extra `eval` is missing.
    """
    sets = [
        np.asarray(v, np.float32)[:MAPPED] for v in vectors_by_name.values()
    ]
    together = np.concatenate(sets)
    tsne = optional("sklearn.manifold", "eval").TSNE(
        perplexity=min(30.0, (len(together) - 1) / 3),
        init="pca" if min(together.shape) > 1 else "random",
        random_state=0,
    )
    points = np.split(
        tsne.fit_transform(together), np.cumsum([len(v) for v in sets])[:-1]
    )
    return dict(zip(vectors_by_name, points, strict=True))


def enlarged(images):
    """Images at a size to look at, by a whole factor.

    Args:
        images: uint8 `[N, H, W, 3]`.

    Returns:
        uint8: sides of about `LEAST_SIDE` where they were smaller, by
        repetition; up to twice `LARGEST_SIDE` where they were larger, by
        means of pixels.
    """
    side = max(images.shape[1:3])
    if factor := side // LARGEST_SIDE:
        pictures = [Image.fromarray(i).reduce(factor) for i in images]
        return np.stack([np.asarray(picture) for picture in pictures])
    factor = max(1, round(LEAST_SIDE / side))
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def side_by_side(blocks, gap=12):
    """Pictures of one height as one, with white between them.

    Args:
        blocks: list of uint8 `[H, W, 3]`.
        gap: width of the white, pixels.
    """
    white = np.full((len(blocks[0]), gap, 3), 255, np.uint8)
    parts = [part for block in blocks for part in (white, block)]
    return np.concatenate(parts[1:], axis=1)
