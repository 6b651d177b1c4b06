"""Networks that save memory in training by computing feature maps twice."""

import tensorflow as tf

from tf_i2i.networks.base import Network


class Recomputable(Network):
    """A network whose inner feature maps need not be kept for the gradient.

    Training keeps the feature maps of all layers until gradients are computed
    from them. If the attribute `recompute` is True, only the inputs of this
    network are kept. Its feature maps are computed again from these inputs when
    its gradients are needed (Chen et al. 2016, arXiv:1604.06174, section 4).
    This takes less memory and more time. Outputs and gradients stay the same.

    A subclass must compute the same values both times. Its `call` may depend
    only on its arguments and on weights. It must not change variables or sample
    random numbers. Apart from `training`, its arguments are tensors, None, or
    lists, tuples and dictionaries of these. Its gradients cannot be
    differentiated again.
    """

    recompute = False

    def __call__(self, *args, training=False, **kwargs):
        # The first call creates variables, which `tf.recompute_grad` does not
        # allow.
        if not (self.recompute and training and self.built):
            return super().__call__(*args, training=training, **kwargs)
        call, given = super().__call__, (args, kwargs)
        values = tf.nest.flatten(given)

        def of_tensors(*tensors):
            rest = iter(tensors)
            filled = [None if value is None else next(rest) for value in values]
            args, kwargs = tf.nest.pack_sequence_as(given, filled)
            return call(*args, training=training, **kwargs)

        return tf.recompute_grad(of_tensors)(
            *[value for value in values if value is not None]
        )
