"""A SavedModel as TensorFlow Serving asks it (the extra `serving`)."""

import numpy as np
import pytest
import tensorflow as tf

from tf_i2i import exporting
from tf_i2i.methods import TwinGAN


def test_a_request_is_answered(tmp_path, rng):
    predict = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2",
        reason="the extra `serving` is missing",
    )
    model = TwinGAN(image_size=16, start_size=16, width=0.02)
    exporting.export_saved_model(model, tmp_path / "face" / "1")
    images = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)

    request = predict.PredictRequest()
    request.model_spec.name = "face"
    request.model_spec.signature_name = "b_to_a"
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(images))
    sent = predict.PredictRequest.FromString(request.SerializeToString())

    # What the server does: the signature by name, its inputs by name.
    loaded = tf.saved_model.load(str(tmp_path / "face" / "1"))
    call = loaded.signatures[sent.model_spec.signature_name]
    given = {
        name: tf.constant(tf.make_ndarray(proto))
        for name, proto in sent.inputs.items()
    }
    response = predict.PredictResponse()
    for name, value in call(**given).items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))

    answer = tf.make_ndarray(response.outputs["image"])
    wanted = exporting.photo_to_photo(model, "b_to_a")(images)
    assert np.abs(np.int32(answer) - np.int32(wanted)).max() <= 1
