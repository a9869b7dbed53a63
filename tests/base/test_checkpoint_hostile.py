"""Untrusted checkpoints: two independent safeguards against code execution, and limits on records."""

import os
import pickle
import zipfile

import pytest
import torch

from base import checkpoint
from base.checkpoint import load_checkpoint
from utils.errors import InputError


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def state_of(**changed):
    state = {"arch": "CENet", "epoch": 1, "seed": 1, "state_dict": {"w": torch.ones(3)}, "config": {}, "config_file": "c"}
    return state | changed


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "x.pth"


def refusal(path):
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    return str(caught.value)


def rewritten(path, change):
    """Write the records of a checkpoint again; `change` maps their names and contents to others."""
    with zipfile.ZipFile(path) as file:
        records = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in change(records).items():
            file.writestr(name, content)


def test_torch_executes_nothing_even_if_the_check_of_the_records_missed_it(path, monkeypatch):
    torch.save(state_of(extra=Evil()), path)
    assert "refused, it holds the class" in refusal(path)
    monkeypatch.setattr(checkpoint, "_check_records", lambda path: None)
    assert "refused, it is damaged or holds other things" in refusal(path)
    assert not (path.parent / "executed").exists()


def test_the_records_are_checked_before_torch_reads_them(path, monkeypatch):
    torch.save(state_of(extra=Evil()), path)
    monkeypatch.setattr(torch, "load", lambda *args, **options: pytest.fail("torch reads it"))
    assert "refused" in refusal(path)


def test_packed_records_are_refused(path):
    """A small file of them could unpack to any size."""
    torch.save(state_of(), path)
    with zipfile.ZipFile(path) as file:
        records = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in records.items():
            file.writestr(name, content)
    assert "refused, it holds compressed records" in refusal(path)


def test_records_that_are_larger_together_than_their_file_are_refused(path):
    torch.save(state_of(state_dict={"w": torch.ones(10_000)}), path)
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"changed"  # so that the directory is written again
        file.filelist.append(file.getinfo("x/data/0"))
    assert "refused, it holds records that overlap" in refusal(path)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_containers_of_too_many_levels_are_refused(path):
    torch.save(state_of(extra=nested(60)), path)
    load_checkpoint(path)
    torch.save(state_of(extra=nested(70)), path)
    assert "refused, it holds containers of more than 64 levels" in refusal(path)


class Storage:
    """Pickles as a reference to a storage whose key is a tuple, which torch would hash."""


def test_a_storage_whose_key_is_not_text_is_refused(path):
    torch.save(state_of(), path)

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, ("0",), "cpu", 3) if isinstance(value, Storage) else None

    def change(records):
        with open("data.pkl", "wb") as file:  # noqa: PTH123 - in the temporary folder
            Pickler(file, 2).dump(state_of(state_dict={}) | {"extra": Storage()})
        with open("data.pkl", "rb") as file:  # noqa: PTH123
            return {name: file.read() if name.endswith("/data.pkl") else x for name, x in records.items()}

    rewritten(path, change)
    assert "refused, it holds a storage with another description than texts and a number" in refusal(path)
