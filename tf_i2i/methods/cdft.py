r"""Cross-Domain Cascaded Deep Feature Translation.

Source: Katzir, Lischinski and Cohen-Or, 2019, arXiv:1906.01526. The authors
published no code.

    a --V--> a_5 --G_b--> b~_5          V: a frozen backbone
       \---> a_4 --G_b--> b~_4          each layer's G_b also takes the
        \--> a_3 --G_b--> b~_3 --I_b--> fake_b       translated deeper layer

    G_a(G_b(a_i, b~_i+1), a_i+1) = cycled_a_i     G_a(a_i, a_i+1) = same_a_i

A tap is a layer of the backbone whose features are translated. Features are
normalized channel by channel with the statistics of their own domain, and
clipped to [-1, 1]. A run has several stages. In the first stage the statistics
are measured. In the second stage the inversion networks I are trained, which
reconstruct an image from a layer. In each of the following stages the
translators of one layer are trained, beginning with the deepest layer. The
networks of earlier stages are not changed.

What the paper leaves open, or what differs here:
- With the channel counts of Table S3, layer 4 cannot be generated. The channel
  counts that are used here are given in `networks.cdft`.
- The paper does not specify the critic of features. Here it has strided
  convolutions and a dense layer, and is the same for every layer.
- Features are taken before the ReLU. Therefore a tap is called `conv5_1` and
  not `relu5_1`.
- The scale of AdaIN is one plus the output of the style network.
- Group normalization has 32 groups, and leaky ReLUs multiply values below 0 by
  .2. The paper gives neither number for the translators.
- The cycle loss and the identity loss (weight 100) are means over all elements
  of a feature map. The paper says only that they are L1 norms.
- The statistics of features are measured on augmented images. A channel's
  standard deviation is at least 1 % of the mean standard deviation over all
  channels. The paper gives no range for its random crops; here it is
  `Augmentation.crop`.
- The batch normalization of the inversion networks' critics has separate
  statistics for real and for reconstructed images.
- All inversion networks are trained at the same time, so that one pass of the
  backbone serves all of them. The inputs of inversion networks are normalized
  and clipped, like the outputs of translators. The loss is that of Dosovitskiy
  and Brox 2016 (arXiv:1602.02644) with means instead of sums. The comparator
  network of this loss is the backbone. The features that the loss compares are
  divided by their standard deviation.
- While the translators of a layer are trained, the translators of the deeper
  layers run with their averaged weights.
- Moving averages of the network weights are used at inference. The paper has
  no such averages.
"""

import math

import keras
import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.domains import other_domain
from tf_i2i.errors import UserError
from tf_i2i.features.backbone import load_backbone
from tf_i2i.layers import BATCH_NORM
from tf_i2i.layers import NormRouting
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Staged
from tf_i2i.networks import cdft as networks
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight

TAPS = ("conv3_1", "conv4_1", "conv5_1")


class CDFT(Embedding, Reconstructing, Staged, UnpairedTranslator):
    """Cascaded deep feature translation (Katzir et al. 2019, arXiv:1906.01526).

    Args:
        image_size: side of images in pixels.
        backbone: name of the frozen network; see `load_backbone`.
        taps: names of the backbone's layers to translate, from the shallowest
            to the deepest. The feature map of each layer must have half the
            side of the previous layer's. The translated image is reconstructed
            from the first layer. With a single tap there is no cascade (Figure
            7).
        width: factor on the channels inside translators and inversion
            networks.
        style_width: factor on the channels of the networks that compute the
            parameters of AdaIN (Table S2). Its default is `width`.
        inverter_channels: number of channels of the first layers of inversion
            networks, before the factor `width`. None for the channels of
            each tap, as in the paper.
        critic_width: factor on the channels of critics (default: `width`).
        cycle_weight, identity_weight: weights of the cycle loss and of the
            identity loss (default 100 for both). A loss with weight 0 is not
            computed, as in the ablations of Figure 6.
        adversarial_weight: weight of the adversarial losses (default 1). With 0
            there are no critics of features.
        penalty_weight: weight of the critics' gradient penalty (default 10).
        critic_steps: critic updates per translator update (default 4).
        image_weight, perceptual_weight, inversion_weight: weights of the
            three losses of inversion networks, which are the squared
            differences of pixels, the squared differences of normalized
            features, and the adversarial loss.
        perceptual_taps: those of `taps` whose features the perceptual loss
            compares; None for all.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: a tap does not have half the side of the previous tap, or
            the backbone is missing.
    """

    fixed_size = True
    preparing_stages = ("statistics", "inversion")
    adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    # The inputs of the translators' critics are features, which cannot be
    # augmented as images are.
    critics_take_images = False
    tiny = {
        "image_size": 32,
        "backbone": "random-conv",
        "taps": ("conv3", "conv4"),
        "width": 0.05,
    }
    tiny_variants = {
        # If `stage` is not given, the model is in its last stage. With four
        # critic updates per step, tests would need larger batches.
        # The penalty has a weight of 1, so that tests can compare its value.
        "": {"critic_steps": 2, "penalty_weight": 1.0},
        "inversion": {"critic_steps": 2, "stage": "inversion"},
    }

    def __init__(
        self,
        image_size: Count = 224,
        backbone: str = "keras:VGG19",
        taps: tuple[str, ...] = TAPS,
        width: Positive = 1.0,
        style_width: Positive | None = None,
        inverter_channels: Count | None = None,
        critic_width: Positive | None = None,
        cycle_weight: Weight = 100.0,
        identity_weight: Weight = 100.0,
        adversarial_weight: Weight = 1.0,
        penalty_weight: Weight = 10.0,
        critic_steps: Count = 4,
        image_weight: Weight = 10.0,
        perceptual_weight: Weight = 1.0,
        inversion_weight: Weight = 0.05,
        perceptual_taps: tuple[str, ...] | None = None,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "cdft",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        self.taps = tuple(taps)
        self.depth_first = self.taps[::-1]
        self.stages = (*self.preparing_stages, *self.depth_first)
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.adversarial_weight = adversarial_weight
        self.penalty_weight = penalty_weight
        self.critic_steps = critic_steps
        self.image_weight = image_weight
        self.perceptual_weight = perceptual_weight
        self.inversion_weight = inversion_weight
        self.perceptual_taps = _check_perceptual_taps(
            perceptual_taps, self.taps
        )
        self.backbone = load_backbone(
            backbone, self.taps, keras.config.dtype_policy().compute_dtype
        )
        # The backbone is wrapped in a `tf.function`, so that it is traced once
        # for all updates of a step.
        self._extract = tf.function(self.backbone, autograph=False)
        # The first digits of the hash of the backbone's weights are saved
        # with the run, so that `enter_phase` can detect that a run is
        # continued with a different backbone.
        self._fingerprint = int(self.backbone.weights_sha256[:12], 16)
        self.backbone_mark = self._counter("backbone_mark")
        self.backbone_mark.assign(self._fingerprint)
        shapes = self._shapes()
        self._add_translators(
            shapes,
            width,
            width if style_width is None else style_width,
            inverter_channels,
        )
        self._add_critics(
            shapes, width if critic_width is None else critic_width
        )
        self.build_networks()

    def _shapes(self):
        """Returns the sizes of the taps' feature maps, after checking them.

        Returns:
            Dictionary with a pair `(side, channels)` for each tap.

        Raises:
            UserError: a tap does not have half the side of the previous tap.
        """
        side = self.image_size
        found = self.backbone(tf.zeros((1, side, side, 3)))
        shapes = {tap: tuple(found[tap].shape[2:]) for tap in self.taps}
        sides = [side for side, _ in shapes.values()]
        halved = [2 * fine for fine in sides[1:]] == sides[:-1]
        doublings = math.log2(side / sides[0])
        if not halved or sides[-1] < 2 or doublings % 1:
            raise UserError(
                "`CDFT.taps` must be layers, each of which has feature maps of "
                "half the side of the layer before. Each side must be the "
                "image's side divided by a power of two, and at least 2 "
                "pixels. "
                f"Received: {self.taps}, with "
                f"sides {sides} for an image of {side} pixels"
            )
        return shapes

    def _add_translators(self, shapes, width, style_width, inverter_channels):
        names = []

        def add(network):
            setattr(self, network.name, network)
            names.append(network.name)

        for o in "ab":
            deeper = None
            for tap in self.depth_first:
                side, channels = shapes[tap]
                add(networks.FeatureStatistics(name=f"statistics_{tap}_{o}"))
                doublings = round(math.log2(self.image_size / side))
                add(
                    networks.Inverter(
                        inverter_channels or channels,
                        doublings,
                        width,
                        name=f"inverter_{tap}_{o}",
                    )
                )
                name = f"translator_{tap}_{o}"
                add(
                    networks.LayerTranslator(
                        deeper, channels, width, style_width, name=name
                    )
                    if deeper
                    else networks.DeepTranslator(channels, width, name=name)
                )
                deeper = channels
        self.translators = tuple(names)

    def _add_critics(self, shapes, width):
        names = []
        for tap, (_, channels) in shapes.items():
            for o in "ab":
                names.append(f"inversion_critic_{tap}_{o}")
                setattr(
                    self,
                    names[-1],
                    networks.InversionCritic(width, name=names[-1]),
                )
                if self.adversarial_weight:
                    names.append(f"critic_{tap}_{o}")
                    setattr(
                        self,
                        names[-1],
                        networks.FeatureCritic(channels, width, name=names[-1]),
                    )
        self.critics = tuple(names)

    def _network(self, kind, tap, o):
        return getattr(self, f"{kind}_{tap}_{o}")

    # Stages.

    def updates_in(self, stage):
        if stage == "statistics":
            return ("neither",)
        if stage == "inversion":
            return ("both",)
        critics = self.critic_steps if self.adversarial_weight else 0
        return (*("critic",) * critics, "translator")

    def enter_phase(self, size, start=0, images=None, fading=False, stage=None):
        """Sets the stage to train; see the base class for the arguments.

        Raises:
            UserError: the weights of the model were trained with another
                backbone.
        """
        super().enter_phase(size, start, images, fading, stage)
        if int(self.backbone_mark.numpy()) != self._fingerprint:
            raise UserError(
                "`CDFT.backbone` must have the weights with which the run was "
                f"trained. Received: other weights, {self.backbone.label}"
            )

    def begin_phase(self):
        """Sets trained weights to their moving averages.

        The statistics of features need no averaging. Therefore their moving
        averages are set to their current values.
        """
        for average, variable in self.average_pairs:
            if variable.trainable:
                variable.assign(average)
            else:
                average.assign(variable)

    @property
    def reached(self):
        """The taps that are translated in this stage, the deepest first.

        In the stages before translators are trained, this is only the deepest
        tap.
        """
        if self.stage not in self.taps:
            return self.depth_first[:1]
        return self.depth_first[: self.depth_first.index(self.stage) + 1]

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        layers = self.normalize(self.require_size(images), source)
        made = self._cascade(layers, target, self.reached)
        return self.invert(made[self.reached[-1]], self.reached[-1], target)

    def reconstruct(self, images, domain):
        """Returns images reconstructed from their features at the first tap.

        Before the last stage, the images are reconstructed from the last layer
        in `reached`.
        """
        tap = self.reached[-1]
        layers = self.normalize(self.require_size(images), domain)
        return self.invert(layers[tap], tap, domain)

    def sample_rows(self, images, domain):
        """Returns images reconstructed from each layer, as in Figure S15.

        In the stages before translators are trained, each row is decoded from
        the untranslated features of one layer. In later stages, the first
        row is the result of `reconstruct`, and the other rows are
        reconstructions from the translated layers. The rows are ordered from
        the deepest layer to the shallowest.
        """
        layers = self.normalize(self.require_size(images), domain)
        if self.stage not in self.taps:
            return [
                self.invert(layers[tap], tap, domain)
                for tap in self.depth_first
            ]
        target = other_domain(domain)
        made = self._cascade(layers, target, self.reached)
        return [
            self.reconstruct(images, domain),
            *(self.invert(made[tap], tap, target) for tap in made),
        ]

    def embed(self, images, domain):
        """Returns the normalized deepest layer, averaged over its positions."""
        layer = self.normalize(self.require_size(images), domain)[self.taps[-1]]
        return tf.reduce_mean(layer, [1, 2])

    def normalize(self, images, domain):
        """Returns the normalized and clipped features of images.

        Args:
            images: `[N, S, S, 3]`, float in [-1, 1].
            domain: "a" or "b", the domain of the images.

        Returns:
            Dictionary with a float32 tensor `[N, h, w, C]` in [-1, 1] for
            each tap.
        """
        return self._clip(self._standardize(self.backbone(images), domain))

    def invert(self, layer, tap, domain):
        """Returns images reconstructed from a layer.

        Args:
            layer: features `[N, h, w, C]`, normalized by `normalize`.
            tap: name of the layer.
            domain: "a" or "b", the domain of the features.

        Returns:
            float32 `[N, S, S, 3]` in [-1, 1].
        """
        return self._network("inverter", tap, domain)(layer)

    def _standardize(self, features, domain):
        return {
            tap: self._network("statistics", tap, domain)(features[tap])
            for tap in self.taps
        }

    @staticmethod
    def _clip(layers):
        return {t: tf.clip_by_value(x, -1.0, 1.0) for t, x in layers.items()}

    def _cascade(self, layers, target, taps):
        """Returns the translations of `taps`, beginning with the deepest.

        Args:
            layers: dictionary of the normalized features of the source, by
                tap.
            target: "a" or "b", the domain to translate to.
            taps: names of the layers to translate, the deepest first.

        Returns:
            Dictionary from taps to their translated features.
        """
        made = {}
        deeper = None
        for tap in taps:
            deeper = self._translate_layer(target, tap, layers[tap], deeper)
            made[tap] = deeper
        return made

    def _translate_layer(self, target, tap, layer, deeper):
        translator = self._network("translator", tap, target)
        if deeper is None:
            return translator(layer)
        return translator(deeper, layer)

    # Training.

    def forward(self, a, b, training):
        features = self._extract(tf.concat([a, b], 0))
        halves = {t: tf.split(x, 2) for t, x in features.items()}
        raw = {
            o: {tap: halves[tap][i] for tap in self.taps}
            for i, o in enumerate("ab")
        }
        if self.stage == "statistics" and training:
            self._measure(raw)
        layers = {o: self._standardize(raw[o], o) for o in "ab"}
        if self.stage == "statistics":
            return {}
        if self.stage == "inversion":
            return self._inversion_tensors({"a": a, "b": b}, layers, training)
        clipped = {o: self._clip(layers[o]) for o in "ab"}
        if "translator" in self.active_sides:
            s = self._translator_tensors(clipped)
        else:
            s = {}
            for o in "ab":
                s[f"fake_{o}"] = tf.stop_gradient(self._fake(clipped, o))
        if self.adversarial_weight:
            s |= self._score(clipped, s)
        return s

    def _measure(self, raw):
        """Updates the statistics with a batch of raw features."""
        batch = self.global_batch(raw["a"][self.taps[0]])
        share = self.images_in_phase / (self.images_in_phase + batch)
        for o in "ab":
            for tap in self.taps:
                statistics = self._network("statistics", tap, o)
                statistics.measure(raw[o][tap], share)

    def _inversion_tensors(self, images, layers, training):
        """Returns the tensors of the stage "inversion".

        For each layer, the tensors are the images that are reconstructed from
        the layer, the features of these images, and the scores of the layer's
        critic.
        """
        limits = BATCH_NORM if training else None
        routing = NormRouting(("real", "fake"), limits)
        s: dict[str, tf.Tensor] = {}
        for o in "ab":
            clipped = self._clip(layers[o])
            for tap in self.taps:
                made = self.invert(clipped[tap], tap, o)
                critic = self._network("inversion_critic", tap, o)
                scores = critic(
                    tf.concat([images[o], made], 0), routing=routing
                )
                real, fake = tf.split(scores, 2)
                s |= {
                    o: images[o],
                    f"inverted_{tap}_{o}": made,
                    f"score_{tap}_{o}": real,
                    f"fake_score_{tap}_{o}": fake,
                }
            for tap, layer in layers[o].items():
                s[f"layer_{tap}_{o}"] = layer
            if self.perceptual_weight:
                s |= self._reconstructed_features(s, o)
        return s

    def _reconstructed_features(self, s, o):
        """Returns normalized features of a domain's reconstructed images."""
        made = [s[f"inverted_{tap}_{o}"] for tap in self.taps]
        again = self._standardize(self._extract(tf.concat(made, 0)), o)
        return {
            f"again_{compared}_{tap}_{o}": part
            for compared in self.perceptual_taps
            for tap, part in zip(
                self.taps, tf.split(again[compared], len(made)), strict=True
            )
        }

    def _fake(self, clipped, o):
        """Returns the layer of this stage, translated to domain `o`."""
        i, tap = other_domain(o), self.reached[-1]
        return self._translate_layer(
            o, tap, clipped[i][tap], self._content(clipped, i, o)
        )

    def _content(self, clipped, i, o):
        """Returns the translation of the deeper layer, without a gradient.

        Args:
            clipped: normalized and clipped features; a dictionary with one
                dictionary of tensors, by tap, for each domain.
            i, o: domain to translate from, and domain to translate to.

        Returns:
            Features of the deeper layer; None if the stage trains the deepest
            layer.
        """
        *below, _ = self.reached
        if not below:
            return None
        return tf.stop_gradient(self._cascade(clipped[i], o, below)[below[-1]])

    def _translator_tensors(self, clipped):
        *below, tap = self.reached
        s: dict[str, tf.Tensor] = {}
        own = {o: clipped[o][below[-1]] if below else None for o in "ab"}
        for o, i in ("ab", "ba"):
            sources, contents = (
                [clipped[i][tap]],
                [self._content(clipped, i, o)],
            )
            if self.identity_weight:
                sources.append(clipped[o][tap])
                contents.append(own[o])
            made = self._translate_layer(
                o,
                tap,
                tf.concat(sources, 0),
                tf.concat(contents, 0) if below else None,
            )
            names = (f"fake_{o}", f"same_{o}")
            s |= zip(names, tf.split(made, len(sources)), strict=False)
            s[f"layer_{o}"] = clipped[o][tap]
        if self.cycle_weight:
            for o, i in ("ab", "ba"):
                s[f"cycled_{i}"] = self._translate_layer(
                    i, tap, s[f"fake_{o}"], own[i]
                )
        return s

    def _score(self, clipped, s):
        """Returns the scores of fakes.

        In critic updates, the result also contains the scores of the feature
        maps of real images, and the gradient norms for the gradient penalty.
        """
        tap = self.reached[-1]
        scored = {}
        for o in "ab":
            critic = self._network("critic", tap, o)
            fake = s[f"fake_{o}"]
            if "critic" not in self.active_sides:
                scored[f"fake_score_{o}"] = critic(fake)
                continue
            real = clipped[o][tap]
            scores = critic(tf.concat([real, fake], 0))
            scored[f"score_{o}"], scored[f"fake_score_{o}"] = tf.split(
                scores, 2
            )
            share = self.noise(
                (real.shape[0], 1, 1, 1), f"slope_{o}", "uniform"
            )
            between = real + share * (tf.stop_gradient(fake) - real)
            scored[f"slope_{o}"] = losses.slope(critic, between)
        return scored

    def translator_losses(self, s):
        if self.stage == "statistics":
            return {}
        if self.stage == "inversion":
            return self._inversion_losses(s)
        terms = {}
        tap = self.stage
        if self.adversarial_weight:
            terms[f"adversarial_{tap}"] = self.adversarial_weight * tf.add_n(
                [losses.wgan_translator(s[f"fake_score_{o}"]) for o in "ab"]
            )
        for name, made, weight in (
            ("cycle", "cycled", self.cycle_weight),
            ("identity", "same", self.identity_weight),
        ):
            if weight:
                terms[f"{name}_{tap}"] = weight * tf.add_n(
                    [losses.l1(s[f"layer_{o}"], s[f"{made}_{o}"]) for o in "ab"]
                )
        return terms

    def _inversion_losses(self, s):
        terms = {}
        for tap in self.taps:
            pixels, features, fooling = [], [], []
            for o in "ab":
                made = s[f"inverted_{tap}_{o}"]
                pixels.append(losses.mean_square(s[o], made))
                fooling.append(
                    losses.lsgan_translator(s[f"fake_score_{tap}_{o}"])
                )
                if self.perceptual_weight:
                    features += [
                        losses.mean_square(
                            s[f"layer_{compared}_{o}"],
                            s[f"again_{compared}_{tap}_{o}"],
                        )
                        for compared in self.perceptual_taps
                    ]
            weighted = {
                "image": (self.image_weight, tf.add_n(pixels)),
                "fooling": (self.inversion_weight, tf.add_n(fooling)),
            }
            if features:
                mean = tf.add_n(features) / len(self.perceptual_taps)
                weighted["perceptual"] = (self.perceptual_weight, mean)
            for name, (weight, value) in weighted.items():
                terms[f"{name}_{tap}"] = weight * value
        return terms

    def critic_losses(self, s):
        if self.stage == "statistics":
            return {}
        if self.stage == "inversion":
            return {
                f"inversion_critic_{tap}": self.inversion_weight
                * tf.add_n(
                    [
                        losses.lsgan_critic(
                            s[f"score_{tap}_{o}"], s[f"fake_score_{tap}_{o}"]
                        )
                        for o in "ab"
                    ]
                )
                for tap in self.taps
            }
        if not self.adversarial_weight:
            return {}
        wasserstein = [
            losses.wgan_critic(s[f"score_{o}"], s[f"fake_score_{o}"])
            for o in "ab"
        ]
        slopes = [losses.slope_penalty(s[f"slope_{o}"]) for o in "ab"]
        return {
            f"critic_{self.stage}": tf.add_n(wasserstein),
            f"penalty_{self.stage}": self.penalty_weight * tf.add_n(slopes),
        }

    def observations(self, s):
        """Returns PSNR and the fraction of clipped features, for each tap.

        There are observations in the stage "inversion" only.
        """
        if self.stage != "inversion":
            return {}
        observed = {}
        for tap in self.taps:
            errors, clipped = [], []
            for o in "ab":
                made = s[f"inverted_{tap}_{o}"]
                errors.append(losses.mean_square(s[o], made))
                beyond = tf.abs(s[f"layer_{tap}_{o}"]) > 1.0
                clipped.append(tf.reduce_mean(tf.cast(beyond, tf.float32)))
            # PSNR needs the squared range of the images. Their range is 2, so
            # the numerator below is 4.
            error = tf.add_n(errors) / 2.0
            observed[f"psnr_{tap}"] = 10.0 * _log10(4.0 / (error + 1e-9))
            observed[f"clamped_{tap}"] = tf.add_n(clipped) / 2.0
        return observed


def _log10(x):
    return tf.math.log(x) / math.log(10.0)


def _check_perceptual_taps(perceptual_taps, taps):
    compared = taps if perceptual_taps is None else tuple(perceptual_taps)
    if not {*compared} <= {*taps} or not compared:
        raise UserError(
            f"`CDFT.perceptual_taps` must be some of {taps}. "
            f"Received: {compared}"
        )
    return compared
