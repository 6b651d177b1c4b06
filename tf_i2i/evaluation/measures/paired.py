"""Differences from the ground-truth images, in pixels and in features."""

from tf_i2i.evaluation.measure import PAIRED
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.metrics.perceptual import perceptual_distance
from tf_i2i.metrics.pixels import accuracy_within
from tf_i2i.metrics.pixels import psnr
from tf_i2i.metrics.pixels import ssim


def compute(judge, candidate):
    """Returns differences between outputs and ground-truth images."""
    truth, outputs = judge.evidence.truth, candidate.outputs
    return {
        "acc16": accuracy_within(outputs, truth),
        "psnr": psnr(outputs, truth),
        "ssim": ssim(outputs, truth),
        "perceptual": perceptual_to_truth(judge, outputs).mean(),
    }


def perceptual_to_truth(judge, outputs):
    """Returns the perceptual distance of each output to its ground truth.

    Args:
        judge: `Judge` whose evidence has ground-truth images.
        outputs: uint8 `[N, S, S, 3]`.

    Returns:
        float64 `[N]`.
    """
    return perceptual_distance(
        judge.features.taps(outputs),
        judge.once(_truth_taps),
        judge.features.tap_weights,
        per_image=True,
    )


def _truth_taps(judge):
    """Returns feature maps of the ground-truth images."""
    return judge.features.taps(judge.evidence.truth)


MEASURE = Measure(
    name="paired",
    compute=compute,
    needs=("aligned", "truth"),
    outputs=(
        Output(
            "acc16",
            PAIRED,
            "higher",
            "Share of pixels that differ from the ground-truth image by at "
            "most 16 levels. If backgrounds are flat, a constant image also "
            "has a high share.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "psnr",
            PAIRED,
            "higher",
            "Peak signal-to-noise ratio of the output, compared with the "
            "ground-truth image, in dB. This ratio favours blurred images.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "ssim",
            PAIRED,
            "higher",
            "Structural similarity (SSIM) of the output and the ground-truth "
            "image, at most 1.",
            by_features=False,
            in_terminal=True,
        ),
        Output(
            "perceptual",
            PAIRED,
            "lower",
            "Distance between feature maps of the output and of the "
            "ground-truth image, compared position by position. With "
            "--features=lpips:ALEXNET.pth it is LPIPS.",
            in_terminal=True,
        ),
    ),
)
