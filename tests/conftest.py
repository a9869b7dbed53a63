"""Fixtures of many tests: a small config and archive in a temporary working directory, and commands run in this process."""

import copy
import json
import logging
import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

pytest.register_assert_rewrite("helpers")

from helpers.toy_archive import CONFIG, Archive  # noqa: E402 - after its assertions are registered

# Milvus Lite and Ray leave threads of gRPC in this process, whose handlers abort what is forked after them.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
THREADS = torch.get_num_threads()

# HYPOTHESIS_PROFILE=nightly draws other examples each time, and `helpers.properties.examples` three times as many;
# first_failure does not look for a simpler one.
PROFILE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("default", **PROFILE, derandomize=True)
settings.register_profile("first_failure", **PROFILE, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.register_profile("nightly", **PROFILE, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

pytest_plugins = [
    f"helpers.{name}" for name in ("browser", "extraction", "ffmpeg_videos", "search_collection", "sync_server")
]


@pytest.fixture
def config():
    """A fresh copy of a small, valid training config."""
    return copy.deepcopy(CONFIG)


@pytest.fixture(autouse=True)
def logging_as_before():
    """Restore logging, which a command in this process sets up."""
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
    """Restore the number of threads, which extractors and trainings change, and on which rounding depends."""
    yield
    torch.set_num_threads(THREADS)


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
    """Run a command in this process, in a working directory with an archive and a config."""
    return call


@pytest.fixture
def refused(run):
    """Run a command that has to refuse its input; return its one line on standard error."""

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
