"""Untrusted files that execute code, link elsewhere or never end: refused in one line, in bounded memory.

Each is read in a process of its own, which it may crash, hang or fill.
"""

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.daily import cases_of_today
from helpers.hostile.arrays import H5, MP, NPY, of
from helpers.hostile.checkpoints import CHECKPOINTS
from helpers.hostile.pickles import PICKLES
from helpers.hostile.tars import TARS
from helpers.hostile.texts import CONFIGS, LISTS
from helpers.isolated_process import MIB, outcome
from helpers.paths import ROOT
from helpers.readers import READERS, load_state, unpacked
from helpers.toy_archive import CONFIG

import train as train_command
from base.experiment import Run
from parse_config import ConfigParser
from trainer.build import build_loaders, build_model

MOST = 500 * MIB
EVERY_READER = "EVERY_READER" in os.environ  # otherwise each file by one of its readers, in turn
COMMAND = "touch pwned"
# What runs of a command with any of these: a file that the commands write, wherever the file would.
CANARIES = (Path("pwned"), Path("../pwned"), Path("/tmp/pwned"))


def _pickles(path, name):
    path.write_bytes(PICKLES[name](COMMAND))


def _pickles_in_npy(path, name):
    path.write_bytes(of("'|O'", "()") + PICKLES[name](COMMAND))


def _written(corpus):
    return lambda path, name: corpus[name](path, COMMAND)


FEATURES = [*READERS.values()]
# Kind -> suffix, names, what writes one, what reads it.
FILES = {
    "pickle": (".pickle", PICKLES, _pickles, FEATURES),
    "pickle in npy": (".npy", PICKLES, _pickles_in_npy, FEATURES),
    "npy": (".npy", NPY, _written(NPY), FEATURES),
    "hdf5": (".h5", H5, _written(H5), FEATURES),
    "msgpack": (".mp", MP, _written(MP), FEATURES),
    "checkpoint": (".pth", CHECKPOINTS, _written(CHECKPOINTS), [load_state]),
    "archive": (".tar.gz", TARS, lambda path, name: TARS[name](path), [unpacked]),
}
NUMBER = sum(len(names) for _, names, _, _ in FILES.values()) + len(CONFIGS) + len(LISTS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a working directory inside of the temporary one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def problems_of(name, read, path):
    """Return what is wrong with the way in which a reader refuses a file."""
    found = outcome(read, path)
    wrong = []
    if found.kind != "refused":
        wrong.append(f"{found.kind}: {found.text}")
    elif not any(place in found.text for place in (path.name, "configs/toy", "data/Toy")):
        wrong.append(f"does not name the file: {found.text}")
    elif "root:" in found.text:
        wrong.append(f"tells what others wrote: {found.text!r}")
    if found.growth > MOST:
        wrong.append(f"took {found.growth // MIB} MiB")
    if executed := [str(canary) for canary in CANARIES if canary.exists()]:
        wrong.append(f"wrote {executed}")
    return [f"{name}, {getattr(read, '__name__', 'reader')}: {problem}" for problem in wrong]


def problems_of_kind(place, kind, numbers):
    suffix, names, write, readers = FILES[kind]
    path, problems = place / f"x{suffix}", []
    for i, name in ((i, list(names)[i]) for i in numbers):
        path.unlink(missing_ok=True)
        write(path, name)
        for read in readers if EVERY_READER else [readers[i % len(readers)]]:
            problems += problems_of(name, read, path)
            for folder in ("cache", "data"):
                shutil.rmtree(place / folder, ignore_errors=True)
    return problems


# Every 8th file of a kind is read by continuous integration, every third other one in a nightly run.
SHARE = {kind: range(0, len(names), 8) for kind, (_, names, _, _) in FILES.items()}


@pytest.mark.share
def test_continuous_integration_reads_60_files_or_more():
    assert sum(map(len, SHARE.values())) >= 60


@pytest.mark.share
@pytest.mark.parametrize("kind", FILES)
def test_a_few_hostile_files(place, kind):
    assert problems_of_kind(place, kind, SHARE[kind]) == []


@pytest.mark.parametrize("kind", FILES)
def test_other_hostile_files(place, kind, capsys):
    numbers = cases_of_today((i for i in range(len(FILES[kind][1])) if i not in SHARE[kind]), 3)
    problems = problems_of_kind(place, kind, numbers)
    with capsys.disabled():
        number = len(SHARE[kind]) + len(numbers)
        print(f"\nhostile: {kind}: {number} of {len(FILES[kind][1])} files (of {NUMBER} in all), {len(problems)} problems")
    assert problems == []


def _used(path):
    """Do everything that a training does with its config before the first epoch."""
    config = ConfigParser.from_file(path, training=True).with_test_split()
    build_model(config)
    build_loaders(config, torch.device("cpu"))
    Run.create(config["trainer"]["save_dir"], config["name"])


@pytest.mark.parametrize("name", cases_of_today(CONFIGS, 3))
def test_hostile_configs(workplace, name):
    path = Path("configs/toy/x.json")
    CONFIGS[name](path, CONFIG)
    assert problems_of(name, _used, path.absolute()) == []


@pytest.mark.parametrize("name", cases_of_today(LISTS, 3))
def test_hostile_lists(workplace, name):
    path = workplace.folder / "train_list.txt"
    path.unlink()
    LISTS[name](path)
    found = outcome(_used, Path("configs/toy/train-ce.json"))
    assert found.kind == "refused" and found.growth < MOST, found
    assert "train_list.txt: " in found.text or "'video" in found.text, found


def one_line(*arguments):
    """Return the message of a command that has to refuse its input, in another process."""
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=300)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr[:-1].isprintable()
    assert not any(canary.exists() for canary in CANARIES)
    return result.stderr


TRAIN = (ROOT / "train.py", "--config", "configs/toy/train-ce.json")


@pytest.mark.parametrize(
    ("file", "write"),
    cases_of_today(
        [
            ("rgb.pickle", lambda path: _pickles(path, "system, protocol 4")),
            ("rgb.pickle", lambda path: _pickles(path, "nested tuples as a name")),
            ("audio.pickle", lambda path: _pickles(path, "array under a million names")),
            ("text-toy.pickle", lambda path: _pickles(path, "doubled lists")),
            ("scene.npy", lambda path: _pickles_in_npy(path, "text of doubled lists")),
            ("scene.npy", lambda path: NPY["header of 3 GiB"](path, COMMAND)),
            ("scene.h5", lambda path: H5["chunk that swells"](path, COMMAND)),
            ("scene.mp", lambda path: MP["objects"](path, COMMAND)),
            ("train_list.txt", LISTS["4 GiB of one line"]),
        ],
        3,
    ),
)
def test_training_refuses_a_hostile_file_in_one_line(workplace, file, write):
    for old in workplace.folder.glob(f"{Path(file).stem}.*"):
        old.unlink()
    write(workplace.folder / file)
    assert file in one_line(*TRAIN)


CHECKPOINTS_OF_COMMANDS = ["system, zip", "nested tuples as a name, zip", "eval, old", "zip bomb", "tar"]


@pytest.mark.parametrize(
    ("command", "name"), cases_of_today(itertools.product(("test.py", "train.py"), CHECKPOINTS_OF_COMMANDS), 3)
)
def test_commands_refuse_a_hostile_checkpoint_in_one_line(workplace, name, command):
    CHECKPOINTS[name](Path("x.pth"), COMMAND)
    assert "x.pth: " in one_line(ROOT / command, "--resume", "x.pth")


@pytest.mark.parametrize(
    "name",
    cases_of_today(
        ["a million brackets", "900 brackets in it", "inherits twice, 40 times", "4 GiB", "a zero byte in the results"], 3
    ),
)
def test_training_refuses_a_hostile_config_in_one_line(workplace, name):
    CONFIGS[name](Path("configs/toy/x.json"), CONFIG)
    assert "configs/toy/" in one_line(ROOT / "train.py", "--config", "configs/toy/x.json")


@pytest.mark.parametrize("value", ["[" * 50000, "9" * 5000, "[" * 200 + "]" * 200])
def test_hostile_values_on_the_command_line(workplace, refused, value):
    error = refused(train_command, *map(str, TRAIN[1:]), "--set", f"seed={value}")
    assert "train-ce.json" in error or "--set" in error


def hung(seconds=60):
    time.sleep(seconds)


def test_the_outcome_of_a_call_in_another_process_is_known():
    """Show that the tests above can fail."""
    assert outcome(int, "3").kind == "returned"
    assert outcome(int, "x").kind == "raised"
    assert outcome(allocate).growth > 250 * MIB
    assert outcome(hung, seconds=0.5).kind == "hung"
    assert outcome(hash_nested, seconds=60).kind == "crashed"


def allocate():
    bytearray(300 * MIB)


def hash_nested():
    x = ()
    for _ in range(10**6):
        x = (x,)
    return hash(x)
