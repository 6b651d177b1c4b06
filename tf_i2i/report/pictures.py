"""Images for reports, made from arrays.

`examples`, `training_neighbours` and `interpolations` return a pair (caption,
image) for `DirectionReport.pictures`.
"""

import numpy as np
from PIL import Image

from tf_i2i.extras import optional
from tf_i2i.images import grid
from tf_i2i.metrics.threads import one_thread

MAPPED = 200  # Largest number of vectors per set in a map.
# Number of iterations of t-SNE. With 1,000 iterations the map takes twice as
# long and looks the same.
MAP_ITERATIONS = 500
LEAST_SIDE, LARGEST_SIDE = 64, 128  # Limits of `enlarged`, in pixels.


def examples(
    inputs, outputs, truth, values, caption, higher_is_better=False, count=4
):
    """Returns an image of the best, the median and the worst outputs.

    Args:
        inputs, outputs: uint8 `[N, H, W, 3]`.
        truth: ground truth, uint8 `[N, H, W, 3]`, or None.
        values: a score of each output, floats `[N]`.
        caption: name of the score.
        higher_is_better: whether high scores are better. None if neither high
            nor low scores are better; the lowest scores then come first.
        count: largest number of images in each block; at most a third of all
            images are shown, but at least one.

    Returns:
        A caption, and a uint8 image `[H, W, 3]` of three blocks side by side,
        whose rows are inputs, outputs and ground truth.
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
    """Returns an image of the outputs that are nearest to training images.

    Args:
        outputs: uint8 `[N, H, W, 3]`.
        target_train: training images of the target domain, uint8
            `[M, H, W, 3]`.
        distances, indices: `[N]` each, the distance from each output to its
            nearest training image, and the index of that image; from
            `metrics.copying.nearest`.
        count: largest number of outputs that are shown.

    Returns:
        A caption, and a uint8 image `[H, W, 3]` of two rows: the outputs, and
        the training images nearest to them.
    """
    some = np.argsort(distances, kind="stable")[:count]
    rows = outputs[some], target_train[np.asarray(indices)[some]]
    low, high = (f"{distances[i]:.3g}" for i in (some[0], some[-1]))
    return (
        "Above: the outputs that are nearest to a training image of the "
        "target domain. Below: these training images, at distances from "
        f"{low} to {high}.",
        grid([enlarged(images) for images in rows]),
    )


def interpolations(
    frames,
    caption="Interpolations between two inputs, and their translations.",
):
    """Returns rows of images as one image.

    Args:
        frames: list of rows, uint8 `[steps, H, W, 3]`.
        caption: caption of the image.

    Returns:
        The caption, and a uint8 image `[H, W, 3]`.
    """
    return caption, grid([enlarged(images) for images in frames])


def embedding_map(vectors_by_name):
    """Returns two-dimensional coordinates for several sets of vectors.

    All sets are mapped together by t-SNE (van der Maaten and Hinton 2008, JMLR
    9). Vectors that are neighbours stay neighbours. The sizes of gaps and of
    groups have no meaning. CDFT (Katzir et al. 2019, Figure 9) compares
    translations with real images in such a map, in which an image is
    represented by the vector fc7 of VGG (the features `keras:VGG19-fc7`).

    Args:
        vectors_by_name: dictionary from names of sets to floats `[N, D]`. D is
            the same for all sets.

    Returns:
        Dictionary from names to floats `[N, 2]`, for the first `MAPPED`
        vectors of each set.

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
        max_iter=MAP_ITERATIONS,
        random_state=0,
    )
    with one_thread():
        mapped = tsne.fit_transform(together)
    points = np.split(mapped, np.cumsum([len(v) for v in sets])[:-1])
    return dict(zip(vectors_by_name, points, strict=True))


def enlarged(images):
    """Returns images enlarged or shrunk by an integer factor for viewing.

    Args:
        images: uint8 `[N, H, W, 3]`.

    Returns:
        uint8 `[N, H', W', 3]`. Images smaller than `LEAST_SIDE` are enlarged to
        about that side by repeating pixels. Images of at least `LARGEST_SIDE`
        are shrunk by averaging pixels, to less than twice that side.
    """
    side = max(images.shape[1:3])
    if factor := side // LARGEST_SIDE:
        pictures = [Image.fromarray(i).reduce(factor) for i in images]
        return np.stack([np.asarray(picture) for picture in pictures])
    factor = max(1, round(LEAST_SIDE / side))
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def side_by_side(blocks, gap=12):
    """Returns images of equal height side by side as one image.

    Args:
        blocks: list of uint8 `[H, W, 3]`.
        gap: width of the white space between the images, in pixels.

    Returns:
        uint8 `[H, W', 3]`.
    """
    white = np.full((len(blocks[0]), gap, 3), 255, np.uint8)
    parts = [part for block in blocks for part in (white, block)]
    return np.concatenate(parts[1:], axis=1)
