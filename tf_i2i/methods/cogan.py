r"""Coupled Generative Adversarial Networks (CoGAN), on digits.

Source: Liu and Tuzel, 2016, arXiv:1606.07536, section 4 (domain adaptation and
image transformation) and appendix.

    z --G--> sample_a, sample_b       one pair of images for each noise vector z
    C: a or sample_a? b or sample_b?  C: critic and classifier
    labels --> C(a)
    features of C: sample_a ~ sample_b

The domains share all layers of G except the last, and all layers of C except
the first. Therefore G learns pairs of images that correspond, although it never
sees a pair, and what C learns from the labels of A also applies to B.

G takes noise and no images. To translate an image of A, `translate` searches
for the noise from which G makes the most similar image of A, and returns the
image of B from the same noise. This is the image transformation of section 4.

What the paper leaves open, or what differs here:
- The search takes a fixed number of steps of Adam that reduce the mean squared
  difference of pixels. The search begins with zeros, and noise stays in the
  range of its prior, [-1, 1]. The paper uses L-BFGS, and says that its results
  are often good and sometimes poor.
- The paper prints no loss weights. The weights of the feature loss (squared
  differences, summed over the features), of the class loss and of the weight
  decay are taken from the authors' PyTorch code, which adapts MNIST to USPS.
  The weight of the adversarial losses is .5 here, because the terms of the two
  domains are added here, and are averaged in that code.
- C is the classifier of `UNITAdaptation`, so that both methods can be compared.
  Where C has a ReLU, the authors' code has a PReLU. Each critic has one logit,
  which is the difference of the two logits of the authors' code. There is no
  dropout.
- Images have three channels and values in [-1, 1]. G ends with a hyperbolic
  tangent. In the authors' code, images have one channel and values in [0, 1].
- Batch normalization has a scale and an offset; in the authors' PyTorch code it
  has neither.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

from typing import Annotated

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Prior
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.networks.cogan import NOISE
from tf_i2i.networks.cogan import CoupledGenerators
from tf_i2i.networks.cogan import search_noise
from tf_i2i.networks.digits import DigitCritic
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Range
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class CoGAN(Classifying, Prior, Reconstructing, UnpairedTranslator):
    """CoGAN for domain adaptation (Liu and Tuzel 2016, arXiv:1606.07536).

    Args:
        image_size: side of images in pixels, 28.
        width: factor on the channel counts of the generators.
        critic_width: factor on the channel counts of the critics.
        classes: number of classes of the labels of A, at least 2.
        search_steps: number of steps of the search for the noise that belongs
            to an image. The time of a translation depends on this number.
        gan_weight: weight of the adversarial losses (default .5).
        class_weight: weight of the cross-entropy of the labels of A (default
            10).
        feature_weight: weight of the squared difference between the critic's
            last features of the two images of a pair, summed over the features
            (default .01).
        weight_decay: weight of half the sum of squares of the network
            weights, a loss of generators and of critics (5e-4).
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not 28.
    """

    translators = ("generator",)
    critics = ("critic",)
    updates = ("critic", "translator")
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = ("accuracy", "checks")
    tiny = {
        "image_size": 28,
        "width": 0.01,
        "critic_width": 0.1,
        "search_steps": 2,
    }
    fixed_size = True

    def __init__(
        self,
        image_size: Count = 28,
        width: Positive = 1.0,
        critic_width: Positive = 1.0,
        classes: Annotated[int, Range(2)] = 10,
        search_steps: Count = 100,
        gan_weight: Weight = 0.5,
        class_weight: Weight = 10.0,
        feature_weight: Weight = 0.01,
        weight_decay: Weight = 5e-4,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "cogan",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.classes = classes
        self.search_steps = search_steps
        self.gan_weight = gan_weight
        self.class_weight = class_weight
        self.feature_weight = feature_weight
        self.weight_decay = weight_decay
        self.generator = CoupledGenerators(image_size, width, "generator")
        self.critic = DigitCritic(
            image_size, critic_width, classes, name="critic"
        )
        self.build_networks()

    @property
    def averaged_networks(self):
        return (*self.translators, *self.critics)

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        return self.generator(self._search(images, source), domains=target)

    def reconstruct(self, images, domain):
        """Returns the most similar generated images, found by the search."""
        return self.generator(self._search(images, domain), domains=domain)

    def classify(self, images, domain):
        """Returns the logits of classes, which the critic C computes."""
        _, _, classes = self.critic(self.require_size(images), domains=domain)
        return classes

    def sample_codes(self, count, seed):
        """Returns samples of the noise, uniform in [-1, 1), `[count, 100]`."""
        return tf.random.stateless_uniform((count, NOISE), (seed, 0), -1, 1)

    def decode(self, codes):
        """Returns the images that each noise vector gives in both domains."""
        both = tf.split(self.generator(codes, domains="ab"), 2)
        return dict(zip("ab", both, strict=True))

    def _search(self, images, domain):
        """Returns the noise that belongs to images of a domain, `[N, 100]`."""

        def generate(noise):
            return self.generator(noise, domains=domain)

        return search_noise(
            generate, self.require_size(images), self.search_steps
        )

    # Training.

    def forward(self, a, b, training, labels=None):
        uniform = self.noise((a.shape[0], NOISE), "noise", "uniform")
        made = self.generator(
            2.0 * uniform - 1.0, domains="ab", training=training
        )
        s = {"a": a, "b": b, "labels": labels}
        s["sample_a"], s["sample_b"] = tf.split(made, 2)
        # Both images of a pair are augmented in the same way, because their
        # features are compared.
        for kind, augmentations in (("", "ab"), ("sample_", ("pair", "pair"))):
            seen = [
                self.augment_for_critic(s[kind + o], name)
                for o, name in zip("ab", augmentations, strict=True)
            ]
            judged = self.critic(tf.concat(seen, 0), domains="ab")
            names = ("features", "score", "classes")
            for name, both in zip(names, judged, strict=True):
                a_and_b = tf.split(both, 2)
                s[f"{kind}{name}_a"], s[f"{kind}{name}_b"] = a_and_b
        return s

    def translator_losses(self, s):
        terms = {
            f"gan_{o}": self.gan_weight
            * losses.gan_translator(s[f"sample_score_{o}"])
            for o in "ab"
        }
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        terms = {
            f"critic_{o}": self.gan_weight
            * losses.gan_critic(s[f"score_{o}"], s[f"sample_score_{o}"])
            for o in "ab"
        }
        entropy = losses.cross_entropy(s["labels"], s["classes_a"])
        terms["class"] = self.class_weight * entropy
        features = s["sample_features_a"], s["sample_features_b"]
        apart = losses.mean_square(*features) * features[0].shape[1]
        terms["feature"] = self.feature_weight * apart
        return terms | self.decay_loss("critic", self.weight_decay)
