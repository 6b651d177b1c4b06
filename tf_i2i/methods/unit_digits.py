r"""UNIT's domain adaptation: a classifier for images without labels.

Source: Liu, Breuel and Kautz, 2017, arXiv:1703.00848, section 4 and appendix B.

    a --E--> mean_a + noise --G--> same_a, fake_b
    b --E--> mean_b + noise --G--> fake_a, same_b
    labels --> C(a)                    C: critic and classifier
    features of C: same_a ~ fake_b, same_b ~ fake_a

In each of E, G and C, the layers next to the images exist once for each
domain, and all other layers are shared. Therefore what C learns from the labels
of A also applies to B.

What the paper leaves open, or what differs here:
- The paper prints no loss weights. The weights here are taken from the authors'
  code, which has an experiment for SVHN to MNIST only: features 1e-4,
  likelihood 1e-3, classes 10, weight decay 5e-4, adversarial losses 1, KL
  divergence 1e-4. The weights of the adversarial losses and of the KL
  divergence are .5 and 2e-4 here, because these losses are defined differently.
  In the authors' code, an adversarial loss is the mean over the images of both
  domains, whereas here the terms of the two domains are added. The KL
  divergence of the authors' code lacks the factor 1/2. The KL divergence, the
  likelihood loss and the feature loss are summed over the elements of a sample.
- The likelihood loss and the feature loss use absolute differences, as in the
  paper. The authors' code uses squared differences, which `squared_features`
  selects for the features.
- Images of 28 px are padded by 2 black pixels on each side before E, and the
  outputs of G are cropped to 28 px. The reason is that the networks of Table 4
  reduce images to one pixel position only if they have 32 px.
- The critics of Tables 5 and 6 have no nonlinear operation between their
  convolutions except max pooling. The authors' code for Table 6 has ReLUs,
  which `critic_relu` selects. The weights of critics are initialized as in the
  authors' code.
- The fakes that critics score are translations only (section 3). In the
  authors' code, critics also score reconstructions, which `same_gan` selects
  here.
- The standard deviation of codes is 1, as in the paper; it is learned in the
  authors' code.
- Moving averages of the network weights, including those of C, are used at
  inference. The paper has no such averages.

The following settings are not in the paper. They are meant for short runs:
- In the stages "classes" and "pseudo_labels", only C is trained, and the layer
  of C that exists for B alone is a copy of the layer for A. In the stage
  "classes", C learns only from the labels of A.
- With `ramp_share`, the weights of the adversarial losses rise from 0.
- With `pseudo_label_weight`, C also learns from images of B. The labels of
  these images are the classes that C itself predicts (Lee 2013, "Pseudo-Label",
  ICML Workshop on Challenges in Representation Learning) with its averaged
  weights (Tarvainen and Valpola 2017, arXiv:1703.01780). Without these labels,
  no loss about classes depends on C's own layer for B.
- `class_balance` is for data sets in which the frequencies of B's classes are
  known: they are equal, or given by `class_shares`. Without it, C may learn to
  mistake the images of one class for another class, such as 4 for 9. This error
  then persists, because the labels that C learns from contain it.
"""

import functools

import tensorflow as tf

from tf_i2i import losses
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.layers.replicas import across_replicas
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.capabilities import Classifying
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.methods.capabilities import Reconstructing
from tf_i2i.methods.capabilities import Staged
from tf_i2i.networks.digits import DigitCritic
from tf_i2i.networks.digits import DigitEncoder
from tf_i2i.networks.digits import DigitGenerator
from tf_i2i.values import Count
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Share
from tf_i2i.values import Weight

# The names of the augmentations of the critics' input images. Keys are
# prefixes of the images' names, and values are the names for A and for B.
# Images that are generated from the same code are compared, so they must be
# augmented in the same way.
_AUGMENTATIONS = {
    "": ("a", "b"),
    "fake_": ("code_b", "code_a"),
    "same_": ("code_a", "code_b"),
}
# The stages in which only the classifier is trained. After them, all networks
# are trained together; this stage has no name.
CLASSES, PSEUDO_LABELS = CLASSIFIER_STAGES = ("classes", "pseudo_labels")


class UNITAdaptation(
    Staged, Classifying, Embedding, Reconstructing, UnpairedTranslator
):
    """UNIT for domain adaptation (Liu et al. 2017, appendix B).

    The stages "classes" and "pseudo_labels" may be trained first, by
    `train.phases = @class_phases`. In them, only the critic is trained, and its
    own layer for B is a copy of its layer for A. A phase without a stage uses
    all losses.

    Args:
        image_size: side of images in pixels, 28 (critics of Table 5) or 32
            (critics of Table 6).
        width: factor on the channel counts of Table 4.
        critic_width: factor on the channel counts of Tables 5 and 6.
        classes: number of classes of the labels of A.
        coordinates: whether the x and y coordinates of each pixel are further
            inputs of the encoder.
        critic_relu: whether a ReLU follows each convolution of the critic.
        gan_weight: weight of the adversarial losses (default .5).
        kl_weight: weight of the KL divergence, summed over a code (2e-4).
        likelihood_weight: weight of L1 between images and reconstructions,
            summed over an image (1e-3).
        class_weight: weight of the cross-entropy of the labels of A (default
            10).
        feature_weight: weight of L1 between the critic's last features of
            the two images that are generated from one code, summed over
            features (1e-4).
        squared_features: whether differences of features are squared.
        pseudo_label_weight: weight of the cross-entropy of B's images
            (default 0). Their labels are the most probable classes according
            to the critic with its averaged weights and without dropout. This
            loss is not computed in the stage "classes".
        class_balance: step size of the offsets that make the pseudo-labels of
            B's images as frequent as `class_shares` says (default 0, no
            offsets). The offsets are added to the logits from which these
            classes are chosen. After each step, an offset is changed by
            `class_balance` times the difference between the expected share of
            its class and the share in the batch.
        class_shares: expected frequency of each class in B, one positive
            number for each class. The numbers are divided by their sum, so
            that counts are allowed too. None for equally frequent classes. The
            argument has an effect only with `class_balance`. The classes are in
            the sorted order of the labels of A.
        ramp_share: fraction of the phase in which the weights of the
            adversarial losses rise linearly from 0 (default 0).
        weight_decay: weight of half the sum of squares of the network
            weights, a loss of translators and of critics (5e-4).
        same_gan: whether critics score reconstructions too.
        same_start: whether the layers that exist once for each domain have
            equal initial weights, so that the classifiers of A and B are
            equal before training.
        average_kimg, seed, name: see `UnpairedTranslator`.

    Raises:
        UserError: `image_size` is neither 28 nor 32, there are fewer than two
            classes, or `class_shares` does not have one number for each class.
    """

    translators = ("encoder", "generator")
    critics = ("critic",)
    updates = ("critic", "translator")
    stages = (*CLASSIFIER_STAGES, None)
    preparing_stages = CLASSIFIER_STAGES
    adam = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999}
    measures = ("accuracy", "checks")
    tiny = {"image_size": 28, "width": 0.05, "critic_width": 0.1}
    tiny_variants = {
        "": {
            "same_start": False,
            "pseudo_label_weight": 1.0,
            "class_balance": 0.1,
            "class_shares": (2, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        }
    }
    fixed_size = True

    def __init__(
        self,
        image_size: Count = 28,
        width: Positive = 1.0,
        critic_width: Positive = 1.0,
        classes: Count = 10,
        coordinates: bool = False,
        critic_relu: bool = False,
        gan_weight: Weight = 0.5,
        kl_weight: Weight = 2e-4,
        likelihood_weight: Weight = 1e-3,
        class_weight: Weight = 10.0,
        feature_weight: Weight = 1e-4,
        squared_features: bool = False,
        pseudo_label_weight: Weight = 0.0,
        class_balance: Weight = 0.0,
        class_shares: tuple[Positive, ...] | None = None,
        ramp_share: Share = 0.0,
        weight_decay: Weight = 5e-4,
        same_gan: bool = False,
        same_start: bool = True,
        average_kimg: Weight = 10.0,
        seed: Seed = 0,
        name: str = "unit_adaptation",
    ):
        super().__init__(image_size, average_kimg, seed, name)
        if classes < 2:
            raise UserError(
                f"`classes` must be at least 2. Received: {classes}"
            )
        if class_shares is None:
            class_shares = (1.0,) * classes
        if len(class_shares) != classes:
            raise UserError(
                f"`class_shares` must have {classes} numbers, one for each "
                f"class. Received: {class_shares}"
            )
        self.classes = classes
        self.gan_weight = gan_weight
        self.kl_weight = kl_weight
        self.likelihood_weight = likelihood_weight
        self.class_weight = class_weight
        self.feature_weight = feature_weight
        self.squared_features = squared_features
        self.pseudo_label_weight = pseudo_label_weight
        self.class_balance = class_balance
        total = sum(class_shares)
        self.class_shares = tuple(share / total for share in class_shares)
        self.ramp_share = ramp_share
        self.weight_decay = weight_decay
        self.same_gan = same_gan
        self.same_start = same_start
        self.encoder = DigitEncoder(width, coordinates, name="encoder")
        self.generator = DigitGenerator(image_size, width, name="generator")
        self.critic = DigitCritic(
            image_size, critic_width, classes, critic_relu, name="critic"
        )
        if class_balance:
            self.class_offsets = self.add_weight(
                shape=(classes,),
                initializer="zeros",
                trainable=False,
                name="class_offsets",
            )
        self.build_networks()

    @property
    def averaged_networks(self):
        return (*self.translators, *self.critics)

    def _build_at_each_size(self):
        tensors = super()._build_at_each_size()
        if self.same_start and self.stage not in CLASSIFIER_STAGES:
            for layers in (
                self.encoder.own,
                self.generator.own,
                self.generator.last,
                self.critic.own,
            ):
                layers["b"].set_weights(layers["a"].get_weights())
        return tensors

    def updates_in(self, stage):
        if stage in CLASSIFIER_STAGES:
            return ("critic",)
        return type(self).updates

    # Inference.

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        source, target = ends(direction)
        return self._convert(images, source, target)

    def reconstruct(self, images, domain):
        """Returns the reconstructions of images, `G_i(E_i(x_i))`."""
        return self._convert(images, domain, domain)

    def embed(self, images, domain):
        """Returns the means of the codes of images."""
        mean = self.encoder(self.require_size(images), domains=domain)
        return tf.reshape(mean, [-1, mean.shape[3]])

    def classify(self, images, domain):
        """Returns the logits of classes, which the critic C computes."""
        _, _, classes = self.critic(self.require_size(images), domains=domain)
        return classes

    def _convert(self, images, source, target):
        mean = self.encoder(self.require_size(images), domains=source)
        return self.generator(mean, domains=target)

    # Training.

    def train_step(self, batch):
        logs = super().train_step(batch)
        if self.stage in CLASSIFIER_STAGES:
            own = self.critic.own
            for b, a in zip(own["b"].weights, own["a"].weights, strict=True):
                b.assign(a)
        return logs

    def forward(self, a, b, training, labels=None):
        s = {"a": a, "b": b, "labels": labels}
        labelled = self.pseudo_label_weight and "critic" in self.active_sides
        drop = self._dropout() if training else None
        if self.stage in CLASSIFIER_STAGES:
            return s | self._classes_by_layer_of_a(a, b, training, drop)
        mean = self.encoder(
            tf.concat([a, b], 0), domains="ab", training=training
        )
        code = mean + self._code_noise(mean) if training else mean
        made = self.generator(code, domains="ab", training=training)
        s["mean_a"], s["mean_b"] = tf.split(mean, 2)
        s["same_a"], s["fake_a"], s["fake_b"], s["same_b"] = tf.split(made, 4)
        # The critic is called separately for each kind of images, so that an
        # update computes only the outputs that its losses need.
        for kind, names in _AUGMENTATIONS.items():
            images = [
                self.augment_for_critic(s[kind + o], name)
                for o, name in zip("ab", names, strict=True)
            ]
            images = tf.concat(images, 0)
            _, *judged = self.critic(images, domains="ab", dropout=drop)
            made = dict(zip(("score", "classes"), judged, strict=True))
            if kind:
                made["features"], *_ = self.critic(images, domains="ab")
            for name, both in made.items():
                a_and_b = tf.split(both, 2)
                s[f"{kind}{name}_a"], s[f"{kind}{name}_b"] = a_and_b
        if labelled:
            s["pseudo_labels"] = self._pseudo_labels(b, "b", training)
        return s

    def _classes_by_layer_of_a(self, a, b, training, drop):
        """Returns a dictionary of class logits.

        The critic's own first layer for A is used, also for images of B. Images
        of B are classified in the stage "pseudo_labels" only.
        """

        def classify(x, name):
            x = self.augment_for_critic(x, name)
            return self.critic(x, domains="a", dropout=drop)[2]

        made = {"classes_a": classify(a, "a")}
        if self.stage == PSEUDO_LABELS:
            made["classes_b"] = classify(b, "b")
            made["pseudo_labels"] = self._pseudo_labels(b, "a", training)
        return made

    def _pseudo_labels(self, b, domain, training):
        """Returns the most probable classes of images of B, int64 `[N]`.

        The classes are computed with the averaged weights of C.

        Args:
            b: images of B.
            domain: "a" or "b", the domain whose layer of C is used.
            training: whether the labels change `class_offsets`.
        """
        with self.with_averages(self.critic):
            logits = self.critic(b, domains=domain)[2]
        if not self.class_balance:
            return tf.argmax(logits, 1)
        labels = tf.argmax(logits + self.class_offsets, 1)
        if training:
            self._balance(labels)
        return labels

    def _balance(self, labels):
        """Decreases the offsets of too frequent labels; increases all others.

        Args:
            labels: classes of a batch, int64 `[N]`.
        """
        share = tf.reduce_mean(tf.one_hot(labels, self.classes), 0)
        (share,) = across_replicas([share])
        self.class_offsets.assign_sub(
            self.class_balance * (share - self.class_shares)
        )

    def _code_noise(self, mean):
        """Returns samples of N(0, I) for the codes of A and of B."""
        shape = (mean.shape[0] // 2, *mean.shape[1:])
        return tf.concat([self.noise(shape, f"code_{o}") for o in "ab"], axis=0)

    def _dropout(self):
        """Returns a function that samples numbers for `DigitCritic`'s dropout.

        That function returns the same numbers in all calls with the same
        arguments.
        """

        @functools.cache
        def draw(shape, layer):
            return self.noise(shape, f"dropout/{layer}", "uniform")

        return draw

    @property
    def _ramp(self):
        """Factor in [0, 1] on the weights that rise at the start of a phase."""
        if not self.ramp_share:
            return 1.0
        return tf.minimum(self.phase_progress / self.ramp_share, 1.0)

    def translator_losses(self, s):
        if self.stage in CLASSIFIER_STAGES:
            return {}
        terms = {}
        for o in "ab":
            fooling = losses.gan_translator(s[f"fake_score_{o}"])
            if self.same_gan:
                fooling += losses.gan_translator(s[f"same_score_{o}"])
            terms[f"gan_{o}"] = self._ramp * self.gan_weight * fooling
            mean = s[f"mean_{o}"]
            terms[f"kl_{o}"] = (
                self.kl_weight * losses.kl_unit(mean) * _elements(mean)
            )
            terms[f"likelihood_{o}"] = self.likelihood_weight * _sum(
                losses.l1, s[o], s[f"same_{o}"]
            )
        return terms | self.decay_loss("translator", self.weight_decay)

    def critic_losses(self, s):
        terms = self._class_losses(s)
        if self.stage in CLASSIFIER_STAGES:
            return terms
        apart = losses.mean_square if self.squared_features else losses.l1
        for o, i in ("ab", "ba"):
            fakes = [s[f"fake_score_{o}"]]
            if self.same_gan:
                fakes.append(s[f"same_score_{o}"])
            loss = losses.gan_critic(s[f"score_{o}"], tf.concat(fakes, 0))
            terms[f"critic_{o}"] = self._ramp * self.gan_weight * loss
            terms[f"feature_{o}"] = self.feature_weight * _sum(
                apart, s[f"same_features_{o}"], s[f"fake_features_{i}"]
            )
        return terms | self.decay_loss("critic", self.weight_decay)

    def _class_losses(self, s):
        """Returns the losses of the classifier."""
        entropy = losses.cross_entropy(s["labels"], s["classes_a"])
        terms = {"class": self.class_weight * entropy}
        if "pseudo_labels" in s:
            entropy = losses.cross_entropy(s["pseudo_labels"], s["classes_b"])
            terms["pseudo_label"] = self.pseudo_label_weight * entropy
        return terms


def _elements(x):
    """Returns the number of elements of one sample of a batch, float32."""
    return tf.cast(tf.size(x[0]), tf.float32)


def _sum(distance, x, y):
    """Returns a sample's sum of differences, averaged over samples.

    Args:
        distance: function that returns the mean over all elements of the
            differences of two tensors.
        x, y: tensors of equal shape.
    """
    return distance(x, y) * _elements(x)
