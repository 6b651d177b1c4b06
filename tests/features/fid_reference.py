"""Writes what torch-fidelity and clean-fid compute with random weights.

    python fid_reference.py FOLDER

FOLDER contains the folders x and y of images. This program writes weights.pth,
in the format of FID's weights, and expected.json. It is a program of its own,
because PyTorch crashes if it is imported after TensorFlow.
"""

import json
import sys
from pathlib import Path

import torch
import torch_fidelity
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W
from torch_fidelity import feature_extractor_inceptionv3 as module

SUBSET = 4


def random_network(path):
    """Returns FID's network with random weights, which are saved to `path`."""
    torch.manual_seed(0)
    module.load_state_dict_from_url = lambda *args, **kwargs: {}
    kind = module.FeatureExtractorInceptionV3
    load, kind.load_state_dict = kind.load_state_dict, lambda *args: None
    network = kind("random", ["2048"])
    kind.load_state_dict = load
    for name, value in network.state_dict().items():
        if name.endswith("conv.weight"):
            value *= 6**0.5  # From PyTorch's initial weights to He's.
        elif "bn" in name and "num" not in name:
            value += 0.2 * torch.rand(value.shape)
    torch.save(network.state_dict(), path)
    return network


class Layers(torch.nn.Module):
    """The network from images of 299 x 299 pixels in [-1, 1]."""

    def __init__(self, network):
        super().__init__()
        self.all = torch.nn.Sequential(*list(network.children())[:-1])

    def forward(self, x):
        return self.all(x).flatten(1)


class Whole(torch.nn.Module):
    """A module with the attribute that clean-fid uses."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers(x)


def by_torch_fidelity(root):
    found = torch_fidelity.calculate_metrics(
        input1=str(root / "x"),
        input2=str(root / "y"),
        feature_extractor_weights_path=str(root / "weights.pth"),
        fid=True,
        kid=True,
        kid_subset_size=SUBSET,
        cuda=False,
        cache=False,
        verbose=False,
    )
    return {
        "fid": found["frechet_inception_distance"],
        "kid": found["kernel_inception_distance_mean"],
    }


def by_clean_fid(root, network):
    traced = torch.jit.trace(Layers(network), torch.zeros(1, 3, 299, 299))
    path = root / "inception-2015-12-05.pt"
    torch.jit.save(torch.jit.script(Whole(traced)), path)
    model = InceptionV3W(str(root), download=False)
    settings = {"device": torch.device("cpu"), "verbose": False}
    x, y = (
        fid.get_folder_features(
            str(root / name), model, num_workers=0, **settings
        )
        for name in "xy"
    )
    # Each subset contains all images.
    return {"fid": fid.fid_from_feats(x, y), "kid": fid.kernel_distance(x, y)}


def main(folder):
    root = Path(folder)
    network = random_network(root / "weights.pth")
    expected = {
        "native": by_torch_fidelity(root),
        "bicubic299": by_clean_fid(root, network),
    }
    (root / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(*sys.argv[1:])
