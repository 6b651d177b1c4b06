"""Tiny methods as a user would write them, with one capability each."""

import gin
import tensorflow as tf
from keras import Sequential
from keras import layers

from tf_i2i import UnpairedTranslator
from tf_i2i import losses
from tf_i2i.methods.capabilities import Annotated
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Prior
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Staged
from tf_i2i.methods.capabilities import Styled


@gin.register
class OwnPlain(UnpairedTranslator):
    """A convolution for each direction, and none of the capabilities."""

    translators: tuple[str, ...] = ("generator_a", "generator_b")
    critics: tuple[str, ...] = ("critic_a", "critic_b")
    size_multiple = 1
    # The domains into which the method translates.
    targets = "ab"
    measures: tuple[str, ...] = ("score", "round_trip")

    def __init__(self, image_size=16, seed=0):
        super().__init__(image_size, seed=seed)
        for o in self.targets:
            setattr(self, f"generator_{o}", convolution())
            setattr(self, f"critic_{o}", convolution())
        self.make_more()
        self.build_networks()

    def make_more(self):
        """Makes the networks of a capability."""

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self.generate(images, direction[-1])

    def generate(self, images, target):
        return getattr(self, f"generator_{target}")(images)

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        for o in self.targets:
            s[f"fake_{o}"] = self.generate(b if o == "a" else a, o)
            judge = getattr(self, f"critic_{o}")
            s[f"score_{o}"] = judge(self.augment_for_critic(s[o], o))
            s[f"fake_score_{o}"] = judge(
                self.augment_for_critic(s[f"fake_{o}"], f"fake_{o}")
            )
        return s

    def translator_losses(self, s):
        return {
            f"gan_{o}": losses.lsgan_translator(s[f"fake_score_{o}"])
            for o in self.targets
        }

    def critic_losses(self, s):
        return {
            f"critic_{o}": losses.lsgan_critic(
                s[f"score_{o}"], s[f"fake_score_{o}"]
            )
            for o in self.targets
        }


@gin.register
class OwnOneWay(OwnPlain):
    """Translates from A to B only, with one generator and one critic."""

    translators = ("generator_b",)
    critics = ("critic_b",)
    directions = ("a_to_b",)
    targets = "b"
    measures = ("score",)


@gin.register
class OwnStyled(Styled, OwnPlain):
    """Adds the style, one number for each colour, to the images."""

    style_shape = (3,)
    measures = ("score", "round_trip", "diversity")

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        style = self.style_or_mean(style, images)
        return self.generate(images + style[:, None, None], direction[-1])

    def encode_style(self, images, direction):
        self.check_direction(direction)
        return tf.reduce_mean(images, [1, 2])


@gin.register
class OwnStyledOneWay(OwnStyled):
    """Takes a style from B to A only."""

    styled_directions = ("b_to_a",)

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        if direction == "a_to_b":
            return self.generate(images, "b")
        return super().translate(images, direction, style)


@gin.register
class OwnEmbedding(Embedding, OwnPlain):
    measures = ("score", "embedding")

    def embed(self, images, domain):
        return tf.reduce_mean(images, 1)[:, :, 0]


@gin.register
class OwnReconstructing(Reconstructing, OwnPlain):
    def reconstruct(self, images, domain):
        return self.generate(images, domain)


@gin.register
class OwnPrior(Prior, OwnPlain):
    def sample_codes(self, count, seed):
        shape = (count, self.image_size, self.image_size, 3)
        return tf.random.stateless_normal(shape, (seed, 0))

    def decode(self, codes):
        return {domain: self.generate(codes, domain) for domain in "ab"}


@gin.register
class OwnClassifying(Classifying, OwnPlain):
    critics = ("critic_a", "critic_b", "classifier")
    classes = 2
    measures = ("score", "accuracy")

    def make_more(self):
        head = layers.Dense(2, dtype="float32")
        self.classifier = Sequential([layers.GlobalAveragePooling2D(), head])

    def classify(self, images, domain):
        return self.classifier(images)

    def forward(self, a, b, training, labels=None):
        s = super().forward(a, b, training)
        return s | {"logits": self.classify(a, "a"), "labels": labels}

    def critic_losses(self, s):
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
            s["labels"], s["logits"]
        )
        return super().critic_losses(s) | {"class": tf.reduce_mean(entropy)}


@gin.register
class OwnAnnotated(Annotated, OwnPlain):
    """Learns the mean of each image from the column "digit"."""

    annotations = ("digit",)

    def forward(self, a, b, training, labels=None):
        return super().forward(a, b, training) | {"labels": labels}

    def translator_losses(self, s):
        guess = tf.reduce_mean(s["fake_b"], [1, 2, 3])
        wanted = losses.l1(s["labels"][:, 0], guess)
        return super().translator_losses(s) | {"wanted": wanted}


@gin.register
class OwnStaged(Staged, OwnPlain):
    """Trains both sides in one step, and then one after the other."""

    stages = ("first", "second")

    def updates_in(self, stage):
        return ("both",) if stage == "first" else ("critic", "translator")


@gin.register
class OwnGrowing(OwnPlain):
    """Trains at half of the size first."""

    @property
    def sizes(self):
        return self.image_size // 2, self.image_size


def convolution():
    return layers.Conv2D(
        3, 3, padding="same", activation="tanh", dtype="float32"
    )
