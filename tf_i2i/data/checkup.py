"""Checks of data sets: faults of the images, and what to do about them.

`examine` reads a source once and keeps about a kilobyte of statistics for each
image. `domain_findings` and `pair_findings` derive findings from the
statistics.
"""

import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from tf_i2i.data.items import SPLITS
from tf_i2i.data.items import with_bar
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import open_image
from tf_i2i.data.store import assign_splits
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import open_regular
from tf_i2i.sizes import height_width
from tf_i2i.sizes import short_side
from tf_i2i.sizes import size_text

ERROR, WARNING, NOTE = LEVELS = ("error", "warning", "note")

# Limits at which findings are reported. Pixel values are in levels from 0 to
# 255.
# If a finding is about a smaller share of the images than this, it is only a
# note.
SOME = 0.01
# An image is flat if the standard deviation of every channel is below this
# number of levels.
FLAT = 2.0
# An image is grey if the difference between the largest and the smallest
# channel of a pixel, averaged over the image, is below this number of levels.
GREY = 2.0
# An image is blank if at least this share of its pixels is white, or at least
# this share is black.
BLANK = 0.95
# An image is small if its short side is below this share of the training size.
SMALL = 0.75
# An image is oblong if its long side is more than this many times its short
# side.
OBLONG = 2.0
# A domain has few images if it has fewer training images than this.
FEW = 200
# Two domains are uneven if one has more than this many times as many images as
# the other.
UNEVEN = 5
# Two images are nearly the same if the root mean square difference of their
# thumbnails is at most this number of levels.
NEAR = 4.0
# An image is odd if the distance between its mean colour and the median of the
# domain's mean colours is larger than ODD_LEVELS, and larger than ODD times the
# 90th percentile of the distances of all images of the domain.
ODD = 3.0
ODD_LEVELS = 60
# An image counts as transparent if more than this share of its area is
# transparent.
CLEAR = 0.5
# Two domains are alike if a linear probe assigns less than this share of their
# images to the right domain.
ALIKE = 0.6

_READ = 32  # Side in pixels to which images are resized when they are read.
_THUMBNAIL = 16  # Side of the thumbnails in pixels.
# Largest number of images per domain that the linear probe uses.
_PROBED = 1000
_FEWEST_PROBED = 40  # The linear probe is omitted if a domain has fewer images.
_STATISTICS = np.dtype(
    [
        # Width of the file's image in pixels; 0 if the source has no files.
        ("width", "i4"),
        ("height", "i4"),
        ("clear", "f4"),  # Share of the image that is transparent.
        # Standard deviation over pixels, the maximum of the three channels, in
        # levels of 0 to 255.
        ("contrast", "f4"),
        # Mean over pixels of the largest minus the smallest channel, in levels.
        ("chroma", "f4"),
        ("white", "f4"),  # Share of white pixels.
        ("black", "f4"),  # Share of black pixels.
        ("mean", "f4", 3),  # Mean colour, in levels.
        ("thumbnail", "u1", (_THUMBNAIL, _THUMBNAIL, 3)),
    ]
)


@dataclass(frozen=True)
class Finding:
    """A fault of the data (or of the run) that the user should know of.

    Attributes:
        kind: one word that identifies the kind of finding; it never changes,
            and scripts can rely on it.
        where: "a", "b", "ab" for both domains, or "run".
        level: "error" (the data cannot be used), "warning" or "note".
        what: description of the finding, including the number of images.
        count: number of images concerned.
        examples: names of up to three of these images, as in the file system.
        advice: sentences that say what the user can do.
    """

    kind: str
    where: str
    level: str
    what: str
    count: int
    examples: list
    advice: str


@dataclass
class Domain:
    """Statistics of the images of a domain, of which N are readable.

    Attributes:
        letter: "a" or "b".
        title: name of the source.
        names: names of the N images.
        rows: structured array `[N]` of statistics: sizes in pixels, shares in
            [0, 1], levels in [0, 255], thumbnails uint8 `[16, 16, 3]`.
        kinds: formats and modes of the N files, such as "JPEG RGB"; "" if the
            source has no files.
        digests: N hashes; equal images have equal hashes.
        given: split of each of the N images in the source, or None.
        splits: dictionary from the name of a split to the ascending indices of
            its images, as in training.
        bad: list of (name, reason) of unreadable files.
        notes: list of messages for the user.
        problem: reason why the images cannot be split, or "".
    """

    letter: str
    title: str
    names: list
    rows: np.ndarray
    kinds: list
    digests: list
    given: list
    splits: dict
    bad: list
    notes: list
    problem: str = ""

    def __len__(self):
        return len(self.names)

    def summary(self):
        """Returns a dictionary of counts and sizes that JSON can represent."""
        sizes = [self._size(share) for share in (0, 0.5, 1)]
        return {
            "source": self.title,
            "images": {s: len(rows) for s, rows in self.splits.items()},
            "unreadable": len(self.bad),
            "kinds": dict(Counter(self.kinds).most_common()),
            "smallest": sizes[0],
            "median": sizes[1],
            "largest": sizes[2],
            "longest_aspect": round(float(_aspects(self).max(initial=1)), 2),
        }

    def _size(self, share):
        """Returns the size of the image whose short side is a given quantile.

        Args:
            share: the quantile, from 0 (smallest image) to 1 (largest image).

        Returns:
            `[width, height]` in pixels; None if no size is known.
        """
        sides = _short_sides(self)
        known = np.flatnonzero(sides)
        if not len(known):
            return None
        order = known[np.argsort(sides[known], kind="stable")]
        row = self.rows[order[round(share * (len(order) - 1))]]
        return [int(row["width"]), int(row["height"])]


# === Reading the images ===


def examine(source, letter, fit="crop"):
    """Reads every image of a source once, and returns statistics of all images.

    Args:
        source: source of the images; see `tf_i2i.data.sources`.
        letter: "a" or "b", the domain.
        fit: how images are fitted to a square; it should be the `fit` of the
            training. Parts that are cropped away are not examined.

    Returns:
        A `Domain`, which takes about a kilobyte per image.
    """
    names: list[str] = []
    kinds, digests, given, contents, bad = [], [], [], [], []
    rows = np.zeros(len(source), _STATISTICS)
    for item in with_bar(source, _READ, fit):
        if isinstance(item.image, BadImage):
            bad.append((item.name, item.image.reason))
            continue
        row = rows[len(names)]
        describe(item.image, row)
        kind = ""
        if hasattr(source, "path_of"):
            kind = _describe_file(source.path_of(item.name), row)
        names.append(item.name)
        kinds.append(sys.intern(kind))
        # A toy face has the same `content` in both domains. The thumbnail is
        # hashed too, so that the photo and the drawing of a face do not count
        # as duplicates.
        hashed = item.content.encode() + row["thumbnail"].tobytes()
        digests.append(hashlib.blake2b(hashed, digest_size=16).digest())
        given.append(item.split)
        contents.append(item.content)
    splits, note, problem = _splits(source.name, given, contents)
    return Domain(
        letter,
        source.name,
        names,
        rows[: len(names)],
        kinds,
        digests,
        given,
        splits,
        bad,
        [*source.notes, *([note] if note else [])],
        problem,
    )


def _splits(name, given, contents):
    try:
        return *assign_splits(name, given, contents), ""
    except UserError as error:
        return {s: [] for s in SPLITS}, None, str(error)


def _describe_file(path, row):
    """Sets a file's size and transparency in `row`; returns format and mode."""
    try:
        with open_regular(path) as stream, open_image(stream) as image:
            row["width"], row["height"] = image.size
            kind = f"{image.format} {image.mode}"
            # Transparent pixels were placed on a white background and are
            # therefore white here. Only images with much white are decoded
            # again.
            if row["white"] >= 0.5 and image.has_transparency_data:
                alpha = np.asarray(image.convert("RGBA").getchannel("A"))
                row["clear"] = 1 - alpha.mean() / 255
    # The pixels of the image were read before without an error. Therefore an
    # error here is no fault of the data.
    except Exception:
        return "unknown"
    return kind


def describe(image, row):
    """Computes the statistics of an image's pixels and writes them into a row.

    Args:
        image: uint8 `[32, 32, 3]`.
        row: row of the structured array of a `Domain`; changed in place.
    """
    row["mean"] = image.mean((0, 1))
    row["contrast"] = image.std((0, 1)).max()
    row["chroma"] = np.ptp(image, axis=-1).mean()
    row["white"] = (image.min(-1) >= 250).mean()
    row["black"] = (image.max(-1) <= 5).mean()
    blocks = image.reshape(_THUMBNAIL, 2, _THUMBNAIL, 2, 3)
    row["thumbnail"] = np.rint(blocks.mean((1, 3)))


# === Findings in one domain ===


def domain_findings(domain, image_size, fit="crop", max_bad_fraction=0.01):
    """Returns the findings about one domain.

    Args:
        domain: a `Domain`.
        image_size: image size of the training; see `tf_i2i.sizes`.
        fit: fit of the training; see `fit_image`.
        max_bad_fraction: largest share of unreadable files that training
            accepts.

    Returns:
        List of `Finding`, the most serious first.
    """
    found = [_unreadable(domain, max_bad_fraction), _too_few(domain)]
    if len(domain):
        found += [
            _flat(domain),
            _blank(domain),
            _small(domain, image_size),
            _oblong(domain, image_size) if fit == "crop" else None,
            _grey(domain),
            _clear(domain),
            _odd(domain),
            *_copies(domain),
        ]
    return _sorted(found)


def _sorted(found):
    findings = [finding for finding in found if finding]
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def _finding(domain, kind, which, what, advice, level=None):
    """Returns a finding about some images, or None if there are none.

    Args:
        domain: the `Domain`.
        kind: see `Finding`.
        which: boolean mask `[N]` of the images.
        what: text that continues a description such as "12 images ...".
        advice: see `Finding`.
        level: see `Finding`; None to choose it by the share of images.
    """
    rows = np.flatnonzero(which)
    if not len(rows):
        return None
    share = len(rows) / len(domain)
    level = level or (WARNING if share >= SOME else NOTE)
    names = [domain.names[i] for i in rows[:3]]
    return Finding(
        kind,
        domain.letter,
        level,
        f"{_images(len(rows))} {what}",
        len(rows),
        names,
        advice,
    )


def _images(count):
    return f"{count:,} image{'s' if count > 1 else ''}"


def _unreadable(domain, allowed):
    if not domain.bad:
        return None
    count, total = len(domain.bad), len(domain.bad) + len(domain)
    advice = "Repair or remove these files. Training leaves them out."
    level = WARNING
    if count > allowed * total:
        level = ERROR
        advice = (
            "Repair or remove these files. Training does not begin if more "
            f"than train.max_bad_fraction = {allowed:g} of the files cannot "
            "be read."
        )
    return Finding(
        "unreadable",
        domain.letter,
        level,
        f"{count:,} of {total:,} files cannot be read",
        count,
        [f"{name}: {reason}" for name, reason in domain.bad[:3]],
        advice,
    )


def _too_few(domain):
    count = len(domain.splits["train"])
    if not len(domain) or domain.problem:
        level, what = ERROR, domain.problem or "there are no images"
        if not len(domain):
            what = "there are no images"
        advice = (
            "Use a folder with at least some hundreds of images. Thousands "
            "are better."
        )
    elif count < FEW:
        level = WARNING
        what = f"there are only {_images(count)} to train on"
        advice = (
            "Find more images, because networks memorize a small number of "
            "images. Some hundreds are the minimum, and thousands are better."
        )
    else:
        return None
    return Finding("few", domain.letter, level, what, count, [], advice)


def _flat(domain):
    return _finding(
        domain,
        "flat",
        _is_flat(domain),
        "of one flat colour",
        "Remove these images, because nothing can be learned from them.",
        WARNING,
    )


def _is_flat(domain):
    return domain.rows["contrast"] < FLAT


def _blank(domain):
    return _finding(
        domain,
        "blank",
        _is_blank(domain) & ~_is_flat(domain) & ~_is_clear(domain),
        "nearly all white or all black",
        "Look at these images, and remove those that are empty.",
    )


def _is_blank(domain):
    which = np.zeros(len(domain), bool)
    for shade in ("white", "black"):
        share = domain.rows[shade]
        # If large parts of most images have this shade, it is typical of the
        # domain and no fault.
        if np.median(share) < BLANK - 0.15:
            which |= share >= BLANK
    return which


def _is_empty(domain):
    """Returns the mask of flat, blank or transparent images.

    The colour checks skip these images, so that each image is reported once.
    """
    return _is_flat(domain) | _is_blank(domain) | _is_clear(domain)


def _short_sides(domain):
    return np.minimum(domain.rows["width"], domain.rows["height"])


def _aspects(domain):
    long = np.maximum(domain.rows["width"], domain.rows["height"])
    return long / np.maximum(_short_sides(domain), 1)


def _small(domain, image_size):
    sides = _short_sides(domain)
    which = (sides > 0) & (sides < SMALL * short_side(image_size))
    advice = (
        "Remove these images, or find larger ones, because enlarged images "
        "are blurred."
    )
    if which.mean() > 0.5:
        fitting = 2 ** int(np.log2(np.median(sides)))
        advice = (
            "Most images of the domain will be blurred. Train at their size, "
            f"--gin_param='train.image_size = {fitting}', or find larger ones."
        )
    what = f"much smaller than the training size of {size_text(image_size)} px"
    return _finding(domain, "small", which, what, advice)


def _oblong(domain, image_size):
    height, width = height_width(image_size)
    rows = domain.rows
    ratios = rows["width"] * height / np.maximum(rows["height"] * width, 1)
    ratios = np.maximum(ratios, 1 / np.maximum(ratios, 1e-9))
    return _finding(
        domain,
        "oblong",
        (rows["height"] > 0) & (ratios > OBLONG),
        f"that are more than {OBLONG:g} times as long, or as wide, as the "
        "training size allows: only the central part is used, which leaves "
        "out most of the image",
        "Crop these images to the important part, or set train.fit = 'pad'.",
    )


def _grey(domain):
    grey = domain.rows["chroma"] < GREY
    few, what = grey, "grey among coloured ones"
    if grey.mean() > 0.5:
        few, what = ~grey, "coloured among grey ones"
    return _finding(
        domain,
        "grey" if few is grey else "coloured",
        few & ~_is_empty(domain),
        what,
        "Remove these images, or use them as a separate domain. Otherwise "
        "some translations would be grey and some coloured.",
    )


def _clear(domain):
    return _finding(
        domain,
        "transparent",
        _is_clear(domain) & ~_is_flat(domain),
        "more than half transparent",
        "Transparent images are placed on a white background. Put them on "
        "the background that you want, or crop them.",
    )


def _is_clear(domain):
    return domain.rows["clear"] > CLEAR


def _odd(domain):
    means = domain.rows["mean"]
    distance = np.linalg.norm(means - np.median(means, axis=0), axis=1)
    limit = max(ODD_LEVELS, ODD * np.quantile(distance, 0.9))
    return _finding(
        domain,
        "odd",
        (distance > limit) & ~_is_empty(domain),
        "with a mean colour far from that of all others",
        "Look at these images, and remove those that do not belong to the "
        "domain.",
    )


# === Copies within a domain ===


def _copies(domain):
    """Returns findings about images that are in a domain more than once."""
    first: dict[bytes, int] = {}
    originals = np.array(
        [first.setdefault(key, i) for i, key in enumerate(domain.digests)]
    )
    exact = originals != np.arange(len(domain))
    pairs = {int(i): int(originals[i]) for i in np.flatnonzero(exact)}
    unique = np.flatnonzero(~exact & ~_is_flat(domain))
    partner = near(domain.rows["thumbnail"][unique])
    alike = {
        int(unique[i]): int(unique[partner[i]])
        for i in np.flatnonzero(partner >= 0)
    }
    return [
        _pairs_finding(
            domain,
            "duplicates",
            pairs,
            "exactly like others",
            "Remove the copies, because an image that occurs twice has twice "
            "the weight in training.",
        ),
        _pairs_finding(
            domain,
            "near_duplicates",
            alike,
            "nearly like others (re-encoded or resized copies)",
            "Keep only one image of each group of copies, if possible.",
        ),
        _leaks(domain, unique),
    ]


def _pairs_finding(domain, kind, pairs, what, advice, level=None):
    """Returns a finding about copies, with pairs of names as examples.

    Args:
        pairs: dictionary from the index of each copy to the index of its
            original.
    """
    which = np.isin(np.arange(len(domain)), list(pairs))
    finding = _finding(domain, kind, which, what, advice, level)
    if not finding:
        return None
    examples = [
        f"{domain.names[i]} = {domain.names[pairs[i]]}"
        for i in sorted(pairs)[:3]
    ]
    return replace(finding, examples=examples)


def _leaks(domain, unique):
    """Returns a finding about images of val/ or test/ that train/ has too."""
    given = np.array([split or "" for split in domain.given])
    training = np.flatnonzero(given == "train")
    held = np.flatnonzero((given != "train") & (given != ""))
    trained_on = {domain.digests[i]: int(i) for i in training}
    pairs = {
        int(i): trained_on[domain.digests[i]]
        for i in held
        if domain.digests[i] in trained_on
    }
    level = WARNING if pairs else NOTE
    rest = np.setdiff1d(np.intersect1d(held, unique), list(pairs))
    training = np.intersect1d(training, unique)
    thumbnails = domain.rows["thumbnail"]
    partner = near(thumbnails[rest], thumbnails[training])
    for i in np.flatnonzero(partner >= 0):
        pairs[int(rest[i])] = int(training[partner[i]])
    return _pairs_finding(
        domain,
        "leak",
        pairs,
        "of val/ or test/ equal, or nearly equal, to one in train/",
        "Remove these images from one of the splits. Otherwise scores will be "
        "too good.",
        WARNING if len(pairs) >= SOME * len(held) else level,
    )


def near(thumbnails, others=None):
    """Returns for each thumbnail the index of a nearly equal thumbnail.

    The root mean square difference of two images is never smaller than the
    difference of their means, nor than the root mean square difference of the
    images averaged down to fewer pixels. Therefore only images with similar
    means are compared, first at 8x8 pixels. The nearest image is then confirmed
    at 16x16 pixels. The comparison takes 6 s for 100,000 photographs on two
    cores.

    Args:
        thumbnails: uint8 `[N, 16, 16, 3]`.
        others: uint8 `[M, 16, 16, 3]`; None to compare the N thumbnails with
            each other. Each pair is then reported for one of its two images
            only.

    Returns:
        Integers `[N]`: index into `others`, or -1 if there is none.
    """
    found = np.full(len(thumbnails), -1)
    within = others is None
    others = thumbnails if within else others
    if not len(thumbnails) or not len(others):
        return found
    mine = _Coarse(thumbnails)
    theirs = mine if within else _Coarse(others)
    for start in range(0, len(thumbnails), 512):
        stop = min(start + 512, len(thumbnails))
        nearest, distance = _nearest(mine, theirs, start, stop, within)
        close = np.flatnonzero(distance <= NEAR**2)
        i = mine.order[start + close]
        j = theirs.order[nearest[close]]
        same = _same(thumbnails[i], others[j])
        found[i[same]] = j[same]
    return found


def _same(one, other):
    """Returns the mask of pairs that are copies of one image.

    Encoding or resizing an image changes all pixels a little. Two drawn faces
    that differ only in the mouth have large differences at a few pixels. They
    are not copies of one image.
    """
    difference = np.abs(one.astype(np.float32) - other)
    mean = np.sqrt((difference**2).mean((1, 2, 3)))
    return (mean <= NEAR) & (difference.max((1, 2, 3)) <= 4 + 6 * mean)


class _Coarse:
    """Thumbnails averaged down to 8x8 pixels, sorted by their means.

    Attributes:
        order: int `[N]`; `order[i]` is the index, in the given array, of the
            i-th sorted image.
        means: float32 `[N]`, ascending.
        values: float32 `[N, 192]`, levels minus 127.5.
        squares: float32 `[N]`, sums of squares of `values`.
    """

    def __init__(self, thumbnails):
        blocks = thumbnails.reshape(-1, 8, 2, 8, 2, 3)
        values = blocks.mean((2, 4), dtype=np.float32).reshape(-1, 192) - 127.5
        means = values.mean(1)
        self.order = np.argsort(means, kind="stable")
        self.means = means[self.order]
        self.values = values[self.order]
        self.squares = (self.values**2).sum(1)


def _nearest(mine, theirs, start, stop, within):
    """Finds for each image the nearest image among images of a similar mean.

    Args:
        mine, theirs: `_Coarse`.
        start, stop: range of images of `mine`.
        within: whether `mine` and `theirs` are the same images. If so, an image
            is compared only with the images before it.

    Returns:
        `(nearest, distance)`, each of the length `stop - start`: indices into
        `theirs`, and mean squared differences from these nearest images.
    """
    low = np.searchsorted(theirs.means, mine.means[start] - NEAR)
    high = np.searchsorted(theirs.means, mine.means[stop - 1] + NEAR, "right")
    if within:
        high = min(high, stop)
    columns = np.arange(start, stop)
    nearest = np.zeros(stop - start, int)
    distance = np.full(stop - start, np.inf, np.float32)
    for first in range(low, high, 4096):
        some = slice(first, min(first + 4096, high))
        squares = theirs.values[some] @ mine.values[start:stop].T
        squares *= -2
        squares += theirs.squares[some, None]
        if within:
            later = np.arange(some.start, some.stop)[:, None] >= columns
            squares[later] = np.inf
        best = squares.argmin(0)
        value = squares[best, columns - start] + mine.squares[start:stop]
        closer = value < distance
        nearest[closer] = best[closer] + first
        distance[closer] = value[closer]
    return nearest, distance / mine.values.shape[1]


# === Findings about two domains ===


def pair_findings(a, b):
    """Returns the findings about two domains together.

    Args:
        a, b: the two `Domain`s.

    Returns:
        List of `Finding`, the most serious first.
    """
    if not len(a) or not len(b):
        return []
    shared = _shared(a, b)
    found = [shared, _uneven(a, b)]
    if not shared or shared.level != ERROR:
        found.append(_not_separable(a, b))
    return _sorted(found)


def _shared(a, b):
    first: dict[bytes, int] = {}
    for i, key in enumerate(a.digests):
        first.setdefault(key, i)
    partner = np.array([first.get(key, -1) for key in b.digests])
    rest = np.flatnonzero((partner < 0) & ~_is_flat(b))
    ours = np.flatnonzero(~_is_flat(a))
    also = near(b.rows["thumbnail"][rest], a.rows["thumbnail"][ours])
    partner[rest[also >= 0]] = ours[also[also >= 0]]
    rows = np.flatnonzero(partner >= 0)
    if not len(rows):
        return None
    half = len(rows) >= min(len(a), len(b)) / 2
    advice = (
        "Remove these images from one of the domains, because an image can "
        "belong to only one domain."
    )
    if half:
        advice = "Use two folders with different kinds of images."
    return Finding(
        "shared",
        "ab",
        ERROR if half else WARNING,
        f"{_images(len(rows))} of B equal, or nearly equal, to one of A",
        len(rows),
        [f"{b.names[i]} = {a.names[partner[i]]}" for i in rows[:3]],
        advice,
    )


def _uneven(a, b):
    few, many = sorted((a, b), key=len)
    if len(many) <= UNEVEN * len(few):
        return None
    return Finding(
        "uneven",
        "ab",
        WARNING,
        f"{many.letter.upper()} has {len(many) / len(few):.0f} times as many "
        f"images as {few.letter.upper()}",
        len(few),
        [],
        f"Find more images for {few.letter.upper()}, because the same few "
        "images will be repeated very often.",
    )


def _not_separable(a, b):
    if min(len(a), len(b)) < _FEWEST_PROBED:
        return None
    share = separability(a.rows["thumbnail"], b.rows["thumbnail"])
    if share >= ALIKE:
        return None
    return Finding(
        "alike",
        "ab",
        WARNING,
        "A and B look alike: a linear probe of the thumbnails assigns only "
        f"{share:.0%} of the images to the right domain, and guessing would "
        "assign 50%",
        0,
        [],
        "Check that A and B are two kinds of images. If they are not, there is "
        "nothing to translate.",
    )


def separability(a, b):
    """Returns the accuracy of a linear classifier of two sets of thumbnails.

    The classifier is a ridge regression that is trained on the pixels of every
    second thumbnail. The threshold of the classifier is midway between the mean
    outputs for the two sets.

    Args:
        a, b: uint8 `[N, 16, 16, 3]`; at most 1,000 of each are used.

    Returns:
        Share of the remaining thumbnails that are classified correctly,
        averaged over the two sets; 0.5 corresponds to guessing.
    """
    a, b = _features(a), _features(b)
    x = np.concatenate([a[::2], b[::2]])
    y = np.repeat([-1.0, 1.0], [len(a[::2]), len(b[::2])])
    middle = (a[::2].mean(0) + b[::2].mean(0)) / 2
    x = x - middle
    gram = x.T @ x
    ridge = 0.01 * np.trace(gram) + 1e-6
    weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y)
    right_a = ((a[1::2] - middle) @ weights < 0).mean()
    right_b = ((b[1::2] - middle) @ weights > 0).mean()
    return float((right_a + right_b) / 2)


def _features(thumbnails):
    step = -(-len(thumbnails) // _PROBED)
    return thumbnails[::step].reshape(-1, _THUMBNAIL**2 * 3) / 255
