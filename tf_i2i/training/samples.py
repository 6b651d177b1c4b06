"""Sample grids, which show validation images and their translations."""

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.training.callbacks import StateCallback

# In grids, images whose side has fewer pixels than this are enlarged.
SHOWN_SIDE = 64


class Samples(StateCallback):
    """A callback that writes sample grids of networks with averaged weights.

    The first rows of a grid are images of A, their translations and, depending
    on the method, their reconstructions or cycles. The other rows show the same
    for images of B.

    Args:
        state: `TrainingState`.
        images: number of images of each domain between two grids.
        metrics: `MetricsLog`, to whose run directory the grids are written.
        data: `RunData`.
        count: largest number of images of each domain in a grid.
    """

    def __init__(self, state, images, metrics, data, count=8):
        super().__init__(state, images)
        self.metrics = metrics
        self.data = data
        self.count = count
        self.folder = Path(metrics.run_dir) / "samples"

    def on_train_batch_end(self, batch, logs=None):
        if self.due() or self.phase_done():
            self._write()

    def _write(self):
        size = self.state.phase.size
        a, b = (self.data.images(d, "val", size, self.count) for d in "ab")
        columns = min(len(a), len(b))
        with self.model.averaged():
            picture = sample_grid(self.model, a[:columns], b[:columns])
        path = self.folder / f"{self.state.images_shown:09d}.png"
        with writing(path):
            self.folder.mkdir(exist_ok=True)
            write_whole(path, [_png(picture)])
        self.state.last_sample = path
        self.metrics.show("samples", picture)


def _png(picture):
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "PNG")
    return memory.getvalue()


def sample_grid(model, images_a, images_b):
    """Returns a grid of images of both domains and of a model's outputs.

    Args:
        model: `UnpairedTranslator`, whose `sample_rows` returns the rows below
            the images.
        images_a, images_b: uint8 `[N, height, width, 3]`.

    Returns:
        uint8 `[H, W, 3]`.
    """
    rows = []
    for domain, images in (("a", images_a), ("b", images_b)):
        made = model.sample_rows(tf.constant(to_float(images)), domain)
        rows += [images, *(to_uint8(picture).numpy() for picture in made)]
    times = max(1, SHOWN_SIDE // min(images_a.shape[1:3]))
    return grid([np.repeat(np.repeat(r, times, 1), times, 2) for r in rows])
