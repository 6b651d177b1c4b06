"""Every shipped config builds and trains two steps, small and narrow."""

import json
import re

import pytest

from tf_i2i import configs
from tf_i2i import train

SMALL = [
    "train.image_size = 16",
    "train.steps = 2",
    "train.precision = 'float32'",
]
# What beside that makes a method's configs small.
OF_METHOD = {
    "TwinGAN": [
        "TwinGAN.start_size = 16",
        "TwinGAN.width = .03",
        "growing_phases.start_size = 16",
        "growing_phases.batch_size = 2",
    ],
    "CycleGAN": [
        "CycleGAN.width = .03",
        "CycleGAN.critic_layers = 1",
        "single_phase.batch_size = 2",
    ],
    "UNIT": [
        "UNIT.width = .03",
        "UNIT.critic_layers = 2",
        "single_phase.batch_size = 2",
    ],
}


def small(name):
    text = configs.shipped_configs()[name].read_text()
    method = re.search(r"^train.model = @(\w+)$", text, re.M)[1]
    return method, SMALL + OF_METHOD[method]


@pytest.mark.parametrize("name", configs.shipped_configs())
def test_a_shipped_config_trains(name, folders, tmp_path):
    train.main(
        [
            f"--gin_file={name}",
            f"--run_dir={tmp_path}",
            f"--data_a={folders / 'a'}",
            f"--data_b={folders / 'b'}",
            *(f"--gin_param={binding}" for binding in small(name)[1]),
        ]
    )
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2


def test_every_config_says_what_it_is():
    assert "paper/twingan.gin" in configs.shipped_configs()
    for name, path in configs.shipped_configs().items():
        method, _ = small(name)
        assert configs.header(path).startswith(method)
