"""Critics that score an image at several sizes (Wang et al. 2018)."""

import tensorflow as tf

from tf_i2i.networks.base import Network


class MultiScaleCritic(Network):
    """Scores an image at several sizes, with one critic for each size.

    Source: Wang et al. 2018, arXiv:1711.11585, section 3.2. Each image has half
    the size of the previous image, and consists of means over 3x3 pixels of the
    previous image. Positions outside the image are left out of the means.

    Args:
        critics: list of networks, from the largest image to the smallest.
    """

    def __init__(self, critics, name=None):
        super().__init__(name)
        self.critics = critics

    def call(self, x, training=False):
        """Returns a list with the scores by each critic.

        Args:
            x: images `[N, H, W, C]`.
            training: passed to the critics.
        """
        scores = []
        for i, critic in enumerate(self.critics):
            if i:
                x = tf.nn.avg_pool2d(x, 3, 2, "SAME")
            scores.append(critic(x, training=training))
        return scores
