"""Which pictures a run has seen, and in which order.

The order of a run follows from the positions of the pictures in their store.
If the pictures changed, a resumed run would silently use another order; this
record detects it.
"""

import hashlib
import json

from tf_i2i.data.sources import SPLITS
from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.errors import UserError
from tf_i2i.errors import printable

_NAMED = 3  # Pictures that a message names of each kind of change.


def record(store, before=None):
    """A record by which a domain's pictures are recognized.

    Args:
        store: an open `Store`.
        before: an earlier record; if it is of this very file, the pictures
            are not read again.

    Returns:
        A dictionary for JSON: "store" and "written", the file and its time;
        "counts" by split; "order", a hash of everything; and "pictures",
        name -> hash, in the order of the store.
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
    """How the pictures of two records differ, in words; None if not at all.

    Names and places of files do not matter while the pictures and their
    order are the same.
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
    return ", ".join(told) or "the same pictures in another order or split"


def check(path, stores, resumed, log, write=True):
    """Refuses to resume with other pictures; keeps the record of these.

    Args:
        path: the run's data.json.
        stores: dictionary, domain -> open `Store`.
        resumed: whether the run has shown pictures before.
        log: called with a line where the record is lost.
        write: whether a new record is written.

    Raises:
        UserError: the pictures differ from those that the run began with.
        OSError: the record cannot be written.
    """
    before = _read_record(path) if path.exists() else {}
    if resumed and not before:
        log(
            f"{path} is missing or damaged: taking the pictures as they "
            "are now for those that the run began with"
        )
    now = {d: record(store, before.get(d)) for d, store in stores.items()}
    if resumed and before:
        _refuse_other(path, before, now)
    if write and now != before:
        with writing(path):
            write_whole(path, [json.dumps(now).encode()])


def _refuse_other(path, before, now):
    for domain, pictures in now.items():
        found = difference(before[domain], pictures)
        if found:
            raise UserError(
                f"`data_{domain}` must hold the pictures that the run "
                f"began with. Received: {found}. Put them back; or begin "
                f"a new run from these weights, --init_from={path.parent} "
                "--run_dir=NEW; or, to go on with these all the same, "
                f"remove {path}"
            )


def _read_record(path):
    """The run's data.json; empty where it is damaged."""
    try:
        found = json.loads(path.read_text())
        whole = all(found[d]["order"] and found[d]["pictures"] for d in "ab")
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if whole else {}
