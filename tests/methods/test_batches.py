"""`fit` and `evaluate` with the data, callbacks and options of Keras users."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_base import Tiny
from test_base import compiled
from test_base import factors

from tf_i2i.methods.batches import as_batches


def images(count, size=4, value=None):
    rng = np.random.default_rng(0)
    drawn = rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)
    return drawn if value is None else np.full_like(drawn, value)


def pipeline(count=5, batch=2, **kwargs):
    x = images(count, **kwargs)
    return tf.data.Dataset.from_tensor_slices((x, x)).batch(batch)


@pytest.fixture
def fit(eagerly):
    """Returns the compiled model after `fit`, and the history."""

    def fit(*args, **kwargs):
        model = compiled()
        with eagerly():
            history = model.fit(*args, verbose=0, **kwargs)
        return model, history.history

    return fit


def test_a_smaller_last_batch_is_filled(fit):
    model, _ = fit(pipeline(5, 2))
    assert (int(model.step), int(model.images_shown)) == (3, 6)
    *_, (last, _) = as_batches(model, pipeline(5, 2))
    np.testing.assert_array_equal(last, images(5)[[4, 4]])


def test_a_pipeline_without_shapes_is_traced():
    def unknown(a, b):
        return tuple(
            tf.numpy_function(lambda x: x, [x], "float32") for x in (a, b)
        )

    model = compiled()
    model.fit(pipeline(2, 1).map(unknown), verbose=0)
    assert int(model.step) == 2


def test_arrays_of_two_lengths(fit):
    model, _ = fit(images(6), images(3), 2)
    assert (int(model.step), int(model.images_shown)) == (3, 6)
    model, _ = fit((images(2), images(3)))
    assert int(model.images_shown) == 4


def test_labels_stay_with_their_images():
    a = images(4)
    batches = as_batches(
        Tiny(), (a, a[:2], np.arange(4)), None, 2, shuffle=True
    )
    for first, _, labels in batches:
        np.testing.assert_array_equal(first, a[labels.numpy()])


def test_losses_of_validation_data(fit):
    model, history = fit(
        images(2, value=0.5),
        images(2),
        validation_data=(images(2, value=1.0), images(2)),
    )
    # The translator's factor is 1 - .5 * .5 after the step.
    assert history["cost"] == [0.5]
    assert history["val_cost"] == [0.75]
    assert int(model.step) == 1


def test_evaluate_changes_nothing():
    model = compiled()
    found = model.evaluate(pipeline(2, value=0.5), return_dict=True, verbose=0)
    assert found == {"cost": 0.5, "critic": -0.5}
    assert model.evaluate(images(2), images(2), verbose=0)
    assert factors(model) == (1, 1)
    assert int(model.step) == 0


def test_every_operation_can_run_by_itself():
    seen = []
    model = compiled()
    model.compile("sgd", "sgd", run_eagerly=True)
    model.observations = lambda s: (
        seen.append(float(s["fake_b"][0, 0, 0, 0])) or {}
    )
    model.fit(pipeline(2, value=0.5), verbose=0)
    assert seen == [0.5]


@pytest.mark.parametrize(
    "wrong",
    [
        (images(2, value=200.0),) * 2,
        (np.full((2, 4, 4, 3), 200, np.uint8),) * 2,
        (np.ones((2, 4, 4, 3), np.uint8),) * 2,
    ],
)
def test_images_of_0_to_255_are_refused(wrong, refuses):
    with refuses("x") as caught:
        compiled().fit(*wrong)
    assert "to_float" in str(caught.value)


def test_other_forms_are_refused(refuses):
    with refuses("x"):
        compiled().fit(tf.data.Dataset.from_tensors(images(2)))
    with refuses("x"):
        compiled().fit(pipeline(2).take(0))
    with refuses("y"):
        compiled().fit((images(2),))
    with refuses("image_size"):
        compiled().fit(images(2, 8), images(2, 8))
    model = compiled()
    model.updates = ("critic", "critic", "translator")
    with refuses("batch_size"):
        model.fit(pipeline(3, 3))


class Sets(keras.callbacks.Callback):
    """Sets rates before the second batch."""

    def __init__(self, **rates):
        self.rates = rates

    def on_train_batch_begin(self, batch, logs=None):
        for side, rate in self.rates.items() if batch else ():
            self.model.optimizers[side].learning_rate = rate


@pytest.mark.parametrize(
    ("callback", "critic"),
    [
        (keras.callbacks.LearningRateScheduler(lambda epoch: 0.05), 0.025),
        (
            keras.callbacks.ReduceLROnPlateau("critic", 0.1, 1, mode="max"),
            0.025,
        ),
        (Sets(translator=0.05), 0.025),
        (Sets(translator=0.05, critic=1.0), 1.0),
        (Sets(critic=1.0), 1.0),
    ],
)
def test_both_sides_follow_a_callback_that_sets_the_rate(fit, callback, critic):
    # The rates are .5 and .25 at first.
    zero = images(4, value=0.0)
    model, _ = fit(zero, zero, 2, epochs=2, callbacks=[callback])
    assert float(model.critic_optimizer.learning_rate) == pytest.approx(critic)


def test_a_schedule_of_an_optimizer_is_left_alone(eagerly):
    model = compiled()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(keras.optimizers.SGD(schedule), "sgd")
    with eagerly():
        model.fit(pipeline(4), verbose=0)
    assert float(model.critic_optimizer.learning_rate) == pytest.approx(0.01)


def test_export(tmp_path):
    model = compiled()
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    x = images(3)
    np.testing.assert_allclose(loaded.serve(x), model(x))
