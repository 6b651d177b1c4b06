"""A loss that is small if a translation resembles its source image.

A frozen network judges the resemblance. This network computes a vector of each
image, and the loss is the distance between the vector of an image and the
vector of its translation. If the network recognizes faces, the loss makes the
translation show the same person. The loss corresponds to the face-id loss that
photo2cartoon (github.com/minivision-ai/photo2cartoon) adds to the losses of
U-GAT-IT. No code of that project is used. Here the loss can be added to every
method whose training step translates images.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated

import keras
import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import DIRECTIONS
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.features.reference import resolve
from tf_i2i.features.teacher import check_differentiable
from tf_i2i.methods.keras_config import PACKAGE
from tf_i2i.methods.keras_config import decode
from tf_i2i.methods.keras_config import encode
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import check_values

# The images that can be compared with the source images. Each value is a pair:
# the beginning of the name of the images' tensor, such as "fake" of `fake_a`,
# and whether these images are in the domain of the source images.
_COMPARED = {"translation": ("fake", False), "cycle": ("cycled", True)}


@keras.saving.register_keras_serializable(PACKAGE)
@dataclasses.dataclass(frozen=True, eq=False)
class Likeness:
    """Settings of the likeness loss, the argument `likeness` of `compile`.

    The loss of a direction is `weight * mean(1 - cos(f(x), f(y)))`, where f is
    the frozen network, x are source images and y are the images that are
    compared with them. The loss is called `likeness_a` or `likeness_b`, after
    the domain of y. Its gradient reaches the translators through f.

    Args:
        network: function without arguments that returns f, such as `teacher`.
            f takes images `[N, S, S, 3]` in [-1, 1] and returns vectors
            `[N, D]`, and must be differentiable with respect to the images.
            The network is loaded when training begins. A trained model does
            not need it.
        weight: weight of the loss, above 0.
        between: "translation" to compare images with their translations, or
            "cycle" to compare them with the images at the end of their cycle,
            which are in the domain of the source. "cycle" is meant for a
            network that was trained on photos only.
        directions: tuple of the directions whose source images are compared;
            None for all directions of the method.

    Raises:
        UserError: there is no network, or another value is not allowed.
    """

    network: Callable | None = None
    weight: Positive = 1.0
    between: Annotated[str, OneOf(tuple(_COMPARED))] = "translation"
    directions: tuple[str, ...] | None = None

    def __post_init__(self):
        if not callable(self.network):
            raise UserError(
                "`Likeness.network` must be a function that returns a network, "
                "for example Likeness.network = @teacher with teacher.name = "
                f"'savedmodel:FOLDER'. Received: {self.network!r}"
            )
        object.__setattr__(self, "network", resolve(self.network))
        check_values(type(self), vars(self), "Likeness")
        if self.directions is not None and (
            not self.directions or not {*self.directions} <= {*DIRECTIONS}
        ):
            raise UserError(
                "`Likeness.directions` must be None or a tuple of some of "
                f"{', '.join(DIRECTIONS)}. Received: {self.directions!r}"
            )

    def get_config(self):
        """Returns the settings in the form that a Keras file stores."""
        return encode(vars(self), "Likeness")

    @classmethod
    def from_config(cls, config):
        """Returns the settings that `get_config` described."""
        return cls(**decode(config))


class LikenessLoss:
    """The likeness loss of one model.

    This class is not a Keras layer. Therefore the model neither counts nor
    saves the weights of the frozen network, and checkpoints are the same with
    and without the loss.

    Args:
        settings: `Likeness`.
        model: `UnpairedTranslator` with its networks.

    Attributes:
        metrics: dictionary of the mean of each loss, by the name of the loss.

    Raises:
        UserError: the method does not translate in one of the directions, or
            its training step does not compute the images to compare.
    """

    def __init__(self, settings, model):
        self.settings = settings
        self.image_size = model.image_size
        # For each loss, the names of the two tensors that it compares.
        self.pairs = dict(self._pair(way, model) for way in self._ways(model))
        self.metrics = {name: keras.metrics.Mean(name) for name in self.pairs}
        self._embed = None

    def _ways(self, model):
        ways = self.settings.directions or model.directions
        if not {*ways} <= {*model.directions}:
            raise UserError(
                "`Likeness.directions` must be some of "
                f"{', '.join(model.directions)} for {type(model).__name__}. "
                f"Received: {ways!r}"
            )
        return ways

    def _pair(self, way, model):
        """Returns the name of a loss, and the names of its two tensors."""
        source, target = ends(way)
        compared, back = _COMPARED[self.settings.between]
        domain = source if back else target
        made = f"{compared}_{domain}"
        if not {source, made} <= {*model.image_names}:
            raise UserError(
                "`Likeness.between` must be a comparison of images that "
                f"{type(model).__name__} computes in training. It does not "
                f"compute {made} and {source}. "
                f"Received: {self.settings.between!r}"
            )
        return f"likeness_{domain}", (source, made)

    def load(self):
        """Loads the frozen network, unless it is loaded already.

        Returns:
            The network, a function from images to vectors.

        Raises:
            UserError: the network cannot be loaded or is not differentiable.
        """
        if self._embed is None:
            embed = self.settings.network()
            check_differentiable(embed, self.image_size, "Likeness.network")
            self._embed = embed
        return self._embed

    def losses(self, tensors):
        """Returns a dictionary of the weighted scalar losses.

        Args:
            tensors: dictionary that the method's `forward` returned.
        """
        embed = self.load()
        sources, made = (
            _embed_all(embed, [tensors[name] for name in names])
            for names in zip(*self.pairs.values(), strict=True)
        )
        return {
            name: self.settings.weight * losses.cosine_distance(x, y)
            for name, x, y in zip(self.pairs, sources, made, strict=True)
        }


def _embed_all(embed, batches):
    """Returns the vectors of each batch of images, by one call of a network."""
    images = tf.cast(tf.concat(batches, 0), tf.float32)
    return tf.split(embed(images), len(batches))
