"""Every optimizer and schedule of torch, and Ranger: trained, saved and resumed exactly, or refused with the reason."""

import copy
import re

import pytest
import torch
from helpers.toy_archive import CONFIG, Archive

from base.checkpoint import load_checkpoint, save_checkpoint
from base.runs import ResumePoint
from base.validation import UNUSABLE, classes_of, validate
from model.loss import MaxMarginRankingLoss
from parse_config import ConfigParser
from trainer.build import build_loaders, build_lr_scheduler, build_model, build_optimizer
from trainer.optim import step_schedule
from trainer.trainer import Trainer
from utils.errors import InputError

EPOCHS, CPU = 4, torch.device("cpu")
# Arguments that make each keep what it can keep, where its defaults do not.
OPTIMIZERS = {
    "Adafactor": {},
    "Adadelta": {},
    "Adagrad": {"lr_decay": 0.1},
    "Adam": {"amsgrad": True},
    "Adamax": {},
    "AdamW": {"betas": [0.8, 0.9]},
    "ASGD": {"t0": 1},
    "NAdam": {},
    "RAdam": {"betas": [0.8, 0.9], "weight_decay": 0.1},  # with which its steps are rectified after two epochs
    "Ranger": {"betas": [0.8, 0.9], "weight_decay": 0.1, "k": 3},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Rprop": {},
    "SGD": {"momentum": 0.9, "nesterov": True},
}
SCHEDULES = {
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [1, 3, 3, 100]},
    "ConstantLR": {"total_iters": 3},
    "LinearLR": {"total_iters": 3},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 3, "power": 0.5},
    "CosineAnnealingLR": {"T_max": EPOCHS},
    "ReduceLROnPlateau": {"mode": "min", "patience": 0, "threshold": 0.9},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 2, "mode": "exp_range", "gamma": 0.9},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": EPOCHS, "three_phase": True},
}


def config_of(optimizer, schedule):
    sections = {"optimizer": optimizer, "lr_scheduler": schedule, "trainer": {"epochs": EPOCHS, "monitor": "min loss"}}
    return ConfigParser({**copy.deepcopy(CONFIG), **sections}, "config", training=True)


@pytest.fixture(scope="module")
def loaders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schedules")
    Archive(folder).write()
    config = config_of(CONFIG["optimizer"], CONFIG["lr_scheduler"])
    config = config.with_overrides([f"data_loader.args.data_dir={folder / 'data' / 'Toy'}"])
    return build_loaders(config, CPU)


def build(config, loaders):
    """Return the trainer of a config, with an untrained model."""
    torch.manual_seed(0)
    net = build_model(config)
    optimizer = build_optimizer(config, net.parameters())
    schedule = build_lr_scheduler(config, optimizer)
    return Trainer(net, MaxMarginRankingLoss(), optimizer, schedule, config, loaders, CPU)


def train(trainer, epochs):
    """Train for `epochs` and return the state of a checkpoint of the last."""
    for epoch in epochs:
        values = trainer._train_epoch(epoch)
        trainer.partial_epoch = None
        step_schedule(trainer.lr_scheduler, values.get(trainer.monitor.name))
    return trainer._state(epoch)


@pytest.mark.parametrize(("section", "trained"), [("optimizer", OPTIMIZERS), ("lr_scheduler", SCHEDULES)])
def test_every_class_of_torch_is_trained_or_refused_here(section, trained):
    of_the_release = {"SWATS"} if section == "optimizer" else set()
    assert trained.keys() | UNUSABLE[section].keys() == classes_of(section).keys() | of_the_release


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        *((name, "StepLR") for name in OPTIMIZERS),
        *(("SGD", name) for name in SCHEDULES if name != "StepLR"),
        ("Adam", "CyclicLR"),  # which change its betas
        ("Adam", "OneCycleLR"),
    ],
)
def test_a_saved_state_is_resumed_exactly(loaders, tmp_path, optimizer, schedule):
    config = config_of({"type": optimizer, "args": OPTIMIZERS[optimizer]}, {"type": schedule, "args": SCHEDULES[schedule]})
    trainer = build(config, loaders)
    path = save_checkpoint(tmp_path / "x.pth", train(trainer, range(1, 3)), verify=True)
    whole = train(trainer, range(3, EPOCHS + 1))
    resumed = build(config, loaders)
    resumed.resume(ResumePoint(load_checkpoint(path), path, same_run=True))
    found = train(resumed, range(3, EPOCHS + 1))
    assert resumed.start_epoch == 3
    for part in ("state_dict", "optimizer"):
        torch.testing.assert_close(found[part], whole[part], rtol=0, atol=0)
    assert found["lr_scheduler"] == whole["lr_scheduler"]
    assert {key: type(value) for key, value in vars(resumed.lr_scheduler).items()} == {
        key: type(value) for key, value in vars(trainer.lr_scheduler).items()
    }


@pytest.mark.parametrize(("section", "name"), [(section, name) for section in UNUSABLE for name in UNUSABLE[section]])
def test_unusable_classes_are_refused_with_the_reason(config, section, name):
    config[section] = {"type": name, "args": {}}
    with pytest.raises(InputError, match=rf"\A{section}.type: {name} cannot be used, it") as caught:
        validate(config, training=True)
    offered = str(caught.value).partition("expected one of ")[2].split(", ")
    assert set(offered) == (OPTIMIZERS if section == "optimizer" else SCHEDULES).keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "MultiStepLR", "args": {"milestones": "24"}}, "milestones: found '24', expected a list of epochs"),
        ({"type": "MultiStepLR", "args": {"milestones": [2.0]}}, "milestones: found [2.0], expected a list of epochs"),
        ({"type": "MultiStepLR", "args": {"milestones": [0]}}, "milestones: found [0], expected a list of epochs"),
        ({"type": "MultiStepLR", "args": {"milestones": {"2": 1}}}, "milestones: found {'2': 1}, expected a list"),
        ({"type": "StepLR", "args": {"step_size": 1, "gamma": -0.5}}, "gamma: found -0.5, expected no negative number"),
        ({"type": "CosineAnnealingLR", "args": {"T_max": -1}}, "T_max: found -1, expected no negative number"),
        ({"type": "OneCycleLR", "args": {"max_lr": [-0.1], "total_steps": 9}}, "max_lr: found [-0.1], expected no"),
        ({"type": "ReduceLROnPlateau", "args": {"factor": True}}, "factor: found True, expected a number"),
        ({"type": "ReduceLROnPlateau", "args": {"min_lr": "x"}}, "min_lr: found 'x', expected a number"),
        ({"type": "OneCycleLR", "args": {"max_lr": 0.1, "total_steps": 9, "three_phase": 1}}, "three_phase: found 1, "),
    ],
)
def test_arguments_of_schedules_that_torch_does_not_check(config, changes, message):
    config["lr_scheduler"] = changes
    with pytest.raises(InputError, match=re.escape(f"lr_scheduler.args.{message}")):
        validate(config, training=True)


@pytest.mark.parametrize(
    ("args", "found"),
    [({"mode": "max"}, "found 'max', expected 'min', since"), ({}, "found 'min', the default, expected 'max'")],
)
def test_a_plateau_mode_that_does_not_fit_the_monitor_is_one_line(config, args, found):
    config["trainer"]["monitor"] = "min loss" if args else "max val_t2v_metrics_R1"
    config["lr_scheduler"] = {"type": "ReduceLROnPlateau", "args": args}
    with pytest.raises(InputError, match=f"lr_scheduler.args.mode: {found}"):
        validate(config, training=True)
