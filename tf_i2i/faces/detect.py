"""Finds faces: of people with mtcnn, of cats with OpenCV's cascade."""

import importlib.util

import numpy as np
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.faces.align import EYES_AND_MOUTH
from tf_i2i.faces.align import Face
from tf_i2i.faces.align import in_box

KINDS = ("people", "cats")
_PACKAGES = {"people": "mtcnn", "cats": "cv2"}
_EXTRA = "faces"
_SIDE = 1024  # Photos are looked at in this size; faces of 20 pixels count.
_CONFIDENCE = 0.9  # Drawings and cats begin below, people's faces above.
# Sides at which a cat is looked for until it is found, and how many boxes
# must agree. Close-ups are found best in few pixels: in more, fur has patterns
# that pass for faces, now and then.
_CAT_VOTES = {128: 8, 256: 20, 512: 40}


def check_installed(kind):
    """Refuses at once what `detector` would refuse after seconds.

    Raises:
        UserError: the package of this kind of face is not there.
    """
    if importlib.util.find_spec(_PACKAGES[kind]) is None:
        optional(_PACKAGES[kind], _EXTRA)


def detector(kind):
    """A function that finds the faces of a photo.

    Args:
        kind: one of `KINDS`.

    Returns:
        Function of uint8 `[height, width, 3]` to a list of `Face`, the
        largest first; faces of people are tilted as they are, those of cats
        taken as upright.

    Raises:
        UserError: the extra `faces` is not installed.
    """
    find = {"people": _people, "cats": _cats}[kind]()
    return lambda photo: sorted(find(photo), key=_place)


def _place(face):
    """Orders faces by size, and those of one size by where they are."""
    return -face.side, *face.points.ravel()


def _people():
    # Its networks take the precision that is set while they are built.
    network = optional("mtcnn", _EXTRA).MTCNN()

    def find(photo):
        seen, scale = _shrunk(Image.fromarray(photo), _SIDE)
        rows = network.detect_faces(np.array(seen), output_type="numpy")
        # A row: image, box of 4, confidence, x of 5 points, y of 5 points.
        rows = rows[rows[:, 5] >= _CONFIDENCE]
        if not len(rows):  # It may then lack the points' columns.
            return []
        points = np.stack([rows[:, 6:11], rows[:, 11:16]], -1) / scale
        # Eyes, nose, corners of the mouth; a nose tells more of the turn of
        # a head than of its place.
        points = points[:, (0, 1, 3, 4)]
        eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=-1)
        return [Face(each, EYES_AND_MOUTH) for each in points[eyes >= 1]]

    return find


def _cats():
    cv2 = optional("cv2", _EXTRA)
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    cascade = getattr(cv2, "CascadeClassifier", lambda _: None)(
        f"{folder}haarcascade_frontalcatface.xml"
    )
    if cascade is None or cascade.empty():
        raise UserError(
            "`cv2` must bring its cascades: pip install "
            f"'opencv-python-headless<5'. Received: {cv2.__version__}"
        )

    def find(photo):
        picture = Image.fromarray(photo).convert("L")
        for side, votes in _CAT_VOTES.items():
            seen, scale = _scaled(picture, side)
            boxes = cascade.detectMultiScale(
                np.array(seen), scaleFactor=1.02, minNeighbors=votes
            )
            if len(boxes):
                return [_with_ears(box / scale) for box in boxes]
        return []

    return find


def _with_ears(box):
    """The cascade's box ends over the eyes; ears belong to a cat."""
    left, top, side, _ = box
    return in_box(left - 0.15 * side, top - 0.25 * side, 1.3 * side)


def _shrunk(picture, side):
    return _scaled(picture, min(side, max(picture.size)))


def _scaled(picture, side):
    """The picture with `side` as its long side, and the scale."""
    scale = side / max(picture.size)
    shape = [max(1, round(length * scale)) for length in picture.size]
    return picture.resize(shape, Image.Resampling.BICUBIC), scale
