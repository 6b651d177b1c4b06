"""What an evaluation scores: trained models, or another program's images."""

import sys

import numpy as np

from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import fit_image
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_image
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.translations import Translations


class TrainedModels:
    """Several checkpoints of a run, or several models, side by side.

    Args:
        real: `RealImages`.
        models: dictionary, row of the table -> `UnpairedTranslator`. The
            first one says the directions and the measures, and the pictures
            of a report are its own.
        seed: of styles.
    """

    def __init__(self, real, models, seed=0):
        self.real = real
        self._translations = {
            name: Translations(model, seed) for name, model in models.items()
        }
        first = next(iter(models.values()))
        self.directions = first.directions
        self.measures = type(first).measures

    def candidates(self, evidence, direction, measures):
        """Dictionary, row -> `Candidate`, with what the measures need."""
        return {
            name: translations.candidate(evidence, direction, measures)
            for name, translations in self._translations.items()
        }

    def interpolate(self, inputs, direction):
        """See `Translations.interpolate`; of the first model."""
        first = next(iter(self._translations.values()))
        return first.interpolate(inputs, direction)


class ImageFolders:
    """Translations that another program wrote as files.

    Args:
        real: `RealImages`.
        folders: dictionary, direction -> folder of its translations.
        count: the largest number of test images; None for all.
    """

    def __init__(self, real, folders, count=None):
        self.real = real
        self.folders = folders
        self.count = count
        self.directions = tuple(folders)
        self.measures = find_recipe("full")

    def candidates(self, evidence, direction, measures):
        """Dictionary with one `Candidate`; the measures make no difference."""
        del measures
        names = self.real.names(ends(direction)[0])[: self.count]
        fit = "crop" + MAPS * (evidence.palette is not None)
        return {"model": self._read(self.folders[direction], names, fit)}

    def interpolate(self, inputs, direction):
        """None: there is no model to translate other images."""
        del inputs, direction

    def _read(self, folder, names, fit):
        """The images that are named as the inputs, or else all of them."""
        files = {path.stem: path for path in list_images(folder)[0]}
        if not files:
            raise UserError(
                f"`--images` must be a folder of images. Received: {folder}"
            )
        missing = sum(name not in files for name in names)
        if missing:
            print(
                f"{folder}: {missing} of {len(names)} test images have no "
                "translation of their name; only measures that compare sets "
                "of images are taken",
                file=sys.stderr,
            )
        chosen = list(files.values()) if missing else [files[n] for n in names]
        images = [
            fit_image(read_image(path), self.real.size, fit) for path in chosen
        ]
        return Candidate(np.stack(images), aligned=not missing)
