"""Endless batches of two unpaired domains, in an order that can be resumed.

The i-th image that a run shows of a domain, counted from the beginning of the
run, is the one at index

    index_shuffle(i mod N, seed=[2 * seed + domain, i div N], N - 1)

of the domain's split of N images, and [2 * seed + domain, i] is the seed of its
augmentation. Therefore the order depends only on the seed and on i, and a
resumed run needs no other state. Every pass over a domain is a permutation. The
domain (0 or 1) is part of the seed, because two domains with equally many
images would otherwise always show the same pairs.
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
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.sizes import height_width
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import short_side
from tf_i2i.sizes import shortest


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
    labels=None,
    full_size=None,
    load_size=None,
    fit="crop",
    cache_dir=None,
    max_bad_fraction=0.01,
    context=None,
):
    """Returns a dataset of batches of two unpaired domains.

    The dataset is endless, so `model.fit` needs `steps_per_epoch`.

    Args:
        data_a: images of domain A: a `Store`, or anything that `source_for`
            takes (such as a folder, "toy" or a uint8 array).
        data_b: images of domain B, in the same forms.
        image_size: size of the images in a batch; see `tf_i2i.sizes`.
        batch_size: number of images of each domain in a batch.
        split: "train", "val" or "test".
        seed: seed of the order and of the augmentation, an integer.
        start: number of images of each domain that the run has shown already.
        augmentation: function of (uint8 image, seed, size) that returns a float
            image, such as an `Augmentation`.
        augmentation_b: augmentation of domain B; None for `augmentation`.
        labels: dictionary with the key "a" or "b", whose value is an array
            with a label, or a row of numbers, for each image of the store of
            this domain. None or an empty dictionary for no labels.
        full_size: image size of the run, if `image_size` is the
            smaller size of one of its phases. Images are augmented at
            `full_size` and then averaged down to `image_size`. None for
            `image_size`.
        load_size: size of the stored images. None for
            `default_load_size` of each domain, at which even the smallest
            random crop need not be enlarged.
        fit, cache_dir, max_bad_fraction: see `open_store`.
        context: `tf.distribute.InputContext` if several replicas share each
            batch. Each element of the dataset is then one replica's part of a
            batch. The parts for this worker's replicas follow one another.

    Returns:
        Endless `tf.data.Dataset` of (a, b), each float32
        `[batch_size, height, width, 3]` in [-1, 1]; or of
        (a, b, labels) with labels `[batch_size, ...]`, if `labels` are
        given. With `context`, `batch_size` in these shapes is the batch size of
        one replica.

    Raises:
        UserError: the data cannot be used, or the sizes are not allowed.
        ValueError: `batch_size` is not a multiple of the number of replicas.
    """
    import tensorflow as tf

    context = context or tf.distribute.InputContext()
    part = context.get_per_replica_batch_size(batch_size)
    of_worker = batch_size // context.num_input_pipelines
    first = context.input_pipeline_id * of_worker
    full_size = full_size or image_size
    augmentations = augmentation, augmentation_b or augmentation
    domains = []
    labels = labels or {}
    for data, domain, augmentation in zip(
        (data_a, data_b), DOMAINS, augmentations, strict=True
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
            labels=labels.get(domain),
        )
        domains.append(images.batch(part, drop_remainder=True))
    both = tf.data.Dataset.zip(*domains)
    if "a" in labels:
        both = both.map(lambda a, b: (a[0], b, a[1]))
    elif "b" in labels:
        both = both.map(lambda a, b: (a, *b))
    return both.prefetch(2)


def default_load_size(image_size, augmentation):
    """Returns the size at which the smallest random crop has `image_size`.

    The result is at least `image_size`.

    Args:
        image_size: size of the augmented images; see `tf_i2i.sizes`.
        augmentation: `Augmentation`, or another function, for which the
            result is `image_size`.
    """
    crop = getattr(augmentation, "crop", None)
    if not crop:
        return image_size
    smallest = min(crop[0], 1.0)
    # 1e-6 is subtracted because rounding errors can make a quotient slightly
    # larger than the integer that it should be.
    height, width = (
        math.ceil(side / smallest - 1e-6) for side in height_width(image_size)
    )
    return shortest((height, width))


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
    """Returns an endless dataset of single images of one domain.

    Args:
        store: `Store` of the domain; it is read image by image.
        split: "train", "val" or "test".
        domain: "a" or "b".
        image_size, seed, start, augmentation, full_size: see `unpaired`.
        share: (first, count, step). Of every `step` images, the dataset yields
            the `count` images from number `first` on. The default yields all
            images.
        labels: an array with a label, or a row of numbers, for each image of
            the store, or None.

    Returns:
        `tf.data.Dataset` of float32 images `[height, width, 3]` in [-1, 1],
        or of pairs (image, label) if `labels` is given.

    Raises:
        UserError: `split` is unknown, or `full_size` is not a multiple of
            `image_size`.
    """
    import tensorflow as tf

    full_size = full_size or image_size
    factor = short_side(full_size) // short_side(image_size)
    shape = height_width(image_size)
    if height_width(full_size) != tuple(factor * side for side in shape):
        raise UserError(
            f"`full_size` must be a multiple of `image_size`, {image_size}. "
            f"Received: {full_size}"
        )
    rows = store.split(split)
    domain_seed = 2 * seed + DOMAINS.index(domain)
    images = _mapped(store.path, store.path.stat().st_mtime_ns)

    first, count, step = share

    def view(n):
        shown = start + first + n // count * step + n % count
        row = tf.gather(rows, position(shown, len(rows), domain_seed))
        image = tf.gather(images, row)
        image = augmentation(image, tf.stack([domain_seed, shown]), full_size)
        image = _smaller(image, factor, store.maps)
        if labels is None:
            return image
        dtype = tf.int32 if labels.dtype.kind == "i" else tf.float32
        return image, tf.gather(tf.constant(labels, dtype), row)

    return (
        tf.data.Dataset.counter()
        .map(view, num_parallel_calls=tf.data.AUTOTUNE)
        .with_options(_options())
    )


@functools.cache
def _mapped(path, changed):
    """Returns the images of a store as a tensor on the memory-mapped file.

    Simpler solutions do not work. `tf.numpy_function` needs Python's global
    interpreter lock. It waits for ever if the thread that holds this lock waits
    for the pipeline to end. `tf.constant` and `tf.raw_ops.ImmutableConst` copy
    the file into memory. The result is cached and never released, because
    releasing it would also need Python's global interpreter lock.

    Args:
        path: path of the store's `.npy` file.
        changed: time of the file's last change, by which the cache
            distinguishes a new file at the same path.
    """
    import tensorflow as tf

    del changed
    # DLPack needs a writable array. In mode "c" the array is writable, but
    # changes would stay in memory and not reach the file.
    images = np.load(path, mmap_mode="c")
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def position(shown, count, domain_seed):
    """Returns the index, within its split, of the image that a run shows next.

    Args:
        shown: int64 scalar, number of images of the domain shown before.
        count: number of images in the split.
        domain_seed: 2 * seed + domain, the first part of the seed.

    Returns:
        int64 scalar in [0, count). For all `shown` from one multiple of `count`
        up to the next, the results are a permutation of [0, count).
    """
    import tensorflow as tf

    return tf.random.experimental.index_shuffle(
        shown % count, tf.stack([domain_seed, shown // count]), count - 1
    )


def _smaller(image, factor, maps):
    """Shrinks an image by averaging blocks of pixels.

    For a label map the middle pixel of each block is taken instead.

    Args:
        image: `[height, width, 3]`.
        factor: side of the blocks in pixels.
        maps: whether the image is a label map.
    """
    import tensorflow as tf

    if factor == 1:
        return image
    if maps:
        return image[factor // 2 :: factor, factor // 2 :: factor]
    height, width = (side // factor for side in image.shape[:2])
    blocks = tf.reshape(image, [height, factor, width, factor, 3])
    return tf.reduce_mean(blocks, axis=(1, 3))


def _options():
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    # TensorFlow's default optimizations of the pipeline would copy the
    # memory-mapped store.
    options.experimental_optimization.apply_default_optimizations = False
    # A few input threads are enough, because loading images is cheap and the
    # model needs the cores.
    options.threading.private_threadpool_size = min(4, os.cpu_count() or 1)
    options.threading.max_intra_op_parallelism = 1
    return options


def evaluation_images(store, split, image_size, count=None):
    """Returns the first images of a split, in order and not augmented.

    Args:
        store: `Store` of the domain.
        split: "train", "val" or "test".
        image_size: size that the images are resized to.
        count: largest number of images; None for all.

    Returns:
        uint8 array `[n, height, width, 3]`.
    """
    return images_at(store, store.split(split)[:count], image_size)


def images_at(store, rows, image_size):
    """Returns some images of a store, not augmented.

    Args:
        store: `Store` of the domain.
        rows: indices of the images in the store.
        image_size: size that the images are resized to. Resizing is
            antialiased, except that label maps take the nearest pixels.

    Returns:
        uint8 array `[len(rows), height, width, 3]`.
    """
    images = np.empty((len(rows), *image_shape(image_size)), np.uint8)
    for image, row in zip(images, rows, strict=True):
        image[:] = fit_image(
            store.images[row],
            image_size,
            "stretch" + MAPS * store.maps,
            Image.Resampling.BILINEAR,
        )
    return images
