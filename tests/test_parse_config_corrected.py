"""Configs of the corrected release: published overrides, and the settings of the test after the training."""

import argparse
import copy

import pytest
from helpers.toy_archive import changed

from parse_config import ConfigParser, add_config_arguments
from utils.errors import InputError

SETTINGS = {
    "data_loader": {"args": {"split_name": "test", "num_test_captions": 1}},
    "tester": {"save_dir": "elsewhere", "verbosity": 1},
    "disable_gpu": True,
}


def overrides(*arguments):
    """Return the overrides of a command line."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_config_arguments(parser, "")
    return parser.parse_args(arguments).set


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        ("optimizer.args.lr@1e-4", "optimizer.args.lr", 1e-4),
        ("data_loader.args.batch_size@4", "data_loader.args.batch_size", 4),
        ("arch.args.use_ce@0+arch.args.mimic_ce_dims@True", "arch.args.use_ce", False),
        ("arch.args.use_ce@0+arch.args.mimic_ce_dims@True", "arch.args.mimic_ce_dims", True),
        ("experts.modalities@rgb,audio", "experts.modalities", ["rgb", "audio"]),
        ("experts.text_feat@12", "experts.text_feat", "12"),  # a text is not taken for a number
        ("arch.args.use_ce@false", "arch.args.use_ce", False),
        ("seed@7", "seed", 7),  # a key that the file does not have
    ],
)
def test_a_published_override_has_the_type_of_what_it_replaces(config, argument, path, value):
    config["experts"]["modalities"] = ["rgb", "scene", "audio"]
    config["arch"]["args"]["mimic_ce_dims"] = False
    found = ConfigParser(config, "c", overrides("--custom_args", argument))
    for key in path.split("."):
        found = found[key]
    assert found == value and type(found) is type(value)


def test_a_dot_in_a_key_is_escaped_in_both_forms(config):
    config["data_loader"]["args"]["feat_aggregation"] = {"i3d.i3d.0": {"temporal": "avg", "stride": 25}}
    path = "data_loader.args.feat_aggregation.i3d_.i3d_.0.stride"
    for arguments in (("--set", f"{path}=4"), ("--custom_args", f"{path}@4")):
        parsed = ConfigParser(config, "c", overrides(*arguments))
        assert parsed["data_loader"]["args"]["feat_aggregation"]["i3d.i3d.0"]["stride"] == 4
    assert overrides("--set", "a=1", "--custom_args", "b@2+c@3=4", "--set", "d=5@6") == ["a=1", "b@2", "c@3=4", "d=5@6"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("trainer.epochs@many", "c: trainer.epochs: found 'many'"),
        ("arch.args.use_ce@maybe", "c: arch.args.use_ce: found 'maybe'"),
        ("trainer.epoch@3", "c: trainer.epoch: unknown key, did you mean 'epochs'"),
        ("@3", "--custom_args @3: expected path@value"),
    ],
)
def test_a_published_override_that_means_nothing_is_refused(config, argument, message):
    with pytest.raises(InputError, match=message):
        ConfigParser(config, "c", overrides("--custom_args", argument))


@pytest.mark.parametrize("argument", ["seed=3", "seed", "seed@1+name", ""])
def test_custom_args_without_a_value_are_refused(argument):
    with pytest.raises(InputError, match="^--custom_args .*: found '.*', expected path@value, or several with"):
        overrides("--custom_args", argument)


def test_eval_settings_change_the_config_of_the_test(config):
    training = ConfigParser({**config, "eval_settings": SETTINGS}, "c")
    assert training.test_split() == training.with_test_split()["test_split"] == "test"
    assert training["data_loader"]["args"]["split_name"] == "val" and not training["disable_gpu"]
    test = training.with_test_split().with_eval_settings()
    assert test["data_loader"]["args"] == {**training["data_loader"]["args"], "split_name": "test", "num_test_captions": 1}
    assert (test["tester"], test["disable_gpu"], test.test_split()) == (SETTINGS["tester"], True, "test")
    assert test["trainer"] == training["trainer"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"eval_settings": False}, {"eval_settings": None}, {"eval_settings": SETTINGS, "eval_mode": "fixed_num_epochs"}],
    ids=["none", "false", "null", "a fixed number of epochs"],
)
def test_without_eval_settings_the_test_is_as_the_config_says(config, changes):
    parsed = ConfigParser({**config, **changes}, "c")
    assert parsed.with_eval_settings() is parsed and parsed.test_split() == "val"


def test_a_split_to_test_that_is_asked_for_comes_before_that_of_eval_settings(config):
    assert ConfigParser({**config, "eval_settings": SETTINGS, "test_split": "train"}, "c").test_split() == "train"


def test_a_stranger_cannot_choose_where_the_test_writes(config, tmp_path):
    settings = changed(copy.deepcopy(SETTINGS), {"tester.save_dir": "/elsewhere"})
    args = argparse.Namespace(config=None, resume=tmp_path / "x.pth", set=[])
    with pytest.raises(InputError, match=r"eval_settings.tester.save_dir is '/elsewhere', outside the working folder"):
        ConfigParser.from_arguments(args, {"config": {**config, "eval_settings": settings}})
    args.set = overrides("--custom_args", "eval_settings.tester.save_dir@/elsewhere")
    ConfigParser.from_arguments(args, {"config": {**config, "eval_settings": settings}})
