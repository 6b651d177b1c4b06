"""Lightness of the skin of faces before and after the translation.

The skin is measured in boxes at fixed positions, without finding the face.
Therefore faces must be aligned, and the boxes must fit the images.
"""

import dataclasses

from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.measure import LABELS
from tf_i2i.evaluation.measure import Measure
from tf_i2i.evaluation.measure import Output
from tf_i2i.evaluation.registry import settings_of
from tf_i2i.metrics.lightness import box_lightness
from tf_i2i.metrics.lightness import lightness_kept
from tf_i2i.values import Share
from tf_i2i.values import check_values

# Cheeks below the eyes in photos cropped by `prepare_faces --margin=0.45`. The
# boxes were chosen on the training photos of the shipped model `face-avatar`.
# In 195 other photos, the rank correlation between the lightness in these boxes
# and the lightness around the landmarks of the cheeks is .83, and the mean
# absolute difference is 13 of 255 levels.
PHOTO_CHEEKS = ((0.51, 0.55, 0.35, 0.4), (0.51, 0.55, 0.6, 0.65))
# Boxes that show nothing but skin in all "avataaars", the drawn faces to which
# `face-avatar` translates.
AVATAR_CHEEKS = (
    (0.47, 0.5, 0.35, 0.42),
    (0.47, 0.5, 0.58, 0.65),
    (0.41, 0.45, 0.48, 0.52),
)


@dataclasses.dataclass(frozen=True)
class Skin:
    """Settings of the measure `skin`.

    The default values fit the images of the shipped model `face-avatar`.

    Args:
        boxes_a, boxes_b: boxes (top, bottom, left, right) in which images of A
            and of B show skin, in shares of the side from 0 to 1.

    Raises:
        UserError: there is no box, or a box is not of this form.
    """

    boxes_a: tuple[tuple[Share, ...], ...] = PHOTO_CHEEKS
    boxes_b: tuple[tuple[Share, ...], ...] = AVATAR_CHEEKS

    def __post_init__(self):
        check_values(type(self), vars(self), "skin")
        for name, boxes in vars(self).items():
            if not boxes or not all(map(_is_box, boxes)):
                raise UserError(
                    f"`skin.{name}` must be one or more boxes (top, bottom, "
                    "left, right) with top < bottom and left < right, such as "
                    "((0.5, 0.6, 0.3, 0.4),). "
                    f"Received: {boxes!r}"
                )


def _is_box(box):
    if len(box) != 4:
        return False
    top, bottom, left, right = box
    return top < bottom and left < right


def compute(judge, candidate):
    """Returns how the outputs change the lightness of the inputs' skin."""
    settings = settings_of(MEASURE)
    source, target = (
        getattr(settings, f"boxes_{domain}")
        for domain in ends(judge.evidence.direction)
    )
    before = box_lightness(judge.evidence.inputs, source)
    after = box_lightness(candidate.outputs, target)
    found = lightness_kept(before, after)
    return {f"skin_{name}": value for name, value in found.items()}


def _shift(name, text):
    return Output(
        f"skin_shift_{name}",
        LABELS,
        "",
        "Mean by which the skin of an output is lighter than that of its "
        f"input, in levels (0 to 255), for the {text} third of the inputs. If "
        "skin_shift_dark is much larger than skin_shift_light, the translator "
        "makes all skin colours more alike.",
        by_features=False,
        in_terminal=True,
    )


MEASURE = Measure(
    name="skin",
    compute=compute,
    needs=("aligned",),
    by_name=True,
    settings=Skin,
    outputs=(
        Output(
            "skin_rank",
            LABELS,
            "higher",
            "Rank correlation (Spearman) of the lightness of the skin in the "
            "inputs and in the outputs: 1 if the order of people from dark to "
            "light is kept, 0 by chance. The skin is measured in the boxes "
            "skin.boxes_a and skin.boxes_b, by default the cheeks of aligned "
            "photos (A) and of avatars (B). The row copy is not meaningful, "
            "because copies of inputs are measured in the boxes of the target "
            "domain.",
            by_features=False,
            in_terminal=True,
        ),
        _shift("dark", "darkest"),
        _shift("middle", "middle"),
        _shift("light", "lightest"),
    ),
)
