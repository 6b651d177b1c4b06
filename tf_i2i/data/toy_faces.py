"""Toy faces, the built-in data set: the same people drawn in two domains.

Domain "a" has lit portraits. Domain "b" has flat cartoons with outlines and
other proportions. Person i has the same attributes in both (see `attributes`).
Light, background, position, clothes and texture are chosen independently for
each domain and person. Therefore it is known which attributes a translation
should keep, and whether it keeps them can be measured, although training uses
no pairs.

The images are drawn with signed distance functions on a grid of twice the
wanted size, and then averaged down. No files are needed, and images can have
any size from 8 pixels on. A person's number always gives the same image, bit
for bit, regardless of which other people are drawn. The coordinates of an image
are [-1, 1] x [-1, 1], with y pointing down. Each head has its own coordinates
(`_Head`), in units of half its height. The features of a face are placed by
their angle around the head, so that they move when the head turns. Portraits
are painted in linear light. Cartoons are painted in sRGB values.
"""

import copy
import functools

import numpy as np

from tf_i2i.errors import UserError

VERSION = 1

ATTRIBUTES = {
    "skin": ("porcelain", "light", "tan", "brown", "dark"),
    "hair_color": ("black", "brown", "blond", "red", "grey", "blue"),
    "hair_style": ("bald", "short", "long", "afro", "bun", "bangs"),
    "glasses": ("none", "glasses"),
    "beard": ("none", "moustache", "beard"),
    "mouth": ("smile", "neutral", "open"),
    "eyes": ("brown", "blue", "green"),
    "face_shape": ("oval", "round", "square", "heart"),
}

_SEED = 20170
_EARS_SHOW = ("bald", "short", "bun")
_STREAMS = {"attributes": 0, "a": 1, "b": 2}
_SMALLEST_TURN = 0.25


def attributes(indices):
    """Returns the attributes of people, which are the same in both domains.

    Args:
        indices: numbers of the people, non-negative integers `[N]`.

    Returns:
        Dictionary with an int32 array `[N]` for each key of `ATTRIBUTES`, which
        contains indices into the names of this attribute; and with "turn",
        float32 `[N]`: how far the head is turned, from -1 (to the left of the
        image) to 1 (to the right). The absolute value of "turn" is at least
        0.25.

    Raises:
        UserError: an index is negative or not an integer.
    """
    rows = [_traits(i) for i in _checked(indices)]
    columns = {
        name: np.array([row[name] for row in rows], np.int32)
        for name in ATTRIBUTES
    }
    columns["turn"] = np.array([row["turn"] for row in rows], np.float32)
    return columns


def render(domain, indices, size):
    """Draws people in one domain.

    Args:
        domain: "a" (portraits) or "b" (cartoons).
        indices: numbers of the people, non-negative integers `[N]`.
        size: side of the images in pixels, at least 8.

    Returns:
        uint8 array `[N, size, size, 3]`, values in [0, 255].

    Raises:
        UserError: `domain` is unknown, `size` is too small, or an index is
            negative.
    """
    if domain not in ("a", "b"):
        raise UserError(
            f'`domain` of the toy faces must be "a" or "b". Received: {domain}'
        )
    if size < 8:
        raise UserError(
            f"`size` of the toy faces must be 8 or more. Received: {size}"
        )
    indices = _checked(indices)
    draw = _portrait if domain == "a" else _cartoon
    images = np.empty((len(indices), size, size, 3), np.uint8)
    for row, index in enumerate(indices):
        canvas = _Canvas(size)
        draw(canvas, _traits(index), _Dice(_STREAMS[domain], index))
        images[row] = canvas.pixels()
    return images


def _checked(indices):
    indices = np.asarray(indices)
    whole = np.issubdtype(indices.dtype, np.integer) or not indices.size
    if indices.ndim != 1 or not whole or (indices < 0).any():
        raise UserError(
            "`indices` of the toy faces must be a list of integers, 0 or "
            f"more. Received: {indices}"
        )
    return [int(i) for i in indices]


def _traits(index):
    dice = _Dice(_STREAMS["attributes"], index)
    traits = {
        name: int(dice.uniform(0, len(names)))
        for name, names in ATTRIBUTES.items()
    }
    # Half of the people have no beard, so that their mouths are fully visible.
    traits["beard"] = dice.among((0, 0, 1, 2))
    side = -1.0 if dice.uniform() < 0.5 else 1.0
    traits["turn"] = side * dice.uniform(_SMALLEST_TURN, 1.0)
    return traits


def _name(traits, attribute):
    return ATTRIBUTES[attribute][traits[attribute]]


# === Random numbers, canvas and shapes ===


class _Dice:
    """A random number generator for one person and one purpose.

    The seeds are the number of the purpose (a value of `_STREAMS`) and the
    number of the person.
    """

    def __init__(self, *seeds):
        self._seeds = seeds
        self._random = np.random.Generator(
            np.random.PCG64([_SEED, *seeds])
        ).random

    def part(self, number):
        """Returns a separate generator for a part that not every person has.

        The random numbers of all other parts then do not depend on whether a
        person has, for example, glasses.

        Args:
            number: number of the part, from 1 upward.
        """
        return _Dice(*self._seeds, number)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * self._random()

    def among(self, choices):
        return choices[int(self.uniform(0, len(choices)))]

    def lattice(self, cells):
        return self._random((cells + 3, cells + 3), np.float32)


@functools.lru_cache(maxsize=8)
def _grid(samples):
    line = (np.arange(samples, dtype=np.float32) + 0.5) * (2 / samples) - 1
    x, y = np.meshgrid(line, line)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


class _Canvas:
    """An image that is being painted, on a grid of twice its size.

    Attributes:
        x, y: coordinates of the samples, float32 `[n, n]`.
        pitch: distance between neighbouring samples.
        rgb: colours, float32 `[3, n, n]`.
    """

    def __init__(self, size):
        samples = 2 * size
        self.x, self.y = _grid(samples)
        self.pitch = 2 / samples
        self.rgb = np.zeros((3, samples, samples), np.float32)

    def paint(self, alpha, color):
        self.rgb += alpha * (color - self.rgb)

    def part(self, rows, columns):
        """Returns a rectangle of the canvas; painting it changes the canvas."""
        part = copy.copy(self)
        for name in ("x", "y"):
            setattr(part, name, getattr(self, name)[rows, columns])
        part.rgb = self.rgb[:, rows, columns]
        return part

    def cover(self, distance, soft=0.0):
        return _cover(distance, max(self.pitch, soft))

    def wave(self, phase, frequency):
        """Returns sin(frequency * phase), fading out at high frequencies.

        The amplitude falls to 0 as the frequency approaches the Nyquist
        frequency of the grid.
        """
        strength = max(0.0, float(np.sinc(frequency * self.pitch / np.pi)))
        return strength * np.sin(frequency * phase)

    def noise(self, dice, cells):
        """Returns smooth noise in [-1, 1] with `cells` cells per side."""
        lattice = dice.lattice(cells) * 2 - 1
        position = (self.x[0] + 1) * (cells / 2)
        cell = position.astype(np.int32)
        blend = position - cell
        blend = blend * blend * (3 - 2 * blend)
        rows = lattice[cell] + blend[:, None] * (
            lattice[cell + 1] - lattice[cell]
        )
        return rows[:, cell] + blend * (rows[:, cell + 1] - rows[:, cell])

    def pixels(self):
        # The mean of each block, in float32. `np.mean` gives the same bits, and
        # takes thirty times as long.
        columns = self.rgb[:, :, 0::2] + self.rgb[:, :, 1::2]
        mean = 0.25 * (columns[:, 0::2] + columns[:, 1::2])
        levels = np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)
        return levels.transpose(1, 2, 0)


def _color(code):
    """Converts "rrggbb" to a colour, float32 `[3, 1, 1]` in [0, 1]."""
    values = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return np.array(values, np.float32)[:, None, None]


def _linear(code):
    return _color(code) ** 2


def _gray(value):
    return np.full((3, 1, 1), value, np.float32)


def _cover(distance, width):
    """Returns the share of each sample that is inside a shape.

    Args:
        distance: signed distance to the shape's edge, negative inside.
        width: width over which the share falls from 1 to 0.
    """
    return np.clip(0.5 - distance / width, 0, 1)


def _both(*distances):
    """Returns the signed distance to the intersection of shapes."""
    return functools.reduce(np.maximum, distances)


def _ellipse(x, y, cx, cy, rx, ry):
    """Returns the signed distance to an ellipse, exact near its edge only."""
    dx, dy = (x - cx) / rx, (y - cy) / ry
    radius = np.sqrt(dx * dx + dy * dy)
    slope = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2)
    return radius * (radius - 1) / (slope + 1e-6)


def _box(x, y, cx, cy, rx, ry, corner=0.0):
    dx = np.abs(x - cx) - (rx - corner)
    dy = np.abs(y - cy) - (ry - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - corner


def _bump(x, y, cx, cy, rx, ry):
    dx, dy = (x - cx) / rx, (y - cy) / ry
    return np.exp(-(dx * dx + dy * dy))


def _step(value, low, high):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class _Head:
    """The coordinates of a head, as arrays over the samples of a canvas.

    Attributes:
        u, v: distances to the right of the head's center and below it, in
            units of half its height.
        p: distance of the visible point of the skin from the nose, measured
            around the head and positive to the right. If the head faces the
            viewer, `p` equals `u` near the nose.
        q: absolute value of `p`.
        s: -1 at the left outline of the face, 1 at the right one.
        edge: signed distance to the outline of the face, negative inside.
        far: side that is turned away from the viewer: -1 (left) or 1.
    """

    def __init__(self, canvas, cx, cy, scale, tilt, yaw, shape, lean):
        width, jaw, square = shape
        dx, dy = (canvas.x - cx) / scale, (canvas.y - cy) / scale
        cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
        self.v = dy * cos - dx * sin
        # When the head turns, the chin moves with the nose, and the back of
        # the head moves the other way.
        self.u = dx * cos + dy * sin - lean * yaw * self.v
        self.yaw, self.far, self.width = yaw, float(np.sign(yaw)), width
        self.pitch = canvas.pitch / scale
        low = np.clip(self.v + 0.1, 0, 1.2)
        self.s = self.u / (width * (1 - jaw * low * low))
        s2, v2 = self.s * self.s, self.v * self.v
        radius = np.sqrt(s2 + v2)
        if square:
            blend = square * np.clip(self.v * 2, 0, 1)
            radius += blend * (np.sqrt(np.sqrt(s2 * s2 + v2 * v2)) - radius)
        self.edge = (radius - 1) * (0.5 + 0.5 * width)
        around = np.arcsin(np.clip(self.s, -1, 1) * 0.93) / 0.93
        self.p = width * (around - yaw)
        self.q = np.abs(self.p)

    def part(self, rows, columns):
        """Returns the coordinates in a rectangle of the canvas."""
        part = copy.copy(self)
        for name in ("u", "v", "p", "q", "s", "edge"):
            setattr(part, name, getattr(self, name)[rows, columns])
        return part

    def at(self, p):
        """Returns the `u` of a point whose `p` is given, at eye height."""
        angle = np.clip((p / self.width + self.yaw) * 0.93, -1.5, 1.5)
        return self.width * float(np.sin(angle)) / 0.93

    def cover(self, distance, soft=0.0):
        return _cover(distance, max(self.pitch, soft))


def _near(head, x, y, center, reach):
    """Returns the rectangle of samples that a small feature may cover.

    A feature is painted in this rectangle only, which gives the same image and
    takes less time.

    Args:
        head: `_Head`.
        x, y: coordinates, as arrays over the samples.
        center: the feature's (x, y).
        reach: largest distances (in x, in y) from the center to the feature's
            edge. A margin for the soft edge, whose width depends on the
            distance between samples, is added here.

    Returns:
        Slices of the rows and of the columns.
    """
    margin = 0.8 * head.pitch
    inside = np.abs(x - center[0]) < reach[0] + margin
    inside &= np.abs(y - center[1]) < reach[1] + margin
    return _span(inside.any(1)), _span(inside.any(0))


def _span(inside):
    """Returns the slice from the first to the last True."""
    found = np.flatnonzero(inside)
    return slice(found[0], found[-1] + 1) if len(found) else slice(0)


# === Domain a: portraits ===

_SKIN_A = ("f2d6c8", "e3b592", "c48f62", "94603f", "583526")
_HAIR_A = ("141216", "553018", "cfa75c", "a3421c", "a3a3a3", "2f5fae")
_EYES_A = ("4a2c18", "4a80b8", "4f8a4a")
_SHAPES_A = (
    (0.71, 0.22, 0.0),
    (0.88, 0.08, 0.0),
    (0.79, 0.02, 1.0),
    (0.85, 0.48, 0.0),
)


def _portrait(canvas, traits, dice):
    head = _Head(
        canvas,
        cx=dice.uniform(-0.07, 0.07) - 0.06 * traits["turn"],
        cy=dice.uniform(-0.06, 0.03),
        scale=dice.uniform(0.58, 0.65),
        tilt=dice.uniform(-0.10, 0.10),
        yaw=0.50 * traits["turn"],
        shape=_SHAPES_A[traits["face_shape"]],
        lean=0.22,
    )
    light = _Light(dice)
    skin = _linear(_SKIN_A[traits["skin"]]) * dice.uniform(0.94, 1.06)
    hair = _linear(_HAIR_A[traits["hair_color"]]) * dice.uniform(0.9, 1.1)
    style = _name(traits, "hair_style")
    locks = dice.part(1)
    strands = _strands(canvas, head, style, locks)

    _backdrop(canvas, dice)
    _hair_behind(canvas, head, style, hair, strands, light)
    _neck_and_clothes(canvas, head, skin, light, dice)
    opening = _opening_a(head, style, locks)
    if style in _EARS_SHOW:
        _ear(canvas, head, skin, light, head.far)
    _skin(canvas, head, skin, light, opening, dice)
    _eyes(canvas, head, _linear(_EYES_A[traits["eyes"]]), skin, dice)
    _mouth(canvas, head, _name(traits, "mouth"), skin)
    _beard(canvas, head, _name(traits, "beard"), hair, strands, light)
    _brows(canvas, head, hair)
    _hair_in_front(canvas, head, style, hair, strands, light, opening)
    if style in _EARS_SHOW:
        _ear(canvas, head, skin, light, -head.far)
    if traits["glasses"]:
        _spectacles(canvas, head, light, dice.part(2))
    _develop(canvas, dice)


class _Light:
    """The light of a portrait: a lamp above and at one side, and soft light."""

    def __init__(self, dice):
        side = dice.among((-1, 1)) * dice.uniform(0.2, 0.75)
        self.toward = np.array([side, -dice.uniform(0.3, 0.6), 0.75])
        self.toward /= np.linalg.norm(self.toward)
        half = self.toward + np.array([0, 0, 1])
        self.half = half / np.linalg.norm(half)
        warm = dice.uniform(-0.05, 0.05)
        self.key = np.array([1 + warm, 1, 1 - warm], np.float32)
        self.key = self.key[:, None, None] * dice.uniform(0.85, 1.0)
        self.fill = dice.uniform(0.26, 0.36)

    def diffuse(self, nx, ny, nz, wrap):
        lx, ly, lz = (float(value) for value in self.toward)
        lit = nx * lx + ny * ly + nz * lz
        return np.maximum(lit + wrap, 0) / (1 + wrap)

    def gloss(self, nx, ny, nz, doublings):
        hx, hy, hz = (float(value) for value in self.half)
        lit = np.maximum(nx * hx + ny * hy + nz * hz, 0)
        for _ in range(doublings):
            lit = lit * lit
        return lit

    def on(self, color, diffuse):
        return color * (self.fill + self.key * diffuse)


def _round(s, t):
    """Returns the normals of a ball, changed so that none points backwards."""
    nz = np.sqrt(np.maximum(1 - 0.9 * (s * s + t * t), 0.04))
    length = np.sqrt(s * s + t * t + nz * nz)
    return s / length, t / length, nz / length


_BACKDROPS = (
    ("8a9099", "3c4048"),
    ("b7a58e", "5d5044"),
    ("7f93a6", "2f3d4c"),
    ("93a08a", "3d4a3a"),
    ("c3b6b0", "7c6a66"),
    ("6b6470", "2b2730"),
    ("a8bcc4", "5f7f8c"),
    ("b08a72", "4d352c"),
)


def _backdrop(canvas, dice):
    x, y = canvas.x, canvas.y
    colors = [_linear(code) for code in dice.among(_BACKDROPS)]
    kind = dice.among(("studio", "bokeh", "room", "garden"))
    angle = dice.uniform(-0.8, 0.8)
    slope = x * float(np.sin(angle)) + y * float(np.cos(angle))
    glow = _bump(x, y, dice.uniform(-0.7, 0.7), -0.3, 1.1, 1.0)
    blend = np.clip(0.5 + 0.35 * slope - 0.4 * glow, 0, 1)
    canvas.rgb += colors[0] + blend * (colors[1] - colors[0])
    if kind == "bokeh":
        for _ in range(7):
            lamp = _linear(dice.among(("ffd9a0", "ffb0a0", "a8d0ff", "fff4d8")))
            radius = dice.uniform(0.10, 0.26)
            spot = np.hypot(x - dice.uniform(-1, 1), y - dice.uniform(-1, 0.6))
            alpha = dice.uniform(0.15, 0.45) * canvas.cover(
                spot - radius, soft=0.06
            )
            canvas.paint(alpha, lamp)
    if kind == "room":
        for _ in range(3):
            tone = _linear(dice.among(dice.among(_BACKDROPS)))
            wide, high = dice.uniform(0.15, 0.45), dice.uniform(0.3, 0.9)
            panel = _box(
                x, y, dice.uniform(-1, 1), dice.uniform(-1, 0.3), wide, high
            )
            canvas.paint(0.7 * canvas.cover(panel, soft=0.14), tone)
    if kind == "garden":
        leaves = canvas.noise(dice, 7) + 0.6 * canvas.noise(dice, 15)
        sky = _step(y + 0.25 * leaves, 0.1, -0.5)
        green = _linear("5d7a3c") * (0.75 + 0.45 * leaves)
        canvas.rgb[:] = green + sky * (_linear("b9d3e6") - green)
    canvas.rgb *= 1 + 0.08 * canvas.noise(dice, 5)


def _strands(canvas, head, style, dice):
    """Returns the texture of the hair, values of about [-1, 1].

    The strands run down from the parting. An afro has curls instead of strands.
    """
    if style == "afro":
        u, v = head.u, head.v
        wobble = 2 * np.sin(7 * v + dice.uniform(0, 6))
        curls = canvas.wave(u + 0.09 * wobble, 24) * canvas.wave(
            v + 0.09 * np.sin(9 * u), 26
        )
        return 0.9 * curls + 0.6 * canvas.noise(dice, 34)
    fan = (head.u + 0.1 * head.yaw) / (head.v + 2.2)
    fan = fan + dice.uniform(0.01, 0.03) * np.sin(
        dice.uniform(3, 5) * head.v + dice.uniform(0, 6)
    )
    texture = np.zeros_like(fan)
    for frequency, weight in ((17, 0.35), (41, 0.45), (87, 0.35)):
        texture += weight * canvas.wave(
            fan + dice.uniform(0, 6), frequency * dice.uniform(0.85, 1.2)
        )
    return texture


def _hair_color(head, hair, strands, light, center, radii, gloss=0.5):
    """Returns the colour of hair with streaks and a band of reflected light.

    The hair is lit like an ellipsoid with the given center and radii.
    """
    s = (head.u - center[0]) / radii[0]
    t = (head.v - center[1]) / radii[1]
    nx, ny, nz = _round(np.clip(s, -1, 1), np.clip(t, -1, 1))
    diffuse = light.diffuse(nx, ny, nz, wrap=0.3)
    band = np.exp(-(((ny + 0.45 + 0.12 * strands) / 0.22) ** 2))
    shine = gloss * band * diffuse * (0.6 + 0.5 * strands)
    streaks = 1 + 0.38 * strands
    body = light.on(hair, diffuse * diffuse * 1.15) * streaks
    return body + np.maximum(shine, 0) * (0.05 + 0.45 * hair) * light.key


def _hair_behind(canvas, head, style, hair, strands, light):
    back = -0.14 * head.yaw
    u, v = head.u, head.v
    if style == "long":
        drape = _box(u, v, back, 0.55, 0.93 + 0.05 * v, 1.25, 0.5)
    elif style == "bangs":
        drape = _box(u, v, back, 0.2, 0.96, 0.74, 0.3)
    elif style == "bun":
        knot = _ellipse(u, v, 2.2 * back, -1.13, 0.36, 0.30)
        color = _hair_color(
            head, hair, strands, light, (2.2 * back, -1.13), (0.38, 0.32)
        )
        canvas.paint(head.cover(knot), color)
        return
    else:
        return
    color = _hair_color(head, hair, strands, light, (back, 0), (1.05, 1.9), 0.2)
    shade = 0.35 + 0.35 * np.clip(np.abs(u - back), 0, 1)
    canvas.paint(head.cover(drape), color * shade)


_CLOTHS = (
    "2c3440",
    "7d2f33",
    "e4e0d8",
    "3d5a45",
    "8a7a64",
    "27405f",
    "b8663d",
    "57506b",
    "202022",
    "94a5b5",
    "c9b3a8",
)


def _neck_and_clothes(canvas, head, skin, light, dice):
    u, v = head.u, head.v
    thick = dice.uniform(0.36, 0.44)
    lean = 0.12 * head.yaw
    column = (u + lean) / (thick + 0.10 * np.clip(v - 1.2, 0, 1) ** 2)
    diffuse = light.diffuse(
        column, 0.15, np.sqrt(np.maximum(1 - column * column, 0.05)), wrap=0.3
    )
    # The chin casts a shadow on the throat.
    under = 1 - 0.62 * np.exp(-np.maximum(head.edge, 0) / 0.22)
    neck = light.on(skin, diffuse) * under
    canvas.paint(head.cover((np.abs(column) - 1) * thick) * (v > 0.4), neck)

    slope = dice.uniform(0.30, 0.48)
    shoulders = 1.16 + slope * u * u - v
    collar = dice.among(("crew", "vee", "shirt"))
    if collar == "crew":
        hole = _ellipse(u, v, -lean, 1.10, 0.52, 0.34)
    else:
        hole = np.abs(u + lean) * 1.1 + (v - 1.12) * 0.7 - 0.42
    body = np.maximum(shoulders, -hole)
    cloth = _linear(dice.among(_CLOTHS))
    bulge = np.clip(u * 0.62, -1, 1)
    diffuse = light.diffuse(
        bulge, -0.3, np.sqrt(np.maximum(1 - bulge * bulge, 0.1)), wrap=0.25
    )
    folds = 1 + 0.16 * canvas.noise(dice, 9) + 0.08 * canvas.noise(dice, 40)
    cast = 1 - 0.35 * np.exp(-np.maximum(head.edge, 0) / 0.15)
    canvas.paint(
        head.cover(body, 0.02), light.on(cloth, diffuse) * folds * cast
    )
    if collar == "shirt":
        fold = np.abs(np.abs(u + lean) - 0.36) - 0.13
        flap = _both(fold, -hole, hole - 0.24)
        pale = cloth + 0.5 * (_gray(0.8) - cloth)
        canvas.paint(head.cover(flap, 0.03), light.on(pale, diffuse) * cast)


def _opening_a(head, style, dice):
    """Returns the signed distance to the skin that hair does not cover.

    This skin is a part of the face and of the throat.
    """
    p, q, v = head.p, head.q, head.v
    part = dice.among((-1, 1)) * dice.uniform(0.1, 0.3)
    if style == "bald":
        return -_ellipse(q, v, 1.10, -0.02, 0.46, 0.34)
    if style == "bangs":
        fringe = -0.30 + 0.06 * np.cos(p * 3) + 0.02 * np.sin(p * 40)
        face = np.maximum(q - 0.66 - 0.04 * v, fringe - v)
    elif style == "long":
        face = _ellipse(p, np.minimum(v, 0.35), 0.4 * part, 0.35, 0.66, 0.98)
    elif style == "afro":
        face = _ellipse(p, np.minimum(v, 0.1), 0, 0.1, 0.80, 0.66)
    elif style == "bun":
        face = _ellipse(p, np.minimum(v, 0.35), 0, 0.35, 0.74, 0.98)
    else:
        sweep = 0.47 * part * p
        face = _ellipse(p, np.minimum(v + sweep, 0.35), 0, 0.35, 0.74, 0.90)
    throat = _box(head.u, v, 0.2 * head.yaw, 1.6, 0.44, 0.9, 0.2)
    # The hair beside the face overlaps the outline of the face. Otherwise the
    # background would be visible between the two.
    return np.minimum(np.maximum(face, head.edge + 0.04), throat)


def _skin(canvas, head, skin, light, opening, dice):
    v, p, q = head.v, head.p, head.q
    tip = p - 0.24 * head.yaw
    relief = (
        0.10 * _bump(tip + 0.10 * head.yaw, v, 0, 0.12, 0.09, 0.24)
        + 0.15 * _bump(tip, v, 0, 0.33, 0.10, 0.10)
        + 0.05 * _bump(np.abs(tip), v, 0.12, 0.37, 0.06, 0.05)
        + 0.05 * _bump(q, v, 0.30, -0.20, 0.22, 0.09)
        - 0.09 * _bump(q, v, 0.30, 0.00, 0.18, 0.13)
        + 0.07 * _bump(q, v, 0.44, 0.30, 0.20, 0.17)
        - 0.02 * _bump(p, v, 0, 0.74, 0.18, 0.06)
        + 0.05 * _bump(p, v, 0, 0.88, 0.18, 0.10)
    )
    dy, dx = np.gradient(relief, head.pitch)
    nx, ny, nz = _round(np.clip(head.s, -1, 1), np.clip(v, -1, 1) * 0.9)
    nx, ny = nx - dx, ny - dy
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx / length, ny / length, nz / length
    # Skin is translucent, so red light reaches further into the shadow.
    diffuse = np.stack(
        [light.diffuse(nx, ny, nz, wrap) for wrap in (0.38, 0.28, 0.24)]
    )
    blush = _bump(q, v, 0.44, 0.32, 0.2, 0.16) + _bump(
        tip, v, 0, 0.36, 0.12, 0.1
    )
    pores = 1 + 0.03 * canvas.noise(dice, 24) + 0.02 * canvas.noise(dice, 60)
    tone = skin * pores
    tone = tone * (1 + 0.16 * blush * _linear("ff8a80") - 0.08 * blush)
    hidden = (
        0.5 * np.exp(-np.maximum(-opening, 0) / 0.10)
        + 0.30 * _bump(tip, v, 0, 0.45, 0.13, 0.05)
        + 0.26 * _bump(q, v, 0.25, -0.04, 0.16, 0.08)
        + 0.18 * _bump(p, v, 0, 0.76, 0.16, 0.05)
    )
    color = light.on(tone, diffuse) * (1 - np.clip(hidden, 0, 0.8))
    shine = light.gloss(nx, ny, nz, 4)
    color += (0.10 * shine) * light.key
    canvas.paint(head.cover(head.edge), color)
    nostrils = _ellipse(np.abs(tip), v, 0.075, 0.405, 0.045, 0.024)
    canvas.paint(0.75 * head.cover(nostrils, 0.03), 0.12 * skin)


def _ear(canvas, head, skin, light, side):
    cu = head.at(side * head.width * 1.32)
    near = _near(head, head.u, head.v, (cu, 0.13), (0.2, 0.25))
    canvas, head = canvas.part(*near), head.part(*near)
    shell = _ellipse(head.u, head.v, cu, 0.13, 0.11, 0.20)
    inner = _ellipse(head.u, head.v, cu + 0.02 * side, 0.12, 0.06, 0.13)
    lit = light.diffuse(side * 0.6, -0.1, 0.75, wrap=0.35)
    color = light.on(skin * (0.9 + 0.2 * _linear("ff9080")), lit)
    canvas.paint(head.cover(shell), color * 0.92)
    canvas.paint(0.45 * head.cover(inner, 0.06), color * 0.4)


def _eyes(canvas, head, iris, skin, dice):
    gaze = dice.uniform(-0.03, 0.03) + 0.05 * head.yaw
    lid = dice.uniform(0.078, 0.096)
    face, whole = canvas, head
    for side in (-1, 1):
        near = _near(whole, whole.p, whole.v, (side * 0.30, 0.0), (0.24, 0.28))
        canvas, head = face.part(*near), whole.part(*near)
        p, v = head.p - side * 0.30, head.v
        bend = v + 0.35 * p * p
        almond = np.maximum(
            np.abs(p) - 0.17, np.abs(bend) - lid * (1 - (p / 0.19) ** 2)
        )
        white = head.cover(almond)
        shade = 0.34 + 0.38 * _step(v, -lid, lid * 0.6)
        canvas.paint(white, _linear("fff8f4") * shade)
        ball = np.hypot(p - gaze, v + 0.005)
        ring = head.cover(ball - 0.082)
        rim = 1 - 0.55 * _step(ball, 0.05, 0.082)
        canvas.paint(
            white * ring, iris * (1.25 * rim + 0.3 * _step(v, -0.02, 0.06))
        )
        canvas.paint(white * head.cover(ball - 0.036), _gray(0.004))
        glint = np.hypot(p - gaze + 0.028, v + 0.035) - 0.020
        canvas.paint(0.95 * head.cover(glint), _gray(0.95))
        edge = bend + lid * (1 - (p / 0.19) ** 2)
        upper = np.maximum(np.abs(edge + 0.008) - 0.020, np.abs(p) - 0.185)
        canvas.paint(0.9 * head.cover(upper, 0.02), 0.06 * skin)
        crease = np.maximum(np.abs(edge + 0.065) - 0.012, np.abs(p) - 0.15)
        canvas.paint(0.35 * head.cover(crease, 0.05), 0.25 * skin)
        lower = bend - lid * (1 - (p / 0.19) ** 2)
        below = np.maximum(np.abs(lower) - 0.012, np.abs(p) - 0.16)
        canvas.paint(0.4 * head.cover(below, 0.03), 0.3 * skin)


def _brows(canvas, head, hair):
    near = _near(head, head.q, head.v, (0.31, -0.2), (0.25, 0.2))
    canvas, head = canvas.part(*near), head.part(*near)
    p = head.q - 0.31
    arch = head.v + 0.225 - 0.55 * p * p + 0.05 * p
    brow = np.maximum(np.abs(arch) - 0.042 * (1.1 - 1.4 * p), np.abs(p) - 0.20)
    canvas.paint(0.85 * head.cover(brow, 0.045), 0.5 * hair)


def _mouth(canvas, head, mouth, skin):
    near = _near(head, head.p, head.v, (0.0, 0.6), (0.5, 0.35))
    canvas, head = canvas.part(*near), head.part(*near)
    p, v = head.p - 0.06 * head.yaw, head.v
    lips = skin * _linear("e8908c") * 1.05
    dark = _linear("3a1414")
    teeth = _linear("eee6dc")
    if mouth == "smile":
        v = v + 0.75 * p * p - 0.64
        half, gap = 0.33, 0.075
    elif mouth == "open":
        v = v - 0.64
        half, gap = 0.20, 0.150
    else:
        v = v + 0.05 * p * p - 0.60
        half, gap = 0.22, 0.0
    fall = np.maximum(1 - (p / half) ** 2, 0)
    bow = 1 - 0.25 * np.exp(-((p / 0.04) ** 2))
    upper = -(gap + 0.058) * fall * bow
    lower = (gap + 0.078) * fall
    shape = _both(upper - v, v - lower, np.abs(p) - half)
    canvas.paint(
        0.9 * head.cover(shape, 0.025), lips * (0.8 + 2.2 * np.clip(v, 0, 0.2))
    )
    if gap:
        hole = np.maximum(np.abs(v) - gap * fall, np.abs(p) - half)
        inside = head.cover(hole)
        canvas.paint(inside, dark)
        bite = v - (gap * 0.9 if mouth == "smile" else -gap * 0.45)
        canvas.paint(inside * head.cover(bite), teeth)
    else:
        line = np.maximum(np.abs(v) - 0.012, np.abs(p) - half)
        canvas.paint(0.8 * head.cover(line, 0.02), dark)
    if mouth == "smile":
        fold = np.abs(np.hypot(head.q, head.v - 0.48) - 0.36) - 0.01
        alpha = (
            0.22 * head.cover(fold, 0.06) * (head.v > 0.36) * (head.v < 0.66)
        )
        canvas.paint(alpha, 0.3 * skin)


def _beard(canvas, head, beard, hair, strands, light):
    if beard == "none":
        return
    p, q, v = head.p - 0.05 * head.yaw, head.q, head.v
    lobe = np.abs(p)
    whiskers = np.maximum(
        np.abs(v - 0.475 - 0.5 * lobe * lobe) - 0.065 * (1 - 1.3 * lobe),
        lobe - 0.32,
    )
    mask = head.cover(whiskers + 0.012 * strands, 0.04)
    if beard == "beard":
        line = 0.74 - 0.95 * np.maximum(q - 0.22, 0) - v
        lips = -_ellipse(p, v, 0, 0.63, 0.31, 0.16)
        growth = _both(line, 0.10 - v, lips, head.edge - 0.07)
        mask = np.maximum(mask, head.cover(growth + 0.02 * strands, 0.06))
    nx, ny, nz = _round(np.clip(head.s, -1, 1), np.clip(v, -1, 1) * 0.8)
    lit = light.diffuse(nx, ny, nz, wrap=0.3)
    color = light.on(hair, lit) * (0.85 + 0.4 * strands)
    canvas.paint(0.93 * mask, color)


def _hair_in_front(canvas, head, style, hair, strands, light, opening):
    u, v = head.u, head.v
    back = -0.14 * head.yaw
    wide = head.width
    center, radii = (back, -0.10), (wide + 0.10, 1.02)
    if style == "bald":
        outer = head.edge - 0.05 + 0.02 * strands
    elif style == "short":
        cap = _ellipse(u, v, back, -0.14, wide + 0.08, 0.98)
        nape = np.where(head.q > 1.0, 0.5, 0.12)
        outer = np.maximum(cap + 0.015 * strands, v - nape)
    elif style == "bun":
        cap = _ellipse(u, v, back, -0.12, wide + 0.05, 0.95)
        nape = np.where(head.q > 1.0, 0.45, 0.02)
        outer = np.maximum(cap, v - nape)
    elif style == "afro":
        center, radii = (back, -0.38), (1.22, 1.12)
        ball = _ellipse(u, v, back, -0.38, 1.18, 1.08)
        outer = ball + 0.035 * strands
    elif style == "long":
        center, radii = (back, 0.0), (1.0, 1.7)
        cap = _ellipse(u, np.minimum(v, 0.0), back, 0.0, wide + 0.16, 1.12)
        ends = v - 1.62 - 0.12 * np.cos(u * 4) - 0.05 * strands
        outer = np.maximum(cap - 0.06 * np.clip(v, 0, 2), ends)
    else:
        center, radii = (back, 0.0), (1.0, 1.25)
        cap = _ellipse(u, np.minimum(v, 0.0), back, 0.0, wide + 0.17, 1.12)
        ends = v - 0.86 + 0.10 * u * u - 0.02 * strands
        outer = np.maximum(cap, ends)
    shape = np.maximum(outer, -opening)
    color = _hair_color(head, hair, strands, light, center, radii)
    fade = 1 - 0.3 * np.exp(-np.maximum(-shape, 0) / 0.08)
    soft = 0.12 if style == "bald" else 0.035
    canvas.paint(head.cover(shape, soft), color * fade)


def _spectacles(canvas, head, light, dice):
    frame = _linear(dice.among(("141414", "2a1a12", "8a8478", "7a1f1c")))
    corner = dice.among((0.08, 0.16, 0.19))
    near = _near(head, head.q, head.v, (0.5, 0.0), (0.7, 0.35))
    canvas, head = canvas.part(*near), head.part(*near)
    p, v = head.q - 0.315, head.v - 0.03
    lens = _both(_box(p, v, 0, 0, 0.25, 0.20, corner), head.edge - 0.03)
    glass = head.cover(lens)
    canvas.paint(0.10 * glass, _linear("c8d8e8"))
    slant = head.p * 0.8 + head.v * 0.6 + dice.uniform(-0.2, 0.2)
    glare = _step(np.abs(slant - 0.1), 0.14, 0.05)
    canvas.paint(0.16 * glass * glare, _gray(1.0))
    rim = np.abs(lens) - 0.030
    bridge = np.maximum(
        np.abs(head.v + 0.02 - 0.6 * head.p**2) - 0.028, head.q - 0.08
    )
    temple = _both(
        np.abs(head.v + 0.04) - 0.026,
        0.56 - head.q,
        head.q - 1.12,
        head.edge,
    )
    wire = np.minimum(np.minimum(rim, bridge), temple)
    canvas.paint(head.cover(wire), frame * (light.fill + 0.7))


def _develop(canvas, dice):
    """Converts linear light to display values; adds vignette and grain."""
    x, y = canvas.x, canvas.y
    vignette = 1 - dice.uniform(0.05, 0.16) * (x * x + y * y)
    exposure = dice.uniform(0.95, 1.08)
    canvas.rgb *= vignette * exposure
    np.sqrt(np.maximum(canvas.rgb, 0), out=canvas.rgb)
    canvas.rgb += 0.012 * canvas.noise(dice, 90)


# === Domain b: cartoons ===

_SKIN_B = ("ffe6dc", "ffcf9f", "e6a566", "b47244", "7a4a34")
_HAIR_B = ("2a2338", "5e3216", "ffd24a", "e8501e", "c2c8d2", "3f7df0")
_EYES_B = ("7a3f14", "2f8ff0", "2fae4e")
_SHAPES_B = (
    (0.98, 0.12, 0.0),
    (1.12, 0.0, 0.0),
    (1.04, 0.0, 1.0),
    (1.10, 0.30, 0.0),
)
_PAINTS = (
    "ff8fa3",
    "ffd166",
    "7bdff2",
    "b8f2a0",
    "cdb4f6",
    "ffb07c",
    "f7f3e8",
    "8ecae6",
    "f497da",
    "a8e6cf",
    "f9e784",
    "9bb1ff",
)


def _cartoon(canvas, traits, dice):
    head = _Head(
        canvas,
        cx=dice.uniform(-0.06, 0.06),
        cy=dice.uniform(0.04, 0.12),
        scale=dice.uniform(0.56, 0.62),
        tilt=dice.uniform(-0.08, 0.08),
        yaw=0.40 * traits["turn"],
        shape=_SHAPES_B[traits["face_shape"]],
        lean=0.0,
    )
    pen = _Pen(canvas, head, dice)
    skin = _color(_SKIN_B[traits["skin"]])
    hair = _color(_HAIR_B[traits["hair_color"]])
    style = _name(traits, "hair_style")

    _wallpaper(canvas, dice)
    _mane(pen, head, style, hair)
    _body(pen, head, skin, dice)
    if style in _EARS_SHOW:
        _ear_b(pen, head, skin, head.far)
    pen.fill(head.edge, skin)
    if style in _EARS_SHOW:
        _ear_b(pen, head, skin, -head.far)
    _cheeks(pen, head, skin)
    _beard_b(pen, head, _name(traits, "beard"), hair)
    _mouth_b(pen, head, _name(traits, "mouth"))
    _nose_b(pen, head, skin)
    _eyes_b(pen, head, _color(_EYES_B[traits["eyes"]]))
    _brows_b(pen, head, hair)
    _hairdo(pen, head, style, hair)
    if traits["glasses"]:
        _glasses_b(pen, head, dice)


class _Pen:
    """Paints flat shapes and outlines in one ink colour on a head's canvas."""

    def __init__(self, canvas, head, dice):
        self.canvas, self.cover = canvas, head.cover
        self.ink = _color(dice.among(("1c1420", "14182c", "24120c")))
        self.width = dice.uniform(0.050, 0.075)

    def part(self, rows, columns):
        """Returns a pen for a rectangle of the canvas."""
        part = copy.copy(self)
        part.canvas = self.canvas.part(rows, columns)
        return part

    def fill(self, distance, color):
        """Paints a shape with an outline.

        Args:
            distance: signed distance to the shape.
            color: colour, `[3, 1, 1]`.
        """
        half = self.width / 2
        self.canvas.paint(self.cover(distance - half), self.ink)
        self.canvas.rgb += self.cover(distance + half) * (color - self.ink)

    def flat(self, distance, color, alpha=1.0):
        """Paints a shape without an outline."""
        self.canvas.paint(alpha * self.cover(distance), color)


def _wallpaper(canvas, dice):
    x, y = canvas.x, canvas.y
    ground = _color(dice.among(_PAINTS))
    other = ground + dice.uniform(0.35, 0.6) * (
        _color(dice.among(_PAINTS)) - ground
    )
    canvas.rgb += ground
    kind = dice.among(("plain", "dots", "stripes", "sun", "rays", "hills"))
    phase = dice.uniform()
    step = dice.uniform(0.34, 0.5)
    if kind == "dots":
        row = np.floor(y / step + phase)
        column = (x / step + 0.5 * (row % 2) + phase) % 1 - 0.5
        spot = np.hypot(column, (y / step + phase) % 1 - 0.5) - 0.25
        canvas.paint(canvas.cover(spot * step), other)
    elif kind == "stripes":
        lean = dice.among((-0.7, 0.0, 0.7))
        band = np.abs((x + lean * y) / step % 1 - 0.5) - 0.25
        canvas.paint(canvas.cover(band * step * 0.8), other)
    elif kind == "sun":
        disc = np.hypot(x - dice.uniform(-0.3, 0.3), y + 0.1) - 0.85
        canvas.paint(canvas.cover(disc), other)
    elif kind == "rays":
        angle = np.arctan2(y - 0.1, x) * (7 / np.pi) + phase
        ray = np.abs(angle % 1 - 0.5) - 0.25
        canvas.paint(canvas.cover(ray * np.hypot(x, y) * 0.45), other)
    elif kind == "hills":
        hill = 0.3 + 0.15 * np.sin(3 * x + 6 * phase) - y
        canvas.paint(canvas.cover(hill), other)


def _mane(pen, head, style, hair):
    u, v, wide = head.u, head.v, head.width
    back = -0.30 * head.yaw
    if style == "long":
        pen.fill(
            _box(u, v, back, 0.75, wide + 0.14 + 0.06 * v, 0.85, 0.5),
            hair * 0.82,
        )
    elif style == "bangs":
        pen.fill(_box(u, v, back, 0.45, wide + 0.06, 0.52, 0.2), hair * 0.82)
    elif style == "bun":
        pen.fill(_ellipse(u, v, 2.0 * back, -1.22, 0.44, 0.40), hair)


def _body(pen, head, skin, dice):
    u, v = head.u, head.v
    pen.fill(_box(u, v, 0, 1.15, 0.24, 0.4, 0.05), skin * 0.86)
    shirt = _color(dice.among(_PAINTS)) * dice.uniform(0.6, 1.0)
    torso = _box(u, v, 0, 1.95, 0.66 + 0.12 * v, 0.78, 0.35)
    pen.fill(torso, shirt)


def _ear_b(pen, head, skin, side):
    cu = head.at(side * head.width * 1.25) * 1.06
    near = _near(head, head.u, head.v, (cu, 0.25), (0.25, 0.3))
    pen, head = pen.part(*near), head.part(*near)
    pen.fill(_ellipse(head.u, head.v, cu, 0.25, 0.16, 0.20), skin)


def _cheeks(pen, head, skin):
    near = _near(head, head.q, head.v, (0.62, 0.56), (0.2, 0.15))
    pen, head = pen.part(*near), head.part(*near)
    pink = skin + 0.4 * (_color("ff5a6e") - skin)
    pen.flat(_ellipse(head.q, head.v, 0.62, 0.56, 0.16, 0.10), pink)


def _eyes_b(pen, head, iris):
    look = 0.10 * head.yaw
    whole_pen, whole = pen, head
    for side in (-1, 1):
        near = _near(whole, whole.p, whole.v, (side * 0.40, 0.12), (0.34, 0.42))
        pen, head = whole_pen.part(*near), whole.part(*near)
        p, v = head.p - side * 0.40, head.v - 0.12
        pen.fill(_ellipse(p, v, 0, 0, 0.235, 0.30), _gray(1.0))
        pen.flat(_ellipse(p, v, look, 0.03, 0.165, 0.215), iris)
        pen.flat(_ellipse(p, v, look, 0.04, 0.085, 0.12), pen.ink)
        pen.flat(np.hypot(p - look + 0.06, v + 0.07) - 0.062, _gray(1.0))
        lash = _ellipse(p, v, 0, 0.0, 0.25, 0.315)
        thick = np.maximum(np.abs(lash) - 0.045, v + 0.12)
        pen.flat(thick, pen.ink)


def _brows_b(pen, head, hair):
    near = _near(head, head.q, head.v, (0.42, -0.3), (0.25, 0.2))
    pen, head = pen.part(*near), head.part(*near)
    p = head.q - 0.42
    arch = np.abs(head.v + 0.33 - 0.7 * p * p + 0.05 * p) - 0.055
    pen.flat(np.maximum(arch, np.abs(p) - 0.22), hair * 0.7)


def _nose_b(pen, head, skin):
    center = (0.30 * head.yaw, 0.45)
    near = _near(head, head.p, head.v, center, (0.15, 0.1))
    pen, head = pen.part(*near), head.part(*near)
    tip = head.p - 0.30 * head.yaw
    pen.flat(_ellipse(tip, head.v, 0, 0.45, 0.10, 0.065), skin * 0.72)


def _mouth_b(pen, head, mouth):
    near = _near(head, head.p, head.v, (0.1 * head.yaw, 0.75), (0.4, 0.35))
    pen, head = pen.part(*near), head.part(*near)
    p, v = head.p - 0.1 * head.yaw, head.v
    if mouth == "neutral":
        pen.flat(
            np.maximum(np.abs(v - 0.73) - 0.036, np.abs(p) - 0.17), pen.ink
        )
    elif mouth == "smile":
        curve = np.abs(v - 0.80 + 1.3 * p * p) - 0.038
        pen.flat(np.maximum(curve, np.abs(p) - 0.30), pen.ink)
    else:
        hole = np.maximum(_ellipse(p, v, 0, 0.65, 0.24, 0.24), 0.65 - v)
        pen.fill(hole, _color("7a1424"))
        pen.flat(
            np.maximum(hole + 0.04, _ellipse(p, v, 0, 0.88, 0.16, 0.10)),
            _color("ff7080"),
        )


def _beard_b(pen, head, beard, hair):
    if beard == "none":
        return
    p, v = head.p - 0.1 * head.yaw, head.v
    shape = _ellipse(np.abs(p), v + 0.1 * p * p, 0.19, 0.58, 0.25, 0.115)
    if beard == "beard":
        line = 0.56 - 0.6 * np.maximum(head.q - 0.45, 0) - v
        frill = 0.03 * np.abs(np.sin(p * 9))
        growth = np.maximum(line, head.edge - 0.06 - frill)
        lips = _ellipse(p, v, 0, 0.76, 0.36, 0.17)
        shape = np.maximum(np.minimum(shape, growth), -lips)
    pen.fill(shape, hair)


def _hairdo(pen, head, style, hair):
    u, v, p, q, wide = head.u, head.v, head.p, head.q, head.width
    back = -0.30 * head.yaw
    if style == "bald":
        for side in (-1, 1):
            cu = head.at(side * wide * 1.2) * 1.05
            curls = 0.05 * np.abs(np.sin(9 * v + 1))
            pen.fill(_ellipse(u, v, cu, -0.12, 0.17, 0.28) - curls, hair)
        return
    if style == "short":
        cap = _ellipse(u, v, back, -0.10, wide + 0.10, 1.04)
        zigzag = np.abs((p * 2.4) % 1 - 0.5)
        fringe = v + 0.52 - 0.30 * zigzag - 0.1 * p * p
        side = np.maximum(0.86 - q, v - 0.10)
        shape = np.maximum(cap, np.minimum(fringe, side))
    elif style == "long":
        cap = _ellipse(u, np.minimum(v, 0.1), back, 0.1, wide + 0.20, 1.28)
        arch = _ellipse(p, np.minimum(v, 0.4), 0, 0.4, 0.86, 0.92)
        arch = np.minimum(
            np.maximum(arch, head.edge), _box(u, v, 0, 1.4, 0.6, 0.6)
        )
        shape = _both(cap, -arch, v - 1.25 + 0.2 * q)
    elif style == "afro":
        angle = np.arctan2(v + 0.30, u - back)
        ball = np.hypot((u - back) / 1.12, v + 0.30) - 1.20
        ball = ball - 0.09 * np.abs(np.sin(angle * 5.5))
        arch = _ellipse(p, np.maximum(v, -0.6), 0, 0.55, 0.92, 0.98)
        frill = 0.05 * np.abs(np.sin(p * 6))
        arch = np.maximum(arch + frill, head.edge)
        shape = _both(ball, -arch, v - 0.62)
    elif style == "bun":
        cap = _ellipse(u, v, 0.4 * back, -0.08, wide + 0.05, 1.0)
        shape = _both(cap, v + 0.46 - 0.62 * p * p, v - 0.05)
    else:
        cap = _ellipse(u, np.minimum(v, 0.0), back, 0.0, wide + 0.16, 1.14)
        window = np.maximum(_box(p, v, 0, 0.6, 0.86, 0.84, 0.2), head.edge)
        window = np.minimum(window, _box(u, v, 0, 1.3, 0.5, 0.5))
        shape = _both(cap, -window, v - 0.95)
    pen.fill(shape, hair)
    gleam = np.abs(_ellipse(u, v, back, 0.0, wide * 0.78, 0.86)) - 0.05
    side = (u - back) * head.far
    arc = _both(gleam, v + 0.42, side - 0.55, 0.1 - side, shape + 0.08)
    pen.flat(arc, hair + 0.45 * (1 - hair))


def _glasses_b(pen, head, dice):
    frame = _color(dice.among(("17131c", "5a1f1f", "1f2f5a", "3a2a14")))
    p, v = head.q - 0.41, head.v - 0.12
    lens = _box(p, v, 0, 0, 0.345, 0.37, dice.among((0.12, 0.34)))
    lens = _both(lens, head.edge - 0.03)
    pen.flat(lens, _color("d8f2ff"), 0.22)
    pen.flat(np.abs(lens) - 0.043, frame)
    bridge = np.maximum(np.abs(head.v - 0.06) - 0.04, head.q - 0.07)
    temple = np.maximum(
        np.abs(head.v - 0.04) - 0.04, np.maximum(0.76 - head.q, head.q - 1.4)
    )
    pen.flat(np.minimum(bridge, np.maximum(temple, head.edge)), frame)
