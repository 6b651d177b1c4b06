"""Order, exact starts, phases, and what reaches the model."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.sources import ArraySource
from tf_i2i.data.store import open_store
from tf_i2i.data.unpaired import default_load_size
from tf_i2i.data.unpaired import domain_dataset
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.data.unpaired import position
from tf_i2i.data.unpaired import unpaired
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8

PLAIN = Augmentation(None, False, 0.0, 0.0, 0.0, 0.0)


def numbered_images(count, size=8):
    """Image i has level i everywhere."""
    images = np.zeros((count, size, size, 3), np.uint8)
    images[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return images


def quiet(line):
    del line


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Two stores of one size; images know their number."""
    cache = tmp_path_factory.mktemp("numbered")
    return open_store(
        ArraySource(numbered_images(40)), 8, cache_dir=cache, progress=quiet
    )


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    images = np.random.default_rng(1).integers(
        0, 256, (30, 20, 20, 3), dtype=np.uint8
    )
    return open_store(
        ArraySource(images),
        20,
        cache_dir=tmp_path_factory.mktemp("noisy"),
        progress=quiet,
    )


def shown(store, domain, count, **options):
    """Numbers of the first images."""
    dataset = domain_dataset(
        store, "train", domain, 8, augmentation=PLAIN, **options
    )
    images = np.stack(list(dataset.take(count).as_numpy_iterator()))
    return to_uint8(images)[:, 0, 0, 0].tolist()


def test_every_pass_is_another_permutation(numbered):
    train = numbered.split("train").tolist()
    order = shown(numbered, "a", 3 * len(train))
    passes = [
        order[i : i + len(train)] for i in range(0, len(order), len(train))
    ]
    assert len(passes) == 3
    for one in passes:
        assert sorted(one) == train
    assert train != passes[0] != passes[1] != passes[2]


def test_order_is_the_documented_formula(numbered):
    train = numbered.split("train")
    count = len(train)
    expected = [
        train[
            int(
                tf.random.experimental.index_shuffle(
                    tf.constant(i % count),
                    tf.constant([2 * 5 + 1, i // count]),
                    count - 1,
                )
            )
        ]
        for i in range(30, 50)
    ]
    assert shown(numbered, "b", 20, seed=5, start=30) == expected


def test_domains_of_equal_length_are_not_paired(numbered):
    a, b = (np.array(shown(numbered, d, 36)) for d in "ab")
    assert (a == b).mean() < 0.3


def test_the_seed_changes_the_order(numbered):
    assert shown(numbered, "a", 20) != shown(numbered, "a", 20, seed=1)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_position_in_small_sets(count):
    places = [
        int(position(tf.constant(i, tf.int64), count, 4))
        for i in range(5 * count)
    ]
    for first in range(0, 5 * count, count):
        assert sorted(places[first : first + count]) == list(range(count))


@pytest.mark.parametrize("skipped", [1, 7])
def test_a_run_starts_exactly_anywhere(noisy, skipped):
    whole = unpaired(noisy, noisy, 16, 4, seed=3).skip(skipped).take(3)
    later = unpaired(noisy, noisy, 16, 4, seed=3, start=4 * skipped).take(3)
    for (a, b), (again_a, again_b) in zip(whole, later, strict=True):
        np.testing.assert_array_equal(a, again_a)
        np.testing.assert_array_equal(b, again_b)
        assert np.abs(a - b).max() > 0.1


def test_another_batch_size_shows_the_same_images(noisy):
    small = unpaired(noisy, noisy, 16, 2).take(6)
    large = unpaired(noisy, noisy, 16, 4).take(3)
    for domain in (0, 1):
        np.testing.assert_array_equal(
            np.concatenate([batch[domain] for batch in small]),
            np.concatenate([batch[domain] for batch in large]),
        )


def test_an_image_is_augmented_anew_at_every_pass(noisy):
    one_image = ArrayOfOne(noisy)
    dataset = domain_dataset(one_image, "train", "a", 16)
    first, second = itertools.islice(dataset, 2)
    assert np.abs(first - second).max() > 0.05


class ArrayOfOne:
    """A store whose training split is one image."""

    def __init__(self, store):
        self.path, self.maps = store.path, False

    def split(self, name):
        del name
        return np.array([3])


def test_batches_are_static_floats_in_range(noisy):
    dataset = unpaired(noisy, noisy, 16, 3)
    for spec in dataset.element_spec:
        assert spec == tf.TensorSpec((3, 16, 16, 3), tf.float32)
    for images in itertools.chain(*dataset.take(4)):
        assert np.abs(images).max() <= 1
        assert np.std(images) > 0.1


def labelled(store, **options):
    """Batches of (a, b, labels); the label of image i is 100 + i."""
    labels = 100 + np.arange(len(store.images))
    return unpaired(
        store, store, 8, 4, augmentation=PLAIN, labels={"a": labels}, **options
    )


def test_a_label_follows_its_image(numbered):
    count = len(numbered.split("train"))
    batches = list(labelled(numbered).take(2 * count // 4))
    assert batches[0][2].dtype == tf.int32
    for a, b, labels in batches:
        seen = to_uint8(a.numpy())[:, 0, 0, 0]
        np.testing.assert_array_equal(labels, 100 + seen.astype(np.int32))
        assert b.shape == (4, 8, 8, 3)
    # A later start is the same sequence, and images are those of no labels.
    later = labelled(numbered, start=20).take(4)
    plain = unpaired(numbered, numbered, 8, 4, augmentation=PLAIN, start=20)
    for one, other, unlabelled in zip(
        batches[5:9], later, plain.take(4), strict=True
    ):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)
        for x, y in zip(one[:2], unlabelled, strict=True):
            np.testing.assert_array_equal(x, y)


def test_replicas_take_the_labels_of_their_images(numbered, two_replicas):
    data = two_replicas.distribute_datasets_from_function(
        lambda context: labelled(numbered, context=context)
    )
    alone = labelled(numbered).take(5)
    for parts, whole in zip(data, alone, strict=False):
        for part, expected in zip(parts, whole, strict=True):
            shares = two_replicas.experimental_local_results(part)
            assert len(shares) == 2
            np.testing.assert_array_equal(np.concatenate(shares), expected)


def test_b_may_have_views_of_its_own(noisy):
    negative = Augmentation(None, False, 0.0, 0.0, 0.0, 0.0, True)
    plain = unpaired(noisy, noisy, 20, 30, augmentation=PLAIN)
    mixed = unpaired(
        noisy, noisy, 20, 30, augmentation=PLAIN, augmentation_b=negative
    )
    (a, b), (same_a, views_b) = (next(iter(data)) for data in (plain, mixed))
    np.testing.assert_array_equal(a, same_a)
    signs = np.sign(np.sum(b * views_b, (1, 2, 3)))
    np.testing.assert_allclose(views_b, b * signs[:, None, None, None])
    assert 5 < np.sum(signs < 0) < 25


def test_options_reach_the_whole_pipeline(noisy):
    options = unpaired(noisy, noisy, 16, 3).options()
    assert options.deterministic
    assert (
        options.experimental_distribute.auto_shard_policy
        == tf.data.experimental.AutoShardPolicy.OFF
    )
    # With them the store would be copied into memory.
    assert not options.experimental_optimization.apply_default_optimizations


def test_splits_do_not_mix(numbered):
    for split in ("val", "test"):
        dataset = domain_dataset(numbered, split, "a", 8, augmentation=PLAIN)
        images = np.stack(list(dataset.take(10).as_numpy_iterator()))
        seen = set(to_uint8(images)[:, 0, 0, 0].tolist())
        assert seen == set(numbered.split(split).tolist())


def test_a_smaller_phase_shows_averages_of_the_same_views(noisy):
    full = next(iter(unpaired(noisy, noisy, 16, 4, start=8)))
    small = next(iter(unpaired(noisy, noisy, 4, 4, start=8, full_size=16)))
    for at_16, at_4 in zip(full, small, strict=True):
        assert at_4.shape == (4, 4, 4, 3)
        blocks = at_16.numpy().reshape(4, 4, 4, 4, 4, 3)
        np.testing.assert_allclose(at_4, blocks.mean((2, 4)), atol=1e-6)


def test_full_size_must_be_a_multiple(noisy, refuses):
    with refuses("full_size"):
        unpaired(noisy, noisy, 16, full_size=20)


@pytest.mark.parametrize(
    ("size", "augmentation", "expected"),
    [
        (64, Augmentation(), 80),
        (256, Augmentation(), 320),
        (10, Augmentation(crop=(0.7, 0.9)), 15),
        (64, Augmentation(crop=(1.2, 1.6)), 64),
        (64, PLAIN, 64),
    ],
)
def test_default_load_size(size, augmentation, expected):
    assert default_load_size(size, augmentation) == expected


def test_from_arrays(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path))
    images = numbered_images(12, size=24)
    a, b = next(iter(unpaired(images, images[:6], 16, 2)))
    assert a.shape == b.shape == (2, 16, 16, 3)
    shapes = {np.load(p).shape for p in tmp_path.glob("*.npy")}
    assert shapes == {(12, 20, 20, 3), (6, 20, 20, 3)}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "data_a: 10 train, 1 val, 1 test images" in captured.err


def test_fit_trains_on_it(noisy):
    class Model(tf.keras.Model):
        def train_step(self, data):
            a, b = data
            return {"gap": tf.reduce_mean(tf.abs(a - b))}

    model = Model()
    model.compile()
    history = model.fit(
        unpaired(noisy, noisy, 16, 4),
        steps_per_epoch=3,
        shuffle=False,
        verbose=0,
    )
    assert history.history["gap"][0] > 0.1


def test_evaluation_images(numbered, noisy):
    val = evaluation_images(numbered, "val", 8)
    assert val.dtype == np.uint8
    np.testing.assert_array_equal(val, numbered.images[numbered.split("val")])
    train = evaluation_images(noisy, "train", 16, count=5)
    assert train.shape == (5, 16, 16, 3)
    rows = noisy.split("train")[:5]
    plain = tf.image.resize(noisy.images[rows], (16, 16), antialias=True)
    assert np.abs(train - plain).max() < 1.01
    # The same picture as a view with everything off.
    view = PLAIN(tf.constant(noisy.images[rows[0]]), tf.constant([0, 0]), 16)
    assert np.abs(to_float(train[0]) - view).max() < 0.01
