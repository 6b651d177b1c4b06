"""The part of a report about one direction: its pictures and its numbers."""

import numpy as np

from tf_i2i.evaluation.judge import PLACES
from tf_i2i.evaluation.measures.paired import perceptual_to_truth
from tf_i2i.metrics.checks import verdict
from tf_i2i.metrics.copying import nearest
from tf_i2i.metrics.pixels import psnr
from tf_i2i.report.page import DirectionReport
from tf_i2i.report.pictures import embedding_map
from tf_i2i.report.pictures import examples
from tf_i2i.report.pictures import interpolations
from tf_i2i.report.pictures import training_neighbours

# Number of inputs in the image that shows translations with several styles.
STYLED_INPUTS = 6


def report_direction(name, judge, candidate, table, between=None):
    """Returns the content of a report for one direction.

    Args:
        name: name of the direction, "a_to_b" or "b_to_a".
        judge: `Judge` that has scored the candidate.
        candidate: `Candidate` whose outputs are shown.
        table: table of scores from `Judge.table`.
        between: rows of images from `Translations.interpolate`, or None.

    Returns:
        A `DirectionReport`.

    Raises:
        UserError: the extra `eval` is missing.
    """
    e, outputs = judge.evidence, candidate.outputs
    distances, indices = nearest(
        judge.vectors(outputs, PLACES), judge.vectors(e.target_train, PLACES)
    )
    pictures = []
    if candidate.aligned:
        pictures += _examples(judge, outputs, distances)
    pictures.append(
        training_neighbours(outputs, e.target_train, distances, indices)
    )
    if between is not None:
        pictures.append(interpolations(between))
    if candidate.several is not None:
        pictures.append(_styles(e.inputs, candidate.several))
    vectors = {
        "real source": judge.vectors(e.inputs),
        "real target": judge.vectors(e.target_test),
        "translations": judge.vectors(outputs),
    }
    return DirectionReport(
        name=name,
        table=table,
        verdicts=verdict(outputs, e.inputs) if candidate.aligned else [],
        pictures=pictures,
        maps=embedding_map(vectors),
    )


def _examples(judge, outputs, distances):
    """Images of the best, median and worst outputs, for several scores."""
    e = judge.evidence
    by: dict[str, tuple] = {
        "distance to the nearest training image": (distances, None)
    }
    if e.truth is not None:
        apart = perceptual_to_truth(judge, outputs)
        by["perceptual distance to the truth"] = (apart, False)
        noise = psnr(outputs, e.truth, per_image=True)
        by["PSNR, in decibels"] = (noise, True)
    return [
        examples(e.inputs, outputs, e.truth, values, caption, better)
        for caption, (values, better) in by.items()
    ]


def _styles(inputs, several):
    """Some inputs, each followed by its translations in several styles."""
    rows = [
        np.concatenate([inputs[i : i + 1], several[:, i]])
        for i in range(min(STYLED_INPUTS, several.shape[1]))
    ]
    caption = (
        "Inputs (left), and translations of each input in several sampled "
        "styles. The styles differ between the inputs."
    )
    return interpolations(rows, caption)
