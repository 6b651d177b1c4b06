"""Published methods, one file each, on one base class."""

from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.twingan import TwinGAN

__all__ = ["TwinGAN", "UnpairedTranslator"]
