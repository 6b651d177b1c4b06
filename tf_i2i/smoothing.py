"""Reduces the flicker of translated videos.

A translator translates each frame by itself. Small changes of a frame can
therefore change colours and edges of its translation, which is seen as
flicker. `Smoother` blends the translation of a frame with the result for the
previous frame, which is first moved along the optical flow of the input.
"""

import numpy as np

from tf_i2i.clips import EXTRA
from tf_i2i.extras import optional

# Largest share of the previous translation in a result.
SHARE = 0.8
# Difference between a frame and the previous frame, moved along the flow, at
# which the share has fallen to `SHARE` / e; in levels of 255.
_LEVELS = 12.0


class Smoother:
    """Smooths the translations of consecutive frames.

    A pixel of the result is `(1 - w) y + w m`. y is the translation of the
    frame, and m the previous result, moved along the optical flow from the
    previous frame to this one (DIS, Kroeger et al. 2016, arXiv:1603.03590).
    `w = SHARE exp(-(d / 12)^2)`, where d is the mean difference of the colours
    between the frame and the moved previous frame, in levels of 255. So w is
    almost 0 where the flow is wrong, where something appears, and when a new
    scene begins. (Lai et al. 2018, arXiv:1808.00449, measure flicker with
    weights of the same form.)

    Raises:
        UserError: OpenCV is not installed.
    """

    def __init__(self):
        self._cv2 = optional("cv2", EXTRA)
        self._flow = self._cv2.DISOpticalFlow_create(
            self._cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        )
        self._before = None

    def __call__(self, frame, translation):
        """Returns a smoothed translation.

        Args:
            frame: the input, uint8 `[height, width, 3]`.
            translation: translation of the frame, uint8 of the same shape.

        Returns:
            uint8 `[height, width, 3]`.
        """
        result = np.float32(translation)
        if self._before is not None:
            last_frame, last_result = self._before
            places = self._places(frame, last_frame)
            moved = self._move(np.float32(last_frame), places)
            apart = np.abs(moved - frame).mean(-1, keepdims=True)
            share = SHARE * np.exp(-((apart / _LEVELS) ** 2))
            result += share * (self._move(last_result, places) - result)
        self._before = frame, result
        return np.uint8(np.rint(np.clip(result, 0, 255)))

    def _places(self, frame, last):
        """Returns the position in the last frame of each pixel of a frame.

        Returns:
            float32 `[height, width, 2]`: x and y.
        """
        grey = [
            self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY)
            for image in (frame, last)
        ]
        flow = self._flow.calc(*grey, None)
        height, width = grey[0].shape
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        return np.float32(np.stack([x, y], -1) + flow)

    def _move(self, image, places):
        return self._cv2.remap(
            image,
            places,
            None,
            self._cv2.INTER_LINEAR,
            borderMode=self._cv2.BORDER_REPLICATE,
        )
