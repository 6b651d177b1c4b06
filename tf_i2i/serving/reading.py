"""Reads the requests of the server, within limits."""

import asyncio
import base64
import binascii
import io
from typing import NamedTuple

from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import open_image
from tf_i2i.files import read_input
from tf_i2i.foreign_files import parse_json
from tf_i2i.serving.translator import SIZES
from tf_i2i.serving.translator import Options

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
JSON = "application/json"
FIELDS = ("direction", "size", "seed", "format")
# Largest number of bytes in a JSON request in addition to its image.
_REST = 4096


class Limits(NamedTuple):
    """Limits on requests.

    Attributes:
        bytes: largest size of an encoded image.
        pixels: largest number of pixels of an image.
        queue: largest number of requests that are in progress.
        seconds: longest time in which a request may be received.
    """

    bytes: int = 10_000_000
    pixels: int = 2**25
    queue: int = 64
    seconds: float = 20.0


class Refusal(Exception):  # noqa: N818 (an answer, not a fault of the server)
    """A request that is answered with an error.

    Attributes:
        status: HTTP status code.
        message: one line that says what is wrong.
    """

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Order(NamedTuple):
    """A request that was read.

    Attributes:
        content: bytes of an encoded image.
        options: `Options`.
        format: key of `FORMATS`, the format of the answer.
        json: whether the request is JSON. The answer then is JSON, too.
    """

    content: bytes
    options: Options
    format: str
    json: bool


async def read_order(request, directions, default, limits):
    """Returns the `Order` of a request.

    Args:
        request: Starlette's `Request`.
        directions: the directions of the model.
        default: direction for requests that do not name a direction.
        limits: `Limits`.

    Raises:
        Refusal: the request does not have the form that the documents of the
            server describe, is too large, or is received too slowly.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    is_json = kind.lower() == JSON
    if not is_json and kind.lower() not in FORMATS.values():
        raise Refusal(
            415,
            "`Content-Type` must be one of "
            f"{', '.join([*FORMATS.values(), JSON])}. Received: {kind!r}",
        )
    limit = limits.bytes
    if is_json:
        limit = limit * 4 // 3 + _REST
    try:
        async with asyncio.timeout(limits.seconds):
            body = await _read_body(request, limit)
    except TimeoutError:
        raise Refusal(
            408,
            f"`body` must arrive within {limits.seconds} s. Received: "
            "a part of it",
        ) from None
    fields = dict(request.query_params)
    if is_json:
        body, fields = _parse(body, fields)
    options, format = _options(fields, directions, default)
    return Order(body, options, format, is_json)


async def _read_body(request, limit):
    """Returns the body of a request of at most `limit` bytes."""
    declared = request.headers.get("content-length")
    if declared and int(declared) > limit:
        raise _too_large(f"{declared} bytes", limit)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise _too_large("more", limit)
    return bytes(body)


def _too_large(received, limit):
    return Refusal(
        413, f"`body` must have at most {limit} bytes. Received: {received}"
    )


def _parse(body, fields):
    """Returns the image and the fields of a request in JSON."""
    try:
        given = parse_json(body)
    except ValueError as error:
        raise Refusal(
            400, f"`body` must be JSON in UTF-8. Received: {error}"
        ) from error
    if not isinstance(given, dict) or not isinstance(given.get("image"), str):
        raise Refusal(
            400,
            "`image` must be a text in Base64, in a JSON object. Received: "
            "no such text",
        )
    try:
        content = base64.b64decode(given.pop("image"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            400, f"`image` must be a text in Base64. Received: {error}"
        ) from error
    return content, fields | given


def _options(fields, directions, default):
    """Returns `(options, format)` of the fields of a request."""
    if unknown := fields.keys() - {*FIELDS}:
        raise Refusal(
            400,
            f"`{sorted(unknown)[0]}` must be one of {', '.join(FIELDS)}. "
            "Received: an unknown field",
        )
    direction = fields.get("direction", default)
    _check("direction", direction, directions)
    size = fields.get("size", "model")
    _check("size", size, SIZES)
    format = fields.get("format", "png")
    _check("format", format, tuple(FORMATS))
    seed = fields.get("seed")
    try:
        seed = None if seed is None else int(str(seed))
    except ValueError:
        seed = -1
    if seed is not None and not 0 <= seed < 2**31:
        raise Refusal(
            400,
            "`seed` must be an integer from 0 to 2147483647. "
            f"Received: {fields['seed']!r}",
        )
    return Options(direction, size, seed), format


def _check(name, value, choices):
    if value not in choices:
        raise Refusal(
            400,
            f"`{name}` must be one of {', '.join(choices)}. "
            f"Received: {value!r}",
        )


def decode(content, limits):
    """Returns an encoded image as uint8 `[height, width, 3]`.

    The number of pixels is checked before the pixels are decoded.

    Args:
        content: bytes of an image file.
        limits: `Limits`.

    Raises:
        Refusal: the content is no image, or the image or its aspect ratio is
            too large.
    """
    stream = io.BytesIO(content)
    try:
        width, height = open_image(stream).size
        if width * height > limits.pixels:
            raise Refusal(
                413,
                f"`image` must have at most {limits.pixels} pixels. Received: "
                f"{width} x {height} pixels",
            )
        stream.seek(0)
        return read_input(stream)
    except BadImage as error:
        raise _no_image(error.reason) from error
    except ValueError as error:
        raise _no_image(error) from error


def _no_image(reason):
    return Refusal(400, f"`image` must be a readable image. Received: {reason}")
