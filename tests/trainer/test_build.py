"""Building model, loss and optimizer of a config: errors are found before any data are read."""

import functools
import re

import pytest
import torch
from helpers.toy_archive import REMOVE, changed

import train as command
from data_loader import data_loaders
from model.model import CENet
from parse_config import ConfigParser
from trainer import build
from utils.errors import InputError


def build_all(config):
    """Build everything except the data, without allocating memory for the model."""
    parsed = ConfigParser(config, "x.json", training=True)
    with torch.device("meta"):
        model = build.build_model(parsed)
    build.build_loss(parsed)
    optimizer = build.build_optimizer(parsed, model.parameters())
    return model, optimizer, build.build_lr_scheduler(parsed, optimizer)


WRONG = [
    ({"optimizer.args.lr": -1}, "optimizer.args: .*Invalid learning rate"),
    ({"optimizer.args.weight_decay": -1}, "optimizer.args: .*Invalid weight_decay"),
    ({"experts.scene.dim": REMOVE, "experts.tags": {"aggregation": "avg"}}, "experts.tags"),
    ({"arch.args.vlad_clusters.text": REMOVE}, "arch.args.vlad_clusters.text: missing"),
    ({"arch.args.vlad_clusters.audio": REMOVE}, "arch.args.vlad_clusters.audio: missing"),
    ({"experts.modalities": ["rgb", "rbg"]}, "experts.modalities: 'rbg'"),
    ({"experts.drop_feats": "rbg"}, "experts.drop_feats: 'rbg'"),
    ({"arch.args.randomise_feats": "rbg"}, ".*randomise_feats names 'rbg'"),
    ({"arch.args.mimic_ce_dims": True}, "arch.args.*use_ce and mimic_ce_dims"),
    ({"experts.modalities": ["rgb"]}, "arch.args.*use_ce with one expert"),
    ({"arch.args.use_ce": False, "arch.args.concat_experts": True}, "arch.args.*concat_experts .* 20 dims .* 34 dims"),
    ({"experts.scene.aggregation": "vlad"}, "experts.scene.aggregation: 'vlad' for a vector"),
    ({"experts.rgb.aggregation": "none"}, "experts.rgb.aggregation: 'none' for a sequence"),
    ({"data_loader.args.feat_aggregation": {"scene": "max"}}, "data_loader.args.feat_aggregation.scene"),
    ({"experts.modalities": ["a\nb"]}, "experts"),
    (
        {"lr_scheduler": {"type": "StepLR", "args": {"step_size": 0}}},
        "lr_scheduler.args: StepLR does not work",
    ),
    (
        {"lr_scheduler": {"type": "OneCycleLR", "args": {"max_lr": 0.1, "total_steps": 2}}},
        "lr_scheduler.args: OneCycleLR does not work with",
    ),
    ({"loss.args": {"fix_norm": False, "hardest_negatives": True}}, "loss.args: fix_norm: found false"),
    ({"arch.args.vlad_clusters.audo": 3}, "arch.args.vlad_clusters.audo: no such expert, did you mean 'audio'"),
    ({"data_loader.args.feat_aggregation": {"audo": "max"}}, "data_loader.args.feat_aggregation.audo: no such expert"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[" ".join(changes) for changes, _ in WRONG])
def test_parts_that_do_not_fit_are_one_line_with_the_file_and_the_key(config, changes, message):
    with pytest.raises(InputError) as caught:
        build_all(changed(config, changes))
    assert str(caught.value).isprintable(), repr(str(caught.value))
    assert re.match(f"x.json: {message}", str(caught.value)), str(caught.value)


def define(monkeypatch, module, cls):
    """Add a class to a module of `model`, as an extension would."""
    cls.__module__ = module
    monkeypatch.setattr(f"{module}.{cls.__name__}", cls, raising=False)


def test_the_parameters_of_a_loss_are_optimized_without_weight_decay(config):
    config["loss"] = {"type": "ContrastiveLoss", "args": {}}
    config["optimizer"] = {"type": "SGD", "args": {"lr": 0.1, "weight_decay": 0.5}}
    parsed = ConfigParser(config, "x.json", training=True)
    loss, weight = build.build_loss(parsed), torch.nn.Parameter(torch.ones(1))
    optimizer = build.build_optimizer(parsed, [weight], loss.parameters())
    before = loss.log_scale.item()
    weight.grad, loss.log_scale.grad = torch.zeros(1), torch.tensor(2.0)
    optimizer.step()
    assert weight.item() == pytest.approx(0.95) and loss.log_scale.item() == pytest.approx(before - 0.2)
    assert len(build.build_optimizer(parsed, [weight]).param_groups) == 1


def test_a_model_whose_constructor_takes_no_clusters_is_refused(config, monkeypatch):
    class TinyCENet(CENet):
        def __init__(self, expert_dims, text_dim):
            super().__init__(expert_dims, text_dim, {"text": 1})

    define(monkeypatch, "model.model", TinyCENet)
    config["arch"] = {"type": "TinyCENet", "args": {}}
    with pytest.raises(InputError, match=r"^x.json: arch.args.vlad_clusters: missing.*constructor of TinyCENet"):
        build_all(config)


def test_a_schedule_that_ends_after_a_thousand_epochs_but_before_the_training(config):
    config["trainer"]["epochs"] = 1200
    config["lr_scheduler"] = {"type": "OneCycleLR", "args": {"max_lr": 0.1, "total_steps": 1100}}
    with pytest.raises(InputError, match=r"lr_scheduler.args: OneCycleLR .*it ends after 1100 of 1200 epochs"):
        build_all(config)
    config["lr_scheduler"]["args"]["total_steps"] = 1200
    build_all(config)


def test_a_training_builds_one_model_and_makes_one_dry_run(workplace, monkeypatch, call):
    built, dry = [], []
    original, dry_run = CENet.__init__, build._dry_run

    @functools.wraps(original)
    def count(self, *args, **kwargs):
        built.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(CENet, "__init__", count)
    monkeypatch.setattr(build, "_dry_run", lambda config: dry.append(dry_run(config)))
    code, _, err = call(command, "--config", "configs/toy/train-ce.json", "--train_single_epoch")
    assert code == 0, err
    assert (len(built), len(dry)) == (1, 1)


def test_the_order_of_building_does_not_change_the_random_numbers(workplace, config):
    """Reading data takes none from torch's generator, so that weights and noise depend only on the seed."""
    parsed = ConfigParser(config, "x.json", training=True)
    before = torch.get_rng_state()
    loaders = build.build_loaders(parsed, torch.device("cpu"))
    build.build_evaluation_loaders(parsed, "test", torch.device("cpu"))
    assert isinstance(loaders, data_loaders.ExpertDataLoader)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_process_builds_its_share_of_the_batches(workplace, config, monkeypatch):
    """Of a training batch a half; of the ten videos to evaluate, the first eight or the others."""

    def build_batches():
        loaders = build.build_loaders(ConfigParser(config, "x.json", training=True), torch.device("cpu"))
        return [[batch["ids"] for batch in batches] for batches in (loaders.train, loaders.evaluation)]

    train, evaluation = build_batches()
    monkeypatch.setattr(build, "get_world_size", lambda: 2)
    for rank, half in enumerate((slice(4), slice(4, 8))):
        monkeypatch.setattr(build, "get_rank", lambda rank=rank: rank)
        assert build_batches() == [[ids[half] for ids in train], [evaluation[rank]]]
