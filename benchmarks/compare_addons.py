"""Instance and group normalization beside those of TensorFlow Addons.

TensorFlow Addons ended at TensorFlow 2.15: it needs an environment of its own.

    python3.11 -m venv addons
    addons/bin/pip install "tensorflow-cpu==2.15.*" tensorflow-addons==0.23.0
    addons/bin/python benchmarks/compare_addons.py make
    python benchmarks/compare_addons.py time --addons_python=addons/bin/python

`make` runs over there and writes tests/layers/addons_golden.npz: what the
layers of Addons return for fixed inputs, and their gradients. The test of
instance normalization holds ours, and Keras' group normalization, to them.

`time` runs here. A step is one instance normalization, forwards and
backwards. The layers take turns in one run, and a ratio is the median of those
of the turns. `error` is the largest of the outputs, against float64. Without
`--addons_python`, Keras' layer alone is beside ours. All have the threads that
TensorFlow takes, or TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS.
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
# Of Addons: a layer's name, its arguments, the shape of its input. Three pixels
# at least: of two, cancellation leaves a gradient of few digits to compare.
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
STEPS = 20  # A turn takes that many.


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
    """Input, output and gradients of the output's weighted sum."""
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
    """Layers to be timed; for each shape and type, compiled once."""

    def __init__(self, makers):
        self._makers = makers  # Name -> what makes a layer from a policy.
        self._ready = {}

    def take(self, name, dtype, shape):
        """Seconds of a step, and the output's largest error."""
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
            # To be normal already changes nothing: all steps cost the same.
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

        function(*inputs)  # Traced, and warm.
        return function, inputs, float(error)


def exact(x):
    x = np.float64(x)
    x = x - x.mean((1, 2), keepdims=True)
    return x / np.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-5)


def our_turns():
    import functools

    import keras

    from tf_i2i.layers import InstanceNormalization

    def ours(_):  # Of its input's type, whatever the policy.
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
    """Answers each line of arguments to `Turns.take` by a line."""
    turns = addons_turns()
    for line in sys.stdin:
        print(json.dumps(turns.take(*json.loads(line))), flush=True)


class Elsewhere:
    """`Turns` in another environment, a process that waits for its turn."""

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
        self._process.communicate()  # Closes its input, and waits.


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
        # The first round's neighbours were still compiling.
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
