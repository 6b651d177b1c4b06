"""Draws the pictures in `your_own_folders.md` from the toy faces.

python docs/pictures/make.py
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_i2i import models
from tf_i2i.data import toy_faces
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.runs import load_translator

HERE = Path(__file__).parent
COUNT, SIZE = 8, 64


def enlarged(images):
    times = SIZE // images.shape[1]
    return np.repeat(np.repeat(images, times, 1), times, 2)


def main():
    portraits = toy_faces.render("a", np.arange(500, 500 + COUNT), SIZE)
    cartoons = toy_faces.render("b", np.arange(601, 601 + COUNT), SIZE)
    folders = grid([portraits, cartoons])
    Image.fromarray(folders).save(HERE / "folders.png")

    model = load_translator(models.find_model("twingan-toy")).model
    rows = []
    for domain, direction in (("a", "a_to_b"), ("b", "b_to_a")):
        faces = toy_faces.render(domain, np.arange(COUNT), model.image_size)
        made = model.translate(tf.constant(to_float(faces)), direction)
        rows += [enlarged(faces), enlarged(to_uint8(made).numpy())]
    Image.fromarray(grid(rows)).save(HERE / "translated.png")


if __name__ == "__main__":
    main()
