"""Measures whether translations of toy faces keep the person's attributes.

    python benchmarks/quality/toy_attributes.py --run_dir=runs/twingan

For each direction a small classifier is trained on real images of the target
domain only, and its accuracy on real test images is printed ("real"). It then
reads the attributes of 400 translations of people who were not in the training
data. For comparison it also reads the untranslated inputs ("copy") and real
target images of other people ("random"); "chance" is the share of the most
frequent class. `half` counts the attributes whose accuracy is at least halfway
from copy to real.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_i2i.data import toy_faces
from tf_i2i.data.sources import ToyFacesSource
from tf_i2i.domains import ends
from tf_i2i.exporting import photo_to_photo
from tf_i2i.images import to_float
from tf_i2i.runs import load_translator

ATTRIBUTES = ("skin", "hair_color", "hair_style", "glasses", "turn")
PAIRS = 400


def labels(identities):
    """Returns class numbers by attribute; the turn's class is its sign."""
    columns = toy_faces.attributes(identities)
    columns["turn"] = (columns["turn"] > 0).astype(np.int32)
    return {name: columns[name] for name in ATTRIBUTES}


def train_classifier(domain, size, epochs):
    """Trains a small network that has an output for each attribute."""
    source = ToyFacesSource(domain)
    people = np.concatenate([source.identities(s) for s in ("val", "train")])
    images = to_float(toy_faces.render(domain, people, size))
    truth = labels(people)
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((size, size, 3))
    x = keras.layers.RandomTranslation(0.05, 0.05, fill_mode="nearest")(inputs)
    for filters in (32, 64, 96):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.3)(x)
    outputs = {
        name: keras.layers.Dense(int(truth[name].max()) + 1, name=name)(x)
        for name in ATTRIBUTES
    }
    network = keras.Model(inputs, outputs)
    network.compile(
        keras.optimizers.Adam(2e-3),
        {
            name: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            for name in ATTRIBUTES
        },
    )
    network.fit(images, truth, batch_size=32, epochs=epochs, verbose=0)
    return network


def agreement(network, images, truth):
    """Returns, by attribute, the share of images that are read correctly."""
    logits = network.predict(to_float(images), batch_size=100, verbose=0)
    return {
        name: float(np.mean(logits[name].argmax(1) == truth[name]))
        for name in ATTRIBUTES
    }


def translations(model, direction, images):
    translate = photo_to_photo(model, direction)
    batches = np.split(images, len(images) // 50)
    return np.concatenate(
        [np.asarray(translate(tf.constant(batch))) for batch in batches]
    )


def score(models, direction, size, epochs):
    """Returns the rows of the table.

    The rows are a dictionary. Its keys are the kinds of images, and its values
    are dictionaries from attributes to agreements.
    """
    source, target = ends(direction)
    people = np.arange(PAIRS)
    truth = labels(people)
    network = train_classifier(target, size, epochs)
    real = toy_faces.render(target, people, size)
    inputs = toy_faces.render(source, people, size)
    rows = {
        "real": agreement(network, real, truth),
        "copy": agreement(network, inputs, truth),
        "random": agreement(network, np.roll(real, 1, axis=0), truth),
        "chance": {
            name: float(np.bincount(v).max() / PAIRS)
            for name, v in truth.items()
        },
    }
    for run_dir, model in models.items():
        made = translations(model, direction, inputs)
        rows[run_dir] = agreement(network, made, truth)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run_dir", action="append", required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--results", help="append lines of JSON to this file")
    args = parser.parse_args()
    models, sizes = {}, set()
    for run_dir in args.run_dir:
        run = load_translator(run_dir)
        models[run_dir] = run.model
        sizes.add(run.phase.size)
    # The table compares runs of one image size only.
    (size,) = sizes
    for direction in ("a_to_b", "b_to_a"):
        rows = score(models, direction, size, args.epochs)
        print(f"\n{direction}, {size} px, {PAIRS} test images")
        print(f"{'':24}" + "".join(f"{name:>12}" for name in ATTRIBUTES))
        for name, row in rows.items():
            cells = "".join(f"{row[a]:12.3f}" for a in ATTRIBUTES)
            half = ""
            if name in models:
                half = "  half: " + str(
                    sum(
                        row[a] >= (rows["copy"][a] + rows["real"][a]) / 2
                        for a in ATTRIBUTES
                    )
                )
            print(f"{Path(name).name:24}{cells}{half}")
        if args.results:
            with open(args.results, "a", encoding="utf-8") as file:
                file.write(json.dumps({direction: rows, "size": size}) + "\n")


if __name__ == "__main__":
    main()
