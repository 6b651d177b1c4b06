"""A network that was frozen, with weights to train again."""

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tf_i2i.networks.base import Network

# Fewer numbers are no weights: colour means, scales of a resizing.
_FEWEST = 4


class Lifted(Network):
    """Makes weights of the constants that a function computes with.

    Whatever way a network came to hold its weights (variables, constants of
    a graph, another framework's converter), its graph has them as constants
    in the end. Those of four or more numbers become weights of this layer,
    which begin with the same values.

    Args:
        function: images `[N, S, S, 3]` in [-1, 1] -> `[N, D]`.
        image_size: S.
    """

    def __init__(self, function, image_size, name=None):
        # Its graph says what is of which type.
        super().__init__(name, dtype="float32")
        spec = tf.TensorSpec([None, image_size, image_size, 3])
        traced = tf.function(function, autograph=False)
        frozen = convert_to_constants.convert_variables_to_constants_v2(
            traced.get_concrete_function(spec)
        )
        self.graph = frozen.graph.as_graph_def()
        self.ends = frozen.inputs[0].name, frozen.outputs[0].name
        self.kernels = [
            self._lift(node)
            for node in self.graph.node
            if node.op == "Const" and _is_weight(node)
        ]

    def _lift(self, node):
        """The weight that takes a constant's place."""
        value = tf.make_ndarray(node.attr["value"].tensor)
        node.op = "Placeholder"  # Its numbers need not be kept twice.
        del node.attr["value"]
        weight = self.add_weight(
            value.shape,
            initializer=lambda shape, dtype: tf.constant(value, dtype),
            dtype="float32",
            name=f"kernel_{node.name.replace('/', '.')}",
        )
        return f"{node.name}:0", weight

    def call(self, images):
        """`[N, S, S, 3]` in [-1, 1] -> `[N, D]`, float32."""
        # Graphs are imported into graphs alone.
        return tf.function(self._imported, autograph=False)(
            tf.cast(images, tf.float32)
        )

    def _imported(self, images):
        (given, wanted) = self.ends
        weights = {
            name: tf.convert_to_tensor(weight) for name, weight in self.kernels
        }
        (vectors,) = tf.graph_util.import_graph_def(
            self.graph, {given: images, **weights}, [wanted], name=""
        )
        return vectors


def _is_weight(node):
    tensor = node.attr["value"].tensor
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    count = 1
    for side in shape:
        count *= side
    return tensor.dtype == tf.float32.as_datatype_enum and count >= _FEWEST
