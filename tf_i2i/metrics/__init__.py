"""Estimators of the quality of translations: pure functions of arrays.

Each estimator takes NumPy arrays (features `[N, D]` in float32 or float64, or
images uint8 `[N, H, W, 3]`), computes in float64 if rounding errors would
matter, and returns Python numbers. No module here imports TensorFlow. SciPy and
scikit-learn come with the extra `eval` and are imported only by the functions
that need them.
"""

from tf_i2i.metrics import checks
from tf_i2i.metrics.copying import copy_rate
from tf_i2i.metrics.copying import copying_scores
from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.copying import nearest_distance
from tf_i2i.metrics.frechet import frechet_distance
from tf_i2i.metrics.frechet import frechet_from_statistics
from tf_i2i.metrics.frechet import frechet_statistics
from tf_i2i.metrics.gate import gate
from tf_i2i.metrics.kernel import kernel_distance
from tf_i2i.metrics.kernel import kernel_distance_full
from tf_i2i.metrics.manifold import precision_recall_density_coverage
from tf_i2i.metrics.outlines import outline_overlap
from tf_i2i.metrics.perceptual import diversity
from tf_i2i.metrics.perceptual import perceptual_distance
from tf_i2i.metrics.pixels import accuracy_within
from tf_i2i.metrics.pixels import colour_distance
from tf_i2i.metrics.pixels import constant_baselines
from tf_i2i.metrics.pixels import ms_ssim
from tf_i2i.metrics.pixels import ms_ssim_within
from tf_i2i.metrics.pixels import psnr
from tf_i2i.metrics.pixels import round_trip_error
from tf_i2i.metrics.pixels import ssim
from tf_i2i.metrics.probes import Probe
from tf_i2i.metrics.probes import agreement
from tf_i2i.metrics.probes import hungarian_accuracy
from tf_i2i.metrics.probes import linear_probe
from tf_i2i.metrics.probes import proxy_a_distance
from tf_i2i.metrics.probes import share_called_b
from tf_i2i.metrics.retrieval import retrieval
from tf_i2i.metrics.retrieval import semantic_consistency
from tf_i2i.metrics.robustness import sensitivity
from tf_i2i.metrics.segmentation import confusion
from tf_i2i.metrics.segmentation import matched_accuracy
from tf_i2i.metrics.segmentation import nearest_colour
from tf_i2i.metrics.segmentation import segmentation_scores
from tf_i2i.metrics.sliced_wasserstein import sliced_wasserstein

__all__ = [
    "Probe",
    "accuracy_within",
    "agreement",
    "checks",
    "colour_distance",
    "confusion",
    "constant_baselines",
    "copy_rate",
    "copying_scores",
    "diversity",
    "frechet_distance",
    "frechet_from_statistics",
    "frechet_statistics",
    "gate",
    "hungarian_accuracy",
    "kernel_distance",
    "kernel_distance_full",
    "linear_probe",
    "matched_accuracy",
    "ms_ssim",
    "ms_ssim_within",
    "nearest",
    "nearest_colour",
    "nearest_distance",
    "outline_overlap",
    "perceptual_distance",
    "precision_recall_density_coverage",
    "proxy_a_distance",
    "psnr",
    "retrieval",
    "round_trip_error",
    "segmentation_scores",
    "semantic_consistency",
    "sensitivity",
    "share_called_b",
    "sliced_wasserstein",
    "ssim",
]
