"""What a method declares, and that it must keep to it."""

import pytest
import tensorflow as tf

from tf_i2i.methods import UNIT
from tf_i2i.methods import CycleGAN
from tf_i2i.methods import TwinGAN
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Prior
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Staged
from tf_i2i.methods.capabilities import Styled
from tf_i2i.methods.capabilities import StyleSampling
from tf_i2i.methods.capabilities import stages
from tf_i2i.methods.capabilities import style_shape


class Copy(UnpairedTranslator):
    """Translates nothing, and has no networks."""

    size_multiple = 1

    def __init__(self):
        super().__init__(image_size=4)
        self.build_networks()

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return images

    def forward(self, a, b, training):
        return {"a": a, "b": b}

    def translator_losses(self, tensors):
        return {}

    def critic_losses(self, tensors):
        return {}


@pytest.mark.parametrize(
    ("capability", "part"),
    [
        (StyleSampling, "style_shape"),
        (Embedding, "embed"),
        (Reconstructing, "reconstruct"),
        (Prior, "sample_codes"),
        (Classifying, "classes"),
        (Staged, "stages"),
    ],
)
def test_a_part_that_is_missing_is_named(capability, part, refuses):
    class Lacking(capability, Copy):
        pass

    with refuses(f"Lacking.{part}") as caught:
        Lacking()
    assert capability.__name__ in str(caught.value)


def test_a_styled_method_must_encode_styles(refuses):
    class Lacking(Styled, Copy):
        style_shape = (3,)

    with refuses("Lacking.encode_style"):
        Lacking()


def test_a_method_must_translate(refuses):
    class Lacking(UnpairedTranslator):
        def __init__(self):
            super().__init__(image_size=4)
            self.build_networks()

    with refuses("Lacking.translate") as caught:
        Lacking()
    assert "critic_losses" in str(caught.value)


def test_any_model_tells_the_shape_of_its_styles():
    assert style_shape(Copy(), "a_to_b") is None
    assert stages(Copy()) == (None,)
    plain, styled = (
        TwinGAN(4, width=0.05, style_size=size) for size in (None, 3)
    )
    assert style_shape(plain, "a_to_b") is None
    assert style_shape(styled, "b_to_a") == (3,)
    images = tf.zeros((2, 4, 4, 3))
    assert styled.style_or_mean(None, images).numpy().tolist() == [[0] * 3] * 2
    assert plain.style_or_mean(None, images) is None


def test_class_lines_say_what_published_methods_can():
    assert issubclass(UNIT, Prior)
    assert not issubclass(CycleGAN, Embedding | Prior | Styled)
