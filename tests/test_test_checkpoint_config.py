"""`test.py` with a config beside the one in the checkpoint: which of the two is used, and what is said of it."""

import json

import numpy as np
import pytest
import torch
from helpers.commands import CONFIG, trained

import test as test_command


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


@pytest.mark.parametrize("args", [None, {"gate_order": torch.zeros(2), "keep_missing_modalities": torch.zeros(2)}])
def test_the_config_in_a_checkpoint_may_be_anything_where_another_is_used(run, args):
    folder, _ = trained(run)
    state = torch.load(folder / "trained_model.pth", weights_only=True)
    torch.save(state | {"config": {} if args is None else {"arch": {"args": args}}}, "odd.pth")
    code, _, err = run(test_command, "--resume", "odd.pth", "--config", CONFIG)
    assert code == 0, err
