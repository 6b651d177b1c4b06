"""The real images with which translations are compared."""

import dataclasses

import numpy as np

from tf_i2i.data import toy_faces
from tf_i2i.data.labels import check_labels
from tf_i2i.data.labels import class_names
from tf_i2i.data.labels import numbers_of
from tf_i2i.data.labels import stem
from tf_i2i.data.maps import colours_of
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import report_frames
from tf_i2i.data.sources import means_toy_faces
from tf_i2i.data.store import Store
from tf_i2i.data.unpaired import images_at
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import Evidence
from tf_i2i.sizes import Size

TRAIN_COUNT = 2000


@dataclasses.dataclass
class RealImages:
    """The real images of both domains, from which `Evidence` is selected.

    Attributes:
        stores: dictionary with the `Store` of each domain, "a" and "b".
        size: size of the images; see `tf_i2i.sizes`.
        paired: whether test images of A and B with the same name show the same
            object. Folders and suffixes of the names may differ.
        labels: dictionary with the labels of each domain, "a" and "b". The
            labels of a domain have the form that `read_labels` returns.
        palettes: dictionary with the colours of the classes, integers `[K, 3]`,
            for each domain ("a" or "b") whose images are label maps.
        maps: dictionary from a domain, "a" or "b", to the folder with label
            maps of that domain's photos. The maps have the names of the photos
            and the colours of the other domain.
    """

    stores: dict[str, Store]
    size: Size
    paired: bool = False
    labels: dict = dataclasses.field(default_factory=dict)
    palettes: dict = dataclasses.field(default_factory=dict)
    maps: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of_data(
        cls, data, size, paired=False, labels=None, palettes=None, maps=None
    ):
        """Returns the real images of a run.

        For the toy faces, pairs and labels are known and need not be given.
        Palettes need not be given for domains that the run declares as label
        maps.

        Args:
            data: `RunData`.
            size: size of the images; see `tf_i2i.sizes`.
            paired, labels, palettes, maps: see the attributes.
        """
        stores = {domain: data.store(domain) for domain in "ab"}
        if all(map(means_toy_faces, data.config.data.values())):
            labels = {d: _toy_labels(stores[d]) for d in "ab"}
            paired = True
        known = {d: colours_of(stores[d]) for d in data.config.label_maps}
        palettes = known | (palettes or {})
        return cls(stores, size, paired, labels or {}, palettes, maps or {})

    def evidence(self, direction, split="test", count=None):
        """Returns the `Evidence` of a direction.

        Args:
            direction: "a_to_b" or "b_to_a".
            split: "test" or "val", the split of the images to translate.
            count: largest number of images to translate; None for all.

        Raises:
            UserError: `paired` is set although no test images of A and B
                have the same name, no image of a domain has a label although
                labels are given, or no training image has a label map
                although maps are given.
        """
        source, target = ends(direction)
        rows = {d: self.stores[d].split(split) for d in "ab"}
        partners = self.paired and split == "test"
        if partners:
            rows = self._partners(rows)
        rows = {d: r[:count] for d, r in rows.items()}
        train = {d: self.stores[d].split("train")[:TRAIN_COUNT] for d in "ab"}
        labels, target_labels = self._labels(source, target, rows, train)
        target_test = self._images(target, rows[target])
        maps = None
        if target in self.maps and source in self.palettes:
            # Photos with a label map come first, because the segmenter is
            # trained on the first images.
            train[target], maps = self._maps_of(target, train[target])
        return Evidence(
            inputs=self._images(source, rows[source]),
            target_test=target_test,
            target_train=self._images(target, train[target]),
            source_train=self._images(source, train[source]),
            truth=target_test if partners else None,
            labels=labels,
            target_labels=target_labels,
            palette=self.palettes.get(target),
            source_palette=self.palettes.get(source),
            target_maps=maps,
            direction=direction,
        )

    def _maps_of(self, domain, rows):
        """Returns `rows`, those with label maps first, and the label maps."""
        folder = self.maps[domain]
        files = {path.stem: path for path in list_images(folder)[0]}
        stems = [stem(self.stores[domain].names[row]) for row in rows]
        order = sorted(range(len(rows)), key=lambda i: stems[i] not in files)
        found = [files[stems[i]] for i in order if stems[i] in files]
        if not found:
            raise UserError(
                f"`--maps_{domain}` must contain label maps with the names "
                f"of {domain.upper()}'s training images. Received: {folder}, "
                "which contains none"
            )
        fit = "crop" + MAPS
        maps = [read_fitted(path, self.size, fit) for path in found]
        report_frames(found)
        return np.asarray(rows)[order], np.stack(maps)

    def names(self, domain, split="test"):
        """Returns the stems of images' file names, in the order of `evidence`.

        Args:
            domain: "a" or "b".
            split: name of the split.
        """
        rows = {d: self.stores[d].split(split) for d in "ab"}
        if self.paired and split == "test":
            rows = self._partners(rows)
        return [stem(self.stores[domain].names[i]) for i in rows[domain]]

    def _images(self, domain, rows):
        return images_at(self.stores[domain], rows, self.size)

    def _partners(self, rows):
        at = {stem(self.stores["b"].names[row]): row for row in rows["b"]}
        pairs = [
            (row, at[name])
            for row in rows["a"]
            if (name := stem(self.stores["a"].names[row])) in at
        ]
        if not pairs:
            raise UserError(
                "`--paired` must be left out, unless there are test images of "
                "the same name in both domains. Received: no such images"
            )
        a, b = np.array(pairs).T
        return {"a": a, "b": b}

    def _labels(self, source, target, rows, train):
        """Returns labels of the attributes that both domains have.

        The labels are integers. See `labels` and `target_labels` of
        `Evidence`.
        """
        found, found_target = {}, {}
        for domain, table in self.labels.items():
            names = self.stores[domain].names
            check_labels(table, names, f"--labels_{domain}")
        a, b = (self.labels.get(domain, {}) for domain in "ab")
        for column in (name for name in a if name in b):
            known = class_names(a[column], b[column])
            numbers = [
                self._column(domain, column, some, known)
                for domain, some in (
                    (source, rows[source]),
                    (target, train[target]),
                    (target, rows[target]),
                )
            ]
            found[column] = numbers[0]
            found_target[column] = tuple(numbers[1:])
        return found, found_target

    def _column(self, domain, column, rows, known):
        names = self.stores[domain].names
        names = [names[row] for row in rows]
        return numbers_of(self.labels[domain][column], names, known)


def _toy_labels(store):
    stems = [stem(name) for name in store.names]
    columns = toy_faces.attributes(list(map(int, stems)))
    columns["turn"] = np.sign(columns["turn"]).astype(np.int32)
    return {
        name: dict(zip(stems, values.tolist(), strict=True))
        for name, values in columns.items()
    }
