"""The validation scores of a run, from which `plateau` sets the rates."""

import json
from pathlib import Path

from tf_i2i.disk import write_whole
from tf_i2i.disk import writing
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import read_json

# Largest size of the file in bytes.
_MOST_BYTES = 10**7


class ScoreHistory:
    """The validation scores of a run, in the file scores.json of its folder.

    The file is written after each evaluation. A resumed run leaves out the
    scores of the steps that it repeats. Therefore it has the same learning
    rates as a run that was never stopped.

    Args:
        run_dir: folder of the run.
    """

    def __init__(self, run_dir):
        self.path = Path(run_dir) / "scores.json"
        self.rows: list[list[float]] = []

    def read(self, images_shown):
        """Reads the scores up to a moment of the run.

        Args:
            images_shown: number of images of each domain shown so far. Scores
                of later moments are left out.

        Raises:
            UserError: the file is damaged.
        """
        if not self.path.exists():
            return
        try:
            rows = [
                [int(shown), float(score)]
                for shown, score in read_json(self.path, _MOST_BYTES)
            ]
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                "`run_dir` must have an undamaged scores.json, or none. "
                f"Received: {self.path}"
            ) from error
        self.rows = [row for row in rows if row[0] <= images_shown]

    def add(self, images_shown, score):
        """Appends a score, and writes the file.

        Args:
            images_shown: number of images of each domain shown so far.
            score: float; higher is better.

        Raises:
            OSError: the file cannot be written; its path is in the error.
        """
        self.rows.append([images_shown, score])
        with writing(self.path):
            write_whole(self.path, [json.dumps(self.rows).encode()])

    def of_phase(self, phase):
        """Returns the scores since the beginning of a phase, the oldest first.

        Args:
            phase: the current `Phase`.
        """
        return tuple(score for shown, score in self.rows if shown > phase.start)
