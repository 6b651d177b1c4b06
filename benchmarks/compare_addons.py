"""Compares instance and group normalization with TensorFlow Addons.

TensorFlow Addons supports TensorFlow up to 2.15. Therefore it needs a separate
environment.

    python3.11 -m venv addons
    addons/bin/pip install "tensorflow-cpu==2.15.*" tensorflow-addons==0.23.0
    addons/bin/python benchmarks/compare_addons.py make
    python benchmarks/compare_addons.py time --addons_python=addons/bin/python

`make` runs in that environment and writes tests/layers/addons_golden.npz, which
contains the outputs and gradients of the Addons layers for fixed inputs. The
test of instance normalization compares the layer of this package, and Keras'
group normalization, with these arrays.

`time` runs in the environment of this package. A step is the forward and
backward pass of one instance normalization. The layers are timed alternately in
one run, and each ratio is the median over the turns. `error` is the largest
error of the outputs, compared with outputs in float64. Without
`--addons_python`, the layer of this package is compared with Keras' layer only.
The number of threads is TensorFlow's default, or TF_NUM_INTRAOP_THREADS and
TF_NUM_INTEROP_THREADS.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "tests/layers/addons_golden.npz"
PLAIN = {"epsilon": 1e-5, "center": False, "scale": False}
AFFINE = {"epsilon": 1e-5}
# Layers of Addons, each with its name, its arguments and the shape of its
# input. Inputs have at least three pixels. With two pixels the terms of the
# gradient cancel almost completely. Therefore few significant digits remain.
CASES = [
    *(
        ("InstanceNormalization", arguments, shape)
        for shape in ((1, 5, 7, 3), (3, 4, 4, 6), (3, 7, 3, 5), (1, 3, 1, 4))
        for arguments in (PLAIN, AFFINE)
    ),
    *(
        ("GroupNormalization", {"groups": groups, **arguments}, shape)
        for shape in ((1, 5, 3, 4), (3, 3, 3, 8))
        for groups in (1, 2, 4)
        for arguments in ({}, AFFINE)
    ),
]

SHAPES = ((1, 32, 32, 256), (8, 32, 32, 64), (1, 128, 128, 64))
DTYPES = ("float32", "bfloat16")
STEPS = 20  # Number of steps that a layer does before the next layer's turn.


def make(_):
    import tensorflow_addons

    rng = np.random.default_rng(0)
    kept = {}
    for i, (name, arguments, shape) in enumerate(CASES):
        layer = getattr(tensorflow_addons.layers, name)(**arguments)
        for key, value in golden(rng, layer, shape).items():
            kept[f"{i}/{key}"] = np.asarray(value, np.float32)
    np.savez_compressed(GOLDEN, cases=json.dumps(CASES), **kept)
    print(f"{GOLDEN}: {len(CASES)} cases, {GOLDEN.stat().st_size:,} bytes")


def golden(rng, layer, shape):
    """Returns input, output, and gradients of a weighted sum of the output."""
    import tensorflow as tf

    channels = shape[-1]
    layer.build(shape)
    weights = {}
    if layer.scale:
        weights = {"gamma": layer.gamma, "beta": layer.beta}
        layer.gamma.assign(rng.normal(1.0, 0.3, channels))
        layer.beta.assign(rng.normal(0.0, 0.3, channels))
    means = rng.uniform(-0.5, 0.5, channels)
    deviations = rng.uniform(0.1, 2.0, channels)
    x = (means + deviations * rng.normal(size=shape)).astype(np.float32)
    weight = rng.normal(size=shape).astype(np.float32)
    sources = {"x": tf.constant(x), **weights}
    with tf.GradientTape() as tape:
        tape.watch(sources["x"])
        y = layer(sources["x"])
        loss = tf.reduce_sum(y * weight)
    gradients = tape.gradient(loss, sources)
    gradients = {f"{name}_gradient": g for name, g in gradients.items()}
    return {**sources, "weight": weight, "y": y, **gradients}


class Turns:
    """Times layers, each compiled once for each input shape and data type."""

    def __init__(self, makers):
        # Functions that make a layer for a dtype policy, by name.
        self._makers = makers
        self._ready = {}

    def take(self, name, dtype, shape):
        """Returns the seconds of a step and the largest error of the output."""
        key = name, dtype, tuple(shape)
        if key not in self._ready:
            self._ready[key] = self._prepare(*key)
        function, inputs, error = self._ready[key]
        began = time.perf_counter()
        function(*inputs)
        return (time.perf_counter() - began) / STEPS, error

    def _prepare(self, name, dtype, shape):
        import tensorflow as tf

        policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
        layer = self._makers[name](policy)
        rng = np.random.default_rng(0)
        inputs = [
            tf.cast(rng.normal(mean, 2.0, shape), dtype) for mean in (1.0, 0.0)
        ]
        error = np.abs(np.float64(layer(inputs[0])) - exact(inputs[0])).max()

        def step(x, gradient):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            # All steps use the same input, because normalizing an output again
            # takes as long.
            return y, tape.gradient(y, x, gradient)

        @tf.function
        def function(*inputs):
            return tf.while_loop(
                lambda *_: True,
                step,
                inputs,
                parallel_iterations=1,
                maximum_iterations=STEPS,
            )

        # The first call is not timed, because it traces the function.
        function(*inputs)
        return function, inputs, float(error)


def exact(x):
    x = np.float64(x)
    x = x - x.mean((1, 2), keepdims=True)
    return x / np.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5)


def our_turns():
    import functools

    import keras

    from tf_i2i.layers import InstanceNormalization

    # This layer needs no dtype policy, because its output has the type of its
    # input.
    def ours(_):
        return functools.partial(InstanceNormalization(1e-5), training=True)

    def of_keras(policy):
        return keras.layers.GroupNormalization(-1, dtype=policy, **PLAIN)

    return Turns({"tf_i2i": ours, "keras": of_keras})


def addons_turns():
    import tensorflow as tf
    import tensorflow_addons

    def addons(policy):
        policy = tf.keras.mixed_precision.Policy(policy)
        layer = tensorflow_addons.layers.InstanceNormalization
        return layer(dtype=policy, **PLAIN)

    return Turns({"addons": addons})


def serve(_):
    """Calls `Turns.take` for each line of stdin, and prints each result."""
    turns = addons_turns()
    for line in sys.stdin:
        print(json.dumps(turns.take(*json.loads(line))), flush=True)


class Elsewhere:
    """Runs `Turns` in a process that uses another Python environment."""

    def __init__(self, python):
        self._process = subprocess.Popen(
            [python, "-W", "ignore", __file__, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def take(self, *arguments):
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def end(self):
        # Closes the standard input of the process, and waits until the process
        # ends.
        self._process.communicate()


def compare(args):
    turns = dict.fromkeys(("tf_i2i", "keras"), our_turns())
    if args.addons_python:
        turns["addons"] = Elsewhere(args.addons_python)
    print("layer       ms/step   times ours      error")
    for dtype in DTYPES:
        for shape in SHAPES:
            print(f"{dtype}, {list(shape)}")
            compare_case(turns, dtype, shape, args.rounds)
    if args.addons_python:
        turns["addons"].end()


def compare_case(turns, dtype, shape, rounds):
    seconds = {name: [] for name in turns}
    errors = {}
    for _ in range(rounds + 1):
        for name, own in turns.items():
            took, errors[name] = own.take(name, dtype, shape)
            seconds[name].append(took)
    for name, took in seconds.items():
        # The first round is left out, because some layers were still being
        # compiled.
        pairs = zip(took[1:], seconds["tf_i2i"][1:], strict=True)
        ratio = statistics.median(one / ours for one, ours in pairs)
        print(
            f"  {name:8} {1000 * statistics.median(took[1:]):8.2f} "
            f"{ratio:12.2f} {errors[name]:10.1e}"
        )


def main():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    commands.add_parser("make").set_defaults(run=make)
    commands.add_parser("serve").set_defaults(run=serve)
    timing = commands.add_parser("time")
    timing.add_argument("--addons_python", metavar="PATH")
    timing.add_argument("--rounds", type=int, default=15)
    timing.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
