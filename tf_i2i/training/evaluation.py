"""A run's translations, and the real images that they are held against."""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_i2i.cache import default_cache_dir
from tf_i2i.data import toy_faces
from tf_i2i.data.maps import colours_of
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.data.sources import SPLITS
from tf_i2i.data.sources import means_toy_faces
from tf_i2i.data.store import Store
from tf_i2i.data.unpaired import images_at
from tf_i2i.domains import DIRECTIONS
from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.metrics.checks import verdict
from tf_i2i.metrics.judge import FEWEST
from tf_i2i.metrics.judge import RECIPES
from tf_i2i.metrics.judge import SENSITIVITY_IMAGES
from tf_i2i.metrics.judge import Candidate
from tf_i2i.metrics.judge import Evidence
from tf_i2i.metrics.judge import Judge
from tf_i2i.metrics.judge import lower_is_better
from tf_i2i.metrics.judge import recipe
from tf_i2i.training.disk import write_whole

TRAIN_COUNT = 2000
STYLES = 5
STYLED_INPUTS = 32
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """When and how a run is scored on validation images as it trains.

    Args:
        kimg: thousands of images between scores; the end of a phase is
            scored too.
        recipe: a name of `metrics.judge.RECIPES`.
        features: name for `load_features`.
        best: the measure by which the best checkpoint is kept, the mean of
            the directions that have it. With "accuracy", labels of B choose
            a checkpoint.
        count: validation images of each domain at most.

    Raises:
        UserError: for values out of these ranges.
    """

    kimg: float = 5.0
    recipe: str = "quick"
    features: str = "random-conv"
    best: str = "score"
    count: int = 200

    def __post_init__(self):
        if self.recipe not in RECIPES:
            raise UserError(
                f"`Evaluation.recipe` must be one of {', '.join(RECIPES)}. "
                f"Received: {self.recipe!r}"
            )
        if self.kimg <= 0 or self.count < FEWEST:
            raise UserError(
                "`Evaluation.kimg` must be above 0 and `Evaluation.count` at "
                f"least {FEWEST}. Received: kimg={self.kimg}, "
                f"count={self.count}"
            )


class Validation:
    """Scores a model on validation images, again and again.

    Args:
        model: `UnpairedTranslator`, which keeps the phase that it is in.
        real: `RealImages`.
        evaluation: `Evaluation`.
        seed: of all that is drawn.
    """

    def __init__(self, model, real, evaluation, seed=0):
        self.evaluation = evaluation
        self.translations = Translations(model, seed)
        self.features = load_features(evaluation.features)
        self.measures = recipe(evaluation.recipe)
        self.judges = {
            direction: Judge(
                real.evidence(direction, "val", evaluation.count),
                self.features,
                seed,
                remembered,
            )
            for direction in model.directions
        }
        labelled = self.judges["a_to_b"].evidence.target_labels
        if evaluation.best == "accuracy" and not labelled:
            raise UserError(
                "`Evaluation.best` 'accuracy' needs labels of B's validation "
                "images, --labels_b, in a column of the name that labels of A "
                "have. Received: none"
            )

    def scores(self):
        """Scores and alarms of the model in the weights that it carries.

        Returns:
            Dictionary direction -> (measure -> float), and a list of
            sentences of `metrics.checks.verdict`.
        """
        scores, alarms = {}, []
        for direction, judge in self.judges.items():
            made = self.translations.candidate(
                judge.evidence, direction, self.measures
            )
            table = judge.table({"model": made}, self.measures, cheats=False)
            scores[direction] = table["model"]
            sentences = verdict(made.outputs, judge.evidence.inputs)
            alarms += [f"{direction}: {sentence}" for sentence in sentences]
        return scores, alarms

    def value(self, scores):
        """What the best checkpoint is chosen by; higher is better.

        Raises:
            UserError: the recipe has no such measure.
        """
        name = self.evaluation.best
        values = [found[name] for found in scores.values() if name in found]
        if not values:
            known = sorted(set().union(*scores.values()))
            raise UserError(
                f"`Evaluation.best` must be one of {', '.join(known)}. "
                f"Received: {name!r}"
            )
        return float(np.mean(values)) * (-1 if lower_is_better(name) else 1)


@dataclasses.dataclass
class RealImages:
    """The two domains of a run, as evidence is drawn from them.

    Attributes:
        stores: "a", "b" -> `Store`.
        size: side of the images, pixels.
        paired: whether the test images of one name are hidden partners; their
            folders and suffixes do not count.
        labels: "a", "b" -> (name of a column -> (stem -> label)).
        palettes: "a", "b" -> whole numbers `[K, 3]`, of domains of label maps.
        maps: "a", "b" -> a folder of label maps of that domain's photos, by
            name, in the other domain's colours.
    """

    stores: dict[str, Store]
    size: int
    paired: bool = False
    labels: dict = dataclasses.field(default_factory=dict)
    palettes: dict = dataclasses.field(default_factory=dict)
    maps: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of_run(cls, run, paired=False, labels=None, palettes=None, maps=None):
        """Those of a run; the toy faces have pairs and labels of their own,
        label maps their palette.
        """
        stores = {domain: run.store(domain) for domain in "ab"}
        if all(map(means_toy_faces, run.data.values())):
            labels = {d: _toy_labels(stores[d]) for d in "ab"}
            paired = True
        known = {d: colours_of(stores[d]) for d in run.label_maps}
        palettes = known | (palettes or {})
        return cls(
            stores, run.phase.size, paired, labels or {}, palettes, maps or {}
        )

    def evidence(self, direction, split="test", count=None):
        """`Evidence` of a direction.

        Args:
            direction: "a_to_b" or "b_to_a".
            split: whose images are translated: "test" or "val".
            count: how many at most.

        Raises:
            UserError: `paired`, and no two names are alike.
        """
        source, target = direction.split("_to_")
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
            # Those with a map first: a segmenter learns from them.
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
        """Rows, those with a label map first, and the maps of these."""
        folder = self.maps[domain]
        files = {path.stem: path for path in list_images(folder)[0]}
        stems = [_stem(self.stores[domain].names[row]) for row in rows]
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
        return [_stem(self.stores[domain].names[i]) for i in rows[domain]]

    def _images(self, domain, rows):
        return images_at(self.stores[domain], rows, self.size)

    def _partners(self, rows):
        at = {_stem(self.stores["b"].names[row]): row for row in rows["b"]}
        pairs = [
            (row, at[stem])
            for row in rows["a"]
            if (stem := _stem(self.stores["a"].names[row])) in at
        ]
        if not pairs:
            raise UserError(
                "`--paired` needs test images of equal names in both domains. "
                "Received: none"
            )
        a, b = np.array(pairs).T
        return {"a": a, "b": b}

    def _labels(self, source, target, rows, train):
        """Labels that both domains have, as numbers."""
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
        return _labels_of(self.labels[domain][column], names, domain)


def _labels_of(labels, names, domain):
    """The labels of images by name; refuses images without one."""
    stems = [_stem(name) for name in names]
    missing = [stem for stem in stems if stem not in labels]
    if missing:
        raise UserError(
            f"`--labels_{domain}` must have a row for every image. "
            f"Received: none for {missing[0]}"
        )
    return [labels[stem] for stem in stems]


def _stem(name):
    return Path(name).stem


def class_names(*columns):
    """Different labels in the order of their numbers.

    Args:
        *columns: dictionaries, stem -> label; labels that later ones add
            come after those of the first.
    """
    known: list = []
    for labels in columns:
        known += sorted(set(labels.values()) - set(known), key=str)
    return known


def _toy_labels(store):
    stems = [_stem(name) for name in store.names]
    columns = toy_faces.attributes([int(stem) for stem in stems])
    columns["turn"] = np.sign(columns["turn"]).astype(np.int32)
    return {
        name: dict(zip(stems, values.tolist(), strict=True))
        for name, values in columns.items()
    }


def read_labels(path):
    """A CSV with a header: file names first, a label in each other column.

    Returns:
        Dictionary, column -> (stem of the file's name -> label as text).

    Raises:
        UserError: no such file, or nothing in it.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"`labels` must be a CSV file. Received: {path} ({error})"
        ) from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UserError(
            "`labels` must have a header and two columns or more, file names "
            f"first. Received: {path} with {len(rows)} rows"
        )
    header, *lines = rows
    return {
        column: {_stem(line[0]): line[i] for line in lines if len(line) > i}
        for i, column in enumerate(header)
        if i
    }


def folder_labels(names):
    """The names of the folders that images lie in, as labels.

    Args:
        names: of a store's images, `train/7/0042.png` for one.

    Returns:
        As `read_labels`; empty where images are in no folders of classes, or
        where two of them have the same name.
    """
    folders = [Path(name).parent.name for name in names]
    stems = [_stem(name) for name in names]
    if {*folders} & {"", *SPLITS} or len({*stems}) < len(stems):
        return {}
    return {"folder": dict(zip(stems, folders, strict=True))}


def class_numbers(table, names, classes):
    """What a classifier learns: a number for each image.

    Args:
        table: of `read_labels`, whose first column is taken.
        names: of a store's images.
        classes: how many the classifier knows.

    Returns:
        int32 `[len(names)]`, places in `class_names`.

    Raises:
        UserError: no label for an image, or too many different ones.
    """
    if not table:
        raise UserError(
            "`--labels_a` must be a CSV of A's labels, or images must lie in "
            "a folder for each class: this method learns classes. "
            "Received: neither"
        )
    column, labels = next(iter(table.items()))
    known = class_names(labels)
    if len(known) > classes:
        raise UserError(
            f"`--labels_a` must have at most {classes} different labels, the "
            f"model's `classes`. Received: {len(known)} in {column}"
        )
    number = {label: i for i, label in enumerate(known)}
    found = _labels_of(labels, names, "a")
    return np.array([number[label] for label in found], np.int32)


def read_palette(path):
    """A CSV with a header, and the columns r, g and b: colours of classes.

    Returns:
        int64 `[K, 3]`, in [0, 255].

    Raises:
        UserError: no such file, or no such columns.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        colours = [[int(row[channel]) for channel in "rgb"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            "`palette` must be a CSV file with the columns r, g and b. "
            f"Received: {path} ({error!r})"
        ) from error
    return np.array(colours, np.int64).reshape(-1, 3)


class Translations:
    """A model's translations of arrays, in the weights that it carries.

    Args:
        model: `UnpairedTranslator`, which keeps the phase that it is in.
        seed: of styles, for methods that have them; an image's style depends
            on its place in the set.
    """

    def __init__(self, model, seed=0):
        self.model = model
        self.seed = seed
        self._translate = tf.function(
            lambda images, style, direction: model.translate(
                images, direction, style
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._encode_style = tf.function(
            lambda images, direction: model.encode_style(
                to_float(images), direction
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._classify = tf.function(
            lambda images, domain: tf.argmax(
                model.classify(to_float(images), domain), 1
            ),
            autograph=False,
            reduce_retracing=True,
        )
        self._embed = tf.function(
            lambda images, domain: model.embed(to_float(images), domain),
            autograph=False,
            reduce_retracing=True,
        )

    def candidate(self, evidence, direction, measures=()):
        """What the model makes of a direction's inputs.

        Args:
            evidence: `Evidence` of the direction.
            direction: "a_to_b" or "b_to_a".
            measures: names of `metrics.judge.MEASURES`, which say what is
                needed beside the translations.
        """
        source, target = direction.split("_to_")
        inputs = evidence.inputs
        back = self._way_back(inputs, _reverse(direction))
        outputs = self.translate(inputs, direction)
        made = Candidate(outputs)
        if "round_trip" in measures and back:
            made.returned = back(outputs)
        if "sensitivity" in measures and back:
            made.back = back
            few = inputs[:SENSITIVITY_IMAGES]
            made.exact = self.translate(few, direction, rounded=False)
        if "embedding" in measures and self.model.embeds:
            made.codes = (
                self.embed(inputs, source),
                self.embed(outputs, target),
                self.embed(evidence.target_test, target),
            )
        learned = self.model.classes is not None and source == "a"
        if "accuracy" in measures and learned:
            made.predicted = self.classify(evidence.target_test, target)
        if "diversity" in measures and self.model.style_for(direction):
            few = inputs[:STYLED_INPUTS]
            made.several = np.stack(
                [
                    self.translate(few, direction, self.seed + 1 + i)
                    for i in range(STYLES)
                ]
            )
        return made

    def _way_back(self, inputs, direction):
        """Function from translations of the first inputs to where they came
        from, or None. Where that way takes a style it is the input's own:
        a round trip asks whether anything was lost.
        """
        if direction not in self.model.directions:
            return None
        if self.model.style_for(direction) is None:
            return functools.partial(self.translate, direction=direction)
        styles = _in_batches(self._encode_style, inputs, direction)
        return lambda images: self.translate(
            images, direction, style=styles[: len(images)]
        )

    def translate(self, images, direction, seed=None, style=None, rounded=True):
        """Images, uint8 or float in [-1, 1] -> translations.

        Args:
            images: `[N, S, S, 3]`.
            direction: "a_to_b" or "b_to_a".
            seed: of styles that are drawn.
            style: `[N, *style_shape]`; None: they are drawn, where the
                direction takes one.
            rounded: whether to uint8, or float32 in [-1, 1].
        """
        if style is None and self.model.style_for(direction):
            seed = self.seed if seed is None else seed
            style = self.model.sample_style(len(images), seed)
        parts = []
        for i in range(0, len(images), _BATCH):
            part = images[i : i + _BATCH]
            part = to_float(part) if part.dtype == np.uint8 else part
            few = None if style is None else style[i : i + _BATCH]
            made = self._translate(tf.constant(part), few, direction)
            parts.append((to_uint8(made) if rounded else made).numpy())
        return np.concatenate(parts)

    def embed(self, images, domain):
        """uint8 images -> codes `[N, D]` of the shared encoder."""
        return _in_batches(self._embed, images, domain)

    def classify(self, images, domain):
        """uint8 images -> classes `[N]`, by the model's own classifier."""
        return _in_batches(self._classify, images, domain)


def _in_batches(function, images, domain):
    parts = [
        function(tf.constant(images[i : i + _BATCH]), domain).numpy()
        for i in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)


def _reverse(direction):
    return DIRECTIONS[1 - DIRECTIONS.index(direction)]


def rounded(numbers):
    """A dictionary of floats with five digits each, for logs."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def remembered(features, images, grid):
    """`features.embed` of real images, kept in the cache by their content."""
    digest = hashlib.sha256(
        f"{features.label} {features.weights_sha256}".encode()
    )
    digest.update(f"{features.embedding} {grid} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    path = default_cache_dir() / "features" / f"{digest.hexdigest()[:32]}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):
        vectors = features.embed(images, grid=grid)
    memory = io.BytesIO()
    np.save(memory, vectors)
    # The next evaluation may be slower; this one is right.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        write_whole(path, [memory.getbuffer()], beside)
    return vectors
