"""Builds the model of a run from its settings, and checks its phases."""

import contextlib

import keras
import tensorflow as tf

from tf_i2i.errors import UserError
from tf_i2i.methods.capabilities import stages
from tf_i2i.training.devices import compiles_by_xla


def build_model(config, strategy):
    """Returns a run's model with its optimizers.

    The model is built in the scope of the strategy. The function sets the
    random seed of Keras. It does not change the global dtype policy of Keras.

    Args:
        config: `RunConfig`, with a precision other than "auto".
        strategy: `tf.distribute` strategy.

    Returns:
        A compiled `UnpairedTranslator`.

    Raises:
        UserError: the networks are too large for the memory.
    """
    keras.utils.set_random_seed(config.seed)
    with _dtype_policy(config.precision), strategy.scope():
        with _too_large_is_refused(config):
            model = config.model(image_size=config.image_size, seed=config.seed)
        model.compile(
            config.translator_optimizer(),
            config.critic_optimizer(),
            jit_compile=compiles_by_xla(config.jit_compile),
            critic_augmentation=config.critic_augmentation,
            likeness=config.likeness,
            accumulate=config.accumulate,
            recompute=config.recompute,
        )
    return model


@contextlib.contextmanager
def _too_large_is_refused(config):
    """Context that raises a `UserError` if TensorFlow cannot make a tensor.

    If a tensor would have more elements than an integer can count, TensorFlow
    raises an `InvalidArgumentError`.
    """
    try:
        yield
    except (
        tf.errors.ResourceExhaustedError,
        tf.errors.InvalidArgumentError,
        MemoryError,
    ) as error:
        raise UserError(
            "`train.image_size` and the widths of the networks must be small "
            "enough for the memory. Received: train.image_size = "
            f"{config.image_size} ({str(error).partition(chr(10))[0][:100]})"
        ) from error


@contextlib.contextmanager
def _dtype_policy(name):
    """Context in which new layers have the dtype policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_phases(phases, model, replicas):
    """Raises an error if a phase would fail later in the run.

    Args:
        phases: list of `Phase`.
        model: `UnpairedTranslator`.
        replicas: number of devices that share a batch.

    Raises:
        UserError: a phase has a size or stage that the model does not have,
            or its batch cannot be divided equally.
    """
    for phase in phases:
        if phase.size not in model.sizes:
            raise UserError(
                "`train.phases` must have image sizes for which the model is "
                f"built, {list(model.sizes)}. Received: phase {phase.name}"
            )
        if phase.stage not in stages(model):
            raise UserError(
                "`train.phases` must name stages of the model, "
                f"{list(stages(model))}. Received: phase {phase.name}"
            )
        shares = replicas * model.batches_in(phase.stage)
        if phase.batch_size % shares:
            raise UserError(
                f"`batch_size` must be a multiple of {shares}, the number of "
                "replicas times the parts of a batch (those of "
                "`train.accumulate`, for each update). Received: phase "
                f"{phase.name}, batch_size={phase.batch_size}"
            )
