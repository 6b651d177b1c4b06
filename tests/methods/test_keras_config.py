"""Keras files of models: `model.save`, `clone_model`, `to_json`."""

import functools
import pickle

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from test_base import Tiny
from test_base import compiled
from test_base import ones

from tf_i2i import configuration
from tf_i2i.features.reference import resolve
from tf_i2i.features.teacher import teacher
from tf_i2i.methods import keras_config
from tf_i2i.methods.cyclegan import CycleGAN
from tf_i2i.methods.likeness import Likeness
from tf_i2i.optimizers import Adam


class Styled(Tiny):
    """Takes settings that a Keras file can hold, and functions."""

    def __init__(self, image_size=4, load=None, shapes=((1, 2),), **more):
        self.load, self.more = load, more
        super().__init__(image_size)


@keras.saving.register_keras_serializable("tests")
def load_nothing(scale=1):
    return scale


def loaded(model, path):
    model.save(path)
    return keras.saving.load_model(path)


def test_a_file_holds_phase_rates_and_options_of_compile(tmp_path):
    model = compiled()
    model.compile(
        Adam(0.5, 0.1), "sgd", jit_compile=True, critic_augmentation=["color"]
    )
    model.critic_optimizer.learning_rate = 0.125
    model.enter_phase(4, start=8, images=16, fading=True)
    model.images_shown.assign(12)
    other = loaded(model, tmp_path / "m.keras")
    assert type(other) is Tiny
    assert other.phase == model.phase
    assert float(other.fade) == 0.25
    assert (other.optimizer.beta_1, other.jit_compile) == (0.1, True)
    assert float(other.critic_optimizer.learning_rate) == 0.125
    assert other.critic_augmentation == ("color",)


def test_a_model_that_is_not_compiled_stays_so(tmp_path):
    assert not loaded(Tiny(), tmp_path / "m.keras").compiled


def test_the_precision_is_the_saved_one(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = Tiny()
    keras.config.set_dtype_policy("float32")
    other = loaded(model, tmp_path / "m.keras")
    assert other.translator.compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_the_constructor_s_arguments_are_kept():
    settings = {"image_size": 8, "shapes": [(1,), [2]], "width": 0.5}
    model = Styled(8, functools.partial(load_nothing, scale=3), [(1,), [2]])
    clone = keras.models.clone_model(model)
    assert clone.load() == 3
    model = Styled(**settings)
    clone = keras.models.model_from_json(model.to_json())
    assert clone.more == {"width": 0.5}
    assert clone.get_config() == model.get_config()
    assert keras_config.decode(clone.get_config()["arguments"]) == {
        **settings,
        "load": None,
    }


def test_a_function_that_keras_does_not_know_is_refused(refuses):
    with refuses("Styled.load"):
        Styled(load=lambda: 0).get_config()
    config = {"load": {"function": "tests>nowhere"}}
    with refuses("keras.saving.register_keras_serializable()"):
        keras_config.decode(config)


@pytest.fixture
def _gin():
    with gin.unlock_config():
        yield
    gin.clear_config()


@pytest.mark.usefixtures("_gin")
def test_settings_of_gin_are_in_the_file():
    reference = gin.get_configurable("teacher")
    gin.bind_parameter("mine/teacher.name", "random-conv")
    gin.bind_parameter("teacher.input_size", 32)
    with gin.config_scope("mine"):
        likeness = Likeness(reference)
    assert likeness.network.keywords == {
        "name": "random-conv",
        "input_size": 32,
    }
    other = Likeness.from_config(likeness.get_config())
    assert other.network.keywords == likeness.network.keywords
    assert other.network.func is teacher


def test_other_values_are_not_called():
    assert resolve(pytest.fail) is pytest.fail
    assert resolve(3) == 3


def test_gin_s_class_is_not_the_one_that_keras_loads():
    assert configuration.REGISTERED["CycleGAN"] is CycleGAN
    assert gin.get_configurable("CycleGAN") is not CycleGAN
    name = keras.saving.get_registered_name(CycleGAN)
    assert keras.saving.get_registered_object(name) is CycleGAN


def test_keras_s_checkpoint_goes_on(tmp_path, eagerly):
    model, path = compiled(), tmp_path / "best.keras"
    with eagerly():
        model.fit(
            tf.data.Dataset.from_tensors(ones()),
            verbose=0,
            callbacks=[keras.callbacks.ModelCheckpoint(path)],
        )
    copies = [keras.saving.load_model(path), pickle.loads(pickle.dumps(model))]
    for one in (model, *copies):
        one.train_step(ones())
    for one in copies:
        for mine, its in zip(model.variables, one.variables, strict=True):
            assert np.array_equal(mine, its), mine.path
