"""What the contract tests share: images with labels, in all splits."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def make_labelled_folders():
    """Function that makes two domains with all splits, and labels."""

    def make(root, size, numbers=()):
        """Writes eight images for each split of each domain.

        Args:
            root: folder to write to.
            size: side of the images in pixels.
            numbers: names of further columns of A's labels.

        Returns:
            List of the flags of the data and of the labels.
        """
        rng = np.random.default_rng(0)
        flags = []
        for domain in "ab":
            more = numbers if domain == "a" else ()
            lines = [",".join(("file", "digit", *more))]
            for split in ("train", "val", "test"):
                (root / domain / split).mkdir(parents=True)
                for i in range(8):
                    pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
                    name = f"{split}_{i}.png"
                    Image.fromarray(pixels).save(root / domain / split / name)
                    row = (name, *[str(i % 2)] * (1 + len(more)))
                    lines.append(",".join(row))
            table = root / f"{domain}.csv"
            table.write_text("\n".join([*lines, ""]))
            flags += [f"--data_{domain}={root / domain}"]
            flags += [f"--labels_{domain}={table}"]
        return flags

    return make
