"""Measures how much `translate --smooth` reduces the flicker of a video.

    pip install 'tf-i2i[video]'
    python benchmarks/video.py --model=cyclegan-toy

The clip is made of a portrait of the package: the camera moves slowly, and each
frame has new noise, as frames of cameras have. The movement is known. So the
difference between each translated frame and the one before it, moved by the
true movement, is the flicker. It is the mean of the absolute differences in
levels of 255 (the warping error of Lai et al. 2018, arXiv:1808.00449, without
an estimated flow). The same number of the input is given for comparison.

`detail` shows whether `--smooth` blurs the translation: it is the mean absolute
difference between neighbouring pixels. `change` is the mean absolute difference
between the smoothed and the plain frames.
"""

import argparse
import sys
import time

import numpy as np
from PIL import Image

from tf_i2i import cli
from tf_i2i.data.reading import read_image
from tf_i2i.data.sample_portraits import FOLDER
from tf_i2i.smoothing import Smoother

FRAMES = 60


def main(argv):
    args = _parser().parse_args(argv)
    cli.import_tensorflow()
    from tf_i2i.exporting.pictures import Translation
    from tf_i2i.models import find_model
    from tf_i2i.runs import load_translator

    model = load_translator(find_model(args.model)).model
    frames, shifts = clip(model.size, args.noise)
    translate = Translation(model, args.direction)
    plain = np.concatenate(
        [np.asarray(translate(frame[None], [None])) for frame in frames]
    )
    smooth = Smoother()
    begun = time.monotonic()
    smoothed = np.stack(
        [smooth(*pair) for pair in zip(frames, plain, strict=True)]
    )
    each = 1e3 * (time.monotonic() - begun) / FRAMES
    print("| | flicker | detail | change |")
    print("| --- | --- | --- | --- |")
    for name, images in (
        ("input", frames),
        ("translation", plain),
        ("with --smooth", smoothed),
    ):
        change = ""
        if images is smoothed:
            change = (
                f"{np.abs(np.subtract(smoothed, plain, dtype=int)).mean():.2f}"
            )
        print(
            f"| {name} | {flicker(images, shifts):.2f} | "
            f"{detail(images):.2f} | {change} |"
        )
    print(f"{each:.1f} ms for each frame of {model.size} px")


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default="cyclegan-toy")
    add("--direction", default="a_to_b")
    add(
        "--noise",
        type=float,
        default=4.0,
        help="standard deviation of the noise in levels of 255",
    )
    return parser


def clip(size, noise):
    """Returns the frames of a moving camera, and their movement.

    Args:
        size: side of the frames in pixels.
        noise: standard deviation of the noise in levels.

    Returns:
        uint8 `[FRAMES, size, size, 3]`, and a list of `(x, y)`: by how many
        pixels each frame is further to the right and down than the one before.
    """
    portrait = read_image(sorted(FOLDER.glob("*.jpg"))[0])
    side = size + size // 4
    scene = np.array(Image.fromarray(portrait).resize((side, side)))
    angle = 2 * np.pi * np.arange(FRAMES) / FRAMES
    centre = (side - size) / 2
    x = np.rint(centre * (1 + np.sin(angle))).astype(int)
    y = np.rint(centre * (1 + np.cos(angle))).astype(int)
    rng = np.random.default_rng(0)
    frames = [
        scene[top : top + size, left : left + size]
        + rng.normal(0, noise, (size, size, 3))
        for left, top in zip(x, y, strict=True)
    ]
    frames = np.uint8(np.clip(np.rint(frames), 0, 255))
    return frames, list(zip(np.diff(x), np.diff(y), strict=True))


def flicker(images, shifts):
    """Returns the mean difference of frames that are moved onto each other."""
    apart = []
    size = images.shape[1]
    for i, (x, y) in enumerate(shifts):
        now = images[i + 1, max(0, -y) : size - max(0, y)]
        now = now[:, max(0, -x) : size - max(0, x)]
        last = images[i, max(0, y) : size - max(0, -y)]
        last = last[:, max(0, x) : size - max(0, -x)]
        apart.append(np.abs(np.subtract(now, last, dtype=int)).mean())
    return np.mean(apart)


def detail(images):
    """Returns the mean absolute difference between neighbouring pixels."""
    return np.abs(np.diff(images.astype(int), axis=2)).mean()


if __name__ == "__main__":
    main(sys.argv[1:])
