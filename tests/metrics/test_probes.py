"""Probes on clouds whose separability is known, and label agreement."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score

from tf_i2i.metrics.probes import agreement
from tf_i2i.metrics.probes import hungarian_accuracy
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import proxy_a_distance
from tf_i2i.metrics.probes import share_called_b


def clouds(gap, count=1000, width=4):
    """Two normal clouds, `gap` deviations apart."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, count, width))
    return a, b + np.eye(width)[0] * gap


def labelled(a, b):
    return np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])


def test_a_probe_reaches_the_best_possible_accuracy():
    probe = linear_probe(*labelled(*clouds(2.0)))
    # The middle is one deviation from each centre.
    assert probe.balanced == pytest.approx(norm.cdf(1), abs=0.02)
    assert probe.accuracy == pytest.approx(norm.cdf(1), abs=0.02)


def test_share_called_b():
    a, b = clouds(8.0)
    probe = linear_probe(*labelled(a, b))
    assert share_called_b(probe, b) > 0.99
    assert share_called_b(probe, a) < 0.01
    mixed = np.concatenate([a[:30], b[:70]]).astype(np.float32)
    assert share_called_b(probe, mixed) == pytest.approx(0.7, abs=0.01)
    assert share_called_b(probe, mixed[:1]) == 0


def test_classes_weigh_the_same():
    a, b = clouds(2.0)
    probe = linear_probe(*labelled(a, b[:100]))
    # Unweighted it would call nearly all of the small class by the other.
    assert probe.balanced == pytest.approx(norm.cdf(1), abs=0.05)


def test_held_out_features_may_be_given():
    a, b = clouds(2.0)
    train = labelled(a[:500], b[:500])
    test = labelled(a[500:], b[500:])
    probe = linear_probe(*train, held_out=test)
    right = np.mean(probe.predict(test[0]) == test[1])
    assert probe.accuracy == right == pytest.approx(norm.cdf(1), abs=0.03)


def test_a_probe_with_several_named_classes():
    rng = np.random.default_rng(0)
    names = np.array(["glasses", "hat", "none"])
    labels = rng.integers(0, 3, 300)
    features = np.eye(3)[labels] * 8 + rng.normal(size=(300, 3))
    probe = linear_probe(features, names[labels])
    assert probe.balanced > 0.97
    assert set(probe.predict(features)) == set(names)


def test_dead_dimensions_and_scale_do_not_matter():
    features, labels = labelled(*clouds(2.0))
    plain = linear_probe(features, labels)
    dead = np.zeros((len(features), 3))
    dead[::7] = 1e-5
    beside = linear_probe(np.concatenate([features, dead], 1), labels)
    assert beside.accuracy == plain.accuracy
    large = linear_probe(1e4 * features, labels)
    assert large.accuracy == pytest.approx(plain.accuracy, abs=0.002)


def test_the_proxy_distance_has_its_ends():
    same = proxy_a_distance(*clouds(0.0))
    assert 0 <= same["distance"] < 0.15
    far = proxy_a_distance(*clouds(12.0))
    assert far == {"distance": 2.0, "error": 0.0}
    between = proxy_a_distance(*clouds(2.0))
    assert between["error"] == pytest.approx(norm.cdf(-1), abs=0.02)
    assert between["distance"] == 2 * (1 - 2 * between["error"])


def test_the_proxy_distance_of_unequal_counts_and_orders():
    a, b = clouds(2.0)
    few = proxy_a_distance(a, b[:200])
    assert few["error"] == pytest.approx(norm.cdf(-1), abs=0.04)
    turned = proxy_a_distance(b[:200], a)
    assert turned["error"] == pytest.approx(few["error"], abs=0.04)
    assert proxy_a_distance(a, b, seed=1) == proxy_a_distance(a, b, seed=1)


def test_a_constant_embedding_is_inseparable_and_so_are_its_classes():
    point = np.ones((40, 3))
    with pytest.warns(UserWarning, match="all features are the same"):
        result = proxy_a_distance(point, point)
    assert result == {"distance": 0.0, "error": 0.5}
    with pytest.warns(UserWarning, match="all features are the same"):
        probe = linear_probe(point, np.arange(40) % 2)
    assert probe.balanced == 0.5


def test_agreement_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    labels[:100] = 0
    predicted = np.where(rng.random(200) < 0.6, labels, 3 - labels)
    result = agreement(predicted, labels)
    assert result["accuracy"] == np.mean(predicted == labels)
    expected = balanced_accuracy_score(labels, predicted)
    assert result["balanced"] == pytest.approx(expected, rel=1e-12)


def test_agreement_by_hand_with_an_unknown_class():
    # Of class 0 two of three, of class 1 none; 7 was never a label.
    result = agreement([0, 0, 7, 0], [0, 0, 0, 1])
    assert result == {"accuracy": 0.5, "balanced": pytest.approx(1 / 3)}


def test_hungarian_accuracy_sees_through_a_permutation():
    labels = np.arange(60) % 3
    assert hungarian_accuracy((labels + 1) % 3, labels) == 1
    assert agreement((labels + 1) % 3, labels)["accuracy"] == 0
    assert hungarian_accuracy(labels, labels) == 1
    # Two classes merged: one of the two is lost.
    merged = np.array(["x", "x", "y"])[labels]
    assert hungarian_accuracy(merged, labels) == pytest.approx(2 / 3)


def test_what_cannot_be_probed_is_refused(refuses):
    a, b = clouds(1.0, count=10)
    features, labels = labelled(a, b)
    with refuses("labels"):
        linear_probe(features[:11], labels[:11])
    with refuses("b"):
        proxy_a_distance(a, b[:1])
    with refuses("features"):
        linear_probe(features, labels[:19])
    with refuses("features"):
        linear_probe(features, 0 * labels)
    with refuses("a"):
        proxy_a_distance(a.astype(np.float16), b)
    with refuses("predicted"):
        agreement([1, 2, 3], [1, 2])
    probe = linear_probe(features, labels)
    with refuses("features"):
        share_called_b(probe, features[:, :2])
