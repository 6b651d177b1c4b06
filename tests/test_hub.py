"""Models at the Hugging Face hub, whose library writes to folders here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_i2i import hub
from tf_i2i import models
from tf_i2i import push_to_hub
from tf_i2i import runs
from tf_i2i import translate

huggingface_hub = pytest.importorskip(
    "huggingface_hub", reason="the extra `hub` is not installed"
)
constants = pytest.importorskip("huggingface_hub.constants")
yaml = pytest.importorskip("yaml", reason="the extra `hub` is not installed")
RUN = models.find_model("cyclegan-toy")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Folder that stands for the hub; uploads are copied to it."""
    folder = tmp_path / "server"

    def create_repo(self, repository, private, exist_ok):
        assert private
        assert exist_ok
        (folder / repository).mkdir(parents=True)

    def upload_folder(self, repo_id, folder_path, allow_patterns, **kwargs):
        for path in Path(folder_path).iterdir():
            assert path.name in allow_patterns
            shutil.copy(path, folder / repo_id)
        return f"https://huggingface.co/{repo_id}/commit/{COMMIT}"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Function that puts a folder into the library's cache, as a download.

    The library is offline.
    """
    root = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(folder, owner="owner", name="name"):
        repository = root / f"models--{owner}--{name}"
        snapshot = repository / "snapshots" / COMMIT
        (repository / "blobs").mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        snapshot.mkdir(parents=True)
        for i, path in enumerate(sorted(folder.iterdir())):
            blob = repository / "blobs" / str(i)
            shutil.copy(path, blob)
            (snapshot / path.name).symlink_to(blob)
        return snapshot

    return put


def test_upload_and_download(server, cache, tmp_path, capsys):
    """The translations are those of the run that was uploaded."""
    argv = [f"--run_dir={RUN}", "--repo=owner/name", "--licence=apache-2.0"]
    push_to_hub.main(argv)
    assert COMMIT in capsys.readouterr().out
    uploaded = server / "owner" / "name"
    assert {p.name for p in uploaded.iterdir()} == set(hub.FILES)
    _, matter, body = (uploaded / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(matter) == {
        "library_name": "tf-i2i",
        "pipeline_tag": "image-to-image",
        "license": "apache-2.0",
        "tags": ["tensorflow", "keras", "unpaired", "cyclegan"],
    }
    assert (RUN / "README.md").read_text() in body
    cache(uploaded)
    picture = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(picture)
    made = [
        translated(picture, tmp_path / f"{i}.png", flag)
        for i, flag in enumerate(
            (
                f"--run_dir={RUN}",
                "--model=hf:owner/name",
                f"--model=hf:owner/name@{COMMIT}",
            )
        )
    ]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


def translated(picture, output, flag):
    translate.main([flag, f"--input={picture}", f"--output={output}"])
    return np.asarray(Image.open(output))


def test_a_run_without_a_card(server, tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    for name in ("config.gin", "translator.npz"):
        shutil.copy(RUN / name, run_dir)
    config = run_dir / "config.gin"
    text = config.read_text().replace(
        "train.data_a = None", "train.data_a = '/home/me/faces'"
    )
    config.write_text(text)
    assert "/home/me" in text
    push_to_hub.main([f"--run_dir={run_dir}", "--repo=owner/name"])
    uploaded = server / "owner" / "name"
    card = (uploaded / "README.md").read_text()
    assert "license:" not in card
    assert "CycleGAN" in card
    assert "--model=hf:owner/name" in card
    assert "/home/me" not in (uploaded / "config.gin").read_text()


def test_a_model_of_a_stranger_runs_no_code(cache, tmp_path, refuses):
    folder = tmp_path / "evil"
    shutil.copytree(RUN, folder)
    config = folder / "config.gin"
    config.write_text("import os.path\n" + config.read_text())
    cache(folder)
    with refuses("run_dir") as caught:
        runs.load_translator(hub.download("hf:owner/name"))
    assert "--trust_config" in str(caught.value)


def test_no_network(cache, refuses):
    with refuses("--model"):
        hub.download("hf:owner/name")


def test_no_translator(cache, tmp_path, refuses):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("# Something else")
    cache(tmp_path / "other")
    with refuses("--model"):
        hub.download("hf:owner/name")


@pytest.mark.parametrize("spec", ["hf:name", "hf:a/b/c", "hf:a/b@", "hf:"])
def test_a_wrong_name(spec, refuses):
    with refuses("--model"):
        hub.download(spec)


def test_a_wrong_repository(refuses):
    with refuses("--repo"):
        push_to_hub.main([f"--run_dir={RUN}", "--repo=name"])


def test_the_upload_is_refused(server, monkeypatch, refuses):
    def fails(*args, **kwargs):
        raise OSError("no route to the server")

    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", fails)
    with refuses("--repo"):
        hub.upload(RUN, "owner/name", public=False)
