"""Writing checkpoints atomically, keeping the last ones, and loading files without executing anything in them."""

import collections
import os
import pickle
import resource

import pytest
import torch

from base.checkpoint import load_checkpoint, save_checkpoint, save_periodic
from model.published import load_weights
from utils.errors import InputError


def state_of(epoch, **changed):
    state = {"arch": "CENet", "epoch": epoch, "seed": 1, "state_dict": {"w": torch.arange(3.0)}, "config": {"a": [1, "b"]}}
    return {**state, "config_file": "c.json", **changed}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def epochs(*numbers):
    return sorted(f"checkpoint-epoch{number}.pth" for number in numbers)


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "x.pth"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], betas=(0.8, 0.9))
    save_checkpoint(path, state_of(4, optimizer=optimizer.state_dict(), monitor_best=None))
    state = load_checkpoint(str(path))
    assert torch.equal(state["state_dict"]["w"], torch.arange(3.0))
    assert (state["epoch"], state["config"], state["monitor_best"]) == (4, {"a": [1, "b"]}, None)
    assert state["optimizer"] == optimizer.state_dict()


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.pth"
    save_checkpoint(path, state_of(1))
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        save_checkpoint(path, state_of(2, hook=lambda: None))  # cannot be pickled

    def full(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, state_of(3))
    assert names(tmp_path) == ["x.pth"]
    assert path.read_bytes() == before


def test_a_full_disk_is_named_as_the_reason(tmp_path):
    """Simulate the full disk by a limit on file sizes; torch's own RuntimeError does not name the reason."""
    path = tmp_path / "x.pth"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            save_checkpoint(path, {"weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed.value.filename == str(path) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "others", [["config.json", "trained_model.pth"], ["checkpoint-epoch7-copy.pth"], ["checkpoint-epoch8-copy2.pth"]]
)
def test_the_last_three_by_number_and_other_files_are_kept(tmp_path, others):
    for name in others:
        (tmp_path / name).touch()
    for epoch in (8, 9, 10, 11, 100):
        path = save_periodic(tmp_path, state_of(epoch))
        assert load_checkpoint(path)["epoch"] == epoch
    assert names(tmp_path) == sorted([*epochs(10, 11, 100), *others])


def test_a_run_that_resumes_from_an_early_epoch_keeps_its_checkpoints(tmp_path):
    """For example from the best model, when later epochs were worse."""
    for epoch in (8, 9, 10):
        save_periodic(tmp_path, state_of(epoch))
    path = save_periodic(tmp_path, state_of(3))
    assert path.name in names(tmp_path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch marker",)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: torch.save(state_of(1, extra=Evil()), path), "refused"),
        (lambda path: path.write_bytes(pickle.dumps(Evil(), 2)), ""),
        (lambda path: torch.save(state_of(1), path, _use_new_zipfile_serialization=False), None),
        (lambda path: torch.save(state_of(1, extra=Evil()), path, _use_new_zipfile_serialization=False), ""),
        (lambda path: torch.save(torch.nn.Linear(2, 2), path), "refused"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_text("<html>\n404\n</html>\n"), "damaged"),
        (lambda path: _cut(path), "damaged"),
        (lambda path: torch.save([1, 2], path), "found a list, expected a checkpoint"),
        (lambda path: torch.save({"state_dict": {}, "epoch": 3}, path), "arch is NoneType, expected str"),
        (lambda path: path.mkdir(), "no such checkpoint"),
        (lambda path: None, "no such checkpoint"),
    ],
    ids=[
        "evil",
        "evil pickle",
        "old format",
        "evil in it",
        "module",
        "empty",
        "page",
        "cut",
        "list",
        "keys",
        "folder",
        "absent",
    ],
)
def test_foreign_files_are_refused_in_one_line_and_not_executed(tmp_path, monkeypatch, write, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "foreign.pth"
    write(path)
    if message is None:  # torch's old format is harmless, and readable
        assert load_checkpoint(path)["epoch"] == 1
        return
    with pytest.raises(InputError, match=f"foreign.pth: .*{message}") as caught:
        load_checkpoint(path)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("start", [0, 1 << 20])
def test_a_tensor_that_is_not_what_was_written_is_noticed(tmp_path, start):
    """Corrupted bytes, which torch by itself reads as numbers."""
    path = tmp_path / "x.pth"
    save_checkpoint(path, state_of(1, state_dict={"w": torch.rand(1_000_000)}))
    load_checkpoint(path)
    content = bytearray(path.read_bytes())
    begin = content.index(torch.load(path)["state_dict"]["w"].numpy().tobytes()) + start
    content[begin : begin + 4096] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x.pth: damaged, or no checkpoint \(.*'archive/data/0'\)"):
        load_checkpoint(path)


def _cut(path):
    torch.save(state_of(1), path)
    path.write_bytes(path.read_bytes()[:-200])


def test_weights_of_another_model_name_the_first_that_differs():
    model = torch.nn.Linear(2, 3)
    weights = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    load_weights(model, {"state_dict": weights}, "x.pth")
    assert torch.equal(model.weight, torch.ones(3, 2))
    for changed, message in (
        ({"bias": weights["bias"]}, r"x.pth: 'weight' is nothing, expected \(3, 2\)"),
        ({**weights, "more": torch.ones(1)}, r"x.pth: 'more' is \(1,\), expected nothing"),
        ({**weights, "weight": torch.ones(2, 3)}, r"x.pth: 'weight' is \(2, 3\), expected \(3, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            load_weights(model, {"state_dict": changed}, "x.pth")


def test_a_run_that_went_back_keeps_what_it_writes(tmp_path):
    for epoch in (8, 9, 10, 4):
        save_periodic(tmp_path, state_of(epoch))
    assert "checkpoint-epoch4.pth" in names(tmp_path) and len(names(tmp_path)) == 3
    for epoch in (5, 6):
        save_periodic(tmp_path, state_of(epoch))
    assert names(tmp_path) == [f"checkpoint-epoch{epoch}.pth" for epoch in (4, 5, 6)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epoch": -5}, "epoch is -5, expected 1 or later"),
        ({"epoch": 0}, "epoch is 0, expected 1 or later"),
        ({"begun": {"step": 1, "loss": float("nan"), "seconds": 1.0}}, "begun is .*, expected the number of steps"),
        ({"begun": {"step": 1, "loss": 0.5, "seconds": float("inf")}}, "begun is .*, expected the number of steps"),
        ({"state_dict": {"w": torch.eye(3).to_sparse()}}, "state_dict.w is sparse, .*, expected plain numbers|refused"),
        ({"state_dict": {"w": torch.ones(2, dtype=torch.complex64)}}, "state_dict.w is .*complex.*, expected plain numbers"),
        ({"raw_state_dict": {"w": 1.5}, "ema_updates": 1}, "raw_state_dict.w is float, expected a tensor by name"),
        ({"raw_state_dict": [], "ema_updates": 1}, "raw_state_dict is list, expected dict in a checkpoint"),
        ({"ema_updates": 1}, "raw_state_dict is NoneType, expected dict in a checkpoint"),
        ({"raw_state_dict": {}}, "ema_updates is None, expected the number of averaged steps"),
        ({"raw_state_dict": {}, "ema_updates": -1}, "ema_updates is -1, expected the number of averaged steps"),
        ({"raw_state_dict": {}, "ema_updates": True}, "ema_updates is True, expected the number of averaged steps"),
        ({"values": {"loss": float("nan")}}, "values holds something else than numbers"),
        ({"values": {"loss": torch.ones(1)}}, "values holds something else than numbers"),
        ({"begun": {"step": 1}}, "begun is .*, expected the number of steps done, their losses and their seconds"),
        ({"begun": {"step": 1, "loss": 0.5, "seconds": "x"}}, "begun is .*, expected the number of steps"),
        ({"begun": {"step": 1, "loss": 0.5, "seconds": 0.0}}, "begun is .*, expected the number of steps"),
        ({"begun": [1, 0.5]}, "begun is .*, expected the number of steps"),
        ({"begun": {"step": -1, "loss": 0.0}}, "begun is .*, expected the number of steps"),
        ({"config_file": 3}, "config_file is int, expected str"),
        ({"environment": {"torch": torch.ones(1)}}, "environment is .*, expected names and values"),
        ({"environment": 3}, "environment is 3, expected names and values"),
        ({"state_dict": {1: torch.ones(1)}}, "state_dict.1 is Tensor, expected a tensor by name"),
    ],
)
def test_damaged_parts_are_named(tmp_path, changed, message):
    path = tmp_path / "x.pth"
    torch.save(state_of(1) | changed, path)
    with pytest.raises(InputError, match=message):
        load_checkpoint(path)


def test_what_cannot_be_loaded_again_does_not_take_the_place_of_what_can(tmp_path):
    path = tmp_path / "x.pth"
    assert save_checkpoint(path, state_of(1), verify=True) == path
    before = path.read_bytes()
    for extra, reason in (
        (Evil(), "refused, it holds the class"),
        (float("nan"), "values holds something else than numbers"),
    ):
        with pytest.raises(InputError, match=rf"\A{path}: not saved, because it could not be loaded again \({reason}"):
            save_checkpoint(path, state_of(2, values={"loss": extra}), verify=True)
    assert names(tmp_path) == ["x.pth"] and path.read_bytes() == before


def test_the_milestones_of_a_schedule_can_be_read(tmp_path):
    """Runs that ended before these checkpoints could be read are not lost."""
    path = tmp_path / "x.pth"
    milestones = collections.Counter([2, 4, 4])
    torch.save(state_of(1, lr_scheduler={"milestones": milestones}), path)
    found = load_checkpoint(path)["lr_scheduler"]["milestones"]
    assert type(found) is collections.Counter and found == milestones


class Counted:
    """Pickles as a call of `collections.Counter` with other arguments, and then with items that are set."""

    def __init__(self, *arguments, items=()):
        self.arguments, self.items = arguments, items

    def __reduce__(self):
        return collections.Counter, self.arguments, None, None, iter(self.items) if self.items else None


@pytest.mark.parametrize(
    "counted",
    [
        Counted("text"),
        Counted(),
        Counted([1, 2]),
        Counted(10**9),
        Counted({"a": 1}),
        Counted({1: 1.5}),
        Counted({1: True}),
        Counted({1: 1}, {2: 2}),
        Counted({1: 1}, items=[("a", "b")]),
    ],
    ids=lambda counted: f"{counted.arguments} {counted.items}",
)
def test_no_other_counter_can_be_read(tmp_path, counted):
    path = tmp_path / "x.pth"
    torch.save(state_of(1, lr_scheduler={"milestones": counted}), path)
    refused = "refused, it holds (a collections.Counter of|keys for something that is not a dict)"
    with pytest.raises(InputError, match=f"x.pth: ({refused}|damaged, or no checkpoint)"):
        load_checkpoint(path)
