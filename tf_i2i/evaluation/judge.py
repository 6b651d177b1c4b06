"""One direction of a translation, scored against real images and cheats.

    evidence = Evidence(inputs, target_test, target_train, source_train, truth)
    judge = Judge(evidence, load_features("random-conv"))
    table = judge.table({"model": Candidate(outputs)}, find_recipe("quick"))

A number means little alone, so the same numbers of the truth, of copies of
the input and of other cheats are in the table too.
"""

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.evaluation.baselines import NEEDED
from tf_i2i.evaluation.baselines import baselines
from tf_i2i.evaluation.measure import has_field
from tf_i2i.evaluation.registry import find_measures

# Cells per side in which features are averaged where places matter: to find
# the partner of an image again. Distances between sets use one cell.
PLACES = 4
# The fewest images of which a set may consist.
FEWEST = 8
_REAL = ("inputs", "target_test", "target_train", "source_train")


@dataclasses.dataclass
class Evidence:
    """The real images of one direction; all uint8 `[., S, S, 3]`.

    Attributes:
        inputs: test images of the source domain.
        target_test: test images of the target domain.
        target_train: training images of the target domain.
        source_train: training images of the source domain.
        truth: the inputs' hidden partners in the target domain, or None.
        labels: name of an attribute -> integers, one for each of `inputs`.
        target_labels: name of an attribute -> (integers of `target_train`,
            integers of `target_test`).
        palette: integers `[K, 3]`, the colours of the classes, where target
            images are label maps; or None.
        source_palette: the same where the inputs are label maps.
        target_maps: uint8 `[M, S, S, 3]`, the label maps of the first M of
            `target_train`, on which a segmenter is trained; or None.
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
        exact: float32 in [-1, 1], the first translations before rounding to
            uint8; or None.
        back: function that translates float images back to the domain of
            the inputs: the first translations, or disturbed ones; or None.
        codes: the shared encoder's vectors `[N, D]` of the inputs, of their
            translations and of `target_test`, a tuple; or None.
        several: uint8 `[K, N, S, S, 3]`, translations of the first N inputs
            under K styles; or None.
        predicted: integers, the translator's own classification of
            `target_test`; or None.
        aligned: whether output i belongs to input i.
        new: False for outputs that are training images by intention, which
            are not searched for copies.
    """

    outputs: np.ndarray
    returned: np.ndarray | None = None
    exact: np.ndarray | None = None
    back: Callable | None = None
    codes: tuple | None = None
    several: np.ndarray | None = None
    predicted: np.ndarray | None = None
    aligned: bool = True
    new: bool = True


class Judge:
    """Scores candidates against one direction's evidence.

    Args:
        evidence: `Evidence`.
        features: `Features` of `tf_i2i.features`.
        seed: of everything random.
        embed_real: function (features, images, grid) -> vectors, used for
            the evidence's own images, such as `cached_embeddings`; by
            default `features.embed`.

    Raises:
        UserError: one of the evidence's sets has fewer than `FEWEST` images.
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
        self._once: dict[Callable, object] = {}
        self._real: dict[tuple, np.ndarray] = {}
        # Only of the last table: all of a run would fill the memory.
        self._made: dict[tuple, tuple] = {}
        self._cheats: dict[tuple, dict] = {}

    def table(self, candidates, measures, cheats=True):
        """Scores of candidates, of the truth, of cheats and of the floor.

        Args:
            candidates: dictionary, name -> `Candidate`.
            measures: names of measures.
            cheats: False leaves out the rows that `score` does not need.

        Returns:
            Dictionary: row -> dictionary, name of a number -> float. The
            candidates come first.

        Raises:
            UserError: there is no measure of one of the names.
        """
        others = self._score_cheats(tuple(measures), cheats)
        self._made.clear()
        table = {n: self.score(c, measures) for n, c in candidates.items()}
        table |= {name: dict(scores) for name, scores in others.items()}
        for measure in find_measures(measures):
            if measure.combine:
                for name, scores in table.items():
                    if name != "floor":
                        scores |= measure.combine(self, scores, table)
        return table

    def score(self, candidate, measures):
        """The numbers of one candidate, without those of `Measure.combine`.

        Args:
            candidate: `Candidate`.
            measures: names of measures. Those that need what the candidate
                or the evidence lacks give no numbers.

        Returns:
            Dictionary, name of a number -> float.

        Raises:
            UserError: there is no measure of one of the names.
        """
        scores: dict[str, float] = {}
        for measure in find_measures(measures):
            complete = all(
                has_field(need, candidate, self.evidence)
                for need in measure.needs
            )
            if measure.compute and complete:
                scores |= measure.compute(self, candidate)
        return {name: float(value) for name, value in scores.items()}

    def _score_cheats(self, measures, cheats):
        """Scores of the rows that are the same in every table."""
        if (measures, cheats) not in self._cheats:
            rows = {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Of sets like "white".
                for name, made in baselines(self.evidence, self.seed).items():
                    if cheats or name in NEEDED:
                        floor = name == "floor"
                        row = Candidate(made, aligned=not floor, new=not floor)
                        rows[name] = self.score(row, measures)
            self._cheats[measures, cheats] = rows
        return self._cheats[measures, cheats]

    def vectors(self, images, grid=1):
        """Features of a set of images, computed once for each set.

        Args:
            images: uint8 `[N, S, S, 3]`.
            grid: cells per side in which features are averaged, 1 or
                `PLACES`.

        Returns:
            float32 `[N, D]`.
        """
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

    def once(self, function):
        """The value of `function(self)`, computed at the first call only.

        For what a measure derives from the evidence alone: it is the same
        for all candidates.
        """
        if function not in self._once:
            self._once[function] = function(self)
        return self._once[function]


def _embed(features, images, grid):
    return features.embed(images, grid=grid)
