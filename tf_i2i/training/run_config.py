"""The settings of a run."""

import dataclasses
from collections.abc import Callable

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.reading import FITS
from tf_i2i.data.unpaired import default_load_size
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import check_names
from tf_i2i.errors import UserError
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.methods import TwinGAN
from tf_i2i.optimizers import adam
from tf_i2i.training.devices import PRECISIONS
from tf_i2i.training.devices import STRATEGIES
from tf_i2i.training.phases import constant
from tf_i2i.training.phases import single_phase


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run; `train` in .gin files.

    Args:
        model: class or function that builds an `UnpairedTranslator` from
            `image_size` and `seed`.
        phases: function, model -> list of `Phase`.
        image_size: side of the largest images, pixels.
        data_a, data_b: as listed in `tf_i2i.data.sources.SOURCES`; None is
            the toy faces.
        labels_a, labels_b: CSV files of image names and labels, or None.
            Where a method learns classes and None is given, the names of
            the folders that the images lie in are the labels. B's labels
            are used for validation and evaluation alone.
        domains: two names by which people call A and B, in logs, file names
            and `--direction`: ("selfie", "anime").
        fit: how an image becomes square: "crop", "pad" or "stretch".
        label_maps: the domains that are label maps, such as ('b',): images
            in flat colours that stand for classes. Their colours stay exact:
            they are resized to the nearest pixels, and the augmentation
            changes no colour.
        max_bad_fraction: share of the files that may be unreadable, from 0
            to 1.
        augmentation: `Augmentation` of the training images; None for the
            default one.
        augmentation_b: another `Augmentation` for B, or None for the same.
        translator_optimizer, critic_optimizer: functions without arguments
            that make an optimizer. A .gin file that sets none trains with
            Adam, with the values that the method states.
        schedule: function, (images shown, `Phase`) -> factor on both
            learning rates.
        steps: step at which to stop before the phases end; None to finish
            them.
        seed: of weights, data order, augmentation and noise.
        strategy: "auto" (all GPUs, if there are several), "none",
            "mirrored" (all GPUs; without any, all logical CPUs) or
            "multi_worker" (the processes that `TF_CONFIG` names, all with
            the same configuration and run directory).
        precision: "float32", "mixed_bfloat16", or "auto", which stands for
            the faster of the two.
        jit_compile: whether XLA compiles the step; slower on CPUs.
        critic_augmentation: some of "color", "translation" and "cutout", in
            parentheses: how the critics' inputs are augmented, for small
            data sets.
        log_kimg, sample_kimg, save_kimg: thousands of images between two
            lines of the log, sample grids and checkpoints.
        keep: number of checkpoints to keep.
        evaluation: `Evaluation` on validation images during training; None
            for none.

    Raises:
        UserError: for values out of these ranges.
    """

    model: Callable = TwinGAN
    phases: Callable = single_phase
    image_size: int = 64
    data_a: str | None = None
    data_b: str | None = None
    labels_a: str | None = None
    labels_b: str | None = None
    domains: tuple = DOMAINS
    fit: str = "crop"
    label_maps: tuple = ()
    max_bad_fraction: float = 0.01
    augmentation: Augmentation | None = None
    augmentation_b: Augmentation | None = None
    translator_optimizer: Callable = adam
    critic_optimizer: Callable = adam
    schedule: Callable = constant
    steps: int | None = None
    seed: int = 0
    strategy: str = "auto"
    precision: str = "auto"
    jit_compile: bool = False
    critic_augmentation: tuple = ()
    log_kimg: float = 0.5
    sample_kimg: float = 5.0
    save_kimg: float = 5.0
    keep: int = 2
    evaluation: Evaluation | None = None

    def __post_init__(self):
        _check_choice("strategy", self.strategy, STRATEGIES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("fit", self.fit, FITS)
        _check_count("keep", self.keep)
        if self.steps is not None:
            _check_count("steps", self.steps)
        for name in ("augmentation", "augmentation_b"):
            _check_instance(name, getattr(self, name), Augmentation)
        _check_instance("evaluation", self.evaluation, Evaluation)
        if not {*self.label_maps} <= {*DOMAINS}:
            raise UserError(
                "`train.label_maps` must hold 'a', 'b' or both, in "
                f"parentheses. Received: {self.label_maps!r}"
            )
        check_names(self.domains)

    @property
    def data(self):
        """Dictionary, domain -> where its images are."""
        return {"a": self.data_a, "b": self.data_b}

    @property
    def labels(self):
        """Dictionary, domain -> path of its labels, or None."""
        return {"a": self.labels_a, "b": self.labels_b}

    @property
    def augmentations(self):
        """Dictionary, domain -> `Augmentation`; exact for label maps."""
        a = self.augmentation or Augmentation()
        found = {"a": a, "b": self.augmentation_b or a}
        return {
            domain: one.of_maps() if domain in self.label_maps else one
            for domain, one in found.items()
        }

    def load_size(self, domain):
        """Side of a domain's stored images, pixels."""
        return default_load_size(self.image_size, self.augmentations[domain])


def _check_choice(name, value, choices):
    if value not in choices:
        raise UserError(
            f"`train.{name}` must be one of {', '.join(choices)}. "
            f"Received: {value!r}"
        )


def _check_count(name, value):
    if not isinstance(value, int) or value < 1:
        raise UserError(
            f"`train.{name}` must be a whole number from 1. Received: {value!r}"
        )


def _check_instance(name, value, kind):
    if not isinstance(value, kind | None):
        raise UserError(
            f"`train.{name}` must be @{kind.__name__}(), with parentheses. "
            f"Received: {value!r}"
        )
