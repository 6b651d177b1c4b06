"""Two domains -> endless batches, exact from any image on.

Image i of a run, counted from the first that was ever shown, is at place

    index_shuffle(i mod N, seed=[2 * seed + domain, i div N], N - 1)

of its domain's split, and its augmentation is seeded by [2 * seed + domain,
i]. There is no position to save, every pass over a domain is a permutation,
and the domain is part of the seed because two sets of equal length would
otherwise be paired alike for ever.
"""

import functools
import math
import os

import numpy as np
from PIL import Image

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import fit_image
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import Store
from tf_i2i.data.store import open_store
from tf_i2i.errors import UserError

DOMAINS = ("a", "b")


def unpaired(
    data_a=None,
    data_b=None,
    image_size=64,
    batch_size=8,
    *,
    split="train",
    seed=0,
    start=0,
    augmentation=Augmentation(),  # noqa: B008 (frozen)
    augmentation_b=None,
    labels_a=None,
    full_size=None,
    load_size=None,
    fit="crop",
    cache_dir=None,
    max_bad_fraction=0.01,
    context=None,
):
    """Batches of two unpaired domains, for `model.fit` with steps per epoch.

    Args:
        data_a: what `source_for` takes (a folder, "toy", a uint8 array ...)
            or an open `Store`.
        data_b: likewise.
        image_size: side of the images in a batch.
        batch_size: images of each domain in a batch.
        split: "train", "val" or "test".
        seed: decides order and augmentation.
        start: images of each domain that the run has shown already.
        augmentation: function (uint8 image, seed, size) -> float image.
        augmentation_b: likewise, for B; None for the same one.
        labels_a: an integer for each image of A's `Store`; None for none.
        full_size: the run's image size where `image_size` is a smaller one
            of its phases: images are made at `full_size`, then averaged.
        load_size: side of the stored images; by default the smallest whose
            smallest random crop is not enlarged, in each domain.
        fit, cache_dir, max_bad_fraction: see `open_store`.
        context: `tf.distribute.InputContext` where several replicas share
            each batch. The dataset then holds the parts of this worker's
            replicas, in turn, all of which together make the batch.

    Returns:
        Endless `tf.data.Dataset` of (a, b), each float32
        `[batch_size, image_size, image_size, 3]` in [-1, 1]; of (a, b,
        labels), int32 `[batch_size]`, where there are `labels_a`.

    Raises:
        UserError: unusable data or sizes.
        ValueError: `batch_size` is no multiple of the number of replicas.
    """
    import tensorflow as tf

    context = context or tf.distribute.InputContext()
    part = context.get_per_replica_batch_size(batch_size)
    of_worker = batch_size // context.num_input_pipelines
    first = context.input_pipeline_id * of_worker
    full_size = full_size or image_size
    augmentations = augmentation, augmentation_b or augmentation
    domains = []
    for data, domain, augmentation, labels in zip(
        (data_a, data_b), DOMAINS, augmentations, (labels_a, None), strict=True
    ):
        store = data
        if not isinstance(store, Store):
            store = open_store(
                source_for(data, domain),
                load_size or default_load_size(full_size, augmentation),
                fit,
                cache_dir,
                max_bad_fraction,
            )
        images = domain_dataset(
            store,
            split,
            domain,
            image_size,
            seed=seed,
            start=start,
            augmentation=augmentation,
            full_size=full_size,
            share=(first, of_worker, batch_size),
            labels=labels,
        )
        domains.append(images.batch(part, drop_remainder=True))
    both = tf.data.Dataset.zip(*domains)
    if labels_a is not None:
        both = both.map(lambda a, b: (a[0], b, a[1]))
    return both.prefetch(2)


def default_load_size(image_size, augmentation):
    """The side at which the smallest random crop still has `image_size`."""
    crop = getattr(augmentation, "crop", None)
    # The small part is for 64 / .8 = 80.00000001 in another fraction.
    return math.ceil(image_size / crop[0] - 1e-6) if crop else image_size


def domain_dataset(
    store,
    split,
    domain,
    image_size,
    *,
    seed=0,
    start=0,
    augmentation=Augmentation(),  # noqa: B008 (frozen)
    full_size=None,
    share=(0, 1, 1),
    labels=None,
):
    """Endless single images of one domain, float32 in [-1, 1].

    Args:
        store: an open `Store`; it is read image by image.
        split: "train", "val" or "test".
        domain: "a" or "b".
        image_size, seed, start, augmentation, full_size: see `unpaired`.
        share: (first, count, step): of each `step` images the `count` from
            number `first` on; all by default.
        labels: an integer for each image of the store, or None.

    Returns:
        `tf.data.Dataset` of `[image_size, image_size, 3]`; of pairs (image,
        int32) where there are `labels`.

    Raises:
        UserError: an unknown split, or `full_size` is no multiple of
            `image_size`.
    """
    import tensorflow as tf

    full_size = full_size or image_size
    if full_size % image_size:
        raise UserError(
            f"`full_size` must be a multiple of `image_size`, {image_size}. "
            f"Received: {full_size}"
        )
    rows = store.split(split)
    stream = 2 * seed + DOMAINS.index(domain)
    images = _mapped(store.path, store.path.stat().st_mtime_ns)

    first, count, step = share

    def view(n):
        shown = start + first + n // count * step + n % count
        row = tf.gather(rows, position(shown, len(rows), stream))
        image = tf.gather(images, row)
        image = augmentation(image, tf.stack([stream, shown]), full_size)
        image = _smaller(image, image_size, store.maps)
        if labels is None:
            return image
        return image, tf.gather(tf.constant(labels, tf.int32), row)

    return (
        tf.data.Dataset.counter()
        .map(view, num_parallel_calls=tf.data.AUTOTUNE)
        .with_options(_options())
    )


@functools.cache
def _mapped(path, changed):
    """The file's images as a tensor that shares the mapped memory.

    Neither of the plain ways will do. `tf.numpy_function` waits for Python's
    lock, and so for ever where its holder waits for the pipeline to end;
    `tf.constant` and `tf.raw_ops.ImmutableConst` copy the file. The cache
    keeps the memory, because giving it back takes Python's lock as well.

    Args:
        path: the store's `.npy` file.
        changed: when it was written; another file is another entry.
    """
    import tensorflow as tf

    del changed
    # NumPy lends only what is writable; "c" keeps all changes in memory.
    images = np.load(path, mmap_mode="c")
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def position(shown, count, stream):
    """Where in its split the image number `shown` of a run is.

    Args:
        shown: int64 scalar, images shown before.
        count: images in the split.
        stream: 2 * seed + domain.

    Returns:
        int64 scalar in [0, count); from each multiple of `count` on, `count`
        numbers give a permutation.
    """
    import tensorflow as tf

    return tf.random.experimental.index_shuffle(
        shown % count, tf.stack([stream, shown // count]), count - 1
    )


def _smaller(image, size, maps):
    """Averages of blocks of pixels; of label maps, their middle ones."""
    import tensorflow as tf

    factor = image.shape[0] // size
    if factor == 1:
        return image
    if maps:
        return image[factor // 2 :: factor, factor // 2 :: factor]
    blocks = tf.reshape(image, [size, factor, size, factor, 3])
    return tf.reduce_mean(blocks, axis=(1, 3))


def _options():
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    # The optimizations would copy the mapped store into memory.
    options.experimental_optimization.apply_default_optimizations = False
    # The processor belongs to the model; images are small change.
    options.threading.private_threadpool_size = min(4, os.cpu_count() or 1)
    options.threading.max_intra_op_parallelism = 1
    return options


def evaluation_images(store, split, image_size, count=None):
    """The first images of a split as they are, in the store's order.

    Args:
        store: an open `Store`.
        split: "train", "val" or "test".
        image_size: side of the result; resampled with antialiasing.
        count: how many at most; all if None.

    Returns:
        uint8 array `[n, image_size, image_size, 3]`.
    """
    return images_at(store, store.split(split)[:count], image_size)


def images_at(store, rows, image_size):
    """Images of a store as they are.

    Args:
        store: an open `Store`.
        rows: their positions.
        image_size: side of the result; resampled with antialiasing, label
            maps to the nearest pixels.

    Returns:
        uint8 array `[len(rows), image_size, image_size, 3]`.
    """
    images = np.empty((len(rows), image_size, image_size, 3), np.uint8)
    for image, row in zip(images, rows, strict=True):
        image[:] = fit_image(
            store.images[row],
            image_size,
            "stretch" + MAPS * store.maps,
            Image.Resampling.BILINEAR,
        )
    return images
