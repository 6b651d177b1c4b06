"""Detection of faces: of people by mtcnn, of cats by a cascade of OpenCV."""

import numpy as np
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.extras import require
from tf_i2i.faces.align import EYES_AND_MOUTH
from tf_i2i.faces.align import Face
from tf_i2i.faces.align import in_box

KINDS = ("people", "cats")
_PACKAGES = {"people": "mtcnn", "cats": "cv2"}
_EXTRA = "faces"
# Larger photos are shrunk until their long side has this many pixels. Faces of
# at least 20 pixels in the shrunken photo are found.
_SIDE = 1024
# A detection of mtcnn counts as a face if its confidence is at least this
# number. Faces of people have a higher confidence; drawings and cats have a
# lower one.
_CONFIDENCE = 0.9
# A photo is resized several times, until a cat is found. The keys are the
# lengths of its long side in pixels. The values are the numbers of overlapping
# boxes that must agree. Cats that fill the photo are found best in small
# images. In larger images, patterns of the fur are sometimes mistaken for
# faces. Therefore more boxes must agree in larger images.
_CAT_VOTES = {128: 8, 256: 20, 512: 40}


def check_installed(kind):
    """Raises an error early if the package for a kind of face is missing.

    `detector` would raise the same error, but only after some seconds.

    Args:
        kind: one of `KINDS`.

    Raises:
        UserError: the package is not installed.
    """
    require(_EXTRA, _PACKAGES[kind])


def detector(kind):
    """Returns a function that finds the faces in a photo.

    Args:
        kind: one of `KINDS`.

    Returns:
        Function from uint8 `[height, width, 3]` to a list of `Face`, the
        largest first. The face square of a person is tilted like the face. The
        face square of a cat is always upright.

    Raises:
        UserError: the extra `faces` is not installed.
    """
    find = {"people": _people_finder, "cats": _cat_finder}[kind]()
    return lambda photo: sorted(find(photo), key=_sort_key)


def _sort_key(face):
    """Returns a key that sorts faces by size; equal faces by position."""
    return -face.side, *face.points.ravel()


def _people_finder():
    # The networks of mtcnn are built with the dtype policy that Keras has now.
    network = optional("mtcnn", _EXTRA).MTCNN()

    def find(photo):
        shrunk, scale = _shrink(Image.fromarray(photo), _SIDE)
        rows = network.detect_faces(np.array(shrunk), output_type="numpy")
        # The columns are: number of the image, 4 numbers of the box,
        # confidence, x of 5 points, y of 5 points.
        rows = rows[rows[:, 5] >= _CONFIDENCE]
        # Without a face the columns of the points may be missing.
        if not len(rows):
            return []
        points = np.stack([rows[:, 6:11], rows[:, 11:16]], -1) / scale
        # The points are the eyes, the nose and the corners of the mouth. The
        # nose is left out, because its position depends mostly on how far
        # the head is turned.
        points = points[:, (0, 1, 3, 4)]
        eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=-1)
        return [Face(each, EYES_AND_MOUTH) for each in points[eyes >= 1]]

    return find


def _cat_finder():
    cv2 = optional("cv2", _EXTRA)
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    cascade = getattr(cv2, "CascadeClassifier", lambda _: None)(
        f"{folder}haarcascade_frontalcatface.xml"
    )
    if cascade is None or cascade.empty():
        raise UserError(
            "`cv2` must be a version of OpenCV that contains the detectors of "
            "cats' faces (Haar cascades): pip install "
            f"'opencv-python-headless<5'. Received: {cv2.__version__}"
        )

    def find(photo):
        picture = Image.fromarray(photo).convert("L")
        for side, votes in _CAT_VOTES.items():
            scaled, scale = _scale(picture, side)
            boxes = cascade.detectMultiScale(
                np.array(scaled), scaleFactor=1.02, minNeighbors=votes
            )
            if len(boxes):
                return [_include_ears(box / scale) for box in boxes]
        return []

    return find


def _include_ears(box):
    """Returns the `Face` for a box that the cascade found, with the ears.

    The box itself ends just above the eyes.
    """
    left, top, side, _ = box
    return in_box(left - 0.15 * side, top - 0.25 * side, 1.3 * side)


def _shrink(picture, side):
    """Returns `_scale` of a photo, but does not enlarge a small photo."""
    return _scale(picture, min(side, max(picture.size)))


def _scale(picture, side):
    """Returns the image resized to the long side `side`, and the scale."""
    scale = side / max(picture.size)
    shape = [max(1, round(length * scale)) for length in picture.size]
    return picture.resize(shape, Image.Resampling.BICUBIC), scale
