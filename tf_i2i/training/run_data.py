"""The real images of a run and their labels."""

import contextlib

from tf_i2i import messages
from tf_i2i.cache import default_cache_dir
from tf_i2i.consent import TRUSTED
from tf_i2i.data.labels import annotation_numbers
from tf_i2i.data.labels import check_labels
from tf_i2i.data.labels import class_numbers
from tf_i2i.data.labels import folder_labels
from tf_i2i.data.labels import read_labels
from tf_i2i.data.labels import word_numbers
from tf_i2i.data.maps import colours_of
from tf_i2i.data.reading import MAPS
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.data.unpaired import unpaired
from tf_i2i.disk import reason
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.training import data_record


class RunData:
    """The images, labels and training batches of a run's two domains.

    Data is read when `read` is called, or when images or labels are accessed.

    Args:
        config: `RunConfig`.
        classes: number of classes that the model learns, or None.
        annotations: names of the columns of A's labels that the model learns
            from, or None.
        words: `words` of a `Described` model, or None.
        log: function that is called with each line for the user.
        consent: the user's `Consent` to what the settings name.
    """

    def __init__(
        self,
        config,
        classes=None,
        annotations=None,
        words=None,
        log=messages.info,
        consent=TRUSTED,
    ):
        self.config = config
        self.classes = classes
        self.annotations = annotations
        self.words = words
        self.log = log
        self.consent = consent
        self._stores = {}

    @property
    def labelled(self):
        """Whether the model learns from labels."""
        learned = self.classes, self.annotations, self.words
        return any(labels is not None for labels in learned)

    def read(self, before_making=lambda: None):
        """Opens the stores of both domains, and makes those that are missing.

        Args:
            before_making: function without arguments that is called before
                each store that is missing is made.

        Raises:
            UserError: the data cannot be read, the stores cannot be written,
                or labels that the model learns are missing.
        """
        for domain in DOMAINS:
            self.store(domain, before_making)
        # Labels are read here, so that an error about them is raised before
        # the first step, even if only `evaluate` uses them.
        self.training_labels()
        for domain, labels in self.label_tables().items():
            names = self.store(domain).names
            check_labels(labels, names, f"train.labels_{domain}")

    def read_removed(self):
        """Makes stores again if they were removed from the cache.

        Returns:
            Whether at least one store had been removed.
        """
        removed = [d for d in self._stores if not self.store(d).path.exists()]
        for domain in removed:
            del self._stores[domain]
        self.read()
        return bool(removed)

    def store(self, domain, before_making=lambda: None):
        """Returns the domain's `Store`, which is opened at the first call.

        Args:
            domain: "a" or "b".
            before_making: see `read`.

        Raises:
            UserError: the data cannot be read, or the store cannot be written.
        """
        if domain not in self._stores:
            self._stores[domain] = self._open_store(domain, before_making)
        return self._stores[domain]

    def _open_store(self, domain, before_making):
        config = self.config
        maps = domain in config.label_maps
        with _disk_errors(), self.consent.applied():
            store = open_store(
                source_for(config.data[domain], domain),
                config.load_size(domain),
                fit=config.fit + MAPS * maps,
                max_bad_fraction=config.max_bad_fraction,
                progress=self.log,
                before_making=before_making,
            )
            if maps:
                # The palette is read here, so that an error is raised if the
                # images are not label maps.
                colours_of(store)
        return store

    def check_record(self, path, resumed):
        """Raises an error if the images do not fit the run or each other.

        A run must not be resumed with other images, and a new run must not
        have the same images in both domains.

        Args:
            path: path of the run's data.json.
            resumed: whether the run has shown images before.

        Returns:
            The record of the present images, for `data_record.write`.

        Raises:
            UserError, OSError: see `data_record.check` and `check_domains`.
        """
        stores = {domain: self.store(domain) for domain in DOMAINS}
        record = data_record.check(path, stores, resumed, self.log)
        if not resumed:
            a, b = self.config.augmentations.values()
            data_record.check_domains(record, self.log, may_share=a != b)
        return record

    def images(self, domain, split, size, count=None):
        """Returns real images that are not augmented.

        Args:
            domain: "a" or "b".
            split: "train", "val" or "test".
            size: size of the images; see `tf_i2i.sizes`.
            count: largest number of images; None for all.

        Returns:
            uint8 `[count or fewer, height, width, 3]`.
        """
        return evaluation_images(self.store(domain), split, size, count)

    def label_tables(self):
        """Returns the labels of the domains that have labels.

        Returns:
            Dictionary of the labels, as `read_labels` returns them, for each
            domain that has labels.
        """
        tables = {domain: self._label_table(domain) for domain in DOMAINS}
        return {domain: table for domain, table in tables.items() if table}

    def _label_table(self, domain):
        if path := self.config.labels[domain]:
            return read_labels(path, f"labels_{domain}")
        if self.classes is not None:
            return folder_labels(self.store(domain).names)
        return {}

    def training_labels(self):
        """Returns the labels that the model learns from, by their domain.

        Returns:
            A dictionary. The dictionary is empty if the model learns from no
            labels. For "a", it has class numbers, int32 `[images of A]`, or
            annotations, float32 `[images of A, columns]`. For "b", it has the
            index of each word of `labels_b` among the words that the model
            knows, or -1 for an unknown word, float32 `[images of B, columns]`.

        Raises:
            UserError: labels are missing, or do not fit the model.
        """
        if self.words is not None:
            names, table = self.store("b").names, self._label_table("b")
            return {"b": word_numbers(table, names, self.words)}
        if self.classes is None and self.annotations is None:
            return {}
        names, table = self.store("a").names, self._label_table("a")
        if self.annotations is not None:
            return {"a": annotation_numbers(table, names, self.annotations)}
        return {"a": class_numbers(table, names, self.classes)}

    def batches(self, phase, start, strategy):
        """Returns an endless dataset of the training batches of a phase.

        Args:
            phase: `Phase`.
            start: number of images of each domain that the run has shown.
            strategy: `tf.distribute` strategy; each batch is divided between
                its replicas.

        Returns:
            A distributed dataset of the batches of `data.unpaired.unpaired`.
        """
        config = self.config
        labels = self.training_labels()

        def share(context):
            return unpaired(
                self.store("a"),
                self.store("b"),
                phase.size,
                phase.batch_size,
                seed=config.seed,
                start=start,
                augmentation=config.augmentations["a"],
                augmentation_b=config.augmentations["b"],
                labels=labels,
                full_size=config.image_size,
                context=context,
            )

        return strategy.distribute_datasets_from_function(share)


@contextlib.contextmanager
def _disk_errors():
    """Context in which an `OSError` becomes a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            "`train.data_a` and `train.data_b` must be readable, and the "
            "cache folder (TF_I2I_CACHE) must have room for their images. "
            f"Received: {error.filename or default_cache_dir()} "
            f"({reason(error)})"
        ) from error
