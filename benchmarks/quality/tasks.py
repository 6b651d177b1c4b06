"""Tasks of the lab. Each has two folders of images.

Each folder has the subfolders train/, val/ and test/. The training images of
the two domains show different objects. If a task is paired, test/NAME in A and
test/NAME in B show the same object. Pairs are used for testing only.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_i2i.data import toy_faces
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import is_image
from tf_i2i.data.reading import read_image
from tf_i2i.data.sources import ToyFacesSource

TEST, VAL, TRAIN = 400, 100, 2000
SIDE = 40  # Side in pixels, 32 for training and 8 more for random crops.


class Task(NamedTuple):
    """A benchmark task: two folders of images that `lab.py` trains on.

    Attributes:
        make: function of `(folder, data_root)` that writes the folders `a/`
            and `b/`; None for the toy faces, which need no folders.
        paired: whether test images of A and B that have the same name show
            the same object.
    """

    make: object
    paired: bool


def _save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _portraits(split, domain, side):
    """Returns identities and portraits.

    The test identities of A and B are the same.
    """
    first = {"test": 0, "val": TEST, "train": TEST + 2 * VAL}[split]
    count = {"test": TEST, "val": VAL, "train": TRAIN}[split]
    if split != "test":
        first += count * (domain == "b")
    identities = np.arange(first, first + count)
    return identities, toy_faces.render("a", identities, side)


def constructed(change_a, change_b, fineness=1):
    """Returns a task on portraits whose ground truth is given by a formula.

    Args:
        change_a, change_b: functions that change a portrait into an image of A
            or of B.
        fineness: factor by which portraits are rendered larger than needed.
            They are changed at the larger size and then reduced.
    """

    def make(folder, data_root):
        del data_root
        for domain, change in (("a", change_a), ("b", change_b)):
            for split in ("train", "val", "test"):
                names, images = _portraits(split, domain, fineness * SIDE)
                for name, image in zip(names, images, strict=True):
                    _save(
                        _coarser(change(image), fineness),
                        folder / domain / split / f"{name:06d}.png",
                    )

    return make


def _coarser(image, factor):
    side = len(image) // factor
    blocks = image.reshape(side, factor, side, factor, 3)
    return blocks.mean((1, 3)).round().astype(np.uint8)


def _same(image):
    return image


def _exaggerated(image):
    """Returns a caricature of a portrait.

    It has larger eyes, a larger nose, a wide forehead and a narrow chin. A
    formula gives the source position of each pixel, and the nearest source
    pixel is copied.
    """
    side = len(image)
    middles = (np.arange(side) + 0.5) * 2 / side - 1
    y, x = np.meshgrid(middles, middles, indexing="ij")
    x = x / (1.1 - 0.35 * y)
    # To enlarge the eyes, source positions near them are scaled. The factor is
    # one half at the centre between the eyes.
    share = np.clip(1 - (x / 0.75) ** 2 - ((y + 0.05) / 0.6) ** 2, 0, 1)
    x, y = x * (1 - 0.5 * share), (y + 0.05) * (1 - 0.5 * share) - 0.05
    rows, columns = (
        np.clip((at + 1) * side / 2, 0, side - 1).astype(int) for at in (y, x)
    )
    return image[rows, columns]


def _grey(image):
    grey = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(grey[..., None], 3, axis=2)


def few_toy_faces(train):
    """Returns a task on toy faces with fewer training images."""

    def make(folder, data_root):
        del data_root
        for domain in "ab":
            source = ToyFacesSource(domain, train=train)
            everybody = []
            for split in ("train", "val", "test"):
                people = source.identities(split)
                images = toy_faces.render(domain, people, SIDE)
                for i, image in zip(people, images, strict=True):
                    _save(image, folder / domain / split / f"{i:06d}.png")
                everybody += people.tolist()
            columns = toy_faces.attributes(everybody)
            columns["turn"] = np.sign(columns["turn"]).astype(int)
            with open(
                folder / f"labels_{domain}.csv",
                "w",
                newline="",
                encoding="utf-8",
            ) as file:
                table = csv.writer(file)
                table.writerow(["file", *columns])
                for i, *labels in zip(
                    everybody, *columns.values(), strict=True
                ):
                    table.writerow([f"{i:06d}.png", *labels])

    return make


def digits(source, target):
    """Returns a task on labelled digits of two data sets, without pairs."""

    def make(folder, data_root):
        for domain, collection in (("a", source), ("b", target)):
            arrays = _digits(Path(data_root) / "digits", collection)
            lines = list(_write_digits(arrays, folder / domain))
            table = folder / f"labels_{domain}.csv"
            table.write_text(
                "\n".join(["file,digit", *lines, ""]), encoding="utf-8"
            )

    return make


def _digits(folder, collection):
    """Returns the arrays train_x, train_y, test_x and test_y of a data set."""
    if collection != "svhn":
        with np.load(folder / f"{collection}.npz") as arrays:
            return dict(arrays)
    with np.load(folder / "svhn_labels.npz") as labels:
        found = dict(labels)
    for split in ("train", "test"):
        # The file consists of tiles of 32 px, with fifty tiles in each row.
        mosaic = np.asarray(Image.open(folder / f"svhn_{split}.png"))
        tiles = mosaic.reshape(-1, 32, 50, 32, 3).swapaxes(1, 2)
        found[f"{split}_x"] = tiles.reshape(-1, 32, 32, 3)
    return found


def _write_digits(arrays, folder):
    """Writes the images, and yields their lines for the table of labels."""
    starts = {"train": 0, "val": 2000, "test": 0}
    counts = {"train": 2000, "val": 200, "test": 1000}
    for split, count in counts.items():
        part = "test" if split == "test" else "train"
        # The images are shuffled, because some data sets are sorted by digit.
        order = np.random.default_rng(0).permutation(len(arrays[f"{part}_y"]))
        for i in order[starts[split] : starts[split] + count]:
            digit = Image.fromarray(arrays[f"{part}_x"][i]).convert("RGB")
            name = f"{part}_{i:05d}.png"
            image = np.asarray(digit.resize((SIDE, SIDE)))
            _save(image, folder / split / name)
            yield f"{name},{arrays[f'{part}_y'][i]}"


def photos_and_labels(name):
    """Returns a task on unpaired photos and label maps.

    The data are Facades or Cityscapes. Their file `pairs.csv` says which half
    each training pair belongs to. Images are saved at 64 px, the image size of
    the rows, because resizing them again would mix the colours of label maps.
    The folder `maps_a` has the label maps of the training photos. The
    segmentation network that scores photos is trained on these photos and maps.
    """

    def make(folder, data_root):
        root = Path(data_root) / name
        with open(root / "pairs.csv", newline="", encoding="utf-8") as file:
            pairs = list(csv.DictReader(file))
        palette = (
            (root / "palette.csv").read_text("utf-8").splitlines(keepends=True)
        )
        # The colour of void is left out, because void is not a class.
        palette = [line for line in palette if ",void," not in line]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "palette_b.csv").write_text(
            "".join(palette), encoding="utf-8"
        )
        for domain, kind in (("a", "photo"), ("b", "label")):
            mine = [p for p in pairs if p["unpaired_half"] in (kind, "")]
            stems = [p["stem"] for p in mine if p["split"] == "train"]
            held = len(stems) // 20
            _copy(root / kind, "train", stems[held:], folder / domain / "train")
            _copy(root / kind, "train", stems[:held], folder / domain / "val")
            test = sorted(p.stem for p in (root / kind / "test").iterdir())
            _copy(root / kind, "test", test, folder / domain / "test")
            if kind == "photo":
                maps = folder / "maps_a"
                _copy(root / "label", "train", stems[held:], maps)

    return make


def _copy(source, split, stems, target):
    resample = Image.Resampling.BICUBIC
    if source.name == "label":
        resample = Image.Resampling.NEAREST
    for stem in stems:
        (path,) = (source / split).glob(f"{stem}.*")
        image = fit_image(read_image(path), 64, "stretch", resample)
        _save(image, target / f"{stem}.png")


def collections(source, target, side=SIDE):
    """Returns a task on two folders of images without pairs."""

    def make(folder, data_root):
        for domain, kind in (("a", source), ("b", target)):
            _collect(Path(data_root) / kind, folder / domain, side)

    return make


def _collect(root, folder, side):
    """Copies a folder that has test/, and uses some images as val/."""
    files = sorted(p for p in root.rglob("*") if is_image(p))
    test = [p for p in files if "test" in p.relative_to(root).parts][:TEST]
    rest = [p for p in files if "test" not in p.relative_to(root).parts]
    parts = {"test": test, "val": rest[::20][:VAL]}
    parts["train"] = [p for p in rest if p not in set(parts["val"])]
    for split, paths in parts.items():
        for path in paths:
            image = fit_image(read_image(path), side)
            _save(image, folder / split / f"{path.stem}.png")


def faces_and_avatars(folder, data_root):
    """Writes faces from selfies, and avatars; needs the extra `faces`."""
    for split in ("train", "test"):
        prepare = [sys.executable, "-m", "tf_i2i.prepare_faces", "--size=64"]
        selfies = Path(data_root) / "selfie2anime" / "selfie" / split
        where = [f"--input={selfies}", f"--output={folder / 'faces' / split}"]
        subprocess.run([*prepare, *where], check=True)
    _collect(folder / "faces", folder / "a", 64)
    _collect(Path(data_root) / "avatars" / "avataaars", folder / "b", 64)


def faces_and_drawings(folder, data_root):
    """Writes aligned faces and avatars of 64 px, and their labels."""
    root = Path(data_root) / "synthfaces"
    collections("synthfaces/face", "synthfaces/avatar", 64)(folder, data_root)
    for domain, name in (("a", "face_truth"), ("b", "avatar_labels")):
        shutil.copyfile(root / f"{name}.csv", folder / f"labels_{domain}.csv")


TASKS = {
    "toy": Task(None, paired=True),
    "toy_200": Task(few_toy_faces(200), paired=True),
    "negative": Task(constructed(_same, lambda x: 255 - x), paired=True),
    "permutation": Task(constructed(_same, lambda x: x[..., [1, 2, 0]]), True),
    "colour": Task(constructed(_grey, _same), paired=True),
    "exaggerated": Task(constructed(_same, _exaggerated, 2), paired=True),
    "mnist_usps": Task(digits("mnist", "usps"), paired=False),
    "usps_mnist": Task(digits("usps", "mnist"), paired=False),
    "svhn_mnist": Task(digits("svhn", "mnist"), paired=False),
    "facades": Task(photos_and_labels("facades"), paired=True),
    "cityscapes": Task(photos_and_labels("cityscapes"), paired=True),
    "selfie2anime": Task(
        collections("selfie2anime/selfie", "selfie2anime/anime", side=80),
        paired=False,
    ),
    "synthfaces": Task(faces_and_drawings, paired=False),
    "faces_avatars": Task(faces_and_avatars, paired=False),
    # Images have a side of 80 px, from which crops of 64 px are taken.
    "selfie_cats": Task(
        collections("selfie2anime/selfie", "cats/cat", side=80), paired=False
    ),
}
