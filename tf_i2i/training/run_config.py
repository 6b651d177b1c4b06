"""The settings of a run, as a class whose values are checked."""

import dataclasses
from collections.abc import Callable
from typing import Annotated

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.reading import FITS
from tf_i2i.data.unpaired import default_load_size
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.methods import TwinGAN
from tf_i2i.methods.likeness import Likeness
from tf_i2i.optimizers import adam
from tf_i2i.sizes import Size
from tf_i2i.sizes import shortest
from tf_i2i.training.devices import PRECISIONS
from tf_i2i.training.devices import STRATEGIES
from tf_i2i.training.loggers import LOGGERS
from tf_i2i.training.phases import constant
from tf_i2i.training.phases import single_phase
from tf_i2i.values import Count
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Share
from tf_i2i.values import Weight
from tf_i2i.values import check_values


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run, which are called `train.NAME` in .gin files.

    Args:
        model: class or function that builds an `UnpairedTranslator` from
            `image_size` and `seed`.
        phases: function that takes the model and returns a list of `Phase`.
        image_size: side of the largest images in pixels, or a pair (height,
            width) if the method can be trained on rectangles.
        data_a, data_b: sources of the images of A and of B, in one of the
            forms that `tf_i2i.data.sources.SOURCES` lists. None selects the
            generated toy faces.
        labels_a, labels_b: paths of CSV files with the labels of the images
            of A and of B, or None. If a method learns classes and the path is
            None, the label of an image is the name of its folder. Methods that
            learn classes or annotations learn them from the labels of A.
            `OwnStyle` learns from the labels of B. All other labels are used
            for validation and evaluation only.
        domains: two names of A and B for logs, file names and `--direction`,
            such as ("selfie", "anime").
        face_margin: margin with which `prepare_faces` cropped the faces of the
            training images, and with which `translate --faces` crops; None for
            the default margin of these commands.
        fit: how an image is fitted to `image_size`: "crop", "pad" or
            "stretch"; see `data.reading.fit_image`.
        label_maps: the domains whose images are label maps, such as ('b',).
            The colours of a label map stand for classes and must not change.
            Therefore label maps are resized by nearest neighbour, and
            augmented without changes of colour.
        max_bad_fraction: largest fraction of the files that may be
            unreadable, from 0 to 1.
        augmentation: `Augmentation` of the training images; None for the
            default augmentation.
        augmentation_b: `Augmentation` of the training images of B; None for
            the augmentation of A.
        translator_optimizer, critic_optimizer: functions without arguments
            that return a new optimizer. The default is Adam with the values
            of the method's paper.
        schedule: function that takes the number of images shown and the
            `Phase`, and returns a factor on both learning rates; see
            `training.phases`.
        steps: step at which the training ends; None for the end of the last
            phase.
        seed: seed of the initial weights, the order of the images, the
            augmentation and the noise; an integer.
        strategy: devices on which the run computes. "auto" selects all GPUs
            if there are several, otherwise one device. "none" selects one
            device. "mirrored" selects all GPUs, or all logical CPUs if there
            is no GPU. "multi_worker" selects the processes that `TF_CONFIG`
            names, which must have the same configuration and run directory.
        precision: "float32", "mixed_bfloat16", "mixed_float16" for GPUs that
            do not multiply bfloat16 numbers, or "auto" for the faster of
            "float32" and "mixed_bfloat16".
        jit_compile: whether XLA compiles the training step; "auto" for GPUs
            only. On CPUs a compiled step is slower.
        critic_augmentation: tuple of some of "color", "translation" and
            "cutout", the augmentations of the critics' input images. These
            augmentations improve results for small data sets.
        likeness: `Likeness`, a loss that makes a translation similar to its
            source image, as judged by a frozen network; None for no such loss.
        accumulate: number of parts into which the batch of each update is
            divided (default 1). The networks process one part after the other,
            and the update uses the mean of the gradients. See
            `TwoSidedModel.compile`.
        recompute: whether feature maps within residual blocks are computed
            again for the gradients, instead of being kept in memory. Training
            then needs less memory and more time.
        log_kimg, sample_kimg, save_kimg: thousands of images of each domain
            between two lines of the log, two sample grids, and two
            checkpoints.
        loggers: where curves are shown; some of "tensorboard", "wandb" and
            "mlflow". metrics.jsonl contains the numbers in any case.
        keep: number of checkpoints to keep.
        evaluation: `Evaluation` on validation images during training; None
            for no evaluation.

    Raises:
        UserError: a value is out of its range.
    """

    model: Callable = TwinGAN
    phases: Callable = single_phase
    image_size: Size = 64
    data_a: str | None = None
    data_b: str | None = None
    labels_a: str | None = None
    labels_b: str | None = None
    domains: tuple[str, ...] = DOMAINS
    face_margin: Weight | None = None
    fit: Annotated[str, OneOf(FITS)] = "crop"
    label_maps: tuple[Annotated[str, OneOf(DOMAINS)], ...] = ()
    max_bad_fraction: Share = 0.01
    augmentation: Augmentation | None = None
    augmentation_b: Augmentation | None = None
    translator_optimizer: Callable = adam
    critic_optimizer: Callable = adam
    schedule: Callable = constant
    steps: Count | None = None
    seed: Seed = 0
    strategy: Annotated[str, OneOf(STRATEGIES)] = "auto"
    precision: Annotated[str, OneOf(PRECISIONS)] = "auto"
    jit_compile: bool | Annotated[str, OneOf(("auto",))] = False
    critic_augmentation: tuple[str, ...] = ()
    likeness: Likeness | None = None
    accumulate: Count = 1
    recompute: bool = False
    log_kimg: Positive = 0.5
    sample_kimg: Positive = 5.0
    save_kimg: Positive = 5.0
    loggers: tuple[Annotated[str, OneOf(tuple(LOGGERS))], ...] = (
        "tensorboard",
    )
    keep: Count = 2
    evaluation: Evaluation | None = None

    def __post_init__(self):
        check_values(type(self), vars(self), "train")
        check_names(self.domains)
        # A plain assignment would raise an error, because the class is frozen.
        object.__setattr__(self, "image_size", shortest(self.image_size))

    @property
    def data(self):
        """Dictionary of the source of images, or None, for each domain."""
        return {"a": self.data_a, "b": self.data_b}

    @property
    def labels(self):
        """Dictionary of the path of the labels, or None, for each domain."""
        return {"a": self.labels_a, "b": self.labels_b}

    @property
    def augmentations(self):
        """Dictionary of the `Augmentation` for each domain.

        The augmentation of a domain of label maps does not change colours.
        """
        a = self.augmentation or Augmentation()
        found = {"a": a, "b": self.augmentation_b or a}
        return {
            domain: one.of_maps() if domain in self.label_maps else one
            for domain, one in found.items()
        }

    def load_size(self, domain):
        """Returns the size of a domain's stored images.

        Args:
            domain: "a" or "b".
        """
        return default_load_size(self.image_size, self.augmentations[domain])
