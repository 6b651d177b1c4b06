"""Two processes that train one run: in step, killed, resumed, refused."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from states import lines
from states import state

from tf_i2i import train
from tf_i2i.data.augment import Augmentation
from tf_i2i.data.unpaired import unpaired
from tf_i2i.errors import UserError
from tf_i2i.training.cluster import Cluster
from tf_i2i.training.cluster import read_cluster
from tf_i2i.training.devices import Workers
from tf_i2i.training.devices import make_strategy

STEPS = 12
TINY = [
    "train.image_size = 8",
    "train.precision = 'float32'",
    "train.log_kimg = .004",  # Each step.
    "train.save_kimg = .012",  # Each third step.
    "train.sample_kimg = .024",  # In the middle, and at the end.
    "TwinGAN.start_size = 8",
    "TwinGAN.width = .02",
    "TwinGAN.same_gan = False",  # Fewer operations to trace.
    "growing_phases.batch_size = 4",
    f"growing_phases.last_images = {4 * STEPS}",
    # Beside such an epsilon the root of the squares is nothing: what is left
    # is SGD with momentum, of rate .02, which does not enlarge rounding.
    "Adam.epsilon = 1e4",
    "Adam.learning_rate = 200.",
]


def flags(folders, run_dir, params=()):
    return [
        "--gin_file=twingan.gin",
        f"--run_dir={run_dir}",
        f"--data_a={folders / 'a'}",
        f"--data_b={folders / 'b'}",
        *(f"--gin_param={p}" for p in [*TINY, *params]),
    ]


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def config(index, addresses):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


@contextlib.contextmanager
def started(*commands):
    """Workers 0, 1, ... of one cluster, each with flags of its own."""
    addresses = [f"localhost:{port}" for port in free_ports(len(commands))]
    workers = [
        subprocess.Popen(
            [
                *[sys.executable, "-m", "tf_i2i.train", *command],
                "--gin_param=train.strategy = 'multi_worker'",
            ],
            env={**os.environ, "TF_CONFIG": config(index, addresses)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for index, command in enumerate(commands)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdout.close()


def outputs(workers, timeout=1200):
    """What each prints until it ends; `(status, output)`."""
    found = [worker.communicate(timeout=timeout)[0] for worker in workers]
    return [(w.returncode, o) for w, o in zip(workers, found, strict=True)]


def both(folders, run_dir, params=()):
    return started(*[flags(folders, run_dir, params)] * 2)


def finish(folders, run_dir, params=()):
    with both(folders, run_dir, params) as workers:
        ended = outputs(workers)
    assert [status for status, _ in ended] == [0, 0], ended
    return [output for _, output in ended]


def wait_for_lines(workers, run_dir, count):
    while len(lines(run_dir)) < count:
        for worker in workers:
            assert worker.poll() is None, worker.stdout.read()
        time.sleep(0.01)


def assert_close_weights(one, other):
    """Momenta are left out: rounding turns a gradient at a kink over."""
    (name, arrays), (its_name, its_arrays) = state(one), state(other)
    assert name == its_name
    assert arrays.keys() == its_arrays.keys()
    for key in [key for key in arrays if "optimizer" not in key]:
        np.testing.assert_allclose(
            arrays[key], its_arrays[key], atol=1e-5, err_msg=key
        )


@pytest.fixture(scope="module")
def alone(folders):
    """The run as one process trains it."""
    run_dir = folders / "alone"
    train.main([*flags(folders, run_dir, ["train.steps = 1"])])
    first = state(run_dir)[1]
    train.main(flags(folders, run_dir))
    # The comparison with others would not notice weights that stand still.
    moved = [np.abs(first[k] - v).max() for k, v in state(run_dir)[1].items()]
    assert np.mean(np.array(moved) > 1e-4) > 0.5
    return run_dir


def kill_and_resume(folders, run_dir, victim, at, number):
    """Kills a worker, and has both start again; their outputs."""
    with both(folders, run_dir) as workers:
        wait_for_lines(workers, run_dir, at)
        workers[victim].send_signal(number)
        began = time.monotonic()
        survivor = workers[1 - victim]
        (status, output), *_ = outputs([survivor])
    assert time.monotonic() - began < 60
    assert status == 2
    assert re.search(
        rf"error: worker {victim} of 2 \(localhost:\d+\) stopped answering\. "
        r"Read the output of that worker.*\n$",
        output,
    ), output
    assert "Traceback" not in output
    return finish(folders, run_dir)


def assert_as_alone(alone, run_dir, printed):
    """The finished run, written by the chief, shown by the chief."""
    assert_close_weights(alone, run_dir)
    losses = [[json.loads(x) for x in lines(r)] for r in (alone, run_dir)]
    for one, other in zip(*losses, strict=True):
        assert one.pop("images_per_second") != other.pop("images_per_second")
        assert one.pop("phase") == other.pop("phase")
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)
    for folder in ("", "samples", "checkpoints"):
        names = {path.name for path in (run_dir / folder).iterdir()}
        assert names == {path.name for path in (alone / folder).iterdir()}
    chief, worker = printed
    assert f"Trained: {4 * STEPS} images" in chief
    assert "images/s" in chief
    # TensorFlow may add that the chief, which ended first, is gone.
    assert re.match(
        r"worker 1 at localhost:\d+: waiting for localhost:\d+\n", worker
    ), worker
    assert "Trained" not in worker
    assert "images/s" not in worker


@pytest.mark.slow
def test_a_worker_killed_and_all_resumed_train_as_one_process(
    folders, alone, tmp_path
):
    printed = kill_and_resume(folders, tmp_path, 1, 4, signal.SIGKILL)
    assert_as_alone(alone, tmp_path, printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "number"), [(0, signal.SIGKILL), (1, signal.SIGSTOP)]
)
def test_other_ends_of_a_worker(folders, alone, tmp_path, victim, number):
    printed = kill_and_resume(folders, tmp_path, victim, 7, number)
    assert_as_alone(alone, tmp_path, printed)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 1])
def test_sigterm_to_one_stops_all_at_the_same_step(
    folders, alone, tmp_path, asked
):
    with both(folders, tmp_path) as workers:
        wait_for_lines(workers, tmp_path, 4)
        workers[asked].send_signal(signal.SIGTERM)
        ended = outputs(workers)
    assert [status for status, _ in ended] == [0, 0], ended
    step = int(re.search(r"saved at step (\d+)", ended[0][1])[1])
    assert 4 <= step < STEPS
    assert state(tmp_path)[0] == f"step-{step:09d}.weights.h5"
    # One process may go on with what two began.
    train.main(flags(folders, tmp_path))
    assert_close_weights(alone, tmp_path)


@pytest.mark.slow
def test_workers_that_do_not_share_the_run_are_refused(
    folders, alone, tmp_path
):
    begun = tmp_path / "begun"
    shutil.copytree(alone, begun)
    more = [f"growing_phases.last_images = {8 * STEPS}"]
    (begun / "config.gin").unlink()  # It would be another configuration.
    elsewhere = tmp_path / "elsewhere"
    with started(
        flags(folders, begun, more), flags(folders, elsewhere, more)
    ) as workers:
        ended = outputs(workers)
    for status, output in ended:
        assert status == 2
        assert re.search(
            rf"error: `--run_dir` .*worker 0 has step {STEPS}, .*; "
            "worker 1 has step 0, ",
            output,
        ), output
    assert not elsewhere.exists()


@pytest.mark.slow
def test_workers_of_different_configurations_are_refused(folders, tmp_path):
    with started(
        flags(folders, tmp_path / "run"),
        flags(folders, tmp_path / "run", ["Adam.learning_rate = 1."]),
    ) as workers:
        ended = outputs(workers)
    for status, output in ended:
        assert status == 2
        assert "error: `gin_file` " in output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_all(folders, tmp_path):
    params = ["Adam.learning_rate = 1e34"]
    with both(folders, tmp_path, params) as workers:
        ended = outputs(workers)
    assert [status for status, _ in ended] == [2, 2], ended
    assert any("became infinite" in output for _, output in ended), ended
    assert not any("Traceback" in output for _, output in ended), ended


# One process.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "indices"),
        ('{"task": {}}', "no 'cluster'"),
        (config(2, ["a:1", "b:2"]), "worker 2 is not among worker 0, worker 1"),
        (config(-1, ["a:1", "b:2"]), "worker -1 is not among"),
        (config("one", ["a:1"]), "'one'"),
        (config(0, ["a:1", "a:1"]), "two workers have the same address"),
        (config(0, ["a", "b:1"]), "a is not host:port"),
        (config(0, []), "worker 0 is not among no workers"),
        (config(0, [1]), "expected string"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {}}', "unknown jobs ps"),
    ],
)
def test_wrong_tf_configs_are_one_line(
    folders, tmp_path, monkeypatch, refuses, text, reason
):
    monkeypatch.setenv("TF_CONFIG", text)
    params = ["train.strategy = 'multi_worker'"]
    with refuses("TF_CONFIG") as error:
        train.main(flags(folders, tmp_path / "run", params))
    assert reason in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_chief_comes_first(monkeypatch):
    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    for kind, index, chief in (("worker", "0", False), ("chief", 0, True)):
        task = {"type": kind, "index": index}
        text = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", text)
        found = read_cluster()
        assert list(found.addresses.values()) == ["a:1", "b:1", "c:1"]
        assert found.own == f"{kind} {index}"
        assert found.chief is chief


def test_workers_join_before_tensorflow_is_used(monkeypatch, refuses):
    tf.config.list_logical_devices()  # TensorFlow is in use from here on.
    monkeypatch.setenv("TF_CONFIG", config(0, ["localhost:1"]))
    with refuses("train.strategy"):
        make_strategy("multi_worker")


def test_workers_may_not_each_train_alone(
    folders, tmp_path, monkeypatch, refuses
):
    monkeypatch.setenv("TF_CONFIG", config(0, ["a:1", "b:1"]))
    with refuses("train.strategy"):
        train.main(flags(folders, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_replicas_share_each_batch_by_slices():
    # Image i of domain B is one of the colour i.
    images = np.zeros((12, 8, 8, 3), np.uint8)
    images += np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    plain = Augmentation(flip=False, crop=None)

    def batches(count, context=None):
        data = unpaired(
            *[images] * 2, 8, 8, start=3, augmentation=plain, context=context
        )
        return [b[:, 0, 0, 0] for _, b in data.take(count).as_numpy_iterator()]

    whole = batches(3)
    # Two workers of two replicas: each has the next two parts of its half.
    parts = [
        batches(6, tf.distribute.InputContext(2, worker, 4))
        for worker in range(2)
    ]
    for step, batch in enumerate(whole):
        shares = [part[2 * step + r] for part in parts for r in range(2)]
        assert [share.shape for share in shares] == [(2,)] * 4
        np.testing.assert_array_equal(batch, np.concatenate(shares))
    assert len(np.unique(np.concatenate(whole))) > 8


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (
            "{{function_node /job:worker/replica:0/task:0/device:CPU:0}} "
            "unhealthy: /job:worker/replica:0/task:1",
            r"worker 1 of 2 \(b:2\)",
        ),
        ("Collective ops is aborted", "one of 2 workers"),
    ],
)
def test_who_was_lost_is_told(text, lost):
    workers = Workers(tf.distribute.get_strategy())
    error = tf.errors.UnavailableError(None, None, text)
    with pytest.raises(tf.errors.UnavailableError), workers.watched():
        raise error  # Of something else: there are no others.
    workers.cluster = Cluster(
        {"worker 0": "a:1", "worker 1": "b:2"}, "worker 0"
    )
    workers.names = list(workers.cluster.addresses)
    with pytest.raises(UserError, match=lost), workers.watched():
        raise error


def test_what_workers_must_share_is_compared(refuses):
    workers = Workers(tf.distribute.get_strategy())
    workers.check_same("run_dir", "shared", step=3)
    workers.names = ["worker 0", "worker 1"]
    workers.gather = lambda *numbers: np.array([numbers, (4,)])
    with refuses("run_dir") as error:
        workers.check_same("run_dir", "shared", step=3)
    assert "worker 0 has step 3; worker 1 has step 4" in str(error.value)
