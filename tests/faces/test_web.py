"""The page of the demo computes what Python does, by JavaScript in Node."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL import ImageDraw

from tf_i2i import demo
from tf_i2i import ground
from tf_i2i.faces import align
from tf_i2i.faces import paste

WEB = Path(demo.__file__).parent / "web"
NODE = shutil.which("node")
FACE = align.Face(
    np.array([(40.0, 45.0), (61.0, 36.0), (50.0, 66.0), (66.5, 58.0)]),
    align.EYES_AND_MOUTH,
)

pytestmark = pytest.mark.skipif(not NODE, reason="node is missing")


def call(module, name, *args):
    """Returns the result of a JavaScript function, and its arguments after."""
    text = json.dumps({"module": str(WEB / module), "name": name, "args": args})
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("call.mjs"))],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer.get("result"), answer["args"]


def to_page(image):
    """An image as JavaScript has it, with an alpha of 255 if it has none."""
    height, width, channels = image.shape
    if channels == 3:
        image = np.dstack([image, np.full((height, width), 255, np.uint8)])
    return {"width": width, "height": height, "data": image.ravel().tolist()}


def from_page(image):
    values = np.array(image["data"], np.uint8)
    return values.reshape(image["height"], image["width"], 4)


def face_to_page(face):
    return {"points": face.points.tolist(), "places": face.places.tolist()}


def difference(image, wanted):
    return np.abs(image.astype(int) - wanted.astype(int)).max()


@pytest.fixture(scope="module")
def photo():
    """Stripes and noise, so that every shift of a pixel is noticed."""
    y, x = np.indices((90, 110))
    waves = [np.sin(x / 5 + y / 9), np.cos(x / 7), np.sin(y / 4 - x / 11)]
    noise = np.random.default_rng(0).normal(0, 12, (90, 110, 3))
    levels = 128 + 100 * np.stack(waves, -1) + noise
    return np.clip(levels, 0, 255).astype(np.uint8)


def test_the_map_of_a_crop():
    matrix, _ = call("align.mjs", "cropMatrix", face_to_page(FACE), 64, 0.2)
    wanted = align.crop_matrix(FACE, 64, 0.2)
    np.testing.assert_allclose(np.reshape(matrix, (2, 3)), wanted, atol=1e-9)


# The crops are larger or smaller than in the photo, and inside or beyond it.
@pytest.mark.parametrize(
    ("size", "margin"), [(32, 0.0), (96, 0.15), (64, 0.45), (48, 1.0)]
)
def test_crops(photo, size, margin):
    made, _ = call(
        "align.mjs", "crop", to_page(photo), face_to_page(FACE), size, margin
    )
    wanted = align.crop(photo, FACE, size, margin)
    made = from_page(made)[..., :3]
    assert difference(made, wanted) <= 2
    assert np.abs(made.astype(float) - wanted).mean() < 0.3
    assert wanted.std() > 10


@pytest.mark.parametrize("margin", [0.0, 0.15, 0.45])
@pytest.mark.parametrize("outlined", [False, True])
def test_pasting(photo, margin, outlined):
    picture = photo[:80, :80]
    if outlined:
        alpha = np.zeros((80, 80), np.uint8)
        alpha[20:70, 10:60] = 255
        picture = np.dstack([picture, alpha])
    _, (made, *_) = call(
        "paste.mjs",
        "paste",
        to_page(photo),
        to_page(picture),
        face_to_page(FACE),
        margin,
        outlined,
    )
    wanted = photo.copy()
    paste.paste(wanted, picture, FACE, margin)
    assert difference(from_page(made)[..., :3], wanted) <= 2
    assert difference(wanted, photo) > 50


def drawing(colour):
    """A head with a line and a white shirt on a plain background."""
    picture = Image.new("RGB", (144, 144), colour)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 20, 110, 110), (180, 120, 70), (20, 20, 20), 3)
    draw.rectangle((20, 110, 120, 144), (250, 250, 250), (90, 0, 0), 6)
    draw.line((100, 10, 130, 60), (60, 60, 160), 2)
    return np.asarray(picture.resize((48, 48), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("colour", ["white", (240, 242, 246)])
def test_drawings_without_their_background(colour):
    image = drawing(colour)
    made, _ = call("ground.mjs", "withoutGround", to_page(image))
    wanted = ground.clear_ground(image, ground.plain_ground(image))
    made = from_page(made)
    shown = wanted[..., 3] > 0
    assert difference(made[..., 3], wanted[..., 3]) <= 1
    assert difference(made[shown], wanted[shown]) <= 1
    assert 0.2 < shown.mean() < 0.8


def test_only_plain_backgrounds_are_removed(photo):
    assert call("ground.mjs", "withoutGround", to_page(photo))[0] is None
    plain = np.full((16, 16, 3), 255, np.uint8)
    assert call("ground.mjs", "withoutGround", to_page(plain))[0] is None


def boxes_at(anchors, size=128):
    """Outputs of a network that finds boxes at some anchors, and no others.

    All landmarks lie 2 pixels to the right of the anchor and 3 below it.
    """
    boxes = np.zeros((896, 16))
    boxes[:, 2:4] = 30
    boxes[:, 4:] = np.tile([2, 3], 6)
    scores = np.full(896, -9.0)
    for anchor, score in anchors.items():
        scores[anchor] = score
    return boxes.ravel().tolist(), scores.tolist()


def test_the_anchors_of_the_networks():
    # The first anchor of the grid of 16 cells, and the last of that of 8.
    boxes, scores = boxes_at({0: 2.0, 895: 1.0})
    found, _ = call("detect.mjs", "decode", boxes, scores, "short", 128)
    np.testing.assert_allclose(np.array(found)[:, 0], [(6, 7), (122, 123)])


def test_boxes_of_one_face_are_averaged():
    # Neighbours in a row, 8 pixels apart; the second is less probable.
    boxes, scores = boxes_at({100: 3.0, 102: np.log(1.5), 500: 0.1})
    found, _ = call("detect.mjs", "decode", boxes, scores, "short", 128)
    assert len(found) == 2
    weights = 1 / (1 + np.exp([-3.0, -np.log(1.5)]))
    first = (100 // 2 % 16 + 0.5) * 8 + 2
    wanted = np.average([first, first + 8], weights=weights)
    np.testing.assert_allclose(np.array(found)[0, :, 0], wanted)
