"""Export of trained models to files that run without this package."""

from tf_i2i.exporting.coreml import export_coreml
from tf_i2i.exporting.coreml import load_coreml
from tf_i2i.exporting.litert import export_tflite
from tf_i2i.exporting.litert import load_tflite
from tf_i2i.exporting.onnx import export_onnx
from tf_i2i.exporting.onnx import load_onnx
from tf_i2i.exporting.parity import parity
from tf_i2i.exporting.pictures import photo_to_photo
from tf_i2i.exporting.saved_model import export_saved_model
from tf_i2i.exporting.saved_model import load_saved_model

__all__ = [
    "export_coreml",
    "export_onnx",
    "export_saved_model",
    "export_tflite",
    "load_coreml",
    "load_onnx",
    "load_saved_model",
    "load_tflite",
    "parity",
    "photo_to_photo",
]
