"""The quality lab. One command trains, scores and records a row of results.

    python benchmarks/quality/lab.py run twingan --seed=1
    python benchmarks/quality/lab.py run twingan_facades --data_root=DATA
    python benchmarks/quality/lab.py score twingan --run_dir=runs/mine
    python benchmarks/quality/lab.py table

`run` continues a row that was stopped. Results are appended to results.jsonl
in this folder, from which `table` makes TABLE.md. The configs set the length of
training, which is the same for all rows of a task.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tasks import TASKS

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"


class Row(NamedTuple):
    """A row of the lab: a configuration for a task.

    Attributes:
        task: key of `tasks.TASKS`.
        gin_file: name of a shipped config.
        settings: gin bindings that are added to the config.
    """

    task: str
    gin_file: str
    settings: tuple = ()


def of(name, **values):
    """Returns settings of one class as gin bindings."""
    return tuple(f"{name}.{key} = {value}" for key, value in values.items())


# These tasks have no colour augmentation, because it would contradict their
# exact ground truth.
EXACT = of(
    "Augmentation", contrast=0.0, hue=0.0, brightness=0.0, saturation=0.0
)
# All images that critics see are augmented in the rows with few training faces.
SEEN = ("train.critic_augmentation = ('color', 'translation', 'cutout')",)
# Label maps must not be cropped or changed in colour.
MAPS = (
    "train.image_size = 64",
    "Augmentation.crop = None",
    *EXACT,
)
# The same settings for the rows of AsymGAN, in which `train.label_maps` names
# the domain of the label maps.
LABELS = ("train.label_maps = ('b',)", "Augmentation.crop = None", *EXACT)
AT_64 = (*LABELS, "train.image_size = 64")


def shown(images):
    """Returns the setting of the number of images that a row is trained on."""
    return (f"single_phase.images = {images}",)


SHORT = of("growing_phases", images=1000, fade_images=1000, last_images=4000)
# Changes that may reach the quality of the quick start in less time.
RATE_3 = of("Adam", learning_rate=0.0003)
RATE_10 = of("Adam", learning_rate=0.001)
LAZY = of("TwinGAN", penalty_every=4)
ONE_GAN = of("TwinGAN", same_gan=False)
HALF = (
    *RATE_3,
    *ONE_GAN,
    *of("growing_phases", images=1500, fade_images=1500, last_images=8000),
)
UNIT_MAPS = (*MAPS, *shown(12000))
NO_IDENTITY = of("CycleGAN", identity_weight=0.0)
# G and F have the same layers as CycleGAN's generators.
TWO_BLOCKS = {"residual_blocks": 2, "width": 0.5, "critic_width": 0.5}
SIX_BLOCKS = TWO_BLOCKS | {"residual_blocks": 6}
AS_CYCLEGAN = of("AsymGAN", **TWO_BLOCKS)
# The settings from here to `CYCLEGAN_32` are for rows that `elsewhere.py`
# trains on an accelerator. The files in plans/ say for how many seconds a row
# is trained. The number of images counts only where they state none.
BATCHES = of("single_phase", batch_size=8, images=60000)
PARTS_32 = (*LABELS, *BATCHES)
LONG_64 = (*AT_64, *BATCHES)
ASYMGAN_64 = (*LONG_64, *of("AsymGAN", **SIX_BLOCKS, style_width=0.25))
CYCLEGAN_64 = (*LONG_64, *NO_IDENTITY, *of("CycleGAN", **SIX_BLOCKS))
CYCLEGAN_32 = (*PARTS_32, *NO_IDENTITY, *of("CycleGAN", **TWO_BLOCKS))

UNIT_CHANGED = {
    **{f"shared_{n}": {"shared_blocks": n} for n in (1, 3, 4)},
    **{f"critic_{n}": {"critic_layers": n} for n in (2, 4, 5)},
    **{
        f"likelihood_{n:g}": {"likelihood_weight": n, "cycle_weight": n}
        for n in (1.0, 10.0)
    },
    **{
        f"kl_{n:g}": {"kl_weight": n, "cycle_kl_weight": n} for n in (0.01, 1.0)
    },
}
NO_SHARING = of(
    "UNIT",
    shared_blocks=0,
    likelihood_weight=0.0,
    kl_weight=0.0,
    cycle_kl_weight=0.0,
    code_noise=False,
)
NO_CYCLE = of("UNIT", cycle_weight=0.0, cycle_kl_weight=0.0)
# The normalization around the residual blocks is part of CycleGAN's paper.
OUTER_NORM = of("CycleGAN", outer_norm=True)
NARROW = (
    *OUTER_NORM,
    *of("CycleGAN", residual_blocks=6, width=0.25),
    *of("single_phase", batch_size=8, images=40000),
)
PLAIN = (
    *of("CycleGAN", residual_blocks=6, width=0.5),
    *of("single_phase", images=12000),
)
WIDE_UNIT = (
    *of("UNIT", shared_blocks=1, width=0.5),
    *of("single_phase", images=12000),
)
TEACHER = (
    "XGAN.teacher = @teacher",
    "teacher.name = 'efficientnet-lite0'",
)
FACES = ("train.image_size = 64", "Augmentation.crop = None")
# The teacher is a face network. It must be in the folder that the error message
# of `teacher` names.
FACE_TEACHER = "teacher.name = 'face'"
XGAN_FACES = (
    *FACES,
    "XGAN.width = 0.5",
    "train.critic_optimizer = @critic/Adam",
    "critic/Adam.learning_rate = 0.0002",
)
XGAN_TAUGHT = (
    *XGAN_FACES,
    "XGAN.teacher = @teacher",
    FACE_TEACHER,
    *shown(58000),
)
DTN_FACES = (
    *FACES,
    FACE_TEACHER,
    *of("DTN", constancy_weight=5.0, identity_weight=50.0),
    *of("single_phase", batch_size=8, images=9600),
)
# The weights of `paper/xgan.gin`, with networks and a learning rate for minutes
# on a CPU.
XGAN_PUBLISHED = (
    *of("XGAN", critic_width=1.0, average_kimg=1.0),
    "Adam.learning_rate = 0.001",
    "single_phase.batch_size = 16",
)
VGG_TERMS = ("perceptual.name = 'hed-vgg16'",)
# Each of these ablations leaves out one loss term (Figure 6 of the CDFT paper).
LEFT_OUT = {
    "no_cycle": {"cycle_weight": 0.0},
    "no_identity": {"identity_weight": 0.0},
    "no_adversarial": {"adversarial_weight": 0.0},
}
# These layers have the strides of EfficientNet-Lite0's first three stages.
VGG_TAPS = ("conv2_1", "conv3_1", "conv4_1")
CARICATURES = of("cascade_phases", images=70000)


def cascade(taps, phases=None, **settings):
    """Returns settings of CDFT for the layers `taps`, and further settings."""
    return (
        *of("CDFT", taps=taps, **settings),
        *of("cascade_phases", taps=taps, **(phases or {})),
    )


def cascade_64(taps, **settings):
    """Returns settings of CDFT at 64 px for the layers `taps`."""
    return (
        "train.image_size = 64",
        *cascade(taps, {"batch_size": 32}, **settings),
    )


STAGES_64 = ("stage2", "stage3", "stage5")
CATS = {"width": 1.0, "inverter_channels": 96}
VGG_64 = cascade_64(
    ("conv3_1", "conv4_1", "conv5_1"),
    backbone="'hed-vgg16'",
    width=0.5,
    inverter_channels=192,
)
ROWS = {
    "twingan": Row("toy", "twingan.gin"),
    "no_cycle": Row("toy", "twingan.gin", ("TwinGAN.cycle_weight = 0.0",)),
    "no_semantic": Row(
        "toy", "twingan.gin", ("TwinGAN.semantic_weight = 0.0",)
    ),
    "no_unet": Row("toy", "twingan.gin", ("TwinGAN.skips = False",)),
    "no_pixel_norm": Row("toy", "twingan.gin", ("TwinGAN.pixel_norm = False",)),
    "style": Row("toy", "twingan.gin", ("TwinGAN.style_size = 16",)),
    # Short rows, each with one factor in which TwinGAN differs from CycleGAN.
    **{
        f"twingan_short{name}": Row("toy", "twingan.gin", (*SHORT, *settings))
        for name, settings in {
            "": (),
            "_no_noise": of("TwinGAN", dragan_width=0.0),
            "_batch_2": of("growing_phases", batch_size=2),
            "_more": of("growing_phases", last_images=10000),
            "_rate_3": RATE_3,
            "_rate_10": RATE_10,
            "_lazy": (*RATE_3, *LAZY),
            "_one_gan": (*RATE_3, *ONE_GAN),
        }.items()
    },
    **{
        f"twingan_half{name}": Row("toy", "twingan.gin", (*HALF, *settings))
        for name, settings in {
            "": (),
            "_lazy": LAZY,
            "_rate_5": of("Adam", learning_rate=0.0005),
            "_two_gan": of("TwinGAN", same_gan=True),
            "_falling": of("constant_then_linear", constant_share=0.2),
            "_more": of("growing_phases", last_images=10000),
        }.items()
    },
    **{
        f"twingan_{task}": Row(task, "twingan.gin")
        for task in TASKS
        if not task.startswith("toy")
    },
    "twingan_200": Row("toy_200", "twingan.gin"),
    "twingan_200_seen": Row("toy_200", "twingan.gin", SEEN),
    "cyclegan_200": Row("toy_200", "cyclegan.gin"),
    "cyclegan_200_seen": Row("toy_200", "cyclegan.gin", SEEN),
    "cyclegan": Row("toy", "cyclegan.gin"),
    **{
        f"cyclegan_half{name}": Row(
            "toy", "cyclegan.gin", (*shown(10000), *settings)
        )
        for name, settings in {
            "": (),
            "_rate_10": RATE_10,
            "_no_identity": NO_IDENTITY,
            "_batch_1": of("single_phase", batch_size=1),
        }.items()
    },
    "cyclegan_outer_norm": Row("toy", "cyclegan.gin", OUTER_NORM),
    "cyclegan_narrow": Row("toy", "cyclegan.gin", NARROW),
    "cyclegan_negative": Row(
        "negative", "cyclegan.gin", (*EXACT, *NARROW, *NO_IDENTITY)
    ),
    "cyclegan_negative_plain": Row(
        "negative", "cyclegan.gin", (*EXACT, *NO_IDENTITY, *PLAIN)
    ),
    "cyclegan_permutation_plain": Row(
        "permutation", "cyclegan.gin", (*EXACT, *NO_IDENTITY, *PLAIN)
    ),
    "cyclegan_permutation": Row(
        "permutation",
        "cyclegan.gin",
        (
            *EXACT,
            *NO_IDENTITY,
            *OUTER_NORM,
            *of("CycleGAN", residual_blocks=6, width=0.5),
            *of("single_phase", images=12000),
        ),
    ),
    "cyclegan_cityscapes": Row(
        "cityscapes", "cyclegan.gin", (*MAPS, *shown(11000))
    ),
    "munit": Row("toy", "munit.gin"),
    # `munit.gin` had no cycle loss when this row was run.
    "munit_cycle": Row("toy", "munit.gin", of("MUNIT", cycle_weight=10.0)),
    "munit_selfie_cats": Row(
        "selfie_cats",
        "munit.gin",
        ("train.image_size = 64", *EXACT, *shown(60000)),
    ),
    "unit": Row("toy", "unit.gin"),
    "unit_negative": Row(
        "negative",
        "unit.gin",
        (
            *EXACT,
            *of("UNIT", shared_blocks=1, critic_width=0.25),
            *of("single_phase", batch_size=8, images=40000),
        ),
    ),
    "unit_negative_2k": Row(
        "negative",
        "unit.gin",
        (
            *EXACT,
            *of("UNIT", shared_blocks=1, critic_width=0.25),
            *of("single_phase", batch_size=8, images=16000),
        ),
    ),
    "unit_negative_wide": Row("negative", "unit.gin", (*EXACT, *WIDE_UNIT)),
    "unit_permutation": Row("permutation", "unit.gin", (*EXACT, *WIDE_UNIT)),
    # These rows are the ablations of Figure 2(d) of the UNIT paper.
    "unit_cityscapes": Row("cityscapes", "unit.gin", UNIT_MAPS),
    # Figure 2(b) and 2(c): numbers of shared layers and of the critics' layers,
    # and weights of the likelihood and of the KL divergence.
    **{
        f"unit_{name}": Row(
            "cityscapes", "unit.gin", (*UNIT_MAPS, *of("UNIT", **changed))
        )
        for name, changed in UNIT_CHANGED.items()
    },
    "unit_no_sharing": Row("cityscapes", "unit.gin", (*UNIT_MAPS, *NO_SHARING)),
    "unit_no_cycle": Row("cityscapes", "unit.gin", (*UNIT_MAPS, *NO_CYCLE)),
    "asymgan": Row("toy", "asymgan.gin"),
    "asymgan_ext": Row("toy", "asymgan_ext.gin"),
    "asymgan_cityscapes": Row("cityscapes", "asymgan.gin", ASYMGAN_64),
    "cyclegan_cityscapes_long": Row("cityscapes", "cyclegan.gin", CYCLEGAN_64),
    # In these rows, the receptive field of the critics is the whole image of 64
    # px, not 34 pixels.
    "asymgan_cityscapes_far": Row(
        "cityscapes",
        "asymgan.gin",
        (*ASYMGAN_64, *of("AsymGAN", critic_layers=3)),
    ),
    "cyclegan_cityscapes_far": Row(
        "cityscapes",
        "cyclegan.gin",
        (*CYCLEGAN_64, *of("CycleGAN", critic_layers=3)),
    ),
    "cyclegan_cityscapes_32": Row("cityscapes", "cyclegan.gin", CYCLEGAN_32),
    "cyclegan_dropout": Row(
        "cityscapes",
        "cyclegan.gin",
        (*CYCLEGAN_32, *of("CycleGAN", dropout=True)),
    ),
    "simgan_cityscapes": Row(
        "cityscapes", "simgan.gin", (*MAPS, *shown(12000))
    ),
    "unit_cityscapes_32": Row("cityscapes", "unit.gin", PARTS_32),
    "asymgan_facades": Row("facades", "asymgan.gin", (*PARTS_32, *AS_CYCLEGAN)),
    "cyclegan_facades": Row("facades", "cyclegan.gin", CYCLEGAN_32),
    # In each of these rows, F receives z in another way (Figure 12 of the
    # AsymGAN paper).
    **{
        f"asymgan_z_{path}": Row(
            "cityscapes",
            "asymgan.gin",
            (*PARTS_32, *AS_CYCLEGAN, f"AsymGAN.style_path = '{path}'"),
        )
        for path in ("map", "beside", "norm")
    },
    # Extension losses (Figure 10 of the AsymGAN paper): `asymgan_all` has all
    # of them, and each of the other rows leaves out one kind. The row without
    # extension losses is `asymgan_z_norm`.
    **{
        f"asymgan_{name}": Row(
            "cityscapes",
            "asymgan_ext.gin",
            (*PARTS_32, *AS_CYCLEGAN, *VGG_TERMS, *of("AsymGAN", **without)),
        )
        for name, without in {
            "all": {},
            "no_adversarial": {
                "remade_gan_weight": 0.0,
                "styled_gan_weight": 0.0,
            },
            "no_perception": {"content_weight": 0.0, "style_weight": 0.0},
            "no_variation": {"variation_weight": 0.0},
        }.items()
    },
    "cyclegan_selfie2anime": Row(
        "selfie2anime", "cyclegan.gin", ("train.image_size = 64", *shown(50000))
    ),
    "xgan": Row("toy", "xgan.gin"),
    "xgan_published": Row(
        "toy",
        "paper/xgan.gin",
        (
            *XGAN_PUBLISHED,
            "train.image_size = 32",
            "XGAN.width = 0.34",
            *shown(40000),
        ),
    ),
    "xgan_published_64": Row(
        "toy",
        "paper/xgan.gin",
        (*XGAN_PUBLISHED, "XGAN.width = 0.25", *shown(12000)),
    ),
    "xgan_teacher": Row("toy", "xgan.gin", TEACHER),
    "xgan_rec_dann": Row(
        "toy",
        "xgan.gin",
        of("XGAN", semantic_weight=0.0, gan_directions=()),
    ),
    "xgan_strong_dann": Row(
        "toy",
        "xgan.gin",
        of("XGAN", semantic_weight=0.0, gan_directions=(), dann_weight=10.0),
    ),
    "xgan_no_semantic": Row("toy", "xgan.gin", of("XGAN", semantic_weight=0.0)),
    "xgan_no_gan": Row("toy", "xgan.gin", of("XGAN", gan_directions=())),
    "xgan_faces": Row(
        "faces_avatars", "xgan.gin", (*XGAN_FACES, *shown(125000))
    ),
    "xgan_faces_taught": Row("faces_avatars", "xgan.gin", XGAN_TAUGHT),
    "xgan_faces_centred": Row(
        "faces_avatars",
        "xgan.gin",
        (*XGAN_TAUGHT, "XGAN.teacher_centred = True"),
    ),
    "dtn_faces": Row("faces_avatars", "dtn.gin", DTN_FACES),
    "dtn_faces_finetuned": Row(
        "faces_avatars", "dtn.gin", (*DTN_FACES, "DTN.finetune = True")
    ),
    "cyclegan_faces": Row(
        "faces_avatars", "cyclegan.gin", (*FACES, *shown(27000))
    ),
    "cdft": Row("toy", "cdft.gin"),
    **{
        f"cdft_{name}": Row("toy", "cdft.gin", of("CDFT", **without))
        for name, without in LEFT_OUT.items()
    },
    "cdft_one_layer": Row("toy", "cdft.gin", cascade(("stage2",))),
    # In these tasks the translator must change shapes.
    "cdft_selfie_cats": Row(
        "selfie_cats", "cdft.gin", cascade_64(STAGES_64, **CATS)
    ),
    "cdft_selfie_cats_vgg": Row("selfie_cats", "cdft.gin", VGG_64),
    "cyclegan_selfie_cats": Row(
        "selfie_cats",
        "cyclegan.gin",
        (
            "train.image_size = 64",
            *EXACT,
            *of("CycleGAN", **SIX_BLOCKS),
            *of("single_phase", batch_size=8),
        ),
    ),
    # These rows leave out one loss term each (Figure 6 of the CDFT paper). The
    # row `whole` is the full method, trained for the same length.
    **{
        f"cdft_cats_{name}": Row(
            "selfie_cats",
            "cdft.gin",
            cascade_64(STAGES_64, **CATS, **without),
        )
        for name, without in {"whole": {}, **LEFT_OUT}.items()
    },
    # Each of these rows translates one layer alone (Figure 7 of the CDFT
    # paper). The row of the deepest layer is also the first part of the
    # cascade.
    **{
        f"cdft_cats_{tap}": Row(
            "selfie_cats", "cdft.gin", cascade_64((tap,), **CATS)
        )
        for tap in STAGES_64[:2]
    },
    **{
        f"cdft_cats_to_{tap}": Row(
            "selfie_cats", "cdft.gin", cascade_64(STAGES_64, **CATS)
        )
        for tap in STAGES_64[1:]
    },
    "cdft_exaggerated": Row("exaggerated", "cdft.gin", CARICATURES),
    **{
        f"cdft_exaggerated_{name}": Row(
            "exaggerated", "cdft.gin", (*CARICATURES, *of("CDFT", **without))
        )
        for name, without in LEFT_OUT.items()
    },
    # Figure 6 of the paper leaves out losses with the deepest layer alone. The
    # row with all losses is `cdft_exaggerated_stage3`.
    **{
        f"cdft_exaggerated_deepest_{name}": Row(
            "exaggerated",
            "cdft.gin",
            (*CARICATURES, *cascade(("stage3",)), *of("CDFT", **without)),
        )
        for name, without in LEFT_OUT.items()
    },
    **{
        f"cdft_exaggerated_{tap}": Row(
            "exaggerated", "cdft.gin", (*CARICATURES, *cascade((tap,)))
        )
        for tap in ("stage1", "stage2", "stage3")
    },
    "cdft_exaggerated_vgg": Row(
        "exaggerated",
        "cdft.gin",
        cascade(
            VGG_TAPS,
            {"inversion_images": 6000, "images": 20000},
            backbone="'hed-vgg16'",
            width=0.25,
        ),
    ),
    "cyclegan_exaggerated": Row(
        "exaggerated",
        "cyclegan.gin",
        (
            *EXACT,
            *of("CycleGAN", **TWO_BLOCKS),
            *of("single_phase", batch_size=8, images=34000),
        ),
    ),
}
# The measures of each direction that the table shows.
COLUMNS = (
    *("score", "called_b", "r@5", "input_r@5", "labels", "label_turn"),
    "copy_rate",
    "outlines_kept",
    *("map_pixel", "map_class", "map_iou", "map_matched"),
    *("seen_pixel", "seen_class", "seen_iou"),
    *("fd", "swd_32", "swd_16", "acc16", "perceptual", "round_trip"),
    *("returned_r@5", "code_a_distance", "code_labels", "code_r@5"),
    *("hidden", "diversity", "styled_r@5", "styled_seen_pixel"),
)
CHEATS = ("truth", "floor", "copy", "colours", "random")


def prepare(task, work, data_root):
    """Makes a task's data if missing; returns flags for train and evaluate."""
    make, paired = TASKS[task]
    if make is None:
        return [], []
    folder = work / "data" / task
    if not (folder / "complete").exists():
        make(folder, data_root)
        (folder / "complete").touch()
    data = [f"--data_{d}={folder / d}" for d in "ab"]
    judging = ["--paired"] if paired else []
    for domain in "ab":
        for kind in ("labels", "palette", "maps"):
            suffix = "" if kind == "maps" else ".csv"
            table = folder / f"{kind}_{domain}{suffix}"
            if table.exists():
                judging.append(f"--{kind}_{domain}={table}")
    return data, judging


def call(verb, *flags):
    """Runs a command of the package, with its output on the terminal."""
    subprocess.run([sys.executable, "-m", f"tf_i2i.{verb}", *flags], check=True)


def run_row(name, seed, work, data_root, features, cheats):
    """Trains a row, scores it and appends the result to results.jsonl."""
    row = ROWS[name]
    run_dir = work / "runs" / f"{name}_{seed}"
    data, judging = prepare(row.task, work, data_root)
    bindings = (*row.settings, f"train.seed = {seed}")
    began = time.monotonic()
    call(
        "train",
        f"--gin_file={row.gin_file}",
        f"--run_dir={run_dir}",
        *data,
        *(f"--gin_param={binding}" for binding in bindings),
    )
    minutes = (time.monotonic() - began) / 60
    keep(name, row, seed, run_dir, minutes, judging, features, cheats)


def keep(name, row, seed, run_dir, minutes, judging, features, cheats, **more):
    """Scores a trained run and appends the line to results.jsonl.

    Args:
        name: name of the row.
        row: `Row`.
        seed: seed of the run.
        run_dir: run directory.
        minutes: duration of the training, or None.
        judging: flags of the command `evaluate` for the task.
        features: name of the network that computes features.
        cheats: value of the flag `--cheats` of the command `evaluate`.
        more: dictionary of further entries of the line.
    """
    call(
        "evaluate",
        f"--run_dir={run_dir}",
        f"--features={features}",
        f"--cheats={cheats}",
        *judging,
    )
    lines = (run_dir / "metrics.jsonl").read_text("utf-8").splitlines()
    scores = json.loads(lines[-1])
    result = {
        "row": name,
        **row._asdict(),
        "seed": seed,
        "minutes": minutes and round(minutes, 1),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        **scores,
        **more,
    }
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


def table():
    """Returns a table of means and standard deviations over seeds."""
    groups = defaultdict(list)
    for line in RESULTS.read_text("utf-8").splitlines():
        result = json.loads(line)
        of = result["task"], _side(result), result["features"]
        groups[*of, result["row"]].append(result)
    text = ["# Scores of all rows of the lab", ""]
    text += ["Made by `python benchmarks/quality/lab.py table`.", ""]
    for of in sorted({key[:3] for key in groups}):
        text += ["## {}, {} px, by {}".format(*of), ""]
        rows = {k[3]: g for k, g in groups.items() if k[:3] == of}
        for direction in ("a_to_b", "b_to_a"):
            text += [*_lines(direction, rows), ""]
    return "\n".join(text)


def _side(result):
    """Returns the image size of a row; 32 if its settings have none."""
    for setting in result["settings"]:
        name, _, value = setting.partition(" = ")
        if name == "train.image_size":
            return int(value)
    return 32


def _lines(direction, rows):
    """Yields the lines of a direction's table, one for each result."""
    rows = {n: [r for r in rs if direction in r] for n, rs in rows.items()}
    rows = {name: results for name, results in rows.items() if results}
    if not rows:
        return
    models = [r[direction]["model"] for group in rows.values() for r in group]
    known = [
        n for n in COLUMNS if any(value_of(m, n) is not None for m in models)
    ]
    every = [r[direction] for results in rows.values() for r in results]
    yield f"| {direction} | seeds | minutes | {' | '.join(known)} |"
    yield "| --- " * (len(known) + 3) + "|"
    for cheat in CHEATS:
        if cheat in every[0]:
            # The values of a baseline are the same in all results of a task,
            # but some results do not have all measures.
            said = [_any_value(every, cheat, n) for n in known]
            cells = [cell([value]) for value in said]
            yield f"| *{cheat}* | | | {' | '.join(cells)} |"
    for name, results in rows.items():
        scores = [result[direction]["model"] for result in results]
        cells = [cell([value_of(s, n) for s in scores]) for n in known]
        minutes = cell([result["minutes"] for result in results])
        yield f"| {name} | {len(results)} | {minutes} | {' | '.join(cells)} |"


def _any_value(every, cheat, name):
    values = [value_of(scores.get(cheat, {}), name) for scores in every]
    return next((value for value in values if value is not None), None)


def value_of(scores, name):
    """Returns a measure's score, whichever feature network it is for."""
    for full, value in scores.items():
        if full.partition("[")[0] == name:
            return value
    return None


def cell(values):
    values = [value for value in values if value is not None]
    if not values:
        return ""
    text = f"{np.mean(values):.3g}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.2g}"
    return text


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "score", "table", "rows"))
    parser.add_argument("row", nargs="?", choices=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/lab"))
    parser.add_argument("--data_root", type=Path, help="folder of real images")
    parser.add_argument("--features", default="random-conv")
    parser.add_argument(
        "--cheats", default="all", help="value for the flag of evaluate"
    )
    parser.add_argument("--run_dir", type=Path, help="trained run to score")
    parser.add_argument(
        "--minutes", type=float, help="duration of its training"
    )
    args = parser.parse_args()
    if args.what == "rows":
        for name, row in ROWS.items():
            print(f"{name:22} {row.task:12} {', '.join(row.settings)}")
        return
    if args.what == "table":
        (HERE / "TABLE.md").write_text(table() + "\n", encoding="utf-8")
        return
    if args.what == "score":
        _, judging = prepare(ROWS[args.row].task, args.work, args.data_root)
        keep(
            args.row,
            ROWS[args.row],
            args.seed,
            args.run_dir,
            args.minutes,
            judging,
            args.features,
            args.cheats,
        )
        return
    where = args.work, args.data_root
    run_row(args.row, args.seed, *where, args.features, args.cheats)


if __name__ == "__main__":
    main()
