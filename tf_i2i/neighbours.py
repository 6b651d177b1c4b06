"""python -m tf_i2i.neighbours: who, in the other domain, is most alike.

    python -m tf_i2i.neighbours --run_dir=runs/mine --output=alike/
    python -m tf_i2i.neighbours --run_dir=runs/mine --images_a=photos/ \
        --images_b=drawings/ --k=3 --output=alike/

By the embedding of the encoder that both domains share: section 4.4 of the
TwinGAN paper (Li 2018, arXiv 1809.00946).
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tf_i2i import cli
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.data.unpaired import images_at
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import other_domain
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.files import check_outputs
from tf_i2i.files import save_image
from tf_i2i.images import grid
from tf_i2i.images import to_float
from tf_i2i.methods.capabilities import Embedding
from tf_i2i.metrics.embeddings import squared_distances
from tf_i2i.metrics.embeddings import unit
from tf_i2i.report import enlarged
from tf_i2i.report import side_by_side
from tf_i2i.training import settings

METRICS = ("cosine", "euclidean")
TABLE = "neighbours.csv"
HEADER = ("query", "domain", "rank", "neighbour", "distance")
_BATCH = 32
_BLOCK = 1024


# Distances.


def nearest(queries, gallery, k, metric="cosine"):
    """The k nearest vectors of a gallery, for each query.

    Blocks of both are in memory at a time; memory maps are welcome.

    Args:
        queries: float32 `[N, D]`.
        gallery: float32 `[M, D]`, M > 0.
        k: neighbours; M where that is less.
        metric: "cosine" (1 - cosine of the angle, 1 to a vector of zeros)
            or "euclidean".

    Returns:
        Indices into the gallery, int64 `[N, k]`, and distances, float64
        `[N, k]`: nearest first, of equally near ones the first.
    """
    parts = [
        _nearest_of_block(queries[i : i + _BLOCK], gallery, k, metric)
        for i in range(0, len(queries), _BLOCK)
    ]
    indices, gaps = (np.concatenate(some) for some in zip(*parts, strict=True))
    return indices, gaps


def _nearest_of_block(queries, gallery, k, metric):
    queries = _prepared(queries, metric)
    indices = np.empty((len(queries), 0), np.int64)
    gaps = np.empty((len(queries), 0))
    for start in range(0, len(gallery), _BLOCK):
        block = _prepared(gallery[start : start + _BLOCK], metric)
        places = np.arange(start, start + len(block))
        places = np.broadcast_to(places, (len(queries), len(block)))
        indices = np.concatenate([indices, places], 1)
        gaps = np.concatenate([gaps, _gaps(queries, block, metric)], 1)
        order = gaps.argsort(1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, order, 1)
        gaps = np.take_along_axis(gaps, order, 1)
    return indices, gaps


def _prepared(vectors, metric):
    vectors = np.asarray(vectors, np.float64)
    return unit(vectors) if metric == "cosine" else vectors


def _gaps(x, y, metric):
    if metric == "cosine":
        return np.clip(1 - x @ y.T, 0, 2)
    return np.sqrt(squared_distances(x, y))


# Images.


class Folder:
    """The images of a folder, read when they are wanted.

    Args:
        path: the folder.
        flag: that names it, for messages.
        output: where results go; if that is below, earlier ones are left
            out.

    Raises:
        UserError: no such folder, or no image in it.
    """

    def __init__(self, path, flag, output):
        self.files, notes = list_images(path, results=output)
        for note in notes:
            print(note, file=sys.stderr)
        if not self.files:
            raise UserError(
                f"`--{flag}` must be a folder of images. Received: {path}, in "
                "which there is none"
            )
        self.names = [str(f.relative_to(path)) for f in self.files]

    def prepare(self, run):
        self.size, self.fit = run.phase.size, run.config.fit

    def load(self, i):
        """Image i, uint8 `[size, size, 3]`, or the `BadImage`."""
        try:
            return fit_image(read_image(self.files[i]), self.size, self.fit)
        except BadImage as error:
            return error


class RunImages:
    """The test images of a run's own domain.

    Args:
        domain: "a" or "b".
    """

    files = ()

    def __init__(self, domain):
        self.domain = domain

    def prepare(self, run):
        self.store, self.size = run.data.store(self.domain), run.phase.size
        self.rows = self.store.split("test")
        self.names = [self.store.names[row] for row in self.rows]

    def load(self, i):
        return images_at(self.store, self.rows[i : i + 1], self.size)[0]


def embed_all(collection, embed, folder):
    """Embeds a collection, a batch in memory at a time.

    Args:
        collection: `Folder` or `RunImages`, prepared.
        embed: function, float32 `[n, size, size, 3]` in [-1, 1] -> `[n, D]`.
        folder: where the vectors lie meanwhile.

    Returns:
        Places of the images that could be read, a list; their vectors,
        float32 `[N, D]`, a memory map; and a list of `BadImage`.
    """
    places: list[int] = []
    bad: list[BadImage] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for some, images in _batches(collection, bad):
            vectors = np.asarray(embed(to_float(images)), np.float32)
            file.write(vectors.tobytes())
            places += some
        file.flush()
        if not places:
            return [], None, bad
        shape = (len(places), vectors.shape[1])
        return places, np.memmap(file, np.float32, "r", shape=shape), bad


def _batches(collection, bad):
    """(places, uint8 images) of what can be read; the rest goes to `bad`."""
    count = len(collection.names)
    loaded = in_threads(collection.load, range(count))
    places, images = [], []
    for i, image in enumerate(tqdm(loaded, total=count, disable=None)):
        if isinstance(image, BadImage):
            bad.append(image)
            continue
        places.append(i)
        images.append(image)
        if len(images) == _BATCH:
            yield places, np.stack(images)
            places, images = [], []
    if images:
        yield places, np.stack(images)


# What is written.


def write_table(path, found, names):
    """The CSV: for each query its neighbours, nearest first.

    Args:
        path: of the file.
        found: domain of the queries -> (indices, distances), `[N, k]`.
        names: domain -> names.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for domain, (indices, gaps) in found.items():
            for query, *rest in zip(names[domain], indices, gaps, strict=True):
                for rank, (i, gap) in enumerate(zip(*rest, strict=True), 1):
                    neighbour = names[other_domain(domain)][i]
                    table.writerow(
                        [query, domain, rank, neighbour, f"{gap:.6g}"]
                    )


def picture(queries, neighbours):
    """A row for each query: it, and its neighbours to the right.

    Args:
        queries: uint8 `[N, S, S, 3]`.
        neighbours: uint8 `[N, k, S, S, 3]`.

    Returns:
        uint8 `[H, W, 3]`.
    """
    return side_by_side(
        [
            grid([enlarged(query[None]) for query in queries]),
            grid([enlarged(row) for row in neighbours]),
        ]
    )


# The verb.


def main(argv):
    """Runs the verb.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, one without a shared encoder,
            or no image that can be read.
    """
    flags = _parser().parse_args(argv)
    collections, outputs = _plan(flags)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(flags.run_dir, flags.allow_imports)
    model = run.model
    if not isinstance(model, Embedding):
        raise UserError(
            "`--run_dir` must be a run whose domains share an encoder. "
            f"Received: a {type(model).__name__}"
        )
    try:
        Path(flags.output).mkdir(parents=True, exist_ok=True)
        _compare(model, run, collections, outputs, flags)
    except OSError as error:
        raise UserError(
            "`--output` must be a folder that can be written. "
            f"Received: {flags.output} ({error.strerror or error})"
        ) from error


def _compare(model, run, collections, outputs, flags):
    readers, names, vectors = {}, {}, {}
    for domain, collection in collections.items():
        collection.prepare(run)
        places, vectors[domain], bad = embed_all(
            collection, _embedder(model, domain), flags.output
        )
        for error in bad:
            print(error.left_out, file=sys.stderr)
        if not places:
            raise UserError(
                f"`--images_{domain}` must hold an image that can be read. "
                f"Received: {len(bad)} left out"
            )
        names[domain] = [printable(collection.names[i]) for i in places]
        readers[domain] = _reader(collection, places)
    found = {
        domain: nearest(
            vectors[domain],
            vectors[other_domain(domain)],
            flags.k,
            flags.metric,
        )
        for domain in DOMAINS
    }
    write_table(outputs[TABLE], found, names)
    for domain, (indices, _) in found.items():
        count = min(flags.count, len(indices))
        shown = np.linspace(0, len(indices) - 1, count).astype(int)
        queries = readers[domain](shown)
        neighbours = [
            readers[other_domain(domain)](row) for row in indices[shown]
        ]
        save_image(picture(queries, neighbours), outputs[domain])
    print(
        f"Compared {len(names['a'])} images of A with {len(names['b'])} of B "
        f"({flags.metric}): {TABLE} and pictures in {printable(flags.output)}"
    )


def _embedder(model, domain):
    return lambda images: model.embed(images, domain)


def _reader(collection, places):
    """Function, indices -> images, of those that could be read."""

    def read(indices):
        images = [collection.load(places[i]) for i in indices]
        for image in images:
            if isinstance(image, BadImage):  # It was there a moment ago.
                raise image
        return np.stack(images)

    return read


def _parser():
    parser = cli.parser(
        "neighbours",
        "For every image of one domain the most alike of the other, by the "
        "encoder that both share.",
        [
            "python -m tf_i2i.neighbours --run_dir=runs/mine --output=alike/",
            "python -m tf_i2i.neighbours --run_dir=runs/mine "
            "--images_a=photos/ --images_b=drawings/ --k=3 --output=alike/",
        ],
    )
    add = parser.add_argument
    cli.add_run_flags(add)
    for domain in DOMAINS:
        add(
            f"--images_{domain}",
            metavar="FOLDER",
            help=f"images of {domain.upper()} (default: the run's test images)",
        )
    add(
        "--output",
        required=True,
        metavar="FOLDER",
        help=f"for {TABLE} and a picture of each domain's queries",
    )
    add("--k", type=int, default=5, help="neighbours of each (default: 5)")
    add(
        "--count",
        type=int,
        default=20,
        help="queries in each picture, evenly from all (default: 20)",
    )
    add("--metric", choices=METRICS, default="cosine")
    add(
        "--overwrite",
        action="store_true",
        help="replace earlier results; never an image that is read",
    )
    return parser


def _plan(flags):
    """Checks the flags; collections by domain, and paths to be written."""
    cli.check_run_dir(flags.run_dir)
    for name in ("k", "count"):
        if getattr(flags, name) < 1:
            raise UserError(
                f"`--{name}` must be at least 1. "
                f"Received: {getattr(flags, name)}"
            )
    folder = Path(flags.output)
    names = settings.domain_names(flags.run_dir)
    outputs = {
        domain: folder / f"neighbours_of_{name}.png"
        for domain, name in zip(DOMAINS, names, strict=True)
    }
    outputs[TABLE] = folder / TABLE
    collections = {d: _collection(d, flags) for d in DOMAINS}
    read = [file for c in collections.values() for file in c.files]
    check_outputs(outputs.values(), read, flags.overwrite)
    return collections, outputs


def _collection(domain, flags):
    flag = f"images_{domain}"
    if path := getattr(flags, flag):
        return Folder(path, flag, flags.output)
    return RunImages(domain)


if __name__ == "__main__":
    cli.run(main)
