"""What the contract tests share: images with labels, in all splits."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def make_labelled_folders():
    """Function that makes two domains with all splits, and labels."""

    def make(root, size):
        """Writes eight images for each split of each domain.

        Args:
            root: folder to write to.
            size: side of the images in pixels.

        Returns:
            List of the flags of the data and of the labels.
        """
        rng = np.random.default_rng(0)
        flags = []
        for domain in "ab":
            lines = ["file,digit"]
            for split in ("train", "val", "test"):
                (root / domain / split).mkdir(parents=True)
                for i in range(8):
                    pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
                    name = f"{split}_{i}.png"
                    Image.fromarray(pixels).save(root / domain / split / name)
                    lines.append(f"{name},{i % 2}")
            table = root / f"{domain}.csv"
            table.write_text("\n".join([*lines, ""]))
            flags += [f"--data_{domain}={root / domain}"]
            flags += [f"--labels_{domain}={table}"]
        return flags

    return make
