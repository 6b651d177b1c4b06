"""Published methods, one file each, on one base class."""

from tf_i2i.methods.asymgan import AsymGAN
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.cdft import CDFT
from tf_i2i.methods.cyclegan import CycleGAN
from tf_i2i.methods.dtn import DTN
from tf_i2i.methods.student import Student
from tf_i2i.methods.twingan import TwinGAN
from tf_i2i.methods.unit import UNIT
from tf_i2i.methods.unit_digits import UNITAdaptation
from tf_i2i.methods.xgan import XGAN

__all__ = [
    "CDFT",
    "DTN",
    "UNIT",
    "XGAN",
    "AsymGAN",
    "CycleGAN",
    "Student",
    "TwinGAN",
    "UNITAdaptation",
    "UnpairedTranslator",
]
