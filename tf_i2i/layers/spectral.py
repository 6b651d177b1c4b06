"""Spectral normalization of convolutions."""

import keras
import tensorflow as tf

from tf_i2i.layers.convolution import Conv2D


class SpectralConv2D(Conv2D):
    """A convolution whose kernel is divided by its largest singular value.

    Spectral normalization (Miyato et al. 2018, arXiv:1802.05957) regards the
    kernel `[height, width, C, D]` as a matrix with D columns. The largest
    singular value sigma of this matrix is estimated by one step of power
    iteration for each call in training. The division is part of the
    computation. Therefore gradients flow through sigma, and the stored kernel
    is changed only by the optimizer. `keras.layers.SpectralNormalization`
    overwrites the stored kernel instead.

    A dense layer with spectral normalization is a 1x1 convolution of this class
    that is applied to maps of one pixel.
    """

    def build(self, input_shape):
        super().build(input_shape)
        # The estimate of the right singular vector, of length 1.
        self.singular_vector = self.add_weight(
            (self.filters,),
            initializer=lambda shape, dtype=None: tf.fill(
                shape, tf.cast(shape[0] ** -0.5, dtype or "float32")
            ),
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="mean",
            name="singular_vector",
        )

    # The methods of Keras' convolutions save only the kernel and the bias.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def call(self, inputs, training=False):
        """Returns the convolution with the kernel divided by sigma.

        The input, and not the kernel, is divided by sigma. The result is the
        same.

        Args:
            inputs: `[N, H, W, C]`, float.
            training: whether to store the new estimate of the singular vector.
        """
        matrix = tf.cast(tf.convert_to_tensor(self._kernel), tf.float32)
        matrix = tf.reshape(matrix, [-1, self.filters])
        fixed = tf.stop_gradient(matrix)
        u = tf.convert_to_tensor(self.singular_vector)
        v = tf.math.l2_normalize(tf.linalg.matvec(fixed, u))
        u = tf.math.l2_normalize(tf.linalg.matvec(fixed, v, transpose_a=True))
        if training:
            finite = tf.reduce_all(tf.math.is_finite(u))
            old = tf.convert_to_tensor(self.singular_vector)
            self.singular_vector.assign(tf.where(finite, u, old))
        sigma = tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)
        return super().call(inputs / tf.cast(sigma, inputs.dtype))
