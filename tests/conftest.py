"""What every test shares: quiet logs, two CPU devices, a clean policy."""

import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_i2i.cli import share_cores
from tf_i2i.errors import UserError
from tf_i2i.training.devices import make_strategy

share_cores()  # As `train` does, because the bits of runs depend on it.
# Two devices for `MirroredStrategy`; only possible before the first use.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(autouse=True)
def _float32_policy():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Two folders, `a` and `b`, of twelve small images each."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for domain in "ab":
        (root / domain).mkdir()
        for i in range(12):
            pixels = rng.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(root / domain / f"{i}.png")
    return root


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    os.environ["TF_I2I_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def refuses():
    """`with refuses("--input"):` expects a `UserError` about that argument.

    It yields pytest's `ExceptionInfo`. Without a name, any argument will do.
    A setting may be named without what comes before its period.
    """

    @contextlib.contextmanager
    def refuses(*arguments):
        with pytest.raises(UserError) as caught:
            yield caught
        if arguments:
            named = str(caught.value.argument)
            assert {named, named.rpartition(".")[2]} & {*arguments}, (
                caught.value
            )

    return refuses


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over both logical CPUs."""
    return make_strategy("mirrored")
