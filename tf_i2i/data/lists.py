"""A source of the image files that a text or CSV file lists."""

import csv
from pathlib import Path

from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import Source
from tf_i2i.data.items import file_item
from tf_i2i.data.items import file_state
from tf_i2i.data.items import in_threads
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import open_text
from tf_i2i.paths import expand
from tf_i2i.paths import user_path

_VALUE = r"(?i)\.(txt|csv)(:[^/]*)?$"


class ListSource:
    """A source of the image files that a text or CSV file lists.

    A text file has one path in each line. A CSV file has a header and a column
    of paths. A column `split` may say which images are for "train", "val" and
    "test". Relative paths are relative to the folder of the file. A path that
    is repeated counts once.

    Args:
        spec: path of a .txt or .csv file. `FILE.csv:COLUMN` names the column
            of paths; without it, this is the column `file` or, if there is
            none, the first column.
        argument: name of the flag or setting, for error messages.

    Raises:
        UserError: the file cannot be read, has no such column, or has an
            unknown split.
    """

    notes = ()

    def __init__(self, spec, argument="data"):
        self.name = printable(spec)
        path, column = _parts(spec)
        self.path = Path(user_path(path, argument)).resolve()
        try:
            with open_text(self.path) as file:
                self._splits = (
                    self._rows(list(csv.reader(file)), column, argument)
                    if self.path.suffix.lower() == ".csv"
                    else dict.fromkeys(file.read().splitlines())
                )
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(
                f"`{argument}` must be a text or CSV file in UTF-8 with the "
                f"paths of images. Received: {self.name} ({error})"
            ) from error
        self._splits.pop("", None)

    def _rows(self, rows, column, argument):
        """Returns a dictionary from the paths in a table to their splits."""
        header, *lines = rows or [[]]
        if not column:
            column = "file" if "file" in header else "".join(header[:1])
        if column not in header:
            raise UserError(
                f"`{argument}` must name a column of the file, one of "
                f"{', '.join(header)}. Received: {self.name}"
            )
        place = header.index(column)
        files = {line[place]: line for line in lines if len(line) > place}
        if "split" not in header:
            return dict.fromkeys(files)
        split = header.index("split")
        found = {
            file: "".join(line[split:][:1]) for file, line in files.items()
        }
        for file, value in found.items():
            if value not in SPLITS:
                raise UserError(
                    f"`{argument}` must have train, val or test in the column "
                    f"split. Received: {value!r} for {printable(file)}"
                )
        return found

    def __len__(self):
        return len(self._splits)

    def key(self):
        """Returns the paths, splits, sizes and times of the files as text."""
        lines = [f"list {self.path.parent}"]
        for file, split in self._splits.items():
            lines.append(f"{file} {split} {file_state(self.path_of(file))}")
        return "\n".join(lines)

    def items(self, size, fit):
        """Yields an `Item` for each file, read by several threads."""

        def load(file):
            path, split = self.path_of(file), self._splits[file]
            return file_item(path, file, split, size, fit)

        return in_threads(load, self._splits)

    def path_of(self, name):
        """Returns the path of the file of an image."""
        return self.path.parent / expand(name)


def _parts(spec):
    """Splits FILE[:COLUMN] into a path and the name of a column, or ""."""
    path, colon, column = str(spec).rpartition(":")
    return (path, column) if colon and "/" not in column else (str(spec), "")


def _locate(value):
    path, column = _parts(value)
    file = Path(user_path(path, value)).resolve()
    if not file.is_file():
        raise UserError(
            f"`{printable(value)}` must be an existing text or CSV file. "
            f"Received: {printable(file)}"
        )
    return f"{file}:{column}" if column else str(file)


SOURCE = Source(
    form="FILE.txt, FILE.csv[:COLUMN]",
    prefix="",
    pattern=_VALUE,
    locate=_locate,
    open=lambda value, domain: ListSource(value, f"data_{domain}"),
    help="The image files whose paths are in a text file, one in each line, "
    "or in a column of a CSV file.",
)
