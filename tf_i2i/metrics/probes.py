"""What a fresh, simple classifier reads from frozen features.

A network's own critic or classifier is no evidence: it was trained against,
or with, what it judges. These are fitted anew, on real images, and scored on
held-out ones.
"""

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.metrics.embeddings import as_features
from tf_i2i.metrics.embeddings import check_width
from tf_i2i.metrics.embeddings import standardizer
from tf_i2i.metrics.segmentation import matched_accuracy

# Strengths that the proxy A-distance tries, inverse regularization.
STRENGTHS = tuple(10.0**n for n in range(-4, 3))
_ITERATIONS = 1000


@dataclasses.dataclass(frozen=True)
class Probe:
    """A fitted probe: `predict`, features `[N, D]` -> labels `[N]`.

    `accuracy` and `balanced` are its scores on held-out features.
    """

    predict: Callable
    accuracy: float
    balanced: float


def linear_probe(features, labels, seed=0, held_out=None):
    """Logistic regression with classes weighted equally.

    Dimensions are scaled as `embeddings.standardizer` does.

    Args:
        features: `[N, D]`, float32 or float64.
        labels: `[N]`, integers or strings, two classes or more.
        seed: of the split in halves, by class.
        held_out: features and labels to score on. None: half of those given,
            which is then not trained on.

    Returns:
        `Probe`.

    Raises:
        UserError: not such features or labels, or a class with fewer than
            two of them; scikit-learn is missing.
    """
    features, labels = _labelled("features", features, labels)
    if held_out is None:
        features, test, labels, truth = _halves(features, labels, seed)
    else:
        test, truth = _labelled("held_out", *held_out)
        check_width("held_out", test, features.shape[1])
    predict = _fit(features, labels, 1.0)
    scores = agreement(predict(test), truth)
    return Probe(predict, scores["accuracy"], scores["balanced"])


def share_called_b(probe, features, b=1):
    """Share of features that a probe takes for the target domain.

    Args:
        probe: `linear_probe` of real images of both domains.
        features: `[N, D]`, of translations.
        b: the target's label.

    Returns:
        Float in [0, 1].
    """
    return float(np.mean(probe.predict(features) == b))


def proxy_a_distance(a, b, seed=0):
    """How well a fresh probe tells two domains' embeddings apart.

    Ben-David et al., "Analysis of Representations for Domain Adaptation",
    2007; `2 (1 - 2 e)` with e the balanced error on the held-out half of
    each set, the least over `STRENGTHS`, 1 - e where it is above one half.
    Choosing by test error is part of the common definition and makes small
    sets look a little more separable than they are.

    An encoder that maps everything to one point has 0 too: print the
    accuracy of a class probe on the same embeddings.

    Args:
        a: `[N, D]`, float32 or float64.
        b: `[M, D]`.
        seed: of the split in halves.

    Returns:
        Dictionary of floats: `distance`, in [0, 2], 0 for domains that
        cannot be told apart; `error`, in [0, 0.5].

    Raises:
        UserError: not such features, fewer than two of a domain;
            scikit-learn is missing.
    """
    a, b = as_features("a", a), as_features("b", b)
    check_width("b", b, a.shape[1])
    labels = np.repeat([0, 1], [len(a), len(b)])
    train, test, labels, truth = _halves(np.concatenate([a, b]), labels, seed)
    errors = []
    for strength in STRENGTHS:
        predicted = _fit(train, labels, strength)(test)
        error = 1 - agreement(predicted, truth)["balanced"]
        errors.append(min(error, 1 - error))
    error = min(errors)
    return {"distance": 2 * (1 - 2 * error), "error": error}


def agreement(predicted, labels):
    """Share of labels that were predicted.

    Args:
        predicted: `[N]`.
        labels: `[N]`, the truth.

    Returns:
        Dictionary of floats in [0, 1]: `accuracy`; `balanced`, the mean over
        the classes of `labels` of each class's accuracy.

    Raises:
        UserError: not equally many; scikit-learn is missing.
    """
    predicted, labels = _same_length(predicted, labels)
    metrics = optional("sklearn.metrics", "eval")
    balanced = metrics.recall_score(
        labels,
        predicted,
        labels=np.unique(labels),
        average="macro",
        zero_division=0.0,
    )
    return {
        "accuracy": float(np.mean(predicted == labels)),
        "balanced": float(balanced),
    }


def hungarian_accuracy(predicted, labels):
    """Accuracy under the best one-to-one renaming of the predictions.

    Far above the plain accuracy, it says that classes are kept apart but
    exchanged.

    Args:
        predicted: `[N]`.
        labels: `[N]`, the truth.

    Returns:
        Float in [0, 1].

    Raises:
        UserError: not equally many; SciPy is missing.
    """
    predicted, labels = _same_length(predicted, labels)
    rows, predicted = np.unique(predicted, return_inverse=True)
    columns, labels = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(counts, (predicted, labels), 1)
    return matched_accuracy(counts)


def _fit(features, labels, strength):
    """Function, features -> labels."""
    models = optional("sklearn.linear_model", "eval")
    exceptions = optional("sklearn.exceptions", "eval")
    scaled = standardizer(features)
    model = models.LogisticRegression(
        C=strength, class_weight="balanced", max_iter=_ITERATIONS
    )
    with warnings.catch_warnings():
        # On separable data the last digits of the weights take for ever.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        model.fit(scaled(features), labels)

    def predict(other):
        other = as_features("features", other, least=1)
        check_width("features", other, features.shape[1])
        return model.predict(scaled(other))

    return predict


def _halves(features, labels, seed):
    """Training and test features, training and test labels."""
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise UserError(
            "Every class must have two vectors or more, one to train on and "
            f"one to test. Received: one of class {names[counts.argmin()]}"
        )
    selection = optional("sklearn.model_selection", "eval")
    return selection.train_test_split(
        features, labels, test_size=0.5, stratify=labels, random_state=seed
    )


def _labelled(name, features, labels):
    features = as_features(name, features)
    labels = np.asarray(labels)
    if labels.shape != (len(features),) or len(np.unique(labels)) < 2:
        raise UserError(
            f"The labels of `{name}` must be {len(features)}, of two classes "
            f"or more. Received: {list(labels.shape)}, "
            f"{len(np.unique(labels))} classes"
        )
    return features, labels


def _same_length(predicted, labels):
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or labels.ndim != 1 or not len(labels):
        raise UserError(
            "`predicted` and `labels` must be [N] of one N above 0. "
            f"Received: {list(predicted.shape)} and {list(labels.shape)}"
        )
    return predicted, labels
