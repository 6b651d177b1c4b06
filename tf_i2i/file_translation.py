"""Translation of image files: whole images, faces, or grids of styles."""

import dataclasses
import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tf_i2i import clips
from tf_i2i import styles
from tf_i2i.data.items import in_threads
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import first_frames
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import has_frames
from tf_i2i.errors import printable
from tf_i2i.faces import align
from tf_i2i.faces.paste import paste
from tf_i2i.files import read_input
from tf_i2i.files import save_image
from tf_i2i.geometry import PICTURES
from tf_i2i.geometry import crop_padding
from tf_i2i.geometry import prepare
from tf_i2i.geometry import resize
from tf_i2i.geometry import restored
from tf_i2i.ground import clear_ground
from tf_i2i.ground import plain_ground

PASTE = ("auto", "yes", "no")
# Largest mean difference between neighbouring tiles that is not visible, in
# levels of 255.
MOST_SEAM = 1.0


@dataclasses.dataclass
class Report:
    """The input files and results of a translation that need a message.

    Attributes:
        skipped: list of `BadImage`, one for each file that was left out.
        faceless: paths of the inputs without a face, of which the central
            square was translated.
        opaque: paths of the outputs that should be transparent and are not,
            because the translation has no plain background.
        animated: paths of the inputs of which only the first frame was
            translated.
        alone: number of faces that were written without their photos.
        seam: largest difference of neighbouring tiles, in levels of 255; see
            `tiles.translate_in_tiles`.
    """

    skipped: list[BadImage] = dataclasses.field(default_factory=list)
    faceless: list[Path] = dataclasses.field(default_factory=list)
    opaque: list[Path] = dataclasses.field(default_factory=list)
    animated: list[Path] = dataclasses.field(default_factory=list)
    alone: int = 0
    seam: float = 0.0

    def notes(self):
        """Returns a line for each thing that the user should know."""
        animated = list(dict.fromkeys(self.animated))
        return [
            *([first_frames(animated)] if animated else []),
            *(
                f"no face found in {printable(path)}; its centre was translated"
                for path in self.faceless
            ),
            *(
                f"not transparent: {printable(path)}, because the translation "
                "has no plain background"
                for path in self.opaque
            ),
            *(error.left_out for error in self.skipped),
            *([_of_seam(self.seam)] if self.seam > MOST_SEAM else []),
        ]

    def read(self, path):
        """Returns the image in a file, or None, and records what happened.

        An unreadable file is recorded in `skipped`, and a file with several
        frames in `animated`.
        """
        return self.note(path, *_read(path))

    def note(self, path, image, animated):
        """Returns an image that was read; None if the file was unreadable.

        Args:
            path: path of the file.
            image: the image, or the `BadImage` of the file, which is recorded.
            animated: whether the file has several frames, which is recorded.
        """
        if isinstance(image, BadImage):
            self.skipped.append(image)
            return None
        if animated:
            self.animated.append(path)
        return image

    def clear(self, image, target):
        """Makes a translation's background transparent, if it has a plain one.

        Args:
            image: uint8 `[height, width, 3]`.
            target: path of the output, which is reported if the translation
                has no plain background.

        Returns:
            uint8 `[height, width, 4]`, or `image` itself.
        """
        colour = plain_ground(image)
        if colour is None:
            self.opaque.append(target)
            return image
        return clear_ground(image, colour)


def _read(path):
    """Reads an image file.

    Args:
        path: path of an image file.

    Returns:
        `(image, animated)`. `image` is uint8 `[height, width, 3]`, or a
        `BadImage` if the file is unreadable. `animated` says whether the file
        has several frames.
    """
    try:
        image = read_input(path)
    except BadImage as error:
        return error, False
    return image, has_frames(path)


def _of_seam(seam):
    """Returns a sentence about tiles that do not agree."""
    return (
        f"neighbouring tiles differ by up to {seam:.1f} levels of 255 where "
        "they overlap, and are blended there; a larger --tile or a smaller "
        "--size prevents this"
    )


def translate_files(
    translate_fn,
    outputs,
    input_size,
    batch_size=8,
    restore=False,
    filters=PICTURES,
    transparent=False,
):
    """Translates image files; images of the same padded shape share batches.

    Threads read the next images and write earlier results while a batch is
    translated. At most `batch_size` images are read in advance, and at most
    `batch_size` results wait to be written.

    Args:
        translate_fn: function that takes uint8 images `[N, h, w, 3]` of a size
            that the model accepts, and returns uint8 images of the same shape.
        outputs: dictionary from input paths to output paths.
        input_size: `InputSize` of the model.
        batch_size: largest number of images per call of `translate_fn`.
        restore: whether the results are scaled back to the inputs' sizes.
        filters: `Filters` that inputs and results are scaled with.
        transparent: whether plain backgrounds of the results are made
            transparent.

    Returns:
        `Report`.

    Raises:
        UserError: a result cannot be written.
    """
    report = Report()

    def load(path):
        image, animated = _read(path)
        if not isinstance(image, BadImage):
            image = prepare(image, input_size, restore, filters.source)
        return image, animated

    def translations():
        loaded = in_threads(load, outputs, batch_size)
        readable = _readable(report, outputs, loaded, bar)
        for batch in _of_one_shape(readable, batch_size):
            images = np.stack([prepared.pixels for prepared, _ in batch])
            translated = np.asarray(translate_fn(images))
            for image, (prepared, target) in zip(
                translated, batch, strict=True
            ):
                image = crop_padding(image, prepared)
                if transparent:
                    image = report.clear(image, target)
                yield image, prepared.shape, target

    def save(result):
        image, shape, target = result
        save_image(resize(image, shape, filters.target), target)

    with tqdm(total=len(outputs), unit="image", disable=None) as bar:
        for _ in in_threads(save, translations(), batch_size):
            bar.update()
    return report


def _readable(report, outputs, loaded, bar):
    """Yields pairs (`Prepared`, output path) of the readable files.

    Args:
        report: `Report`, which is extended.
        outputs: dictionary from input paths to output paths.
        loaded: for each input path, a pair (`Prepared` or `BadImage`, whether
            the file has several frames).
        bar: progress bar, which is advanced for each unreadable file.
    """
    for (path, target), pair in zip(outputs.items(), loaded, strict=True):
        prepared = report.note(path, *pair)
        if prepared is None:
            bar.update()
        else:
            yield prepared, target


def _of_one_shape(pairs, batch_size):
    """Yields batches of pairs (`Prepared`, anything) of one padded shape.

    One incomplete batch is kept in memory for each padded shape. The number of
    shapes is small, because the padded sides are multiples of
    `InputSize.multiple` and the aspect ratio is limited.
    """
    waiting: dict[tuple[int, ...], list[tuple]] = defaultdict(list)
    for pair in pairs:
        shape = pair[0].pixels.shape
        waiting[shape].append(pair)
        if len(waiting[shape]) == batch_size:
            yield waiting.pop(shape)
    yield from waiting.values()


def translate_clip(
    translate_fn,
    path,
    target,
    input_size,
    batch_size=8,
    restore=False,
    filters=PICTURES,
    smooth_fn=None,
):
    """Translates each frame of a video or of an animation.

    Args:
        translate_fn, input_size, batch_size, restore, filters: see
            `translate_files`.
        path: path of the clip, a `Path`.
        target: path of the output; see `clips.write`.
        smooth_fn: function such as `smoothing.Smoother`, which takes each
            frame, scaled to the size of its translation, and the translation;
            None for no smoothing.

    Returns:
        Number of frames.

    Raises:
        UserError: the clip cannot be read, or the output cannot be written.
    """
    count = 0

    def frames_fn(sound):
        nonlocal count
        for batch in _batches(clip.frames(sound), batch_size):
            prepared = [
                prepare(frame.pixels, input_size, restore, filters.source)
                for frame in batch
            ]
            images = np.stack([one.pixels for one in prepared])
            for frame, image, one in zip(
                batch, np.asarray(translate_fn(images)), prepared, strict=True
            ):
                made = restored(image, one, filters.target)
                if smooth_fn:
                    made = smooth_fn(resize(frame.pixels, one.shape), made)
                yield frame._replace(pixels=made)
            count += len(batch)
            bar.update(len(batch))

    with (
        clips.source(path) as clip,
        tqdm(total=clip.count, unit="frame", disable=None) as bar,
    ):
        clips.write(target, clip, frames_fn)
    return count


def _batches(values, size):
    """Yields lists of `size` consecutive values; the last may be shorter."""
    values = iter(values)
    while batch := list(itertools.islice(values, size)):
        yield batch


def translate_to_grid(
    styled_fn, outputs, size, given, references, filters=PICTURES
):
    """Translates image files in several styles and writes them as one grid.

    Args:
        styled_fn: function that takes uint8 images `[N, height, width, 3]` and
            N styles, and returns uint8 images of the same shape.
        outputs: dictionary from each input path to the path of the grid.
        size: size of the images in the grid; see `tf_i2i.sizes`.
        given: the styles to translate in, `[K, *style_shape]`, from
            `styles.styles_for`.
        references: reference images of the styles, from
            `styles.styles_for`.
        filters: `Filters` that inputs are scaled with.

    Returns:
        `Report`.

    Raises:
        UserError: the grid cannot be written.
    """
    report = Report()
    images = [
        fit_image(image, size, resample=filters.source)
        for image in map(report.read, outputs)
        if image is not None
    ]
    if images:
        picture = styles.style_grid(styled_fn, images, given, references)
        save_image(picture, next(iter(outputs.values())))
    return report


@dataclasses.dataclass(frozen=True)
class FaceOptions:
    """What is done with the translated faces of a photo.

    Attributes:
        margin: margin around each face; see `faces.align.crop`.
        paste: "yes" to paste the faces back into the photo, "no" to write each
            face to a separate file. "auto" means "no" if most translations of
            the photo's faces have a plain background, and "yes" otherwise.
        restore: whether a face that is written to a separate file is scaled
            back to its size in the photo.
        transparent: whether plain backgrounds of faces that are written to
            separate files are made transparent.
    """

    margin: float = align.MARGIN
    paste: str = "auto"
    restore: bool = False
    transparent: bool = False


def translate_faces(
    translate_fn,
    outputs,
    size,
    find,
    names_fn,
    options=FaceOptions(),
    batch_size=8,
):
    """Translates the faces in image files.

    Args:
        translate_fn: function that takes uint8 images `[N, size, size, 3]` and
            returns uint8 images of the same shape.
        outputs: dictionary from input paths to output paths.
        size: side of the aligned faces, in pixels.
        find: function from `faces.detect.detector` that takes a photo and
            returns a list of its faces, the largest first.
        names_fn: function of an output path and a number of faces that returns
            a list of output paths, one for each face; see
            `files.FurtherOutputs`.
        options: `FaceOptions`.
        batch_size: largest number of faces per call of `translate_fn`.

    Returns:
        `Report`.

    Raises:
        UserError: a result cannot be written.
    """
    report = Report()
    for path, target in tqdm(outputs.items(), unit="image", disable=None):
        photo = report.read(path)
        if photo is None:
            continue
        places = [(face, options.margin) for face in find(photo)]
        if not places:
            report.faceless.append(path)
            places = [(align.central(photo.shape), 0.0)]
        crops = np.stack([align.crop(photo, f, size, m) for f, m in places])
        translated = np.concatenate(
            [
                np.asarray(translate_fn(crops[i : i + batch_size]))
                for i in range(0, len(crops), batch_size)
            ]
        )
        if _stand_alone(translated, options.paste):
            targets = names_fn(target, len(places))
            _save_alone(translated, places, targets, options, report)
            continue
        _paste_all(photo, translated, places)
        save_image(photo, target)
        if options.transparent:
            report.opaque.append(target)
    return report


def _stand_alone(translated, paste):
    """Returns whether the faces of a photo are written without the photo.

    Args:
        translated: uint8 `[N, size, size, 3]`.
        paste: one of `PASTE`.
    """
    if paste != "auto":
        return paste == "no"
    plain = sum(plain_ground(image) is not None for image in translated)
    return 2 * plain > len(translated)


def _save_alone(translated, places, targets, options, report):
    """Writes each face of a photo to a separate file.

    Args:
        translated: uint8 `[N, size, size, 3]`.
        places: list of N pairs (`Face`, margin).
        targets: list of N output paths.
        options: `FaceOptions`.
        report: `Report`, which is extended.
    """
    for image, (face, margin), target in zip(
        translated, places, targets, strict=True
    ):
        if options.transparent:
            image = report.clear(image, target)
        if options.restore:
            side = max(1, round(face.side * (1 + 2 * margin)))
            image = resize(image, (side, side))
        save_image(image, target)
    report.alone += len(translated)


def _paste_all(photo, translated, places):
    """Pastes the translated faces into their photo, which is changed.

    The largest face is pasted last, because it is probably in front of the
    other faces. A drawing on a plain background is pasted without this
    background.

    Args:
        photo: uint8 `[height, width, 3]`.
        translated: uint8 `[N, size, size, 3]`, the largest face first.
        places: list of N pairs (`Face`, margin).
    """
    pairs = list(zip(translated, places, strict=True))
    for image, (face, margin) in reversed(pairs):
        paste(photo, _without_ground(image), face, margin)


def _without_ground(image):
    """Returns a drawing with a transparent background.

    An image without a plain background is not changed. An image of a single
    colour is not changed either, because it would become transparent
    everywhere.
    """
    colour = plain_ground(image)
    if colour is None:
        return image
    cleared = clear_ground(image, colour)
    return cleared if cleared[..., 3].any() else image
