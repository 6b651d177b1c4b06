"""Networks of `keras.applications`, with ImageNet weights or from a file."""

import os
import warnings
from pathlib import Path

from tf_i2i import consent
from tf_i2i.errors import UserError
from tf_i2i.features.base import Features
from tf_i2i.features.base import weights_hash
from tf_i2i.features.vgg import check_taps
from tf_i2i.features.vgg import vgg_forward
from tf_i2i.paths import home
from tf_i2i.paths import user_path

_URL = "https://storage.googleapis.com/tensorflow/"
# Means that Keras subtracts from the channels blue, green and red of images for
# VGG, in levels (0 to 255).
_VGG_MEANS = (103.939, 116.779, 123.68)
# The keys are names of networks. The values are: the folder below `_URL` and
# the file name of the ImageNet weights, the default feature maps, the input
# size in pixels (None for any size), and the smallest allowed side of an image
# in pixels.
_NETWORKS = {
    "InceptionV3": (
        "keras-applications/inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ("mixed2", "mixed7", "mixed10"),
        299,
        75,
    ),
    "MobileNetV2": (
        "keras-applications/mobilenet_v2",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        (
            "block_1_expand_relu",
            "block_3_expand_relu",
            "block_6_expand_relu",
            "block_13_expand_relu",
            "out_relu",
        ),
        224,
        32,
    ),
    "VGG16": (
        "keras-applications/vgg16",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        (
            "block1_conv2",
            "block2_conv2",
            "block3_conv3",
            "block4_conv3",
            "block5_conv3",
        ),
        None,
        32,
    ),
    "VGG19": (
        "keras-applications/vgg19",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        (
            "block1_conv2",
            "block2_conv2",
            "block3_conv4",
            "block4_conv4",
            "block5_conv4",
        ),
        None,
        32,
    ),
}
# Suffix of the names of networks whose feature map is the output of the last
# dense layer before the classifier, 4096 numbers for each image. The literature
# calls it fc7. The files of their weights include the classifier.
FC7 = "-fc7"
_NETWORKS |= {
    f"{name}{FC7}": (
        f"keras-applications/{name.lower()}",
        f"{name.lower()}_weights_tf_dim_ordering_tf_kernels.h5",
        ("fc2",),
        224,
        32,
    )
    for name in ("VGG16", "VGG19")
}
NAMES = tuple(_NETWORKS)


def keras_network(name, weights="imagenet", taps=None, dtype="float32"):
    """Loads a network of `keras.applications`.

    A Frechet distance by Keras' InceptionV3 is not FID, because weights and
    pooling differ from those of the Inception network that FID uses.

    Args:
        name: one of `NAMES`.
        weights: "imagenet", or path of an `.h5` file with weights of this
            network. The weights must include those of the classifier if the
            name ends with `FC7`, and must not include them otherwise.
        taps: names of the feature maps, which are names of layers or, for
            `VGG16` and `VGG19`, names as in `features.vgg`. None for the layers
            that metrics use.
        dtype: dtype of the computation; only used for VGG networks with
            `taps`.

    Returns:
        A `Features` whose feature maps are named by the layers or by `taps`.
        InceptionV3 and MobileNetV2 resize images to 299 and 224 pixels, and
        their embedding is the last feature map. `VGG16` and `VGG19` take images
        of any size, and their embedding is made of all feature maps. With
        `FC7`, images are resized to 224 pixels, and the embedding is the
        vector fc7 (CDFT, Figure 9).

    Raises:
        UserError: `name` or a name in `taps` is unknown, the file is missing
            or does not fit the network, or the weights cannot be downloaded.
    """
    if name not in _NETWORKS:
        raise UserError(
            f"`keras:` must be followed by one of {', '.join(NAMES)}. "
            f"Received: {name!r}"
        )
    *_, default, size, least = _NETWORKS[name]
    if weights == "imagenet":
        path = _imagenet_file(name)
    else:
        path = Path(user_path(weights, f"keras:{name}:"))
    if not path.is_file():
        raise UserError(
            f"`keras:{name}:` must be followed by a file of weights. "
            f"Received: {path}"
        )
    if weights != "imagenet":
        consent.check_file(f"keras:{name}:{path}", path)
    network = _build(name, path)
    vgg = name in ("VGG16", "VGG19")
    if vgg and taps:
        convolutions = _read_convolutions(network)
        check_taps(taps, convolutions)
        forward = vgg_forward(convolutions, _VGG_MEANS, taps, "VALID", dtype)
    else:
        forward = _forward(network, taps or default, name.startswith("VGG"))
    taps = taps or default
    return Features(
        name=f"keras:{name}",
        forward=forward,
        tap_names=taps,
        weights_sha256=weights_hash(f"keras:{name}", network.get_weights()),
        embedding=taps if vgg else taps[-1:],
        input_size=size,
        least_size=least,
    )


def _imagenet_path(name):
    """Returns the path of the ImageNet weights in Keras' own cache."""
    folder = os.environ.get("KERAS_HOME") or home("KERAS_HOME") / ".keras"
    return Path(folder) / "models" / _NETWORKS[name][1]


def _imagenet_file(name):
    """Returns the path of the ImageNet weights; downloads missing ones."""
    import keras

    path = _imagenet_path(name)
    if path.is_file():
        return path
    consent.check_download(f"keras:{name}")
    folder, file, *_ = _NETWORKS[name]
    url = f"{_URL}{folder}/{file}"
    try:
        keras.utils.get_file(
            file, url, cache_dir=path.parent.parent, cache_subdir="models"
        )
    except Exception as error:  # Keras raises a plain `Exception`.
        raise UserError(
            f"`keras:{name}` needs ImageNet weights that could not be "
            f"downloaded. On a machine with internet access, download {url}. "
            f"Then copy the file to {path}. If you copy it to another path, "
            f"write keras:{name}:/path/to/{file}. "
            f"Received: {_first_line(error)}"
        ) from error
    return path


def _build(name, path):
    """Builds a network in float32 and loads its weights."""
    import keras

    whole = name.endswith(FC7)
    policy = keras.config.dtype_policy()
    data_format = keras.config.image_data_format()
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    try:
        with warnings.catch_warnings():
            # MobileNetV2 warns about the size of its ImageNet weights.
            warnings.simplefilter("ignore", UserWarning)
            network = getattr(keras.applications, name.removesuffix(FC7))(
                include_top=whole, weights=None
            )
        network.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"`{path}` must contain weights of keras.applications."
            f"{name.removesuffix(FC7)} with include_top={whole}. "
            f"Received: {_first_line(error)}"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(data_format)
    network.trainable = False
    return network


def _read_convolutions(network):
    """Returns a dictionary from `relu1_1` and so on to kernel and bias."""
    return {
        layer.name.replace("block", "relu").replace(
            "conv", ""
        ): layer.get_weights()
        for layer in network.layers
        if layer.weights
    }


def layer_outputs(network, taps):
    """Returns a dictionary of the outputs of layers of a Keras model.

    Args:
        network: Keras model.
        taps: names of its layers.

    Raises:
        UserError: the model has no layer of that name.
    """
    try:
        return {name: network.get_layer(name).output for name in taps}
    except ValueError as error:
        raise UserError(
            f"`taps` must be names of layers. Received: {_first_line(error)}"
        ) from error


def _forward(network, taps, vgg):
    import keras
    import tensorflow as tf

    inner = keras.Model(network.input, layer_outputs(network, taps))

    def forward(images):
        if vgg:
            images = (images[..., ::-1] + 1) * 127.5 - tf.constant(_VGG_MEANS)
        return inner(images, training=False)

    return forward


def _first_line(error):
    return str(error).strip().partition("\n")[0]
