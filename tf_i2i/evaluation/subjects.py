"""The subjects of an evaluation: models, or images of another program."""

import numpy as np

from tf_i2i import messages
from tf_i2i.data.reading import MAPS
from tf_i2i.data.reading import list_images
from tf_i2i.data.reading import read_fitted
from tf_i2i.data.reading import report_frames
from tf_i2i.domains import ends
from tf_i2i.errors import UserError
from tf_i2i.evaluation.judge import Candidate
from tf_i2i.evaluation.registry import find_recipe
from tf_i2i.evaluation.translations import Translations


class TrainedModels:
    """Several checkpoints of a run, or several models, to compare.

    Args:
        real: `RealImages`.
        models: dictionary from a row of the table to an `UnpairedTranslator`.
            The directions, the measures and the images of the report are those
            of the first model.
        seed: seed of sampled styles.
    """

    def __init__(self, real, models, seed=0):
        self.real = real
        self._translations = {
            name: Translations(model, seed, fixed=True)
            for name, model in models.items()
        }
        first = next(iter(models.values()))
        self.directions = first.directions
        self.measures = type(first).measures

    def candidates(self, evidence, direction, measures):
        """Returns a dictionary from rows to the models' outputs as `Candidate`.

        Args:
            evidence: `Evidence` of the direction.
            direction: "a_to_b" or "b_to_a".
            measures: names of measures. The candidates have the fields that
                these measures need.
        """
        return {
            name: translations.candidate(evidence, direction, measures)
            for name, translations in self._translations.items()
        }

    def interpolate(self, inputs, direction):
        """Returns interpolations and their translations by the first model.

        See `Translations.interpolate`.
        """
        first = next(iter(self._translations.values()))
        return first.interpolate(inputs, direction)


class ImageFolders:
    """Translations in image files that another program has written.

    Args:
        real: `RealImages`.
        folders: dictionary from a direction to the folder of its translations.
        count: largest number of test images; None for all.
    """

    def __init__(self, real, folders, count=None):
        self.real = real
        self.folders = folders
        self.count = count
        self.directions = tuple(folders)
        self.measures = find_recipe("full")

    def candidates(self, evidence, direction, measures):
        """Returns a dictionary from "model" to the images as a `Candidate`.

        See `TrainedModels.candidates` for the arguments. The measures are
        ignored, because no other outputs than the images exist.
        """
        del measures
        names = self.real.names(ends(direction)[0])[: self.count]
        fit = "crop" + MAPS * (evidence.palette is not None)
        return {"model": self._read(direction, names, fit)}

    def interpolate(self, inputs, direction):
        """Returns None, because there is no model to translate images."""
        del inputs, direction

    def _read(self, direction, names, fit):
        """Returns a `Candidate` of the images with the names of the inputs.

        If an input has no image of its name, all images of the folder are
        returned, and `aligned` is False.
        """
        folder = self.folders[direction]
        files = {path.stem: path for path in list_images(folder)[0]}
        if not files:
            raise UserError(
                f"`--images_{ends(direction)[1]}` must be a folder of images. "
                f"Received: {folder}, which contains no image"
            )
        missing = sum(name not in files for name in names)
        if missing:
            messages.info(
                f"{folder}: {missing} of {len(names)} test images have no "
                "translation with their name, so only measures that compare "
                "sets of images are computed"
            )
        chosen = list(files.values()) if missing else [files[n] for n in names]
        images = [read_fitted(path, self.real.size, fit) for path in chosen]
        report_frames(chosen)
        return Candidate(np.stack(images), aligned=not missing)
