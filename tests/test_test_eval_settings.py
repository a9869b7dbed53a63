"""`eval_settings`: the test after a training, and `test.py` with and without --eval_from_training_config."""

import json
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, train, trained

import test as test_command
from trainer import training

SETTINGS = {"data_loader": {"args": {"split_name": "test", "num_test_captions": 1}}, "tester": {"save_dir": "data/tests"}}


@pytest.fixture
def settings(workplace, config):
    """Write the settings to the toy config."""
    Path(CONFIG).write_text(json.dumps({**config, "eval_settings": SETTINGS}))


@pytest.mark.parametrize("disable_gpu", [False, True])
def test_the_best_model_is_tested_with_the_settings(settings, run, monkeypatch, disable_gpu):
    gpu, devices = torch.device("cpu", 0), []  # stands for a GPU
    monkeypatch.setattr(training, "select_device", lambda *_: gpu)
    original = torch.nn.Module.to
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *a, **k: devices.append(a) or original(self, *a, **k))
    folder, out = train(run, "--set", f"eval_settings.disable_gpu={json.dumps(disable_gpu)}")
    assert "Toy, val: 10 videos, 20 captions" in out and "Toy, test: 10 videos, 10 captions" in out
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["split"], metrics["videos"], metrics["captions"]) == ("test", 10, 10)
    assert json.loads((folder / "config.json").read_text())["data_loader"]["args"]["split_name"] == "val"
    assert devices[0] == (gpu,) and devices[-1] == ((torch.device("cpu") if disable_gpu else gpu),)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Toy, test: 10 videos, 10 captions"),
        (("--split", "val"), "Toy, val: 10 videos, 10 captions"),
        (("--set", "data_loader.args.num_test_captions=2"), "Toy, test: 10 videos, 20 captions"),
        (("--set", "data_loader.args.split_name=val"), "Toy, val: 10 videos, 20 captions"),
        (("--config", CONFIG), "Toy, val: 10 videos, 20 captions"),
        (("--config", CONFIG, "--split", "test"), "Toy, test: 10 videos, 20 captions"),
        (("--config", CONFIG, "--eval_from_training_config"), "Toy, test: 10 videos, 10 captions"),
        (
            ("--config", CONFIG, "--eval_from_training_config", "--custom_args", "data_loader.args.num_test_captions@2"),
            "Toy, test: 10 videos, 20 captions",
        ),
        (
            ("--config", CONFIG, "--eval_from_training_config", "--custom_args", "data_loader.args.split_name@val"),
            "Toy, val: 10 videos, 10 captions",
        ),
    ],
)
def test_the_test_command_applies_them_to_the_checkpoint_or_when_asked(settings, run, arguments, expected):
    folder, _ = trained(run)
    code, out, err = run(test_command, "--resume", folder / "trained_model.pth", *arguments)
    assert code == 0, err
    assert expected in out
    merged = "--config" not in arguments and "data_loader.args.split_name=val" not in arguments
    in_tests = list(Path("data/tests/log").glob("*/*/metrics.json"))
    assert bool(in_tests) == (merged or "--eval_from_training_config" in arguments)


def test_the_option_needs_settings(workplace, config, run):
    folder, _ = trained(run)
    best = folder / "trained_model.pth"
    code, _, err = run(test_command, "--resume", best, "--config", CONFIG, "--eval_from_training_config")
    assert code == 2 and err.startswith(f"error: --eval_from_training_config: {CONFIG} has no eval_settings")
    Path("configs/toy/none.json").write_text(json.dumps({**config, "eval_settings": False}))
    code, out, err = run(test_command, "--resume", best, "--config", "configs/toy/none.json", "--eval_from_training_config")
    assert code == 0 and "Toy, val: 10 videos, 20 captions" in out, err
