"""The mechanics of a training step, on a translator of one number a side."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_i2i.layers.replicas import across_replicas
from tf_i2i.methods import registry
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.optimizers import Adam
from tf_i2i.optimizers import LossScaling
from tf_i2i.optimizers import reset_optimizers


class Scale(keras.layers.Layer):
    """Multiplies by one weight."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return self.factor * x


class Tiny(UnpairedTranslator):
    """fake_b = factor * a; critic score = factor * mean."""

    translators = ("translator",)
    critics = ("critic",)

    def __init__(self, image_size=4, average_kimg=10.0, extra=False):
        super().__init__(image_size, average_kimg)
        self.translator, self.critic = Scale(), Scale()
        if extra:
            self.stray = Scale()
            self.stray(tf.zeros(1))
        self.build_networks()

    @property
    def size_multiple(self):
        return 1

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self.translator(images)

    def forward(self, a, b, training):
        fake_b = self.translator(a)
        return {"a": a, "fake_b": fake_b, "score_b": self.critic(fake_b)}

    def translator_losses(self, s):
        return {"cost": tf.reduce_mean(s["fake_b"])}

    def critic_losses(self, s):
        return {"critic": -tf.reduce_mean(s["score_b"])}


def compiled(**kwargs):
    model = Tiny(**kwargs)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    return model


def ones(batch=2, value=1.0):
    x = tf.fill((batch, 4, 4, 3), value)
    return x, x


def factors(model):
    return float(model.translator.factor), float(model.critic.factor)


def test_both_sides_step_from_one_forward_pass():
    model = compiled()
    model.train_step(ones())
    # d mean(t) / dt = 1 at lr .5;  d(-t c)/dc = -1 at lr .25.
    assert factors(model) == (0.5, 1.25)


def test_the_second_side_meets_the_updated_first():
    model = compiled()
    model.updates = ("translator", "critic")
    model.train_step(ones())
    # The critic now sees the translator at .5.
    assert factors(model) == (0.5, 1.125)


def test_a_method_must_say_which_sizes_it_takes(refuses):
    class Sizeless(Tiny):
        size_multiple = UnpairedTranslator.size_multiple

    with refuses("Sizeless.size_multiple"):
        Sizeless().size_multiple  # noqa: B018


def test_each_update_of_a_step_has_its_own_noise():
    seen = []

    class Noisy(Tiny):
        def forward(self, a, b, training):
            seen.append(float(self.noise((1,), "x")[0]))
            return super().forward(a, b, training)

    model = Noisy()
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    model.updates = ("critic", "critic", "translator")
    seen.clear()
    model.train_step(ones(4))
    assert len(set(seen)) == 3
    # The first update has the noise of a step of one update.
    model.step.assign(0)
    assert float(model.noise((1,), "x")[0]) == seen[0]


def test_observations_are_logged_and_not_optimized():
    class Observed(Tiny):
        def observations(self, s):
            return {"tenfold": 10.0 * tf.reduce_mean(s["fake_b"])}

    model = Observed()
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    model.updates = ("critic", "translator")
    model.train_step(ones())
    assert factors(model) == (0.5, 1.25)
    assert float(model.loss_metrics["tenfold"].result()) == 10.0
    assert int(model.loss_metrics["tenfold"].count) == 1


def test_tensors_can_know_whose_step_they_are_for():
    seen = []

    class Watching(Tiny):
        def forward(self, a, b, training):
            seen.append(self.active_sides)
            return super().forward(a, b, training)

    model = Watching()
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    both = ("translator", "critic")
    assert seen == [both]  # All networks are built.
    model.train_step(ones())
    model.updates = ("critic", "translator")
    model.train_step(ones())
    assert seen[1:] == [both, ("critic",), ("translator",)]
    assert model.active_sides == both


def test_replicas_read_their_own_sides_after_they_waited(two_replicas):
    """Replicas are threads: one ends its update while the other waits."""
    seen = []

    class Waiting(Tiny):
        def forward(self, a, b, training):
            across_replicas([tf.reduce_mean(a)])
            if training:
                seen.append(self.active_sides)
            return super().forward(a, b, training)

    with two_replicas.scope():
        model = Waiting()
        model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    model.updates = ("critic", "translator")
    step = tf.function(lambda: two_replicas.run(model.train_step, (ones(),)))
    step.get_concrete_function()
    assert seen == 2 * [("critic",)] + 2 * [("translator",)]


def test_each_repeat_takes_a_fresh_slice():
    model = compiled()
    model.updates = ("critic", "critic", "translator")
    a = tf.concat([ones(1, 1.0)[0], ones(1, 3.0)[0]], 0)
    assert model.batches_per_step == 2
    model.train_step((a, a))
    # Critic: +.25 * 1, +.25 * 3; translator: first slice, -.5 * 1.
    assert factors(model) == (0.5, 2.0)
    assert int(model.images_shown) == 2


def test_each_update_takes_every_second_image():
    """So that replicas, which have consecutive images, agree with one."""
    model = compiled()
    model.updates = ("critic", "critic")
    a = tf.concat([ones(1, float(v))[0] for v in (1, 3, 1, 3)], 0)
    seen = []
    forward = model.forward
    model.forward = lambda a, b, training: (
        seen.append(a[:, 0, 0, 0].numpy().tolist()) or forward(a, b, training)
    )
    model.train_step((a, a))
    assert seen == [[1, 1], [3, 3]]


def test_parts_of_a_batch_have_the_noise_of_the_whole_batch():
    seen = []

    class Noisy(Tiny):
        def forward(self, a, b, training):
            seen.append(self.noise((len(a),), "x").numpy())
            return super().forward(a, b, training)

    model = Noisy()
    for parts in (1, 2):
        model.compile("sgd", "sgd", accumulate=parts)
        seen.clear()
        model.step.assign(0)
        model.train_step(ones(4))
        noise = np.stack(seen, 1).ravel()
        if parts == 1:
            whole = noise
    assert np.array_equal(noise, whole)


def test_batches_are_divided_into_whole_parts(refuses):
    with refuses("compile.accumulate"):
        Tiny().compile(accumulate=0)
    model = Tiny()
    model.compile("sgd", "sgd", accumulate=3)
    with refuses("batch_size"):
        model.fit(batches(count=1), verbose=0)


def test_recompute_is_refused_without_residual_blocks(refuses):
    model = Tiny()
    assert not model.recomputable
    with refuses("recompute"):
        model.compile("sgd", "sgd", recompute=True)


def test_a_variable_without_an_owner_is_named():
    with pytest.raises(
        ValueError, match=r"Received: scale\S*, owned by neither"
    ):
        Tiny(extra=True)


def test_averages_are_ramped():
    model = compiled()
    model.train_step(ones())
    # Step 0: decay (1 + 0)/(10 + 0) = .1: .1 * 1 + .9 * .5.
    assert float(model.averages[0]) == pytest.approx(0.55)


def test_averages_have_a_half_life():
    model = compiled(average_kimg=0.002)  # Two images: one batch.
    model.step.assign(10**6)
    model.train_step(ones())
    assert float(model.averages[0]) == pytest.approx(0.75)


@pytest.mark.parametrize("where", ["loss", "gradient", "image"])
def test_nothing_becomes_not_finite(where):
    model = compiled()
    if where == "loss":
        model.translator_losses = lambda s: {
            "cost": tf.reduce_mean(s["fake_b"]) * np.nan,
        }
    if where == "gradient":
        # sqrt at zero: a finite loss with an infinite slope.
        model.translator_losses = lambda s: {
            "cost": tf.sqrt(tf.reduce_mean(s["fake_b"]))
        }
    values = {"loss": 1.0, "gradient": 0.0, "image": np.nan}
    named = {
        "loss": "cost",
        "gradient": "the gradient of the translators",
        "image": "cost",
    }
    before = [v.numpy() for v in model.variables]
    data = tf.data.Dataset.from_tensors(ones(value=values[where]))
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        model.fit(data, shuffle=False, verbose=0)
    assert named[where] in str(error.value)
    after = [v.numpy() for v in model.variables]
    for x, y in zip(before, after, strict=True):
        np.testing.assert_array_equal(x, y)


def scaling(scale, translator="sgd", **kwargs):
    """A model whose translator's loss is multiplied by `scale`."""
    model = Tiny(**kwargs)
    model.compile(
        LossScaling(keras.optimizers.get(translator), initial_scale=scale),
        keras.optimizers.SGD(0.25),
    )
    return model


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_an_update_that_overflows_is_skipped_and_halves_the_scale(run_eagerly):
    model = scaling(2.0**127)
    model.compile(model.optimizer, "sgd", run_eagerly=run_eagerly)
    # The largest float32 number is a little below 2**128.
    model.translator_losses = lambda s: {
        "cost": 4.0 * tf.reduce_mean(s["fake_b"])
    }
    images = np.ones((2, 4, 4, 3), np.float32)
    before = model.translator.factor.numpy()
    moments = []
    for _ in range(3):
        model.fit(images, images, verbose=0, batch_size=2)
        moments.append((float(model.optimizer.dynamic_scale), *factors(model)))
    scales, translators, critics = zip(*moments, strict=True)
    assert scales == (2.0**126, 2.0**125, 2.0**125)
    assert translators[:2] == (before, before)
    assert translators[2] < before
    # The critic is trained in each step.
    assert before < critics[0] < critics[1] < critics[2]
    assert int(model.step) == 3


def test_a_gradient_that_overflows_without_a_scale_is_an_error():
    model = scaling(1.0)
    model.translator_losses = lambda s: {
        "cost": tf.sqrt(tf.reduce_mean(s["fake_b"]))
    }
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        model.train_step(ones(value=0.0))
    assert "the gradient of the translators" in str(error.value)


def test_a_scaled_loss_makes_the_same_steps():
    results = []
    for scale in (1.0, 1024.0):
        model = scaling(scale, "adam")
        for i in range(3):
            model.train_step(ones(value=1.0 + i))
        results.append(factors(model))
    np.testing.assert_allclose(*results, rtol=1e-6)
    assert results[0][0] != 1.0


def test_float16_scales_both_losses_of_a_model_and_of_its_file(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = registry.build_tiny("CycleGAN")
    model.compile()
    for optimizer in model.optimizers.values():
        assert isinstance(optimizer, LossScaling)
    model.optimizer.dynamic_scale.assign(64.0)
    reset_optimizers(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.dynamic_scale) == 64.0
    assert float(loaded.critic_optimizer.dynamic_scale) == 2.0**15
    assert isinstance(loaded.optimizer.inner_optimizer, Adam)


@pytest.mark.parametrize("rate", [np.inf, 1e30])
def test_an_update_that_is_not_finite_is_found(rate):
    """The gradient is finite; the averages are not updated any more."""
    model = compiled()
    model.optimizer.learning_rate = rate
    before = [average.numpy() for average in model.averages]
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        model.fit(
            tf.data.Dataset.from_tensors(ones()), shuffle=False, verbose=0
        )
    assert "the weights of the translators" in str(error.value)
    np.testing.assert_array_equal(before, model.averages)
    assert int(model.step) == 0


def test_noise_is_a_function_of_seed_step_and_name():
    model = compiled()
    first = model.noise((3, 2), "z")
    assert np.array_equal(first, model.noise((3, 2), "z"))
    assert not np.array_equal(first, model.noise((3, 2), "y"))
    model.step.assign(1)
    assert not np.array_equal(first, model.noise((3, 2), "z"))
    model.step.assign(0)
    model.seed = 1
    assert not np.array_equal(first, model.noise((3, 2), "z"))
    model.seed = 2**31  # No seed is too large.
    assert model.noise((3, 2), "z").shape == (3, 2)


def test_unknown_directions_styles_and_sizes_are_refused(refuses):
    model = compiled()
    x = ones()[0]
    with refuses("direction"):
        model.translate(x, "b_to_b")
    with refuses("style"):
        model.translate(x, "a_to_b", style=tf.zeros((2, 4)))
    with refuses("size"):
        model.enter_phase(8)


def test_fade_follows_images_shown():
    model = compiled()
    model.enter_phase(4, start=100, images=200, fading=True)
    model.images_shown.assign(150)
    assert float(model.fade) == pytest.approx(0.25)
    model.images_shown.assign(400)
    assert float(model.fade) == 1.0
    model.enter_phase(4, start=100, images=200)
    assert model.fade is None


class Ramp(Tiny):
    """The cost grows with the images of the phase and its progress."""

    traces = 0

    def train_step(self, batch):
        self.traces += 1
        return super().train_step(batch)

    def translator_losses(self, s):
        cost = tf.reduce_mean(s["fake_b"])
        return {"cost": cost * self.phase_progress * self.images_in_phase}


@pytest.mark.parametrize(
    ("phases", "traces"),
    [
        ([{"start": 0, "images": 8}, {"start": 4, "images": 16}], 1),
        ([{"start": 0}, {"start": 3}], 1),
        ([{"images": 8}, {"images": 8, "fading": True}], 2),
        ([{"images": 8}, {}], 2),
    ],
)
def test_phases_of_one_size_and_path_share_a_graph(phases, traces):
    model = Ramp()
    model.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    data = tf.data.Dataset.from_tensors(ones()).repeat()
    shown, expected = 0, 1.0
    for phase in phases:
        model.enter_phase(4, **phase)
        model.fit_batches(data, steps_per_epoch=2, verbose=0)
        for _ in range(2):
            inside = shown - phase.get("start", 0)
            length = phase.get("images")
            expected -= inside * (min(inside / length, 1) if length else 1)
            shown += 2
    assert factors(model)[0] == pytest.approx(expected)
    assert model.traces == traces


# What critics see.


def test_critics_see_images_as_they_are_unless_told():
    model = compiled()
    x, _ = ones()
    assert model.augment_for_critic(x, "a") is x


def test_what_critics_see_follows_name_and_step():
    model = compiled()
    model.compile("sgd", "sgd", critic_augmentation=("color",))
    x = tf.random.stateless_uniform((4, 8, 8, 3), (1, 2))
    first = model.augment_for_critic(x, "a").numpy()
    assert np.array_equal(first, model.augment_for_critic(x, "a"))
    assert not np.allclose(
        first, model.augment_for_critic(x, "fake_a"), atol=0.01
    )
    assert not np.allclose(first[0] - x[0], first[1] - x[1], atol=0.01)
    model.step.assign_add(1)
    assert not np.allclose(first, model.augment_for_critic(x, "a"), atol=0.01)


def test_two_devices_see_what_one_would(two_replicas):
    with two_replicas.scope():
        model = Tiny()
        kinds = ("color", "translation", "cutout")
        model.compile("sgd", "sgd", critic_augmentation=kinds)
    x = tf.random.stateless_uniform((4, 8, 8, 3), (1, 2))
    shares = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.split(x, 2)[context.replica_id_in_sync_group]
    )
    seen = tf.function(
        lambda share: two_replicas.run(model.augment_for_critic, (share, "a"))
    )(shares)
    both = tf.concat(two_replicas.experimental_local_results(seen), 0)
    np.testing.assert_allclose(
        both, model.augment_for_critic(x, "a"), atol=1e-6
    )


# As a Keras model.


def batches(size=4, count=None):
    x = tf.ones((2, size, size, 3))
    return tf.data.Dataset.from_tensors((x, x)).repeat(count)


def test_compile_without_optimizers_takes_the_papers():
    model = Tiny()
    model.compile()
    rates = {float(o.learning_rate) for o in model.optimizers.values()}
    assert rates == {np.float32(1e-3)}
    assert model.optimizer is not model.critic_optimizer
    model.compile("rmsprop", "adam")
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)


def test_unknown_augmentation_is_refused(refuses):
    with refuses("critic_augmentation"):
        Tiny().compile(critic_augmentation=("blur",))


def test_critics_of_no_images_are_not_augmented(refuses):
    class Blind(Tiny):
        critics_take_images = False

    Blind().compile()
    with refuses("critic_augmentation"):
        Blind().compile(critic_augmentation=("color",))


def test_callbacks_of_keras_get_the_losses():
    model = compiled()
    history = model.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0)
    # lr .5, slope 1: at 1 and .5, then at 0 and -.5.
    assert history.history["cost"] == [0.75, -0.25]
    assert set(history.history) == {"cost", "critic"}


def test_endless_batches_need_an_end(refuses):
    with refuses("steps_per_epoch"):
        compiled().fit(batches())
    compiled().fit(batches(count=1), verbose=0)


def test_batches_of_another_size_are_refused(refuses):
    with refuses("image_size"):
        compiled().fit(batches(8), steps_per_epoch=1)
