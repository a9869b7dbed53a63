"""Checkpoints of the 2019 release: valid ones are read, others are refused."""

import collections
import io
import pickle
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.paths import shared

from base.checkpoint import load_checkpoint
from base.legacy_checkpoint import MAGIC, VERSION, is_legacy
from utils.errors import InputError

FILES = ("legacy_checkpoint", "legacy_checkpoint_floatbest", "legacy_checkpoint_cuda")


@pytest.mark.parametrize("name", FILES)
def test_the_parity_files_are_read_to_the_bit(name):
    state = load_checkpoint(shared("parity", f"{name}.pth"))
    expected = np.load(shared("parity", "ce_ce.npz"))
    weights = {key.removeprefix("sd/"): expected[key] for key in expected if key.startswith("sd/")}
    assert state["state_dict"].keys() == weights.keys()
    for key, value in weights.items():
        found = state["state_dict"][key]
        assert found.device.type == "cpu" and found.numpy().dtype == value.dtype
        np.testing.assert_array_equal(found.numpy(), value)
    assert (state["arch"], state["epoch"], state["seed"], state["published"]) == ("CENet", 42, 0, True)
    assert state["config"]["data_loader"]["args"]["split_name"] == "full-val"
    assert state["config"]["eval_config"] == "configs/msrvtt/eval-full-ce.json"


class ConfigParser:
    """The class of a config in checkpoints of the release, with paths and a namespace in it."""

    def __init__(self, config):
        self._config = config
        self.save_dir = Path("data/saved")
        self.args = types.SimpleNamespace(device=None)


ConfigParser.__module__ = "parse_config"


@pytest.fixture
def release(monkeypatch):
    """Make the classes of the release known to pickle."""
    module = types.ModuleType("parse_config")
    module.ConfigParser = ConfigParser
    monkeypatch.setitem(sys.modules, "parse_config", module)


def state_of(**changes):
    config = collections.OrderedDict(arch={"type": "CENet"}, seed=7)
    weights = collections.OrderedDict(
        a=torch.arange(6.0).reshape(2, 3), b=torch.tensor(5), c=torch.arange(6.0).reshape(2, 3).t(), d=torch.ones(2).half()
    )
    state = {"arch": "CENet", "epoch": 3, "state_dict": weights, "monitor_best": 1.5, "config": ConfigParser(config)}
    return {**state, **changes}


def saved(path, content):
    """Write a checkpoint with torch, which can still write the old format."""
    with path.open("wb") as file:
        torch.save(content, file, _use_new_zipfile_serialization=False)
    return path


def test_a_file_that_torch_writes_in_the_old_format_is_read(tmp_path, monkeypatch, release):
    content = state_of()
    content["state_dict"]._metadata = collections.OrderedDict({"": {"version": 1}})  # as that of a module has
    content["config"].args = None  # a namespace of another module is not one of the release
    state = load_checkpoint(saved(tmp_path / "x.pth", content))
    for name, expected in content["state_dict"].items():
        assert torch.equal(state["state_dict"][name], expected), name
        assert state["state_dict"][name].dtype == expected.dtype
    assert state["config"] == {"arch": {"type": "CENet"}, "seed": 7}
    assert (state["epoch"], state["seed"]) == (3, 7)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("place", ["config", "monitor_best", "state_dict"])
def test_nothing_in_the_pickle_is_executed(tmp_path, monkeypatch, release, place):
    monkeypatch.chdir(tmp_path)
    content = state_of(**{place: Evil()})
    if place != "config":
        content["config"].args = None
    with pytest.raises(InputError, match=r"x.pth: refused, it holds the class"):
        load_checkpoint(saved(tmp_path / "x.pth", content))
    assert not Path("executed").exists()


def old_file(path, content, storages=(), version=VERSION, machine=None):
    """Write a file of the old format from pickled content and raw storages."""
    parts = [MAGIC, version, {"little_endian": True} if machine is None else machine]
    raw = b"".join(pickle.dumps(x, protocol=2) for x in parts) + content
    raw += pickle.dumps([key for key, *_ in storages], protocol=2)
    path.write_bytes(raw + b"".join(struct.pack("<q", count) + data for _, count, data in storages))
    return path


def content_with(storage, count, *, size=(2,), stride=(1,), offset=0, key="0", kind="storage", view=None):
    """Return the pickle of a checkpoint with one tensor of a storage of any size."""

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return (kind, Named("torch", storage), key, "cpu", count, view) if value == "STORAGE" else None

        def save_global(self, value, name=None):
            module, attribute = value.module, value.attribute
            self.write(b"c" + f"{module}\n{attribute}\n".encode())

        def save(self, value, save_persistent_id=True):
            if isinstance(value, Named):
                return self.save_global(value)
            if isinstance(value, Tensor):
                self.save(Named("torch._utils", "_rebuild_tensor_v2"))
                self.save(("STORAGE", offset, size, stride, False, None))
                return self.write(pickle.REDUCE)
            return super().save(value, save_persistent_id)

    Named = collections.namedtuple("Named", "module attribute")  # noqa: N806
    Tensor = type("Tensor", (), {})  # noqa: N806
    file = io.BytesIO()
    state = {"arch": "CENet", "epoch": 1, "state_dict": {"a": Tensor()}, "config": {"seed": 1}}
    Pickler(file, protocol=2).dump(state)
    return file.getvalue()


def nested_config(depth):
    config = {}
    for _ in range(depth):
        config = {"a": config}
    return pickle.dumps({"arch": "CENet", "epoch": 1, "state_dict": {}, "config": config}, protocol=2)


GOOD = struct.pack("<2f", 1, 2)


def test_a_file_of_such_parts_is_read(tmp_path):
    """Show that the files below are refused for the reason in the message, not for their form."""
    path = old_file(tmp_path / "x.pth", content_with("FloatStorage", 2), [("0", 2, GOOD)])
    assert is_legacy(path)
    assert load_checkpoint(path)["state_dict"]["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "storages", "options", "message"),
    [
        (content_with("FloatStorage", 2), [("0", 2, GOOD[:5])], {}, "storage 0 has 5 bytes, expected 8"),
        (content_with("FloatStorage", 2), [("0", 3, GOOD)], {}, "storage 0 has 8 bytes"),
        (content_with("FloatStorage", 2), [], {}, "1 of its storages are missing"),
        (content_with("FloatStorage", 2), [("1", 2, GOOD)], {}, "damaged"),
        (content_with("FloatStorage", 2**50), [("0", 2, GOOD)], {}, "larger than the file"),
        (content_with("FloatStorage", -1), [("0", 2, GOOD)], {}, "larger than the file"),
        (content_with("FloatStorage", 200), [("0", 2, GOOD)], {}, "larger than the file"),  # 800 bytes of about 300
        (content_with("FloatStorage", 2, size=(3,)), [("0", 2, GOOD)], {}, "damaged"),
        (content_with("FloatStorage", 2, offset=1), [("0", 2, GOOD)], {}, "damaged"),
        (content_with("FloatStorage", 2, stride=(-1,)), [("0", 2, GOOD)], {}, "damaged"),
        (content_with("FloatStorage", 2, kind="module"), [("0", 2, GOOD)], {}, "a reference to a module"),
        (content_with("FloatStorage", 2, view=("0", 0, 2)), [("0", 2, GOOD)], {}, "a reference to a part of a storage"),
        (content_with("Tensor", 2), [("0", 2, GOOD)], {}, "the class torch.Tensor"),
        (content_with("FloatStorage", 2)[:60], [], {}, "damaged"),
        (content_with("FloatStorage", 2), [("0", 2, GOOD)], {"version": 1002}, "found version 1002"),
        (content_with("FloatStorage", 2), [("0", 2, GOOD)], {"machine": {"little_endian": False}}, "little-endian"),
        (pickle.dumps([1], protocol=2), [], {}, "expected a checkpoint of the 2019 release"),
        (nested_config(70), [], {}, "refused, it holds containers of more than 64 levels"),
        (pickle.dumps({"arch": 1, "epoch": 1, "state_dict": {}, "config": {}}, protocol=2), [], {}, "arch is int"),
    ],
)
def test_a_damaged_file_is_refused_with_one_line(tmp_path, content, storages, options, message):
    path = old_file(tmp_path / "x.pth", content, storages, **options)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()


def test_other_files_are_not_mistaken_for_the_old_format(tmp_path):
    torch.save({"a": 1}, tmp_path / "new.pth")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    assert not any(is_legacy(tmp_path / name) for name in ("new.pth", "text", "empty"))
