"""Running the commands in the test's own process."""

from pathlib import Path

import torch

import train as train_command

CONFIG = "configs/toy/train-ce.json"
MODELS = Path("data/saved/models/toy-train-ce")


def train(run, *arguments):
    """Train, which has to end well: the folder of the run and standard output."""
    before = set(MODELS.glob("*"))
    code, out, err = run(train_command, "--config", CONFIG, *arguments)
    assert code == 0, err
    (folder,) = set(MODELS.glob("*")) - before
    return folder, out


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def assert_equal_weights(one, other):
    for name, x in weights(one).items():
        assert torch.equal(x, weights(other)[name]), name
