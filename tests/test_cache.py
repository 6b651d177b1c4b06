"""The cache folder, by environment."""

from pathlib import Path

from tf_i2i.cache import default_cache_dir


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_I2I_CACHE", str(tmp_path / "own"))
    assert default_cache_dir() == tmp_path / "own"
    monkeypatch.delenv("TF_I2I_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "xdg" / "tf_i2i"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "tf_i2i"
