"""A record of the images of a run and of their order.

The order in which a run reads its images is determined by their positions in
the store. If the images were changed, a resumed run would use another order
without any message. A record in the run's folder makes it possible to detect
such a change.
"""

import hashlib
import json

from tf_i2i.data.items import SPLITS
from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.foreign_files import read_json

# Largest size of a record in bytes. The record of a million images has 60 MB.
_MOST_BYTES = 10**9
# The largest number of images that a message names for each kind of change.
_NAMED = 3


def record(store, before=None):
    """Returns a record by which the images of a domain are recognized.

    Args:
        store: an open `Store`.
        before: an earlier record, or None. If the record was made from the
            same unchanged store, it is returned, and the images are not read.

    Returns:
        A dictionary that JSON can represent. "store" and "written" are the
        path and the modification time of the store. "counts" is a dictionary
        of the number of images in each split. "order" is a hash of all images
        and splits. "pictures" is a dictionary of a hash for each image name,
        in the order of the store.
    """
    written = store.path.stat().st_mtime_ns
    entry = {"store": str(store.path), "written": written}
    if before and entry == {key: before.get(key) for key in entry}:
        return before
    hashes = [
        hashlib.sha256(memoryview(image)).hexdigest()[:16]
        for image in store.images
    ]
    order = hashlib.sha256("".join(hashes).encode())
    for split in SPLITS:
        order.update(f"{split} {store.splits[split].tolist()}".encode())
    return {
        **entry,
        "counts": {split: len(store.splits[split]) for split in SPLITS},
        "order": order.hexdigest(),
        "pictures": dict(zip(store.names, hashes, strict=True)),
    }


def difference(before, now):
    """Returns a text on the differences of two records, or None.

    The result is None if the images and their order are the same. Names and
    folders of the image files may differ.
    """
    if before["order"] == now["order"]:
        return None
    old, new = before["pictures"], now["pictures"]
    kinds = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [n for n in new if n in old and old[n] != new[n]],
    }
    told = [
        f"{len(names)} {kind} ({', '.join(map(printable, names[:_NAMED]))}"
        f"{', ...' if len(names) > _NAMED else ''})"
        for kind, names in kinds.items()
        if names
    ]
    return ", ".join(told) or "the same images in another order or split"


def check(path, stores, resumed, log):
    """Compares the images of a run with its record, and writes no file.

    Args:
        path: path of the run's data.json.
        stores: dictionary of an open `Store` for each domain.
        resumed: whether the run has shown images before.
        log: function that is called with a line if the record is missing or
            damaged.

    Returns:
        The record of the present images, a dictionary of the result of
        `record` for each domain.

    Raises:
        UserError: the run is resumed, and its images differ from those that
            it began with.
        OSError: a store cannot be read.
    """
    before = _read_record(path)
    if resumed and not before:
        log(
            f"{path} is missing or damaged. It is assumed that the run began "
            "with the images that are there now"
        )
    now = {d: record(store, before.get(d)) for d, store in stores.items()}
    if resumed and before:
        _refuse_other(path, before, now)
    return now


def check_domains(record, log, may_share=False):
    """Raises an error if two domains have the same images.

    Args:
        record: dictionary that `check` returned.
        log: function that is called with a line if some images are in both
            domains.
        may_share: whether the same images may be in both domains. This makes
            sense if the two domains have different augmentations.

    Raises:
        UserError: at least half of the images of one domain are in the other
            domain too.
    """
    a, b = ({*record[d]["pictures"].values()} for d in DOMAINS)
    shared, fewer = len(a & b), min(len(a), len(b))
    if not shared:
        return
    if 2 * shared >= fewer and not may_share:
        raise UserError(
            "`data_b` must have other images than `data_a`. "
            f"Received: {shared} of {fewer} images are in both"
        )
    log(f"{shared} of {fewer} images are in both domains")


def write(path, record):
    """Writes the record of a run, unless the file has that content already.

    Args:
        path: path of the run's data.json.
        record: dictionary that `check` returned.

    Raises:
        OSError: the file cannot be written.
    """
    if record != _read_record(path):
        with writing(path):
            write_whole(path, [json.dumps(record).encode()])


def _refuse_other(path, before, now):
    for domain, pictures in now.items():
        found = difference(before[domain], pictures)
        if found:
            raise UserError(
                f"`data_{domain}` must have the images that the run began "
                f"with. Received: {found}. Restore the images; or begin a new "
                f"run with these weights by --init_from={path.parent} "
                "--run_dir=NEW; or, to continue with the changed images, "
                f"remove {path}"
            )


def _read_record(path):
    """Returns the content of a data.json, or {} if the file is damaged."""
    try:
        found = read_json(path, _MOST_BYTES)
        whole = all(
            found[d]["order"] and isinstance(found[d]["pictures"], dict)
            for d in "ab"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if whole else {}
