"""Reading configs: inheritance, overrides, and what the published ones hold."""

import json
from pathlib import Path

import pytest
import torch

from model import loss
from parse_config import ConfigParser, parse_seeds
from trainer.build import build_loss, build_optimizer
from utils.errors import InputError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a config, or any text, to a file of the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        path = Path(name)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_config_inherits_and_says_what_differs(write, config):
    write("base.json", config)
    write("seed.json", {"seed": 7, "trainer": {"epochs": 5}})
    write("parent.json", {"inherit_from": "base.json,seed.json", "trainer": {"save_period": 2}})
    child = write("child.json", {"inherit_from": "parent.json", "optimizer": {"args": {"lr": 0.5}}})
    read = ConfigParser.from_file(child, training=True)
    assert (read["seed"], read["trainer"]["epochs"], read["trainer"]["save_period"]) == (7, 5, 2)
    assert read["optimizer"] == {"type": "Adam", "args": {"lr": 0.5}}
    assert read["experts"]["rgb"] == config["experts"]["rgb"]
    assert read["name"] == "toy-child"


def test_the_args_of_another_type_are_not_inherited(write, config):
    write("base.json", config)
    child = {"inherit_from": "base.json", "optimizer": {"type": "SGD", "args": {"momentum": 0.5}}, "loss": {"args": {}}}
    read = ConfigParser.from_file(write("child.json", child))
    assert read["optimizer"] == {"type": "SGD", "args": {"momentum": 0.5}}  # not the learning rate of Adam
    assert read["loss"] == {**config["loss"], "type": "MaxMarginRankingLoss"}
    write("middle.json", {"inherit_from": "base.json", "lr_scheduler": {"type": "ExponentialLR", "args": {"gamma": 0.5}}})
    read = ConfigParser.from_file(write("child.json", {"inherit_from": "middle.json", "lr_scheduler": {"type": "StepLR"}}))
    assert read["lr_scheduler"] == {"type": "StepLR", "args": {}}
    read = ConfigParser.from_file(write("child.json", {"inherit_from": "middle.json"}))
    assert read["lr_scheduler"] == {"type": "ExponentialLR", "args": {"gamma": 0.5}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "child.json: not found"),
        ({"inherit_from": "nowhere.json"}, "child.json: inherits from 'nowhere.json', which is not found"),
        ({"inherit_from": "child.json"}, "child.json: inherits from itself"),
        ({"inherit_from": "loop.json"}, "child.json: inherits from itself"),
        ({"inherit_from": ["base.json"]}, "child.json: not a JSON config .*"),
        ('{"seed": 1,}', "child.json: not a JSON config .*line 1 column"),
        ("", "child.json: not a JSON config"),
        ("[1, 2]", "child.json: not a JSON config"),
        ("null", "child.json: not a JSON config"),
        ({"inherit_from": "broken.json"}, "broken.json: not a JSON config"),
        ({"inherit_from": "list.json"}, "list.json: not a JSON config"),
        ({"inherit_from": "base.json", "sede": 3}, "child.json: sede: unknown key, did you mean 'seed'"),
    ],
)
def test_files_that_are_no_configs_are_named(write, config, content, message):
    write("base.json", config)
    write("loop.json", {"inherit_from": "child.json"})
    write("broken.json", "{seed: 1}")
    write("list.json", [1])
    if content is not None:
        write("child.json", content)
    with pytest.raises(InputError, match=message) as caught:
        ConfigParser.from_file("child.json")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("optimizer.args.lr=0.001", "optimizer.args.lr", 0.001),
        ("optimizer.args.lr=1e-3", "optimizer.args.lr", 0.001),
        ("optimizer.args.amsgrad=true", "optimizer.args.amsgrad", True),
        ("optimizer.args.betas=[0.8, 0.9]", "optimizer.args.betas", [0.8, 0.9]),
        ("optimizer.type=SGD", "optimizer.type", "SGD"),
        ("trainer.epochs=12", "trainer.epochs", 12),
        ("trainer.monitor=min loss", "trainer.monitor", "min loss"),
        ('data_loader.args.split_name="test"', "data_loader.args.split_name", "test"),
        ("data_loader.args.dataset_name=a=b", "data_loader.args.dataset_name", "a=b"),
        ("experts.drop_feats=", "experts.drop_feats", ""),
        ('experts.modalities=["rgb", "audio"]', "experts.modalities", ["rgb", "audio"]),
        ("experts.scene.dim=9", "experts.scene.dim", 9),
        ("experts.rgb.may_be_missing=true", "experts.rgb.may_be_missing", True),
        ('experts.tags={"dim": 5, "kind": "vector"}', "experts.tags", {"dim": 5, "kind": "vector"}),
    ],
)
def test_an_override_sets_a_typed_value_and_nothing_else(config, override, path, expected):
    before = json.dumps(config)
    plain, changed = ConfigParser(config, "c").as_dict(), ConfigParser(config, "c", [override]).as_dict()
    assert json.dumps(config) == before
    *parents, last = path.split(".")
    for whole in (plain, changed):
        place = whole
        for key in parents:
            place = place[key]
        value = place.pop(last, None)
    assert value == expected
    assert type(value) is type(expected)
    assert changed == plain


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.epochs", "--set trainer.epochs: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("trainer.epoch=3", "c: trainer.epoch: unknown key, did you mean 'epochs'"),
        ("experts..dim=3", "--set experts..dim=3: expected key=value"),
        ("optimizer.args.lr.x=3", "optimizer.args.lr"),
        ("trainer.epochs=many", "c: trainer.epochs: found 'many'"),
        ("optimizer=Adam", "c: optimizer: found 'Adam'"),
    ],
)
def test_an_override_that_means_nothing_is_refused(config, override, message):
    with pytest.raises(InputError, match=message) as caught:
        ConfigParser(config, "c", [override])
    assert str(caught.value).isprintable()


def test_the_later_override_wins_and_the_source_is_left_alone(config):
    parser = ConfigParser(config, "c", ["seed=1", "seed=2"])
    assert parser["seed"] == 2
    assert parser.with_overrides(["seed=3"])["seed"] == 3
    parser.as_dict()["trainer"]["epochs"] = 99
    assert (parser["seed"], parser["trainer"]["epochs"]) == (2, 3)
    assert "tester" not in parser


def test_objects_are_built_from_type_and_args(config):
    parser = ConfigParser(config, "c", ["loss.args.margin=0.3", "optimizer.type=SGD", "optimizer.args.momentum=0.5"])
    built = build_loss(parser)
    assert (type(built), built.margin, built.fix_norm) == (loss.MaxMarginRankingLoss, 0.3, True)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(parser, [weight])
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (0.01, 0.5)
    with pytest.raises(InputError, match="c: optimizer.args.*: .*Invalid learning rate"):
        build_optimizer(ConfigParser(config, "c", ["optimizer.args.lr=-1"]), [weight])


def test_seeds_are_different_whole_numbers():
    assert parse_seeds("0,1,12") == [0, 1, 12]
    for text in ("", "0,", "0,0", "-1", "a", "1.5", "0, 1"):
        with pytest.raises(InputError, match=f"--seeds {text}: expected different whole numbers"):
            parse_seeds(text)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("configs/toy/train-ce.json", "toy-train-ce"),
        ("toy-train-ce.json", "toy-train-ce"),  # as the published files are named
        ("data/models/toy-train-ce/07-25_15-18-17/config.json", "toy-train-ce"),  # as they are laid out
        ("toyish.json", "toy-toyish"),
    ],
)
def test_an_experiment_is_named_after_its_dataset_and_its_file(tmp_path, monkeypatch, config, path, name):
    monkeypatch.chdir(tmp_path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(config))
    assert ConfigParser.from_file(path)["name"] == name


def test_a_fixed_number_of_epochs_is_tested_on_the_split_of_the_config(write, config):
    """As in the original, where eval_config is then ignored."""
    other = json.loads(json.dumps(config))
    other["data_loader"]["args"]["split_name"] = "test"
    write("eval.json", other)
    for mode, split in (("test_run", "test"), ("fixed_num_epochs", "val")):
        parser = ConfigParser({**config, "eval_config": "eval.json", "eval_mode": mode}, "c")
        assert parser.test_split() == parser.with_test_split()["test_split"] == split
    chosen = ConfigParser({**config, "eval_config": "eval.json", "test_split": "train"}, "c")
    assert chosen.test_split() == "train"


def test_a_user_can_change_what_a_published_checkpoint_implies(config):
    state = {"published": True, "config": config}
    implied = ConfigParser.from_checkpoint(state, Path("x.pth"))["arch"]["args"]
    assert (implied["gate_order"], implied["mask_padding"]) == ("sequential", False)
    chosen = ConfigParser.from_checkpoint(state, Path("x.pth"), overrides=["arch.args.mask_padding=true"])["arch"]["args"]
    assert (chosen["gate_order"], chosen["mask_padding"]) == ("sequential", True)
