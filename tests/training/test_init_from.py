"""A new run begins with the weights of a run at another image size."""

import numpy as np

from tf_i2i.methods import CycleGAN
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.init_from import load_initial_weights


def test_networks_are_loaded_at_twice_the_size(tmp_path):
    """The pool of images is not, because its images have another size."""
    small, large = (
        CycleGAN(**CycleGAN.tiny | {"image_size": size}) for size in (16, 32)
    )
    for model in (small, large):
        model.compile()
    small.images_shown.assign(7)
    small.pool_a.stored.assign(3)
    Checkpoints(tmp_path).save(small)
    load_initial_weights(tmp_path, large, {}, print)
    for side in (*small.translators, *small.critics):
        old, new = (getattr(m, side).get_weights() for m in (small, large))
        assert all(map(np.array_equal, old, new)), side
    assert int(large.images_shown) == 0
    assert int(large.pool_a.stored) == 0
