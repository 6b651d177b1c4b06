"""Repeats the tables and figures of the papers, each by one command.

    python benchmarks/quality/papers.py list
    python benchmarks/quality/papers.py show twingan/table2
    python benchmarks/quality/papers.py run cdft/figure6 --data_root=DATA

`list` prints all experiments with the images that they need. `show` prints how
an experiment differs from the paper's, the paper's numbers, and the numbers of
the rows of `lab.py` that were run. `run` trains and scores the rows that are
missing, draws the same test images translated by all rows, and then does what
`show` does. A row that was interrupted is continued.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import lab

IMAGES = 8  # Number of inputs that the grid shows.


class Experiment(NamedTuple):
    """A table or figure of a paper, as rows of the lab.

    Attributes:
        shows: what the paper shows.
        rows: dictionary from names in the paper to names of rows of the lab.
        measures: measures of the lab that are printed.
        differs: how the rows differ from the paper's experiment.
        paper: dictionary from names in the paper to the paper's numbers, a
            text each; empty for figures.
        direction: direction of the translations that the grid shows.
        styles: number of sampled styles in the grid for rows with styles.
    """

    shows: str
    rows: dict
    measures: tuple
    differs: str
    paper: dict = {}
    direction: str = "a_to_b"
    styles: int = 1


SHAPES = ("called_b", "outlines_kept", "r@5", "fd", "copy_rate")
PERSON = ("score", "called_b", "r@5", "swd_32", "swd_16")
MAPS_READ = ("acc16", "map_pixel", "map_class", "map_iou", "map_matched")
PHOTOS_READ = ("seen_pixel", "seen_class", "seen_iou", "diversity")
TOY = (
    "32 px, toy faces, 22,000 images of each domain (TwinGAN) in place of 128 "
    "px, CelebA and Getchu"
)
CITIES = (
    "32 px and at most 88,000 images of each domain in place of 128 px and "
    "595,000 images; images are stretched to squares; translations into photos "
    "are segmented by a small network of the lab in place of FCN-8s or FCN-32s"
)
MAPS_OF_STREETS = (
    "street scenes to label maps at 64 px in place of satellite images to maps "
    "at 256 px, where the paper measures the share of pixels within 16 levels "
    "(acc16)"
)
CARICATURES = (
    "portraits to caricatures of other people (32 px), on EfficientNet-Lite0, "
    "in place of animals (224 px) on VGG-19"
)
FACES = (
    "toy faces of 32 px in place of VGG-Face and CartoonSet of 64 px, for the "
    "length of `xgan.gin`"
)

ANIMALS = {
    "CycleGAN": "cyclegan_selfie_cats",
    "MUNIT": "munit_selfie_cats",
    "CDFT": "cdft_selfie_cats",
}
EXPERIMENTS = {
    "twingan/table1": Experiment(
        "One input translated by CycleGAN, UNIT, MUNIT and TwinGAN",
        {"CycleGAN": "cyclegan", "UNIT": "unit", "MUNIT": "munit"}
        | {"TwinGAN": "twingan"},
        PERSON,
        TOY,
    ),
    "twingan/table2": Experiment(
        "Sliced Wasserstein distances without single parts of TwinGAN",
        {
            "no cycle loss": "no_cycle",
            "no semantic loss": "no_semantic",
            "no UNet": "no_unet",
            "with style embedding": "style",
            "no style embedding": "twingan",
        },
        PERSON,
        f"{TOY}; the distances are at 32 and 16 px, in place of 16 to 128 px",
        {
            "no cycle loss": "38.29 (32 px: 24.03; 16 px: 65.58)",
            "no semantic loss": "18.38 (11.60; 40.15)",
            "no UNet": "35.44 (24.78; 82.89)",
            "with style embedding": "15.16 (10.87; 26.85)",
            "no style embedding": "14.84 (9.21; 29.23)",
        },
    ),
    "twingan/table3": Experiment(
        "Human faces to cats",
        {"TwinGAN": "twingan_selfie_cats"},
        SHAPES,
        "32 px and selfies in place of 256 px and CelebA",
    ),
    "xgan/figure7": Experiment(
        "Only the reconstruction loss and the domain classifier",
        {"rec + dann": "xgan_rec_dann", "all losses": "xgan"},
        PERSON,
        FACES,
    ),
    "xgan/figure8": Experiment(
        "Without the teacher, and without the semantic consistency loss",
        {
            "with teacher": "xgan_teacher",
            "no teacher": "xgan",
            "no semantic loss": "xgan_no_semantic",
        },
        PERSON,
        f"{FACES}; the teacher is EfficientNet-Lite0 in place of FaceNet",
    ),
    "xgan/figure5": Experiment(
        "DTN and XGAN on the same faces",
        {"DTN": "dtn_faces", "XGAN": "xgan_faces_taught"},
        PERSON,
        "selfies and avatars at 64 px in place of VGG-Face and CartoonSet; "
        "needs the face network",
    ),
    "xgan/figure9": Experiment(
        "DTN with a frozen encoder, and with an encoder that is trained",
        {"frozen": "dtn_faces", "trained": "dtn_faces_finetuned"},
        PERSON,
        "selfies and avatars at 64 px in place of VGG-Face and CartoonSet; "
        "needs the face network",
    ),
    "xgan/figure12": Experiment(
        "Reconstruction and a domain classifier of too high weight",
        {"weight .3": "xgan_rec_dann", "weight 10": "xgan_strong_dann"},
        (*PERSON, "code_a_distance"),
        FACES,
    ),
    "xgan/figure13": Experiment(
        "Without the GAN loss",
        {"no GAN loss": "xgan_no_gan", "all losses": "xgan"},
        PERSON,
        FACES,
    ),
    "unit/figure2b": Experiment(
        "Numbers of shared layers, and of the critics' layers",
        {
            "2 shared, critics of 3": "unit_cityscapes",
            **{f"{n} shared": f"unit_shared_{n}" for n in (1, 3, 4)},
            **{f"critics of {n}": f"unit_critic_{n}" for n in (2, 4, 5)},
        },
        MAPS_READ,
        MAPS_OF_STREETS,
    ),
    "unit/figure2c": Experiment(
        "Weights of the likelihood and of the KL divergence",
        {
            "100 and .1": "unit_cityscapes",
            **{f"likelihood {n}": f"unit_likelihood_{n}" for n in (1, 10)},
            **{f"KL {n}": f"unit_kl_{n}" for n in (0.01, 1)},
        },
        MAPS_READ,
        MAPS_OF_STREETS,
    ),
    "unit/figure2d": Experiment(
        "Without weight sharing, and without the cycle loss",
        {
            "UNIT": "unit_cityscapes",
            "no sharing": "unit_no_sharing",
            "no cycle loss": "unit_no_cycle",
        },
        MAPS_READ,
        MAPS_OF_STREETS,
        {"UNIT": ".600", "no sharing": ".569", "no cycle loss": ".568"},
    ),
    "asymgan/table1": Experiment(
        "Segmentation of street photos: accuracy per pixel and per class, IoU",
        {
            "SimGAN": "simgan_cityscapes",
            "CycleGAN": "cyclegan_cityscapes_32",
            "w/o ex": "asymgan_z_map",
            "with ex": "asymgan_all",
        },
        MAPS_READ,
        CITIES,
        {
            "SimGAN": ".47, .11, .07",
            "CycleGAN": ".584, .212, .157",
            "w/o ex": ".749, .276, .216",
            "with ex": ".631, .221, .161",
        },
    ),
    "asymgan/table2": Experiment(
        "Label maps to photos, read by a segmentation network",
        {"CycleGAN": "cyclegan_cityscapes_32", "w/o ex": "asymgan_z_map"}
        | {"with ex": "asymgan_all"},
        PHOTOS_READ,
        CITIES,
        {
            "CycleGAN": ".609, .244, .179 (FCN-32s)",
            "w/o ex": ".743, .304, .229",
            "with ex": ".794, .314, .245",
        },
        direction="b_to_a",
    ),
    "asymgan/figure4": Experiment(
        "Several photos for each label map, with sampled z",
        {"AsymGAN": "asymgan_z_map"},
        PHOTOS_READ,
        CITIES,
        direction="b_to_a",
        styles=5,
    ),
    "asymgan/figure5": Experiment(
        "Variety of the photos of a label map with sampled styles",
        {
            "CycleGAN": "cyclegan_cityscapes_32",
            "CycleGAN with dropout": "cyclegan_dropout",
            "AsymGAN with ex": "asymgan_all",
        },
        PHOTOS_READ,
        f"{CITIES}; the paper uses faces, and also shows DualGAN and AugCGAN",
        direction="b_to_a",
        styles=5,
    ),
    "asymgan/figure8": Experiment(
        "Translations back after a crop, at another size, and with noise "
        "(Figures 8 and 9)",
        {"CycleGAN": "cyclegan_cityscapes_32", "AsymGAN": "asymgan_z_map"},
        (
            "hidden",
            "changed",
            "back_noise_0",
            "back_crop_0.98",
            "back_zoom_1.02",
        ),
        CITIES,
    ),
    "asymgan/figure10": Experiment(
        "Without single extension losses",
        {
            "w/o all": "asymgan_z_norm",
            "w/o adv": "asymgan_no_adversarial",
            "w/o perception": "asymgan_no_perception",
            "w/o TV": "asymgan_no_variation",
            "+all": "asymgan_all",
        },
        PHOTOS_READ,
        f"{CITIES}; the paper uses shoes and faces at 64 px",
        direction="b_to_a",
        styles=2,
    ),
    "asymgan/figure12": Experiment(
        "Three ways in which the generator takes z",
        {
            "map": "asymgan_z_map",
            "concatenated": "asymgan_z_beside",
            "norm": "asymgan_z_norm",
        },
        PHOTOS_READ,
        f"{CITIES}; the paper uses faces",
        direction="b_to_a",
        styles=3,
    ),
    "cdft/table1": Experiment(
        "Fréchet distances of translations between animals",
        ANIMALS,
        SHAPES,
        "selfies and cats at 64 px, on EfficientNet-Lite0, in place of animals "
        "at 224 px on VGG-19; distances of other features than Inception's, so "
        "that only the order can be compared; DRIT is left out",
        {
            "CycleGAN": "cat to dog 125.75, dog to cat 94.27",
            "MUNIT": "159.57, 108.51",
            "CDFT": "67.58, 46.02",
        },
    ),
    "cdft/figure6": Experiment(
        "The deepest layer alone, without single losses",
        {
            "all losses": "cdft_exaggerated_stage3",
            "no cycle": "cdft_exaggerated_deepest_no_cycle",
            "no identity": "cdft_exaggerated_deepest_no_identity",
            "no adversarial": "cdft_exaggerated_deepest_no_adversarial",
        },
        SHAPES,
        CARICATURES,
    ),
    "cdft/figure7": Experiment(
        "Single layers, and the whole cascade",
        {
            "deepest": "cdft_exaggerated_stage3",
            "middle": "cdft_exaggerated_stage2",
            "shallowest": "cdft_exaggerated_stage1",
            "cascade": "cdft_exaggerated",
        },
        SHAPES,
        CARICATURES,
    ),
    "cdft/figure8": Experiment(
        "The same images by CDFT and other methods (Figures 8 and S1 to S14)",
        ANIMALS,
        SHAPES,
        "selfies and cats at 64 px; DRIT is left out",
    ),
}
# These tables have scripts of their own.
OTHERS = {
    "unit/table2": "python benchmarks/quality/digits.py (digits, 28 px)",
    "twingan/table1, asymgan/figure5, cdft/figure8, on the toy faces": "python "
    "benchmarks/quality/methods.py grid toy --minutes=8 --figure=NAME",
    "twingan/figure1": "python -m tf_i2i.neighbours --run_dir=RUN --k=3",
    "asymgan/figure5, last row": "python -m tf_i2i.translate --run_dir=RUN "
    "--direction=b_to_a --style=sample --interpolate=7",
    "xgan/figures 6, 11": "samples/ of a run of XGAN, or python -m "
    "tf_i2i.translate --run_dir=RUN",
    "unit/figures 3 to 6": "python -m tf_i2i.train --gin_file=paper/unit.gin, "
    "with images of these kinds",
    "asymgan/figures 6, 7": "python -m tf_i2i.translate --run_dir=RUN "
    "--direction=b_to_a --style=PHOTO1,PHOTO2 --interpolate=7",
    "cdft/figure9": "python -m tf_i2i.evaluate --run_dir=RUN "
    "--features=keras:VGG19-fc7",
    "cdft/figureS15": "samples/ of a run of CDFT: one column for each layer",
    "cdft/figureS17": "python -m tf_i2i.neighbours --run_dir=RUN "
    "--images_a=TRANSLATIONS --images_b=TARGETS --k=3 --metric=euclidean "
    "--features=lpips:ALEXNET.pth",
}


def results_of(row):
    """Returns the recorded results of a row, the latest of each seed."""
    latest = {}
    for line in lab.RESULTS.read_text("utf-8").splitlines():
        result = json.loads(line)
        if result["row"] == row:
            latest[result["seed"]] = result
    return [latest[seed] for seed in sorted(latest)]


def table(experiment):
    """Returns a Markdown table of the recorded and the published numbers.

    A row that was not run has no recorded numbers.
    """
    head = ["", "seeds", "images", "minutes", *experiment.measures]
    if experiment.paper:
        head.append("in the paper")
    lines = [head, ["---"] * len(head)]
    for name, row in experiment.rows.items():
        results = [r for r in results_of(row) if experiment.direction in r]
        scores = [r[experiment.direction]["model"] for r in results]
        cells = [
            name,
            str(len(results) or "not run"),
            ", ".join(sorted({str(r["images_shown"]) for r in results})),
            lab.cell([r["minutes"] for r in results]),
            *(
                lab.cell([lab.value_of(s, measure) for s in scores])
                for measure in experiment.measures
            ),
        ]
        if experiment.paper:
            cells.append(experiment.paper.get(name, ""))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(name):
    """Returns the description and the table of an experiment."""
    experiment = EXPERIMENTS[name]
    return "\n\n".join(
        [
            f"{name}: {experiment.shows}",
            f"Here: {experiment.differs}.",
            table(experiment),
        ]
    )


def draw(rows, direction, styles, seed, work, path):
    """Draws a grid of the same test images translated by several rows.

    Args:
        rows: dictionary from names in the grid to names of rows of the lab.
        direction: "a_to_b" or "b_to_a".
        styles: number of sampled styles for rows with styles.
        seed: seed of the rows.
        work: folder of the lab.
        path: file to write.

    Returns:
        `path`.
    """
    from tf_i2i.compare import Column
    from tf_i2i.compare import draw_grid
    from tf_i2i.compare import translate_column
    from tf_i2i.domains import ends
    from tf_i2i.files import save_image
    from tf_i2i.runs import load_translator

    source, _ = ends(direction)
    columns, images = [], []
    for label, row in rows.items():
        trained = load_translator(work / "runs" / f"{row}_{seed}")
        if not len(images):
            images = trained.images(source, "test", IMAGES)
            columns.append(Column("input", images))
        columns += translate_column(
            trained, label, direction, images, styles, seed
        )
    side = max(128, *(column.images.shape[1] for column in columns))
    save_image(draw_grid(columns, side), path)
    return path


def run(name, args):
    """Trains and scores the missing rows of an experiment and draws a grid."""
    experiment = EXPERIMENTS[name]
    for row in experiment.rows.values():
        seeds = [result["seed"] for result in results_of(row)]
        there = (args.work / "runs" / f"{row}_{args.seed}").exists()
        if args.seed in seeds and there:
            continue
        lab.run_row(
            row, args.seed, args.work, args.data_root, args.features, "all"
        )
    print(
        draw(
            experiment.rows,
            experiment.direction,
            experiment.styles,
            args.seed,
            args.work,
            args.work / "papers" / f"{name}.png",
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("list", "show", "run"))
    parser.add_argument("name", nargs="?", choices=EXPERIMENTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/lab"))
    parser.add_argument("--data_root", type=Path, help="folder of real images")
    parser.add_argument("--features", default="random-conv")
    args = parser.parse_args()
    if args.what == "list":
        for name, experiment in EXPERIMENTS.items():
            tasks = {lab.ROWS[row].task for row in experiment.rows.values()}
            print(f"{name:25} {', '.join(tasks):13} {experiment.shows}")
        for name, command in OTHERS.items():
            print(f"{name:25} {command}")
        return
    if args.what == "run":
        run(args.name, args)
    print(show(args.name))


if __name__ == "__main__":
    main()
