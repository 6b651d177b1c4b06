"""Sources that read image files in a folder of one domain or of both."""

from pathlib import Path

from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import Source
from tf_i2i.data.items import file_item
from tf_i2i.data.items import file_state
from tf_i2i.data.items import in_splits
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import list_images
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.paths import user_path

_BOTH = "domains:"
# Names of folders of one split and domain, in lower case.
_FORMS = ("{split}{domain}", "{split}_{domain}", "{split}-{domain}")


class FolderSource:
    """A source of the images in a folder and in all its subfolders.

    If the folder contains a folder `train/`, the folders `train/`, `val/` and
    `test/` are the splits, and images outside these three folders are left out.

    Args:
        path: path of the folder.
        argument: name of the flag or setting, for the error message.

    Raises:
        UserError: the folder does not exist or cannot be read, or has `val/`
            or `test/` but not `train/`.
    """

    def __init__(self, path, argument="folder"):
        self.name = printable(path)
        self.path = _existing(path, argument)
        both = split_folders(self.path)
        for split in SPLITS:
            a, b = (both[domain].get(split) for domain in DOMAINS)
            if a and b:
                raise UserError(
                    f"`{argument}` must be a folder of one domain, such as "
                    f"{printable(self.path / a)}; `--data` takes a folder of "
                    f"both. Received: {self.name}, with {printable(a)} and "
                    f"{printable(b)} in it"
                )
        images, self.notes = list_images(self.path, name=self.name)
        images = [image.relative_to(self.path) for image in images]
        there = [s for s in SPLITS if (self.path / s).is_dir()]
        self._files, notes = in_splits(self.name, images, there)
        self._splits = {split: split for split in there}
        self.notes += notes

    def __len__(self):
        return len(self._files)

    def key(self):
        """Returns the folder and the files' names, sizes and times as text."""
        lines = [f"folder {self.path}"]
        for file in self._files:
            lines.append(f"{file.as_posix()} {file_state(self.path / file)}")
        return "\n".join(lines)

    def items(self, size, fit):
        """Yields an `Item` for each file, read by several threads."""

        def load(file):
            split = self._splits.get(file.parts[0])
            name = file.as_posix()
            return file_item(self.path_of(name), name, split, size, fit)

        return in_threads(load, self._files)

    def path_of(self, name):
        """Returns the path of the file of an image."""
        return self.path / name


class SplitFoldersSource(FolderSource):
    """A source of the images of one domain in a folder of both domains.

    The folder contains `trainA`, `trainB` and perhaps `valA`, `valB`, `testA`
    and `testB`, like the data sets of CycleGAN. The names may also be written
    as `train_a` or `train-A`.

    Args:
        path: path of the folder.
        domain: "a" or "b".
        argument: name of the flag or setting, for the error message.

    Raises:
        UserError: there is no such folder, or it has no training images of one
            of the domains.
    """

    def __init__(self, path, domain, argument="data"):
        self.name = f"{printable(path)} ({domain.upper()})"
        self.path = _existing(path, argument)
        folders = split_folders(self.path)
        if not all("train" in folders[domain] for domain in DOMAINS):
            raise UserError(
                f"`{argument}` must be a folder with trainA/ and trainB/, or "
                f"with A/ and B/. Received: {printable(path)}"
            )
        self._splits = {name: split for split, name in folders[domain].items()}
        self._files, self.notes = [], []
        for name in self._splits:
            images, notes = list_images(
                self.path / name, name=f"{self.name} {printable(name)}"
            )
            self._files += [image.relative_to(self.path) for image in images]
            self.notes += notes


def split_folders(path):
    """Returns the folder of each domain and split in a folder of both domains.

    Args:
        path: path of the folder.

    Returns:
        For each domain a dictionary from the splits that exist to the names of
        their folders, such as {"train": "trainA"}.
    """
    names = {p.name.lower(): p.name for p in path.iterdir() if p.is_dir()}
    found: dict[str, dict[str, str]] = {domain: {} for domain in DOMAINS}
    for domain in DOMAINS:
        for split in SPLITS:
            for form in _FORMS:
                name = form.format(split=split, domain=domain)
                if name in names:
                    found[domain].setdefault(split, names[name])
    return found


def _existing(path, argument):
    folder = Path(user_path(path, argument)).resolve()
    if not folder.is_dir():
        raise UserError(
            f"`{argument}` must be a folder. Received: {printable(path)}"
        )
    return folder


def _locate_both(value):
    folder = value.removeprefix(_BOTH)
    return f"{_BOTH}{_existing(folder, '--data')}"


def _open_both(value, domain):
    root = Path(value.removeprefix(_BOTH))
    names = {p.name.lower(): p for p in _existing(root, "data").iterdir()}
    if {*DOMAINS} <= {*names}:
        return FolderSource(names[domain], "data")
    return SplitFoldersSource(root, domain)


FOLDER = Source(
    form="a folder of images",
    prefix="",
    locate=lambda value: str(Path(value).resolve()),
    open=lambda value, domain: FolderSource(value, f"data_{domain}"),
    help="All images in a folder and below it.",
)
BOTH = Source(
    form="domains:FOLDER",
    prefix=_BOTH,
    locate=_locate_both,
    open=_open_both,
    help="One domain of a folder with trainA/, trainB/, testA/ and testB/, or "
    "with A/ and B/. `--data=FOLDER` sets it for both domains.",
)
