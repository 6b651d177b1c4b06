"""A source: one split of a data set of TensorFlow Datasets (TFDS).

    tfds:NAME/SPLIT[:LABEL]

NAME may contain a config and a version. SPLIT may be a slice. LABEL is the
name or the number of a class:

    tfds:cycle_gan/horse2zebra/trainA
    tfds:mnist:3.0.1/train[:2000]:7
"""

import contextlib
import difflib
import functools
import os
import re
import sys

import numpy as np

from tf_i2i import consent
from tf_i2i.data.items import Source
from tf_i2i.data.items import encoded_item
from tf_i2i.data.items import in_threads
from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.paths import home

PREFIX = "tfds:"
_SPEC = re.compile(
    r"tfds:"
    r"(?P<dataset>\w+(/[\w.+-]+)?(:[\d*]+\.[\d*]+\.[\d*]+)?)"
    r"/(?P<split>([^][:/]|\[[^]]*\])+)"
    r"(:(?P<label>.+))?"
)
# Names that the validation split and the test split can have in a data set that
# has a split named train.
_SIBLINGS = {"val": ("validation", "val"), "test": ("test",)}
_RETRIES = 3


def parse(spec):
    """Returns the parts of `tfds:NAME/SPLIT[:LABEL]`.

    Returns:
        Name (with config and version if given), split, and label or None.

    Raises:
        UserError: the text does not have this form.
    """
    if match := _SPEC.fullmatch(spec):
        return match["dataset"], match["split"], match["label"]
    raise UserError(
        f"`{spec}` must be written tfds:NAME/SPLIT or "
        "tfds:NAME/SPLIT:LABEL, as in tfds:cycle_gan/horse2zebra/trainA. "
        f"Received: {spec}"
    )


class TfdsSource:
    """A source of the images of one split of a data set, or of one class in it.

    Prepared data are read from `$TFDS_DATA_DIR` (by default
    `~/tensorflow_datasets`). If a data set is not there, TFDS downloads and
    prepares it first.

    For a split whose name begins with `train`, the corresponding splits for
    validation and test are used if they exist: for `trainA` these are
    `validationA` and `testA`. The images of any other split, or of a slice, are
    divided among training, validation and test by the hashes of their
    contents.

    Args:
        spec: text of the form that `parse` takes.

    Raises:
        UserError: TFDS is not installed; the data set, config, split or label
            does not exist; the data set has no images; or it cannot be
            downloaded.
    """

    def __init__(self, spec):
        dataset, split, label = parse(spec)
        self.name = spec
        self.notes = []
        self._tfds = optional("tensorflow_datasets", "tfds")
        self._builder = self._find(dataset)
        if split in self._builder.builder_configs:
            raise UserError(
                f"`{spec}` must end in a split, as in "
                f"tfds:{dataset}/{split}/train. Received: {split}, which is a "
                "config of the data set"
            )
        self._image = self._image_feature()
        self._label, self._class = self._label_value(label)
        self._prepare()
        self._splits = self._with_siblings(split)

    def _find(self, dataset):
        folder = os.environ.get("TFDS_DATA_DIR")
        if folder is None:
            # Raises an error if there is no home folder, which is where TFDS
            # would keep its data.
            home("TFDS_DATA_DIR")
        name = re.split("[/:]", dataset)[0]
        try:
            return self._tfds.builder(dataset, data_dir=folder)
        except self._tfds.core.DatasetNotFoundError as error:
            near = difflib.get_close_matches(name, self._known())
            raise UserError(
                f"`{self.name}` must name a data set that TFDS knows, or a "
                f"data set that was prepared in TFDS_DATA_DIR. Received: {name}"
                + (f"; similar names: {', '.join(near)}" if near else "")
            ) from error
        except Exception as error:  # TFDS raises a dozen kinds of errors here.
            raise UserError(
                f"`{self.name}` must name an existing version and config of "
                f"{name} (configs: {self._configs(name)}). "
                f"Received: {_line(error)}"
            ) from error

    def _known(self):
        return self._tfds.list_builders(with_community_datasets=False)

    def _configs(self, name):
        if name not in self._known():
            return "unknown"
        return ", ".join(self._tfds.builder_cls(name).builder_configs) or "none"

    def _features(self):
        # The features are sorted, because their order in the code can differ
        # from their order in the prepared files.
        return dict(sorted(self._builder.info.features.items()))

    def _kinds(self):
        return ", ".join(
            f"{name} ({type(feature).__name__})"
            for name, feature in self._features().items()
        )

    def _image_feature(self):
        kinds = self._tfds.features
        found = [
            name
            for name, feature in self._features().items()
            if isinstance(feature, kinds.Image)
            and not isinstance(feature, kinds.LabeledImage)
            # Features with float images are left out, because they are not
            # stored as encoded images of 8 bits.
            and np.dtype(feature.np_dtype).kind == "u"
        ]
        if not found:
            raise UserError(
                f"`{self.name}` must have an image feature. "
                f"Received: {self._kinds()}"
            )
        chosen = "image" if "image" in found else found[0]
        if len(found) > 1:
            self.notes.append(
                f"{self.name}: each example has the images "
                f"{', '.join(found)}, of which {chosen} is read"
            )
        return chosen

    def _label_value(self, label):
        """Returns the name of the feature with labels, and the wanted value.

        Name and value are None if no label is given.
        """
        if label is None:
            return None, None
        classes = {
            name: feature
            for name, feature in self._features().items()
            if isinstance(feature, self._tfds.features.ClassLabel)
        }
        name = "label" if "label" in classes else next(iter(classes), None)
        if name is None:
            raise UserError(
                f"`{self.name}` must not end in a label, because the data "
                f"set has no classes. Received: {self._kinds()}"
            )
        names = classes[name].names
        if label in names:
            return name, names.index(label)
        if label.isdecimal() and int(label) < len(names):
            return name, int(label)
        near = difflib.get_close_matches(label, names) or names[:10]
        raise UserError(
            f"`{self.name}` must end in the name or the number of one of the "
            f"{len(names)} classes: {', '.join(near)}"
            f"{'' if len(near) == len(names) else ', ...'}. Received: {label}"
        )

    def _prepare(self):
        """Downloads and prepares the data set, if this is not done yet."""
        if self._builder.data_path.exists():
            return
        consent.check_download(self.name)
        # TFDS imports this package but does not list it as a requirement.
        optional("importlib_resources", "tfds")
        downloader = optional(
            "tensorflow_datasets.core.download.downloader", "tfds"
        )
        # By default TFDS tries to download ten times, which takes four minutes
        # if there is no network.
        downloader.MAX_RETRIES = _RETRIES
        if not sys.stderr.isatty():
            self._tfds.disable_progress_bar()
        try:
            with contextlib.redirect_stdout(sys.stderr):
                self._builder.download_and_prepare()
        except Exception as error:  # Builders raise errors of all kinds.
            raise UserError(
                f"`{self.name}` must be prepared in "
                f"{self._builder.data_path.parent}, or be downloadable. "
                f"Received: {type(error).__name__}: {_line(error)}"
            ) from error

    def _with_siblings(self, split):
        """Returns a dictionary of the splits that are read.

        The keys are names of splits in TFDS. The values are "train", "val" and
        "test", or None for a split that is divided by hashes.
        """
        there = self._builder.info.splits
        try:
            there[split]  # This also accepts slices such as "train[:10%]".
        except (KeyError, ValueError) as error:
            raise UserError(
                f"`{self.name}` must name one of the splits of the data set "
                f"({', '.join(there)}) or a part of one, such as "
                f"train[:10%]. Received: {split}"
            ) from error
        found = {split: "train"}
        if split not in there or not split.startswith("train"):
            return found
        suffix = split.removeprefix("train")
        for ours, names in _SIBLINGS.items():
            for name in names:
                if name + suffix in there:
                    found[name + suffix] = ours
                    self.notes.append(
                        f"{self.name}: {ours} is the split {name + suffix}"
                    )
                    break
        return found

    def __len__(self):
        return self._count

    @functools.cached_property
    def _count(self):
        if self._label is None:
            return sum(self._examples(split) for split in self._splits)
        return sum(
            example[self._label] == self._class
            for split in self._splits
            for example in self._read(split, {self._label: True})
        )

    def _examples(self, split):
        return self._builder.info.splits[split].num_examples

    def key(self):
        """Returns a text with name, version, splits, their sizes, and label."""
        lines = [f"tfds {self._builder.info.full_name} {self._image}"]
        lines += [
            f"{theirs} {ours} {self._examples(theirs)}"
            for theirs, ours in self._splits.items()
        ]
        return "\n".join([*lines, f"{self._label} {self._class}"])

    def items(self, size, fit):
        """Yields an `Item` for each image, named by its split and number."""

        def load(found):
            name, encoded, split = found
            return encoded_item(name, encoded, split, size, fit)

        return in_threads(load, self._encoded())

    def _encoded(self):
        """Yields (name, encoded image, split) of each image."""
        wanted = {self._image: True}
        if self._label is not None:
            wanted[self._label] = True
        for theirs, ours in self._splits.items():
            for number, example in enumerate(self._read(theirs, wanted)):
                if self._label and example[self._label] != self._class:
                    continue
                yield f"{theirs}/{number:06d}", example[self._image], ours

    def _read(self, split, wanted):
        """Yields a dictionary of the wanted features of each example.

        The images in the dictionaries are not decoded.
        """
        import tensorflow as tf

        decode = self._tfds.decode
        encoded = {self._image: decode.SkipDecoding()}
        examples = self._builder.as_dataset(
            split=split,
            decoders=decode.PartialDecoding(
                wanted, {k: v for k, v in encoded.items() if k in wanted}
            ),
            # Files are read one after the other, so that the order of the
            # examples is kept. Caching and reading ahead are switched off.
            read_config=self._tfds.ReadConfig(
                try_autocache=False,
                interleave_cycle_length=1,
                skip_prefetch=True,
            ),
        )
        try:
            yield from examples.as_numpy_iterator()
        except tf.errors.OpError as error:
            raise UserError(
                f"`{self.name}` must be complete. Remove "
                f"{self._builder.data_path} to have it prepared again. "
                f"Received: {_line(error)}"
            ) from error


def _line(error):
    """Returns the message of an error in one line of at most 300 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _locate(spec):
    parse(spec)
    return spec


SOURCE = Source(
    form="tfds:NAME/SPLIT[:LABEL]",
    prefix=PREFIX,
    locate=_locate,
    open=lambda spec, _: TfdsSource(spec),
    help="A split of a data set of TensorFlow Datasets, or one class of it "
    "(the extra `tfds`).",
)
