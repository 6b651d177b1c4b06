"""An Adam optimizer that updates each variable by one operation."""

import functools

import keras
import tensorflow as tf

from tf_i2i.values import Decay
from tf_i2i.values import Positive
from tf_i2i.values import checked


@keras.saving.register_keras_serializable("tf_i2i")
class Adam(keras.optimizers.Adam):
    """A `keras.optimizers.Adam` that updates each variable by one operation.

    One operation is faster than the update of Keras, which consists of about
    fifteen operations, each of which reads and writes the variables in memory.
    The optimizer has the arguments and the state of Keras' Adam, but `amsgrad`
    is not supported. `global_clipnorm` limits the norm of the sum of all
    replicas' gradients, so that results do not depend on the number of
    replicas. Keras would clip each replica's gradient separately.
    """

    def _clip_gradients(self, grads):
        if not self.global_clipnorm:
            return super()._clip_gradients(grads)
        context = tf.distribute.get_replica_context()
        norm = tf.linalg.global_norm(context.all_reduce("SUM", grads))
        factor = self.global_clipnorm / tf.maximum(norm, self.global_clipnorm)
        return [factor * gradient for gradient in grads]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


@keras.saving.register_keras_serializable("tf_i2i")
class LossScaling(keras.optimizers.LossScaleOptimizer):
    """An optimizer that scales its loss, for networks that compute in float16.

    Small gradients would be rounded to 0 in float16. Therefore the loss is
    multiplied by a scale, and the gradients are divided by the same scale
    (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2). If a gradient is
    not finite, the weights are not changed and the scale is halved. After
    `dynamic_growth_steps` updates without such a gradient, the scale is
    doubled. The class has the arguments of Keras' class.

    Keras tests only the gradients of the first replica. This class tests the
    gradients of all replicas, because an update uses their sum.
    """

    def check_finite(self, grads):
        context = tf.distribute.get_replica_context()
        bad = tf.logical_not(super().check_finite(grads))
        return context.all_reduce("SUM", tf.cast(bad, tf.float32)) == 0.0


@functools.partial(checked, owner="Adam")
def adam(
    learning_rate: Positive,
    beta_1: Decay,
    beta_2: Decay,
    epsilon: Positive = 1e-8,
    clip_norm: Positive | None = None,
):
    """Returns a new Adam optimizer (Kingma and Ba 2015, arXiv:1412.6980).

    Args:
        learning_rate: learning rate, above 0.
        beta_1: decay of the moving average of the gradient, at least 0 and
            below 1. The class attribute `adam` of each method holds the values
            of the method's paper for `beta_1`, `beta_2` and `learning_rate`.
        beta_2: decay of the moving average of the squared gradient, at least 0
            and below 1.
        epsilon: small number above 0 that is added to the square root of the
            moving average of the squared gradient.
        clip_norm: largest norm of the gradient with respect to all variables
            of the optimizer. A gradient with a larger norm is scaled down to
            this norm (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1).
            None for no limit.
    """
    return Adam(
        learning_rate, beta_1, beta_2, epsilon, global_clipnorm=clip_norm
    )


def _handle(variable):
    """Returns the resource handle of a variable on this device.

    The variable may be wrapped by Keras and by a `tf.distribute` strategy.
    """
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle


def reset_optimizers(model):
    """Sets the state of both optimizers to zero.

    The learning rates and the scales of `LossScaling` are not changed.

    Args:
        model: `UnpairedTranslator`.
    """
    for optimizer in model.optimizers.values():
        kept = (
            optimizer.learning_rate,
            getattr(optimizer, "dynamic_scale", None),
        )
        for variable in optimizer.variables:
            if not any(variable is other for other in kept):
                variable.assign(tf.zeros(variable.shape, variable.dtype))
