"""Reads and writes clips, which are videos or animated images.

Videos need the extra `video`. Animations are GIF, WebP and, as inputs only,
PNG files.
"""

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_i2i import messages
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import has_frames
from tf_i2i.data.reading import open_image
from tf_i2i.disk import hidden_beside
from tf_i2i.disk import reason
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.extras import optional
from tf_i2i.files import QUALITY
from tf_i2i.files import check_aspect
from tf_i2i.foreign_files import open_regular

EXTRA = "video"
# Suffix of a written video -> its codec.
_CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
VIDEO_SUFFIXES = tuple(_CODECS)
ANIMATION_SUFFIXES = (".gif", ".webp")
_INPUT_SUFFIXES = (*VIDEO_SUFFIXES, ".m4v", ".avi")
# The formats that FFmpeg may read. Playlists are not allowed, because they can
# name other files.
_DEMUXERS = "mov,mp4,matroska,webm,avi"
# Duration of frames whose file does not state one.
_MILLISECONDS = 100


class Frame(NamedTuple):
    """One frame of a clip.

    Attributes:
        pixels: uint8 `[height, width, 3]`.
        time: time at which the frame begins, in units of `Clip.unit`.
        duration: time that the frame is shown, in the same units.
    """

    pixels: np.ndarray
    time: int
    duration: int


def is_video(path):
    """Returns whether a file is a video by its suffix."""
    return path.suffix.lower() in _INPUT_SUFFIXES


def is_clip(inputs, output):
    """Returns whether the output is an animation or a video.

    A .gif or .webp file is an animation only if an input has several frames.

    Args:
        inputs: paths of the inputs.
        output: path of the output, a `Path`.
    """
    suffix = output.suffix.lower()
    if output.is_dir():
        return False
    if suffix not in ANIMATION_SUFFIXES:
        return suffix in VIDEO_SUFFIXES
    return any(is_video(path) or has_frames(path) for path in inputs)


class Clip:
    """A video or an animation that is open for reading.

    Attributes:
        path: path of the file, a `Path`.
        unit: duration of a unit of time in seconds, a `Fraction`.
        rate: number of frames in a second on average, a `Fraction`.
        count: number of frames, or None if it is not known.
        sound: stream of PyAV with the first sound track, or None.
    """

    path: Path
    unit: Fraction
    rate: Fraction
    count: int | None
    sound = None

    def frames(self, sound_fn=None):
        """Yields each `Frame`.

        Args:
            sound_fn: function that takes each packet of the sound; None if the
                sound is not needed.

        Raises:
            BadImage: the clip is damaged, or it has no frames, frames of
                different sizes, or frames whose aspect ratio is too large.
        """
        shape = None
        with _reading(self.path):
            for frame in self._frames(sound_fn):
                if shape is None:
                    shape = frame.pixels.shape
                    check_aspect(self.path, frame.pixels)
                if frame.pixels.shape != shape:
                    raise BadImage(self.path, "The size of its frames changes.")
                yield frame
        if shape is None:
            raise BadImage(self.path, "It has no frames.")

    def _frames(self, sound_fn):
        raise NotImplementedError


class _Animation(Clip):
    """An animated GIF, WebP or PNG."""

    unit, rate = Fraction(1, 1000), Fraction(10)

    def __init__(self, path, stream):
        self.path = path
        self._image = open_image(stream)
        self.count: int = getattr(self._image, "n_frames", 1)

    def _frames(self, sound_fn):
        white = Image.new("RGBA", self._image.size, "white")
        time = 0
        for number in range(self.count):
            self._image.seek(number)
            frame = Image.alpha_composite(white, self._image.convert("RGBA"))
            duration = round(self._image.info.get("duration") or _MILLISECONDS)
            yield Frame(np.array(frame.convert("RGB")), time, duration)
            time += duration


class _Video(Clip):
    """A video that PyAV decodes."""

    def __init__(self, path, container):
        if not container.streams.video:
            raise ValueError("It has no images.")
        self.path = path
        self._container = container
        self._images = container.streams.video[0]
        self._images.thread_type = "AUTO"
        self.sound = next(iter(container.streams.audio), None)
        self.unit = self._images.time_base
        self.rate = self._images.average_rate or Fraction(25)
        self.count = self._images.frames or None

    def _frames(self, sound_fn):
        streams = [self._images] + ([self.sound] if sound_fn else [])
        length = max(1, round(1 / (self.rate * self.unit)))
        time = None
        for packet in self._container.demux(streams):
            if packet.stream is not self._images:
                if packet.dts is not None:
                    sound_fn(packet)
                continue
            for frame in packet.decode():
                time = _next_time(frame.pts, time)
                pixels = _upright(
                    frame.to_ndarray(format="rgb24"), frame.rotation
                )
                yield Frame(pixels, time, frame.duration or length)


def _next_time(stated, last):
    """Returns the time at which a frame begins, later than the last frame.

    Args:
        stated: time that the file states, or None.
        last: time at which the last frame began, or None for the first frame.
    """
    if last is None:
        return stated or 0
    return last + 1 if stated is None else max(stated, last + 1)


def _upright(pixels, degrees):
    """Rotates a frame counterclockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, round(degrees / 90)))


@contextlib.contextmanager
def source(path):
    """Opens a clip for reading; yields a `Clip`.

    Args:
        path: path of a video or of an animation, a `Path`.

    Raises:
        BadImage: the file cannot be read.
        UserError: the file is a video, and the extra `video` is not installed.
    """
    av = optional("av", EXTRA) if is_video(path) else None
    clip: Clip
    with contextlib.ExitStack() as stack:
        with _reading(path):
            stream = stack.enter_context(open_regular(path))
            if av is None:
                clip = _Animation(path, stream)
            else:
                options = {"format_whitelist": _DEMUXERS}
                container = av.open(stream, options=options)
                clip = _Video(path, stack.enter_context(container))
        yield clip


@contextlib.contextmanager
def _reading(path):
    """Context that turns the errors of reading a clip into a `BadImage`."""
    try:
        yield
    except UserError:
        raise
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        raise BadImage(path, " ".join(str(error).split())) from error


def write(path, clip, frames_fn):
    """Writes a video or an animation.

    An existing file is replaced only after all frames have been written.

    Args:
        path: file to write, a `Path`, with one of `VIDEO_SUFFIXES` or
            `ANIMATION_SUFFIXES`.
        clip: the `Clip` that was translated. Its sound is kept if the format
            of `path` can contain it.
        frames_fn: function that takes the argument `sound_fn` of `clip.frames`
            and yields each `Frame` to write. All frames have the same size.

    Raises:
        UserError: the file cannot be written.
    """
    part = hidden_beside(path, path.suffix)
    writer = _write_video
    if path.suffix.lower() in ANIMATION_SUFFIXES:
        writer = _write_animation
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(part, clip, frames_fn)
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            "`--output` must be in a folder that can be written. "
            f"Received: {path} ({reason(error)})"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _write_animation(path, clip, frames_fn):
    _tell_of_sound(clip, path)
    images, durations = [], []
    for frame in frames_fn(None):
        images.append(Image.fromarray(frame.pixels))
        durations.append(
            max(1, round(1000 * float(clip.unit) * frame.duration))
        )
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        quality=QUALITY,
    )


def _write_video(path, clip, frames_fn):
    av = optional("av", EXTRA)
    with av.open(path, "w") as output:
        images = output.add_stream(_CODECS[path.suffix.lower()], clip.rate)
        images.pix_fmt = "yuv420p"
        images.codec_context.time_base = clip.unit
        sound = _sound_stream(output, clip, path)
        packets: list = []
        begun = False
        for frame in frames_fn(packets.append if sound else None):
            pixels = _even(frame.pixels)
            if not begun:
                images.height, images.width = pixels.shape[:2]
                begun = True
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = frame.time, clip.unit
            output.mux(images.encode(picture))
            _mux_sound(output, sound, packets)
        output.mux(images.encode())
        _mux_sound(output, sound, packets)


def _mux_sound(output, stream, packets):
    """Writes packets of sound to a stream, and empties their list."""
    for packet in packets:
        packet.stream = stream
        output.mux(packet)
    packets.clear()


def _even(pixels):
    """Returns an image whose sides are even numbers of pixels.

    Videos need such sides, because they store colours at half of the
    resolution.
    """
    height, width = pixels.shape[:2]
    return np.pad(pixels, [(0, height % 2), (0, width % 2), (0, 0)], "edge")


def _sound_stream(output, clip, path):
    """Returns the stream for a clip's sound in a video, or None."""
    if clip.sound is None:
        return None
    if clip.sound.codec_context.name not in output.supported_codecs:
        _tell_of_sound(clip, path)
        return None
    return output.add_stream_from_template(clip.sound)


def _tell_of_sound(clip, path):
    """Logs that the sound of a clip is left out, if it has any."""
    if clip.sound is not None:
        messages.info(
            f"The sound is left out, because a {path.suffix} file cannot "
            f"contain {printable(clip.sound.codec_context.name)}."
        )
