"""A layer whose trainable weights are the constants of a frozen graph."""

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tf_i2i.networks.base import Network

# Constants with fewer elements than this are not trained, because they are not
# network weights but, for example, colour means or scales.
_FEWEST = 4


class Lifted(Network):
    """A layer that computes a function and can train the function's weights.

    The function is traced and frozen. In the frozen graph all weights of the
    network are constants, even those that were variables before. The constants
    of four or more elements become weights of this layer, with the same values.

    Args:
        function: function that takes images `[N, S, S, 3]` in [-1, 1] and
            returns vectors `[N, D]`.
        image_size: S, the side of the images in pixels.
    """

    def __init__(self, function, image_size, name=None):
        # The dtype is fixed, whatever the precision of the run, because the
        # graph determines the types of all tensors.
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
        """Replaces a constant of the graph by an input.

        Returns:
            Name of the input, and the weight that is its value.
        """
        value = tf.make_ndarray(node.attr["value"].tensor)
        node.op = "Placeholder"
        del node.attr["value"]
        weight = self.add_weight(
            value.shape,
            initializer=lambda shape, dtype: tf.constant(value, dtype),
            dtype="float32",
            name=f"kernel_{node.name.replace('/', '.')}",
        )
        return f"{node.name}:0", weight

    def call(self, images):
        """Returns vectors, float32 `[N, D]`, of images `[N, S, S, 3]`."""
        # `import_graph_def` works only while another graph is being built.
        # `get_concrete_function` builds one even if a program has set
        # `tf.config.run_functions_eagerly`.
        images = tf.cast(images, tf.float32)
        run = tf.function(self._run_graph, autograph=False)
        return run.get_concrete_function(images)(images)

    def _run_graph(self, images):
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
