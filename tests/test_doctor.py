"""The report, the verdict, and a child process that may die."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_i2i import doctor
from tf_i2i.data import checkup
from tf_i2i.data.sources import ToyFacesSource
from tf_i2i.errors import UserError

TINY = [
    "train.model = @OwnGrowing",
    "train.phases = @growing_phases",
    "train.image_size = 8",
    "train.precision = 'float32'",
    "growing_phases.batch_size = 2",
    "growing_phases.batch_sizes = {8: 4}",
    "growing_phases.images = 32",
    "growing_phases.fade_images = 16",
    "growing_phases.last_images = 32",
]
NEEDS = {
    "phase": "256px",
    "batch_size": 8,
    "precision": "float32",
    "settings": {"TwinGAN.width": "1.0", "single_phase.batch_size": "8"},
    "load_size": 320,
    "checkpoint_bytes": 10**8,
    "checkpoints": 3,
    "first_step": 60.0,
    "step": 4.0,
    "memory": 10**9,
    "gpu_memory": None,
    "hours": 3.0,
}


@pytest.fixture(autouse=True)
def _ten_are_enough(monkeypatch):
    monkeypatch.setattr(checkup, "FEW", 10)


@pytest.fixture
def photos(tmp_path):
    """Two folders of sixty pictures, one warm, one cold."""
    rng = np.random.default_rng(0)
    for name, shift in (("warm", (90, 0, 0)), ("cold", (0, 0, 90))):
        (tmp_path / name).mkdir()
        for i in range(60):
            patches = rng.integers(0, 160, (4, 4, 3)) + np.array(shift)
            image = Image.fromarray(patches.astype(np.uint8))
            image.resize((16, 16)).save(tmp_path / name / f"{i}.png")
    return [f"--data_a={tmp_path}/warm", f"--data_b={tmp_path}/cold"]


def tried(monkeypatch, script):
    """Puts a shell script in the child's place; returns its requests."""
    requests = []

    def command(request):
        requests.append(request)
        return ["sh", "-c", script]

    monkeypatch.setattr(doctor, "_command", command)
    return requests


def printing(needs):
    return f"cat <<'END'\n{json.dumps(needs)}\nEND"


def check(argv, capsys):
    """Exit status and what was printed."""
    status = 0
    try:
        doctor.main([str(arg) for arg in argv])
    except SystemExit as left:
        status = left.code
    return status, capsys.readouterr().out


def test_ready(photos, tmp_path, capsys):
    file = tmp_path / "findings.json"
    status, printed = check(
        [*photos, "--image_size=16", f"--json={file}"], capsys
    )
    assert status == 0
    assert printed.endswith("\n\nready\n")
    assert re.search(r"images +\d\d train, \d+ val, \d+ test", printed)
    assert re.search(r"sizes +16x16\n", printed)
    assert re.search(r"kinds +60 PNG RGB\n", printed)
    report = json.loads(file.read_text())
    assert (report["verdict"], report["findings"]) == ("ready", [])
    assert report["domains"]["b"]["source"] == str(tmp_path / "cold")


def test_warnings(photos, tmp_path, capsys):
    for i in range(4):
        flat = Image.new("RGB", (16, 16), (40 * i, 90, 90))
        flat.save(tmp_path / "cold" / f"flat{i}.png")
    file = tmp_path / "findings.json"
    argv = [*photos, "--image_size=16", f"--json={file}"]
    status, printed = check(argv, capsys)
    assert status == 0
    assert printed.endswith("\nusable, with 1 warning\n")
    assert "! B: 4 images of one flat colour\n      flat0.png\n" in printed
    assert "flat3.png" not in printed
    (found,) = json.loads(file.read_text())["findings"]
    assert (found["kind"], found["where"], found["count"]) == ("flat", "b", 4)


def test_not_usable(photos, capsys):
    a = photos[0]
    b = a.replace("data_a", "data_b")
    status, printed = check([a, b, "--image_size=16"], capsys)
    assert status == 1
    verdict = printed.splitlines()[-1]
    assert verdict == (
        "not usable: 60 images of B equal, or nearly equal, to one of A"
    )


def test_one_domain_alone(photos, capsys):
    status, printed = check([photos[1], "--image_size=16"], capsys)
    assert status == 0
    assert printed.startswith("B  ")
    assert printed.endswith("\nready\n")


def test_toy_faces(monkeypatch, capsys):
    few = {d: ToyFacesSource(d, train=60, val=5, test=20) for d in "ab"}
    monkeypatch.setattr(doctor, "_toy_faces", lambda: few)
    status, printed = check([], capsys)
    assert status == 0
    assert "A  toy faces a\n" in printed
    assert printed.endswith("\nready\n")


def test_hostile_names(photos, tmp_path, capsys):
    evil = os.fsdecode(b"\x1b[2J\nready \xff\xe2\x80\xae.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "warm" / evil)
    file = tmp_path / "findings.json"
    check([*photos, "--image_size=16", f"--json={file}"], capsys)
    status, printed = check([*photos, "--image_size=16"], capsys)
    assert status == 0
    assert r"\x1b[2J\nready \udcff\u202e.png" in printed
    assert "\x1b" not in printed
    (found,) = json.loads(file.read_text())["findings"]
    assert found["examples"] == [evil]


@pytest.mark.parametrize(
    ("argv", "argument"),
    [
        (["--data_a=/nowhere"], "--data_a"),
        (["--gin_file=none.gin"], "--gin_file"),
        (["--run_dir=nowhere"], "--run_dir"),
        (["--gin_param=a.b = 1"], "--gin_param"),
        (["--image_size=0"], "--image_size"),
        (["--json=/nowhere/x.json"], "--json"),
        (["--dta_a=x"], "--dta_a"),
    ],
)
def test_wrong_flags(argv, argument, refuses):
    with refuses(argument):
        doctor.main(argv)


def test_a_mistake_is_one_line_at_once():
    before = os.times().children_user
    process = subprocess.run(
        [sys.executable, "-m", "tf_i2i.doctor", "--data_b=/nowhere"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert os.times().children_user - before < 1.5  # No TensorFlow.
    assert process.returncode == 2
    assert process.stderr.startswith("error: `--data_b`")
    assert process.stderr.count("\n") == 1


# The child.


def test_a_real_child(photos, tmp_path, capsys, monkeypatch):
    # The child must find the module, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    file = tmp_path / "findings.json"
    run_dir = tmp_path / "run"
    config = tmp_path / "own.gin"
    config.write_text("\n".join(["import own_methods", *TINY]))
    argv = [f"--gin_file={config}", f"--run_dir={run_dir}", "--trust_config"]
    status, printed = check([*photos, *argv, f"--json={file}"], capsys)
    assert status == 0
    assert not run_dir.exists()
    needs = json.loads(file.read_text())["needs"]
    assert needs["image_size"] == 8
    assert needs["load_size"] == 10  # 8 / .8.
    assert needs["phase"] == "8px-fade"
    assert needs["batch_size"] == 4
    assert 0 < needs["step"] < needs["first_step"]
    assert needs["memory"] > 100e6
    assert needs["gpu_memory"] is None or needs["gpu_memory"] > 0
    # 16 steps of 2 at 4 px and 12 of 4 at 8 px are 16 / 4 + 12 of the largest.
    assert needs["hours"] == pytest.approx(16 * needs["step"] / 3600)
    assert needs["disk"]["store"] == 2 * 60 * 10 * 10 * 3
    assert needs["settings"]["growing_phases.batch_size"] == "2"
    assert re.search(r"The largest phase, 8px-fade, on this", printed)
    assert re.search(r"step +[\d.e-]+ s, [\d.e+]+ images/s; the", printed)
    assert printed.endswith("\nready\n")


def test_a_killed_child(photos, monkeypatch, capsys):
    plan = {"settings": NEEDS["settings"], "batch_size": 8}
    tried(monkeypatch, f"{printing(plan)}\nkill -9 $$")
    status, printed = check([*photos, "--gin_file=twingan.gin"], capsys)
    assert status == 1
    assert printed.endswith(
        "\nnot usable: the largest phase does not fit into memory: the system "
        "killed it\n"
    )
    joined = " ".join(printed.split())
    assert "Lower TwinGAN.width = 1.0, single_phase.batch_size = 8" in joined
    assert "--gin_param='single_phase.batch_size = 4'" in joined


@pytest.mark.parametrize(
    ("first", "again", "said"),
    [
        # The first trial is killed, and the second one is not.
        ("kill -9 $$", printing(NEEDS), "needs 1 GB and takes 4 s."),
        ("kill -9 $$", "kill -9 $$", "does not fit with"),
        (
            printing(NEEDS | {"memory": 90 * 10**9, "step": 3.2}),
            printing(NEEDS | {"memory": 50 * 10**9}),
            "needs 50 GB and takes 1.2 times as long.",
        ),
    ],
)
def test_recomputation_is_measured_if_memory_lacks(
    photos, monkeypatch, capsys, first, again, said
):
    monkeypatch.setattr(doctor, "_machine_memory", lambda: 10**11)
    plan = printing({"can_recompute": True, "load_size": 320})
    scripts = {False: f"{plan}\n{first}", True: f"{plan}\n{again}"}
    bindings = []

    def command(request):
        bindings.append(request["bindings"])
        recompute = "train.recompute = True" in request["bindings"]
        return ["sh", "-c", scripts[recompute]]

    monkeypatch.setattr(doctor, "_command", command)
    argv = [*photos, "--gin_file=twingan.gin", "--gin_param=train.seed = 2"]
    _, printed = check([*argv, "--image_size=16"], capsys)
    assert bindings == [
        ["train.seed = 2"],
        ["train.seed = 2", "train.recompute = True"],
    ]
    assert said in " ".join(printed.split())


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        (
            "echo 'std::bad_alloc' >&2; kill -ABRT $$",
            "into memory: the signal SIGABRT ended it, std::bad_alloc",
        ),
        ("echo '{\"out_of_memory\": true}'", "memory: an allocation failed"),
        (
            "printf 'ValueError: odd\\n  at noon\\n' >&2; exit 1",
            "a step of the largest phase failed: ValueError: odd",
        ),
        ("exit 1", "failed: no reason given"),
    ],
)
def test_other_ends_of_a_child(photos, monkeypatch, capsys, script, verdict):
    tried(monkeypatch, script)
    status, printed = check([*photos, "--gin_file=twingan.gin"], capsys)
    assert status == 1
    assert printed.splitlines()[-1].endswith(verdict)


def test_a_wrong_binding_is_the_users_mistake(photos, monkeypatch):
    tried(monkeypatch, "echo 'error: `x` is not known' >&2; exit 2")
    with pytest.raises(UserError, match=r"^`x` is not known$"):
        doctor.main([*photos, "--gin_file=twingan.gin"])


def test_other_workers_are_not_waited_for(photos, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    requests = tried(monkeypatch, "echo error: ${TF_CONFIG-unset} >&2; exit 2")
    with pytest.raises(UserError, match=r"^unset$"):
        doctor.main([*photos, "--gin_file=twingan.gin"])
    assert requests[0]["bindings"] == ["train.strategy = 'auto'"]


def test_the_data_of_the_configuration(photos, monkeypatch, capsys):
    folders = [flag.partition("=")[2] for flag in photos]
    data = dict(zip("ab", folders, strict=True))
    needs = NEEDS | {"data": data, "image_size": 16, "fit": "crop"}
    tried(monkeypatch, printing(needs))
    status, printed = check(["--gin_file=twingan.gin"], capsys)
    assert status == 0
    assert f"A  {folders[0]}\n" in printed
    assert "whole run      about 3 hours" in printed
    assert "disk           300 MB for 3 checkpoints, 37 MB for" in printed
    assert printed.endswith("\nready\n")


@pytest.mark.parametrize(
    ("needs", "said", "expected"),
    [
        ({"hours": 24000.0}, "! the whole run would take about 1,000 days", 0),
        ({"memory": 90 * 10**9}, "! a step needs 90 GB of the", 0),
        ({"checkpoint_bytes": 10**17}, "x the checkpoints need 3e+08 GB", 1),
        ({"load_size": 10**7}, "x the stored images need 3.6e+07 GB", 1),
    ],
)
def test_needs_beyond_the_machine(
    photos, monkeypatch, capsys, needs, said, expected
):
    monkeypatch.setattr(doctor, "_machine_memory", lambda: 10**11)
    tried(monkeypatch, printing(NEEDS | needs))
    argv = [*photos, "--gin_file=twingan.gin", "--image_size=16"]
    status, printed = check(argv, capsys)
    assert status == expected
    assert said in printed


def test_advice_can_be_copied():
    advice = "All will be blurred: train at the images' size, all of them, by "
    flag = "--gin_param='train.image_size = 32'"
    lines = doctor._wrap(f"{advice}{flag}, or find larger ones.")
    assert any(flag in line for line in lines)
    assert len(advice) < doctor._WIDTH < len(advice + flag)
