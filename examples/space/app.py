"""A page that translates pictures with an exported .tflite file.

    python -m tf_i2i.export --model=face-avatar --images=sample \\
        --precision=float16 --output=examples/space/model.tflite
    cd examples/space && pip install -r requirements.txt
    python app.py

The program needs neither tf_i2i nor TensorFlow.
"""

from pathlib import Path

import gradio
from picture_translator import Translator

MODEL = Path(__file__).with_name("model.tflite")


def page(translator):
    """Returns the page with a picture, its translation, and a style."""
    inputs = [gradio.Image(type="pil", label="picture")]
    if translator.styles:
        last = translator.styles - 1
        inputs.append(gradio.Slider(0, last, step=1, label="style"))
    return gradio.Interface(
        translator.__call__,
        inputs,
        gradio.Image(format="png", label="translation"),
        title="Image-to-image translation",
        flagging_mode="never",
        api_name="translate",
    )


if __name__ == "__main__":
    page(Translator(MODEL)).launch()
