"""List of the commands. Each command is a module with a function `main`."""

# What each command does, by its name. `python -m tf_i2i.NAME` runs a command.
VERBS = {
    "train": "trains a translator, or continues a run that was stopped",
    "translate": "translates image files with a trained run",
    "translate_dataset": "translates a data set with many workers",
    "evaluate": "scores translations, in a table beside trivial baselines",
    "export": "writes a trained run as SavedModel, TFLite, ONNX or Core ML",
    "serve": "translates images that programs send over HTTP",
    "distill": "trains a small network for phones to imitate a trained run",
    "demo": "serves a page that runs exported models in a browser",
    "neighbours": "finds the most similar image in the other domain",
    "compare": "shows the same images translated by several runs",
    "sample": "samples pairs of images from the prior of a trained run",
    "doctor": "checks images, and whether a configuration fits the machine",
    "prepare_faces": "finds, aligns and crops the faces in photos",
    "push_to_hub": "uploads a trained run to the Hugging Face hub",
    "models": "lists the trained translators that come with the package",
}
