"""One direction of a translation held against real images and cheats.

    evidence = Evidence(inputs, target_test, target_train, source_train, truth)
    judge = Judge(evidence, load_features("random-conv"))
    table = judge.table({"model": Candidate(outputs)}, recipe("quick"))

Every number stands in a table beside what the truth, copying the input and
other cheats score: alone it says nothing.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.metrics.baselines import baselines
from tf_i2i.metrics.baselines import blurred
from tf_i2i.metrics.baselines import recoloured
from tf_i2i.metrics.checks import collapsed
from tf_i2i.metrics.checks import identity
from tf_i2i.metrics.checks import inverted
from tf_i2i.metrics.copying import copying_scores
from tf_i2i.metrics.copying import nearest_distance
from tf_i2i.metrics.embeddings import principal
from tf_i2i.metrics.explanations import explain
from tf_i2i.metrics.frechet import frechet_distance
from tf_i2i.metrics.gate import gate
from tf_i2i.metrics.kernel import kernel_distance_full
from tf_i2i.metrics.manifold import precision_recall_density_coverage
from tf_i2i.metrics.outlines import outline_overlap
from tf_i2i.metrics.perceptual import diversity
from tf_i2i.metrics.perceptual import perceptual_distance
from tf_i2i.metrics.pixels import accuracy_within
from tf_i2i.metrics.pixels import colour_distance
from tf_i2i.metrics.pixels import psnr
from tf_i2i.metrics.pixels import round_trip_error
from tf_i2i.metrics.pixels import ssim
from tf_i2i.metrics.probes import agreement
from tf_i2i.metrics.probes import hungarian_accuracy
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import proxy_a_distance
from tf_i2i.metrics.probes import share_called_b
from tf_i2i.metrics.retrieval import retrieval
from tf_i2i.metrics.retrieval import semantic_consistency
from tf_i2i.metrics.robustness import sensitivity
from tf_i2i.metrics.segmentation import confusion
from tf_i2i.metrics.segmentation import matched_accuracy
from tf_i2i.metrics.segmentation import nearest_colour
from tf_i2i.metrics.segmentation import segmentation_scores
from tf_i2i.metrics.segmenter import VOID
from tf_i2i.metrics.segmenter import PixelProbe
from tf_i2i.metrics.segmenter import with_void
from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein

# Cells a side, in which features keep where things are: for finding faces
# again, not for distances between sets.
PLACES = 4
# Principal components for the Frechet distance: sets here are small.
COMPONENTS = 64
# Those that labels are read from.
LABEL_COMPONENTS = 256
SENSITIVITY_IMAGES = 64
FEWEST = 8
_REAL = ("inputs", "target_test", "target_train", "source_train")


@dataclasses.dataclass
class Evidence:
    """The real images of one direction; all uint8 `[., S, S, 3]`.

    Attributes:
        inputs: test images of the source domain.
        target_test: test images of the target domain.
        target_train: images of the target domain that training showed.
        source_train: images of the source domain that training showed.
        truth: the inputs' hidden partners in the target domain, or None.
        labels: name -> integers of `inputs`, where there are any.
        target_labels: name -> (of `target_train`, of `target_test`).
        palette: whole numbers `[K, 3]`: the classes' colours, where target
            images are label maps.
        source_palette: the same, where the inputs are label maps.
        target_maps: uint8 `[M, S, S, 3]`, the label maps of the first M of
            `target_train`, from which a segmenter learns; or None.
    """

    inputs: np.ndarray
    target_test: np.ndarray
    target_train: np.ndarray
    source_train: np.ndarray
    truth: np.ndarray | None = None
    labels: dict = dataclasses.field(default_factory=dict)
    target_labels: dict = dataclasses.field(default_factory=dict)
    palette: np.ndarray | None = None
    source_palette: np.ndarray | None = None
    target_maps: np.ndarray | None = None


@dataclasses.dataclass
class Candidate:
    """What a translator, or a cheat, makes of the inputs.

    Attributes:
        outputs: uint8, the translations, in the order of the inputs.
        returned: uint8, the translations translated back, or None.
        exact: the first translations as the network gave them, before they
            were rounded, float32 in [-1, 1]; or None.
        back: function, float images, the first of the translations or
            disturbed ones -> the inputs' domain; or None.
        codes: (of inputs, of their translations, of `target_test`), vectors
            of the translator's own shared encoder; or None.
        several: uint8 `[K, N, S, S, 3]`: of the first inputs under K styles,
            or None.
        predicted: integers, the classes that the translator's own classifier
            sees in `target_test`; or None.
        aligned: whether output i belongs to input i.
        shown: whether they are images that training showed, so that asking
            for copies means nothing.
    """

    outputs: np.ndarray
    returned: np.ndarray | None = None
    exact: np.ndarray | None = None
    back: Callable | None = None
    codes: tuple | None = None
    several: np.ndarray | None = None
    predicted: np.ndarray | None = None
    aligned: bool = True
    shown: bool = False


class Judge:
    """Scores candidates against one direction's evidence.

    Args:
        evidence: `Evidence`.
        features: `Features` of `tf_i2i.features`.
        seed: of everything random.
        embed_real: function (features, images, grid) -> vectors, for the
            evidence's own images: one that remembers them. By default
            `features.embed`.

    Raises:
        UserError: too few images for any number to mean something.
    """

    def __init__(self, evidence, features, seed=0, embed_real=None):
        for name in _REAL:
            count = len(getattr(evidence, name))
            if count < FEWEST:
                raise UserError(
                    f"`{name}` must hold at least {FEWEST} images to be "
                    f"scored against. Received: {count}"
                )
        self.evidence = evidence
        self.features = features
        self.seed = seed
        self._embed_real = embed_real or _embed
        self._real: dict[tuple, np.ndarray] = {}
        # Of what the last table judged; all of a run would fill the memory.
        self._made: dict[tuple, tuple] = {}
        self._cheats: dict[tuple, dict] = {}

    def table(self, candidates, measures, cheats=True):
        """Scores of candidates, of the truth, of cheats and of the floor.

        Args:
            candidates: dictionary, name -> `Candidate`.
            measures: names of `MEASURES`.
            cheats: False leaves out the rows that the gate does not need.

        Returns:
            Dictionary: row -> dictionary, measure -> float; the candidates
            come first. `score` is the gate's number (`metrics.gate`).
        """
        others = self._score_cheats(tuple(measures), cheats)
        self._made.clear()
        table = {n: self.score(c, measures) for n, c in candidates.items()}
        table |= {name: dict(scores) for name, scores in others.items()}
        for name, scores in table.items():
            if name != "floor":
                scores |= self._gate(scores, table)
        return table

    def score(self, candidate, measures):
        """Dictionary of floats: what the measures say of one candidate."""
        scores: dict[str, float] = {}
        for name in measures:
            scores |= MEASURES[name](self, candidate)
        return {name: float(value) for name, value in scores.items()}

    def _score_cheats(self, measures, cheats):
        """Scores of the rows that are the same in every table."""
        if (measures, cheats) not in self._cheats:
            rows = {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Of sets like "white".
                for name, made in baselines(self.evidence, self.seed).items():
                    if cheats or name in ("truth", "copy", "random"):
                        floor = name == "floor"
                        row = Candidate(made, aligned=not floor, shown=floor)
                        rows[name] = self.score(row, measures)
            self._cheats[measures, cheats] = rows
        return self._cheats[measures, cheats]

    def _gate(self, scores, table):
        """`style`, `content` and `score` of one row, from three others."""
        found = self.recall_name
        needed = {"called_b", "copy_rate", found}
        if not needed <= scores.keys():
            return {}
        # Without hidden partners, real images of B are the truth of style.
        truth = table.get("truth", table.get("floor", table["random"]))
        full, none = table["copy"][found], table["random"][found]
        if full <= none and "truth" in table:
            # Where the task is a negative, a copy finds nobody.
            full = table["truth"][found]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An end that is no end gives 0.
            return gate(
                called_b=scores["called_b"],
                called_b_copy=table["copy"]["called_b"],
                called_b_truth=truth["called_b"],
                recall=scores[found],
                recall_copy=full,
                recall_random=none,
                copy_rate=scores["copy_rate"],
            )

    @property
    def recall_name(self):
        """Whom an output must find: its hidden partner, or else its input."""
        return "r@5" if self.evidence.truth is not None else "input_r@5"

    def vectors(self, images, grid=1):
        """Features `[N, D]` of a set of images, each set computed once."""
        key = (id(images), grid)
        if any(images is getattr(self.evidence, name) for name in _REAL):
            if key not in self._real:
                vectors = self._embed_real(self.features, images, grid)
                self._real[key] = vectors
            return self._real[key]
        if key not in self._made:
            # The images are kept too, or another set could get their id.
            self._made[key] = images, _embed(self.features, images, grid)
        return self._made[key][1]

    @functools.cached_property
    def truth_taps(self):
        """Feature maps of the hidden partners."""
        return self.features.taps(self.evidence.truth)

    @functools.cached_property
    def real_distance(self):
        """Of each real test image to the nearest one that training showed."""
        e = self.evidence
        return nearest_distance(
            self.vectors(e.target_test, PLACES),
            self.vectors(e.target_train, PLACES),
        )

    @functools.cached_property
    def style_probe(self):
        """Tells A from B; trained on real images, scored on real test ones.

        To a probe that has seen only plain images, another tint is another
        style: images of A are also shown to it in the colours of B, and
        blurred.
        """
        e = self.evidence
        a = self.vectors(e.source_train)
        cheats = (
            recoloured(e.source_train, e.target_train),
            blurred(e.source_train),
        )
        a = np.concatenate([a, *(self.vectors(images) for images in cheats)])
        features, labels = _two_classes(a, self.vectors(e.target_train))
        test = self.vectors(e.inputs), self.vectors(e.target_test)
        return linear_probe(features, labels, self.seed, _two_classes(*test))

    @functools.cached_property
    def label_probes(self):
        """Attribute -> probe that reads it from real target images."""
        e = self.evidence
        train = self.label_vectors(e.target_train)
        test = self.label_vectors(e.target_test)
        return {
            name: linear_probe(train, of_train, self.seed, (test, of_test))
            for name, (of_train, of_test) in e.target_labels.items()
        }

    def label_vectors(self, images):
        """Features with places, in the directions in which real ones vary."""
        return self._principal(self.vectors(images, PLACES))

    @functools.cached_property
    def segmenter(self):
        """Reads the classes of inputs in photos; None without label maps."""
        e = self.evidence
        if e.source_palette is None or e.target_maps is None:
            return None
        photos = e.target_train[: len(e.target_maps)]
        labels = map_labels(e.target_maps, e.source_palette)
        return PixelProbe(self.features, photos, labels, len(e.source_palette))

    @functools.cached_property
    def input_labels(self):
        """The classes in inputs that are label maps."""
        return map_labels(self.evidence.inputs, self.evidence.source_palette)

    @functools.cached_property
    def _principal(self):
        train = self.vectors(self.evidence.target_train, PLACES)
        return principal(train, LABEL_COMPONENTS)


def map_labels(images, palette):
    """Classes of label maps by the nearest colour, `VOID` where none is near.

    Args:
        images: uint8 `[N, H, W, 3]`.
        palette: `[K, 3]`.
    """
    return with_void(nearest_colour(images, palette), images, palette)


def _embed(features, images, grid):
    return features.embed(images, grid=grid)


def _two_classes(a, b):
    return np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])


def _style(judge, candidate):
    """Is it of the target domain?"""
    e = judge.evidence
    made = judge.vectors(candidate.outputs)
    real = judge.vectors(e.target_test)
    components = min(COMPONENTS, len(real) - 1, real.shape[1])
    shares = precision_recall_density_coverage(real, made)
    return {
        "called_b": share_called_b(judge.style_probe, made),
        "fd": frechet_distance(real, made, pca=components),
        "kd": 1000 * kernel_distance_full(real, made),
        "coverage": shares["coverage"],
        "recall": shares["recall"],
        "colour": colour_distance(e.target_test, candidate.outputs)["mean"],
    }


def _swd(judge, candidate):
    """Sliced Wasserstein distance, x 1000, level by level (Karras)."""
    found = sliced_wasserstein(
        judge.evidence.target_test, candidate.outputs, seed=judge.seed
    )
    return {f"swd_{level}": value for level, value in found.items()}


def _content(judge, candidate):
    """Is it the right one? By hidden partners, or else by the inputs."""
    if not candidate.aligned:
        return {}
    e = judge.evidence
    made = judge.vectors(candidate.outputs, PLACES)
    if e.truth is None:
        found = retrieval(made, judge.vectors(e.inputs, PLACES))
        return {f"input_{name}": value for name, value in found.items()}
    return retrieval(made, judge.vectors(e.truth, PLACES))


def _labels(judge, candidate):
    """Balanced agreement of what is read in outputs with the inputs' labels."""
    if not (candidate.aligned and judge.evidence.labels):
        return {}
    made = judge.label_vectors(candidate.outputs)
    scores, matched = {}, {}
    for name, probe in judge.label_probes.items():
        read, labels = probe.predict(made), judge.evidence.labels[name]
        scores[f"label_{name}"] = agreement(read, labels)["balanced"]
        matched[f"matched_{name}"] = hungarian_accuracy(read, labels)
    scores["labels"] = np.mean(list(scores.values()))
    return scores | matched


def _copying(judge, candidate):
    """Does it hand out training images?"""
    if candidate.shown:
        return {}
    e = judge.evidence
    scores = copying_scores(
        judge.vectors(candidate.outputs, PLACES),
        judge.vectors(e.target_train, PLACES),
        judge.vectors(e.target_test, PLACES),
        judge.real_distance,
    )
    return {
        "copy_rate": scores["copy_rate"],
        "to_train": scores["to_train"],
        "to_test": scores["to_test"],
    }


def _paired(judge, candidate):
    """Pixels and features against the hidden partners."""
    truth = judge.evidence.truth
    if truth is None or not candidate.aligned:
        return {}
    outputs = candidate.outputs
    return {
        "acc16": accuracy_within(outputs, truth),
        "psnr": psnr(outputs, truth),
        "ssim": ssim(outputs, truth),
        "perceptual": perceptual_distance(
            judge.features.taps(outputs), judge.truth_taps
        ),
    }


def _segmentation(judge, candidate):
    """Label maps against the hidden partners, by the nearest colour."""
    e = judge.evidence
    if e.truth is None or e.palette is None or not candidate.aligned:
        return {}
    truth = map_labels(e.truth, e.palette)
    made = nearest_colour(candidate.outputs, e.palette)
    counts = confusion(truth, made, len(e.palette), ignore=VOID)
    scores = segmentation_scores(counts)
    scores["iou_present"] = segmentation_scores(counts, absent="skip")["iou"]
    scores["matched"] = matched_accuracy(counts)
    return {f"map_{name}": value for name, value in scores.items()}


def _segmenter(judge, candidate):
    """What a segmenter of real photos sees, against the inputs' classes."""
    if not (candidate.aligned and judge.segmenter):
        return {}
    classes = len(judge.evidence.source_palette)
    seen = judge.segmenter(candidate.outputs)
    counts = confusion(judge.input_labels, seen, classes, ignore=VOID)
    scores = segmentation_scores(counts)
    found = {f"seen_{name}": value for name, value in scores.items()}
    if candidate.several is None:
        return found
    truth = judge.input_labels[: candidate.several.shape[1]]
    shares = [
        np.mean(judge.segmenter(outputs)[truth != VOID] == truth[truth != VOID])
        for outputs in candidate.several
    ]
    return found | {"styled_seen_pixel": np.mean(shares)}


def _round_trip(judge, candidate):
    """There and back by way of 8 bits: the error, and who is found again."""
    if candidate.returned is None:
        return {}
    inputs = judge.evidence.inputs
    found = retrieval(
        judge.vectors(candidate.returned, PLACES),
        judge.vectors(inputs, PLACES),
    )
    return {
        "round_trip": round_trip_error(inputs, candidate.returned),
        "returned_r@1": found["r@1"],
        "returned_r@5": found["r@5"],
    }


def _sensitivity(judge, candidate):
    """Error of the way back from disturbed translations."""
    if candidate.back is None:
        return {}
    images = candidate.exact
    if images is None:
        images = candidate.outputs[:SENSITIVITY_IMAGES]
    curve = sensitivity(
        candidate.back,
        images,
        truth=judge.evidence.inputs[: len(images)],
        # All at once: each image may have its own way back.
        batch_size=len(images),
        seed=judge.seed,
    )
    scores = {f"back_{name}": value for name, value in curve.items()}
    return scores | {"hidden": curve["noise_2"] - curve["noise_0"]}


def _embedding(judge, candidate):
    """The translator's own shared encoder, by fresh eyes."""
    if candidate.codes is None:
        return {}
    inputs, again, target = candidate.codes
    apart = proxy_a_distance(inputs, target, judge.seed)
    scores = {
        "code_a_distance": apart["distance"],
        "code_consistency": semantic_consistency(inputs, again),
    }
    if judge.evidence.truth is not None:
        # Test images of both domains are in the order of the pairs.
        for name, value in retrieval(inputs, target).items():
            scores[f"code_{name}"] = value
    read = {
        f"code_label_{name}": linear_probe(target, labels, judge.seed).balanced
        for name, (_, labels) in judge.evidence.target_labels.items()
    }
    if read:
        scores["code_labels"] = np.mean(list(read.values()))
    return scores | read


def _accuracy(judge, candidate):
    """The translator's own classifier, by the first labels of the target."""
    labels = judge.evidence.target_labels
    if candidate.predicted is None or not labels:
        return {}
    _, truth = next(iter(labels.values()))
    return {"accuracy": np.mean(candidate.predicted == truth)}


def _diversity(judge, candidate):
    """Mean distance between outputs of one input under several styles."""
    if candidate.several is None:
        return {}
    taps = [judge.features.taps(outputs) for outputs in candidate.several]
    return {"diversity": diversity(taps)} | _content_held(judge, candidate)


def _content_held(judge, candidate):
    """Are the outputs still of their inputs, whatever the style?"""
    e = judge.evidence
    count = candidate.several.shape[1]
    of_inputs = e.truth if e.truth is not None else e.inputs
    partners = judge.vectors(of_inputs, PLACES)[:count]
    found = [
        retrieval(judge.vectors(outputs, PLACES), partners)["r@5"]
        for outputs in candidate.several
    ]
    return {"styled_r@5": np.mean(found)}


def _outlines(judge, candidate):
    """Has it the shapes of its input, or others?"""
    if not candidate.aligned:
        return {}
    inputs = judge.evidence.inputs
    return {"outlines_kept": outline_overlap(inputs, candidate.outputs)}


def _checks(judge, candidate):
    """Three alarms: see `metrics.checks`."""
    if not candidate.aligned:
        return {}
    pair = candidate.outputs, judge.evidence.inputs
    return {
        "spread": collapsed(*pair),
        "change": identity(*pair),
        "light": inverted(*pair),
    }


MEASURES = {
    "style": _style,
    "swd": _swd,
    "content": _content,
    "labels": _labels,
    "copying": _copying,
    "paired": _paired,
    "segmentation": _segmentation,
    "segmenter": _segmenter,
    "round_trip": _round_trip,
    "sensitivity": _sensitivity,
    "embedding": _embedding,
    "accuracy": _accuracy,
    "diversity": _diversity,
    "outlines": _outlines,
    "checks": _checks,
}
_QUICK: tuple[str, ...] = ("style", "content", "copying", "checks")
_COMMON = (*_QUICK, "labels", "paired", "round_trip", "outlines")
# What each method's paper claims, so that its claims are measured.
RECIPES: dict[str, tuple[str, ...]] = {
    "quick": _QUICK,
    "full": tuple(MEASURES),
    "TwinGAN": (*_COMMON, "swd", "embedding", "diversity"),
    "UNIT": (*_COMMON, "embedding"),
    "UNITAdaptation": ("accuracy", "checks"),
    "XGAN": (*_COMMON, "embedding"),
    "DTN": (*_QUICK, "labels", "paired", "embedding"),
    "AsymGAN": (
        *_COMMON,
        *("segmentation", "segmenter", "sensitivity", "diversity"),
    ),
    "CDFT": _COMMON,
}


# Measures that no feature network has a part in.
_PLAIN = (
    *("swd", "acc16", "psnr", "ssim", "round_trip", "back_", "code_", "map_"),
    *("hidden", "spread", "change", "light", "colour", "accuracy"),
    "outlines_",
)


def recipe(name):
    """The measures of a recipe: "quick", "full", or of a method.

    Args:
        name: one of `RECIPES`; a method that is not there gets "full".
    """
    return RECIPES.get(name, RECIPES["full"])


def lower_is_better(measure):
    """Whether a smaller number of this name says something better."""
    return explain(measure).better == "lower"


def full_name(measure, features):
    """A measure's name with what decides whether two are comparable.

    `fd` becomes `fd[random-conv-0/native/1a2b3c4d]`; numbers of pixels, and
    of a translator's own codes, stay as they are.
    """
    if measure.startswith(_PLAIN):
        return measure
    return f"{measure}[{features.label}]"
