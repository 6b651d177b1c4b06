"""Measures how much the likeness loss makes translations resemble the person.

    TF_I2I_FACE_NETWORK=savedmodel:faceres/ \\
    TF_I2I_JUDGE_NETWORK=tflite:MobileFaceNet.tflite:-1:1 \\
    python benchmarks/likeness.py --data_a=photos/ --data_b=drawings/

No face network comes with the package, so the two networks are named by
environment variables, in the forms of `tf_i2i.features.FORMS`. The first is the
network of the loss. The second judges the translations. It must be another
network, because a translator can learn translations that only the network of
the loss considers similar to their inputs.

CycleGANs with different weights of the loss are trained on the same images,
from the same initial weights. For each, test images of A are translated to B,
and the table has
- the mean cosine of the judge's vectors of an image and of its translation,
- the same for the translations of other images, which should be lower,
- the share of translations whose input is among the five images of A that are
  most similar to the translation by the judge's vectors,
- the same three numbers for translations to B and back.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from tf_i2i import cli

LOSS, JUDGE = "TF_I2I_FACE_NETWORK", "TF_I2I_JUDGE_NETWORK"
NEAREST = 5


def train(folder, weight, args):
    """Trains a CycleGAN, and returns it as a `TrainedRun`.

    Args:
        folder: folder of the run.
        weight: weight of the likeness loss; 0 for no such loss.
        args: parsed flags.
    """
    from tf_i2i.configs import find_config
    from tf_i2i.runs import load_translator
    from tf_i2i.runs import open_run

    bindings = [
        f"train.image_size = {args.image_size}",
        f"train.data_a = {args.data_a!r}",
        f"train.data_b = {args.data_b!r}",
        f"single_phase.images = {args.images}",
        "single_phase.batch_size = 4",
        *args.gin_param,
    ]
    if weight:
        bindings += [
            "train.likeness = @Likeness()",
            "Likeness.network = @teacher",
            f"Likeness.weight = {weight}",
            f"Likeness.between = {args.between!r}",
            f"teacher.name = {os.environ[LOSS]!r}",
        ]
    folder.mkdir()
    open_run(folder, [find_config("cyclegan.gin")], bindings).train()
    return load_translator(folder)


def judge(network, images, translated):
    """Returns the three numbers of the table.

    Args:
        network: `Features` of the judge.
        images: uint8 `[N, S, S, 3]`.
        translated: their translations, of the same shape.
    """
    vectors = [network.embed(batch) for batch in (images, translated)]
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)
    cosines = y @ x.T
    own = np.diag(cosines)
    others = cosines[~np.eye(len(x), dtype=bool)]
    better = (cosines > own[:, None]).sum(1)
    return own.mean(), others.mean(), (better < NEAREST).mean()


def main(argv):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data_a", required=True)
    add("--data_b", required=True)
    add("--image_size", type=int, default=64)
    add("--images", type=int, default=4000, help="number of training images")
    add("--weights", type=float, nargs="+", default=[0.0, 1.0, 5.0])
    add(
        "--between",
        default="translation",
        help="whether the loss compares an image with its translation "
        "(translation) or with the end of its cycle (cycle)",
    )
    add("--gin_param", action="append", default=[])
    args = parser.parse_args(argv)
    for name in (LOSS, JUDGE):
        if name not in os.environ:
            parser.error(f"the environment variable {name} must name a network")
    cli.import_tensorflow(training=True)
    from tf_i2i.exporting import photo_to_photo
    from tf_i2i.features import load_features

    network = load_features(os.environ[JUDGE])
    print(
        f"| weight | own | others | in {NEAREST} nearest | own, round trip "
        f"| others | in {NEAREST} nearest |\n" + "| --- " * 7 + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for weight in args.weights:
            run = train(Path(folder) / f"{weight}", weight, args)
            images = run.images("a", "test")
            made = photo_to_photo(run.model, "a_to_b")(images)
            back = photo_to_photo(run.model, "b_to_a")(made)
            numbers = [*judge(network, images, made)]
            numbers += judge(network, images, back)
            cells = " | ".join(f"{number:.3f}" for number in numbers)
            print(f"| {weight:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
