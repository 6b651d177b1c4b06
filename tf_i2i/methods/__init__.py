"""Published methods, one file each, on one base class."""

from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.cyclegan import CycleGAN
from tf_i2i.methods.twingan import TwinGAN
from tf_i2i.methods.unit import UNIT
from tf_i2i.methods.unit_digits import UNITAdaptation

__all__ = [
    "UNIT",
    "CycleGAN",
    "TwinGAN",
    "UNITAdaptation",
    "UnpairedTranslator",
]
