"""tf_i2i: unpaired image-to-image translation with TensorFlow and Keras."""

__version__ = "0.1.0"
