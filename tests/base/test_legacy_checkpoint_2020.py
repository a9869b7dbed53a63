"""Checkpoints of the corrected release, in both file formats: read without its classes, or refused."""

import argparse
import collections
import json
import os
import pathlib
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from helpers.paths import shared

from base.checkpoint import load_checkpoint
from utils.errors import InputError

FORMATS = {"legacy": False, "zip": True}  # name -> whether torch writes a zip


class ConfigParser:
    """The class of a config in checkpoints of the release."""

    def __init__(self, config):
        self._config = config
        self._args = argparse.Namespace(config="configs/x.json", device=None)
        self._save_dir = pathlib.PosixPath("data/saved/models")
        self.log_levels = {0: 30, 1: 20}


ConfigParser.__module__ = "parse_config"


@pytest.fixture(autouse=True)
def release(monkeypatch):
    """Make the class of the release known to pickle, which writes and torch reads it; our reader does not."""
    module = types.ModuleType("parse_config")
    module.ConfigParser = ConfigParser
    monkeypatch.setitem(sys.modules, "parse_config", module)


def state_of(**changes):
    """Return the content of a checkpoint, its config first."""
    state = {"config": ConfigParser({"seed": 7}), "arch": "CENet", "epoch": 3, "monitor_best": np.float64(1.5)}
    return (
        state | {"state_dict": collections.OrderedDict(w=torch.arange(6.0).reshape(2, 3).t(), n=torch.tensor(5))} | changes
    )


def saved(path, content, form):
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_the_recorded_files_are_read_to_the_bit(form):
    path = shared("parity-2020", f"checkpoint_{form}.pth")
    state = load_checkpoint(path)
    assert state["config"] == json.loads(shared("parity-2020", "checkpoint_config.json").read_text())
    assert (state["arch"], state["epoch"], state["seed"]) == ("CENet", 42, 0)
    assert (state["published"], state["release"]) == (True, "2020")
    assert "optimizer" not in state
    reference = torch.load(path, weights_only=False)["state_dict"]  # with the classes that the fixture defines
    torch.testing.assert_close(state["state_dict"], dict(reference), rtol=0, atol=0)
    assert len(reference) > 50


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_torch_writes_is_read(tmp_path, form):
    content = state_of()
    state = load_checkpoint(saved(tmp_path / "x.pth", content, form))
    torch.testing.assert_close(dict(state["state_dict"]), dict(content["state_dict"]), rtol=0, atol=0)
    assert (state["config"], state["seed"], state["config_file"]) == ({"seed": 7}, 7, f"config in {tmp_path / 'x.pth'}")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "2019"),
        ({"state_dict": {"ce.g_reason_1.weight": torch.ones(1), "ce.g_reason_2.weight": torch.ones(1)}}, "2019"),
        ({"state_dict": {"ce.g_reason_1.weight": torch.ones(1), "ce.g_reason_shared.0.weight": torch.ones(1)}}, "2020"),
        ({"state_dict": {"module.ce.h_reason.1.weight": torch.ones(1)}}, "2020"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}}, "2020"),
        ({"config": ConfigParser({"data_loader": {"args": {"root_feat_folder": "x"}}})}, "2020"),
        ({"config": ConfigParser({"experts": {"modalities": ["face", "imagenet.senet154.0"]}})}, "2020"),
        ({"config": ConfigParser({"experts": {"modalities": ["face"]}, "data_loader": {"args": {}}})}, "2019"),
        ({"config": ConfigParser({"experts": 3, "data_loader": {"args": ["root_feat_folder"]}})}, "2019"),
    ],
)
def test_the_release_is_told_by_names_optimizer_or_config(tmp_path, form, changes, expected):
    assert load_checkpoint(saved(tmp_path / "x.pth", state_of(**changes), form))["release"] == expected


@pytest.mark.parametrize("form", FORMATS)
def test_the_prefix_of_a_training_on_several_gpus_is_removed(tmp_path, form):
    names = {"module.a": torch.ones(1), "module.module.b": torch.zeros(1)}
    state = load_checkpoint(saved(tmp_path / "x.pth", state_of(state_dict=names), form))
    assert list(state["state_dict"]) == ["a", "module.b"]
    some = {"module.a": torch.ones(1), "b": torch.zeros(1)}
    assert list(load_checkpoint(saved(tmp_path / "y.pth", state_of(state_dict=some), form))["state_dict"]) == list(some)


def test_thousands_of_storages_are_read(tmp_path):
    """More than files that a process may open."""
    weights = {f"w{i}": torch.full((2,), float(i)) for i in range(3000)}
    state = load_checkpoint(saved(tmp_path / "x.pth", state_of(state_dict=weights), "zip"))
    torch.testing.assert_close(state["state_dict"], weights, rtol=0, atol=0)


def test_weights_can_be_changed_without_the_file(tmp_path):
    path = saved(tmp_path / "x.pth", state_of(), "zip")
    load_checkpoint(path)["state_dict"]["w"].zero_()
    assert load_checkpoint(path)["state_dict"]["w"].sum() == 15


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["config", "inside of config", "arch", "monitor_best", "state_dict", "optimizer"])
def test_nothing_in_the_pickle_is_executed(tmp_path, monkeypatch, form, place):
    monkeypatch.chdir(tmp_path)
    content = state_of()
    if place == "inside of config":
        content["config"]._args = Evil()
    else:
        content[place] = Evil()
    with pytest.raises(InputError, match=r"x.pth: refused, it holds the class \w+\.mkdir"):
        load_checkpoint(saved(tmp_path / "x.pth", content, form))
    assert not (tmp_path / "executed").exists()


def rewritten(path, change):
    """Write the records of a zip again, after `change` has changed them by name."""
    with zipfile.ZipFile(path) as file:
        records = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    change(records)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in records.items():
            file.writestr(f"x/{name}", content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records.update(byteorder=b"big"), "found big-endian numbers"),
        (lambda records: records.update({"data/0": bytes(23)}), "damaged, storage 0 has 23 bytes, expected 24"),
        (lambda records: records.update({"data/0": bytes(28)}), "damaged, storage 0 has 28 bytes, expected 24"),
        (lambda records: records.pop("data/0"), r"damaged \(KeyError"),
        (lambda records: records.update({"y/data.pkl": records["data.pkl"]}), r"damaged \(ValueError"),
        (lambda records: records.update({"data.pkl": records["data.pkl"][:-9]}), "damaged"),
    ],
)
def test_a_damaged_zip_is_refused_with_one_line(tmp_path, change, message):
    path = saved(tmp_path / "x.pth", state_of(), "zip")
    rewritten(path, lambda records: None)
    assert load_checkpoint(path)["state_dict"]["w"].shape == (3, 2)
    rewritten(path, change)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()


def test_checksums_of_a_zip_are_compared(tmp_path):
    path = saved(tmp_path / "x.pth", state_of(), "zip")
    content = path.read_bytes()
    weights = np.arange(6, dtype="<f4").tobytes()
    assert content.count(weights) == 1
    path.write_bytes(content.replace(weights, np.arange(1, 7, dtype="<f4").tobytes()))
    with pytest.raises(InputError, match=r"x.pth: damaged, .*CRC"):
        load_checkpoint(path)
