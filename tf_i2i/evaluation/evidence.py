"""The real images that translations are scored against."""

import dataclasses

import numpy as np

from tf_i2i.data import toy_faces
from tf_i2i.data.labels import class_names
from tf_i2i.data.labels import labels_of
from tf_i2i.data.labels import stem
from tf_i2i.data.maps import colours_of
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.data.sources import means_toy_faces
from tf_i2i.data.store import Store
from tf_i2i.data.unpaired import images_at
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import Evidence

TRAIN_COUNT = 2000


@dataclasses.dataclass
class RealImages:
    """The real images of both domains, from which `Evidence` is selected.

    Attributes:
        stores: "a", "b" -> `Store`.
        size: side of the images, pixels.
        paired: whether test images of the same name are hidden partners.
            Their folders and suffixes may differ.
        labels: "a", "b" -> (name of a column -> (stem -> label)).
        palettes: "a", "b" -> integers `[K, 3]`, the colours of the classes,
            for domains of label maps.
        maps: "a", "b" -> a folder of label maps of that domain's photos.
            They have the photos' names and the other domain's colours.
    """

    stores: dict[str, Store]
    size: int
    paired: bool = False
    labels: dict = dataclasses.field(default_factory=dict)
    palettes: dict = dataclasses.field(default_factory=dict)
    maps: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of_data(
        cls, data, size, paired=False, labels=None, palettes=None, maps=None
    ):
        """The real images of a run.

        The toy faces bring pairs and labels of their own, label maps their
        palette.

        Args:
            data: `RunData`.
            size: side of the images, pixels.
            paired, labels, palettes, maps: as the attributes.
        """
        stores = {domain: data.store(domain) for domain in "ab"}
        if all(map(means_toy_faces, data.config.data.values())):
            labels = {d: _toy_labels(stores[d]) for d in "ab"}
            paired = True
        known = {d: colours_of(stores[d]) for d in data.config.label_maps}
        palettes = known | (palettes or {})
        return cls(stores, size, paired, labels or {}, palettes, maps or {})

    def evidence(self, direction, split="test", count=None):
        """The `Evidence` of a direction.

        Args:
            direction: "a_to_b" or "b_to_a".
            split: whose images are translated: "test" or "val".
            count: the largest number of images; None for all.

        Raises:
            UserError: `paired`, and no test images of A and B have the same
                name; or images without a label or a map that they need.
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
            # Photos with a map come first: a segmenter is trained on them.
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
        )

    def _maps_of(self, domain, rows):
        """The rows with those that have a label map first, and their maps."""
        folder = self.maps[domain]
        files = {path.stem: path for path in list_images(folder)[0]}
        stems = [stem(self.stores[domain].names[row]) for row in rows]
        order = sorted(range(len(rows)), key=lambda i: stems[i] not in files)
        found = [files[stems[i]] for i in order if stems[i] in files]
        if not found:
            raise UserError(
                f"`--maps_{domain}` must hold label maps of the names of "
                f"{domain.upper()}'s training images. Received: {folder}, "
                "none of them"
            )
        fit = "crop" + MAPS
        maps = [fit_image(read_image(path), self.size, fit) for path in found]
        return np.asarray(rows)[order], np.stack(maps)

    def names(self, domain, split="test"):
        """Stems of the images of a split, in the order of `evidence`."""
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
                "`--paired` needs test images of equal names in both domains. "
                "Received: none"
            )
        a, b = np.array(pairs).T
        return {"a": a, "b": b}

    def _labels(self, source, target, rows, train):
        """Labels of the attributes that both domains have, as integers."""
        found, found_target = {}, {}
        a, b = (self.labels.get(domain, {}) for domain in "ab")
        for column in (name for name in a if name in b):
            values = [
                self._column(domain, column, some)
                for domain, some in (
                    (source, rows[source]),
                    (target, train[target]),
                    (target, rows[target]),
                )
            ]
            known = class_names(a[column], b[column])
            number = {name: i for i, name in enumerate(known)}
            numbers = [np.array([number[v] for v in some]) for some in values]
            found[column] = numbers[0]
            found_target[column] = tuple(numbers[1:])
        return found, found_target

    def _column(self, domain, column, rows):
        names = self.stores[domain].names
        names = [names[row] for row in rows]
        return labels_of(self.labels[domain][column], names, domain)


def _toy_labels(store):
    stems = [stem(name) for name in store.names]
    columns = toy_faces.attributes(list(map(int, stems)))
    columns["turn"] = np.sign(columns["turn"]).astype(np.int32)
    return {
        name: dict(zip(stems, values.tolist(), strict=True))
        for name, values in columns.items()
    }
