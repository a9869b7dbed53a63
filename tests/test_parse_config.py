"""Reading configs: inheritance, overrides, and the published configs."""

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
    """Return a function that writes a config, or any text, to a file in the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        path = Path(name)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


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


def test_only_an_eval_config_of_another_folder_gets_a_warning_that_its_folder_is_not_used(write, config, caplog):
    write("eval.json", config)
    parser = ConfigParser({**config, "eval_config": "eval.json"}, "c")
    assert parser.test_split() == "val" and caplog.messages == []
    other = json.loads(json.dumps(config))
    other["data_loader"]["args"]["data_dir"] = "data/Other"
    write("eval.json", other)
    assert parser.test_split() == "val"
    assert caplog.messages == ["eval.json: data_loader.args.data_dir is 'data/Other', but 'data/Toy' is used"]


def test_a_user_can_change_what_a_published_checkpoint_implies(config):
    state = {"published": True, "config": config}
    implied = ConfigParser.from_checkpoint(state, Path("x.pth"))["arch"]["args"]
    assert (implied["gate_order"], implied["mask_padding"]) == ("sequential", False)
    chosen = ConfigParser.from_checkpoint(state, Path("x.pth"), overrides=["arch.args.mask_padding=true"])["arch"]["args"]
    assert (chosen["gate_order"], chosen["mask_padding"]) == ("sequential", True)
