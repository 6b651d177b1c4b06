"""Scores a model on validation images during training."""

import dataclasses
from typing import Annotated

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import FEWEST
from tf_i2i.evaluation.judge import Judge
from tf_i2i.evaluation.registry import find_measures
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.registry import lower_is_better
from tf_i2i.evaluation.registry import settings_of
from tf_i2i.evaluation.translations import Translations
from tf_i2i.features import load_features
from tf_i2i.metrics.checks import verdict
from tf_i2i.values import Positive
from tf_i2i.values import Range
from tf_i2i.values import check_values


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Settings for scoring a model on validation images during training.

    Args:
        kimg: thousands of training images between two evaluations. There is
            also an evaluation at the end of each phase.
        recipe: measures to compute: "quick", "full", or the name of a method
            or measure; or several of them, separated by commas.
        features: name of the feature network; see `load_features`.
        best: name of the number by which the best checkpoint is chosen. The
            number is averaged over the directions that have it. With "accuracy"
            the checkpoint is chosen by labels of B.
        count: largest number of validation images of each domain.

    Raises:
        UserError: a value is not allowed.
    """

    kimg: Positive = 5.0
    recipe: str = "quick"
    features: str = "random-conv"
    best: str = "score"
    count: Annotated[int, Range(FEWEST)] = 200

    def __post_init__(self):
        check_values(type(self), vars(self), "Evaluation")
        recipe = find_recipe(self.recipe, "Evaluation.recipe")
        measures = find_measures(recipe)
        for measure in measures:
            if measure.settings:
                # An error in the settings is raised before the training.
                settings_of(measure)
        outputs = [output for m in measures for output in m.outputs]
        if not any(output.matches(self.best) for output in outputs):
            names = ", ".join(output.name for output in outputs)
            raise UserError(
                f"`Evaluation.best` must be one of {names}. "
                f"Received: {self.best!r}"
            )


class Validation:
    """Scores a model on validation images during training.

    Args:
        model: `UnpairedTranslator`; its phase is not changed.
        real: `RealImages`.
        evaluation: `Evaluation`.
        seed: seed of all random choices.

    Raises:
        UserError: the best checkpoint is to be chosen by "accuracy", but
            there are no labels of B.
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
                use_cache=True,
            )
            for direction in model.directions
        }
        labelled = self.judges["a_to_b"].evidence.target_labels
        if evaluation.best == "accuracy" and not labelled:
            raise UserError(
                "`Evaluation.best` must not be 'accuracy', unless --labels_b "
                "gives labels of B's validation images, in a column that the "
                "labels of A also have. Received: 'accuracy' without such "
                "labels"
            )

    def scores(self):
        """Returns scores of the model with its current weights.

        Returns:
            Scores of each direction, a dictionary of dictionaries whose inner
            keys are names of scores; and a list of warnings from
            `metrics.checks.verdict`.
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
        """Returns the number by which the best checkpoint is chosen.

        Args:
            scores: dictionary that `scores` has returned.

        Returns:
            Float; higher is better, because distances are negated.

        Raises:
            UserError: the measures of the recipe do not compute this number.
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
