"""Scores one direction of a translator, and baselines for comparison.

    evidence = Evidence(inputs, target_test, target_train, source_train, truth)
    judge = Judge(evidence, load_features("random-conv"))
    table = judge.table({"model": Candidate(outputs)}, find_recipe("quick"))

A number is hard to interpret by itself. Therefore the table also has the
numbers of the ground-truth images, if they are known, and of cheats, which are
baselines without a translator, such as copies of the input.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable

import numpy as np

from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.baselines import NEEDED
from tf_i2i.evaluation.baselines import baselines
from tf_i2i.evaluation.measure import has_field
from tf_i2i.evaluation.registry import find_measures
from tf_i2i.evaluation.score_cache import cached_scores
from tf_i2i.features.cache import cached_embeddings

# Features are averaged in a grid of `PLACES` x `PLACES` cells if spatial
# positions matter, as for finding the ground-truth image of an input. Distances
# between sets of images use features averaged over the whole image.
PLACES = 4
# Smallest allowed number of images in each set of the evidence.
FEWEST = 8
# The sets of real images. For each set, the number of its domain (0 for the
# source, 1 for the target) and the name of its split.
_REAL = {
    "inputs": (0, "test"),
    "target_test": (1, "test"),
    "target_train": (1, "training"),
    "source_train": (0, "training"),
}


@dataclasses.dataclass
class Evidence:
    """The real images of one direction.

    All arrays of images are uint8 `[N, S, S, 3]`; N differs between them.

    Attributes:
        inputs: test images of the source domain, which are translated.
        target_test: test images of the target domain.
        target_train: training images of the target domain.
        source_train: training images of the source domain.
        truth: the ground-truth images of the inputs, which are the correct
            translations. None if they are not known.
        labels: dictionary from the name of an attribute to integers, one for
            each of `inputs`. `NOT_KNOWN` stands for a label that is not
            known.
        target_labels: dictionary from the name of an attribute to a pair:
            integers for `target_train`, and integers for `target_test`, like
            those of `labels`.
        palette: integers `[K, 3]`, the colours of the classes, if the target
            images are label maps; otherwise None.
        source_palette: integers `[K, 3]`, the colours of the classes, if the
            inputs are label maps; otherwise None.
        target_maps: uint8 `[M, S, S, 3]`, label maps of the first M images of
            `target_train`, on which a segmenter is trained; or None.
        direction: direction of translation, "a_to_b" or "b_to_a".
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
    direction: str = "a_to_b"


@dataclasses.dataclass
class Candidate:
    """The outputs of a translator, or of a cheat, for the inputs.

    Attributes:
        outputs: uint8 `[N, S, S, 3]`, the translations, in the order of the
            inputs.
        returned: uint8 `[N, S, S, 3]`, the translations translated back to
            the domain of the inputs; or None.
        exact: float32 in [-1, 1], the translations of the first inputs, not
            rounded to uint8; or None.
        back: function that translates float images back to the domain of the
            inputs, or None. The function uses the style of input i for image i
            of its argument. Therefore image i must be translation i, either
            unchanged or with added noise.
        back_sampled: like `back`, but in sampled styles if the direction back
            has styles.
        back_multiple: number of pixels of which the sides of images for `back`
            must be multiples; None if `back` takes images of one size only.
        codes: tuple of the shared encoder's codes `[N, D]` of the inputs, of
            their translations, and of `target_test`; or None.
        several: uint8 `[K, N, S, S, 3]`, translations of the first N inputs
            with K styles; or None.
        predicted: integers, classes of `target_test` by the translator's own
            classifier; or None.
        predicted_by_source: like `predicted`, but `target_test` is classified
            as if its images belonged to the source domain; or None.
        predicted_inverted: like `predicted`, but for the inverted images; or
            None.
        aligned: whether output i belongs to input i.
        new: False if the outputs are training images by definition. Outputs
            that are not new are not compared with training images to detect
            copies.
    """

    outputs: np.ndarray
    returned: np.ndarray | None = None
    exact: np.ndarray | None = None
    back: Callable | None = None
    back_sampled: Callable | None = None
    back_multiple: int | None = None
    codes: tuple | None = None
    several: np.ndarray | None = None
    predicted: np.ndarray | None = None
    predicted_by_source: np.ndarray | None = None
    predicted_inverted: np.ndarray | None = None
    aligned: bool = True
    new: bool = True


class Judge:
    """Scores candidates for one direction by comparing them with evidence.

    Args:
        evidence: `Evidence`.
        features: `Features` of `tf_i2i.features`.
        seed: seed of all random choices.
        use_cache: whether features of the evidence, and the scores of the rows
            that do not depend on a candidate, are kept on disk for the next
            evaluation.

    Raises:
        UserError: a set of the evidence has fewer than `FEWEST` images.
    """

    def __init__(self, evidence, features, seed=0, use_cache=False):
        for name, (end, split) in _REAL.items():
            count = len(getattr(evidence, name))
            if count < FEWEST:
                domain = ends(evidence.direction)[end].upper()
                raise UserError(
                    f"`{name}`, the {split} images of domain {domain}, must "
                    f"be at least {FEWEST} images. Received: {count}"
                )
        self.evidence = evidence
        self.features = features
        self.seed = seed
        self.use_cache = use_cache
        self._once: dict[Callable, object] = {}
        self._real: dict[tuple, np.ndarray] = {}
        # Feature vectors of outputs are kept for the last table only, because
        # those of all tables of a run would fill the memory.
        self._made: dict[tuple, tuple] = {}
        self._cheats: dict[tuple, dict] = {}

    def table(self, candidates, measures, cheats=True):
        """Returns scores of candidates, and of images for comparison.

        The images for comparison are the rows of `baselines`.

        Args:
            candidates: dictionary from the name of a row to a `Candidate`.
            measures: names of measures.
            cheats: whether to include all rows of `baselines`. If False, only
                `truth`, `copy` and `random` are included, from which the
                measure `score` is computed.

        Returns:
            Dictionary from the name of each row to the scores of the row, a
            dictionary from names of scores to floats. The candidates come
            first.

        Raises:
            UserError: one of the names is not the name of a measure.
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
        """Returns the scores of one candidate.

        Numbers that `Measure.combine` computes are not included.

        Args:
            candidate: `Candidate`.
            measures: names of measures. A measure gives no numbers if the
                candidate or the evidence lacks a field that it needs.

        Returns:
            Dictionary from names of scores to floats.

        Raises:
            UserError: one of the names is not the name of a measure.
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
        """Returns the scores of the rows of `baselines`."""
        key = measures, cheats
        if key not in self._cheats:
            compute = functools.partial(self._compute_cheats, *key)
            self._cheats[key] = (
                cached_scores(self, *key, compute)
                if self.use_cache
                else compute()
            )
        return self._cheats[key]

    def _compute_cheats(self, measures, cheats):
        rows = {}
        with warnings.catch_warnings():
            # Cheats such as "white", whose images are all equal, cause
            # warnings.
            warnings.simplefilter("ignore")
            for name, made in baselines(self.evidence, self.seed).items():
                if cheats or name in NEEDED:
                    floor = name == "floor"
                    row = Candidate(made, aligned=not floor, new=not floor)
                    rows[name] = self.score(row, measures)
        return rows

    def vectors(self, images, grid=1):
        """Returns features of a set of images, computed once for each set.

        Args:
            images: uint8 `[N, S, S, 3]`.
            grid: number of cells per side of the grid in which features are
                averaged, 1 or `PLACES`.

        Returns:
            float32 `[N, D]`.
        """
        key = (id(images), grid)
        if any(images is getattr(self.evidence, name) for name in _REAL):
            if key not in self._real:
                self._real[key] = self.fixed_vectors(images, grid)
            return self._real[key]
        if key not in self._made:
            # The array of images is stored too, because otherwise the memory
            # could be reused and another array could get the same id.
            self._made[key] = images, _embed(self.features, images, grid)
        return self._made[key][1]

    def fixed_vectors(self, images, grid=1):
        """Returns features of images that do not depend on a candidate.

        The features are read from the cache on disk if `use_cache` is set.

        Args:
            images, grid: see `vectors`.

        Returns:
            float32 `[N, D]`.
        """
        embed = cached_embeddings if self.use_cache else _embed
        return embed(self.features, images, grid)

    def once(self, function):
        """Returns `function(self)`, computed at the first call only.

        Measures use this method for values that depend on the evidence only and
        are therefore the same for all candidates.
        """
        if function not in self._once:
            self._once[function] = function(self)
        return self._once[function]


def _embed(features, images, grid):
    return features.embed(images, grid=grid)
