"""Measures how much of an image each layer of a cascade keeps.

    python benchmarks/quality/inversion.py --run_dir=runs/cdft
    python benchmarks/quality/inversion.py --model=cdft-toy

The features of test images are computed at each layer, and are decoded to
images again by the layer's inversion network. The table shows PSNR, a
perceptual distance (computed with another network than the backbone), and the
share of features that are clipped at one standard deviation (Katzir et al.
2019, section 6.1.2). The last row of a domain is a baseline, in which the image
is compared with another image of the same domain.
"""

import argparse

import numpy as np

from tf_i2i import cli
from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.images import to_float
from tf_i2i.images import to_uint8
from tf_i2i.metrics import perceptual_distance
from tf_i2i.metrics import psnr

BATCH = 32


def inverted(model, images, domain):
    """Returns, by layer, decoded images and the share of clipped features."""
    pictures = {tap: [] for tap in model.taps}
    shares = {tap: [] for tap in model.taps}
    for i in range(0, len(images), BATCH):
        layers = model.normalize(to_float(images[i : i + BATCH]), domain)
        for tap, layer in layers.items():
            pictures[tap].append(to_uint8(model.invert(layer, tap, domain)))
            shares[tap].append(np.mean(np.abs(layer) >= 1, axis=(1, 2, 3)))
    return {
        tap: (np.concatenate(pictures[tap]), np.concatenate(shares[tap]).mean())
        for tap in model.taps
    }


def rows(run, features, count):
    """Returns the lines of the table."""
    for domain in "ab":
        images = run.images(domain, "test", count)
        truth = features.taps(images)
        found = inverted(run.model, images, domain)
        found["another image"] = np.roll(images, 1, axis=0), None
        for tap, (made, share) in found.items():
            apart = perceptual_distance(features.taps(made), truth)
            cells = [domain, tap, f"{psnr(made, images):.1f}", f"{apart:.3f}"]
            yield [*cells, "" if share is None else f"{share:.0%}"]


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    cli.add_run_flags(parser.add_argument)
    parser.add_argument("--features", default="random-conv")
    parser.add_argument("--count", type=int, default=200)
    args = parser.parse_args(argv)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(args.run_dir, args.trust_config)
    model = run.model
    if not hasattr(model, "invert"):
        raise UserError(
            f"`--run_dir` must be a run of CDFT. Received: {model.name}"
        )
    features = load_features(args.features)
    print("| domain | layer | PSNR, dB | perceptual | clipped |")
    print("| --- | --- | --- | --- | --- |")
    for cells in rows(run, features, args.count):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    cli.run(main)
