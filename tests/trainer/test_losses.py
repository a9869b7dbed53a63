"""Losses with parameters and losses that know equal captions: trained, saved, resumed, changed."""

import json
import math
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained
from helpers.training import CPU
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint, save_checkpoint
from model.loss import ContrastiveLoss, MaxMarginRankingLoss
from trainer import losses
from trainer.loop_helpers import LossSum
from trainer.losses import ranking_loss
from trainer.trainer import train_batches

CONTRASTIVE = ("--set", 'loss={"type": "ContrastiveLoss"}')


def log_scale(path):
    """Return the parameter of the loss in a checkpoint."""
    return load_checkpoint(path)["loss_state_dict"]["log_scale"].item()


def test_the_temperature_is_trained_saved_logged_and_resumed(run):
    options = (*CONTRASTIVE, "--set", "trainer.precision=bf16", "--set", "trainer.accumulate=2")
    folder, out = train(run, *options)
    scales = [log_scale(folder / f"checkpoint-epoch{epoch}.pth") for epoch in (1, 2, 3)]
    assert len({-math.log(0.07), *scales}) == 4
    log = EventAccumulator(str(folder.parents[2] / "log" / folder.parent.name / folder.name)).Reload()
    assert [event.value for event in log.Scalars("temperature")] == pytest.approx([math.exp(-x) for x in scales])
    assert f"temperature {math.exp(-scales[0]):.4g}, lr" in out
    (folder / "checkpoint-epoch3.pth").rename("whole.pth")
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth")
    assert code == 0, err
    assert_equal_weights("whole.pth", folder / "checkpoint-epoch3.pth")
    assert log_scale(folder / "checkpoint-epoch3.pth") == scales[2]
    code, _, err = run(test_command, "--resume", folder / "trained_model.pth")
    assert code == 0, err


def test_a_plateau_also_lowers_the_rate_of_the_temperature(run):
    schedule = 'lr_scheduler={"type": "ReduceLROnPlateau", "args": {"patience": 0, "mode": "min", "factor": 0.5}}'
    folder, _ = train(run, *CONTRASTIVE, "--set", schedule, "--set", "trainer.monitor=min epoch")
    groups = load_checkpoint(folder / "checkpoint-epoch3.pth")["optimizer"]["param_groups"]
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.0025, 0), (0.0025, 0.0)]


def test_a_loss_without_parameters_leaves_checkpoints_as_they_were(run):
    for path in (trained(run)[0], train(run, "--set", "loss.args.exclude_duplicates=true")[0]):
        state = load_checkpoint(path / "checkpoint-epoch3.pth")
        assert "loss_state_dict" not in state and len(state["optimizer"]["param_groups"]) == 1
        assert "temperature" not in state["values"]


@pytest.mark.parametrize(("first", "second"), [((), CONTRASTIVE), (CONTRASTIVE, ("--set", "loss={}")), (CONTRASTIVE, None)])
def test_another_loss_with_parameters_starts_afresh_with_the_optimizer(run, first, second):
    """From a loss without parameters to one with, the other way, and to another temperature."""
    second = ("--set", "loss.args.temperature=0.5") if second is None else second
    if second[1] == "loss={}":
        second = ("--set", 'loss={"type": "MaxMarginRankingLoss"}')
    folder, _ = train(run, *first, "--set", "trainer.epochs=2")
    options = (*second, "--set", "trainer.epochs=3")
    code, out, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth", *options)
    assert code == 0, err
    assert "optimizer, lr_scheduler or loss differ from those of" in out and "all start afresh" in out
    (other,) = set(MODELS.glob("*")) - {folder}
    state = load_checkpoint(other / "checkpoint-epoch3.pth")
    assert state["optimizer"]["state"][0]["step"] == 3  # of one epoch
    if "0.5" in second[1]:
        assert abs(state["loss_state_dict"]["log_scale"].item() - math.log(2)) < 0.1
    assert ("loss_state_dict" in state) == ("ContrastiveLoss" in json.dumps(state["config"]["loss"]))


@pytest.mark.parametrize("damage", [{}, {"log_scale": torch.zeros(2)}, {"log_scale": 1.0}, [1]])
def test_a_damaged_loss_is_one_line(run, damage):
    folder, _ = trained(run, *CONTRASTIVE)
    state = load_checkpoint(folder / "checkpoint-epoch2.pth")
    save_checkpoint(folder / "checkpoint-epoch2.pth", state | {"loss_state_dict": damage})
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth")
    assert code == 2 and err.count("\n") == 1 and "checkpoint-epoch2.pth: " in err
    assert "damaged, it cannot be resumed" in err or "loss_state_dict" in err


class PlainLoss(nn.Module):
    """A loss of similarities only, as those of an extension may be."""

    def forward(self, sims):
        return sims.sum()


def test_only_losses_that_exclude_duplicates_get_them(monkeypatch):
    calls = []
    monkeypatch.setattr(losses, "caption_labels", lambda batch: calls.append(batch) or torch.tensor([4, 7, 4]))
    sims = torch.randn(3, 3)
    for loss in (PlainLoss(), MaxMarginRankingLoss(), ContrastiveLoss(exclude_duplicates=False)):
        assert torch.equal(ranking_loss(loss, sims, {}), loss(sims)) and not calls
    mask = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=torch.bool)
    for loss in (MaxMarginRankingLoss(1.0, exclude_duplicates=True), ContrastiveLoss()):
        assert torch.equal(ranking_loss(loss, sims, {}), loss(sims, mask))
        assert not torch.equal(loss(sims), loss(sims, mask))
    assert len(calls) == 2


def test_equal_captions_of_the_archive_are_not_compared(archive, config, call):
    """All videos have one and the same caption: nothing is a negative, and no weight has a gradient."""
    for video in archive.ids:
        archive.text[video], archive.raw[video] = [archive.text["video0"][0]], [["a", "word"]]
    archive.write()
    path = Path(CONFIG)
    path.parent.mkdir(parents=True)
    config["loss"]["args"] = {"margin": 0.2, "exclude_duplicates": True}
    path.write_text(json.dumps(config))
    folder, _ = train(call)
    assert load_checkpoint(folder / "checkpoint-epoch3.pth")["values"]["loss"] == 0


class OneStep(nn.Module):
    """A model whose similarities are its parameter."""

    modalities = ()

    def __init__(self):
        super().__init__()
        self.sims = nn.Parameter(torch.zeros(2, 2))

    def forward(self, **_):
        return {"cross_view_conf_matrix": self.sims}

    def raise_if_nan(self):
        pass


def test_gradients_of_a_loss_are_accumulated_and_cleared():
    """Two groups of two batches; each is one step of the mean gradient."""
    loss, model = ContrastiveLoss(exclude_duplicates=False), OneStep()
    optimizer = torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.0)
    batch = dict.fromkeys(("text", "experts", "ind", "word_mask", "frame_masks"), {})
    batch["text"] = batch["word_mask"] = torch.zeros(1)
    model.sims.data = torch.tensor([[0.1, 0.2], [0.0, 0.3]])
    (expected,) = torch.autograd.grad(loss(model.sims), list(loss.parameters()))
    train_batches(model, loss, optimizer, [batch] * 4, CPU, LossSum(CPU), accumulate=2)
    torch.testing.assert_close(loss.log_scale.grad, expected)
