"""What several tests need: the shared folder, and small archives and configs of our own making."""

import copy
import json
import logging
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

# Milvus Lite and Ray leave threads of gRPC in this process, whose handlers abort what is forked after them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
THREADS = torch.get_num_threads()

pytest_plugins = ["syncing", "searching", "browsing", "films", "extracting"]

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def shared(*parts):
    """A path below ../shared; the test that asks for it is skipped where that folder is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


EXPERTS = {
    "rgb": {"dim": 12, "aggregation": "avg", "may_be_missing": False},
    "scene": {"dim": 6, "kind": "vector"},
    "audio": {"dim": 8, "aggregation": "vlad"},
}
CONFIG = {
    "experts": {"text_feat": "toy", "text_dim": 10, "ce_shared_dim": 16, **EXPERTS},
    "arch": {"type": "CENet", "args": {"use_ce": True, "vlad_clusters": {"text": 2, "audio": 2}}},
    "data_loader": {
        "type": "ExpertDataLoader",
        "args": {"dataset_name": "Toy", "data_dir": "data/Toy", "batch_size": 8, "split_name": "val"},
    },
    "optimizer": {"type": "Adam", "args": {"lr": 0.01}},
    "lr_scheduler": {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.9}},
    "loss": {"type": "MaxMarginRankingLoss", "args": {"margin": 0.2, "fix_norm": True}},
    "trainer": {"epochs": 3, "monitor": "max val_t2v_metrics_geometric_mean_R1-R5-R10"},
}


REMOVE = object()


def changed(config, changes):
    """`config` with the values at dotted paths set, or removed."""
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = config
        for key in parents:
            section = section[key]
        if value is REMOVE:
            del section[last]
        else:
            section[last] = value
    return config


@pytest.fixture
def config():
    """A fresh copy of a small, valid training config."""
    return copy.deepcopy(CONFIG)


@pytest.fixture(autouse=True)
def logging_as_before():
    """A command in this process sets logging up for itself; the next test shall not notice."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


@pytest.fixture(autouse=True)
def threads_as_before():
    """Extractors and trainings in this process take another number; the next test shall round as always."""
    yield
    torch.set_num_threads(THREADS)


class Archive:
    """A small archive of a dataset of one's own, to be changed before it is written.

    Videos and captions share latent vectors, so that a model can learn to match them.
    """

    def __init__(self, folder, num_train=24, num_val=10, num_test=10, seed=0):
        rng = np.random.default_rng(seed)
        self.folder = folder / "data" / "Toy" / "symlinked-feats"
        self.ids = [f"video{i}" for i in range(num_train + num_val + num_test)]
        self.lists = {
            "train_list.txt": self.ids[:num_train],
            "val_list.txt": self.ids[num_train : num_train + num_val],
            "test_list.txt": self.ids[num_train + num_val :],
        }
        latent = dict(zip(self.ids, rng.normal(size=(len(self.ids), 5)), strict=True))
        maps = {name: rng.normal(size=(5, dim)) for name, dim in (("rgb", 12), ("scene", 6), ("audio", 8), ("text", 10))}

        def seen(video, name, frames):
            return (latent[video] @ maps[name] + 0.1 * rng.normal(size=(frames, maps[name].shape[1]))).astype(np.float16)

        self.features = {
            "rgb": {video: seen(video, "rgb", 3) for video in self.ids},
            "scene": {video: seen(video, "scene", 1)[0] for video in self.ids if rng.random() < 0.8},
            "audio": {video: seen(video, "audio", rng.integers(1, 6)) for video in self.ids if rng.random() < 0.5},
        }
        self.text = {video: [seen(video, "text", rng.integers(1, 7)) for _ in range(2)] for video in self.ids}
        self.raw = {video: [[f"word{i}" for i in range(len(x))] for x in captions] for video, captions in self.text.items()}

    def write(self):
        """Write all files; returns self."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, features in self.features.items():
            self.dump(f"{name}.pickle", features)
        self.dump("text-toy.pickle", self.text)
        self.dump("raw-captions.pkl", self.raw)
        for name, ids in self.lists.items():
            (self.folder / name).write_text("".join(f"{video}\n" for video in ids))
        return self

    def dump(self, name, content):
        """Pickle `content` to a file of the archive."""
        with (self.folder / name).open("wb") as file:
            pickle.dump(content, file)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive that is not written yet, in a temporary working directory."""
    monkeypatch.chdir(tmp_path)
    return Archive(tmp_path)


@pytest.fixture
def workplace(archive, config):
    """A temporary working directory with data/Toy and configs/toy/train-ce.json."""
    archive.write()
    path = Path("configs/toy/train-ce.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(config))
    return archive


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(command, *arguments):
        monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
        try:
            command.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def run(workplace, call):
    """The same, where there is an archive and a config."""
    return call


@pytest.fixture
def refused(run):
    """Run a command that has to refuse its input: its one line on standard error."""

    def refused(command, *arguments):
        before = sorted(Path().rglob("*"))
        code, _, err = run(command, *arguments)
        assert code == 2, err
        assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
        left = [path for path in Path().rglob("*") if path not in before]
        left = [path for path in left if "cache" not in (path.name, path.parent.name) or path.suffix == ".tmp"]
        assert not left  # no empty folder of a run either
        return err

    return refused
