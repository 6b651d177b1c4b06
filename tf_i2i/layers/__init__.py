"""Layers and tensor operations that Keras does not have."""

from tf_i2i.layers.convolution import Conv2D
from tf_i2i.layers.deviation import FirstStandardDeviations
from tf_i2i.layers.image_means import given_means
from tf_i2i.layers.image_means import image_mean
from tf_i2i.layers.image_means import recorded_means
from tf_i2i.layers.instance import InstanceNormalization
from tf_i2i.layers.modulation import AdaptiveNormalization
from tf_i2i.layers.modulation import LayerInstanceNormalization
from tf_i2i.layers.modulation import LayerNormalization
from tf_i2i.layers.modulation import modulate
from tf_i2i.layers.normalization import BATCH_NORM
from tf_i2i.layers.normalization import DomainBatchRenormalization
from tf_i2i.layers.normalization import NormRouting
from tf_i2i.layers.normalization import RenormLimits
from tf_i2i.layers.normalization import leaky_pixel_norm
from tf_i2i.layers.normalization import leaky_relu
from tf_i2i.layers.normalization import pixel_norm
from tf_i2i.layers.portable import portable
from tf_i2i.layers.replicas import across_replicas
from tf_i2i.layers.replicas import gather_replicas
from tf_i2i.layers.shuffle import equal_in_block
from tf_i2i.layers.shuffle import pixel_shuffle
from tf_i2i.layers.shuffle import pixel_unshuffle
from tf_i2i.layers.spatial import blur_downsample
from tf_i2i.layers.spatial import blur_upsample
from tf_i2i.layers.spatial import downsample
from tf_i2i.layers.spatial import minibatch_deviation
from tf_i2i.layers.spatial import reflect_pad
from tf_i2i.layers.spatial import upsample
from tf_i2i.layers.spatial import upsample_convolve
from tf_i2i.layers.spectral import SpectralConv2D

__all__ = [
    "BATCH_NORM",
    "AdaptiveNormalization",
    "Conv2D",
    "DomainBatchRenormalization",
    "FirstStandardDeviations",
    "InstanceNormalization",
    "LayerInstanceNormalization",
    "LayerNormalization",
    "NormRouting",
    "RenormLimits",
    "SpectralConv2D",
    "across_replicas",
    "blur_downsample",
    "blur_upsample",
    "downsample",
    "equal_in_block",
    "gather_replicas",
    "given_means",
    "image_mean",
    "leaky_pixel_norm",
    "leaky_relu",
    "minibatch_deviation",
    "modulate",
    "pixel_norm",
    "pixel_shuffle",
    "pixel_unshuffle",
    "portable",
    "recorded_means",
    "reflect_pad",
    "upsample",
    "upsample_convolve",
]
