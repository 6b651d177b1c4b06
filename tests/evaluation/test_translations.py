"""What is asked of a model that takes styles on the way back."""

import numpy as np
import tensorflow as tf

from tf_i2i.evaluation.judge import Evidence
from tf_i2i.evaluation.translations import Translations
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import Styled


class Light(Styled):
    """a_to_b takes the mean away, which is the style that b_to_a adds."""

    directions = ("a_to_b", "b_to_a")
    style_shape, styled_directions = (1,), ("b_to_a",)
    fixed_size, size_multiple = False, 2

    def translate(self, images, direction, style=None):
        if direction == "a_to_b":
            return (
                images - self.encode_style(images, "b_to_a")[:, :, None, None]
            )
        return images + style[:, :, None, None]

    def encode_style(self, images, direction):
        assert direction == "b_to_a"
        return tf.reduce_mean(images, [1, 2, 3])[:, None]

    def sample_style(self, count, seed):
        return tf.fill((count, 1), 0.1 * seed)


def test_the_way_back_takes_the_style_of_each_input(rng):
    images = rng.integers(60, 120, (40, 8, 8, 3), dtype=np.uint8)
    images[::2] += 80
    evidence = Evidence(images, *[images] * 3)
    translations = Translations(Light(), seed=3)

    there = translations.candidate(
        evidence, "a_to_b", ("round_trip", "sensitivity")
    )
    apart = np.abs(there.returned.astype(int) - images)
    assert apart.max() <= 1
    # As the network gave it: between two levels.
    levels = 127.5 * (there.exact + 1)
    assert np.abs(levels - np.rint(levels)).max() > 0.1
    np.testing.assert_allclose(
        to_float(there.back(there.exact)), to_float(images), atol=0.5 / 127.5
    )
    # The sampled style of seed 3 is 0.3 for every image.
    np.testing.assert_allclose(
        to_float(there.back_sampled(there.exact)),
        there.exact + np.float32(0.3),
        atol=0.5 / 127.5,
    )
    assert there.back_multiple == 2

    # From B to A styles are drawn, and the way back needs none.
    there = translations.candidate(
        evidence, "b_to_a", ("sensitivity", "diversity")
    )
    np.testing.assert_allclose(
        there.exact, to_float(images) + np.float32(0.3), atol=1e-6
    )
    assert there.several.shape == (5, 32, 8, 8, 3)
    # Styles of seeds 8 and 4, of a dark image, so that nothing is clipped.
    shift = there.several[4, 1].astype(int) - there.several[0, 1]
    assert np.abs(shift - 0.4 * 127.5).max() <= 1
