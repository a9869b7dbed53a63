"""The command that makes the clips of Stamps2: what it writes and prints, what it refuses, and how it resumes."""

import csv
import io
import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.stamps import GOOD, data_tar, deb, png, stamp_files, write_folder
from PIL import Image

from misc import extract_experts, make_stamps
from misc.extraction.caption_files import read_captions, read_splits
from misc.extraction.settings import read_settings
from misc.stamps import dataset, families
from misc.stamps.clips import ClipRecord
from utils import optional_packages
from utils.files import locked

CAPTIONS = ("A cat.", "A dog in a café.", "An apple.", "The letter a.", "The letter b.")
SPLITS = {"train": ("animals-cat", "food-apple", "letters-b"), "val": ("animals-dog",), "test": ("letters-a_red",)}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A .deb of stamps, and lists of splits, in a working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("stamps.deb")
    path.write_bytes(deb(data_tar(stamp_files())))
    Path("lists").mkdir()
    for split, names in SPLITS.items():
        Path(f"lists/{split}_list.txt").write_text("".join(f"{name}\n" for name in names))
    return path


@pytest.fixture
def make(package, call):
    """Run the command on a package: (exit code, standard output, standard error)."""

    def make(*arguments, source=package, lists="lists"):
        return call(make_stamps, "--package", source, "--splits", lists, "--workers", 1, *arguments)

    return make


def files(folder):
    """Return path -> content of every file that later commands read."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_clips_captions_and_license_are_written(make):
    code, out, err = make()
    assert code == 0 and err == ""
    folder = Path("data/stamps2")
    assert sorted(path.name for path in folder.iterdir()) == ["COPYRIGHT", "captions.csv", "clips.jsonl", "videos"]
    assert sorted(path.name for path in (folder / "videos").iterdir()) == [f"{name}.webm" for name in GOOD]
    rows = list(csv.reader((folder / "captions.csv").read_text().splitlines()))
    assert rows[0] == ["video", "caption"] and dict(rows[1:]) == dict(zip(GOOD, CAPTIONS, strict=True)) and len(rows) == 6
    captions, unknown = read_captions(folder / "captions.csv", GOOD)
    assert not unknown and read_splits(Path("lists"), captions)[0] == {split: list(x) for split, x in SPLITS.items()}
    lines = out.splitlines()
    assert lines[:2] == [
        "source: tuxpaint-stamps-default, 1.5-2",
        "License: GPL-2; Copyright: 2022 by A Painter; the whole text is in data/stamps2/COPYRIGHT",
    ]
    assert "not used: the captions in 3 other languages (de, fr, pt_BR)" in lines
    assert "not used: 1 spoken name in other languages (fr)" in lines
    assert "data/stamps2: 5 clips with captions, 3 of them with sound" in lines
    assert "warning: bad/nopicture.txt: left out, it has no picture" in lines
    assert any(x.startswith("warning: food/apple_desc.ogg: left out of its clip") for x in lines)


def test_the_next_command_is_one_that_extract_experts_takes(make, monkeypatch):
    last = make("--data_dir", "data/other")[1].splitlines()[-1]
    assert last.startswith("next: python misc/extract_experts.py ")
    monkeypatch.setattr(sys, "argv", shlex.split(last)[2:])
    args = extract_experts.parse_arguments()
    assert args.name == "stamps2" and args.videos == Path("data/other/videos") and args.data_dir == Path("data/other")
    assert args.captions.is_file() and args.splits.is_dir()
    assert list(read_settings(args.config).experts) == ["audio", "rgb", "scene", "speech"]


def test_a_folder_gives_the_same_as_a_deb(make, tmp_path):
    make("--data_dir", "one")
    assert make("--data_dir", "two", source=write_folder(tmp_path / "root", stamp_files()))[0] == 0
    assert files("one") == files("two") and len(files("one")) == 7


def test_one_process_gives_the_same_as_three(make):
    make("--data_dir", "one")
    make("--data_dir", "two", "--workers", 3)
    assert files("one") == files("two")


def test_after_an_interruption_the_rest_is_made_and_it_is_as_without(make, monkeypatch):
    make("--data_dir", "whole")
    add = ClipRecord.add
    added = []

    def interrupted(self, *arguments):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(arguments)
        add(self, *arguments)

    monkeypatch.setattr(ClipRecord, "add", interrupted)
    code, out, err = make("--data_dir", "resumed")
    assert code == 130 and err == "interrupted\n"
    assert out.splitlines()[-1] == "interrupted: the same command continues with the remaining clips"
    assert not Path("resumed/captions.csv").exists()
    monkeypatch.setattr(ClipRecord, "add", add)
    Path("resumed/videos/.letters-b.webm.1-x.tmp").write_text("of a killed process")
    code, out, _ = make("--data_dir", "resumed")
    assert code == 0 and "5 stamps, 2 of them already made" in out
    assert files("resumed") == files("whole")


def test_stamps_and_lists_that_do_not_match_are_counted(make):
    with Path("lists/val_list.txt").open("a") as file:
        file.write("animals-dodo\n")
    Path("lists/test_list.txt").write_text("bad-invisible\n")
    code, out, _ = make()
    assert code == 0
    assert "lists: 2 stamps in none of its lists, left out: 'bad-broken', 'letters-a_red'" in out
    assert "lists: 1 stamp in its lists, but not in the package: 'animals-dodo'" in out
    assert {path.stem for path in Path("data/stamps2/videos").iterdir()} == set(GOOD) - {"letters-a_red"}
    rows = list(csv.reader(Path("data/stamps2/captions.csv").read_text().splitlines()))
    assert {row[0] for row in rows[1:]} == set(GOOD) - {"letters-a_red"}


def noise(seed):
    """Return a PNG like no other."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_new_lists_replace_none_and_are_not_empty(make):
    code, _, err = make("--new_splits", "lists")
    assert code == 2 and "_list.txt is there, expected a folder without lists" in err
    code, _, err = make("--new_splits", "few")
    assert code == 2 and err.splitlines()[-1].startswith("error: --new_splits: ") and "too few for" in err, err
    assert not Path("few").exists()


def test_new_lists_have_every_stamp_that_can_be_drawn(make, package, monkeypatch):
    monkeypatch.setattr(families, "SIZES", {"test": 1, "val": 1})
    pictures = {name: noise(i) for i, name in enumerate(stamp_files()) if name.endswith(".png") and "bad/" not in name}
    package.write_bytes(deb(data_tar(stamp_files() | pictures)))
    code, out, _ = make("--new_splits", "new/lists")
    assert code == 0 and "new/lists: 3 train, 1 val, 1 test" in out and "--splits new/lists" in out
    assert out.count("warning: bad/broken.png: left out") == 1
    lists = {split: Path(f"new/lists/{split}_list.txt").read_text().split() for split in SPLITS}
    assert sorted(sum(lists.values(), [])) == sorted(GOOD)
    assert Path("new/lists/twins.txt").read_text() == ""
    assert {path.stem for path in Path("data/stamps2/videos").iterdir()} == set(GOOD)


def test_many_warnings_are_counted(make, package):
    package.write_bytes(deb(data_tar(stamp_files() | {f"x{i:02d}.png": png() for i in range(40)})))
    lines = [line for line in make()[1].splitlines() if line.startswith("warning: ")]
    assert len(lines) == 21 and lines[-1] == "warning: 27 more"


def test_without_its_copyright_file_the_license_is_still_named(make, tmp_path):
    code, out, _ = make(source=write_folder(tmp_path / "root", stamp_files(), documents=False))
    assert code == 0 and "version not known" in out and "is GPL-2 or later" in out
    assert not Path("data/stamps2/COPYRIGHT").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--package", "none.deb"], "none.deb: not found, expected the stamps of Tux Paint; to get them: apt-get download"),
        (["--package", "empty"], "empty: no stamps in it"),
        (["--package", "texts"], "texts: no picture with a caption in it"),
        (["--package", "lists/val_list.txt"], "lists/val_list.txt: cannot be read (not a .deb)"),
        (["--splits", "none"], "none/train_list.txt: not found"),
        (["--workers", "0"], "--workers 0: expected a number from 1"),
    ],
)
def test_bad_input_is_refused_with_one_line(make, arguments, reason):
    Path("empty").mkdir()
    Path("texts").mkdir()
    Path("texts/notes.txt").write_text("A note.")
    code, out, err = make(*arguments)
    assert code == 2 and err.startswith(f"error: {reason}") and err.count("\n") == 1
    assert "--package" not in arguments or out == ""


def test_lists_of_other_stamps_are_refused(make):
    for split in SPLITS:
        Path(f"lists/{split}_list.txt").write_text(f"{split}-other\n")
    code, _, err = make()
    assert code == 2 and err == "error: lists: none of its 3 stamps is in the package, expected some\n"


def test_only_damaged_stamps_are_refused(make):
    for split, name in zip(SPLITS, ("bad-broken", "bad-invisible", "none"), strict=True):
        Path(f"lists/{split}_list.txt").write_text(f"{name}\n")
    code, _, err = make()
    assert code == 2 and err == "error: stamps.deb: none of 2 stamps can be used\n"


def test_a_second_process_is_refused(make):
    Path("data/stamps2").mkdir(parents=True)
    with locked(Path("data/stamps2"), "free"):
        code, _, err = make()
    assert code == 2 and err == "error: data/stamps2: another process writes there\n"


def test_without_the_library_for_svg_it_is_refused_before_work(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    code, out, err = make()
    assert code == 2 and "resvg_py" in err and optional_packages.REQUIREMENTS in err and out == ""


def test_a_process_that_dies_is_one_line(make, monkeypatch):
    monkeypatch.setattr("misc.stamps.clips.make_clip", die)
    code, _, err = make()
    assert code == 2 and err.startswith("error: a process died") and err.count("\n") == 1


def die(*_):
    os._exit(1)


def test_the_configs_name_what_is_made():
    config = json.loads((ROOT / "configs/stamps2/train-full-ce.json").read_text())
    assert config["data_loader"]["args"]["dataset_name"] == "stamps2"
    assert config["data_loader"]["args"]["data_dir"] == "data/stamps2"
    declared = config["experts"].keys() - {"text_feat", "text_dim", "ce_shared_dim"}
    assert declared == read_settings(dataset.EXTRACTION_CONFIG).experts.keys()
