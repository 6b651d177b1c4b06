"""The image table: what a file holds, and what is read from it.

Most files are written byte by byte, so that what is expected can be read
off what was written: 0x8080 of 0xffff is 128 of 255.
"""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL import ImageCms

from tf_i2i.data import reading
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import read_image

# As `reading` has it; pytest puts its own filters before that.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

RED = (200, 10, 30)
DARK = (1, 2, 3)
WHITE = (255, 255, 255)


# Writers, each of the few tags and chunks that the table needs.


def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(size, depth, colour, rows, *chunks, interlace=0):
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def ifd(tags, start, order):
    """A directory of SHORTs and LONGs that begins at `start`."""
    entries, extra = b"", b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        kind = ("H", 3) if tag not in (256, 257, 273, 279) else ("I", 4)
        value = struct.pack(f"{order}{len(values)}{kind[0]}", *values)
        entries += struct.pack(f"{order}HHI", tag, kind[1], len(values))
        if len(value) > 4:
            entries += struct.pack(f"{order}I", behind + len(extra))
            extra += value
        else:
            entries += value.ljust(4, b"\0")
    count = struct.pack(f"{order}H", len(tags))
    return count + entries + bytes(4) + extra


def tiff(size, bits, photometric, data, order="<", more=()):
    """Uncompressed, one strip."""
    tags = {
        256: [size[0]],
        257: [size[1]],
        258: bits,
        259: [1],
        262: [photometric],
        273: [8],
        277: [len(bits)],
        279: [len(data)],
        **dict(more),
    }
    mark = b"II*\0" if order == "<" else b"MM\0*"
    start = 8 + len(data)
    head = mark + struct.pack(f"{order}I", start)
    return head + data + ifd(tags, start, order)


def bmp(size, bits, rows, compression=0, masks=b"", header=40):
    """Palettes have the colours DARK and RED."""
    palette = b"\x03\x02\x01\0\x1e\x0a\xc8\0" if bits <= 8 else b""
    pixels = b"".join(row.ljust(-(-len(row) // 4) * 4, b"\0") for row in rows)
    info = struct.pack(
        "<IiiHHIIiiII",
        *(header, *size, 1, bits, compression, len(pixels), 0, 0),
        *(len(palette) // 4, 0),
    )
    info = (info + masks).ljust(max(header, 40 + len(masks)), b"\0") + palette
    place = 14 + len(info)
    head = struct.pack("<IHHI", place + len(pixels), 0, 0, place)
    return b"BM" + head + info + pixels


def gif(size, frame, indices, transparent=None):
    """Colours DARK, RED and WHITE; `frame` is left, top, width, height."""
    palette = bytes((*DARK, *RED, *WHITE, 0, 0, 0))
    # A "clear" before each pixel keeps the codes at three bits.
    codes = [code for index in indices for code in (4, index)] + [5]
    bits = sum(code << 3 * i for i, code in enumerate(codes))
    data = bits.to_bytes(-(-3 * len(codes) // 8), "little")
    control = b""
    if transparent is not None:
        control = b"!\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    return b"".join(
        (
            b"GIF89a" + struct.pack("<HHBBB", *size, 0x91, 0, 0) + palette,
            control + b"," + struct.pack("<HHHHB", *frame, 0) + b"\x02",
            bytes([len(data)]) + data + b"\0;",
        )
    )


def saved(kind, mode, colour, size=(8, 8), **options):
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, kind, **options)
    return stream.getvalue()


def animated(kind, **options):
    """A dark frame, then a white one."""
    white = Image.new("RGB", (8, 8), WHITE)
    options = {"save_all": True, "append_images": [white], **options}
    return saved(kind, "RGB", DARK, **options)


def repeated_scan(jpeg, times):
    """The same file with its last scan that many times more."""
    start = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + times * jpeg[start:-2] + jpeg[-2:]


def without_adobe(jpeg):
    """The same file less the segment that says who wrote its CMYK."""
    start = jpeg.index(b"\xff\xee")
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[:start] + jpeg[start + 2 + length :]


def exif(*entries):
    """EXIF with these twelve-byte entries."""
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(entries) + bytes(4)


def flipped_bit(content, after, offset):
    """A file with one bit wrong, `offset` bytes behind a mark."""
    place = content.index(after) + offset
    wrong = bytes([content[place] ^ 1])
    return content[:place] + wrong + content[place + 1 :]


def shorts(*values, order="<"):
    return struct.pack(f"{order}{len(values)}H", *values)


# The table.


def greys(*levels):
    """One row of pixels."""
    return [[(level,) * 3 for level in levels]]


def flat(colour, width=8, height=8):
    return [[colour] * width] * height


def good(what, content, expected, within=0):
    return pytest.param(content, expected, within, id=what)


TURNED = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
# `Compression` is a number; here it is a text.
WRONG_TYPE = struct.pack("<HHI4s", 0x0103, 2, 4, b"abc\0")
PALETTE = (b"PLTE", bytes((*DARK, *RED, 7, 8, 9, *WHITE)))
RAMP = [0, 0xFFFF, 0x8080] + [0] * 253
CYAN_AND_YELLOW = (255, 0, 255, 0)
# The columns are the primaries of a space in CIE XYZ, for the white D50.
P3_TO_XYZ = [
    [0.51512, 0.29198, 0.15710],
    [0.24120, 0.69225, 0.06657],
    [-0.00105, 0.04189, 0.78407],
]
SRGB_TO_XYZ = [
    [0.43607, 0.38515, 0.14307],
    [0.22249, 0.71687, 0.06061],
    [0.01392, 0.09708, 0.71410],
]


def p3_profile():
    """An ICC profile with the primaries of Display P3 and a gamma of 2."""

    def xyz(values):
        numbers = [round(value * 65536) for value in values]
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *numbers)

    curve = b"curv" + struct.pack(">IIH2x", 0, 1, 2 * 256)
    parts = {
        b"desc": b"desc" + struct.pack(">II", 0, 3) + b"P3\0" + bytes(81),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz([0.9642, 1, 0.8249]),
        **{
            colour + b"XYZ": xyz(column)
            for colour, column in zip(
                (b"r", b"g", b"b"), np.transpose(P3_TO_XYZ), strict=True
            )
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    place, table, body = 132 + 12 * len(parts), b"", b""
    for name, part in parts.items():
        table += name + struct.pack(">II", place + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    head = struct.pack(">I4sI", place + len(body), b"", 0x02400000)
    head += b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + xyz([0.9642, 1, 0.8249])[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body


def from_p3(colour):
    """The colour in sRGB of a colour with `p3_profile`."""
    linear = (np.array(colour) / 255) ** 2
    found = np.linalg.inv(SRGB_TO_XYZ) @ P3_TO_XYZ @ linear
    curve = np.where(
        found < 0.0031308, 12.92 * found, 1.055 * found ** (1 / 2.4) - 0.055
    )
    return tuple(np.rint(255 * curve).astype(int))


SKIN = (220, 170, 140)
P3 = p3_profile()
LAB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
MASKS = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)

GOOD = [
    # JPEG: flat colours survive it to a level or two.
    good("JPEG", saved("JPEG", "RGB", RED), flat(RED), 3),
    good(
        "JPEG, progressive",
        saved("JPEG", "RGB", RED, progressive=True),
        flat(RED),
        3,
    ),
    good("JPEG, grey", saved("JPEG", "L", 100), flat((100,) * 3)),
    good(
        "JPEG, CMYK, inverted as Adobe does",
        saved("JPEG", "CMYK", CYAN_AND_YELLOW),
        flat((0, 255, 0)),
        3,
    ),
    good(
        "JPEG, CMYK, without Adobe's marker: inverted as well",
        without_adobe(saved("JPEG", "CMYK", CYAN_AND_YELLOW)),
        flat((0, 255, 0)),
        3,
    ),
    good(
        "JPEG, invalid EXIF: ignored",
        saved("JPEG", "L", 100, (2, 1), exif=b"Exif\0\0" + b"\x12\x34" * 9),
        greys(100, 100),
    ),
    good(
        "JPEG, rotated by EXIF that is cut short",
        saved("JPEG", "L", 100, (2, 1), exif=exif(TURNED)[:-4]),
        flat((100,) * 3, 1, 2),
    ),
    good(
        "JPEG, rotated by EXIF that has a text in place of a number",
        saved("JPEG", "L", 100, (2, 1), exif=exif(WRONG_TYPE, TURNED)),
        flat((100,) * 3, 1, 2),
    ),
    good(
        "JPEG, EXIF orientation 9, which is undefined: not rotated",
        saved("JPEG", "L", 9, (2, 1), exif=exif(TURNED.replace(b"\6", b"\t"))),
        greys(9, 9),
    ),
    good(
        "JPEG, other bytes after its end",
        saved("JPEG", "L", 9) + b"x",
        flat((9,) * 3),
    ),
    good(
        "JPEG, two pictures (MPO): the first",
        animated("MPO"),
        flat(DARK),
        3,
    ),
    good(
        "JPEG, colour profile: converted to sRGB",
        saved("JPEG", "RGB", SKIN, icc_profile=P3, quality=100),
        flat(from_p3(SKIN)),
        3,
    ),
    good(
        "JPEG, colour profile that does not fit its pixels: ignored",
        saved("JPEG", "L", 100, icc_profile=LAB_PROFILE),
        flat((100,) * 3),
    ),
    # PNG
    good("PNG, 1 bit", png((3, 1), 1, 0, [b"\xa0"]), greys(255, 0, 255)),
    good("PNG, 2 bits", png((4, 1), 2, 0, [b"\x1b"]), greys(0, 85, 170, 255)),
    good("PNG, 4 bits", png((2, 1), 4, 0, [b"\x5a"]), greys(85, 170)),
    good("PNG, 8 bits", png((2, 1), 8, 0, [b"\x5a\xff"]), greys(90, 255)),
    good(
        "PNG, 16 bits",
        png((4, 1), 16, 0, [shorts(0, 257, 0x8080, 65535, order=">")]),
        greys(0, 1, 128, 255),
    ),
    good("PNG, RGB", png((1, 1), 8, 2, [bytes(RED)]), [[RED]]),
    good(
        "PNG, RGB of 16 bits: the high byte",
        png((1, 1), 16, 2, [shorts(0x8080, 0x80FF, 0x7FFF, order=">")]),
        [[(128, 128, 127)]],
    ),
    good(
        "PNG, RGBA: composited on white",
        png((3, 1), 8, 6, [bytes((*RED, 255, *RED, 0, 0, 100, 200, 51))]),
        [[RED, WHITE, (204, 224, 244)]],
    ),
    good(
        "PNG, RGBA of 16 bits",
        png((1, 1), 16, 6, [shorts(0, 25700, 51400, 13107, order=">")]),
        [[(204, 224, 244)]],
    ),
    good(
        "PNG, grey and alpha",
        png((3, 1), 8, 4, [b"\x5a\xff\x5a\x00\x00\x33"]),
        greys(90, 255, 204),
    ),
    good(
        "PNG, grey and alpha of 16 bits",
        png((2, 1), 16, 4, [shorts(0x8080, 65535, 0x8080, 0, order=">")]),
        greys(128, 255),
    ),
    good(
        "PNG, 1 bit, black is transparent",
        png((2, 1), 1, 0, [b"\x80"], (b"tRNS", b"\0\0")),
        greys(255, 255),
    ),
    good(
        "PNG, 2 bits, grey level 1 (of 0 to 3) is transparent",
        png((4, 1), 2, 0, [b"\x1b"], (b"tRNS", b"\0\1")),
        greys(0, 255, 170, 255),
    ),
    good(
        "PNG, 4 bits, level 5 of 15 is transparent",
        png((2, 1), 4, 0, [b"\x5a"], (b"tRNS", b"\0\5")),
        greys(255, 170),
    ),
    good(
        "PNG, 8 bits, level 5 is transparent",
        png((2, 1), 8, 0, [b"\x05\x06"], (b"tRNS", b"\0\5")),
        greys(255, 6),
    ),
    good(
        "PNG, 16 bits, one level is transparent",
        png(
            (2, 1),
            16,
            0,
            [shorts(0x0101, 0x0202, order=">")],
            (b"tRNS", b"\1\1"),
        ),
        greys(255, 2),
    ),
    good(
        "PNG, RGB, one colour is transparent",
        png(
            (2, 1),
            8,
            2,
            [bytes((*RED, *DARK))],
            (b"tRNS", shorts(*RED, order=">")),
        ),
        [[WHITE, DARK]],
    ),
    good(
        "PNG, RGB of 16 bits, one colour is transparent",
        png(
            (2, 1),
            16,
            2,
            [shorts(0x1FF, 0x2FF, 0x3FF, 0, 0, 0, order=">")],
            (b"tRNS", shorts(0x1FF, 0x2FF, 0x3FF, order=">")),
        ),
        greys(255, 0),
    ),
    good(
        "PNG, palette of 1 bit",
        png((2, 1), 1, 3, [b"\x40"], PALETTE),
        [[DARK, RED]],
    ),
    good(
        "PNG, palette of 2 bits",
        png((4, 1), 2, 3, [b"\x1b"], PALETTE),
        [[DARK, RED, (7, 8, 9), WHITE]],
    ),
    good(
        "PNG, palette of 4 bits",
        png((2, 1), 4, 3, [b"\x10"], PALETTE),
        [[RED, DARK]],
    ),
    good(
        "PNG, palette of 8 bits",
        png((2, 1), 8, 3, [b"\1\2"], PALETTE),
        [[RED, (7, 8, 9)]],
    ),
    good(
        "PNG, index outside its palette: black",
        png((2, 1), 8, 3, [b"\1\x09"], PALETTE),
        [[RED, (0, 0, 0)]],
    ),
    good(
        "PNG, palette, one entry is transparent",
        png((2, 1), 8, 3, [b"\0\1"], PALETTE, (b"tRNS", b"\0")),
        [[WHITE, RED]],
    ),
    good(
        "PNG, palette with an alpha for each entry",
        png((2, 1), 8, 3, [b"\0\1"], PALETTE, (b"tRNS", b"\xff\0")),
        [[DARK, WHITE]],
    ),
    good(
        "PNG, interlaced, two passes of one pixel each",
        png((2, 1), 8, 0, [b"\x0a", b"\xf0"], interlace=1),
        greys(10, 240),
    ),
    good(
        "PNG, gamma 1: not applied",
        png((1, 1), 8, 0, [b"\x80"], (b"gAMA", struct.pack(">I", 100_000))),
        greys(128),
    ),
    good(
        "PNG, colour profile: converted to sRGB",
        saved("PNG", "RGB", SKIN, (1, 1), icc_profile=P3),
        [[from_p3(SKIN)]],
        1,
    ),
    good(
        "PNG, RGBA, colour profile: converted, then composited on white",
        saved("PNG", "RGBA", (*SKIN, 51), (1, 1), icc_profile=P3),
        [[tuple(204 + c / 5 for c in from_p3(SKIN))]],
        1,
    ),
    good(
        "PNG, palette, colour profile: converted to sRGB",
        saved("PNG", "P", 0, (1, 1), icc_profile=P3),
        [[(0, 0, 0)]],
    ),
    good(
        "PNG, damaged colour profile: ignored",
        saved("PNG", "RGB", RED, (1, 1), icc_profile=P3[:300]),
        [[RED]],
    ),
    good("PNG, animated: the first frame", animated("PNG"), flat(DARK)),
    good(
        "PNG, its last chunk is missing",
        png((1, 1), 8, 0, [b"\x5a"])[:-12],
        greys(90),
    ),
    good(
        "PNG, its last row is missing: black",
        png((1, 2), 8, 0, [b"\x5a"]),
        [[(90,) * 3], [(0,) * 3]],
    ),
    good(
        "PNG, one row of 3000 pixels",
        png((3000, 1), 8, 0, [b"\x07" * 3000]),
        flat((7,) * 3, 3000, 1),
    ),
    # WebP
    good("WebP", saved("WEBP", "RGB", RED), flat(RED), 4),
    good("WebP, lossless", saved("WEBP", "RGB", RED, lossless=True), flat(RED)),
    good(
        "WebP, alpha",
        saved("WEBP", "RGBA", (*RED, 0), lossless=True),
        flat(WHITE),
    ),
    good(
        "WebP, animated: the first frame",
        animated("WEBP", lossless=True),
        flat(DARK),
    ),
    # AVIF
    good("AVIF", saved("AVIF", "RGB", RED), flat(RED), 3),
    good("AVIF, alpha", saved("AVIF", "RGBA", (*RED, 0)), flat(WHITE)),
    good("AVIF, animated: the first frame", animated("AVIF"), flat(DARK), 3),
    # BMP: rows from below
    good("BMP, 1 bit", bmp((3, 1), 1, [b"\x40"]), [[DARK, RED, DARK]]),
    good("BMP, 4 bits", bmp((2, 1), 4, [b"\x10"]), [[RED, DARK]]),
    good(
        "BMP, 8 bits",
        bmp((2, 2), 8, [b"\1\0", b"\0\0"]),
        [[DARK, DARK], [RED, DARK]],
    ),
    good(
        "BMP, 8 bits, run-length encoded",
        bmp((4, 1), 8, [b"\4\1\0\0\0\1"], compression=1),
        flat(RED, 4, 1),
    ),
    good("BMP, 16 bits", bmp((1, 1), 16, [b"\0\x7c"]), [[(255, 0, 0)]]),
    good("BMP, 24 bits", bmp((1, 1), 24, [bytes(RED[::-1])]), [[RED]]),
    good(
        "BMP, 24 bits, rows from top to bottom",
        bmp((1, -2), 24, [bytes(RED[::-1]), bytes(DARK[::-1])]),
        [[RED], [DARK]],
    ),
    good(
        "BMP, 32 bits: the fourth byte is ignored",
        bmp((1, 1), 32, [bytes(RED[::-1]) + b"\0"]),
        [[RED]],
    ),
    good(
        "BMP, 32 bits with an alpha mask",
        bmp((1, 1), 32, [bytes(RED[::-1]) + b"\0"], 3, MASKS, header=108),
        [[WHITE]],
    ),
    # GIF
    good("GIF", gif((2, 1), (0, 0, 2, 1), [1, 0]), [[RED, DARK]]),
    good("GIF, grey", saved("GIF", "L", 100), flat((100,) * 3)),
    good(
        "GIF, transparent",
        gif((2, 1), (0, 0, 2, 1), [1, 0], transparent=0),
        [[RED, WHITE]],
    ),
    good("GIF, animated: the first frame", animated("GIF"), flat(DARK)),
    good(
        "GIF, first frame smaller than the canvas: colour 0 around it",
        gif((3, 1), (1, 0, 1, 1), [1]),
        [[DARK, RED, DARK]],
    ),
    good(
        "GIF, transparent, first frame smaller than the canvas",
        gif((3, 1), (1, 0, 1, 1), [1], transparent=0),
        [[WHITE, RED, WHITE]],
    ),
    good(
        "GIF, first frame larger than the canvas: the whole frame",
        gif((1, 1), (0, 0, 2, 1), [1, 0]),
        [[RED, DARK]],
    ),
    # TIFF
    good("TIFF, 1 bit", tiff((3, 1), [1], 1, b"\xa0"), greys(255, 0, 255)),
    good(
        "TIFF, 1 bit, 0 is white (fax)",
        tiff((3, 1), [1], 0, b"\xa0"),
        greys(0, 255, 0),
    ),
    good("TIFF, 8 bits", tiff((2, 1), [8], 1, b"\x0a\xf0"), greys(10, 240)),
    good(
        "TIFF, 8 bits, 0 is white",
        tiff((2, 1), [8], 0, b"\x0a\xf0"),
        greys(245, 15),
    ),
    good(
        "TIFF, 12 bits: 4095 is white",
        tiff((2, 1), [12], 1, b"\x80\x8f\xff"),
        greys(128, 255),
    ),
    good(
        "TIFF, 16 bits",
        tiff((4, 1), [16], 1, shorts(0, 257, 0x8080, 65535)),
        greys(0, 1, 128, 255),
    ),
    good(
        "TIFF, 16 bits, big endian",
        tiff((3, 1), [16], 1, shorts(257, 0x8080, 65535, order=">"), ">"),
        greys(1, 128, 255),
    ),
    good(
        "TIFF, 16 bits, 0 is white",
        tiff((3, 1), [16], 0, shorts(0, 257, 65535)),
        greys(255, 254, 0),
    ),
    good(
        "TIFF, 16 bits, rotated by its orientation tag",
        tiff((2, 1), [16], 1, shorts(257, 65535), more={274: [3]}.items()),
        greys(255, 1),
    ),
    good("TIFF, RGB", tiff((1, 1), [8] * 3, 2, bytes(RED)), [[RED]]),
    good(
        "TIFF, RGB of 16 bits",
        tiff((1, 1), [16] * 3, 2, shorts(0x8080, 0x80FF, 0x7FFF)),
        [[(128, 128, 127)]],
    ),
    good(
        "TIFF, RGB in separate planes",
        tiff(
            (2, 1),
            [8] * 3,
            2,
            bytes((200, 1, 10, 2, 30, 3)),
            more={284: [2], 273: [8, 10, 12], 279: [2, 2, 2]}.items(),
        ),
        [[RED, DARK]],
    ),
    good(
        "TIFF, RGBA, premultiplied",
        tiff(
            (1, 1), [8] * 4, 2, bytes((51, 0, 0, 51)), more={338: [1]}.items()
        ),
        [[(255, 204, 204)]],
    ),
    good(
        "TIFF, grey and alpha",
        tiff((2, 1), [8, 8], 1, b"\x5a\xff\x5a\x00", more={338: [2]}.items()),
        greys(90, 255),
    ),
    good(
        "TIFF, grey and alpha, premultiplied",
        tiff((2, 1), [8, 8], 1, b"\x5a\xff\x33\x33", more={338: [1]}.items()),
        greys(90, 255),
    ),
    good(
        "TIFF, palette of 16-bit colours",
        tiff((3, 1), [8], 3, b"\0\1\2", more={320: RAMP * 3}.items()),
        greys(0, 255, 128),
    ),
    good(
        "TIFF, CMYK",
        tiff((1, 1), [8] * 4, 5, bytes(CYAN_AND_YELLOW)),
        [[(0, 255, 0)]],
    ),
    good(
        "TIFF, YCbCr",
        tiff((2, 1), [8] * 3, 6, b"\x80\x80\x80\x4c\x55\xff"),
        [[(128,) * 3, (254, 0, 0)]],
        1,
    ),
    good(
        "TIFF, LAB: lightness 50 of 100",
        tiff((1, 1), [8] * 3, 8, b"\x80\0\0"),
        greys(119),
        1,
    ),
    good(
        "TIFF, LZW",
        saved("TIFF", "RGB", RED, compression="tiff_lzw"),
        flat(RED),
    ),
    good("TIFF, two pages: the first", animated("TIFF"), flat(DARK)),
]


@pytest.mark.parametrize(("content", "expected", "within"), GOOD)
def test_what_is_read(tmp_path, content, expected, within):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == np.shape(expected)
    assert np.abs(image.astype(int) - expected).max() <= within


def bad(what, content, reason):
    return pytest.param(content, reason, id=what)


HERE = png((2, 1), 8, 0, [b"\x05\x06"], (b"tEXt", b"a\0b"))
NO_IMAGE = "Its content is no JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF or HEIC."
AT_MOST = "and at most 268,435,456 are read."

BAD = [
    bad("an empty file", b"", NO_IMAGE),
    bad("text", b"no image", NO_IMAGE),
    bad("HTML", b"<!DOCTYPE html><html>404</html>", NO_IMAGE),
    bad("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", NO_IMAGE),
    bad("PDF", b"%PDF-1.7\n", NO_IMAGE),
    bad(
        "PostScript",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        NO_IMAGE,
    ),
    bad("DOS EPS", b"\xc5\xd0\xd3\xc6" + bytes(40), NO_IMAGE),
    bad("ICO, which Pillow could read", saved("ICO", "RGB", RED), NO_IMAGE),
    bad("a video", b"\0\0\0\x18ftypisom" + bytes(40), NO_IMAGE),
    bad("zeros", bytes(400), NO_IMAGE),
    bad("JPEG, cut", saved("JPEG", "L", 9)[:-3], "image file is truncated"),
    bad(
        "JPEG, 300 scans",
        repeated_scan(saved("JPEG", "L", 9, progressive=True), 300),
        "scans, and at most 100 are read.",
    ),
    bad(
        "JPEG, only its first bytes",
        b"\xff\xd8\xff",
        "It begins as a JPEG file",
    ),
    bad("PNG, only its first bytes", HERE[:8], "It begins as a PNG file"),
    bad(
        "PNG, wrong checksum of the header",
        flipped_bit(HERE, b"IHDR", 17),
        "bad header",
    ),
    bad(
        "PNG, wrong checksum of a text chunk",
        flipped_bit(HERE, b"tEXt", 8),
        "b'tEXt'",
    ),
    bad(
        "PNG, wrong checksum of the pixels",
        flipped_bit(HERE, b"IDAT", 8),
        "broken",
    ),
    bad("PNG, no palette", png((1, 1), 8, 3, [b"\0"]), "AssertionError"),
    bad("PNG, width 0", png((0, 1), 8, 0, [b""]), "It begins as a PNG file"),
    bad("WebP, cut", saved("WEBP", "RGB", RED)[:-9], "It begins as a WEBP"),
    bad("AVIF, cut", saved("AVIF", "RGB", RED)[:-9], "decode"),
    bad("BMP, text", b"BMW builds cars.", "It begins as a BMP file"),
    bad("GIF, no frame", b"GIF89a" + bytes(7) + b";", "It begins as a GIF"),
    bad("TIFF, float", tiff((1, 1), [32], 1, bytes(4), more=[(339, [3])]), "F"),
    bad(
        "TIFF, 32 bits, all values small",
        tiff((1, 1), [32], 1, b"\x07\0\0\0"),
        "Signed and 32-bit pixels have no known range.",
    ),
    bad(
        "TIFF, signed 16 bits",
        tiff((1, 1), [16], 1, b"\x07\0", more=[(339, [2])]),
        "Signed and 32-bit pixels have no known range.",
    ),
    bad(
        "TIFF, RGB of 16 bits in separate planes",
        tiff(
            (1, 1),
            [16] * 3,
            2,
            shorts(1, 2, 3),
            more={284: [2], 273: [8, 10, 12], 279: [2, 2, 2]}.items(),
        ),
        "16-bit colours in separate planes are read only if compressed.",
    ),
    bad(
        "TIFF, 16 bits, big endian, 0 is white",
        tiff((1, 1), [16], 0, b"\0\7", ">"),
        "It begins as a TIFF file, but is damaged or of a rare kind "
        "(unknown pixel mode).",
    ),
    bad(
        "PNG, enormous",
        png((20_000, 20_000), 8, 0, [b""]),
        f"It has 20000 x 20000 pixels, {AT_MOST}",
    ),
    bad(
        "PNG, the greatest possible width",
        png((2**31 - 1, 1), 8, 0, [b""]),
        f"It has 2147483647 x 1 pixels, {AT_MOST}",
    ),
    bad(
        "BMP, enormous",
        bmp((30_000, 30_000), 24, [b""]),
        f"It has 30000 x 30000 pixels, {AT_MOST}",
    ),
    bad(
        "GIF, enormous",
        gif((65_535, 65_535), (0, 0, 1, 1), [1]),
        f"It has 65535 x 65535 pixels, {AT_MOST}",
    ),
    bad(
        "TIFF, enormous",
        tiff((30_000, 30_000), [8], 1, b"\7"),
        f"It has 30000 x 30000 pixels, {AT_MOST}",
    ),
]


@pytest.mark.parametrize(("content", "reason"), BAD)
def test_what_is_refused(tmp_path, content, reason):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(BadImage) as caught:
        read_image(path)
    assert reason in caught.value.reason
    assert caught.value.reason.isprintable()
    assert caught.value.name == str(path)
    assert str(path) in str(caught.value)


SPECIAL = {
    "no file of that name": (lambda path: None, "No such file or directory"),
    "a folder": (os.mkdir, "It is a folder, not a regular file."),
    "a pipe": (os.mkfifo, "It is a pipe, not a regular file."),
    "a link to a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "It is a device, not a regular file.",
    ),
    "a broken link": (
        lambda path: path.symlink_to("nowhere"),
        "No such file or directory",
    ),
    "a link to itself": (
        lambda path: path.symlink_to(path),
        "Too many levels of symbolic links",
    ),
    "a file without read permission": (
        lambda path: path.touch(mode=0),
        "Permission denied",
    ),
}


@pytest.mark.parametrize("what", SPECIAL)
def test_what_is_no_regular_file(tmp_path, what):
    make, reason = SPECIAL[what]
    if what == "a file without read permission" and os.geteuid() == 0:
        pytest.skip("root may read all")
    make(tmp_path / "x.png")
    with pytest.raises(BadImage) as caught:
        read_image(tmp_path / "x.png")
    assert caught.value.reason == reason


def test_a_link_to_an_image_is_an_image(tmp_path):
    (tmp_path / "x").write_bytes(HERE)
    (tmp_path / "link.gif").symlink_to(tmp_path / "x")
    assert read_image(tmp_path / "link.gif")[0, :, 0].tolist() == [5, 6]


def test_the_limit_is_ours_and_not_pillows(tmp_path, monkeypatch):
    """Pillow warns above its limit, and raises at twice of it."""
    for name, size in {"in": (4, 4), "out": (17, 1)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(reading, "MAX_PIXELS", 16)
    for pillows in (1, 12, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
        assert read_image(tmp_path / "in.png").shape == (4, 4, 3)
        with pytest.raises(BadImage, match="17 x 1 pixels, and at most 16 are"):
            read_image(tmp_path / "out.png")


def test_pillows_warnings_are_not_passed_on(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(saved("JPEG", "L", 9, exif=exif(TURNED)[:-4]))
    with pytest.warns(UserWarning, match="Corrupt EXIF"), Image.open(path):
        pass
    code = (
        "import sys; from tf_i2i.data.reading import read_image;"
        "read_image(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_header_is_enough_to_refuse(tmp_path, monkeypatch):
    def decode(*_):
        raise AssertionError("nothing may be decoded")

    path = tmp_path / "x.jpg"
    path.write_bytes(saved("JPEG", "L", 9))
    monkeypatch.setattr(reading, "MAX_PIXELS", 63)
    monkeypatch.setattr(reading, "_to_rgb", decode)
    with pytest.raises(BadImage, match="8 x 8"):
        read_image(path)


def test_the_table_of_the_documentation_is_this_one():
    page = Path(__file__).parents[2] / "docs" / "images.md"
    told = [
        line.split(" | ")[0].removeprefix("| ")
        for line in page.read_text().splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    kinds = [row.id for row in (*GOOD, *BAD)]
    assert [name for name in told if name != "what"] == [*kinds, *SPECIAL]
