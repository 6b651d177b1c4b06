"""python -m tf_i2i.prepare_faces: crops aligned faces out of photos.

    python -m tf_i2i.prepare_faces --input=raw/ --output=photos/
    python -m tf_i2i.prepare_faces --input=pets/ --output=cats/ --kind=cats \
        --size=128
"""

import contextlib
import csv
import json
import os
import sys
from pathlib import Path
from pathlib import PurePosixPath

from tqdm import tqdm

from tf_i2i import cli
from tf_i2i.data.reading import IMAGE_SUFFIXES
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import read_image
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.faces import align
from tf_i2i.faces import detect
from tf_i2i.faces.paste import BACKGROUNDS
from tf_i2i.faces.paste import replace_background
from tf_i2i.files import check_outputs
from tf_i2i.files import find_inputs
from tf_i2i.files import name_outputs
from tf_i2i.files import save_image

DRAWN = "drawn"
KINDS = (*detect.KINDS, DRAWN)
SIZE = 256
SIZES = (16, 4096)
RECORD = ".prepare_faces.jsonl"  # A name that no reader of images looks at.
LEFT_OUT = "left_out.csv"
NO_FACE = "no face found"


def main(argv):
    """Runs the verb.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, a folder that holds something else, or no
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
        "Finds the face in each photo, turns it upright, brings eyes and "
        "mouth to one place, and cuts it out. Given again, the same command "
        "goes on where it stopped. Images without a face are listed in "
        f"{LEFT_OUT} in the output folder.",
        [
            "python -m tf_i2i.prepare_faces --input=raw/ --output=photos/",
            "python -m tf_i2i.prepare_faces --input=pets/ --output=cats/ "
            "--kind=cats --size=128",
        ],
    )
    add = parser.add_argument
    add(
        "--input",
        required=True,
        nargs="+",
        help="images, folders of images, or quoted patterns",
    )
    add("--output", required=True, help="a folder, new or of this command")
    add(
        "--kind",
        choices=KINDS,
        default="people",
        help="people (default): aligned by eyes and mouth; cats: found, taken "
        "as upright; drawn: nothing is looked for, the centre is cut out",
    )
    add("--size", type=int, default=SIZE, help="of the results, pixels (256)")
    add(
        "--margin",
        type=float,
        help="around the square from hairline to chin, as a fraction of its "
        f"side ({align.MARGIN}); beyond the photo is its blurred mirror image",
    )
    add(
        "--background",
        choices=BACKGROUNDS,
        default="keep",
        help="white or blur: of all outside an oval with a soft rim, where a "
        "head of usual shape would be; the oval follows eyes and mouth, not "
        "the outline of hair",
    )
    add(
        "--all_faces",
        action="store_true",
        help="every face of a photo (me.png, me-2.png, ...), not the largest",
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
                f"`--{name}` must be left out for --kind=drawn, of which the "
                f"centre is cut out. Received: {getattr(flags, name)}"
            )
    flags.margin = 0.0


def _settings(flags):
    names = ("kind", "size", "margin", "background", "all_faces")
    return {name: getattr(flags, name) for name in names}


# What is done already.


class Record:
    """Record of what this and earlier calls made in a folder.

    A file of JSON lines: the settings, then one line for each image that
    has been dealt with. A line is written after its pictures, so that a call
    that is killed leaves at most one image to be done again. An image is
    known by the name of its first picture, and done again where its bytes
    or its time have changed. Pictures that the user removes stay removed.

    Args:
        folder: `--output`.
        settings: dictionary; those of the folder must be the same.
        keys: names of the first pictures, of the images now given.

    Attributes:
        done: key -> line, a dictionary.
        owners: name of a picture, below the folder and case-folded -> key.

    Raises:
        UserError: the folder holds other things, or was made otherwise.
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
        """Reads the whole lines, and returns their size in bytes.

        An incomplete last line, from a call that was stopped, is ignored.
        """
        if not self._path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise UserError(
                    "`--output` must be new, empty, or a folder that this "
                    f"verb made. Received: {self.folder}, with other files"
                )
            return 0
        lines = self._path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        for line in lines[1:]:
            fields = json.loads(line)
            self.done[fields["image"]] = fields
        if lines:
            self._compare(json.loads(lines[0]), settings)
        return sum(map(len, lines))

    def _compare(self, before, settings):
        for name, value in settings.items():
            if before.get(name) != value:
                raise UserError(
                    f"`--{name}` must be as before, or `--output` another "
                    f"folder. Received: {value}; {self.folder} was made with "
                    f"--{name}={before.get(name)}"
                )

    def is_done(self, key, stamp):
        """Whether the record has a line for this key and stamp."""
        return stamp is not None and (
            self.done.get(key, {}).get("stamp") == stamp
        )

    def names(self, key, count):
        """Returns names for the faces of an image, unique in the folder."""
        path, number = PurePosixPath(key), 0
        names: list[str] = []
        while len(names) < count:
            number += 1
            name = key
            if number > 1:
                name = str(path.with_name(f"{path.stem}-{number}.png"))
            if self.owners.setdefault(name.casefold(), key) == key:
                names.append(name)
        return names

    def add(self, key, stamp, faces):
        """Records that an image was processed."""
        self.done[key] = {"image": key, "stamp": stamp, "faces": faces}
        with self._writing(), open(self._path, "ab") as file:
            file.write(_line(self.done[key]))

    def write_left_out(self, rows):
        """Writes (file, reason) to a list, and returns its path."""
        path = self.folder / LEFT_OUT
        with self._writing():
            path.unlink(missing_ok=True)
            if rows:
                with open(
                    path, "w", newline="", errors="surrogateescape"
                ) as file:
                    csv.writer(file).writerows([("file", "reason"), *rows])
        return path

    @contextlib.contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            raise UserError(
                "`--output` must be a folder that can be written. "
                f"Received: {self.folder} ({error.strerror or error})"
            ) from error
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(
                "`--output` must hold a whole record; take another folder. "
                f"Received: {self._path} ({error})"
            ) from error


def _line(fields):
    return json.dumps(fields).encode() + b"\n"


def _stamp(path):
    """Returns a stamp that changes with the file; None without a file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


# Pictures.


def _prepare(flags, keys, record):
    """Processes the images that are not in the record yet.

    Returns:
        How many are done now, and a dictionary path -> `BadImage`.
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
            print(error.left_out, file=sys.stderr)
            continue
        faces = find(photo)[: None if flags.all_faces else 1]
        names = record.names(keys[path], len(faces))
        for face, name in zip(faces, names, strict=True):
            save_image(_picture(photo, face, flags), record.folder / name)
        described = [
            _described(name, face, photo, flags.margin)
            for face, name in zip(faces, names, strict=True)
        ]
        record.add(keys[path], stamps[path], described)
    return len(new) - len(bad), bad


def _finder(kind):
    if kind == DRAWN:
        return lambda photo: [align.central(photo.shape)]
    if kind == "people":
        cli.import_tensorflow()
    return detect.detector(kind)


def _picture(photo, face, flags):
    picture = align.crop(photo, face, flags.size, flags.margin)
    return replace_background(picture, flags.background, flags.margin)


def _described(name, face, photo, margin):
    outside = align.outside(face, photo.shape, margin)
    return {
        "file": name,
        "pixels": round(face.side * (1 + 2 * margin), 1),
        "outside": round(outside, 3),
    }


# The report.


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
            f"{' '.join(flags.input)}, {len(left_out)} left out ({listed})"
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
        print(note, file=sys.stderr)


def _notes(pictures, size):
    """Returns notes for the user on flags that may give better crops."""
    small = sum(2 * face["pixels"] < size for face in pictures)
    if 2 * small > len(pictures):
        yield (
            f"{small} of {len(pictures)} faces were enlarged more than twice; "
            "a smaller --size holds as much"
        )
    beyond = sum(face["outside"] > 0.2 for face in pictures)
    if 2 * beyond > len(pictures):
        yield (
            f"{beyond} of {len(pictures)} faces are close to the borders of "
            "their photos, and a fifth or more of the picture is a mirror "
            "image; a smaller --margin shows less of it"
        )


if __name__ == "__main__":
    cli.run(main)
