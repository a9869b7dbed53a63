"""`eval_settings`: the test after a training, and `test.py` with and without --eval_from_training_config."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import CONFIG, train, trained

import test as test_command
import train as train_command

SETTINGS = {"data_loader": {"args": {"split_name": "test", "num_test_captions": 1}}, "tester": {"save_dir": "data/tests"}}


@pytest.fixture
def settings(workplace, config):
    """Write the settings to the toy config."""
    Path(CONFIG).write_text(json.dumps({**config, "eval_settings": SETTINGS}))


@pytest.mark.parametrize("disable_gpu", [False, True])
def test_the_best_model_is_tested_with_the_settings(settings, run, monkeypatch, disable_gpu):
    gpu, devices = torch.device("cpu", 0), []  # stands for a GPU
    monkeypatch.setattr(train_command, "select_device", lambda *_: gpu)
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


def test_a_checkpoint_is_evaluated_as_it_was_trained_whatever_the_config_says(run):
    behavior = ("--set", "arch.args.gate_order=sequential", "--set", "arch.args.mask_padding=false")
    folder, _ = trained(run, *behavior)
    checkpoint = folder / "trained_model.pth"

    def sims(*options):
        code, out, err = run(test_command, "--resume", checkpoint, "--split", "test", "--save_sims", "s.npz", *options)
        assert code == 0, err
        return np.load("s.npz")["sims"], out

    expected, _ = sims()
    found, out = sims("--config", CONFIG)
    np.testing.assert_array_equal(found, expected)
    assert 'trained with arch.args.gate_order="sequential", which is used instead of that of configs/toy' in out
    chosen, out = sims("--config", CONFIG, "--set", "arch.args.gate_order=parallel", "--set", "arch.args.mask_padding=true")
    assert np.abs(chosen - expected).max() > 1e-3


@pytest.mark.parametrize("variant", [{"use_ce": True}, {"use_ce": False}])
def test_a_checkpoint_of_the_other_network_is_one_line(run, variant):
    corrected = {True: '"pairwise"', False: '""'}[variant["use_ce"]]
    folder, _ = trained(run, "--set", f"arch.args.use_ce={corrected}")
    of_2019 = f"arch.args.use_ce={json.dumps(variant['use_ce'])}"
    code, _, err = run(test_command, "--resume", folder / "trained_model.pth", "--set", of_2019)
    assert code == 2 and err.count("\n") == 1
    assert "trained_model.pth: weights of the corrected release, the config describes a network of 2019" in err


def test_other_arguments_of_the_model_than_those_it_was_trained_with_are_named(run):
    folder, _ = trained(run, "--set", "arch.args.keep_missing_modalities=true", "--set", "optimizer.args.lr=0.02")
    checkpoint = folder / "trained_model.pth"
    message = "trained with arch.args.keep_missing_modalities true, but configs/toy/train-ce.json says false"
    out = run(test_command, "--resume", checkpoint, "--config", CONFIG)[1]
    assert message in out and out.count("trained with") == 1  # the rate of the training has no effect
    option = "arch.args.keep_missing_modalities=false"
    assert "trained with" not in run(test_command, "--resume", checkpoint, "--config", CONFIG, "--set", option)[1]
    assert "trained with" not in run(test_command, "--resume", checkpoint)[1]


def test_a_training_file_may_name_neither_unknown_nor_tested_videos_silently(run, workplace):
    folder = Path("data/Toy/symlinked-feats")
    names = [*workplace.lists["train_list.txt"], workplace.lists["test_list.txt"][0]]
    (folder / "some.txt").write_text("\n".join(names))
    settings = (
        "--config",
        CONFIG,
        "--set",
        "training_file=some.txt",
        "--set",
        "test_split=test",
        "--set",
        "trainer.epochs=1",
    )
    code, out, err = run(train_command, *settings)
    assert code == 0, err
    assert f"some.txt: 1 video for both training and evaluation, first '{names[-1]}'" in out
    (folder / "some.txt").write_text("\n".join([*names, "nobody"]))
    code, _, err = run(train_command, *settings)
    assert code == 2 and err.startswith(f"error: {folder}/some.txt: 'nobody' is in no other list of {folder}")


@pytest.mark.parametrize("args", [None, {"gate_order": torch.zeros(2), "keep_missing_modalities": torch.zeros(2)}])
def test_the_config_in_a_checkpoint_may_be_anything_where_another_is_used(run, args):
    folder, _ = trained(run)
    state = torch.load(folder / "trained_model.pth", weights_only=True)
    torch.save(state | {"config": {} if args is None else {"arch": {"args": args}}}, "odd.pth")
    code, _, err = run(test_command, "--resume", "odd.pth", "--config", CONFIG)
    assert code == 0, err
