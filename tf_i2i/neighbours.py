"""python -m tf_i2i.neighbours: finds the most similar images across domains.

    python -m tf_i2i.neighbours --run_dir=runs/mine --output=alike/
    python -m tf_i2i.neighbours --run_dir=runs/mine --images_a=photos/ \
        --images_b=drawings/ --k=3 --output=alike/

Images are compared by their embeddings in the encoder that both domains
share, as in section 4.4 of the TwinGAN paper (Li 2018, arXiv 1809.00946), or by
the features of another network, as in Figure S17 of the CDFT paper (Katzir et
al. 2019, arXiv 1906.01526).
"""

import csv
import functools
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tf_i2i import cli
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import report_frames
from tf_i2i.data.unpaired import images_at
from tf_i2i.domains import DOMAINS
from tf_i2i.domains import other_domain
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.features import FORMS
from tf_i2i.features import load_features
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
_BATCH = 32  # Number of images that are embedded together.
_BLOCK = 1024  # Number of vectors whose distances are computed together.


# These functions find the nearest vectors.


def nearest(queries, gallery, k, metric="cosine"):
    """Returns the k nearest vectors of a gallery for each query.

    `queries` and `gallery` are read in blocks. Therefore they may be memory
    maps that are larger than the memory.

    Args:
        queries: float32 `[N, D]`.
        gallery: float32 `[M, D]`, M > 0.
        k: number of neighbours of each query. If M is smaller than `k`, M
            neighbours are returned.
        metric: "euclidean", or "cosine" for 1 - cosine of the angle between
            the vectors. The cosine distance is 1 if a vector is zero.

    Returns:
        Indices into the gallery, int64 `[N, k]`, and distances, float64
        `[N, k]`. The nearest vector comes first. Vectors at the same distance
        are in the order of their indices.
    """
    parts = [
        _nearest_of_block(queries[i : i + _BLOCK], gallery, k, metric)
        for i in range(0, len(queries), _BLOCK)
    ]
    indices, distances = (
        np.concatenate(blocks) for blocks in zip(*parts, strict=True)
    )
    return indices, distances


def _nearest_of_block(queries, gallery, k, metric):
    """Returns the results of `nearest` for one block of queries."""
    queries = _to_comparable(queries, metric)
    indices = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0))
    for start in range(0, len(gallery), _BLOCK):
        block = _to_comparable(gallery[start : start + _BLOCK], metric)
        added = np.arange(start, start + len(block))
        added = np.broadcast_to(added, (len(queries), len(block)))
        indices = np.concatenate([indices, added], 1)
        distances = np.concatenate(
            [distances, _distances(queries, block, metric)], 1
        )
        order = distances.argsort(1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, order, 1)
        distances = np.take_along_axis(distances, order, 1)
    return indices, distances


def _to_comparable(vectors, metric):
    """Returns vectors in float64; for the cosine distance, of length 1."""
    vectors = np.asarray(vectors, np.float64)
    return unit(vectors) if metric == "cosine" else vectors


def _distances(x, y, metric):
    """Returns the distances `[N, M]` of vectors `[N, D]` and `[M, D]`."""
    if metric == "cosine":
        return np.clip(1 - x @ y.T, 0, 2)
    return np.sqrt(squared_distances(x, y))


# These classes and functions read images and compute their embeddings.


class Folder:
    """The images of a folder. Each image is read when it is needed.

    Args:
        path: path of the folder.
        flag: name of the flag whose value is `path`, for error messages.
        output: folder of the results. If this folder is inside `path`, the
            images in it are left out.

    Raises:
        UserError: there is no such folder, or no image in it.
    """

    def __init__(self, path, flag, output):
        self.files, notes = list_images(path, results=output)
        for note in notes:
            messages.info(note)
        if not self.files:
            raise UserError(
                f"`--{flag}` must be a folder of images. Received: {path}, "
                "which contains no image"
            )
        self.names = [str(f.relative_to(path)) for f in self.files]

    def prepare(self, run):
        """Makes `load` scale and crop images as the training of a run does."""
        self.size, self.fit = run.phase.size, run.config.fit

    def load(self, i):
        """Returns image i, uint8 `[height, width, 3]`, or a `BadImage`."""
        try:
            return read_fitted(self.files[i], self.size, self.fit)
        except BadImage as error:
            return error


class RunImages:
    """The test images of a domain of the run.

    Args:
        domain: "a" or "b".
    """

    files = ()

    def __init__(self, domain):
        self.domain = domain

    def prepare(self, run):
        """Opens the images of a `TrainedRun`."""
        self.store, self.size = run.data.store(self.domain), run.phase.size
        self.rows = self.store.split("test")
        self.names = [self.store.names[row] for row in self.rows]

    def load(self, i):
        """Returns image i, uint8 `[height, width, 3]`."""
        return images_at(self.store, self.rows[i : i + 1], self.size)[0]


def embed_all(collection, embed, folder):
    """Computes the embeddings of a collection, one batch after the other.

    Only one batch is in memory at a time.

    Args:
        collection: `Folder` or `RunImages`, after its `prepare`.
        embed: function that takes float32 images `[n, height, width, 3]` in
            [-1, 1] and returns embeddings `[n, D]`.
        folder: folder for the temporary file that holds the vectors.

    Returns:
        `(readable, vectors, bad)`: list of the indices of the N images that
        could be read; their embeddings, a memory map, float32 `[N, D]`, or
        None if N = 0; and list of `BadImage`, one for each image that could
        not be read.
    """
    readable: list[int] = []
    bad: list[BadImage] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for indices, images in _batches(collection, bad):
            vectors = np.asarray(embed(to_float(images)), np.float32)
            file.write(vectors.tobytes())
            readable += indices
        file.flush()
        if not readable:
            return [], None, bad
        shape = (len(readable), vectors.shape[1])
        return readable, np.memmap(file, np.float32, "r", shape=shape), bad


def _batches(collection, bad):
    """Yields batches of the images that can be read.

    Args:
        collection: `Folder` or `RunImages`, after its `prepare`.
        bad: list to which a `BadImage` is appended for each image that cannot
            be read.

    Yields:
        `(indices, images)`: list of the images' indices in `collection`, and
        the images, uint8 `[n, height, width, 3]`.
    """
    count = len(collection.names)
    loaded = in_threads(collection.load, range(count))
    indices, images = [], []
    for i, image in enumerate(tqdm(loaded, total=count, disable=None)):
        if isinstance(image, BadImage):
            bad.append(image)
            continue
        indices.append(i)
        images.append(image)
        if len(images) == _BATCH:
            yield indices, np.stack(images)
            indices, images = [], []
    if images:
        yield indices, np.stack(images)


# These functions make the result files.


def write_table(path, found, names):
    """Writes a CSV file of the neighbours of each query, the nearest first.

    Args:
        path: path of the file.
        found: dictionary from the domain of the queries to the result of
            `nearest`, `(indices, distances)`, both `[N, k]`.
        names: dictionary from each domain to the list of its images' names.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for domain, (indices, distances) in found.items():
            for query, *rest in zip(
                names[domain], indices, distances, strict=True
            ):
                for rank, (i, gap) in enumerate(zip(*rest, strict=True), 1):
                    neighbour = names[other_domain(domain)][i]
                    table.writerow(
                        [query, domain, rank, neighbour, f"{gap:.6g}"]
                    )


def picture(queries, neighbours):
    """Returns an image with a row for each query and its neighbours.

    The query is on the left; its neighbours follow, the nearest first.

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


# These functions implement the command.


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no trained run, a run without a shared
            encoder, or no image that can be read.
    """
    flags = _parser().parse_args(argv)
    collections, outputs = _plan(flags)
    cli.import_tensorflow()
    from tf_i2i.runs import load_translator

    run = load_translator(flags.run_dir, flags.trust_config)
    embed = _embedder(run.model, flags.features)
    try:
        Path(flags.output).mkdir(parents=True, exist_ok=True)
        _compare(embed, run, collections, outputs, flags)
    except OSError as error:
        raise UserError(
            "`--output` must be a folder that can be written. "
            f"Received: {flags.output} ({error.strerror or error})"
        ) from error


def _compare(embed, run, collections, outputs, flags):
    """Finds the neighbours of all images, and writes and prints the results."""
    readers, names, vectors = {}, {}, {}
    for domain, collection in collections.items():
        collection.prepare(run)
        readable, vectors[domain], bad = embed_all(
            collection,
            functools.partial(embed, domain=domain),
            flags.output,
        )
        for error in bad:
            messages.warning(error.left_out)
        if not readable:
            raise UserError(
                f"`--images_{domain}` must hold an image that can be read. "
                f"Received: {len(bad)} images, all of them unreadable"
            )
        report_frames(collection.files)
        names[domain] = [printable(collection.names[i]) for i in readable]
        readers[domain] = _reader(collection, readable)
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


def _embedder(model, features):
    """Returns a function `(images, domain)` that computes embeddings.

    Args:
        model: `UnpairedTranslator`, whose encoder is used if `features` is
            None.
        features: name of a network of `tf_i2i.features`, or None.
    """
    if features:
        network = load_features(features)
        return lambda images, domain: network.pooled(images)
    if not isinstance(model, Embedding):
        raise UserError(
            "`--run_dir` must be a run of a method whose domains share an "
            "encoder, unless --features is given. "
            f"Received: a run of {type(model).__name__}"
        )
    return model.embed


def _reader(collection, readable):
    """Returns a function that reads images again.

    Args:
        collection: `Folder` or `RunImages`, after its `prepare`.
        readable: indices of the images that could be read.

    Returns:
        Function that takes positions in `readable` and returns their images,
        uint8 `[n, height, width, 3]`.
    """

    def read(indices):
        images = [collection.load(readable[i]) for i in indices]
        for image in images:
            # The file was readable before. Therefore it must have been removed
            # or changed since then.
            if isinstance(image, BadImage):
                raise image
        return np.stack(images)

    return read


def _parser():
    parser = cli.parser(
        "neighbours",
        "Finds, for every image of one domain, the most similar images of "
        "the other, by the embeddings of the encoder that both share or by "
        "the features of another network.",
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
            type=cli.read_folder,
            metavar="FOLDER",
            help=f"folder of images of domain {domain.upper()} (default: the "
            "run's test images)",
        )
    add(
        "--output",
        type=cli.write_path,
        required=True,
        metavar="FOLDER",
        help=f"folder for the results: {TABLE}, and for each domain a picture "
        "of some of its images with their neighbours",
    )
    add(
        "--k",
        type=int,
        default=5,
        help="number of neighbours of each image (default: 5)",
    )
    add(
        "--count",
        type=int,
        default=20,
        help="number of images in each picture, taken at equal intervals from "
        "all (default: 20)",
    )
    add(
        "--features",
        help="network by which images are compared, in place of the run's "
        f"encoder: {', '.join(FORMS)}. With lpips:, the square of the "
        "euclidean distance is LPIPS",
    )
    add(
        "--metric",
        choices=METRICS,
        default="cosine",
        help="distance of two embeddings (default: cosine)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace existing files; an image that is read is never replaced",
    )
    return parser


def _plan(flags):
    """Checks the flags.

    Returns:
        `(collections, outputs)`. `collections` is a dictionary from each
        domain to its `Folder` or `RunImages`. `outputs` is a dictionary from
        each domain, and from `TABLE`, to the path to write.
    """
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
