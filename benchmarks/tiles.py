"""Compares images that were translated in tiles with whole translations.

    python benchmarks/tiles.py

The picture is the astronaut of scikit-image, 512 x 512 pixels. At the end, the
memory is measured that a CycleGAN of the paper's width needs for one tile.
"""

import contextlib
import resource
import time

import numpy as np

from tf_i2i import cli
from tf_i2i import tiles

MODELS = ("cyclegan-toy", "unit-toy", "asymgan-toy")
TILE = 256


def main():
    cli.import_tensorflow()
    _seams()
    _memory(tiles.SIDE)


def _seams():
    from skimage.data import astronaut

    from tf_i2i import layers
    from tf_i2i.exporting.pictures import Translation
    from tf_i2i.models import find_model
    from tf_i2i.runs import load_translator

    images = astronaut()[None]
    print("| | seam, own means | seam, shared means | from the whole image |")
    print("| --- | --- | --- | --- |")
    shared = layers.given_means
    for name in MODELS:
        model = load_translator(find_model(name)).model
        whole = Translation(model, "a_to_b", 1024)(images, [None])
        layers.given_means = lambda _: contextlib.nullcontext()
        alone = Translation(model, "a_to_b", TILE)
        alone(images, [None])
        layers.given_means = shared
        tiled = Translation(model, "a_to_b", TILE)
        made = tiled(images, [None])
        change = np.abs(made.astype(int) - whole).mean()
        print(
            f"| {name} | {alone.seam:.2f} | {tiled.seam:.2f} | {change:.1f} |"
        )


def _memory(side):
    from tf_i2i.exporting.pictures import Translation
    from tf_i2i.methods import CycleGAN

    translation = Translation(CycleGAN(image_size=256), "a_to_b")
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3))
    before = _peak()
    begun = time.monotonic()
    translation(image.astype(np.uint8), [None])
    print(
        f"{side} x {side}: {time.monotonic() - begun:.0f} s, "
        f"{_peak() - before:.1f} GB more than before"
    )


def _peak():
    """Peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
