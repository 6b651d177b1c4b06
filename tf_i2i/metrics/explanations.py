"""What the numbers and the rows of an evaluation say.

For the measures of `tf_i2i.evaluation.judge`.
"""

from typing import NamedTuple


class Explanation(NamedTuple):
    """What a number says.

    Attributes:
        group: heading of the table that it stands in.
        better: "higher", "lower", or "" where neither is.
        text: one sentence.
    """

    group: str
    better: str
    text: str


HEADLINE = "In short"
_STYLE = "Is it of the target domain?"
_SWD = "Texture to outlines: sliced Wasserstein distance"
_CONTENT = "Is it the right one?"
_LABELS = "Are attributes kept?"
_COPYING = "Does it hand out training images?"
_PAIRED = "Against the hidden truth, pixels and features"
_MAPS = "Label maps, by the nearest colour"
_SEEN = "Photos of label maps, by a segmenter"
_BACK = "There and back"
_STYLES = "Under several styles"
_CODES = "The translator's own shared encoder"
_CLASSES = "The translator's own classifier"
_ALARMS = "Alarms"
SENSITIVITY = "Way back from disturbed translations"
_OTHERS = "Others"

# A name that ends with _ or @ stands for all measures that begin with it.
EXPLANATIONS = {
    "score": Explanation(
        HEADLINE,
        "higher",
        "Harmonic mean of style and content, in [0, 1]; 0 where more than a "
        "tenth of the outputs are copies of training images.",
    ),
    "style": Explanation(
        HEADLINE,
        "higher",
        "How far called_b has come from the inputs (0) to the truth (1).",
    ),
    "content": Explanation(
        HEADLINE,
        "higher",
        "How far r@5 has come from random images (0) to the inputs (1).",
    ),
    "called_b": Explanation(
        _STYLE,
        "higher",
        "Share of the outputs that a probe takes for the target domain; it "
        "learned from real images, those of the source also blurred and in "
        "the target's colours.",
    ),
    "fd": Explanation(
        _STYLE,
        "lower",
        "Frechet distance of features of the outputs to those of real test "
        "images, after a reduction to principal components.",
    ),
    "kd": Explanation(
        _STYLE,
        "lower",
        "Kernel distance x 1000 of the same features, without bias: about 0, "
        "negative too, for two sets of real images.",
    ),
    "coverage": Explanation(
        _STYLE,
        "higher",
        "Share of real test images that have an output near by.",
    ),
    "recall": Explanation(
        _STYLE,
        "higher",
        "Share of real test images that lie within the set of the outputs.",
    ),
    "colour": Explanation(
        _STYLE,
        "lower",
        "Difference of the mean colours of the two sets, levels of 255.",
    ),
    "swd_": Explanation(
        _SWD,
        "lower",
        "Sliced Wasserstein distance x 1000 of patches, by the level of the "
        "image pyramid in pixels; blind to brightness and contrast, and "
        "smaller the more images there are.",
    ),
    "r@1": Explanation(
        _CONTENT,
        "higher",
        "Share of the outputs whose hidden partner is the nearest of all "
        "partners, by features that know places.",
    ),
    "r@5": Explanation(
        _CONTENT,
        "higher",
        "Share whose hidden partner is among the five nearest.",
    ),
    "median_rank": Explanation(
        _CONTENT,
        "lower",
        "Median place of the hidden partner, from 1; chance is half of N.",
    ),
    "input_r@1": Explanation(
        _CONTENT,
        "higher",
        "Share of the outputs whose own input is the nearest of all inputs; "
        "a copy has 1, so read it beside the style.",
    ),
    "input_r@5": Explanation(
        _CONTENT,
        "higher",
        "Share whose own input is among the five nearest.",
    ),
    "input_median_rank": Explanation(
        _CONTENT,
        "lower",
        "Median place of the own input, from 1; chance is half of N.",
    ),
    "outlines_kept": Explanation(
        _CONTENT,
        "",
        "How far outlines lie where the input has them: 1 for whoever only "
        "paints; read it beside random images, which have what chance gives.",
    ),
    "labels": Explanation(_LABELS, "higher", "Mean of the others here."),
    "label_": Explanation(
        _LABELS,
        "higher",
        "Balanced accuracy with which a probe, trained on real target "
        "images, reads the input's attribute in the output.",
    ),
    "matched_": Explanation(
        _LABELS,
        "higher",
        "The same as a share of all, after the best renaming of classes: far "
        "above the other, classes are kept and exchanged.",
    ),
    "copy_rate": Explanation(
        _COPYING,
        "lower",
        "Share of the outputs that are nearer to a training image than 95 % "
        "of real test images are; real images have .05.",
    ),
    "to_train": Explanation(
        _COPYING,
        "",
        "Mean distance to the nearest training image of the target; less "
        "than that of the truth is memory, much more is unlikeness.",
    ),
    "to_test": Explanation(
        _COPYING,
        "lower",
        "Mean distance to the nearest test image of the target.",
    ),
    "acc16": Explanation(
        _PAIRED,
        "higher",
        "Share of pixels within 16 levels of the truth; flat backgrounds "
        "make it easy for a constant image.",
    ),
    "psnr": Explanation(
        _PAIRED,
        "higher",
        "Peak signal-to-noise ratio to the truth, dB; it rewards blur.",
    ),
    "ssim": Explanation(
        _PAIRED, "higher", "Structural similarity to the truth, at most 1."
    ),
    "perceptual": Explanation(
        _PAIRED,
        "lower",
        "Distance of feature maps to those of the truth, place by place.",
    ),
    "map_pixel": Explanation(
        _MAPS, "higher", "Share of pixels of the right class."
    ),
    "map_class": Explanation(
        _MAPS, "higher", "The same, class by class, and the mean of them."
    ),
    "map_iou": Explanation(
        _MAPS,
        "higher",
        "Intersection over union, mean of classes; an absent one counts 0.",
    ),
    "map_iou_present": Explanation(
        _MAPS, "higher", "The same without classes that are absent."
    ),
    "map_matched": Explanation(
        _MAPS,
        "higher",
        "Share of pixels of the right class after the best renaming of "
        "classes: far above map_pixel, classes are kept and exchanged.",
    ),
    "seen_": Explanation(
        _SEEN,
        "higher",
        "What a segmenter of real photos sees, against the input's classes: "
        "pixels, mean of classes, intersection over union. Its score on real "
        "photos (truth) is the ceiling.",
    ),
    "styled_seen_pixel": Explanation(
        _STYLES,
        "higher",
        "Share of pixels that the segmenter sees right, mean over styles.",
    ),
    "round_trip": Explanation(
        _BACK,
        "lower",
        "Mean error of there and back by way of 8 bits, levels of 255.",
    ),
    "returned_r@": Explanation(
        _BACK,
        "higher",
        "Share of the pictures that come back whose own input is the nearest "
        "of all inputs, or among the five nearest; with a face network as "
        "--features, whether it is still the same person.",
    ),
    "code_a_distance": Explanation(
        _CODES,
        "lower",
        "How well a fresh probe tells the codes of the two domains apart, "
        "from 0 (not at all) to 2; a constant code has 0, so read it beside "
        "the labels.",
    ),
    "code_consistency": Explanation(
        _CODES,
        "lower",
        "Distance of an input's code to that of its translation, as a share "
        "of the distance between strangers.",
    ),
    "code_r@": Explanation(
        _CODES,
        "higher",
        "Share of inputs whose code finds that of the hidden partner first, "
        "or among the first five.",
    ),
    "code_median_rank": Explanation(
        _CODES,
        "lower",
        "Median place of the hidden partner's code, from 1.",
    ),
    "code_labels": Explanation(
        _CODES,
        "higher",
        "Mean of the attributes that a fresh probe reads in codes.",
    ),
    "code_label_": Explanation(
        _CODES,
        "higher",
        "Balanced accuracy with which a fresh probe reads the attribute in "
        "codes.",
    ),
    "accuracy": Explanation(
        _CLASSES,
        "higher",
        "Share of real test images of the target whose class it tells, having "
        "learned from labels of the source alone.",
    ),
    "diversity": Explanation(
        _STYLES,
        "higher",
        "Mean distance of the outputs of one input under several styles; "
        "noise has it too.",
    ),
    "styled_r@5": Explanation(
        _STYLES,
        "higher",
        "Share of those outputs that find their partner (or input) among the "
        "first five: content that is held while the style changes.",
    ),
    "spread": Explanation(
        _ALARMS,
        "",
        "Diversity of the outputs as a share of the inputs': below .2 the "
        "translator has collapsed.",
    ),
    "change": Explanation(
        _ALARMS,
        "",
        "Mean change of a pixel, levels of 255: below 4 the translator copies.",
    ),
    "light": Explanation(
        _ALARMS,
        "",
        "Correlation of the outputs' luminance with the inputs': below -.3 "
        "light and dark are exchanged.",
    ),
    "hidden": Explanation(
        _BACK,
        "lower",
        "How much the error of the way back rises, levels of 255, when noise "
        "of 2 levels is added to the translation.",
    ),
    "back_": Explanation(
        SENSITIVITY,
        "lower",
        "Mean error of the way back, levels of 255, when the translation is "
        "disturbed first: a jump at 1 or 2 levels of noise, or at 8 bits, "
        "means that the source is hidden in what nobody sees.",
    ),
}
# For measures of a user's own.
UNKNOWN = Explanation(_OTHERS, "", "")
ROWS = {
    "model": "the translations; of a run, as it ended",
    "best": "those of its best checkpoint on validation images",
    "truth": "the hidden partners of the inputs",
    "copy": "the inputs themselves",
    "colours": "the inputs, with the mean colours and contrasts of the target",
    "blur": "the inputs, blurred",
    "nearest": "of the target's training images the nearest to the input",
    "random": "random training images of the target",
    "mean": "the mean image of the target",
    "commonest": "the most frequent colour of the target, flat",
    "white": "white",
    "floor": "real images against real images: as good as a distance between "
    "sets can be with so many images",
}
# The run itself; and what is no translation at all.
OWN = ("model", "best")
REAL = ("truth", "floor")


def explain(measure):
    """The `Explanation` of a measure, by its name or its family's."""
    return EXPLANATIONS.get(_key(measure), UNKNOWN)


def in_order(measures):
    """Measures without repetition, in the order of `EXPLANATIONS`."""
    places = {name: place for place, name in enumerate(EXPLANATIONS)}
    last = len(places)
    return sorted(
        dict.fromkeys(measures), key=lambda m: places.get(_key(m), last)
    )


def _key(measure):
    if measure in EXPLANATIONS:
        return measure
    families = [
        name
        for name in EXPLANATIONS
        if name.endswith(("_", "@")) and measure.startswith(name)
    ]
    return max(families, key=len, default=None)
