"""What every test shares: quiet logs, two CPU devices, a clean policy."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

# Two devices for `MirroredStrategy`; only possible before the first use.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(autouse=True)
def _float32_policy():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over both logical CPUs."""
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
