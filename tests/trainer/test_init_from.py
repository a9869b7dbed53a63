"""`train.py --init_from`: what is taken from checkpoints of this project and of both releases, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained, weights
from helpers.paths import shared
from helpers.release_2019 import write_release

import train as train_command
from base.checkpoint import load_checkpoint
from parse_config import ConfigParser
from trainer.build import build_model
from trainer.init_from import initialize_from
from utils.errors import InputError


@pytest.fixture
def source(run):
    """Return a checkpoint of the config, outside the runs."""
    folder, _ = trained(run)
    shutil.move(folder / "checkpoint-epoch3.pth", "source.pth")
    shutil.rmtree(MODELS)
    return Path("source.pth")


def initialized(path, *overrides):
    """Return the model of the config that starts from a checkpoint, and one that does not."""
    config = ConfigParser.from_file(CONFIG, overrides, training=True)
    models = []
    for _ in range(2):
        torch.manual_seed(5)
        models.append(build_model(config))
    state = torch.get_rng_state()
    initialize_from(models[0], Path(path), config)
    assert torch.equal(torch.get_rng_state(), state)
    return models


def test_all_weights_of_the_same_config_are_taken_and_everything_else_is_fresh(run, source, caplog):
    model, _ = initialized(source)
    for name, x in weights(source).items():
        assert torch.equal(model.state_dict()[name], x), name
    assert not caplog.records or "trained with" not in caplog.text
    initialized(source, "experts.text_feat=other")
    assert 'trained with other settings: experts.text_feat "toy" (here "other")' in caplog.text
    folder, out = train(run, "--init_from", source, "--set", "optimizer.args.lr=1e-12", "--set", "trainer.epochs=1")
    assert "init_from source.pth, epoch 3: " in out and "epoch 1/1" in out
    taken, _, total = out.partition("epoch 3: ")[2].partition(" tensors")[0].partition(" of ")
    assert taken == total and "; " not in out.partition("as initial weights")[2].partition("\n")[0]
    state = load_checkpoint(folder / "checkpoint-epoch1.pth")
    assert state["epoch"] == 1 and state["optimizer"]["state"][0]["step"] == 3
    assert state["config"]["init_from"] == json.loads((folder / "config.json").read_text())["init_from"] == "source.pth"
    for name, x in weights(source).items():
        if name.endswith(("weight", "bias")):
            torch.testing.assert_close(state["state_dict"][name], x, rtol=0, atol=1e-6)


def test_a_resumed_run_does_not_need_the_file(run, source):
    whole, _ = train(run, "--init_from", source)
    shutil.move(whole, "whole")
    folder, _ = train(run, "--init_from", source, "--set", "trainer.epochs=2")
    for name in ("config.json", "checkpoint-epoch2.pth", "trained_model.pth"):
        path = folder / name
        if name == "config.json":
            path.write_text(path.read_text().replace('"epochs": 2', '"epochs": 3'))
        else:
            state = torch.load(path, weights_only=True)
            state["config"]["trainer"]["epochs"] = 3
            torch.save(state, path)
    (folder / "metrics.json").unlink()
    source.unlink()
    code, out, err = run(train_command, "--config", CONFIG, "--init_from", source, "--resume", "auto")
    assert code == 0 and "epoch 3/3" in out and "epoch 1/3" not in out and "init_from" not in out, err
    assert_equal_weights("whole/checkpoint-epoch3.pth", folder / "checkpoint-epoch3.pth")
    (folder / "checkpoint-epoch3.pth").unlink()
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth", "--init_from", source)
    assert code == 2 and err.startswith("error: --init_from source.pth: found with --resume CHECKPOINT")
    assert err.count("\n") == 1
    code, out, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth")
    assert code == 0 and "epoch 3/3" in out, err
    assert_equal_weights("whole/checkpoint-epoch3.pth", folder / "checkpoint-epoch3.pth")


def test_seeds_share_the_start(run, source):
    folder, out = train(run, "--init_from", source, "--seeds", "1,2", "--set", "trainer.epochs=1")
    assert out.count("init_from source.pth") == 2
    assert all(json.loads(path.read_text())["init_from"] == "source.pth" for path in folder.glob("*/config.json"))


def test_what_cannot_be_a_start_is_one_line(refused, source):
    both = "found with --resume CHECKPOINT, expected one of them"
    assert both in refused(train_command, "--config", CONFIG, "--init_from", source, "--resume", source)
    message = refused(train_command, "--resume", source, "--set", "init_from=other.pth")
    assert f"config in source.pth: init_from: {both}" in message
    message = refused(train_command, "--config", CONFIG, "--init_from", "missing.pth")
    assert message == "error: missing.pth: no such checkpoint\n"
    other = ("experts.ce_shared_dim=8", "arch.args.vlad_clusters.text=3", "arch.args.vlad_clusters.audio=4")
    options = [word for change in other for word in ("--set", change)]
    message = refused(train_command, "--config", CONFIG, "--init_from", source, *options)
    assert f"source.pth: no layer fits the model of {CONFIG}, expected some to start from; " in message
    assert " do not fit: 'collaborative_gating.g1.bias (16,), expected (8,)'" in message and "more" in message
    Path("text.pth").write_text("no checkpoint")
    with pytest.raises(InputError, match="no layer fits"):  # the batch norm of the words' clusters does, but no matrix
        initialized(source, "experts.text_dim=12", "experts.ce_shared_dim=8", "arch.args.vlad_clusters.audio=4")
    assert "text.pth: damaged, or no checkpoint" in refused(train_command, "--config", CONFIG, "--init_from", "text.pth")


def test_fewer_experts_and_other_arguments_are_named(run, source):
    options = ("--set", 'experts.modalities=["rgb", "scene"]', "--set", "arch.args.l2renorm=true", "--train_single_epoch")
    _, out = train(run, "--init_from", source, *options)
    assert "only in the checkpoint: 'collaborative_gating.modulation.audio." in out and "do not fit" not in out
    assert "init_from source.pth: trained with other settings: arch.args.l2renorm false (here true)\n" in out


def test_a_checkpoint_of_the_2019_release(run, config):
    torch.manual_seed(3)
    published = ConfigParser(config, "x.json", ["arch.args.gate_order=sequential", "arch.args.mask_padding=false"])
    theirs = build_model(published)
    write_release(Path("release.pth"), theirs, config)
    model, _ = initialized("release.pth")
    for name, x in theirs.state_dict().items():
        assert torch.equal(model.state_dict()[name], x), name
    _, out = train(run, "--init_from", "release.pth", "--train_single_epoch")
    for setting in ("mask_padding false (here true)", 'gate_order "sequential" (here "parallel")'):
        assert f"arch.args.{setting}" in out.partition("trained with other settings: ")[2].partition("\n")[0]


@pytest.mark.parametrize("file", ["checkpoint_legacy.pth", "checkpoint_zip.pth"])
def test_a_checkpoint_of_the_corrected_release(workplace, file):
    """In both formats; its names are those of its release, and its experts have dots in theirs."""
    path = shared("parity-2020", file)
    config = ConfigParser.from_checkpoint(load_checkpoint(path), path)
    torch.manual_seed(1)
    model = build_model(config)
    initialize_from(model, path, config)
    found, expected = model.state_dict(), load_checkpoint(path)["state_dict"]
    assert torch.equal(found["text_pooling.clusters"], expected["text_pooling.clusters"])
    assert torch.equal(found["collaborative_gating.g1.weight"], expected["ce.g_reason_1.weight"])
    for i, expert in enumerate(model.modalities):
        assert torch.equal(found[f"text_units.{i}.fc.weight"], expected[f"ce.text_GU.{i}.fc.weight"]), expert


def test_a_checkpoint_whose_weights_are_not_those_of_its_config_is_refused(workplace):
    with pytest.raises(InputError, match=r"legacy_checkpoint.pth: lacks .*\(and 105 more\)"):
        initialized(shared("parity", "legacy_checkpoint.pth"))
