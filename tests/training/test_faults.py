"""Every row of docs/faults.md: what is said, what is kept, how it goes on.

A step here is a running mean of the pictures that it is shown: it takes no
time, and weights that are equal saw the same pictures in the same order.
"""

import contextlib
import errno
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import filelock
import gin
import numpy as np
import pytest
import tensorflow as tf
from keras import Sequential
from keras import layers
from states import state

from tf_i2i import runs
from tf_i2i import train
from tf_i2i.data.folders import FolderSource
from tf_i2i.methods import UnpairedTranslator
from tf_i2i.training import callbacks
from tf_i2i.training import run_data
from tf_i2i.training import samples
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.lock import locked
from tf_i2i.training.metrics_log import MetricsLog
from tf_i2i.training.packed import pack_translator
from tf_i2i.training.weights_file import OtherNetworksError
from tf_i2i.training.weights_file import damage

CONFIG = Path(__file__).with_name("colours.gin")
GROWING = [
    "Colours.start_size = 4",
    "growing_phases.images = 32",
    "growing_phases.fade_images = 16",
]


@gin.register
class Colours(UnpairedTranslator):
    """Two layers that map the colour of each pixel."""

    translators = ("painter",)
    critics = ()
    size_multiple = 1

    def __init__(self, image_size=8, width=1.0, start_size=8, seed=0):
        self.start_size = start_size
        super().__init__(image_size, seed=seed)
        self.painter = Sequential(
            [layers.Dense(round(8e4 * width)), layers.Dense(3)]
        )
        self.build_networks()

    @property
    def sizes(self):
        return tuple(sorted({self.start_size, self.image_size}))

    def translate(self, images, direction, style=None):
        self.check_direction(direction, style)
        return tf.tanh(self.painter(images))

    def forward(self, a, b, training):
        return {"fake_b": self.translate(a, "a_to_b")}

    def translator_losses(self, tensors):
        return {"colour": tf.reduce_mean(tensors["fake_b"])}

    def critic_losses(self, tensors):
        return {}

    def train_step(self, batch):
        a, b = batch
        seen = tf.reduce_mean(a, (0, 1, 2)) - tf.reduce_mean(b, (0, 1, 2))
        mean = tf.reduce_mean(seen[0])
        check = self._check_finite({"colour": mean}, {"critic": [mean]})
        with tf.control_dependencies([check]):
            weight = self.trainable_variables[0]
            weight.assign(0.9 * weight + mean)
            self.step.assign_add(1)
            self.images_shown.assign_add(self.global_batch(a))
        return {}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder with nothing in it yet."""
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(folders, tmp_path):
    """Folders that a test may spoil."""
    for domain in "ab":
        shutil.copytree(folders / domain, tmp_path / "data" / domain)
    return tmp_path / "data"


def flags(data, run_dir, *params):
    return [
        f"--gin_file={CONFIG}",
        f"--run_dir={run_dir}",
        f"--data_a={data / 'a'}",
        f"--data_b={data / 'b'}",
        *(f"--gin_param={p}" for p in params),
    ]


@pytest.fixture(scope="module")
def stopped_at_10(folders, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "first"
    train.main(flags(folders, run_dir, "train.steps = 10"))
    return run_dir


@pytest.fixture(scope="module")
def undisturbed(folders, tmp_path_factory):
    """The state after all twenty steps."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    train.main(flags(folders, run_dir))
    return state(run_dir)


@pytest.fixture
def begun(stopped_at_10, tmp_path):
    """A run of twenty steps, stopped after ten: in a copy of its folder."""
    return shutil.copytree(stopped_at_10, tmp_path / "runs" / "mine")


def checkpoints(run_dir):
    return sorted(path.name for path in (run_dir / "checkpoints").iterdir())


def assert_ends_as(undisturbed, run_dir):
    name, arrays = state(run_dir)
    assert name == undisturbed[0] == "step-000000020.weights.h5"
    assert arrays.keys() == undisturbed[1].keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, undisturbed[1][key], key)
    rows = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, 21))


@pytest.fixture
def refused(refuses):
    """Function (argument, argv) -> the one line that a user sees."""

    def refused(argument, argv):
        with refuses(argument) as error:
            train.main(argv)
        text = str(error.value)
        assert "\n" not in text
        return text

    return refused


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


@contextlib.contextmanager
def files_of_at_most(size):
    """A disk that takes no file longer than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Full disks, and disks that cannot be written.


def test_full_disk_at_a_checkpoint(folders, begun, undisturbed, refused):
    before = checkpoints(begun)
    with files_of_at_most(100_000):
        text = refused("--run_dir", flags(folders, begun))
    assert "0.3 MB" in text
    assert f"{begun / 'checkpoints'} (File too large)" in text
    assert "checkpoint of step 10" in text
    # The unfinished file gave its space back.
    assert checkpoints(begun) == before
    train.main(flags(folders, begun))
    assert_ends_as(undisturbed, begun)


def test_full_disk_at_a_log_line(folders, begun, undisturbed, refused):
    log = begun / "metrics.jsonl"
    # The largest of the files that grow: TensorBoard's begins anew.
    whole = log.read_text()
    padding = 40 * (whole.partition("\n")[0] + "\n")
    log.write_text(padding + whole)
    with files_of_at_most(log.stat().st_size + 20):
        text = refused("--run_dir", flags(folders, begun))
    assert f"{log} (File too large)" in text
    assert "checkpoint of step 10" in text
    assert not log.read_bytes().endswith(b"\n")
    log.write_text(log.read_text().removeprefix(padding))
    train.main(flags(folders, begun))
    assert_ends_as(undisturbed, begun)


def test_full_disk_at_a_sample(
    folders, begun, undisturbed, monkeypatch, refused
):
    def write_whole(path, parts):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(samples, "write_whole", write_whole)
        argv = flags(folders, begun, "train.sample_kimg = .024")
        text = refused("--run_dir", argv)
    picture = begun / "samples" / "000000024.png"
    assert f"{picture} (No space left on device)" in text
    # The weights of the last step are saved all the same.
    assert "checkpoint of step 12" in text
    train.main(flags(folders, begun))
    assert_ends_as(undisturbed, begun)


def test_full_disk_at_tensorboard_events(folders, begun, monkeypatch, refused):
    def scalar(name, value):
        raise tf.errors.ResourceExhaustedError(
            None,
            None,
            "{{function_node x}} /events/out.v2; No space left on device\n"
            "\tFailed to flush 11 events to /events/out.v2 [Op:WriteSummary]",
        )

    monkeypatch.setattr(tf.summary, "scalar", scalar)
    text = refused("--run_dir", flags(folders, begun))
    assert f"{begun / 'events'} (No space left on device)" in text
    assert "checkpoint of step 11" in text


def test_full_disk_at_the_store(folders, tmp_path, cache, refused):
    with files_of_at_most(3000):  # Twelve pictures of 10 px take 3,600.
        text = refused("train.data_a", flags(folders, tmp_path / "run"))
    assert f"{cache} (File too large)" in text
    assert list(cache.iterdir()) == []


def test_too_little_room_is_said_at_the_start(
    folders, begun, monkeypatch, refused
):
    usage = SimpleNamespace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    text = refused("--run_dir", flags(folders, begun, "train.keep = 9"))
    assert "1.8 MB free for 10 checkpoints of 0.2 MB" in text
    assert "train.keep = 9" in text
    assert checkpoints(begun)[-1] == "step-000000010.weights.h5"


@pytest.mark.parametrize("name", ["samples", "events"])
def test_what_cannot_be_written(folders, begun, undisturbed, name, refused):
    shutil.rmtree(begun / name, ignore_errors=True)
    (begun / name).write_text("a file where a folder belongs")
    argv = flags(folders, begun, "train.sample_kimg = .024")
    assert str(begun / name) in (text := refused("--run_dir", argv))
    step = 12 if name == "samples" else 10
    assert f"checkpoint of step {step}" in text


def test_run_dir_that_cannot_be_written(folders, tmp_path, refused):
    (tmp_path / "file").touch()
    for run_dir in (tmp_path / "file" / "run", Path("/proc/run")):
        text = refused("--run_dir", flags(folders, run_dir))
        assert f"{run_dir} (N" in text  # "Not a directory", "No such ...".


def test_cache_that_cannot_be_written(folders, tmp_path, monkeypatch, refused):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path / "file" / "cache"))
    text = refused("cache_dir", flags(folders, tmp_path / "run"))
    assert f"{tmp_path / 'file' / 'cache'}: Not a directory" in text


def test_cache_that_became_read_only(
    folders, tmp_path, cache, monkeypatch, refused
):
    def write_images(file, *_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(file))

    monkeypatch.setattr("tf_i2i.data.store._write_images", write_images)
    text = refused("train.data_a", flags(folders, tmp_path / "run"))
    assert "TF_I2I_CACHE" in text
    assert "Read-only file system" in text


# Checkpoints that are not what was written.


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cut short"),
        (lambda path: path.write_bytes(b""), "cut short"),
        (lambda path: path.write_bytes(b"x" * 5000), "cut short"),
        (flip_a_bit, "has other content than was written"),
        (lambda path: path, None),
        # Of a version that wrote no digests.
        (lambda path: path.write_bytes(path.read_bytes()[:-73]), None),
    ],
)
def test_damage_is_found(begun, spoil, found):
    path = Checkpoints(begun).paths()[-1]
    spoil(path)
    assert (found in damage(path)) if found else damage(path) is None


def test_damaged_checkpoint_falls_back(folders, begun, undisturbed, capsys):
    newest = Checkpoints(begun).paths()[-1]
    flip_a_bit(newest)
    train.main(flags(folders, begun))
    assert (
        "step-000000010.weights.h5 has other content than was written. The "
        "checkpoint of step 5 is used instead"
    ) in capsys.readouterr().err
    assert checkpoints(begun)[0] == "step-000000010.weights.h5.damaged"
    assert_ends_as(undisturbed, begun)


def test_verbs_read_past_a_damaged_checkpoint(begun, capsys):
    flip_a_bit(Checkpoints(begun).paths()[-1])
    before = checkpoints(begun)
    assert runs.load_translator(begun).step == 5
    assert "The checkpoint of step 5 is used" in capsys.readouterr().err
    assert checkpoints(begun) == before


def test_only_damaged_checkpoints(folders, begun, refused):
    for path in Checkpoints(begun).paths():
        path.write_bytes(b"")
    # Twice: it must not begin anew in silence.
    for _ in range(2):
        text = refused("--run_dir", flags(folders, begun))
        assert "step-000000005.weights.h5 is cut short" in text
    assert (begun / "metrics.jsonl").read_text().count("\n") == 10


def test_weights_that_are_not_finite_are_not_saved(begun, refuses):
    before = checkpoints(begun)
    model = runs.load_translator(begun).model
    model.averages[3].assign(model.averages[3] * np.nan)
    with refuses("model") as error:
        Checkpoints(begun).save(model)
    assert "1 of" in str(error.value)
    assert "checkpoint of step 10 is undamaged" in str(error.value)
    assert checkpoints(begun) == before
    # Only a checkpoint that was looked at is called undamaged.
    flip_a_bit(Checkpoints(begun).paths()[-1])
    assert "step 5 is undamaged" in Checkpoints(begun).saved_so_far()
    flip_a_bit(Checkpoints(begun).paths()[0])
    assert "are damaged, too" in Checkpoints(begun).saved_so_far()


@pytest.mark.parametrize("record", [True, False])
def test_checkpoints_that_are_gone(folders, begun, record, refused):
    """It does not begin anew in silence; without a record in older runs."""
    folder = begun / "checkpoints"
    if record:
        shutil.rmtree(folder)
    else:
        (begun / "saved.json").unlink()
        for path in Checkpoints(begun).paths():
            path.rename(f"{path}.damaged")
    before = (begun / "metrics.jsonl").read_bytes()
    assert str(folder) in refused("--run_dir", flags(folders, begun))
    assert (begun / "metrics.jsonl").read_bytes() == before


def test_a_binding_of_a_run_that_nothing_reads(begun, refuses):
    with open(begun / "config.gin", "a", encoding="utf-8") as file:
        file.write("a/b/c/train.seed = 3\n")
    for open_it in (runs.load_translator, runs.open_run):
        with refuses("a/b/c/train.seed"):
            open_it(begun)


def test_other_networks_are_not_damage(begun, refuses):
    config = begun / "config.gin"
    config.write_text(config.read_text().replace(".width = 0.02", ".width = 1"))
    with refuses(str(begun)) as error:
        runs.load_translator(begun)
    assert isinstance(error.value, OtherNetworksError)


def test_a_run_directory_whose_name_is_not_utf_8(tmp_path):
    run_dir = tmp_path / os.fsdecode(b"\xff")
    run_dir.mkdir()
    (run_dir / "config.gin").touch()
    log = MetricsLog(run_dir, ("a", "b"), SimpleNamespace(step=0))
    log.open()
    log.close()
    assert [*(run_dir / "events").iterdir()]


# A command that is refused.


def files_in(folder):
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_refused_command_changes_nothing(
    folders, data, begun, tmp_path, monkeypatch, refused
):
    flip_a_bit(Checkpoints(begun).paths()[-1])
    (data / "a" / "3.png").unlink()
    before = files_in(begun)
    longer = flags(folders, begun, "train.steps = 11")
    refused("--data_a", flags(data, begun))
    refused("--skip_step", [*longer, "--skip_step=20"])
    refused("--data_a", [*longer, "--gin_param=train.data_a = '/gone'"])
    with monkeypatch.context() as patch:
        usage = SimpleNamespace(free=10_000)
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        refused("--run_dir", longer)
    assert files_in(begun) == before


@pytest.mark.parametrize("name", ["checkpoints", "samples", "events"])
def test_links_out_of_the_run_are_not_written(
    folders, begun, tmp_path, name, refused
):
    outside = tmp_path / "outside"
    outside.mkdir()
    if (begun / name).exists():
        (begun / name).rename(begun / "elsewhere")
    (begun / name).symlink_to(outside)
    assert str(outside) in refused("--run_dir", flags(folders, begun))
    assert not list(outside.iterdir())


def test_a_refused_beginning_leaves_nothing(folders, tmp_path, refused):
    argv = flags(folders, tmp_path / "new" / "runs" / "mine")
    refused("--skip_step", [*argv, "--skip_step=20"])
    assert not (tmp_path / "new").exists()


# A second trainer.


HOLD = """
import sys, time
from tf_i2i.training.lock import locked
with locked(sys.argv[1], print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_trainer_is_refused(folders, begun, refused):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, begun],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        process.stdout.readline()
        text = refused("--run_dir", flags(folders, begun))
        assert f"process {process.pid} on " in text
        # Looking is allowed.
        train.main([*flags(folders, begun), "--dry_run"])
        process.send_signal(signal.SIGKILL)
    # A killed one holds nothing.
    with locked(begun, print):
        assert (begun / "trainer.lock").exists()
    assert not (begun / "trainer.lock").exists()


def test_no_locks_on_this_file_system(tmp_path, monkeypatch):
    def acquire(self):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    told = []
    with locked(tmp_path / "run", told.append):
        assert (tmp_path / "run").is_dir()
    assert "files cannot be locked here (No locks available)" in told[0]
    # Nothing began: nothing stays.
    assert not (tmp_path / "run").exists()


# Data that changes.


def test_other_pictures_are_refused(data, begun, refused):
    train.main(flags(data, begun, "train.steps = 10"))
    (data / "a" / "3.png").unlink()
    shutil.copy(data / "b" / "4.png", data / "a" / "new.png")
    shutil.copy(data / "b" / "5.png", data / "a" / "5.png")
    text = refused("--data_a", flags(data, begun))
    assert "1 added (new.png), 1 removed (3.png), 1 changed (5.png)" in text
    assert f"--init_from={begun} --run_dir=NEW" in text
    assert f"remove {begun / 'data.json'}" in text


@pytest.mark.parametrize("place", ["a", "."])
def test_both_domains_have_the_same_pictures(data, tmp_path, place, refused):
    argv = flags(data, tmp_path / "run")
    argv[3] = f"--data_b={data / place}"
    assert "12 of 12" in refused("--data_b", argv)


def test_domains_that_share_pictures(data, tmp_path, capsys, refused):
    shutil.copy(data / "a" / "3.png", data / "b" / "copy.png")
    train.main(flags(data, tmp_path / "run", "train.steps = 1"))
    assert "1 of 12 images are in both" in capsys.readouterr().err


def test_other_pictures_all_the_same(data, begun, capsys):
    (data / "b" / "3.png").unlink()
    (begun / "data.json").unlink()
    train.main(flags(data, begun, "train.steps = 10"))
    assert "data.json is missing or damaged" in capsys.readouterr().err
    # They are the run's own from now on.
    assert "3.png" not in json.loads((begun / "data.json").read_text())["b"]


def test_the_data_moves(data, begun, undisturbed):
    train.main(flags(data, begun))
    assert str(data) in (begun / "config.gin").read_text()
    assert_ends_as(undisturbed, begun)


def test_the_run_directory_moves(folders, begun, undisturbed):
    moved = begun.parent / "elsewhere"
    begun.rename(moved)
    train.main([f"--run_dir={moved}", "--gin_param=train.steps = None"])
    assert_ends_as(undisturbed, moved)


def test_the_store_is_removed_from_the_cache(
    folders, begun, undisturbed, cache
):
    train.main(flags(folders, begun))
    assert_ends_as(undisturbed, begun)
    assert len(list(cache.glob("*.npy"))) == 2


def test_everything_is_removed_during_a_phase(
    data, tmp_path, cache, monkeypatch
):
    """The store is read on, and made anew for the phase after."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    params = [*GROWING, "train.steps = 30"]
    train.main(flags(data, whole, *params))
    write = callbacks.Log._write
    pictures = tmp_path / "data" / "a"

    def remove(log):
        if log.state.step == 3:
            shutil.rmtree(cache)
            pictures.rename(tmp_path / "away")
        if log.state.step == 12:
            (tmp_path / "away").rename(pictures)
        write(log)

    monkeypatch.setattr(callbacks.Log, "_write", remove)
    train.main(flags(data, cut, *params))
    (name, arrays), (its_name, its_arrays) = state(whole), state(cut)
    assert name == its_name == "step-000000030.weights.h5"
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, its_arrays[key], key)


def test_a_file_goes_while_it_is_read(data, tmp_path, monkeypatch, capsys):
    items = FolderSource.items

    def items_of_fewer(source, size, fit):
        """It was listed; now it is gone."""
        (data / "a" / "3.png").unlink(missing_ok=True)
        return items(source, size, fit)

    monkeypatch.setattr(FolderSource, "items", items_of_fewer)
    params = ["train.max_bad_fraction = .1", "train.steps = 1"]
    train.main(flags(data, tmp_path / "run", *params))
    told = capsys.readouterr().err
    assert "left out 3.png: No such file or directory" in told
    # Its absence is no change of the pictures.
    train.main(flags(data, tmp_path / "run", *params))


# What a run begins from, and what it leaves out.


def test_init_from_is_for_new_runs(
    folders, begun, stopped_at_10, capsys, refused
):
    argv = flags(folders, begun, "train.steps = 10")
    train.main([*argv, f"--init_from={stopped_at_10}"])
    assert (
        f"{begun} has a checkpoint of step 10 and continues from it. "
        "--init_from has no effect, because it is for a new run"
    ) in capsys.readouterr().err
    same = f"--init_from={begun.parent}/./{begun.name}"
    refused("--init_from", [*argv, same])


def test_init_from_other_networks(folders, stopped_at_10, tmp_path, refused):
    argv = flags(folders, tmp_path / "run", "Colours.width = .1")
    text = refused("--init_from", [*argv, f"--init_from={stopped_at_10}"])
    assert text.endswith("with Colours.width = 0.02 (here 0.1)")
    # The wrong beginning leaves no run behind to go on from.
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_init_from_a_packed_model(folders, stopped_at_10, tmp_path, refused):
    packed = tmp_path / "packed"
    packed.mkdir()
    shutil.copy(stopped_at_10 / "config.gin", packed)
    model = runs.load_translator(stopped_at_10).model
    pack_translator(model, packed / "translator.npz")
    argv = [*flags(folders, tmp_path / "run"), f"--init_from={packed}"]
    train.main([*argv, "--gin_param=train.steps = 1"])
    assert checkpoints(tmp_path / "run") == ["step-000000001.weights.h5"]
    flip_a_bit(packed / "translator.npz")
    argv = [*flags(folders, tmp_path / "other"), f"--init_from={packed}"]
    assert "translator.npz" in refused("--init_from", argv)


def test_a_step_that_is_not_finite_is_left_out(
    folders, tmp_path, monkeypatch, refused
):
    unpaired = run_data.unpaired

    def spoilt(*args, start, **keywords):
        """The batch of step 13 is broken, whenever it comes."""

        def spoil(step, batch):
            a, b = batch
            return tf.where(step == 13, np.nan, 1.0) * a, b

        batches = unpaired(*args, start=start, **keywords)
        return batches.enumerate(start // 2).map(spoil)

    monkeypatch.setattr(run_data, "unpaired", spoilt)
    argv = flags(folders, tmp_path)
    for _ in range(2):  # A rerun meets it again.
        text = refused(None, argv)  # No argument is at fault.
        assert "colour became infinite" in text
        assert text.endswith("--skip_step=13")
    train.main([*argv, "--skip_step=13"])
    train.main(argv)
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(row)["step"] for row in rows]
    assert steps == [n for n in range(1, 21) if n != 14]


def test_steps_that_cannot_be_left_out(folders, begun, capsys, refused):
    argv = flags(folders, begun)
    assert "10 to 19" in refused("--skip_step", [*argv, "--skip_step=20"])
    refused("--skip_step", [*argv, "--skip_step=-1"])
    train.main([*argv, "--gin_param=train.steps = 11", "--skip_step=9"])
    assert "step 9 is already done" in capsys.readouterr().err
    train.main([*argv, "--gin_param=train.steps = 5", "--skip_step=20"])
    told = capsys.readouterr().err
    assert "has done 11 steps already and is to end after 5" in told


# Files of the run that are not what they were.


def test_a_half_written_log_line(folders, begun, undisturbed):
    log = begun / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-30])
    train.main(flags(folders, begun))
    rows = log.read_text().splitlines()
    steps = [json.loads(row)["step"] for row in rows]
    assert steps == [*range(1, 10), *range(11, 21)]


@pytest.mark.parametrize("step", [0, 2, 4])
def test_foreign_log_lines_are_kept(step, tmp_path):
    """And lines with other line ends; only later steps are removed."""
    lines = [b'{"step": 1, "images_shown": 2}\n', b"# a note\n", b"\xff\n"]
    lines += [b'{"step": 2, "images_shown": 4}\r\n', b'{"a": 1}\n']
    lines += [b'{"step": 3, "images_shown": 6}\n']
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(lines) + b'{"step": 4, "ima')
    log = MetricsLog(tmp_path, "ab", SimpleNamespace(step=step))
    log._remove_later_steps()
    dropped = {0: [0, 3, 5], 2: [5], 4: []}[step]
    expected = [line for i, line in enumerate(lines) if i not in dropped]
    assert path.read_bytes() == b"".join(expected)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00garbage"])
def test_config_gin_is_lost(folders, begun, content, capsys, refused):
    config = begun / "config.gin"
    before = config.read_text()
    config.unlink()
    if content is not None:
        config.write_bytes(content)
    assert "config.gin" in refused("--run_dir", [f"--run_dir={begun}"])
    train.main(flags(folders, begun, "train.steps = 10"))
    assert "It is written again" in capsys.readouterr().err
    assert config.read_text() == before


def test_the_fault_table_names_these_tests():
    """All of them, and no test that does not exist."""
    here = Path(__file__)
    root = here.parents[2]
    named = set(re.findall(r"`(test_\w+)`", read(root / "docs/faults.md")))
    made = set(re.findall(r"^def (test_\w+)", read(here), re.M))
    assert made - {"test_the_fault_table_names_these_tests"} <= named
    for path in (root / "tests").rglob("test_*.py"):
        named -= set(re.findall(r"^def (test_\w+)", read(path), re.M))
    assert not named


def read(path):
    return path.read_text(encoding="utf-8")
