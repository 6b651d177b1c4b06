r"""Contrastive Learning for Unpaired Image-to-Image Translation: CUT, FastCUT.

Source: Park, Efros, Zhang and Zhu, 2020, arXiv:2007.15651.

    a --E--> maps_a, code_a --> fake_b --E--> again_a    D: fake_b or b?
    b --E--> maps_b, code_b --> same_b --E--> again_b

    maps_a --H--> keys_a  <--> queries_a <--H-- again_a
    maps_b --H--> keys_b  <--> queries_b <--H-- again_b

There is one generator, which translates A to B. E is its first half, which
also gives feature maps of several layers. A query is the vector of one position
of a translation. The key at the same position of the input must be more similar
to the query than the keys at 255 other positions of this input.

FastCUT is CUT with `nce_a_weight = 10`, `nce_b_weight = 0` and `flip = True`.

What the paper leaves open, or what differs here:
- No gradient flows through the keys, as in the authors' code.
- The random positions are the same for all images of a batch. The keys of an
  image are compared only with queries of the same image, as in the authors'
  code.
- The two PatchNCE losses are added, as in eq. 5. In the authors' code, the sum
  is multiplied by .5 if both losses are used.
- The critic's loss is divided by 2, as in the authors' code.
- The paper says that the generator is that of CycleGAN. As in the authors'
  code, convolutions of stride 2 are replaced by convolutions and blurred
  subsampling, and transposed convolutions by bilinear upsampling and
  convolutions. Without these changes, translations had a checkerboard pattern.
  The convolutions of the critic are replaced in the same way.
- `flip` mirrors each image with probability 1/2 before it is translated, and
  mirrors the feature maps of its translation back. The authors' code mirrors
  all images of a batch or none.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.networks.patch import AntialiasedCritic
from tf_i2i.networks.patches import PatchHeads
from tf_i2i.networks.patches import sample_positions
from tf_i2i.networks.resnet import STRIDE
from tf_i2i.networks.resnet import AntialiasedGenerator
from tf_i2i.sizes import Size
from tf_i2i.sizes import image_shape
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight


class CUT(UnpairedTranslator):
    """CUT and FastCUT (Park et al. 2020, arXiv:2007.15651).

    Args:
        image_size: side of images, or their height and width, which are
            multiples of 4 pixels.
        residual_blocks: number of residual blocks of the generator.
        width: factor on the channel counts of the generator.
        outer_norm: whether all layers of the generator are normalized, as in
            the paper, or only the residual blocks; see `ResnetGenerator`.
        critic_layers: number of strided convolutions of the critic; see
            `AntialiasedCritic`.
        critic_width: factor on the channel counts of the critic (default:
            `width`).
        head_size: length of the vectors of patches.
        patches: number of patches of a feature map that are compared.
        temperature: number by which the scalar products of vectors are divided.
        nce_a_weight: weight of the PatchNCE loss of images of A and their
            translations, lambda_X of eq. 5 (default 1).
        nce_b_weight: weight of the PatchNCE loss of images of B and the outputs
            that the generator computes from them, lambda_Y of eq. 5 (default
            1). With 0 these outputs are not computed.
        flip: whether the generator must translate a mirrored image to the
            mirrored translation, as in FastCUT.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is not a multiple of 4.
    """

    translators = ("generator", "heads")
    critics = ("critic",)
    updates = ("both",)
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = (
        *("score", "style", "content", "copying", "checks", "labels"),
        *("paired", "outlines", "swd", "segmentation", "segmenter"),
    )
    tiny = {
        "image_size": 16,
        "residual_blocks": 1,
        "width": 0.05,
        "critic_layers": 1,
        "head_size": 8,
        "patches": 8,
    }
    tiny_variants = {"": {}, "fast": {"nce_b_weight": 0.0, "flip": True}}
    directions = ("a_to_b",)
    size_multiple = STRIDE

    def __init__(
        self,
        image_size: Size = 256,
        residual_blocks: Count = 9,
        width: Positive = 1.0,
        outer_norm: bool = True,
        critic_layers: Count = 3,
        critic_width: Positive | None = None,
        head_size: Count = 256,
        patches: Count = 256,
        temperature: Positive = 0.07,
        nce_a_weight: Weight = 1.0,
        nce_b_weight: Weight = 1.0,
        flip: bool = False,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "cut",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.check_size(STRIDE)
        self.patches = patches
        self.temperature = temperature
        self.nce_weights = {"a": nce_a_weight, "b": nce_b_weight}
        self.compared = "ab" if nce_b_weight else "a"
        self.flip = flip
        self.generator = AntialiasedGenerator(
            residual_blocks, width, outer_norm, "generator"
        )
        # `forward` calls the two halves of the generator, and a Keras layer is
        # built only when it is called as a whole.
        self.generator(tf.zeros((1, *image_shape(image_size))))
        layers = 3 + min(residual_blocks, 2)
        self.heads = PatchHeads(layers, head_size, "heads")
        self.critic = AntialiasedCritic(
            critic_layers, critic_width or width, "critic"
        )
        self.build_networks()

    @property
    def averaged_networks(self):
        return ("generator",)

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return self.generator(images)

    # Training.

    def forward(self, a, b, training):
        s = {"a": a, "b": b}
        given = tf.concat([s[o] for o in self.compared], 0)
        code, maps = self.generator.encode(given, training)
        mirrored = None
        if self.flip and training:
            coins = self.noise((a.shape[0], 1, 1, 1), "flip", "uniform")
            mirrored = tf.concat([coins < 0.5] * len(self.compared), 0)
            code, _ = self.generator.encode(_mirror(given, mirrored), training)
        made = self.generator.decode(code, training)
        _, again = self.generator.encode(made, training)
        again = [_mirror(x, mirrored) for x in again]

        positions = self._positions(maps)
        keys, queries = (
            self.heads(maps, positions),
            self.heads(again, positions),
        )
        for i, (key, query) in enumerate(zip(keys, queries, strict=True)):
            s |= self._by_domain(f"keys_{i}", tf.stop_gradient(key))
            s |= self._by_domain(f"queries_{i}", query)
        s["fake_b"] = tf.split(made, len(self.compared))[0]
        if "b" in self.compared:
            s["same_b"] = tf.split(made, 2)[1]
        return s | self._scores(s, training)

    def _by_domain(self, name, values):
        parts = tf.split(values, len(self.compared))
        return {
            f"{name}_{o}": part
            for o, part in zip(self.compared, parts, strict=True)
        }

    def _positions(self, maps):
        """Returns the positions that are compared, for each feature map."""
        return [
            sample_positions(
                self.draw(
                    (x.shape[1] * x.shape[2],), f"patches/{i}", "uniform"
                ),
                self.patches,
            )
            for i, x in enumerate(maps)
        ]

    def _scores(self, s, training):
        judged = [self.augment_for_critic(s[n], n) for n in ("b", "fake_b")]
        scores = self.critic(tf.concat(judged, 0), training=training)
        real, fake = tf.split(scores, 2)
        return {"score_b": real, "fake_score_b": fake}

    def translator_losses(self, s):
        terms = {"gan": losses.lsgan_translator(s["fake_score_b"])}
        for o in self.compared:
            terms[f"nce_{o}"] = self.nce_weights[o] * self._nce(o, s)
        return terms

    def _nce(self, o, s):
        layers = [
            losses.patch_nce(
                s[f"queries_{i}_{o}"], s[f"keys_{i}_{o}"], self.temperature
            )
            for i in range(len(self.heads.hidden))
        ]
        return tf.add_n(layers) / len(layers)

    def critic_losses(self, s):
        loss = losses.lsgan_critic(s["score_b"], s["fake_score_b"])
        return {"critic": 0.5 * loss}


def _mirror(x, mirrored):
    """Returns `x` with those images mirrored for which `mirrored` is true.

    Args:
        x: `[N, H, W, C]`.
        mirrored: bool `[N, 1, 1, 1]`; None mirrors no image.
    """
    if mirrored is None:
        return x
    return tf.where(mirrored, tf.reverse(x, [2]), x)
