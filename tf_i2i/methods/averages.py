"""Moving averages of the weights of a method's networks."""

import contextlib

import keras
import tensorflow as tf


class AveragedWeights(keras.Model):
    """The part of a method that averages the weights used at inference.

    Attributes:
        averages, averaged_variables: the moving averages, and the variables
            that they average. Both lists are empty until all networks are
            built.
    """

    averages: list = []
    averaged_variables: list = []

    @property
    def averaged_networks(self):
        """Names of the networks that are used at inference."""
        return self.translators

    def _make_averages(self):
        averaged = {
            # Variables that several networks share are included only once.
            id(variable): variable
            for name in self.averaged_networks
            for variable in getattr(self, name).variables
        }
        self.averaged_variables = list(averaged.values())
        self.averages = [
            self.add_weight(
                shape=variable.shape,
                dtype="float32",
                trainable=False,
                # The name is made from the path, because several layers have
                # the same name, and paths are unique.
                name="average_" + variable.path.replace("/", "."),
            )
            for variable in self.averaged_variables
        ]
        for average, variable in self.average_pairs:
            average.assign(variable)

    @property
    def average_pairs(self):
        """Pairs `(average, variable)` of all averaged variables."""
        return zip(self.averages, self.averaged_variables, strict=True)

    def _update_averages(self, images):
        """Updates the moving averages of the network weights after a step.

        The decay of the averages is
        min(0.5 ** (images / half-life), (1 + n) / (10 + n)), where n is the
        number of the step and the half-life is `1000 * average_kimg` images.

        Args:
            images: number of images of each domain in the step.
        """
        n = tf.cast(tf.convert_to_tensor(self.step), tf.float32)
        decay = 0.5 ** (images / (1000.0 * max(self.average_kimg, 1e-9)))
        decay = tf.minimum(decay, (1.0 + n) / (10.0 + n))
        for average, variable in self.average_pairs:
            live = tf.cast(tf.convert_to_tensor(variable), tf.float32)
            average.assign_add((1.0 - decay) * (live - average))

    def with_averages(self, network):
        """Context manager in which a network has its averaged weights.

        No variable is assigned. Therefore this context manager can be used
        inside a training step, unlike `averaged`.

        Args:
            network: one of the `averaged_networks`.
        """
        used = {id(variable) for variable in network.variables}
        return keras.StatelessScope(
            [
                (variable, tf.convert_to_tensor(average))
                for average, variable in self.average_pairs
                if id(variable) in used
            ]
        )

    @contextlib.contextmanager
    def averaged(self):
        """Context manager in which the networks have their averaged weights."""
        live = [variable.numpy() for _, variable in self.average_pairs]
        for average, variable in self.average_pairs:
            variable.assign(average)
        try:
            yield self
        finally:
            for (_, variable), value in zip(
                self.average_pairs, live, strict=True
            ):
                variable.assign(value)
