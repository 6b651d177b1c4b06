"""Scores of a model on validation images while it trains."""

import dataclasses

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import FEWEST
from tf_i2i.evaluation.judge import RECIPES
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.judge import lower_is_better
from tf_i2i.evaluation.judge import recipe
from tf_i2i.evaluation.translations import Translations
from tf_i2i.features import load_features
from tf_i2i.features.cache import cached_embeddings
from tf_i2i.metrics.checks import verdict


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """When and how a run is scored on validation images as it trains.

    Args:
        kimg: thousands of images between scores; the end of a phase is
            scored too.
        recipe: a name of `evaluation.judge.RECIPES`.
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
                cached_embeddings,
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


def round_numbers(numbers):
    """A dictionary of floats, rounded to five significant digits for logs."""
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}
