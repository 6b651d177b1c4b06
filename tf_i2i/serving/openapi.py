"""The description of the server's interface in OpenAPI 3.1."""

import tf_i2i
from tf_i2i.serving.reading import FORMATS
from tf_i2i.serving.reading import JSON
from tf_i2i.serving.translator import SIZES

_ERRORS = {
    400: "The request or its image is wrong.",
    408: "The request was received too slowly.",
    413: "The body has too many bytes, or the image has too many pixels.",
    415: "The content type is unknown.",
    429: "Too many requests are in progress. Send the request again later.",
    500: "The translation failed.",
}


def description(directions, styled, default, limits):
    """Returns the description of the interface as a dictionary, for JSON.

    Args:
        directions: the directions of the model.
        styled: the directions that take a style.
        default: direction for requests that do not name a direction.
        limits: `reading.Limits`.
    """
    fields = {
        "direction": {
            "type": "string",
            "enum": list(directions),
            "default": default,
            "description": "direction of the translation",
        },
        "size": {
            "type": "string",
            "enum": list(SIZES),
            "default": "model",
            "description": "model: the short side is as long as in training; "
            "input: the result has the size of the input",
        },
        "format": {
            "type": "string",
            "enum": list(FORMATS),
            "default": "png",
            "description": "format of the resulting image",
        },
    }
    if styled:
        fields["seed"] = {
            "type": "integer",
            "minimum": 0,
            "maximum": 2**31 - 1,
            "description": "seed of a random style, for the directions "
            + ", ".join(styled),
        }
    binary = {"schema": {"type": "string", "format": "binary"}}
    base64 = {"type": "string", "contentEncoding": "base64"}
    answer = {
        "type": "object",
        "properties": {
            "image": base64,
            "format": fields["format"],
            "width": {"type": "integer"},
            "height": {"type": "integer"},
        },
    }
    error = {"type": "object", "properties": {"error": {"type": "string"}}}
    operation = {
        "summary": "Translates an image",
        "description": f"An image may have {limits.bytes} bytes and "
        f"{limits.pixels} pixels. A request in JSON has the fields of the "
        "query in its object, and is answered in JSON.",
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": schema["description"],
                "schema": schema,
            }
            for name, schema in fields.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                **dict.fromkeys(FORMATS.values(), binary),
                JSON: {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": base64, **fields},
                    }
                },
            },
        },
        "responses": {
            "200": {
                "description": "The translation",
                "content": {
                    **dict.fromkeys(FORMATS.values(), binary),
                    JSON: {"schema": answer},
                },
            },
            **{
                str(status): {
                    "description": text,
                    "content": {JSON: {"schema": error}},
                }
                for status, text in _ERRORS.items()
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "tf_i2i", "version": tf_i2i.__version__},
        "paths": {
            "/v1/translate": {"post": operation},
            "/healthz": {
                "get": {
                    "summary": "Says whether translations are possible",
                    "responses": {
                        "200": {"description": "Translations are possible."},
                        "503": {"description": "No translation is possible."},
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Measurements in the format of Prometheus",
                    "responses": {"200": {"description": "Text"}},
                }
            },
        },
    }
