"""python -m tf_i2i.prepare_faces: crops aligned faces out of photos.

    python -m tf_i2i.prepare_faces --input=raw/ --output=photos/
    python -m tf_i2i.prepare_faces --input=pets/ --output=cats/ --kind=cats \
        --size=128
"""

import contextlib
import csv
import json
import os
from pathlib import Path
from pathlib import PurePosixPath

from tqdm import tqdm

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.data.reading import IMAGE_SUFFIXES
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import read_image
from tf_i2i.data.reading import report_frames
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.faces import align
from tf_i2i.faces import detect
from tf_i2i.faces.paste import BACKGROUNDS
from tf_i2i.faces.paste import replace_background
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs
from tf_i2i.files import number_names
from tf_i2i.files import save_image
from tf_i2i.foreign_files import parse_json
from tf_i2i.foreign_files import read_bytes

DRAWN = "drawn"
KINDS = (*detect.KINDS, DRAWN)
SIZE = 256
SIZES = (16, 4096)
# Commands that read a folder of images ignore names that begin with a period.
RECORD = ".prepare_faces.jsonl"
LEFT_OUT = "left_out.csv"
NO_FACE = "no face found"


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, an output folder with other files in it, or no
            face in any image.
    """
    flags = _parser().parse_args(argv)
    _check_flags(flags)
    inputs = find_inputs(flags.input, flags.output)
    targets = name_outputs(inputs, flags.output)
    output = Path(flags.output)
    keys = {
        path: target.relative_to(output).as_posix()
        for path, target in targets.items()
    }
    record = Record(output, _settings(flags), keys.values())
    check_outputs([output / name for name in record.owners], inputs, True)
    done, bad = _prepare(flags, keys, record)
    _report(flags, keys, record, done, bad)


def _parser():
    parser = cli.parser(
        "prepare_faces",
        "Finds the face in each photo, turns it upright, scales it so that "
        "eyes and mouth are at the same positions in all results, and crops "
        "it. If it is interrupted, the same command continues the work. "
        f"Images without a face are listed in {LEFT_OUT} in the output "
        "folder.",
        [
            "python -m tf_i2i.prepare_faces --input=raw/ --output=photos/",
            "python -m tf_i2i.prepare_faces --input=pets/ --output=cats/ "
            "--kind=cats --size=128",
        ],
    )
    add = parser.add_argument
    cli.add_input_flag(add)
    add(
        "--output",
        type=cli.write_path,
        required=True,
        help="folder for the results: a new one, or one that an earlier call "
        "of this command wrote",
    )
    add(
        "--kind",
        choices=KINDS,
        default="people",
        help="kind of images. people: faces are found and aligned by eyes and "
        "mouth; cats: faces are found and cropped without turning them; "
        "drawn: no face is looked for, and the centre is cropped (default: "
        "people)",
    )
    add(
        "--size",
        type=int,
        default=SIZE,
        help=f"side of the results in pixels (default: {SIZE})",
    )
    add(
        "--margin",
        type=float,
        help="margin around the square from hairline to chin, as a fraction "
        f"of the square's side (default: {align.MARGIN}). Where it extends "
        "beyond the photo, it is filled with a blurred mirror image of the "
        "photo",
    )
    add(
        "--background",
        choices=BACKGROUNDS,
        default="keep",
        help="what to do with the background, which is everything outside an "
        "oval with a soft edge: keep, make white, or blur. The oval has the "
        "shape of an average head and is placed by eyes and mouth; it does not "
        "follow the outline of the hair (default: keep)",
    )
    add(
        "--all_faces",
        action="store_true",
        help="crop every face in a photo (me.png, me-2.png, ...), not only "
        "the largest",
    )
    return parser


def _check_flags(flags):
    low, high = SIZES
    if not low <= flags.size <= high:
        raise UserError(
            f"`--size` must be between {low} and {high}. Received: {flags.size}"
        )
    if flags.kind == DRAWN:
        _refuse_for_drawn(flags)
    else:
        flags.margin = align.check_margin(flags.margin)
    output = Path(flags.output)
    if output.suffix.lower() in IMAGE_SUFFIXES or (
        output.exists() and not output.is_dir()
    ):
        raise UserError(
            f"`--output` must be a folder. Received: {flags.output}"
        )
    if flags.kind != DRAWN:
        detect.check_installed(flags.kind)


def _refuse_for_drawn(flags):
    for name, unset in (
        ("margin", None),
        ("background", "keep"),
        ("all_faces", False),
    ):
        if getattr(flags, name) != unset:
            raise UserError(
                f"`--{name}` must be left out for --kind=drawn, which only "
                f"crops the centre. Received: {getattr(flags, name)}"
            )
    flags.margin = 0.0


def _settings(flags):
    names = ("kind", "size", "margin", "background", "all_faces")
    return {name: getattr(flags, name) for name in names}


# This class records which images have been processed.


class Record:
    """Record of the images that were processed into a folder.

    The record is a file of JSON lines. The first line contains the settings;
    each further line describes one processed image. The line of an image is
    written after the image's crops. Therefore at most one image must be
    processed again if the program is killed. The key of an image is the name of
    its first crop. An image is processed again if its size in bytes or its time
    of modification has changed. Crops that the user has removed are not made
    again.

    Args:
        folder: the folder of `--output`, a `Path`.
        settings: settings of this call, a dictionary, which must be equal to
            the settings in the record.
        keys: keys of the images of this call.

    Attributes:
        done: dictionary from the key of each image to its line in the record,
            which is a dictionary.
        owners: dictionary from the path of each crop to the key of the image
            that the crop belongs to. The paths are relative to the folder and
            in lower case.

    Raises:
        UserError: the folder contains other files and no record, or its
            record has other settings.
    """

    def __init__(self, folder, settings, keys):
        self.folder = folder
        self.done: dict[str, dict] = {}
        self._path = folder / RECORD
        with self._writing():
            size = self._load(settings)
            folder.mkdir(parents=True, exist_ok=True)
            if size:
                os.truncate(self._path, size)
            else:
                self._path.write_bytes(_line(settings))
        self.owners = {
            picture["file"].casefold(): key
            for key, line in self.done.items()
            for picture in line["faces"]
        }
        for key in keys:
            self.owners.setdefault(key.casefold(), key)

    def _load(self, settings):
        """Reads the complete lines, and returns their size in bytes.

        The last line may be incomplete, because the program was killed while
        it wrote that line. An incomplete line is ignored.
        """
        if not self._path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise UserError(
                    "`--output` must be a new or empty folder, or one that "
                    f"this command made. Received: {self.folder}, which has "
                    "other files"
                )
            return 0
        lines = read_bytes(self._path).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        for line in lines[1:]:
            fields = parse_json(line)
            self.done[fields["image"]] = fields
        if lines:
            self._compare(parse_json(lines[0]), settings)
        return sum(map(len, lines))

    def _compare(self, before, settings):
        for name, value in settings.items():
            if before.get(name) != value:
                raise UserError(
                    f"`--{name}` must be the same as in the earlier call, or "
                    f"`--output` must be another folder. Received: {value}; "
                    f"{self.folder} was made with --{name}={before.get(name)}"
                )

    def is_done(self, key, stamp):
        """Returns whether an image is in the record and was not changed since.

        Args:
            key: key of the image.
            stamp: result of `_stamp` for the image.
        """
        return stamp is not None and (
            self.done.get(key, {}).get("stamp") == stamp
        )

    def names(self, key, count):
        """Returns unused names for the crops of an image.

        Args:
            key: key of the image.
            count: number of crops of the image.
        """

        def is_free(path):
            return self.owners.setdefault(str(path).casefold(), key) == key

        names = number_names(PurePosixPath(key), count, is_free)
        return [str(name) for name in names]

    def add(self, key, stamp, faces):
        """Writes to the record that an image was processed.

        Args:
            key: key of the image.
            stamp: result of `_stamp` for the image.
            faces: list of descriptions of the image's crops, from
                `_describe`.
        """
        self.done[key] = {"image": key, "stamp": stamp, "faces": faces}
        with self._writing(), open(self._path, "ab") as file:
            file.write(_line(self.done[key]))

    def write_left_out(self, rows):
        """Writes the list of images that were left out.

        Args:
            rows: list of pairs (file, reason). If this list is empty, the list
                of an earlier call is removed.

        Returns:
            Path of the file that contains the list.
        """
        path = self.folder / LEFT_OUT
        with self._writing():
            path.unlink(missing_ok=True)
            if rows:
                with open(
                    path,
                    "w",
                    newline="",
                    errors="surrogateescape",
                    encoding="utf-8",
                ) as file:
                    csv.writer(file).writerows([("file", "reason"), *rows])
        return path

    @contextlib.contextmanager
    def _writing(self):
        """Context manager that turns errors of writing into `UserError`s."""
        try:
            yield
        except OSError as error:
            raise UserError(
                "`--output` must be a folder that can be written. "
                f"Received: {self.folder} ({error.strerror or error})"
            ) from error
        except UserError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "`--output` must have an undamaged record of earlier calls; "
                f"choose another folder. Received: {self._path} ({error})"
            ) from error


def _line(fields):
    return json.dumps(fields).encode() + b"\n"


def _stamp(path):
    """Returns the size and modification time of a file; None if missing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


# These functions detect and crop the faces.


def _prepare(flags, keys, record):
    """Processes the images that are not in the record yet.

    Returns:
        `(done, bad)`: number of images that this call processed; and
        dictionary from the path of each unreadable image to its `BadImage`.
    """
    stamps = {path: _stamp(path) for path in keys}
    new = [p for p in keys if not record.is_done(keys[p], stamps[p])]
    bad: dict[Path, BadImage] = {}
    if not new:
        return 0, bad
    find = _finder(flags.kind)
    for path in tqdm(new, unit="image", disable=None):
        try:
            photo = read_image(path)
        except BadImage as error:
            bad[path] = error
            messages.warning(error.left_out)
            continue
        faces = find(photo)[: None if flags.all_faces else 1]
        names = record.names(keys[path], len(faces))
        for face, name in zip(faces, names, strict=True):
            save_image(_crop(photo, face, flags), record.folder / name)
        descriptions = [
            _describe(name, face, photo, flags.margin)
            for face, name in zip(faces, names, strict=True)
        ]
        record.add(keys[path], stamps[path], descriptions)
    report_frames(path for path in new if path not in bad)
    return len(new) - len(bad), bad


def _finder(kind):
    if kind == DRAWN:
        return lambda photo: [align.central(photo.shape)]
    if kind == "people":
        cli.import_tensorflow()
    return detect.detector(kind)


def _crop(photo, face, flags):
    """Returns the aligned crop of a face, uint8 `[size, size, 3]`."""
    crop = align.crop(photo, face, flags.size, flags.margin)
    return replace_background(crop, flags.background, flags.margin)


def _describe(name, face, photo, margin):
    """Returns the facts about a crop that are written to the record.

    Returns:
        Dictionary with the keys `file`, the name of the crop; `pixels`, its
        side in pixels of the photo; and `outside`, the share of the crop that
        lies outside the photo.
    """
    outside = align.outside(face, photo.shape, margin)
    return {
        "file": name,
        "pixels": round(face.side * (1 + 2 * margin), 1),
        "outside": round(outside, 3),
    }


# These functions write the report.


def _report(flags, keys, record, done, bad):
    left_out = []
    pictures = []
    for path, key in keys.items():
        if path in bad:
            left_out.append((path, bad[path].reason))
        elif faces := record.done[key]["faces"]:
            pictures += faces
        else:
            left_out.append((path, NO_FACE))
    listed = record.write_left_out(left_out)
    if not pictures:
        raise UserError(
            "`--input` must hold an image with a face. Received: "
            f"{' '.join(flags.input)}; {len(left_out)} images were left out "
            f"({listed})"
        )
    before = len(keys) - len(bad) - done
    print(
        f"Prepared {len(pictures)} faces from "
        f"{len(keys) - len(left_out)} of {len(keys)} images in "
        f"{printable(record.folder)}"
        + (f", {before} of the images by earlier calls" if before else "")
    )
    if left_out:
        print(
            f"Left out {len(left_out) - len(bad)} without a face and "
            f"{len(bad)} unreadable: {printable(listed)}"
        )
    for note in _notes(pictures, flags.size):
        messages.info(note)


def _notes(pictures, size):
    """Yields notes for the user on flags that may give better crops.

    Args:
        pictures: list of descriptions of crops, from `_describe`.
        size: side of the crops in pixels.
    """
    small = sum(2 * face["pixels"] < size for face in pictures)
    if 2 * small > len(pictures):
        yield (
            f"{small} of {len(pictures)} faces were enlarged by a factor of "
            "more than 2; a smaller --size would lose no detail of them"
        )
    beyond = sum(face["outside"] > 0.2 for face in pictures)
    if 2 * beyond > len(pictures):
        yield (
            f"{beyond} of {len(pictures)} faces are so close to the borders of "
            "their photos that more than a fifth of the crop is filled with "
            "the mirror image; a smaller --margin reduces that share"
        )


if __name__ == "__main__":
    cli.run(main)
