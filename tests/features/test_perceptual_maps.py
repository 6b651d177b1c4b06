"""Maps that perceptual losses compare."""

import numpy as np
import pytest

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.perceptual import perceptual


def test_the_third_map_for_content_and_the_first_four_for_style(rng):
    images = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    content, style = perceptual("random-conv")(images)
    taps = load_features("random-conv")(images)
    assert len(content) == 1
    assert len(style) == 4
    np.testing.assert_array_equal(content[0], taps["conv3"])
    for i, maps in enumerate(style, 1):
        np.testing.assert_array_equal(maps, taps[f"conv{i}"])


def test_maps_by_name(rng):
    images = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    maps = perceptual(
        "random-conv", content=("conv1", "conv2"), style=("conv2",)
    )
    content, style = maps(images)
    assert [x.shape[3] for x in (*content, *style)] == [32, 64, 64]
    with pytest.raises(
        UserError, match="must name feature maps of the network"
    ):
        perceptual("random-conv", style=("relu1_2",))
