"""Distances between outputs and real images of the target domain."""

import numpy as np

from tf_i2i.evaluation.baselines import blur
from tf_i2i.evaluation.baselines import recolour
from tf_i2i.evaluation.measure import STYLE
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.features import fid_inception
from tf_i2i.metrics.frechet import frechet_distance
from tf_i2i.metrics.kernel import kernel_distance
from tf_i2i.metrics.kernel import kernel_distance_full
from tf_i2i.metrics.manifold import precision_recall_density_coverage
from tf_i2i.metrics.pixels import colour_distance
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import share_called_b

# Number of principal components for the Frechet distance. The sets are too
# small to estimate covariances of all features.
COMPONENTS = 64
# Number of images in each subset for KID. Smaller sets are used as a whole.
SUBSET = 1000


def compute(judge, candidate):
    """Returns distances of the outputs to real images of the target domain."""
    e = judge.evidence
    made = judge.vectors(candidate.outputs)
    real = judge.vectors(e.target_test)
    components = min(COMPONENTS, len(real) - 1, real.shape[1])
    shares = precision_recall_density_coverage(real, made)
    named = judge.features.name == fid_inception.NAME
    return (inception_distances(real, made) if named else {}) | {
        "called_b": share_called_b(judge.once(style_probe), made),
        "fd": frechet_distance(real, made, pca=components),
        "kd": 1000 * kernel_distance_full(real, made),
        "coverage": shares["coverage"],
        "recall": shares["recall"],
        "colour": colour_distance(e.target_test, candidate.outputs)["mean"],
    }


def inception_distances(real, made, subset=SUBSET):
    """Returns FID and KID of features that FID's Inception network computed.

    torch-fidelity and clean-fid report the same numbers. KID is the mean over
    random subsets of images.

    Args:
        real: float32 `[N, 2048]`, features of real images.
        made: float32 `[M, 2048]`, features of the outputs.
        subset: number of images in each subset. A smaller set is used as a
            whole.

    Returns:
        Dictionary with "fid" and "kid".
    """
    size = min(subset, len(real), len(made))
    return {
        "fid": frechet_distance(real, made),
        "kid": kernel_distance(made, real, size)[0],
    }


def style_probe(judge):
    """Returns a probe that distinguishes the domains.

    The probe is trained on real images. The training images also include
    blurred images of the source domain, and images of the source domain with
    the colours of the target domain. Otherwise the probe might distinguish the
    domains by their mean colour only.
    """
    e = judge.evidence
    cheats = recolour(e.source_train, e.target_train), blur(e.source_train)
    source = np.concatenate(
        [judge.vectors(e.source_train), *map(judge.fixed_vectors, cheats)]
    )
    features, labels = _two_classes(source, judge.vectors(e.target_train))
    test = judge.vectors(e.inputs), judge.vectors(e.target_test)
    return linear_probe(features, labels, judge.seed, _two_classes(*test))


def _two_classes(a, b):
    return np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])


MEASURE = Measure(
    name="style",
    compute=compute,
    quick=True,
    outputs=(
        Output(
            "called_b",
            STYLE,
            "higher",
            "Share of the outputs that a probe (a linear classifier of "
            "features) assigns to the target domain. The probe is trained on "
            "real images of both domains, on blurred images of the source "
            "domain, and on images of the source domain with the colours of "
            "the target domain.",
            in_terminal=True,
        ),
        Output(
            "fd",
            STYLE,
            "lower",
            "Frechet distance between the features of the outputs and those "
            "of real test images, after a reduction to principal components.",
            in_terminal=True,
        ),
        Output(
            "kd",
            STYLE,
            "lower",
            "Unbiased kernel distance between the features of the outputs and "
            "those of real test images, times 1000. It is near 0 for two sets "
            "of real images, and may be negative.",
            in_terminal=True,
        ),
        Output(
            "fid",
            STYLE,
            "lower",
            "FID, only with --features=fid-inception:FILE (as torch-fidelity "
            "computes it) or --features=fid-inception:FILE@299 (as clean-fid "
            "computes it). The outputs are compared with real test images. If "
            "there are few images, most of FID is bias, which the row floor "
            "shows.",
            in_terminal=True,
        ),
        Output(
            "kid",
            STYLE,
            "lower",
            "KID, only with the networks of fid: the mean over 100 random "
            "subsets of 1000 images, or of all images if there are fewer. "
            "Papers often report it times 100 or 1000.",
            in_terminal=True,
        ),
        Output(
            "coverage",
            STYLE,
            "higher",
            "Share of real test images that are nearer to an output than to "
            "their fifth nearest real test image.",
            in_terminal=True,
        ),
        Output(
            "recall",
            STYLE,
            "higher",
            "Share of real test images that are nearer to some output than "
            "this output is to its fifth nearest output.",
            in_terminal=True,
        ),
        Output(
            "colour",
            STYLE,
            "lower",
            "Difference between the mean colours of the outputs and of real "
            "test images, in levels (0 to 255).",
            by_features=False,
        ),
    ),
)
