"""The list of the translators that come with the package."""

from tf_i2i import models


def test_a_model_is_named_after_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_FOLDER", tmp_path)
    for name in ("face_avatar", "twingan_toy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.gin").touch()
    assert [*models.shipped_models()] == ["face-avatar", "twingan-toy"]
    assert models.find_model("face-avatar") == tmp_path / "face_avatar"
    assert models.name_of(tmp_path / "face_avatar") == "face-avatar"
