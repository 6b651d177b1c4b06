"""What every test shares: quiet logs, two CPU devices, a clean policy."""

import contextlib
import gc
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Two workers share the cores. Threads of OpenMP and of NumPy that wait for a
# core keep the other cores busy while they wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

from tf_i2i.errors import UserError


def pytest_configure(config):
    """Imports TensorFlow, and divides the CPU into two devices.

    The process that hands the tests to workers runs no test. Therefore it
    imports nothing.
    """
    if config.getoption("numprocesses", None):
        return
    import tensorflow as tf

    from tf_i2i.cli import share_cores

    share_cores()  # As `train` does, because the bits of runs depend on it.
    # Two devices for `MirroredStrategy`; only possible before the first use.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    gc.freeze()  # No collection needs to look at what this import made.


@pytest.fixture(autouse=True, scope="session")
def _no_graph_optimization():
    """Graphs run as they were traced.

    Most graphs of these tests run a few times. To optimize such a graph takes
    longer than the optimization saves.
    """
    import tensorflow as tf

    options = {"disable_meta_optimizer": True}
    tf.config.optimizer.set_experimental_options(options)


@pytest.fixture(autouse=True, scope="session")
def clear_kernels():
    """Kernels outlast `set_random_seed` and `clear_session`.

    TensorFlow discards all its kernels then, because some hold a seed. Those
    of the package hold none, and to make the kernels again takes longer than
    all else in the construction of a tiny model.

    Yields the function that discards them.
    """
    from tensorflow.python import pywrap_tfe

    clear = pywrap_tfe.TFE_ContextClearCaches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pywrap_tfe, clear.__name__, lambda context: None)
        yield clear


@pytest.fixture(scope="session")
def eagerly():
    """`with eagerly():` runs every `tf.function` without tracing it.

    Tracing a training step takes as long as ten eager steps of a tiny model.
    This is for tests of what surrounds the steps, whose runs are short. Their
    last bits differ from those of traced steps.
    """
    import tensorflow as tf

    @contextlib.contextmanager
    def eagerly():
        tf.config.run_functions_eagerly(True)
        try:
            with warnings.catch_warnings():
                # The functions of `tf.data` are traced all the same.
                warnings.filterwarnings("ignore", ".*run_functions_eagerly")
                yield
        finally:
            tf.config.run_functions_eagerly(False)

    return eagerly


@pytest.fixture(autouse=True)
def _float32_policy():
    import keras

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
            named = caught.value.argument
            setting = (named or "").rpartition(".")[2]
            assert {named, setting} & {*arguments}, caught.value

    return refuses


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy over both logical CPUs."""
    from tf_i2i.training.devices import make_strategy

    return make_strategy("mirrored")
