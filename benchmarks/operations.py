"""Times single operations in TFLite and ONNX Runtime.

    pip install 'tf-i2i[export,onnx]'
    python benchmarks/operations.py --threads=2

The operations are those of the CycleGAN paper's generator at 128 px (6 blocks),
float32, batch size 1. For each kind of operation one file is exported for each
runtime. The measured time of the operation is multiplied by the number of times
that the operation occurs in the generator. The two runtimes are measured
alternately. For short operations, a large part of the time is the overhead of
calling the runtime. The sum of all times can be compared with the time that
`benchmarks/latency.py --published` measures.
"""

import argparse
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from latency import race

from tf_i2i import cli


class Operation(NamedTuple):
    """An operation of the generator.

    Attributes:
        name: name in the table.
        count: number of times that the generator has the operation.
        shape: shape of the operation's input, `(height, width, channels)`.
        make: function of the TensorFlow module and the input tensor that
            applies the operation.
    """

    name: str
    count: int
    shape: tuple
    make: object


def convolution(filters, side, stride=1):
    def make(tf, x):
        shape = (side, side, x.shape[3], filters)
        kernel = tf.constant(np.random.normal(0, 0.02, shape), tf.float32)
        padding = "VALID" if stride == 1 else "SAME"
        y = tf.nn.conv2d(x, kernel, stride, padding)
        return tf.nn.bias_add(y, tf.zeros(filters))

    return make


def halving(filters):
    return convolution(filters, 3, 2)


def doubling(filters):
    def make(tf, x):
        shape = (3, 3, filters, x.shape[3])
        kernel = tf.constant(np.random.normal(0, 0.02, shape), tf.float32)
        sides = [2 * side for side in x.shape[1:3]]
        y = tf.nn.conv2d_transpose(x, kernel, [1, *sides, filters], 2)
        return tf.nn.bias_add(y, tf.zeros(filters))

    return make


def norm(tf, x):
    from tf_i2i.layers import InstanceNormalization
    from tf_i2i.layers import portable

    with portable():
        return InstanceNormalization()(x)


def padding(pixels):
    def make(tf, x):
        from tf_i2i.layers import portable
        from tf_i2i.layers import reflect_pad

        with portable():
            return reflect_pad(x, pixels)

    return make


OPERATIONS = (
    Operation("7x7, 3 to 64, 128 px", 1, (134, 134, 3), convolution(64, 7)),
    Operation("3x3, 64 to 128, halved", 1, (128, 128, 64), halving(128)),
    Operation("3x3, 128 to 256, halved", 1, (64, 64, 128), halving(256)),
    Operation("3x3, 256 to 256, 32 px", 12, (34, 34, 256), convolution(256, 3)),
    Operation("3x3, 256 to 128, doubled", 1, (32, 32, 256), doubling(128)),
    Operation("3x3, 128 to 64, doubled", 1, (64, 64, 128), doubling(64)),
    Operation("7x7, 64 to 3, 128 px", 1, (134, 134, 64), convolution(3, 7)),
    Operation("norm, 256 at 32 px", 13, (32, 32, 256), norm),
    Operation("norm, 128 at 64 px", 2, (64, 64, 128), norm),
    Operation("norm, 64 at 128 px", 2, (128, 128, 64), norm),
    Operation("reflection, 256 at 32 px", 12, (32, 32, 256), padding(1)),
    Operation("reflection, 3 at 128 px", 1, (128, 128, 3), padding(3)),
    Operation("reflection, 64 at 128 px", 1, (128, 128, 64), padding(3)),
)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=20, help="calls per round")
    args = parser.parse_args()
    tf = cli.import_tensorflow()
    sums = {"TFLite": 0.0, "ONNX Runtime": 0.0}
    print("| operation | times | TFLite: ms | ONNX Runtime: ms |")
    print("| --- | --- | --- | --- |")
    for operation in OPERATIONS:
        calls = both(tf, operation, args.threads)
        seconds = race(calls, args.rounds, args.calls)
        took = {
            name: 1e3 * operation.count * statistics.median(times)
            for name, times in seconds.items()
        }
        for name, ms in took.items():
            sums[name] += ms
        cells = " | ".join(f"{took[name]:.2f}" for name in sums)
        print(f"| {operation.name} | {operation.count} | {cells} |", flush=True)
    print(f"| all | | {' | '.join(f'{ms:.1f}' for ms in sums.values())} |")


def both(tf, operation, threads):
    """Returns a function for each runtime, after comparing their outputs."""
    x = np.random.default_rng(0).normal(size=(1, *operation.shape))
    x = np.float32(x)

    @tf.function(input_signature=[tf.TensorSpec(x.shape, tf.float32, "x")])
    def function(x):
        return operation.make(tf, x)

    calls = {
        "TFLite": _tflite(tf, function, x, threads),
        "ONNX Runtime": _onnx(function, x, threads),
    }
    first, second = (call() for call in calls.values())
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)
    return calls


def _tflite(tf, function, x, threads):
    from tf_i2i.exporting.litert import interpreter_of

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    with cli.silent_stderr():
        interpreter = interpreter_of(converter.convert(), threads)
        interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def call():
        interpreter.set_tensor(given, x)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return call


def _onnx(function, x, threads):
    import tf2onnx

    from tf_i2i.exporting import load_onnx

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # tf2onnx gives warnings, because it uses names that NumPy 2 removed.
        warnings.simplefilter("ignore")
        path = Path(folder) / "operation.onnx"
        with cli.silent_stderr():
            tf2onnx.convert.from_function(
                function, function.input_signature, output_path=str(path)
            )
        run = load_onnx(path, threads)
    return lambda: run(x)


if __name__ == "__main__":
    main()
