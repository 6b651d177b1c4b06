"""What a run has left in its directory."""

import h5py

from tf_i2i.training.checkpoints import Checkpoints


def lines(run_dir):
    """Lines of its log; none where there is no log yet."""
    path = run_dir / "metrics.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def state(run_dir, step=None):
    """Name of a checkpoint, the newest by default, and all arrays in it."""
    paths = Checkpoints(run_dir).paths()
    if step is not None:
        paths = [p for p in paths if p.name.startswith(f"step-{step:09d}.")]
    newest = paths[-1]
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(newest) as file:
        file.visititems(visit)
    return newest.name, arrays
