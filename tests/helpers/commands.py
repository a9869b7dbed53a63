"""Trainings in the test's own process."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import torch

import train as train_command

CONFIG = "configs/toy/train-ce.json"
SAVED = Path("data/saved")
MODELS = SAVED / "models/toy-train-ce"
_KEPT = tempfile.TemporaryDirectory(prefix="trained-")
_TRAINED: dict[tuple, tuple[Path, str]] = {}  # arguments and digest of the input -> kept copy of data/saved, and the output


def train(run, *arguments):
    """Train, which must succeed, and return the folder of the run and standard output."""
    before = set(MODELS.glob("*"))
    code, out, err = run(train_command, "--config", CONFIG, *arguments)
    assert code == 0, err
    (folder,) = set(MODELS.glob("*")) - before
    return folder, out


def trained(run, *arguments):
    """Return the same as `train`, from a copy if there was a training with these arguments, configs and data before.

    For tests of what follows a training; those of the training itself, or that change its code, call `train`.
    """
    assert not SAVED.exists()
    key = (*map(str, arguments), _digest_input())
    if key not in _TRAINED:
        _, out = train(run, *arguments)
        kept = Path(_KEPT.name) / str(len(_TRAINED))
        shutil.copytree(SAVED, kept, symlinks=True)
        _TRAINED[key] = kept, out
    else:
        kept, out = _TRAINED[key]
        shutil.copytree(kept, SAVED, symlinks=True)
    (folder,) = MODELS.glob("*")
    return folder, out


def _digest_input():
    """Return a digest of the names and contents of all configs and data, without caches."""
    digest = hashlib.sha256()
    for path in sorted(path for top in ("configs", "data") for path in Path(top).rglob("*")):
        if path.is_file() and "cache" not in path.parts:
            digest.update(f"{path} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()


def weights(path):
    """Return the weights in a checkpoint by name."""
    return torch.load(path, weights_only=True)["state_dict"]


def assert_equal_weights(one, other):
    """Assert that two checkpoints have the same weights, bit for bit."""
    expected, found = weights(one), weights(other)
    assert list(found) == list(expected)
    for name, x in expected.items():
        assert torch.equal(x, found[name]), name
