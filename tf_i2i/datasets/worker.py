"""Workers, which load the model once and then translate shards."""

import dataclasses
import io
import os
from collections import defaultdict

import numpy as np

from tf_i2i import cli
from tf_i2i.data.reading import BadImage
from tf_i2i.data.reading import has_frames
from tf_i2i.datasets import records
from tf_i2i.datasets.plan import Result
from tf_i2i.datasets.records import Record
from tf_i2i.datasets.storage import Store
from tf_i2i.errors import UserError
from tf_i2i.files import encode
from tf_i2i.files import read_input
from tf_i2i.sizes import image_shape


@dataclasses.dataclass(frozen=True)
class Job:
    """Settings that all workers share.

    Attributes:
        run_dir: folder of the run.
        trust_config: see `runs.load_translator`.
        input, output: paths or URIs; see `Store`.
        reads, writes: elements of `records.FORMATS`.
        column: see `records.read`.
        direction: "a_to_b" or "b_to_a".
        size: "model" or "input"; see `serving.translator.Options`.
        seed: seed of a random style for all images, or None.
        suffix: "png", "jpeg" or "webp", the format of the results.
        batch_size: largest number of images per call of the model.
        threads: number of threads of each worker.
    """

    run_dir: str
    trust_config: bool
    input: str
    output: str
    reads: str
    writes: str
    column: str | None
    direction: str
    size: str
    seed: int | None
    suffix: str
    batch_size: int
    threads: int


class Worker:
    """Translates shards with a model that is loaded once.

    Args:
        job: `Job`.

    Raises:
        UserError: the run cannot be loaded, or has no such direction or style.
    """

    def __init__(self, job):
        self._job = job
        # The threads are set before TensorFlow is imported.
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(job.threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = "1"
        cli.import_tensorflow()
        from tf_i2i.runs import load_translator
        from tf_i2i.serving.translator import Options
        from tf_i2i.serving.translator import Translator

        run = load_translator(job.run_dir, job.trust_config)
        run.check_trained()
        run.model.check_direction(job.direction)
        self._translator = Translator(run.model, run.config.label_maps)
        self._options = Options(job.direction, job.size, job.seed)
        self._input = Store(job.input, "input")
        self._output = Store(job.output, "output")
        # If the seed is not allowed, an error is raised before any image is
        # read.
        grey = np.full(image_shape(run.model.size), 128, np.uint8)
        self._translator.prepare(grey, self._options)

    def __call__(self, shard):
        """Translates a shard, writes its outputs and then its marker.

        Args:
            shard: `Shard`.

        Returns:
            `Result`.

        Raises:
            OSError: a file cannot be read or written.
        """
        job = self._job
        found = records.read(self._input, job.reads, shard.names, job.column)
        result = Result(shard.number, 0, [], [])
        if job.writes == records.IMAGES:
            count = self._write_images(shard, found, result)
        else:
            made = list(self._translations(found, result))
            to_file = (
                records.to_tfrecord
                if job.writes == records.TFRECORD
                else records.to_parquet
            )
            name = f"part-{shard.number:06d}.{job.writes}"
            self._output.write(name, to_file(made))
            count = len(made)
        result = result._replace(translated=count)
        self._output.write(shard.marker, result.to_json())
        return result

    def _write_images(self, shard, found, result):
        """Writes each translation to a file, and returns their number.

        If an earlier worker was stopped in this shard, the translations that it
        wrote are kept and counted.
        """
        kept = 0
        if self._job.reads == records.IMAGES:
            names = [name for name in shard.names if name]
            there = self._output.present([self._target(n) for n in names])
            kept = len(there)
            found = (r for r in found if self._target(r.name) not in there)
        count = 0
        for record in self._translations(found, result):
            self._output.write(self._target(record.name), record.content)
            count += 1
        return kept + count

    def _target(self, name):
        return f"{name}.{self._job.suffix}"

    def _translations(self, found, result):
        """Yields the translations of `Record`s as `Record`s, in batches.

        Args:
            found: iterable of `Record`.
            result: `Result`, to whose lists bad and animated images are added.
        """
        waiting = defaultdict(list)
        for name, content in found:
            try:
                if isinstance(content, BadImage):
                    raise content
                image = read_input(io.BytesIO(content))
            except BadImage as error:
                result.bad.append((name, error.reason))
                continue
            if has_frames(io.BytesIO(content)):
                result.animated.append(name)
            key, item = self._translator.prepare(image, self._options)
            waiting[key].append((name, item))
            if len(waiting[key]) == self._job.batch_size:
                yield from self._translated(key, waiting.pop(key), result.bad)
        for key, batch in waiting.items():
            yield from self._translated(key, batch, result.bad)

    def _translated(self, key, batch, bad):
        """Yields the translations of a batch of pairs `(name, item)`."""
        try:
            made = self._translator.translate(key, [item for _, item in batch])
        except UserError as error:
            # At least one translation has values that are not finite. The
            # images are translated again one by one, so that only the image of
            # that translation counts as bad.
            if len(batch) == 1:
                bad.append((batch[0][0], str(error)))
                return
            for pair in batch:
                yield from self._translated(key, [pair], bad)
            return
        for image, (name, item) in zip(made, batch, strict=True):
            final = self._translator.finish(image, item, self._options)
            yield Record(name, encode(final, self._job.suffix))
