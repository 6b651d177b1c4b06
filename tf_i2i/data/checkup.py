"""What is wrong with a collection of images, and what to do about it.

`examine` reads a source once and keeps a kilobyte of each image;
`domain_findings` and `pair_findings` judge what it kept.
"""

import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from tf_i2i.data.items import with_bar
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import open_image
from tf_i2i.data.sources import SPLITS
from tf_i2i.data.sources import FolderSource
from tf_i2i.data.store import assign_splits
from tf_i2i.errors import UserError

ERROR, WARNING, NOTE = LEVELS = ("error", "warning", "note")

# Levels are of 255.
SOME = 0.01  # A smaller share of the images is a note, not a warning.
FLAT = 2.0  # Standard deviation, levels.
GREY = 2.0  # Largest less smallest channel, mean over the image, levels.
BLANK = 0.95  # Share of white, or of black, pixels.
SMALL = 0.75  # Times the training size.
OBLONG = 2.0  # Long side to short side.
FEW = 200  # Images to train on.
UNEVEN = 5  # Times as many in one domain.
NEAR = 4.0  # Root mean square difference of thumbnails, levels.
ODD = 3.0  # Times the distance to the mean colour that a tenth exceed.
ODD_LEVELS = 60
CLEAR = 0.5  # Transparent share.
ALIKE = 0.6  # Share that a linear probe puts into the right domain.

_READ = 32  # Pixels.
_THUMBNAIL = 16
_PROBED = 1000  # Images of each domain.
_FEWEST_PROBED = 40
_STATISTICS = np.dtype(
    [
        ("width", "i4"),  # 0 where the source has no files.
        ("height", "i4"),
        ("clear", "f4"),  # Transparent share.
        ("contrast", "f4"),
        ("chroma", "f4"),
        ("white", "f4"),
        ("black", "f4"),
        ("mean", "f4", 3),
        ("thumbnail", "u1", (_THUMBNAIL, _THUMBNAIL, 3)),
    ]
)


@dataclass(frozen=True)
class Finding:
    """Something that the user should know.

    Attributes:
        kind: one word, the same for ever, for scripts.
        where: "a", "b", "ab" for both domains, or "run".
        level: "error" (not usable), "warning" or "note".
        what: what was found, with how many, in words.
        count: how many.
        examples: up to three, as the file system writes them.
        advice: what to do.
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
    """What is kept of the images of a domain, N of them readable.

    Attributes:
        letter: "a" or "b".
        title: the source's name.
        names: N strings.
        rows: structured array `[N]`; sizes, shares in [0, 1], levels in
            [0, 255], thumbnails uint8 `[16, 16, 3]`.
        kinds: N strings, format and mode, e.g. "JPEG RGB".
        digests: N hashes; equal images have equal hashes.
        given: N splits as the source has them, or None.
        splits: split -> ascending positions, as training will use them.
        bad: list of (name, reason).
        notes: lines worth telling.
        problem: why there are no splits, or "".
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
        """The domain in figures, as a dictionary of plain values."""
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
        """[width, height] at a place in the order of the short sides."""
        sides = _short_sides(self)
        known = np.flatnonzero(sides)
        if not len(known):
            return None
        order = known[np.argsort(sides[known], kind="stable")]
        row = self.rows[order[round(share * (len(order) - 1))]]
        return [int(row["width"]), int(row["height"])]


# One pass.


def examine(source, letter, fit="crop"):
    """Reads every image of a source once.

    Args:
        source: see `tf_i2i.data.sources`.
        letter: "a" or "b".
        fit: as in training; what it cuts off is not looked at.

    Returns:
        A `Domain`: about a kilobyte an image, whatever their size.
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
        if isinstance(source, FolderSource):
            kind = _describe_file(source.path / item.name, row)
        names.append(item.name)
        kinds.append(sys.intern(kind))
        # An identity of the toy faces is content, but two pictures.
        seen = item.content.encode() + row["thumbnail"].tobytes()
        digests.append(hashlib.blake2b(seen, digest_size=16).digest())
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
    """Fills in what the file says; returns its format and mode."""
    try:
        with open(path, "rb") as stream, open_image(stream) as image:
            row["width"], row["height"] = image.size
            kind = f"{image.format} {image.mode}"
            # Laid on white it is white: few need to be decoded again.
            if row["white"] >= 0.5 and image.has_transparency_data:
                alpha = np.asarray(image.convert("RGBA").getchannel("A"))
                row["clear"] = 1 - alpha.mean() / 255
    except Exception:  # It was read well; these are but facts about it.
        return "unknown"
    return kind


def describe(image, row):
    """Fills in what the pixels say.

    Args:
        image: uint8 `[32, 32, 3]`.
        row: of a structured array, see `Domain`.
    """
    row["mean"] = image.mean((0, 1))
    row["contrast"] = image.std((0, 1)).max()
    row["chroma"] = np.ptp(image, axis=-1).mean()
    row["white"] = (image.min(-1) >= 250).mean()
    row["black"] = (image.max(-1) <= 5).mean()
    blocks = image.reshape(_THUMBNAIL, 2, _THUMBNAIL, 2, 3)
    row["thumbnail"] = np.rint(blocks.mean((1, 3)))


# One domain.


def domain_findings(domain, image_size, fit="crop", max_bad_fraction=0.01):
    """What is wrong with a domain.

    Args:
        domain: a `Domain`.
        image_size: of the training, pixels.
        fit: of the training.
        max_bad_fraction: share of unreadable files that training allows.

    Returns:
        List of `Finding`, the worst first.
    """
    found = [_unreadable(domain, max_bad_fraction), _too_few(domain)]
    if len(domain):
        found += [
            _flat(domain),
            _blank(domain),
            _small(domain, image_size),
            _oblong(domain) if fit == "crop" else None,
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
    """A finding about some images; None where they are none.

    Args:
        which: boolean `[N]`.
        what: goes on after "12 images ".
        level: by the share of images if None.
    """
    places = np.flatnonzero(which)
    if not len(places):
        return None
    share = len(places) / len(domain)
    level = level or (WARNING if share >= SOME else NOTE)
    names = [domain.names[i] for i in places[:3]]
    return Finding(
        kind,
        domain.letter,
        level,
        f"{_images(len(places))} {what}",
        len(places),
        names,
        advice,
    )


def _images(count):
    return f"{count:,} image{'s' if count > 1 else ''}"


def _unreadable(domain, allowed):
    if not domain.bad:
        return None
    count, total = len(domain.bad), len(domain.bad) + len(domain)
    advice = "Repair or remove them; training leaves them out."
    level = WARNING
    if count > allowed * total:
        level = ERROR
        advice = (
            "Repair or remove them: training refuses to begin with more than "
            f"train.max_bad_fraction = {allowed:g} of the files."
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
        advice = "Name a folder with some hundreds of images, better thousands."
    elif count < FEW:
        level = WARNING
        what = f"there are only {_images(count)} to train on"
        advice = (
            "Find more: a few are learnt by heart; some hundreds are the "
            "least, thousands are better."
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
        "Remove them: there is nothing in them to learn.",
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
        "Look at them, and remove what is empty.",
    )


def _is_blank(domain):
    which = np.zeros(len(domain), bool)
    for shade in ("white", "black"):
        share = domain.rows[shade]
        if np.median(share) < BLANK - 0.15:  # Else it is how they are.
            which |= share >= BLANK
    return which


def _is_empty(domain):
    """Images that are named once, and not for their colour as well."""
    return _is_flat(domain) | _is_blank(domain) | _is_clear(domain)


def _short_sides(domain):
    return np.minimum(domain.rows["width"], domain.rows["height"])


def _aspects(domain):
    long = np.maximum(domain.rows["width"], domain.rows["height"])
    return long / np.maximum(_short_sides(domain), 1)


def _small(domain, image_size):
    sides = _short_sides(domain)
    which = (sides > 0) & (sides < SMALL * image_size)
    advice = "Remove them, or find larger ones: enlarged images are blurred."
    if which.mean() > 0.5:
        fitting = 2 ** int(np.log2(np.median(sides)))
        advice = (
            "The whole domain will be blurred: train at the images' size, "
            f"--gin_param='train.image_size = {fitting}', or find larger ones."
        )
    what = f"much smaller than the training size of {image_size} px"
    return _finding(domain, "small", which, what, advice)


def _oblong(domain):
    return _finding(
        domain,
        "oblong",
        _aspects(domain) > OBLONG,
        f"more than {OBLONG:g} times as long as wide: the central square, "
        "which is used, leaves out most",
        "Crop them to what matters, or set train.fit = 'pad'.",
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
        "Remove them, or give them a domain of their own: translations "
        "would be sometimes grey, sometimes coloured.",
    )


def _clear(domain):
    return _finding(
        domain,
        "transparent",
        _is_clear(domain) & ~_is_flat(domain),
        "more than half transparent",
        "They are laid on white; put them on a background that you want, or "
        "crop them.",
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
        "of a mean colour far from all others",
        "Look at them: do they belong here?",
    )


# Copies.


def _copies(domain):
    """Findings on images that are in a domain more than once."""
    first: dict[bytes, int] = {}
    originals = np.array(
        [first.setdefault(key, i) for i, key in enumerate(domain.digests)]
    )
    places = np.arange(len(domain))
    exact = originals != places
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
            "Remove the copies: what is there twice counts twice.",
        ),
        _pairs_finding(
            domain,
            "near_duplicates",
            alike,
            "nearly like others (re-encoded or resized copies)",
            "Keep one of each, if you can.",
        ),
        _leaks(domain, unique),
    ]


def _pairs_finding(domain, kind, pairs, what, advice, level=None):
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
    """Images for validation or test that are trained on as well."""
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
        "of val/ or test/ like one in train/, exactly or nearly",
        "Remove them from one of the two: measurements would flatter.",
        WARNING if len(pairs) >= SOME * len(held) else level,
    )


def near(thumbnails, others=None):
    """For each thumbnail, another one that is nearly the same.

    The difference of two means, and of two averaged pictures, is never
    larger (root mean square) than that of the pictures themselves: only
    those whose means are close are compared, in 8x8 first, and the nearest
    is confirmed in 16x16. 100,000 photographs take 6 s on two cores.

    Args:
        thumbnails: uint8 `[N, 16, 16, 3]`.
        others: uint8 `[M, 16, 16, 3]`; None to compare the N among
            themselves, each pair from one side only.

    Returns:
        Integers `[N]`: a place in `others`, or -1.
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
    """Whether pictures differ as by coding or resizing, all over a little.

    Another mouth in a drawn face is a larger difference in one place.
    """
    difference = np.abs(one.astype(np.float32) - other)
    mean = np.sqrt((difference**2).mean((1, 2, 3)))
    return (mean <= NEAR) & (difference.max((1, 2, 3)) <= 4 + 6 * mean)


class _Coarse:
    """8x8 pictures in the order of their means.

    Attributes:
        order: places in the given array.
        means: float32 `[N]`, ascending.
        values: float32 `[N, 192]`, with 0 in the middle.
        squares: float32 `[N]`, their sums of squares.
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
    """The nearest of those with a similar mean, and its mean square."""
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


# Two domains.


def pair_findings(a, b):
    """What is wrong with two domains together.

    Args:
        a, b: `Domain`s.

    Returns:
        List of `Finding`, the worst first.
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
    places = np.flatnonzero(partner >= 0)
    if not len(places):
        return None
    half = len(places) >= min(len(a), len(b)) / 2
    advice = "Remove them from one: a picture belongs to one domain."
    if half:
        advice = "Give two folders of different kinds of pictures."
    return Finding(
        "shared",
        "ab",
        ERROR if half else WARNING,
        f"{_images(len(places))} of B like one of A, exactly or nearly",
        len(places),
        [f"{b.names[i]} = {a.names[partner[i]]}" for i in places[:3]],
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
        f"Find more for {few.letter.upper()}: the same few will be shown "
        "again and again.",
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
        "A and B look alike: by their thumbnails a linear probe puts "
        f"{share:.0%} of the images into the right domain, where guessing "
        "would 50%",
        0,
        [],
        "Are they two kinds of pictures? If not, there is nothing to "
        "translate.",
    )


def separability(a, b):
    """How well a line tells two sets of thumbnails apart.

    Ridge regression on the pixels of every other one, the threshold midway
    between the two means.

    Args:
        a, b: uint8 `[N, 16, 16, 3]`; at most 1,000 of each are used.

    Returns:
        Share of the other half that is classified rightly, the mean over the
        two sets: 0.5 is guessing.
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
