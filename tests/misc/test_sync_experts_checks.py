"""Options that only report, and refusals before a download starts."""

import dataclasses
import hashlib
import shutil
import sys
from pathlib import Path

import pytest
from helpers.sync_server import ARCHIVE, FIRST, PART, RGB, SECOND, TAR, everything, part_of_another

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Download
from misc import sync_experts


def test_list(sync, server):
    def here():
        code, out, err = sync("--dataset", "all", "--list")
        assert (code, err) == (0, "")
        (row,) = (line for line in out.splitlines() if line.startswith("MSVD"))
        assert row.endswith("face, flow, ocr, rgb, scene") and "0" * 40 in row and "293.4 KiB" in row
        assert f"\n{' ' * row.index('0' * 40)}{hashlib.sha1(ARCHIVE).hexdigest()}\n" in f"{out}\n"
        assert [line.split()[0] for line in out.splitlines() if line[0] != " "][1:] == [name for name in LAYOUTS if name]
        return row[row.index("293.4 KiB") + 9 : row.index("0" * 40)].strip()

    assert here() == "no"
    assert everything() == {}
    part_of_another(1024)
    assert here() == "1.0 KiB of it"
    PART.rename(TAR)
    assert here() == "archive"
    assert "about 586.8 KiB needed" in sync("--dry_run")[1]
    TAR.unlink()
    RGB.parent.mkdir(parents=True)
    assert here() == "unrecorded"
    sync()
    assert here() == "yes"
    assert len(server.log) == 1


def test_a_dry_run_prints_the_steps_and_changes_nothing(sync, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    code, out, err = sync("--dry_run")
    assert (code, err) == (0, "")
    for text in (f"{server.url}{FIRST}", f"{server.url}{SECOND}", str(TAR), "about 293.4 KiB", "unpack data/MSVD"):
        assert text in out
    assert "5 Bytes of disk free, about 880.2 KiB needed" in out
    assert server.log == [] and everything() == {}


def test_a_dry_run_of_an_existing_archive_needs_no_disk(sync, server):
    sync()
    before = everything()
    code, out, _ = sync("--dry_run")
    assert code == 0 and "here: yes" in out and "fetch  http" not in out and "about 0 Bytes needed" in out
    assert everything() == before and len(server.log) == 1


def test_too_little_disk_space_is_refused(sync_refused, server, monkeypatch):
    needed = 3 * len(ARCHIVE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(needed, 1, needed - 1))
    err = sync_refused()
    assert "error: data: 880.2 KiB of disk free, about 880.2 KiB needed" in err
    assert server.log == [] and everything() == {}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [((), 9), (("--purge_tar_file",), 8)],
)
def test_the_disk_space_of_all_chosen_datasets_is_required(sync, server, monkeypatch, arguments, needed):
    """Archives of one and two units need three times their size, or with purging the larger and twice as much.

    Bytes that are downloaded already count.
    """
    unit = len(ARCHIVE)
    published = dataclasses.replace(LAYOUTS["DiDeMo"], download=Download(2 * unit, ("0" * 40,)))
    monkeypatch.setitem(LAYOUTS, "DiDeMo", published)
    part_of_another(100)
    if not arguments:
        needed -= 100 / unit
    for free, code in ((round(needed * unit) - 1, 2), (round(needed * unit), 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(10 * free, 1, free))
        monkeypatch.setattr(sync_experts, "sync", lambda *_: None)
        assert sync("--dataset", "MSVD", "DiDeMo", *arguments)[0] == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "MSVDD"],
            "--dataset MSVDD: no such dataset, expected some of ",
        ),
        (["--dataset", ""], "--dataset : no such dataset"),
        (["--root_url", "ftp://127.0.0.1"], "--root_url ftp://127.0.0.1: expected an address that starts with http"),
        (["--root_url", "http://"], "expected an address to download from"),
    ],
)
def test_bad_arguments_are_refused(sync_refused, server, arguments, message):
    assert message in sync_refused(*arguments)
    assert server.log == []


def test_a_dataset_that_was_not_published_is_not_offered(sync_refused, sync, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "MSVD", dataclasses.replace(LAYOUTS["MSVD"], download=None))
    assert "--dataset MSVD: no such dataset" in sync_refused()
    assert "MSVD" not in sync("--dataset", "all", "--list")[1]


def test_the_dataset_is_required(monkeypatch, capsys, project):
    monkeypatch.setattr(sys, "argv", ["sync_experts.py"])
    with pytest.raises(SystemExit) as stop:
        sync_experts.main()
    assert stop.value.code == 2 and capsys.readouterr().err.startswith("error: --dataset: missing, expected some of ")


def test_a_dataset_folder_that_links_outside_of_data_is_refused(sync, server, project):
    outside = project.parent / "outside"
    outside.mkdir()
    Path("data").mkdir()
    Path("data/MSVD").symlink_to(outside)
    code, _, err = sync()
    assert code == 2 and err.startswith("error: data/MSVD/symlinked-feats: leads out of data") and err.count("\n") == 1
    assert not list(outside.iterdir()) and server.log == []


def test_a_broken_link_as_data_folder_is_refused(sync_refused, server, project):
    Path("data").symlink_to(project.parent / "disk")
    assert "data: found a file or a broken link" in sync_refused()
    assert server.log == [] and not (project.parent / "disk").exists()
