"""Scores by newly trained linear classifiers of features, called probes.

The critic or classifier of the trained model itself cannot serve as a judge,
because it was trained against or together with the translator. The probes here
are trained anew on features of real images and tested on held-out features.
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
from tf_i2i.metrics.threads import one_thread

# Values of `C`, the inverse strength of the regularization, that the proxy
# A-distance tries.
STRENGTHS = tuple(10.0**n for n in range(-4, 3))
_ITERATIONS = 1000


@dataclasses.dataclass(frozen=True)
class Probe:
    """A trained linear classifier of features.

    Attributes:
        predict: function that maps features `[N, D]` to labels `[N]`.
        accuracy: share of held-out features that the probe classifies
            correctly.
        balanced: mean of the accuracies of all classes.
    """

    predict: Callable
    accuracy: float
    balanced: float


def linear_probe(features, labels, seed=0, held_out=None):
    """Trains a logistic regression in which all classes have equal weight.

    Features are first scaled by `embeddings.standardizer`.

    Args:
        features: `[N, D]`, float32 or float64.
        labels: `[N]`, integers or strings, of at least two classes.
        seed: seed of the random split of each class into two halves; not used
            if `held_out` is given.
        held_out: pair of features and labels to test on; None trains on one
            half of `features` and tests on the other.

    Returns:
        A `Probe`.

    Raises:
        UserError: features or labels have another dtype or shape, a class has
            fewer than two feature vectors, or scikit-learn is missing.
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
    """Returns the share of features that a probe assigns to the target domain.

    Args:
        probe: `Probe` that was trained on real images of both domains.
        features: `[N, D]`, features of translations.
        b: label of the target domain.

    Returns:
        Float in [0, 1].
    """
    return float(np.mean(probe.predict(features) == b))


def proxy_a_distance(a, b, seed=0):
    """Returns how well a new probe distinguishes the embeddings of two domains.

    The distance is `2 (1 - 2 e)` (Ben-David et al., "Analysis of
    Representations for Domain Adaptation", 2007). Here e is the balanced error
    on the held-out half of each set, or 1 minus this error if the error is
    above one half. Of the errors for all values of `STRENGTHS` the smallest is
    taken. This choice by the test error is part of the common definition.
    Because of this choice, small sets look a little more separable than they
    are.

    An encoder that maps all images to one point has the distance 0 as well. To
    exclude this case, report the accuracy of a class probe on the same
    embeddings.

    Args:
        a: `[N, D]`, float32 or float64: embeddings of domain A.
        b: `[M, D]`: embeddings of domain B.
        seed: seed of the random split into halves.

    Returns:
        Dictionary of floats: `distance`, in [0, 2], which is 0 for domains that
        cannot be distinguished; and `error`, the error e, in [0, 0.5].

    Raises:
        UserError: the features have another dtype or shape, a domain has fewer
            than two vectors, or scikit-learn is missing.
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
    """Returns the accuracy and the balanced accuracy of predictions.

    Args:
        predicted: predicted labels `[N]`.
        labels: true labels `[N]`.

    Returns:
        Dictionary of floats in [0, 1]: `accuracy`, the share of correct
        predictions; and `balanced`, the mean of the accuracies of all classes
        of `labels`.

    Raises:
        UserError: the numbers of labels differ; or scikit-learn is missing.
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
    """Returns the accuracy under the best one-to-one renaming of the classes.

    If this accuracy is far above the plain accuracy, the predictions separate
    the classes but exchange their names.

    Args:
        predicted: predicted labels `[N]`.
        labels: true labels `[N]`.

    Returns:
        Float in [0, 1].

    Raises:
        UserError: the numbers of labels differ; or SciPy is missing.
    """
    predicted, labels = _same_length(predicted, labels)
    rows, predicted = np.unique(predicted, return_inverse=True)
    columns, labels = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(counts, (predicted, labels), 1)
    return matched_accuracy(counts)


def _fit(features, labels, strength):
    """Returns the prediction function of a trained logistic regression."""
    models = optional("sklearn.linear_model", "eval")
    exceptions = optional("sklearn.exceptions", "eval")
    scaled = standardizer(features)
    model = models.LogisticRegression(
        C=strength, class_weight="balanced", max_iter=_ITERATIONS
    )
    with one_thread(), warnings.catch_warnings():
        # If the data are separable, the last digits of the weights need very
        # many iterations. A warning about missing convergence is then expected.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        model.fit(scaled(features), labels)

    def predict(other):
        other = as_features("features", other, least=1)
        check_width("features", other, features.shape[1])
        return model.predict(scaled(other))

    return predict


def _halves(features, labels, seed):
    """Returns training and test features, and training and test labels."""
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise UserError(
            "`labels` must contain every class at least twice, once for "
            "training and once for testing. "
            f"Received: class {names[counts.argmin()]} once"
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
            f"`{name}` must have {len(features)} labels, of two classes or "
            f"more. Received: {list(labels.shape)}, "
            f"{len(np.unique(labels))} classes"
        )
    return features, labels


def _same_length(predicted, labels):
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or labels.ndim != 1 or not len(labels):
        raise UserError(
            "`predicted` and `labels` must have the same shape [N], N above 0. "
            f"Received: {list(predicted.shape)} and {list(labels.shape)}"
        )
    return predicted, labels
