"""Scores of a model on validation images while it trains."""

import dataclasses

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import FEWEST
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.registry import lower_is_better
from tf_i2i.evaluation.translations import Translations
from tf_i2i.features import load_features
from tf_i2i.features.cache import cached_embeddings
from tf_i2i.metrics.checks import verdict


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """When and how a run is scored on validation images as it trains.

    Args:
        kimg: thousands of images between two evaluations; there is also one
            at the end of each phase.
        recipe: "quick", "full", or the name of a method.
        features: name for `load_features`.
        best: name of the number by which the best checkpoint is chosen,
            averaged over the directions that have it. With "accuracy",
            labels of B choose the checkpoint.
        count: the largest number of validation images of each domain.

    Raises:
        UserError: for values out of these ranges.
    """

    kimg: float = 5.0
    recipe: str = "quick"
    features: str = "random-conv"
    best: str = "score"
    count: int = 200

    def __post_init__(self):
        find_recipe(self.recipe, "Evaluation.recipe")
        if self.kimg <= 0 or self.count < FEWEST:
            raise UserError(
                "`Evaluation.kimg` must be above 0 and `Evaluation.count` at "
                f"least {FEWEST}. Received: kimg={self.kimg}, "
                f"count={self.count}"
            )


class Validation:
    """Scores a model on validation images while it trains.

    Args:
        model: `UnpairedTranslator`, which stays in its phase.
        real: `RealImages`.
        evaluation: `Evaluation`.
        seed: of everything random.

    Raises:
        UserError: the best checkpoint is chosen by "accuracy", and there
            are no labels of B.
    """

    def __init__(self, model, real, evaluation, seed=0):
        self.evaluation = evaluation
        self.translations = Translations(model, seed)
        self.features = load_features(evaluation.features)
        self.measures = find_recipe(evaluation.recipe)
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
        """Scores of the model with the weights that it now has.

        Returns:
            Dictionary, direction -> (name of a number -> float), and a list
            of sentences of `metrics.checks.verdict`.
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
        """The number by which the best checkpoint is chosen.

        Args:
            scores: of `scores`.

        Returns:
            Float; higher is better, so a distance is negated.

        Raises:
            UserError: the recipe's measures give no such number.
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
