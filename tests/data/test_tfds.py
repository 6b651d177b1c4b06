"""Data sets of TFDS as sources; the ones here are made and prepared here."""

import sys

import numpy as np
import pytest

from tf_i2i import configuration
from tf_i2i.configs import find_config
from tf_i2i.configs import shipped_configs
from tf_i2i.data import tfds as ours
from tf_i2i.data.sources import locate
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import open_store
from tf_i2i.data.tfds import TfdsSource
from tf_i2i.errors import UserError

tfds = pytest.importorskip("tensorflow_datasets")

KINDS = ("round", "square", "7")


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Image i of a split has level i everywhere and class i mod 3."""

    VERSION = tfds.core.Version("1.2.3")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="big", description="-"),
        tfds.core.BuilderConfig(name="small", description="-"),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "mask": tfds.features.Image(shape=(None, None, 1)),
                    "label": tfds.features.ClassLabel(names=KINDS),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        sizes = {"trainA": 12, "testA": 3, "trainB": 9, "other": 20}
        return {split: self._examples(n) for split, n in sizes.items()}

    def _examples(self, count):
        side = {"big": 9, "small": 4}[self.builder_config.name]
        for i in range(count):
            yield (
                i,
                {
                    "image": np.full((side, side, 3), i, np.uint8),
                    "mask": np.zeros((side, side, 1), np.uint8),
                    "label": i % 3,
                },
            )

    def _generate_examples(self):
        raise NotImplementedError


class NoPictures(tfds.core.GeneratorBasedBuilder):
    """Images that are floats, and words."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "depth": tfds.features.Image(
                        shape=(4, 4, 1), dtype=np.float32
                    ),
                    "words": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        raise NotImplementedError

    _generate_examples = _split_generators


class FarAway(tfds.core.GeneratorBasedBuilder):
    """Its server does not answer."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {"left": tfds.features.Image(), "right": tfds.features.Image()}
            ),
        )

    def _split_generators(self, dl_manager):
        raise ConnectionError("nobody\nthere")

    def _generate_examples(self):
        raise NotImplementedError


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    for config in ("big", "small"):
        TinyShapes(config=config, data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(autouse=True)
def _data_dir(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    # Where something is downloaded after all, it is a mistake of the test.
    monkeypatch.setattr(ours, "_RETRIES", 0)


def levels(spec):
    """Split -> the images' levels, sorted; each image is of one level."""
    source = TfdsSource(spec)
    items = list(source.items(8, "crop"))
    assert len(items) == len(source)
    assert len({item.name for item in items}) == len(items)
    found = {}
    for item in items:
        level = int(item.image[0, 0, 0])
        assert (item.image == level).all()
        found.setdefault(item.split, []).append(level)
    return {split: sorted(values) for split, values in found.items()}


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("mnist/train", ("mnist", "train", None)),
        ("mnist/train:7", ("mnist", "train", "7")),
        ("mnist:3.0.1/train:7", ("mnist:3.0.1", "train", "7")),
        ("a/b/trainA", ("a/b", "trainA", None)),
        ("a/b+c.d-e:1.*.*/x:y z", ("a/b+c.d-e:1.*.*", "x", "y z")),
        (
            "a/b/train[:5%]+test[2:]:c:d/e",
            ("a/b", "train[:5%]+test[2:]", "c:d/e"),
        ),
    ],
)
def test_grammar(spec, parts):
    assert ours.parse(f"tfds:{spec}") == parts


@pytest.mark.parametrize("spec", ["", "mnist", "mnist:7", "a/b/c/d", "a/b:"])
def test_wrong_grammar_is_refused_at_once(spec, refuses):
    with refuses(f"tfds:{spec}"):
        locate(f"tfds:{spec}", "data_a")


def test_a_pool():
    assert levels("tfds:tiny_shapes/small/other") == {"train": list(range(20))}
    found = levels("tfds:tiny_shapes/big:1.2.3/trainA[2:5]")
    assert len(found["train"]) == 3
    assert set(found) == {"train"}


def test_train_brings_its_siblings():
    spec = "tfds:tiny_shapes/small/trainA"
    assert levels(spec) == {"train": list(range(12)), "test": [0, 1, 2]}
    notes = TfdsSource(spec).notes
    assert f"{spec}: test is the split testA" in notes
    assert any("has the images image, mask" in note for note in notes)
    assert levels("tfds:tiny_shapes/small/trainB") == {"train": list(range(9))}


def test_a_label():
    assert levels("tfds:tiny_shapes/big/trainA:square") == {
        "train": [1, 4, 7, 10],
        "test": [1],
    }


def test_a_label_that_looks_like_a_number():
    found = levels("tfds:tiny_shapes/big/other:7")
    assert found == {"train": [2, 5, 8, 11, 14, 17]}


def test_key_follows_everything():
    specs = [
        "big/trainA",
        "small/trainA",
        "big/trainB",
        "big/trainA[:5]",
        "big/trainA:0",
        "big/trainA:1",
    ]
    keys = {TfdsSource(f"tfds:tiny_shapes/{spec}").key() for spec in specs}
    assert len(keys) == len(specs)
    one, other = (
        TfdsSource(f"tfds:tiny_shapes/big/trainA:{label}").key()
        for label in ("square", "1")
    )
    assert one == other


def test_to_the_store_and_back(tmp_path, monkeypatch):
    spec = "tfds:tiny_shapes/big/trainA"
    said = []

    def opened():
        source = source_for(spec, "a")
        return open_store(source, 6, "crop", tmp_path, progress=said.append)

    store = opened()
    assert {s: len(rows) for s, rows in store.splits.items()} == {
        "train": 11,
        "val": 1,
        "test": 3,
    }
    levels_ = store.images[:, 0, 0, 0].tolist()
    assert sorted(levels_[:12]) == list(range(12))
    assert store.names[12:] == [f"testA/{i:06d}" for i in range(3)]
    assert any("test is the split testA" in line for line in said)
    monkeypatch.setattr(TfdsSource, "items", None)
    monkeypatch.setattr(TfdsSource, "__len__", None)
    assert opened().path == store.path


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (
            "tiny_shape/train",
            "tiny_shapes",
        ),
        ("nothing_like_it_at_all/train", "nothing_like_it_at_all"),
        ("tiny_shapes/bigg/trainA", "big, small"),
        ("tiny_shapes:9.9.9/trainA", "9.9.9"),
        ("tiny_shapes/big", "tfds:tiny_shapes/big/train"),
        ("tiny_shapes/big/train", "trainA, testA, trainB, other"),
        ("tiny_shapes/big/nope[:3]", "trainA, testA"),
        ("tiny_shapes/big/trainA:circle", "round"),
        ("tiny_shapes/big/trainA:3", "3 classes"),
        ("no_pictures/train", "depth (Image), words (Text)"),
        ("far_away/train:1", "left (Image)"),
        (
            "far_away/train",
            "ConnectionError: nobody there",
        ),
    ],
)
def test_mistakes_are_one_line(spec, named, refuses):
    with refuses(f"tfds:{spec}") as refused:
        TfdsSource(f"tfds:{spec}")
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_damaged_file(tmp_path, monkeypatch, refuses):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    builder = TinyShapes(config="big", data_dir=tmp_path)
    builder.download_and_prepare()
    for file in builder.data_path.glob("*other*"):
        file.write_bytes(file.read_bytes()[:-30])
    with refuses("tfds:tiny_shapes/big/other") as refused:
        levels("tfds:tiny_shapes/big/other")
    assert "1.2.3" in str(refused.value)


def test_what_a_user_without_tfds_sees(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=r"pip install 'tf-i2i\[tfds\]'"):
        TfdsSource("tfds:mnist/train")


@pytest.mark.parametrize(
    "name", [n for n in shipped_configs() if n.startswith("cycle_gan/")]
)
def test_configs_name_data_sets_and_splits_that_exist(name):
    configuration.configure("unused", [find_config(name)])
    builders = tfds.builder_cls("cycle_gan").builder_configs
    for domain in "ab":
        kind, _, where = configuration.given(f"data_{domain}").partition(":")
        data, config, split = where.split("/")
        assert (kind, data) == ("tfds", "cycle_gan")
        assert config in builders
        assert split == f"train{domain.upper()}"
    assert configuration.given("image_size") == 256
